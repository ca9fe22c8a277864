//! `tfw shell`: a sub-shell in which a hand-typed Terraform does what tfw would do.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::exec::conclude;
use super::preflight::{self, Intent, Work};
use crate::env_vars::{
    AWS_CONTAINER_CREDENTIALS_FULL_URI, EnvSnapshot, SHELL, TFW_ACCOUNT_ID, TFW_ENVIRONMENT,
    TFW_EXPIRES, TFW_PROMPT, TFW_UNIT,
};
use crate::journal::{Step as JournalStep, StepState};
use crate::model::{AccountId, Diagnostic, Unit, UnitId};
use crate::process::{Foreground, Forward, SpawnError};
use crate::stage::Context;
use crate::stage::Initialised;
use crate::stage::SafeBackend;
use crate::stage::backend::where_and_who;
use crate::stage::failure::Failure;
use crate::stage::initialise::initialise;
use crate::stage::inputs::{self, Missing};
use crate::stage::record::Record;
use crate::stage::terraform_step::{self, Surroundings, Variables};
use crate::terraform::HandTyped;

/// What a person gets where nothing says which shell is theirs.
const PLAIN_SHELL: &str = "/bin/sh";

/// What is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shell {
    /// A command and its arguments; empty: the person's shell.
    pub command: Vec<String>,
    /// Whether the shell begins with a line on where one is.
    pub greets: bool,
}

/// Opens a shell for the one selected unit; gives its exit code. What a person should see before
/// goes to `tell`. `None`: it did not come to that, and the unit's outcome says why.
pub async fn shell(ctx: &Context, shell: &Shell, tell: impl Fn(&str)) -> Option<u8> {
    let Work {
        mut record,
        module,
        backend,
    } = preflight::one(ctx, Intent::Shell).await?;
    let ran = async {
        consent(ctx, &record, &backend, shell).await?;
        let site = initialise(&mut record, &module, backend).await?;
        run(&mut record, &site, shell, tell).await
    }
    .await;
    match ran {
        // That of the last command that was typed there, whatever it was.
        Ok(code) if shell.is_interactive() => {
            record.finish(Ok(()));
            Some(code)
        }
        ran => conclude(record, shell.name(), ran),
    }
}

impl Shell {
    /// What ended, for messages.
    fn name(&self) -> &str {
        self.command.first().map_or("the shell", String::as_str)
    }

    /// The program, and what it gets.
    fn program(&self, inherited: &EnvSnapshot) -> (PathBuf, Vec<OsString>) {
        if let Some((program, arguments)) = self.command.split_first() {
            let arguments = arguments.iter().map(OsString::from);
            return (program.into(), arguments.collect());
        }
        let shell = inherited.get(SHELL).unwrap_or(OsStr::new(PLAIN_SHELL));
        (shell.into(), Vec::new())
    }

    fn is_interactive(&self) -> bool {
        self.command.is_empty()
    }
}

/// In a protected environment a shell, from which anything can be written, takes the environment's
/// name.
async fn consent(
    ctx: &Context,
    record: &Record<'_>,
    backend: &SafeBackend,
    shell: &Shell,
) -> Result<(), Failure> {
    let unit = record.unit;
    let question = || {
        let what = if shell.is_interactive() {
            "open a shell".to_owned()
        } else {
            format!("run `{}`", shell.command.join(" "))
        };
        format!(
            "tfw will {what} with the credentials of `{}`{}",
            unit.id,
            where_and_who(unit, backend)
        )
    };
    ctx.consent
        .obtain_protection(ctx, unit, question, "writing")
        .await
}

async fn run(
    record: &mut Record<'_>,
    site: &Initialised,
    shell: &Shell,
    tell: impl Fn(&str),
) -> Result<u8, Failure> {
    let (ctx, unit) = (record.ctx, record.unit);
    let account = site.backend().account();
    let variables = inputs::variables(record, Missing::Leave).await?;
    let surroundings = Surroundings {
        data_dir: site.data_dir(),
        plugin_cache: site.plugin_cache(),
        variables: &variables,
    };
    let mut env = terraform_step::environment(ctx, unit, account, surroundings).await?;
    let hand_typed = HandTyped {
        backend_config: site.backend_config(),
        var_files: &unit.var_files,
        lock_timeout: Some(unit.lock_timeout),
    };
    for (name, options) in hand_typed.variables() {
        env.set(name, options);
    }
    // Credentials that are served are renewed as long as the shell is open.
    let expires = if env.get(AWS_CONTAINER_CREDENTIALS_FULL_URI).is_some() {
        None
    } else {
        let session = account.session().await;
        let session = session.map_err(|error| Failure::aws("getting credentials", &error))?;
        session.and_then(|session| session.expires)
    };
    let prompt = prompt(&unit.id, account.account_id(), expires, &local_time_zone());
    env.set(TFW_UNIT, unit.id.to_string());
    env.set(TFW_ENVIRONMENT, unit.id.environment.as_str());
    env.set(TFW_PROMPT, &prompt);
    if let Some(account_id) = account.account_id() {
        env.set(TFW_ACCOUNT_ID, account_id.as_str());
    }
    if let Some(end) = expires {
        env.set(TFW_EXPIRES, end.to_string());
    }
    let (program, args) = shell.program(&ctx.inherited);
    for name in missing(unit, &variables) {
        tell(&format!(
            "`TF_VAR_{name}` is not set: the output that it takes does not exist yet"
        ));
    }
    if shell.greets {
        tell(&greeting(&prompt, &program));
    }
    // Not the arguments: they may hold a secret.
    let detail = json!({ "program": program.to_string_lossy() });
    ctx.run
        .step(&unit.id, JournalStep::Shell, StepState::Begun, &detail)?;
    let foreground = Foreground {
        program,
        args,
        env,
        folder: unit.folder.clone(),
        forward: if shell.is_interactive() {
            Forward::Hangup
        } else {
            Forward::Interrupt
        },
    };
    let status = foreground
        .run(&ctx.signals)
        .await
        .map_err(|error| not_run(shell, &error))?;
    let state = if status.success() {
        StepState::Done
    } else {
        StepState::Failed
    };
    record.step_ended(JournalStep::Shell, state);
    Ok(status.shell_code())
}

fn not_run(shell: &Shell, error: &SpawnError) -> Failure {
    match error {
        SpawnError::Stopping { .. } => Failure::not_started(),
        SpawnError::ProgramMissing { .. } => {
            let hint = if shell.is_interactive() {
                "let `SHELL` name your shell"
            } else {
                "it is looked for in `PATH`, and with a `/` in it from the unit's folder"
            };
            Failure::failed(Diagnostic::error(error.to_string()).with_hint(hint))
        }
        error => Failure::fact(error.to_string(), error.hint(), false),
    }
}

/// The inputs whose outputs do not exist yet.
fn missing<'u>(unit: &'u Unit, variables: &Variables) -> Vec<&'u str> {
    let is_set = |name: &str| variables.iter().any(|(set, _)| set == name);
    let names = unit.inputs.keys().map(String::as_str);
    names.filter(|name| !is_set(name)).collect()
}

/// The zone of the person's clock; where the machine names none, UTC.
fn local_time_zone() -> TimeZone {
    TimeZone::try_system().unwrap_or(TimeZone::UTC)
}

/// `dev/network@111111111111 until 14:05`.
fn prompt(
    unit: &UnitId,
    account_id: Option<&AccountId>,
    expires: Option<Timestamp>,
    zone: &TimeZone,
) -> String {
    let mut text = unit.to_string();
    if let Some(account_id) = account_id {
        text.push('@');
        text.push_str(account_id.as_str());
    }
    if let Some(end) = expires {
        let end = end.to_zoned(zone.clone());
        text.push_str(&end.strftime(" until %H:%M").to_string());
    }
    text
}

/// One line on where one is, and for shells of which a prompt is known how it may show that.
fn greeting(prompt: &str, shell: &Path) -> String {
    let name = shell
        .file_name()
        .and_then(OsStr::to_str)
        .unwrap_or_default();
    let leave = format!("tfw shell: {prompt}; `exit` leaves it");
    match name {
        "sh" | "bash" | "zsh" | "dash" | "ksh" => {
            format!("{leave}, `PS1=\"($TFW_PROMPT) $PS1\"` shows it in the prompt")
        }
        _ => leave,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_tells_unit_account_and_the_end_by_the_local_clock() {
        let unit = "dev/network".parse().expect("a unit");
        let account = "111111111111".parse().expect("an account");
        let end = "2026-01-02T14:05:59Z".parse().expect("a time");
        let zone = TimeZone::fixed(jiff::tz::offset(9));
        for (account, end, expected) in [
            (
                Some(&account),
                Some(end),
                "dev/network@111111111111 until 23:05",
            ),
            (Some(&account), None, "dev/network@111111111111"),
            (None, None, "dev/network"),
        ] {
            assert_eq!(prompt(&unit, account, end, &zone), expected);
        }
    }

    #[test]
    fn shells_with_a_known_prompt_are_told_how_to_show_it() {
        let greeting = |shell| greeting("dev", Path::new(shell));
        for shell in ["/bin/bash", "/usr/bin/zsh", "sh"] {
            let told = greeting(shell);
            assert!(told.contains(r#"`PS1="($TFW_PROMPT) $PS1"`"#), "{told}");
        }
        assert_eq!(
            greeting("/usr/bin/fish"),
            "tfw shell: dev; `exit` leaves it"
        );
    }

    #[test]
    fn without_a_command_it_is_the_persons_shell() {
        let program = |command: &[&str], variables: &[(&str, &str)]| {
            let shell = Shell {
                command: command.iter().map(ToString::to_string).collect(),
                greets: false,
            };
            shell.program(&variables.iter().copied().collect())
        };
        let zsh = [("SHELL", "/usr/bin/zsh")];
        assert_eq!(program(&[], &zsh).0, Path::new("/usr/bin/zsh"));
        assert_eq!(program(&[], &[]).0, Path::new("/bin/sh"));
        assert_eq!(program(&[], &[("SHELL", "")]).0, Path::new("/bin/sh"));
        let (program, arguments) = program(&["make", "plan"], &zsh);
        assert_eq!(
            (program.as_path(), &arguments[..]),
            (Path::new("make"), &["plan".into()][..])
        );
    }
}
