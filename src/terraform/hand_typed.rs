//! What tfw would have put on the command line itself, where a hand-typed Terraform finds it:
//! `TF_CLI_ARGS_plan` and its like. Pure.
//!
//! Terraform splits them as a shell does, and reads them before what was typed, so that a person's
//! own options win.

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::command::{lock_timeout, with_path};
use crate::env_vars::TF_CLI_ARGS_PREFIX;

/// Subcommands that take `-var-file`, and whether they take `-lock-timeout` (Terraform 1.11.4).
const SUBCOMMANDS: [(&str, bool); 7] = [
    ("plan", true),
    // Of a saved plan, too, where the files say what the plan says; else it is refused ("Can't
    // change variable when applying a saved plan").
    ("apply", true),
    ("destroy", true),
    ("refresh", true),
    ("import", true),
    ("console", false),
    ("test", false),
];

/// What hand-typed subcommands in a root module are given.
#[derive(Debug, Clone, Copy)]
pub struct HandTyped<'a> {
    /// The file for `init -backend-config`; `None`: there is nothing to configure.
    pub backend_config: Option<&'a Path>,
    /// In this order: later ones win.
    pub var_files: &'a [PathBuf],
    /// How long to wait for the state lock; `None`: as Terraform has it.
    pub lock_timeout: Option<Duration>,
}

impl HandTyped<'_> {
    /// The variables, each with its options.
    pub fn variables(&self) -> Vec<(String, String)> {
        let backend_config = self
            .backend_config
            .map(|file| with_path("-backend-config=", file));
        let mut variables = vec![("init", words(backend_config))];
        for (subcommand, locks) in SUBCOMMANDS {
            let timeout = self.lock_timeout.filter(|_| locks).map(lock_timeout);
            let var_files = self.var_files.iter();
            let var_files = var_files.map(|file| with_path("-var-file=", file));
            variables.push((subcommand, words(timeout.into_iter().chain(var_files))));
        }
        variables
            .into_iter()
            .filter(|(_, options)| !options.is_empty())
            .map(|(subcommand, options)| (format!("{TF_CLI_ARGS_PREFIX}{subcommand}"), options))
            .collect()
    }
}

/// Options as a shell takes them; plain ones without quotes, for whoever reads them.
fn words(options: impl IntoIterator<Item = OsString>) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@%+".contains(c);
    let quoted = options.into_iter().map(|option| {
        let option = option.to_string_lossy().into_owned();
        if option.chars().all(plain) {
            return option;
        }
        // No path has a NUL byte, which alone cannot be quoted.
        shlex::try_quote(&option).map_or_else(|_| option.clone(), Cow::into_owned)
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_subcommand_gets_the_options_that_it_takes() {
        let variables = HandTyped {
            backend_config: Some(Path::new("/p/.tfw/data/dev/backend.tfbackend")),
            var_files: &["/p/common.tfvars".into(), "/p/it's here.tfvars".into()],
            lock_timeout: Some(Duration::from_mins(5)),
        }
        .variables();
        let text: Vec<String> = variables
            .iter()
            .map(|(name, options)| format!("{name} {options}"))
            .collect();
        insta::assert_snapshot!(text.join("\n"), @r#"
        TF_CLI_ARGS_init -backend-config=/p/.tfw/data/dev/backend.tfbackend
        TF_CLI_ARGS_plan -lock-timeout=300s -var-file=/p/common.tfvars "-var-file=/p/it's here.tfvars"
        TF_CLI_ARGS_apply -lock-timeout=300s -var-file=/p/common.tfvars "-var-file=/p/it's here.tfvars"
        TF_CLI_ARGS_destroy -lock-timeout=300s -var-file=/p/common.tfvars "-var-file=/p/it's here.tfvars"
        TF_CLI_ARGS_refresh -lock-timeout=300s -var-file=/p/common.tfvars "-var-file=/p/it's here.tfvars"
        TF_CLI_ARGS_import -lock-timeout=300s -var-file=/p/common.tfvars "-var-file=/p/it's here.tfvars"
        TF_CLI_ARGS_console -var-file=/p/common.tfvars "-var-file=/p/it's here.tfvars"
        TF_CLI_ARGS_test -var-file=/p/common.tfvars "-var-file=/p/it's here.tfvars"
        "#);
    }

    #[test]
    fn where_there_is_nothing_to_say_nothing_is_set() {
        let nothing = HandTyped {
            backend_config: None,
            var_files: &[],
            lock_timeout: None,
        };
        assert_eq!(nothing.variables(), []);
    }
}
