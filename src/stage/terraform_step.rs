//! One Terraform process of one unit: its environment, its log, what it said.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use serde_json::Value;
use tokio::sync::oneshot;

use super::Context;
use super::failure::Failure;
use super::record::Record;
use super::state_lock::{WayOut, waits_for};
use super::states;
use crate::aws::VerifiedAccount;
use crate::credentials::Endpoint;
use crate::events::Event;
use crate::journal::{FolderLock, JournalError, append_private};
use crate::model::{
    Backend, Changes, Delivery, Diagnostic, Region, Severity, Unit, UnitResult, describe_io,
};
use crate::process::{self, Exit, Output, SpawnError, Spec, Status};
use crate::terraform::{
    ChildSettings, Delivered, Fact, OutputReader, child_environment, diagnostics, encode_variable,
};

/// What to run.
#[derive(Debug)]
pub(crate) struct Call {
    arguments: Vec<OsString>,
    private: bool,
    lock: Option<PathBuf>,
    folder: Option<PathBuf>,
}

impl Call {
    /// A subcommand whose output goes into the unit's log.
    pub(crate) fn new(arguments: Vec<OsString>) -> Self {
        Self {
            arguments,
            private: false,
            lock: None,
            folder: None,
        }
    }

    /// Names the process in the lock under which it works, should tfw die before it.
    #[must_use]
    pub(crate) fn under(mut self, lock: &FolderLock) -> Self {
        self.lock = Some(lock.path().to_owned());
        self
    }

    /// Runs it in another folder than the unit's root module.
    #[must_use]
    pub(crate) fn in_folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Keeps its stdout out of every file: it holds values.
    #[must_use]
    pub(crate) fn private(mut self) -> Self {
        self.private = true;
        self
    }
}

/// The `TF_VAR_*` of a child. `Debug` shows names only: values may be sensitive outputs.
#[derive(Clone, Default)]
pub(crate) struct Variables {
    values: BTreeMap<String, String>,
    secrets: Vec<String>,
}

impl Variables {
    /// Sets a variable, over one of the same name.
    pub(crate) fn set(&mut self, name: &str, value: &Value) {
        self.values.insert(name.to_owned(), encode_variable(value));
    }

    /// Remembers the strings of a sensitive value, so that no review shows them.
    pub(crate) fn keep_secret(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.secrets.push(text.clone()),
            Value::Array(parts) => parts.iter().for_each(|part| self.keep_secret(part)),
            Value::Object(parts) => parts.values().for_each(|part| self.keep_secret(part)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Names and values, as the child gets them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// What no review may show.
    pub(crate) fn secrets(&self) -> &[String] {
        &self.secrets
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

/// Where a child works, beside its credentials.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) data_dir: &'a Path,
    pub(crate) plugin_cache: &'a Path,
    pub(crate) variables: &'a Variables,
}

/// What a Terraform process did.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: Status,
    interrupted: bool,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) changes: Changes,
    private: Vec<u8>,
    /// For hints, should a lock have been in the way.
    way_out: WayOut,
    /// Whether the lock that Terraform prints is the holder's: of some backends (`http`) it is
    /// its own, and the holder stands in the text alone.
    names_holder: bool,
    /// Why the log has not all that it said: then what was read from the log may lack something.
    pub(crate) lost: Option<JournalError>,
}

/// The complete environment of a child of a unit.
///
/// # Errors
/// The session has ended and cannot be renewed.
pub(crate) async fn environment(
    ctx: &Context,
    unit: &Unit,
    account: &VerifiedAccount,
    surroundings: Surroundings<'_>,
) -> Result<process::Variables, Failure> {
    let delivered = deliver(ctx, unit, account).await?;
    let empty_file = ctx.run.tfw().empty_file()?;
    Ok(child_environment(
        &ctx.inherited,
        &ChildSettings {
            credentials: delivered.as_ref(),
            region: unit.region.as_ref().map(Region::as_str),
            empty_file: &empty_file,
            // A hand-typed Terraform in the folder finds the ordinary one by itself.
            data_dir: (surroundings.data_dir != unit.folder.join(".terraform"))
                .then_some(surroundings.data_dir),
            plugin_cache: surroundings.plugin_cache,
            vars: &surroundings.variables.values,
            extra: &unit.env,
        },
    ))
}

/// The credentials of a child: in its environment, or from the endpoint.
async fn deliver(
    ctx: &Context,
    unit: &Unit,
    account: &VerifiedAccount,
) -> Result<Option<Delivered>, Failure> {
    // Also where the endpoint hands them out: what cannot be had is told now, and not by Terraform.
    let session = account
        .session()
        .await
        .map_err(|error| Failure::aws("getting credentials for Terraform", &error))?;
    let Some(session) = session else {
        return Ok(None);
    };
    let delivery = unit.credentials.delivery.unwrap_or(ctx.delivery);
    Ok(Some(match delivery {
        Delivery::Env => Delivered::Keys {
            access_key_id: session.access_key_id,
            secret_access_key: session.secret_access_key,
            session_token: session.session_token,
        },
        Delivery::Server => {
            let endpoint = ctx.endpoint.get_or_try_init(Endpoint::start).await;
            let ticket = endpoint.and_then(|endpoint| endpoint.serve(&unit.id, account));
            let ticket = ticket.map_err(|error| {
                let reason = describe_io(&error);
                Failure::failed(
                    Diagnostic::error(format!("cannot serve credentials to Terraform: {reason}"))
                        .with_hint("`credentials.delivery = \"env\"` does without"),
                )
            })?;
            Delivered::Endpoint {
                url: ticket.url,
                token: ticket.token,
            }
        }
    }))
}

/// Runs Terraform in a unit's root module to its end. A failed run is no error here: the caller
/// reads [`Finished`].
///
/// # Errors
/// It could not be started or followed, or the run is being stopped.
pub(crate) async fn run(
    record: &mut Record<'_>,
    account: &VerifiedAccount,
    surroundings: Surroundings<'_>,
    call: Call,
) -> Result<Finished, Failure> {
    let (ctx, unit) = (record.ctx, record.unit);
    let env = environment(ctx, unit, account, surroundings).await?;
    let log = ctx.run.log(&unit.id);
    write_line(&log, &format!("terraform {}", shown(&call.arguments)))?;
    record.has_log();
    record.detail(format!("runs terraform {}", shown(&call.arguments)));
    let stdout = if call.private {
        Output::Private
    } else {
        Output::Log(log.clone())
    };
    let spec = Spec {
        program: ctx.terraform()?.path().to_owned(),
        args: call.arguments,
        env,
        folder: call.folder.unwrap_or_else(|| unit.folder.clone()),
        stdout,
        stderr: Output::Log(log.clone()),
    };
    let mut reader = OutputReader::new(&ctx.shown(&unit.folder));
    let note_worker = |id| {
        if let Some(lock) = &call.lock {
            FolderLock::names(lock, id);
        }
    };
    let (waits, told) = oneshot::channel();
    let terraform = async {
        let mut waits = Some(waits);
        let tell = |line: &str| match reader.line(line) {
            Some(Fact::Resource {
                address,
                action,
                progress,
            }) => {
                ctx.events.emit(Event::Resource {
                    unit: unit.id.clone(),
                    address,
                    action,
                    progress,
                });
            }
            Some(Fact::WaitsForLock) => {
                if let Some(waits) = waits.take() {
                    let _ = waits.send(());
                }
            }
            None => {}
        };
        process::run_known(spec, &ctx.signals, note_worker, tell).await
    };
    // Boxed: all that a read of S3 takes would be a part of every command's future.
    let tell: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async {
        // Where Terraform ends without having waited, nothing is told.
        if told.await.is_ok() {
            tell_for_whom(ctx, unit, account).await;
        }
    });
    let (exit, ()) = tokio::join!(terraform, tell);
    let exit = exit.map_err(|error| not_run(&error))?;
    let Exit {
        status,
        interrupted,
        stdout,
        ..
    } = exit;
    let collected = reader.finish();
    let lost = write_line(&log, &status.to_string()).err();
    Ok(Finished {
        status,
        interrupted,
        diagnostics: collected.diagnostics,
        changes: collected.changes,
        private: stdout.bytes().to_vec(),
        way_out: WayOut::of(unit),
        names_holder: !matches!(unit.backend, Backend::Other(_)),
        lost,
    })
}

/// Says for whom Terraform waits, where that can be told.
async fn tell_for_whom(ctx: &Context, unit: &Unit, account: &VerifiedAccount) {
    let holder = async {
        let state_account = ctx.sessions.verify_backend(unit, account).await.ok()?;
        states::lock_holder(unit, &state_account).await.ok()?
    };
    let holder = holder.await;
    ctx.events.note(Some(&unit.id), waits_for(holder.as_ref()));
}

/// A line of tfw's own in the log: what follows, and how it ended. Terraform goes on in silence
/// when a full disk does not take what it says; the last line then fails in its stead.
fn write_line(log: &Path, text: &str) -> Result<(), JournalError> {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    let mut file = append_private(log)?;
    writeln!(file, "# {now} {text}").map_err(|source| JournalError {
        doing: "write",
        path: log.to_owned(),
        source,
    })
}

/// Arguments as a person would type them. None of them is a secret: secrets go by environment.
fn shown(arguments: &[OsString]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@%+".contains(c);
    let words: Vec<String> = arguments
        .iter()
        .map(|argument| {
            let word = argument.to_string_lossy().into_owned();
            if !word.is_empty() && word.chars().all(plain) {
                return word;
            }
            shlex::try_quote(&word).map_or_else(|_| word.clone(), Cow::into_owned)
        })
        .collect();
    words.join(" ")
}

fn not_run(error: &SpawnError) -> Failure {
    match error {
        SpawnError::Stopping { .. } => Failure::not_started(),
        error => Failure::fact(error.to_string(), error.hint(), false),
    }
}

impl Finished {
    /// What was kept from the log.
    pub(crate) fn private_output(&self) -> &[u8] {
        &self.private
    }

    /// Whether somebody else's lock stood in the way.
    pub(crate) fn is_locked(&self) -> bool {
        diagnostics::lock_held(&self.diagnostics).is_some()
    }

    /// Itself, where Terraform ended with 0.
    pub(crate) fn succeeded(self, command: &str) -> Result<Self, Failure> {
        if self.status.success() {
            Ok(self)
        } else {
            Err(self.failure(command))
        }
    }

    /// The failure that this run is: locked, interrupted or failed.
    pub(crate) fn failure(self, command: &str) -> Failure {
        let first = self
            .diagnostics
            .iter()
            .find(|each| each.severity == Severity::Error);
        let what = first.map_or_else(|| self.status.to_string(), |each| each.summary.clone());
        let lock = diagnostics::lock_held(&self.diagnostics);
        let (result, reason) = if self.interrupted {
            (
                UnitResult::Interrupted,
                format!("`{command}` was interrupted ({})", self.status),
            )
        } else if let Some(lock) = &lock {
            let reason = format!(
                "the state is locked by {} since {}, for `{}`",
                lock.who,
                lock.since(),
                lock.doing()
            );
            (UnitResult::Locked, reason)
        } else {
            (UnitResult::Failed, format!("`{command}` failed: {what}"))
        };
        let mut diagnostics = self.diagnostics;
        if let (true, UnitResult::Locked, Some(lock)) = (self.names_holder, result, &lock) {
            // The facts, in place of Terraform's text of several screens.
            diagnostics = vec![
                Diagnostic::error(reason.clone())
                    .with_detail(format!("lock id: {}", lock.id))
                    .with_hint(
                        "wait for it, or let tfw wait: `lock_timeout = \"5m\"` in the manifest",
                    )
                    .with_hint(self.way_out.hint(&lock.id)),
            ];
        }
        if first_error_missing(&diagnostics) && result == UnitResult::Failed {
            if let Some(lost) = self.lost {
                return Failure::from(lost);
            }
            diagnostics.push(
                Diagnostic::error(format!("`{command}` ended with {}", self.status))
                    .with_hint("its log has all that it said"),
            );
        }
        Failure {
            result,
            reason,
            diagnostics,
            lock: lock.map(Box::new),
        }
    }
}

fn first_error_missing(diagnostics: &[Diagnostic]) -> bool {
    !diagnostics
        .iter()
        .any(|each| each.severity == Severity::Error)
}
