//! Integration tests: tfw as people run it, over real Terraform and emulated AWS. `cargo xtask
//! test` starts the emulators; `support` is the harness.

mod architecture;
mod consent;
mod destroy;
mod errored_state;
mod harness;
mod interactive;
mod locks;
mod order;
mod retries;
mod shared_module;
mod signals;
mod support;
