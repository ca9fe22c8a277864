//! `tfw exec`: a hand-typed subcommand, with what tfw would have given it.

use std::ffi::OsString;
use std::path::Path;

use serde_json::json;

use super::apply::rescue_errored_state;
use super::preflight::{self, Intent, Work};
use crate::journal::{Step as JournalStep, StepState};
use crate::process::{Foreground, Forward, SpawnError};
use crate::stage::Context;
use crate::stage::Initialised;
use crate::stage::SafeBackend;
use crate::stage::backend::where_and_who;
use crate::stage::failure::Failure;
use crate::stage::guards;
use crate::stage::initialise::{initialise, prepare_only};
use crate::stage::inputs::{self, Missing};
use crate::stage::record::Record;
use crate::stage::terraform_step::{self, Surroundings, Variables};
use crate::terraform::HandTyped;

/// Subcommands that read: they need no name of a protected environment.
const READING: &[&[&str]] = &[
    &["plan"],
    &["show"],
    &["output"],
    &["validate"],
    &["state", "list"],
    &["state", "show"],
    &["state", "pull"],
    &["console"],
    &["providers"],
    &["version"],
    &["graph"],
];

/// Subcommands that never set providers up as the root module says.
const WITHOUT_PROVIDERS: &[&str] = &[
    "fmt",
    "force-unlock",
    "get",
    "init",
    "login",
    "logout",
    "metadata",
    "modules",
    "output",
    "providers",
    "show",
    "state",
    "taint",
    "untaint",
    "validate",
    "version",
    "workspace",
];

/// A subcommand of Terraform and its arguments.
#[derive(Debug, Clone)]
pub struct Exec {
    arguments: Vec<String>,
}

/// A command line that `exec` does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotExecutable {
    /// `-chdir` would run with this unit's credentials in another unit's folder.
    #[error("`{0}` would run with this unit's credentials and state in another folder")]
    OtherFolder(String),
    /// Only options, or nothing.
    #[error("there is no subcommand after `--`")]
    NoSubcommand,
}

impl NotExecutable {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::OtherFolder(_) => "name the other unit in place of `-chdir`".to_owned(),
            Self::NoSubcommand => "type one, as in `tfw exec dev -- state list`".to_owned(),
        }
    }
}

impl Exec {
    /// Reads what stands after `--`.
    ///
    /// # Errors
    /// There is no subcommand, or an option before it that leads elsewhere.
    pub fn parse(arguments: Vec<String>) -> Result<Self, NotExecutable> {
        let first = arguments
            .iter()
            .position(|argument| !argument.starts_with('-'));
        let options = &arguments[..first.unwrap_or(arguments.len())];
        if let Some(elsewhere) = options
            .iter()
            .find(|option| option.trim_start_matches('-').starts_with("chdir"))
        {
            return Err(NotExecutable::OtherFolder(elsewhere.clone()));
        }
        match first {
            Some(_) => Ok(Self { arguments }),
            None => Err(NotExecutable::NoSubcommand),
        }
    }

    /// The subcommand and what follows it.
    fn words(&self) -> impl Iterator<Item = &str> {
        self.arguments
            .iter()
            .map(String::as_str)
            .skip_while(|word| word.starts_with('-'))
    }

    fn subcommand(&self) -> &str {
        self.words().next().unwrap_or_default()
    }

    /// Whether it only reads.
    fn reads(&self) -> bool {
        READING
            .iter()
            .any(|reading| self.words().take(reading.len()).eq(reading.iter().copied()))
    }

    /// Whether it sets providers up, as whoever their blocks say.
    fn uses_providers(&self) -> bool {
        !WITHOUT_PROVIDERS.contains(&self.subcommand())
    }

    /// A saved plan has its variables in it, and takes no others. A word after `apply` may also be
    /// the value of an option, so it counts when it is a file, as seen from the root module.
    fn applies_saved_plan(&self, folder: &Path) -> bool {
        self.subcommand() == "apply"
            && self
                .words()
                .skip(1)
                .any(|word| !word.starts_with('-') && folder.join(word).is_file())
    }
}

/// Runs a subcommand on the one selected unit; gives its exit code. `None`: it did not come to
/// that, and the unit's outcome says why.
pub async fn exec(ctx: &Context, command: Exec) -> Option<u8> {
    let intent = Intent::Exec {
        writes: !command.reads(),
        uses_providers: command.uses_providers(),
    };
    let Work {
        mut record,
        module,
        backend,
    } = preflight::one(ctx, intent).await?;
    let ran = async {
        if !command.reads() {
            consent(ctx, &record, &backend, &command).await?;
        }
        // A hand-typed init is the init: it gets the configuration, and nothing runs before it.
        let site = if command.subcommand() == "init" {
            prepare_only(&mut record, &module, backend)?
        } else {
            initialise(&mut record, &module, backend).await?
        };
        run(&mut record, &site, &command).await
    }
    .await;
    conclude(record, "terraform", ran)
}

/// Ends a unit on which `what` was run in the foreground; gives the exit code. `None`: it was not
/// run.
pub(super) fn conclude(record: Record<'_>, what: &str, ran: Result<u8, Failure>) -> Option<u8> {
    let (end, code) = match ran {
        Ok(0) => (Ok(()), Some(0)),
        // What went wrong has been said on the person's own terminal.
        Ok(code) => (Err(Failure::of_child(what, code)), Some(code)),
        Err(failure) => (Err(failure), None),
    };
    record.finish(end);
    code
}

/// In a protected environment whatever may write takes the environment's name.
async fn consent(
    ctx: &Context,
    record: &Record<'_>,
    backend: &SafeBackend,
    command: &Exec,
) -> Result<(), Failure> {
    let unit = record.unit;
    let question = || {
        format!(
            "tfw will run `terraform {}` on `{}`{}",
            command.arguments.join(" "),
            unit.id,
            where_and_who(unit, backend)
        )
    };
    ctx.consent
        .obtain_protection(ctx, unit, question, "writing")
        .await
}

async fn run(record: &mut Record<'_>, site: &Initialised, command: &Exec) -> Result<u8, Failure> {
    let (ctx, unit) = (record.ctx, record.unit);
    // An apply may leave `errored.tfstate` behind, so it takes its turn with tfw's own applies.
    let _turn = if command.reads() {
        None
    } else {
        let turn = ctx
            .lock_folder(&unit.folder, || {
                record.note("waits for an apply in the same root module");
            })
            .await?;
        // `state push errored.tfstate` is the way out of it.
        if matches!(command.subcommand(), "apply" | "destroy" | "refresh") {
            guards::errored_state(ctx, unit)?;
        }
        Some(turn)
    };
    // After the wait, so that the credentials are fresh.
    let variables = match command.subcommand() {
        "plan" | "apply" | "destroy" | "refresh" | "import" | "console" | "test" => {
            inputs::variables(record, Missing::Leave).await?
        }
        _ => Variables::default(),
    };
    let surroundings = Surroundings {
        data_dir: site.data_dir(),
        plugin_cache: site.plugin_cache(),
        variables: &variables,
    };
    let mut env =
        terraform_step::environment(ctx, unit, site.backend().account(), surroundings).await?;
    let hand_typed = HandTyped {
        backend_config: site.backend_config(),
        var_files: &unit.var_files,
        lock_timeout: None,
    };
    for (name, options) in hand_typed.variables() {
        let is_in_plan = name == "TF_CLI_ARGS_apply" && command.applies_saved_plan(&unit.folder);
        if !is_in_plan {
            env.set(name, options);
        }
    }
    // One that was there before stays where the person pushes it from.
    let waits_already = guards::errored_state(ctx, unit).is_err();
    // Not the arguments: `-var` may carry a secret.
    let detail = json!({ "subcommand": command.subcommand() });
    ctx.run
        .step(&unit.id, JournalStep::Exec, StepState::Begun, &detail)?;
    let foreground = Foreground {
        program: ctx.terraform()?.path().to_owned(),
        args: command.arguments.iter().map(OsString::from).collect(),
        env,
        folder: unit.folder.clone(),
        forward: Forward::Interrupt,
    };
    let status = foreground
        .run(&ctx.signals)
        .await
        .map_err(|error| match error {
            SpawnError::Stopping { .. } => Failure::not_started(),
            error => Failure::fact(error.to_string(), error.hint(), false),
        })?;
    let state = if status.success() {
        StepState::Done
    } else {
        StepState::Failed
    };
    if !waits_already {
        rescue_errored_state(record);
    }
    record.step_ended(JournalStep::Exec, state);
    Ok(status.shell_code())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(line: &str) -> Result<Exec, NotExecutable> {
        Exec::parse(line.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn reading_subcommands_are_told_from_writing_ones() {
        for line in [
            "plan",
            "state list",
            "state pull",
            "output -json",
            "-no-color show",
            "graph",
        ] {
            assert!(exec(line).expect("a subcommand").reads(), "{line}");
        }
        for line in [
            "apply",
            "state rm x",
            "state push f",
            "import a b",
            "force-unlock id",
            "taint x",
            "init",
            "state",
            "workspace new x",
        ] {
            assert!(!exec(line).expect("a subcommand").reads(), "{line}");
        }
    }

    #[test]
    fn subcommands_that_set_providers_up_are_told_from_others() {
        for (line, uses) in [
            ("plan -out=x", true),
            ("import a b", true),
            ("console", true),
            ("something-new", true),
            ("state rm a", false),
            ("-no-color output", false),
            ("init", false),
        ] {
            assert_eq!(
                exec(line).expect("a subcommand").uses_providers(),
                uses,
                "{line}"
            );
        }
    }

    #[test]
    fn another_folder_and_no_subcommand_are_not_taken() {
        assert_eq!(
            exec("-chdir=../prod apply").expect_err("another folder"),
            NotExecutable::OtherFolder("-chdir=../prod".to_owned())
        );
        assert!(matches!(
            exec("--chdir=x plan"),
            Err(NotExecutable::OtherFolder(_))
        ));
        assert_eq!(
            exec("-no-color").expect_err("nothing"),
            NotExecutable::NoSubcommand
        );
    }

    #[test]
    fn a_saved_plan_takes_no_var_files() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("tfplan"), "").expect("written");
        let applies = |line| {
            exec(line)
                .expect("a subcommand")
                .applies_saved_plan(folder.path())
        };
        assert!(applies("apply -input=false tfplan"));
        assert!(!applies("apply -auto-approve"));
        assert!(!applies("apply -target aws_vpc.this"));
    }
}
