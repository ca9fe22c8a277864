//! Asking a person.

use std::io::{self, BufRead, Write};
use std::thread;

use rustix::termios::{QueueSelector, tcflush};
use secrecy::SecretString;
use tokio::sync::oneshot;

use crate::events::Expects;
use crate::model::EnvironmentName;

/// Prints a question and reads the answer on a thread of its own, so that signals are heard
/// meanwhile. A thread, not a blocking task of the runtime: a person who never answers must not
/// keep the process alive.
pub(super) fn ask(
    out: &mut (impl Write + ?Sized),
    question: &str,
    expects: &Expects,
) -> oneshot::Receiver<bool> {
    let (reply, answer) = oneshot::channel();
    // What was typed before the question was no answer to it.
    let _ = tcflush(io::stdin(), QueueSelector::IFlush);
    let _ = write!(out, "\n{question}\n").and_then(|()| out.flush());
    let steps: Vec<Step> = match expects {
        Expects::Yes => vec![Step::yes()],
        Expects::Names(names) => names.iter().map(Step::name).collect(),
    };
    thread::spawn(move || {
        let mut input = io::stdin().lock();
        let mut stderr = io::stderr();
        let agreed = steps.iter().all(|step| step.ask(&mut input, &mut stderr));
        let _ = reply.send(agreed);
    });
    answer
}

/// Prints an invitation and reads one line; an empty one is no answer.
pub(super) fn ask_code(
    out: &mut (impl Write + ?Sized),
    question: &str,
) -> oneshot::Receiver<Option<SecretString>> {
    let (reply, answer) = oneshot::channel();
    let _ = tcflush(io::stdin(), QueueSelector::IFlush);
    let _ = write!(out, "{question}: ").and_then(|()| out.flush());
    thread::spawn(move || {
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line);
        let code = line.trim();
        let code = (read.is_ok() && !code.is_empty()).then(|| SecretString::from(code.to_owned()));
        let _ = reply.send(code);
    });
    answer
}

/// One thing to be typed.
struct Step {
    invitation: String,
    expected: String,
}

impl Step {
    fn yes() -> Self {
        Self {
            invitation: "Type `yes` to agree, anything else to decline".to_owned(),
            expected: "yes".to_owned(),
        }
    }

    fn name(name: &EnvironmentName) -> Self {
        Self {
            invitation: format!(
                "`{name}` is protected. Type its name to agree, anything else to decline"
            ),
            expected: name.to_string(),
        }
    }

    /// Asks once: what is not exactly what is expected is a no, as Terraform has it.
    fn ask(&self, input: &mut impl BufRead, out: &mut impl Write) -> bool {
        let _ = write!(out, "{}: ", self.invitation).and_then(|()| out.flush());
        let mut line = String::new();
        let answer = match input.read_line(&mut line) {
            Ok(_) => line.trim(),
            Err(_) => return false,
        };
        if answer != self.expected && !matches!(answer, "" | "no") {
            let answer = answer.escape_debug();
            let _ = writeln!(out, "`{answer}` is not `{}`: taken as no", self.expected);
        }
        answer == self.expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(typed: &str) -> (bool, String) {
        let mut out = Vec::new();
        let agreed = Step::yes().ask(&mut typed.as_bytes(), &mut out);
        (agreed, String::from_utf8(out).expect("text"))
    }

    #[test]
    fn only_yes_is_yes() {
        const INVITATION: &str = "Type `yes` to agree, anything else to decline: ";
        for (typed, agreed, told) in [
            ("yes\n", true, ""),
            ("no\nyes\n", false, ""),
            ("", false, ""),
            ("y\nyes\n", false, "`y` is not `yes`: taken as no\n"),
        ] {
            assert_eq!(answer(typed), (agreed, format!("{INVITATION}{told}")));
        }
    }
}
