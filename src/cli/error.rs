//! The edge error: what stopped a command before, or beside, its units.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io;

use clap::error::ErrorKind;
use jiff::Timestamp;

use crate::env_vars::EnvSnapshot;
use crate::journal::JournalError;
use crate::model::{Diagnostic, Outcome, UnitId, UnitResult, describe_io};
use crate::report::{Builder, Ending, ExitCode};
use crate::settings::SettingsError;
use crate::ui::{self, Console};

/// What a signal means that comes before a run.
const INTERRUPTED: &str = "not started: the run was interrupted";

/// Why a command did not come to a run.
#[derive(Debug)]
pub(super) enum Error {
    /// The command line, the manifest or the tools are wrong. Nothing was touched.
    Settings(SettingsError),
    /// The command line asks for something that cannot be.
    Usage(Diagnostic),
    /// A guard stopped the command before a run.
    Refused(Diagnostic),
    /// A signal came before a run began.
    Interrupted {
        /// The exit code of the signal.
        code: u8,
        /// The units that were to be worked on.
        units: Vec<(UnitId, Outcome)>,
    },
    /// Something went wrong beside the units.
    Failed {
        /// What.
        diagnostic: Diagnostic,
        /// The units that were to be worked on, and failed with it.
        units: Vec<(UnitId, Outcome)>,
    },
}

impl Error {
    pub(super) fn failed(summary: impl Into<String>) -> Self {
        Self::Failed {
            diagnostic: Diagnostic::error(summary),
            units: Vec::new(),
        }
    }

    /// Stdout does not take the document.
    pub(super) fn stdout(error: &io::Error) -> Self {
        Self::failed(format!("cannot write to stdout: {}", describe_io(error)))
    }

    /// The same error, of these units too.
    pub(super) fn of_units(self, of: Vec<(UnitId, Outcome)>) -> Self {
        match self {
            Self::Failed { diagnostic, .. } => Self::Failed {
                diagnostic,
                units: of,
            },
            other => other,
        }
    }

    fn ending(&self) -> Ending {
        match self {
            Self::Settings(_) | Self::Usage(_) => Ending {
                usage: true,
                ..Ending::default()
            },
            Self::Refused(_) => Ending {
                refused: true,
                ..Ending::default()
            },
            Self::Failed { .. } => Ending {
                failed: true,
                ..Ending::default()
            },
            Self::Interrupted { code, .. } => Ending {
                signal: Some(*code),
                ..Ending::default()
            },
        }
    }

    fn diagnostics(&self) -> Vec<Diagnostic> {
        match self {
            Self::Settings(error) => error.to_diagnostics(),
            Self::Usage(diagnostic)
            | Self::Refused(diagnostic)
            | Self::Failed { diagnostic, .. } => {
                vec![diagnostic.clone()]
            }
            Self::Interrupted { .. } => vec![Diagnostic::warning(INTERRUPTED)],
        }
    }

    /// The error for people; problems in a manifest with the lines of source that they are about.
    fn text(&self, colour: bool) -> String {
        if let Self::Settings(SettingsError::Manifest { problems, .. }) = self {
            return problems.render(colour, ui::width());
        }
        self.diagnostics()
            .iter()
            .flat_map(ui::diagnostic_lines)
            .fold(String::new(), |mut text, line| {
                let _ = writeln!(text, "{line}");
                text
            })
    }
}

impl From<SettingsError> for Error {
    fn from(error: SettingsError) -> Self {
        Self::Settings(error)
    }
}

impl From<JournalError> for Error {
    fn from(error: JournalError) -> Self {
        Self::Failed {
            diagnostic: Diagnostic::error(error.to_string())
                .with_hint("tfw keeps its runs there; check the free space and the permissions"),
            units: Vec::new(),
        }
    }
}

/// Tells an error on stderr, and with `--json` as a document on stdout; gives the exit code.
pub(super) fn report(error: &Error, command: &str, output: ui::Options) -> ExitCode {
    Console::on_stderr(output).write(&error.text(output.colour));
    let mut builder = Builder::new(command, Timestamp::now());
    builder.problems(error.diagnostics());
    match error {
        Error::Failed { diagnostic, units } => {
            builder.all_ended(units.clone(), UnitResult::Failed, &diagnostic.summary);
        }
        Error::Interrupted { units, .. } => {
            builder.all_ended(units.clone(), UnitResult::Interrupted, INTERRUPTED);
        }
        Error::Settings(_) | Error::Usage(_) | Error::Refused(_) => {}
    }
    document(builder, error.ending(), output)
}

/// What clap has to say: help and version are no errors, and all else is a wrong command line.
pub(super) fn report_parse_error(
    parse: &clap::Error,
    arguments: &[OsString],
    environment: &EnvSnapshot,
) -> ExitCode {
    match parse.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A reader that has seen enough of the help is no error.
            let _ = parse.print();
            return ExitCode::Done;
        }
        _ => {}
    }
    let of_terraform = option_of_terraform(parse, arguments);
    if of_terraform.is_none() {
        let _ = parse.print();
    }
    // Whether `--json` was meant cannot be asked of a command line that does not parse.
    let json = arguments
        .iter()
        .take_while(|argument| *argument != "--")
        .any(|a| a == "--json");
    let output = super::args::GlobalArgs {
        json,
        ..Default::default()
    }
    .output(environment);
    let command = arguments
        .iter()
        .skip(1)
        .filter_map(|argument| argument.to_str())
        .find(|argument| !argument.starts_with('-'))
        .unwrap_or_default();
    if let Some(diagnostic) = of_terraform {
        return report(&Error::Usage(diagnostic), command, output);
    }
    let text = parse.render().to_string();
    let mut lines = text.lines();
    let summary = lines
        .next()
        .unwrap_or_default()
        .trim_start_matches("error: ");
    let detail: Vec<&str> = lines.filter(|line| !line.trim().is_empty()).collect();
    let diagnostic = Diagnostic::error(summary).with_detail(detail.join("\n"));
    let mut builder = Builder::new(command, Timestamp::now());
    builder.problems([diagnostic]);
    let usage = Ending {
        usage: true,
        ..Ending::default()
    };
    document(builder, usage, output)
}

/// Somebody typed an option of Terraform's to tfw: clap would find a similar one of tfw's, which
/// is something else.
fn option_of_terraform(parse: &clap::Error, arguments: &[OsString]) -> Option<Diagnostic> {
    const OPTIONS: [&str; 10] = [
        "backend-config",
        "lock",
        "migrate-state",
        "reconfigure",
        "refresh",
        "refresh-only",
        "replace",
        "target",
        "var",
        "var-file",
    ];
    if parse.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let typed = arguments.iter().filter_map(|argument| argument.to_str());
    let typed: Vec<&str> = typed.take_while(|argument| *argument != "--").collect();
    let option = typed.iter().find(|argument| {
        let name = argument.trim_start_matches('-');
        let name = name.split_once('=').map_or(name, |(name, _)| name);
        argument.starts_with('-') && OPTIONS.contains(&name)
    })?;
    let command = typed.iter().skip(1).find(|word| !word.starts_with('-'))?;
    let diagnostic = Diagnostic::error(format!(
        "`{option}` is an option of Terraform's, not of tfw's"
    ));
    Some(if option.trim_start_matches('-').starts_with("var") {
        diagnostic
            .with_hint("values of variables stand in the manifest: `vars`, `var_files`, `inputs`")
    } else {
        diagnostic.with_hint(format!(
            "`tfw exec UNIT -- {command} -{}` passes it on",
            option.trim_start_matches('-')
        ))
    })
}

fn document(builder: Builder, ending: Ending, output: ui::Options) -> ExitCode {
    let report = builder.finish(ending);
    if output.document_on_stdout {
        // The exit code says it too, should stdout be closed.
        let _ = ui::print_document(&report.to_json());
    }
    report.exit_code()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn hint(line: &str) -> Option<String> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let parse = super::super::Cli::try_parse_from(&words).expect_err("no such option");
        option_of_terraform(&parse, &words)?.detail
    }

    #[test]
    fn options_of_terraform_are_told_where_they_belong() {
        assert_eq!(
            hint("tfw plan dev -target=x.y").as_deref(),
            Some("hint: `tfw exec UNIT -- plan -target=x.y` passes it on")
        );
        assert_eq!(
            hint("tfw apply dev --var a=b").as_deref(),
            Some("hint: values of variables stand in the manifest: `vars`, `var_files`, `inputs`")
        );
        assert_eq!(hint("tfw plan --al"), None);
    }
}
