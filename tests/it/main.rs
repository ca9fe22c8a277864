//! Integration tests: tfw as people run it, over real Terraform and emulated AWS. `cargo xtask
//! test` starts the emulators; `support` is the harness.

mod architecture;
mod backends;
mod buckets;
mod credentials;
mod fingerprint;
mod guards;
mod harness;
mod hostile;
mod plugin_cache;
mod reach;
mod support;
