//! Integration tests: tfw as people run it, over real Terraform and emulated AWS. `cargo xtask
//! test` starts the emulators; `support` is the harness.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where its set-up or its document is not right"
)]

mod architecture;
mod bad_access;
mod bad_disk;
mod bad_manifest;
mod bad_modules;
mod consent;
mod destroy;
mod errored_state;
mod exec;
mod harness;
mod interactive;
mod locks;
mod order;
mod output;
mod report;
mod retries;
mod secrets;
mod selection;
mod shared_module;
mod signals;
mod support;
mod validate;
mod variables;
