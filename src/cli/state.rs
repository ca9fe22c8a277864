//! `tfw state`: `history`, `show` and `diff`, `pull`, `rollback` and `push`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::args::{ConsentArgs, GlobalArgs, SelectionArgs, SelectionFlags};
use super::error::Error;
use super::frame::{Done, Frame};
use super::held::Held;
use crate::env_vars::EnvSnapshot;
use crate::events::Event;
use crate::journal::{FreshFolder, FreshFolderError};
use crate::model::Diagnostic;
use crate::pipeline::{self, Backup, DiffOptions, History, Replacement, ShowOptions};
use crate::report::{ExitCode, to_document};
use crate::stage::Context;
use crate::ui;

/// Show the versions of a state and how they differ; copy states, and bring them back
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  tfw state history prod                 what changed when
  tfw state show prod aws_vpc.this       one resource, secrets masked
  tfw state diff prod latest~1 latest    what the last change did to it
  tfw state pull --all --out backup      a copy of every state
  tfw state push --from backup           and back, where one has to be
  tfw state rollback prod --to latest~1  the one before, once it is agreed to")]
pub(super) enum StateCommand {
    History(HistoryArgs),
    Show(ShowArgs),
    Diff(DiffArgs),
    Pull(PullArgs),
    Rollback(RollbackArgs),
    Push(PushArgs),
}

impl StateCommand {
    /// The command's name, as reports have it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::History(_) => "state history",
            Self::Show(_) => "state show",
            Self::Diff(_) => "state diff",
            Self::Pull(_) => "state pull",
            Self::Rollback(_) => "state rollback",
            Self::Push(_) => "state push",
        }
    }
}

/// List the versions of a state: when, which serial, how many resources, and what changed
///
/// The newest first. `+2 ~1 -3` are resource instances that were added, changed and removed since
/// the version before. What is read of a version is not read again: facts are kept in `.tfw/cache/`,
/// without any value. Of a local state there is the file, and Terraform's `.backup` of it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw state history prod              the last twenty versions
  tfw state history prod --limit 0    all of them
  tfw state history prod/eks --json | jq '.versions[] | select(.deleted)'")]
pub(super) struct HistoryArgs {
    /// The unit: dev, or prod/eks where the environment has stacks
    unit: String,
    /// So many versions; 0: all
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
}

/// Show the resources of a state, or the attributes of one
///
/// Without an address, the addresses of all resources, and the outputs. What Terraform records as
/// sensitive is masked, and so are attributes with the usual names of secrets and values that
/// contain a sensitive one: older versions of Terraform record less. `--reveal` masks nothing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw state show dev                          addresses and outputs
  tfw state show dev 'aws_subnet.this[\"a\"]'   one instance
  tfw state show dev module.network           all that is in a module
  tfw state show dev output.vpc_id --json
  tfw state show dev aws_vpc.this --version latest~3")]
pub(super) struct ShowArgs {
    /// The unit: dev, or prod/eks where the environment has stacks
    unit: String,
    /// A resource, one instance of it, a module, or output.NAME
    address: Option<String>,
    /// `latest`, `latest~N` (N versions back), a version id or a serial [default: the current state]
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Show what is sensitive
    #[arg(long)]
    reveal: bool,
}

/// Show how two versions of a state differ, attribute by attribute
///
/// Secrets are compared, and not shown: see `tfw state show`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw state diff prod latest~1 latest  what the last change did
  tfw state diff prod 41 42            by serials
  tfw state diff prod latest~5 latest --detailed-exitcode")]
pub(super) struct DiffArgs {
    /// The unit: dev, or prod/eks where the environment has stacks
    unit: String,
    /// The one: `latest`, `latest~N` (N versions back), a version id or a serial
    #[arg(value_name = "FROM")]
    from: String,
    /// The other
    #[arg(value_name = "TO")]
    to: String,
    /// Show what is sensitive
    #[arg(long)]
    reveal: bool,
    /// Exit 2 when they differ, 0 when they do not
    #[arg(long)]
    detailed_exitcode: bool,
}

/// Copy states, byte by byte: one to stdout, or all workspaces of many units into a folder
///
/// The folder is new or empty, and yours alone to read: states hold secrets in clear. Beside the
/// copies, `manifest.json` says which is which: unit, workspace, version, serial, lineage, SHA-256.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw state pull dev > dev.tfstate       one state, with its secrets
  tfw state pull dev --version latest~1  the one before
  tfw state pull --all --out backup      every state of the estate")]
pub(super) struct PullArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    /// `latest`, `latest~N` (N versions back), a version id or a serial [default: the current state]
    #[arg(long, value_name = "VERSION", conflicts_with = "out")]
    version: Option<String>,
    /// Copy into this folder, which is new or empty
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Make an older version of a state the current one, under the state's lock
///
/// Shows what will be otherwise and asks. The old content is written as a new version with a serial
/// above the current one, and read back; what was there stays a version of its own, and a state that
/// was deleted comes back. No resource changes: the plan that follows shows what Terraform would now
/// do.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw state rollback prod --to latest~1
  tfw state rollback dev --to 41 --yes
  tfw state history prod                which version is the right one")]
pub(super) struct RollbackArgs {
    /// The unit: dev, or prod/eks where the environment has stacks
    unit: String,
    /// `latest~N` (N versions back), a version id or a serial
    #[arg(long, value_name = "VERSION")]
    to: String,
    #[command(flatten)]
    consent: ConsentArgs,
}

/// Make a file the current state of a unit, or a backup those of many; guarded as a rollback is
///
/// A state must be of the lineage of the one in its place. It is written as a new version with a
/// serial above the current one, under the state's lock, after you agree; the plan that follows
/// shows what Terraform would now do. `--from DIR` takes the folder of `tfw state pull --out`:
/// every workspace of the selected units, or of all in it, whose files are still what was pulled.
#[derive(Debug, Args)]
#[command(
    override_usage = "tfw state push [OPTIONS] UNIT FILE\n       tfw state push [OPTIONS] --from DIR [UNIT]...",
    after_help = "Examples:
  tfw state push dev dev.tfstate              one state from a file
  tfw state push --from backup                all that the backup holds
  tfw state push --from backup 'prod/*' --yes"
)]
pub(super) struct PushArgs {
    /// A unit and a file; with `--from`, units [default: all that the backup holds]
    #[arg(value_name = "UNIT FILE")]
    targets: Vec<String>,
    #[command(flatten)]
    flags: SelectionFlags,
    /// The folder of a backup of `tfw state pull --out`
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    #[command(flatten)]
    consent: ConsentArgs,
}

impl PushArgs {
    /// What takes the place of which states.
    fn resolve(self) -> Result<(SelectionArgs, ConsentArgs, Replacement), Error> {
        let Self {
            targets,
            flags,
            from,
            consent,
        } = self;
        if let Some(folder) = from {
            let backup =
                Backup::read(&folder).map_err(|error| Error::Usage(error.to_diagnostic()))?;
            let units = targets;
            let selection = SelectionArgs { units, flags };
            return Ok((selection, consent, Replacement::Backup(backup)));
        }
        match <[String; 2]>::try_from(targets) {
            Ok([unit, file]) if flags == SelectionFlags::default() => Ok((
                SelectionArgs::of(unit),
                consent,
                Replacement::File(file.into()),
            )),
            _ => Err(Error::Usage(
                Diagnostic::error("`tfw state push` takes one unit and one file")
                    .with_hint("`tfw state push dev dev.tfstate`; `--from DIR` takes a backup"),
            )),
        }
    }
}

pub(super) fn run(
    command: StateCommand,
    global: &GlobalArgs,
    environment: &EnvSnapshot,
) -> Result<ExitCode, Error> {
    let name = command.name();
    let on_one = |selection| Frame {
        single_unit: true,
        ..Frame::new(name, global, environment, selection)
    };
    let frame = |selection| Frame {
        without_terraform: true,
        yields_stdout: true,
        ..on_one(selection)
    };
    let output = global.output(environment);
    match command {
        StateCommand::History(args) => frame(SelectionArgs::of(args.unit)).run(async |ctx| {
            let (histories, diagnostics) = pipeline::state_history(ctx, args.limit).await;
            let text = histories.iter().map(
                |History {
                     unit,
                     versions,
                     total,
                 }| {
                    ui::history(unit, versions, *total, Timestamp::now(), output)
                },
            );
            let text = text.collect();
            let found = histories.into_iter().next();
            let found = found.map(|history| {
                json!({
                    "unit": history.unit,
                    "versions": history.versions,
                })
            });
            done(found, &diagnostics, text)
        }),
        StateCommand::Show(args) => {
            let options = ShowOptions {
                version: args.version,
                address: args.address,
                reveal: args.reveal,
            };
            frame(SelectionArgs::of(args.unit)).run(async |ctx| {
                let (states, diagnostics) = pipeline::show_state(ctx, &options).await;
                let text = states.iter().map(|state| ui::state(state, output));
                let text = text.collect();
                done(states.into_iter().next(), &diagnostics, text)
            })
        }
        StateCommand::Diff(args) => {
            let options = DiffOptions {
                from: args.from,
                to: args.to,
                reveal: args.reveal,
            };
            Frame {
                detailed_exit_code: args.detailed_exitcode,
                ..frame(SelectionArgs::of(args.unit))
            }
            .run(async |ctx| {
                let (diffs, diagnostics) = pipeline::diff_states(ctx, &options).await;
                let text = diffs.iter().map(|diff| ui::state_diff(diff, output));
                let text = text.collect();
                done(diffs.into_iter().next(), &diagnostics, text)
            })
        }
        StateCommand::Rollback(args) => rewrite(
            Frame {
                flags: vec!["--to".to_owned(), again(&args.to)],
                ..on_one(SelectionArgs::of(args.unit))
            },
            args.consent,
            &Replacement::Version(args.to),
        ),
        StateCommand::Push(args) => {
            let (selection, consent, replacement) = args.resolve()?;
            let flags = match &replacement {
                Replacement::File(file) => vec![file.display().to_string()],
                Replacement::Version(_) | Replacement::Backup(_) => Vec::new(),
            };
            let frame = on_one(selection);
            rewrite(Frame { flags, ..frame }, consent, &replacement)
        }
        StateCommand::Pull(args) => match args.out {
            Some(folder) => {
                let folder = FreshFolder::prepare(&folder).map_err(|error| cannot_take(&error))?;
                Frame {
                    single_unit: false,
                    ..frame(args.selection)
                }
                .run(async |ctx| pull(ctx, &folder).await)
            }
            None => Frame {
                unless: Some("`--out DIR` takes several"),
                ..frame(args.selection)
            }
            .run(async |ctx| {
                let (text, _) = pipeline::raw_state(ctx, args.version.as_deref()).await;
                Done {
                    document: text.clone(),
                    text,
                    ..Done::default()
                }
            }),
        },
    }
}

/// The version for a second try: what `latest~1` is may have changed by then.
fn again(version: &str) -> String {
    let is_relative = version.contains('~') || version == "latest";
    if is_relative { "VERSION" } else { version }.to_owned()
}

/// Replaces states, and then plans.
fn rewrite(
    frame: Frame<'_>,
    consent: ConsentArgs,
    replacement: &Replacement,
) -> Result<ExitCode, Error> {
    let held = match replacement {
        Replacement::Backup(backup) => Some(Held::new("backup", backup.folder(), backup.units())),
        Replacement::Version(_) | Replacement::File(_) => None,
    };
    Frame {
        consent,
        single_unit: held.is_none(),
        held,
        ..frame
    }
    .run(async |ctx| {
        // What Terraform would now do is worth knowing once it is done.
        if pipeline::replace_states(ctx, replacement).await {
            pipeline::plan(ctx).await;
        }
        Done::default()
    })
}

async fn pull(ctx: &Context, folder: &FreshFolder) -> Done {
    match pipeline::pull_states(ctx, folder).await {
        Ok((states, diagnostics)) => {
            let s = if states.len() == 1 { "" } else { "s" };
            let place = folder.path().display();
            let mut text = match states.len() {
                0 => "copied nothing\n".to_owned(),
                count => format!("copied {count} state{s} into `{place}`\n"),
            };
            let units = ctx
                .selected
                .iter()
                .map(|&index| &ctx.project.units[index].id);
            let without = units.filter(|unit| states.iter().all(|state| state.unit != **unit));
            let without: Vec<String> = without.map(ToString::to_string).collect();
            if !without.is_empty() {
                text = format!("{text}nothing of {}\n", without.join(", "));
            }
            done(Some(json!({ "states": states })), &diagnostics, text)
        }
        Err(error) => {
            let diagnostic = Diagnostic::error(error.to_string())
                .with_hint("the copies are there; what says which is which is not: pull again");
            ctx.events.emit(Event::Diagnostic {
                unit: None,
                diagnostic: diagnostic.clone(),
            });
            Done {
                failed: true,
                ..done(None::<Value>, &[diagnostic], String::new())
            }
        }
    }
}

/// Why a folder cannot take a backup.
fn cannot_take(error: &FreshFolderError) -> Error {
    let (summary, hint) = match error {
        FreshFolderError::NotEmpty(_) => (
            format!("{error}, and a backup overwrites nothing"),
            "name another folder, or one that is not there yet",
        ),
        FreshFolderError::NotAFolder(_) => (error.to_string(), "name another folder"),
        FreshFolderError::Failed(_) => (
            error.to_string(),
            "check the free space and the permissions of the folder above it",
        ),
    };
    Error::Refused(Diagnostic::error(summary).with_hint(hint))
}

/// The document: what was found, between the version of its shape and what else there is to say.
fn done(found: Option<impl Serialize>, diagnostics: &[Diagnostic], text: String) -> Done {
    let mut document = json!({ "schema": 1 });
    if let (Some(document), Ok(Value::Object(found))) =
        (document.as_object_mut(), serde_json::to_value(found))
    {
        document.extend(found);
    }
    document["diagnostics"] = json!(diagnostics);
    Done {
        document: Some(to_document(&document)),
        text: Some(text),
        ..Done::default()
    }
}
