//! `tfw completions`, and the answers to a shell that completes a command line.
//!
//! The script that a shell gets is short: at each Tab it starts tfw with `TFW_COMPLETE` set and the
//! words so far, and tfw prints what may follow. So the names of units, tags and environments come
//! from the manifest as it is now. What an argument is completed with is told by its placeholder in
//! the help: `<UNIT>`, `<TAG>`, `<ENVIRONMENT>`.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;

use clap::builder::StyledStr;
use clap::{Arg, Args, Command, ValueHint};
use clap_complete::Shell;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{EnvCompleter, Shells};

use super::error::Error;
use crate::env_vars::{EnvSnapshot, TFW_COMPLETE, TFW_MANIFEST};
use crate::manifest::{self, Outline};
use crate::report::ExitCode;
use crate::ui;

/// Print a completion script for a shell
///
/// It completes commands and flags, and the names of units, tags and protected environments from
/// the manifest of the working directory (or `--manifest`, or `$TFW_MANIFEST`). Where the script is
/// kept in a file, write it again after tfw has been upgraded.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  source <(tfw completions bash)                   in ~/.bashrc
  source <(tfw completions zsh)                    in ~/.zshrc, after compinit
  tfw completions fish > ~/.config/fish/completions/tfw.fish

Exit codes:
  0  done
  1  the script could not be written
  3  the command line is wrong")]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> Result<ExitCode, Error> {
    let mut script = Vec::new();
    if let Some(shell) = completer(OsStr::new(&args.shell.to_string())) {
        shell
            .write_registration(TFW_COMPLETE, "tfw", "tfw", "tfw", &mut script)
            .map_err(|error| Error::stdout(&error))?;
    }
    ui::print_document(&String::from_utf8_lossy(&script)).map_err(|error| Error::stdout(&error))?;
    Ok(ExitCode::Done)
}

/// Answers a shell that asks what may follow; `None` where no shell asks. Whatever is wrong, there
/// is nothing to say about it in the middle of a command line: then nothing follows.
pub(super) fn answer(
    command: Command,
    arguments: &[OsString],
    environment: &EnvSnapshot,
) -> Option<ExitCode> {
    let shell = completer(environment.get(TFW_COMPLETE)?)?;
    let escape = arguments.iter().position(|argument| argument == "--")?;
    let words = arguments[escape + 1..].to_vec();
    let working_dir = std::env::current_dir().ok();
    let names = Names {
        manifest: named_manifest(&words),
        variable: environment.get(TFW_MANIFEST).map(OsStr::to_owned),
        working_dir: working_dir.clone(),
    };
    let mut command = with_names(command, &Arc::new(names));
    let mut text = Vec::new();
    let done = shell
        .write_complete(&mut command, words, working_dir.as_deref(), &mut text)
        .and_then(|()| ui::print_document(&String::from_utf8_lossy(&text)));
    Some(match done {
        Ok(()) => ExitCode::Done,
        Err(_) => ExitCode::Failed,
    })
}

fn completer(shell: &OsStr) -> Option<&'static dyn EnvCompleter> {
    const SHELLS: Shells<'static> = Shells::builtins();
    let shell = shell.to_str()?;
    SHELLS.0.iter().copied().find(|known| known.is(shell))
}

/// The manifest that the words so far name.
fn named_manifest(words: &[OsString]) -> Option<PathBuf> {
    let typed = words.iter().take_while(|word| *word != "--");
    let mut named = None;
    let mut follows = false;
    for word in typed {
        let text = word.to_string_lossy();
        if follows {
            named = Some(PathBuf::from(word));
        } else if let Some(path) = text.strip_prefix("--manifest=") {
            named = Some(PathBuf::from(path));
        }
        follows = word == "--manifest";
    }
    named
}

/// Where the names are, should they be asked for.
struct Names {
    manifest: Option<PathBuf>,
    variable: Option<OsString>,
    working_dir: Option<PathBuf>,
}

impl Names {
    fn outline(&self) -> Outline {
        self.working_dir
            .as_deref()
            .and_then(|working_dir| {
                let named = self.manifest.as_deref();
                manifest::find(named, self.variable.as_deref(), working_dir).ok()
            })
            .map(|path| manifest::outline(&path))
            .unwrap_or_default()
    }

    fn units(&self) -> Vec<CompletionCandidate> {
        let mut units = Vec::new();
        for environment in self.outline().environments {
            let protected = if environment.protected {
                "protected environment"
            } else {
                "environment"
            };
            let about = match environment.stacks.len() {
                0 => protected.to_owned(),
                1 => format!("{protected} of one stack"),
                stacks => format!("{protected} of {stacks} stacks"),
            };
            units.push(candidate(&environment.name, &about));
            for stack in &environment.stacks {
                units.push(candidate(&format!("{}/{stack}", environment.name), "stack"));
            }
        }
        units
    }

    fn tags(&self) -> Vec<CompletionCandidate> {
        let tags = self.outline().tags;
        tags.into_iter().map(CompletionCandidate::new).collect()
    }

    /// What `--approve` is for.
    fn protected(&self) -> Vec<CompletionCandidate> {
        let environments = self.outline().environments;
        environments
            .into_iter()
            .filter(|environment| environment.protected)
            .map(|environment| CompletionCandidate::new(environment.name))
            .collect()
    }
}

fn candidate(name: &str, about: &str) -> CompletionCandidate {
    CompletionCandidate::new(name).help(Some(StyledStr::from(about.to_owned())))
}

/// The command line, with names for the arguments that are names.
fn with_names(command: Command, names: &Arc<Names>) -> Command {
    command
        .mut_args(|arg| complete(arg, names))
        .mut_subcommands(|command| with_names(command, names))
}

fn complete(arg: Arg, names: &Arc<Names>) -> Arg {
    let placeholder = match arg.get_value_names() {
        Some([only]) => only.to_string(),
        _ => return arg,
    };
    let names = Arc::clone(names);
    match placeholder.as_str() {
        "UNIT" | "UNIT FILE" => arg.add(ArgValueCandidates::new(move || names.units())),
        "TAG" => arg.add(ArgValueCandidates::new(move || names.tags())),
        "ENVIRONMENT" => arg.add(ArgValueCandidates::new(move || names.protected())),
        "DIR" => arg.value_hint(ValueHint::DirPath),
        _ => arg,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::CommandFactory as _;

    use super::*;

    const MANIFEST: &str = "[environments.dev]\ntags = ['eu']\n\
         [environments.prod]\nprotected = true\ntags = ['eu', 'live']\n\
         [environments.prod.stacks.network]\n[environments.prod.stacks.eks]\n";

    /// What may follow, or stand in place of the last word.
    fn follows(manifest: &str, words: &[&str]) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("tfw.toml"), manifest).expect("written");
        let words: Vec<OsString> = ["tfw"].iter().chain(words).map(OsString::from).collect();
        let names = Names {
            manifest: named_manifest(&words),
            variable: None,
            working_dir: Some(folder.path().to_owned()),
        };
        let mut command = with_names(super::super::Cli::command(), &Arc::new(names));
        let last = words.len() - 1;
        clap_complete::engine::complete(&mut command, words, last, Some(folder.path()))
            .expect("candidates")
            .iter()
            .map(|candidate| candidate.get_value().to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn names_come_from_the_manifest() {
        let all = ["dev", "prod", "prod/network", "prod/eks"];
        for (words, expected) in [
            (&["manifest", "show", ""][..], &all[..]),
            (&["plan", "prod"], &all[1..]),
            (&["plan", "dev", "prod/n"], &["prod/network"]),
            (&["exec", "prod/e"], &["prod/eks"]),
            (&["plan", "--exclude", "d"], &["dev"]),
            (&["plan", "--exclude=d"], &["--exclude=dev"]),
            (&["plan", "--tag", ""], &["eu", "live"]),
            (&["apply", "--approve", ""], &["prod"]),
            (&["apply", "--new-state", "prod/"], &all[2..]),
        ] {
            let mut found = follows(MANIFEST, words);
            found.retain(|word| !word.starts_with('-') || word.starts_with("--exclude="));
            assert_eq!(found, expected, "{words:?}");
        }
    }

    #[test]
    fn without_a_manifest_there_are_only_flags() {
        for manifest in ["", "environments = 1", "[broken"] {
            assert!(follows(manifest, &["plan", "d"]).is_empty(), "{manifest}");
        }
        assert!(follows("", &["plan", "--with-de"]).contains(&"--with-dependents".to_owned()));
        let elsewhere = ["--manifest", "none.toml", "plan", "d"];
        assert!(follows(MANIFEST, &elsewhere).is_empty());
        assert_eq!(
            follows(MANIFEST, &["--manifest=tfw.toml", "plan", "d"]),
            ["dev"]
        );
    }

    #[test]
    fn no_shell_asks_unless_the_variable_names_one() {
        let words = ["tfw", "--", "tfw", "plan", ""].map(OsString::from);
        for environment in [
            EnvSnapshot::default(),
            EnvSnapshot::from_iter([(TFW_COMPLETE, "1")]),
            EnvSnapshot::from_iter([(TFW_COMPLETE, "")]),
        ] {
            let command = super::super::Cli::command();
            assert!(answer(command, &words, &environment).is_none());
        }
    }
}
