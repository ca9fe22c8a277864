//! `tfw status`.

use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use super::args::{GlobalArgs, SelectionArgs};
use super::error::Error;
use super::frame::{Done, Frame};
use crate::env_vars::EnvSnapshot;
use crate::pipeline;
use crate::report::{ExitCode, to_document};
use crate::ui;

/// Show every unit at a glance: initialised, serial, resources, last change, bucket, lock, backend
///
/// Read from the states directly, many at once: no Terraform runs, and nothing is changed. A unit
/// without a state, or without a bucket, is shown as such; what cannot be told is told why, and
/// then the exit code is 1. A bucket is `weak` where `tfw backend check` would find a difference in
/// its settings; how states are encrypted is not looked at. States of backends other than `s3` and
/// `local` are not looked at.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw status --all                         the whole estate
  tfw status '*/network'                   the network of every environment
  tfw status --all --json | jq -r '.units[] | select(.lock) | .unit'")]
pub(super) struct StatusArgs {
    #[command(flatten)]
    selection: SelectionArgs,
}

pub(super) fn run(
    args: StatusArgs,
    global: &GlobalArgs,
    environment: &EnvSnapshot,
) -> Result<ExitCode, Error> {
    Frame {
        without_terraform: true,
        yields_stdout: true,
        ..Frame::new("status", global, environment, args.selection)
    }
    .run(async |ctx| {
        let (units, diagnostics) = pipeline::status(ctx).await;
        Done {
            document: Some(to_document(&json!({
                "schema": 1,
                "units": units,
                "diagnostics": diagnostics,
            }))),
            text: Some(ui::status(
                &units,
                Timestamp::now(),
                global.output(environment),
            )),
            ..Done::default()
        }
    })
}
