//! Asking a person.

use std::io::{self, BufRead, Write};
use std::thread;

use rustix::termios::{QueueSelector, tcflush};
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
    let steps: Vec<(String, String)> = match expects {
        Expects::Yes => {
            vec![(
                "Only `yes` is taken as agreement".to_owned(),
                "yes".to_owned(),
            )]
        }
        Expects::Names(names) => names.iter().map(name_step).collect(),
    };
    thread::spawn(move || {
        let agreed = steps.iter().all(|(invitation, expected)| {
            let mut stderr = io::stderr();
            let _ = write!(stderr, "{invitation}: ").and_then(|()| stderr.flush());
            let mut line = String::new();
            io::stdin().lock().read_line(&mut line).is_ok() && line.trim() == expected
        });
        let _ = reply.send(agreed);
    });
    answer
}

fn name_step(name: &EnvironmentName) -> (String, String) {
    let invitation = format!("`{name}` is protected; type its name to agree");
    (invitation, name.to_string())
}
