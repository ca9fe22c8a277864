//! tfw runs Terraform over many environments.
//!
//! The rooms, from the edge inwards: [`cli`] turns what was typed into a command and its result
//! into an exit code; `settings` resolves arguments, environment and manifest; `pipeline` has the
//! commands over units, `migrate` the moving of states and `doctor` the look at a whole set-up,
//! all made of the stages in `stage`, and `runner` has the order among units; `state`, `bucket`,
//! `credentials` and `terraform` each own one part of the outside world, over `aws` and `process`;
//! `model`, `events` and `journal` are what all of them speak of. `ui` and `report` consume events.

pub mod aws;
pub mod bucket;
pub mod cli;
pub mod credentials;
pub mod doctor;
pub mod env_vars;
pub mod events;
pub mod journal;
pub mod manifest;
pub mod migrate;
pub mod model;
pub mod pipeline;
pub mod process;
pub mod report;
pub mod root_module;
pub mod runner;
pub mod settings;
pub mod stage;
pub mod state;
pub mod terraform;
pub mod ui;
