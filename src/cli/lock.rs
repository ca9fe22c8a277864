//! `tfw lock list`, `tfw lock show` and `tfw lock release`.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::json;

use super::args::{ConsentArgs, GlobalArgs, SelectionArgs};
use super::error::Error;
use super::frame::{Done, Frame};
use crate::env_vars::EnvSnapshot;
use crate::model::Workspace;
use crate::pipeline::{self, FoundLocks, Release};
use crate::report::{ExitCode, to_document};
use crate::ui;

/// Show who holds which state lock, or release one by its id
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  tfw lock list --all                 every lock of the estate
  tfw lock show dev                   one unit's, and what to do about it
  tfw lock release dev --id 4bb62615-0184-90de-d3f5-c7d319d2f2d5")]
pub(super) enum LockCommand {
    List(ListArgs),
    Show(ShowArgs),
    Release(ReleaseArgs),
}

impl LockCommand {
    /// The command's name, as reports have it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::List(_) => "lock list",
            Self::Show(_) => "lock show",
            Self::Release(_) => "lock release",
        }
    }
}

/// List who holds which state lock, since when, and whether it is a run of this machine
///
/// Every workspace of a unit counts. Read from the lock files in S3 and beside local states, many at
/// once: no Terraform runs, and none needs to be initialised. A lock of tfw's own names its run; one
/// of Terraform's is taken for a run of this machine that worked on the unit when it was taken, and
/// whose process is looked for. Locks in DynamoDB are not looked at. The exit code is 0 also when
/// there are locks.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw lock list --all
  tfw lock list --all --json | jq '.locks[] | select(.mine.alive == false)'")]
pub(super) struct ListArgs {
    #[command(flatten)]
    selection: SelectionArgs,
}

/// Show the locks of one unit in full, and what to do about them
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw lock show dev
  tfw lock show prod/eks --json | jq -r '.locks[].who'")]
pub(super) struct ShowArgs {
    /// The unit: dev, or prod/eks where the environment has stacks
    unit: String,
}

/// Release one state lock by its id, as long as that id still holds it
///
/// The holder is shown and asked about, and what is removed is the very version of the lock file
/// that was looked at: a lock that somebody takes meanwhile stays. It works where Terraform's
/// `force-unlock` cannot: on a backend that was never initialised, and in any workspace. Where
/// another id holds, or none, it is refused. Locks in DynamoDB and of local states are refused, too,
/// with what to do instead.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw lock release dev --id 4bb62615-0184-90de-d3f5-c7d319d2f2d5
  tfw lock release prod --id \"$ID\" --yes --approve prod")]
pub(super) struct ReleaseArgs {
    /// The unit: dev, or prod/eks where the environment has stacks
    unit: String,
    #[command(flatten)]
    consent: ConsentArgs,
    /// The id of the lock, as `tfw lock list` shows it
    #[arg(long, value_name = "ID", help_heading = "Lock")]
    id: String,
    /// The lock of this workspace [default: the unit's]
    #[arg(long, value_name = "NAME", help_heading = "Lock")]
    workspace: Option<Workspace>,
}

pub(super) fn run(
    command: LockCommand,
    global: &GlobalArgs,
    environment: &EnvSnapshot,
) -> Result<ExitCode, Error> {
    let name = command.name();
    match command {
        LockCommand::List(args) => Frame {
            without_terraform: true,
            yields_stdout: true,
            ..Frame::new(name, global, environment, args.selection)
        }
        .run(async |ctx| {
            let found = pipeline::list_locks(ctx).await;
            let now = Timestamp::now();
            let text = ui::locks(&found.locks, found.looked, now, global.output(environment));
            done(&found, text)
        }),
        LockCommand::Show(args) => Frame {
            without_terraform: true,
            yields_stdout: true,
            single_unit: true,
            ..Frame::new(name, global, environment, SelectionArgs::of(args.unit))
        }
        .run(async |ctx| {
            let found = pipeline::list_locks(ctx).await;
            let now = Timestamp::now();
            let units = ctx.selected.iter().map(|&index| &ctx.project.units[index]);
            let text = units.map(|unit| {
                let output = global.output(environment);
                ui::lock(&unit.id, &found.locks, found.looked, now, output)
            });
            done(&found, text.collect())
        }),
        LockCommand::Release(args) => release(name, args, global, environment),
    }
}

fn release(
    name: &'static str,
    args: ReleaseArgs,
    global: &GlobalArgs,
    environment: &EnvSnapshot,
) -> Result<ExitCode, Error> {
    let mut flags = vec!["--id".to_owned(), args.id.clone()];
    if let Some(workspace) = &args.workspace {
        flags.extend(["--workspace".to_owned(), workspace.to_string()]);
    }
    let wanted = Release {
        id: args.id,
        workspace: args.workspace,
    };
    Frame {
        consent: args.consent,
        without_terraform: true,
        single_unit: true,
        flags,
        ..Frame::new(name, global, environment, SelectionArgs::of(args.unit))
    }
    .run(async |ctx| {
        pipeline::release_lock(ctx, &wanted).await;
        Done::default()
    })
}

fn done(found: &FoundLocks, text: String) -> Done {
    Done {
        document: Some(to_document(&json!({
            "schema": 1,
            "locks": found.locks,
            "diagnostics": found.diagnostics,
        }))),
        text: Some(text),
        ..Done::default()
    }
}
