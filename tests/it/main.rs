//! Integration tests: tfw as people run it, over real Terraform and emulated AWS. `cargo xtask
//! test` starts the emulators; `support` is the harness.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where its set-up or its document is not right"
)]

mod architecture;
mod audit;
mod backend_ensure;
mod backend_guards;
mod backend_keys;
mod backend_policies;
mod backend_reencrypt;
mod backend_shapes;
mod backends;
mod bad_access;
mod bad_disk;
mod bad_manifest;
mod bad_modules;
mod buckets;
mod bundle;
mod bundle_documents;
mod bundle_refusals;
mod chaos;
mod consent;
mod cost;
mod credentials;
mod delivery;
mod destroy;
mod docs;
mod doctor;
mod drift;
mod errored_state;
mod exec;
mod fingerprint;
mod guards;
mod harness;
mod hostile;
mod interactive;
mod lock_list;
mod lock_release;
mod locks;
mod mfa;
mod migrate;
mod migrate_block;
mod migrate_refusals;
mod order;
mod output;
mod plugin_cache;
mod progress;
mod provider_guard;
mod reach;
mod report;
mod retries;
mod screens;
mod secrets;
mod selection;
mod session_revoke;
mod shared_module;
mod shell_env;
mod signals;
mod state_history;
mod state_mended;
mod state_pull;
mod state_push;
mod state_rollback;
mod state_show;
mod status;
mod support;
mod validate;
mod variables;
mod waves;
