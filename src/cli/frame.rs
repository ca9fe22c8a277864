//! What every command over units has in common: settings, a run, its events, its report.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;

use tokio::runtime;
use tokio::sync::OnceCell;

use super::args::{ConsentArgs, GlobalArgs, SelectionArgs};
use super::consumers;
use super::error::Error;
use super::held::Held;
use crate::aws::Aws;
use crate::credentials::{Login, SessionCache, Sessions};
use crate::env_vars::{EnvSnapshot, TFW_UNIT};
use crate::events::{self, Event, Events, Typed};
use crate::journal::{Run, TfwFolder};
use crate::manifest::SelectedUnit;
use crate::model::{Delivery, Diagnostic, Outcome, Project, Unit, UnitId, describe_io};
use crate::process::Signals;
use crate::report::{Builder, Ending, ExitCode};
use crate::settings::{Settings, SettingsError};
use crate::stage::{Consent, Context};
use crate::terraform::{Terraform, removed_settings};
use crate::ui::{self, Console};

/// A command over units, as it was typed.
pub(super) struct Frame<'a> {
    /// The command's name.
    pub(super) command: &'static str,
    /// Arguments of every command.
    pub(super) global: &'a GlobalArgs,
    /// The environment of the process.
    pub(super) environment: &'a EnvSnapshot,
    /// Which units.
    pub(super) selection: SelectionArgs,
    /// What is agreed to beforehand.
    pub(super) consent: ConsentArgs,
    /// `--auto-approve`.
    pub(super) auto_approve: bool,
    /// `--new-state`.
    pub(super) new_state: Vec<String>,
    /// `--fail-fast`.
    pub(super) fail_fast: bool,
    /// `--detailed-exitcode`.
    pub(super) detailed_exit_code: bool,
    /// Protected environments take part only when they were named literally.
    pub(super) spares_protected: bool,
    /// The command works on exactly one unit.
    pub(super) single_unit: bool,
    /// What lets the command work on several units all the same.
    pub(super) unless: Option<&'static str>,
    /// What the selection is for.
    pub(super) purpose: Purpose,
    /// The command starts no Terraform, and works where none is installed.
    pub(super) without_terraform: bool,
    /// How Terraform gets its credentials where the manifest does not say. A plan is over before its
    /// session is; an apply need not be.
    pub(super) delivery: Delivery,
    /// Flags that a second try needs too.
    pub(super) flags: Vec<String>,
    /// The folder that a bundle is written into.
    pub(super) out: Option<&'a Path>,
    /// The units are among those of a folder.
    pub(super) held: Option<Held>,
    /// Stdout belongs to what was asked for (outputs, a child), so people's output goes to stderr
    /// and is no more than is needed.
    pub(super) yields_stdout: bool,
}

/// What a selection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The units are worked on, and the report tells of each.
    Work,
    /// It says whose base credentials are meant; nothing is done to the units.
    Identity,
    /// Nothing is selected.
    Nothing,
}

/// What the work leaves beside the report.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// What `--json` prints in place of the report.
    pub(super) document: Option<String>,
    /// What people get on stdout in the end.
    pub(super) text: Option<String>,
    /// The exit code of a child that decides tfw's.
    pub(super) child: Option<u8>,
    /// Something beside the units went wrong, and has been told.
    pub(super) failed: bool,
    /// Something beside the units was refused, and has been told.
    pub(super) refused: bool,
    /// Something beside the units is not as it should be: exit code 2.
    pub(super) differs: bool,
}

impl<'a> Frame<'a> {
    /// A frame without consent, for commands that change nothing.
    pub(super) fn new(
        command: &'static str,
        global: &'a GlobalArgs,
        environment: &'a EnvSnapshot,
        selection: SelectionArgs,
    ) -> Self {
        Self {
            command,
            global,
            environment,
            selection,
            consent: ConsentArgs::default(),
            auto_approve: false,
            new_state: Vec::new(),
            fail_fast: false,
            detailed_exit_code: false,
            spares_protected: false,
            single_unit: false,
            unless: None,
            purpose: Purpose::Work,
            without_terraform: false,
            delivery: Delivery::Env,
            flags: Vec::new(),
            out: None,
            held: None,
            yields_stdout: false,
        }
    }

    /// Does the work on the selected units, tells of it, and gives the exit code.
    pub(super) fn run(self, work: impl AsyncFnOnce(&Context) -> Done) -> Result<ExitCode, Error> {
        let settings = Settings::resolve(self.global.settings(), self.environment)?;
        self.run_with(settings, work)
    }

    /// The same with settings that are resolved already.
    pub(super) fn run_with(
        self,
        settings: Settings,
        work: impl AsyncFnOnce(&Context) -> Done,
    ) -> Result<ExitCode, Error> {
        let (selected, spared) = self.select(&settings)?;
        let consent = Consent {
            yes: self.consent.yes,
            auto_approve: self.auto_approve,
            approved: settings.approved(&self.consent.approve)?,
            new_states: settings.new_states(&self.new_state)?,
            interactive: self.global.interactive(self.yields_stdout),
        };
        let binary = if self.without_terraform {
            None
        } else {
            Some(settings.binary().map_err(SettingsError::from)?)
        };
        let parallelism = settings.parallelism();
        let project = settings.manifest.project;
        let units = self.reported(&project, &selected);
        let tfw = TfwFolder::open(&project.root)
            .map_err(|error| Error::from(error).of_units(units.clone()))?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::failed(format!("cannot start: {}", describe_io(&error))))?;
        let code = runtime.block_on(async {
            let (emitter, events) = events::channel();
            let signals = Signals::install(emitter.clone()).map_err(|error| {
                Error::failed(format!(
                    "cannot listen for signals: {}",
                    describe_io(&error)
                ))
            })?;
            let terraform = match binary {
                Some(binary) => {
                    let native_lock = selected
                        .iter()
                        .any(|&index| project.units[index].backend.uses_native_lock());
                    let checked = Terraform::check(
                        binary,
                        project.terraform.version.as_deref(),
                        native_lock,
                        &tfw.cache(),
                        self.environment,
                        &signals,
                    )
                    .await
                    // A person's Ctrl-C reaches Terraform too: then it is not the binary that is
                    // wrong.
                    .map_err(|error| match signals.exit_code() {
                        Some(code) => Error::Interrupted {
                            code,
                            units: units.clone(),
                        },
                        None => SettingsError::from(error).into(),
                    })?;
                    Some(checked)
                }
                None => None,
            };
            let aws = Aws::new(self.environment).map_err(|error| {
                let diagnostic = Diagnostic::error(error.to_string());
                Error::Usage(match error.hint() {
                    Some(hint) => diagnostic.with_hint(hint),
                    None => diagnostic,
                })
            })?;
            let run = Run::begin(&tfw, self.command)
                .map_err(|error| Error::from(error).of_units(units))?;
            let login = Login {
                cache: SessionCache::of_user(self.environment),
                code: Mutex::new(self.global.code(self.environment)),
                interactive: consent.interactive,
                events: emitter.clone(),
                signals: signals.clone(),
                environment: self.environment.clone(),
                folder: project.root.clone(),
            };
            let ctx = Context {
                sessions: Sessions::new(aws, project.name.as_deref(), run.id(), login),
                inherited: self.environment.clone(),
                terraform,
                events: emitter,
                signals,
                delivery: self.delivery,
                endpoint: OnceCell::new(),
                consent,
                fail_fast: self.fail_fast,
                parallelism,
                selected,
                project,
                run,
            };
            self.supervise(&ctx, events, &spared, work).await
        });
        // A person who has not answered a question yet must not keep the process alive.
        runtime.shutdown_background();
        code
    }

    /// The work, and beside it the consumers of its events.
    async fn supervise(
        &self,
        ctx: &Context,
        events: Events,
        spared: &[UnitId],
        work: impl AsyncFnOnce(&Context) -> Done,
    ) -> Result<ExitCode, Error> {
        let mut output = self.global.output(self.environment);
        let document_wanted = output.document_on_stdout;
        if self.yields_stdout {
            output.document_on_stdout = true;
            output.quiet = !output.verbose;
        }
        let console = Console::new(output);
        let builder = Builder::new(self.command, ctx.run.started());
        let begin_to_end = async {
            ctx.events.emit(Event::RunStarted {
                run_id: ctx.run.id().to_owned(),
                command: self.command,
                typed: self.typed(),
                units: self.reported(&ctx.project, &ctx.selected),
            });
            for warning in surroundings(&ctx.inherited) {
                ctx.events.emit(Event::Diagnostic {
                    unit: None,
                    diagnostic: warning,
                });
            }
            let why = self.held.as_ref().map_or_else(
                || "it is protected and was not named literally".to_owned(),
                Held::why_left_out,
            );
            for unit in spared {
                ctx.events.note(None, format!("left out `{unit}`: {why}"));
            }
            let done = work(ctx).await;
            ctx.events.emit(Event::RunEnded);
            done
        };
        let consumers = consumers::start(events, console, builder)?;
        let done = begin_to_end.await;
        let (mut console, builder) = consumers
            .join()
            .map_err(|_| Error::failed("tfw's own screen failed; the run's logs are kept"))?;
        let report = builder.finish(Ending {
            signal: ctx.signals.exit_code(),
            detailed_exit_code: self.detailed_exit_code,
            child: done.child,
            failed: done.failed,
            refused: done.refused,
            differs: done.differs,
            ..Ending::default()
        });
        console.end(self.yields_stdout);
        let code = report.exit_code();
        let json = report.to_json();
        let kept = ctx.run.end(json.as_bytes(), code.code());
        if document_wanted && done.child.is_none() {
            let document = done.document.as_deref().unwrap_or(&json);
            ui::print_document(document).map_err(|error| Error::stdout(&error))?;
        } else if let Some(text) = &done.text {
            ui::print_document(text).map_err(|error| Error::stdout(&error))?;
        }
        if let Err(error) = kept {
            console.write(&format!("warning: the report is not kept: {error}\n"));
        }
        Ok(code)
    }

    /// What was typed, for the command that comes next.
    fn typed(&self) -> Typed {
        let mut options = Vec::new();
        if let Some(manifest) = &self.global.manifest {
            options.extend(["--manifest".to_owned(), manifest.display().to_string()]);
        }
        if let Some(terraform) = &self.global.terraform {
            options.extend(["--terraform".to_owned(), terraform.clone()]);
        }
        let mut flags = self.flags.clone();
        if let Some(held) = &self.held {
            flags.extend(["--from".to_owned(), held.folder().display().to_string()]);
        }
        let out = self.out.map(|folder| folder.display().to_string());
        Typed {
            options: shell_words(&options),
            selection: shell_words(&self.selection.typed()),
            flags: shell_words(&flags),
            bundle: out.map(|folder| shell_words(&[folder])),
        }
    }

    /// The units that the report tells of, and what is known of each before anything runs.
    fn reported(&self, project: &Project, selected: &[usize]) -> Vec<(UnitId, Outcome)> {
        match self.purpose {
            Purpose::Work => pending(project, selected),
            Purpose::Identity | Purpose::Nothing => Vec::new(),
        }
    }

    /// The selected units, and those that `destroy` and `--from` leave out.
    fn select(&self, settings: &Settings) -> Result<(Vec<usize>, Vec<UnitId>), Error> {
        let request = self.selection.request(&settings.working_dir);
        if let Some(held) = &self.held {
            return held.select(settings, request);
        }
        if self.purpose == Purpose::Nothing {
            return Ok((Vec::new(), Vec::new()));
        }
        let selected = settings.select(&request)?;
        let units = &settings.project().units;
        if self.purpose == Purpose::Identity {
            one_identity(selected.units.iter().map(|unit| &units[unit.index]))?;
        }
        if self.single_unit && selected.units.len() > 1 {
            let names: Vec<String> = selected
                .units
                .iter()
                .map(|unit| format!("`{}`", units[unit.index].id))
                .collect();
            let mut diagnostic =
                Diagnostic::error(format!("`tfw {}` works on one unit", self.command))
                    .with_hint(format!("name one of {}", names.join(", ")));
            if let Some(unless) = self.unless {
                diagnostic = diagnostic.with_hint(unless);
            }
            return Err(Error::Usage(diagnostic));
        }
        if !self.spares_protected {
            return Ok((selected.indices(), Vec::new()));
        }
        let (taken, spared): (Vec<SelectedUnit>, Vec<SelectedUnit>) = selected
            .units
            .into_iter()
            .partition(|unit| !units[unit.index].protected || unit.named);
        let taken: Vec<usize> = taken.into_iter().map(|unit| unit.index).collect();
        let spared: Vec<UnitId> = spared
            .into_iter()
            .map(|unit| units[unit.index].id.clone())
            .collect();
        if taken.is_empty() {
            let names: Vec<String> = spared.iter().map(|unit| format!("`{unit}`")).collect();
            return Err(Error::Refused(
                Diagnostic::error(format!(
                    "{} is protected and was not named",
                    names.join(", ")
                ))
                .with_hint("name the environment itself; patterns and `--all` do not take it in"),
            ));
        }
        Ok((taken, spared))
    }
}

/// Refuses units that have several base credentials: which are meant is not said.
fn one_identity<'u>(units: impl Iterator<Item = &'u Unit>) -> Result<(), Error> {
    let profiles: BTreeSet<Option<&str>> = units
        .map(|unit| unit.credentials.profile.as_deref())
        .collect();
    if profiles.len() < 2 {
        return Ok(());
    }
    let names = profiles.iter().map(|profile| match profile {
        Some(name) => format!("the profile `{name}`"),
        None => "no profile".to_owned(),
    });
    let names: Vec<String> = names.collect();
    let summary = format!(
        "these units have several base credentials: {}",
        names.join(", ")
    );
    Err(Error::Usage(
        Diagnostic::error(summary).with_hint("name one unit, or the profile by `--profile`"),
    ))
}

/// What of tfw's own environment is not what a person may think it is.
fn surroundings(inherited: &EnvSnapshot) -> Vec<Diagnostic> {
    // There all of it is tfw's own.
    if let Some(unit) = inherited.get(TFW_UNIT) {
        let unit = unit.to_string_lossy();
        let summary =
            format!("this is a shell of `{unit}`: its credentials take the place of yours");
        let hint = "leave it (`exit`) for other commands of tfw";
        return vec![Diagnostic::warning(summary).with_hint(hint)];
    }
    let removed = removed_settings(inherited).into_iter().map(|name| {
        let summary = format!("`{name}` is set, and has no effect: tfw makes this setting itself");
        Diagnostic::warning(summary).with_hint(format!("unset `{name}`"))
    });
    removed.collect()
}

/// Words as a shell takes them.
fn shell_words(words: &[String]) -> String {
    let quoted = words.iter().map(|word| {
        // A NUL byte cannot have been typed.
        shlex::try_quote(word).map_or_else(|_| word.clone(), Cow::into_owned)
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// Selected units, and what is known of each before anything runs.
fn pending(project: &Project, selected: &[usize]) -> Vec<(UnitId, Outcome)> {
    let units = selected.iter().map(|&index| &project.units[index]);
    units
        .map(|unit| (unit.id.clone(), Outcome::pending(unit)))
        .collect()
}
