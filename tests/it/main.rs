//! Integration tests: tfw as people run it, over real Terraform and emulated AWS. `cargo xtask
//! test` starts the emulators; `support` is the harness.

mod architecture;
mod bad_access;
mod bad_disk;
mod bad_manifest;
mod bad_modules;
mod exec;
mod harness;
mod output;
mod report;
mod secrets;
mod selection;
mod support;
mod validate;
mod variables;
