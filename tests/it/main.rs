//! Integration tests: tfw as people run it, over real Terraform and emulated AWS. `cargo xtask
//! test` starts the emulators; `support` is the harness.

mod architecture;
mod bad_access;
mod bad_manifest;
mod harness;
mod support;
