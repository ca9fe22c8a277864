//! `tfw apply`.

use std::path::PathBuf;

use clap::Args;

use super::args::{ConsentArgs, GlobalArgs, RunArgs, SelectionArgs};
use super::error::Error;
use super::frame::{Done, Frame};
use super::held::Held;
use crate::env_vars::EnvSnapshot;
use crate::model::Delivery;
use crate::pipeline::{self, Bundle, BundleError};
use crate::report::ExitCode;

/// Plan, show, confirm, and apply exactly what was shown
///
/// Works in waves: the units of one environment whose dependencies are done are planned, shown
/// and asked about together, then applied; what is downstream of a change is planned after it.
/// An environment waits for the one above it in the manifest, and is skipped when that one fails.
///
/// `--from DIR` applies the plans of a bundle of `tfw plan --out DIR` instead, all of them or those
/// that are selected. Before anything runs, all that the bundle records is held against what is
/// now; any difference is a refusal (exit 4). The plans are shown again and asked about as ever.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw apply dev                                  plan, ask, apply
  tfw apply prod/network --with-dependents       and what uses its outputs
  tfw apply --all --auto-approve --approve prod  ask nothing; prod is protected
  tfw apply --from review                        the plans of a bundle
  tfw apply dev --from review                    some of them")]
pub(super) struct ApplyArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    consent: ConsentArgs,
    /// Approve every plan; protected ones need `--approve` as well
    #[arg(long, help_heading = "Consent")]
    auto_approve: bool,
    /// This protected unit is meant to have no state yet (repeatable)
    ///
    /// Without a state everything would be created anew, which with `--auto-approve` in a
    /// protected environment is refused, unless the unit is named here.
    #[arg(long, value_name = "UNIT", help_heading = "Consent")]
    new_state: Vec<String>,
    /// Apply the plans of the bundle in this folder, if they still fit
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    #[command(flatten)]
    run: RunArgs,
    /// Exit 2 when there were changes, 0 when there were none
    #[arg(long)]
    detailed_exitcode: bool,
}

impl From<BundleError> for Error {
    fn from(error: BundleError) -> Self {
        let diagnostic = error.to_diagnostic();
        if error.is_refusal() {
            Self::Refused(diagnostic)
        } else {
            Self::Usage(diagnostic)
        }
    }
}

pub(super) fn run(
    args: ApplyArgs,
    global: &GlobalArgs,
    environment: &EnvSnapshot,
) -> Result<ExitCode, Error> {
    let bundle = match &args.from {
        Some(folder) => Some(Bundle::read(folder)?),
        None => None,
    };
    let held = bundle
        .as_ref()
        .map(|bundle| Held::new("bundle", bundle.folder(), bundle.units()));
    Frame {
        held,
        consent: args.consent,
        auto_approve: args.auto_approve,
        new_state: args.new_state,
        fail_fast: args.run.fail_fast,
        detailed_exit_code: args.detailed_exitcode,
        delivery: Delivery::Server,
        ..Frame::new("apply", global, environment, args.selection)
    }
    .run(async |ctx| {
        match &bundle {
            Some(bundle) => pipeline::apply_bundle(ctx, bundle).await,
            None => pipeline::apply(ctx).await,
        }
        Done::default()
    })
}
