//! A terminal with a command on it, and somebody who reads and types.

use std::io::{Read as _, Write as _};
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use pty_process::blocking::{Command, Pty};

use super::wait_until;

/// What Ctrl-C types.
const INTERRUPT: &[u8] = b"\x03";

/// A command at work on a terminal that is its own, in a session of its own.
pub(crate) struct Terminal {
    line: String,
    child: Child,
    pty: Arc<Pty>,
    screen: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    /// How much of the screen has been read: a text is waited for behind it.
    seen: usize,
}

impl Terminal {
    #[track_caller]
    pub(super) fn start(command: Command, line: String) -> Self {
        let (pty, pts) = pty_process::blocking::open().unwrap();
        pty.resize(pty_process::Size::new(50, 140)).unwrap();
        let child = command
            .spawn(pts)
            .unwrap_or_else(|error| panic!("cannot start `{line}`: {error}"));
        let (pty, screen) = (Arc::new(pty), Arc::new(Mutex::new(String::new())));
        let reader = std::thread::spawn({
            let (pty, screen) = (Arc::clone(&pty), Arc::clone(&screen));
            move || {
                let mut bytes = [0; 4096];
                let mut raw = Vec::new();
                // Linux ends a terminal that nobody holds any more with an error (EIO).
                while let Ok(count @ 1..) = (&*pty).read(&mut bytes) {
                    raw.extend_from_slice(&bytes[..count]);
                    let text = String::from_utf8_lossy(&raw);
                    *screen.lock().unwrap() = anstream::adapter::strip_str(&text).to_string();
                }
            }
        });
        Self {
            line,
            child,
            pty,
            screen,
            reader: Some(reader),
            seen: 0,
        }
    }

    /// All that has been printed so far, without colours.
    pub(crate) fn screen(&self) -> String {
        self.screen.lock().unwrap().clone()
    }

    /// Waits until `text` is printed, behind what was waited for before; gives what was printed
    /// up to it.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        let from = self.seen;
        let what = format!("`{text}` from `{}`", self.line);
        let found = wait_until(&what, || {
            // Before the screen is looked at: behind its end nothing is printed any more.
            let ended = self.reader.as_ref().is_none_or(JoinHandle::is_finished);
            let screen = self.screen();
            let found = screen.get(from..)?.find(text);
            assert!(!ended || found.is_some(), "{what} did not come:\n{screen}");
            let to = from + found? + text.len();
            Some((to, screen[from..to].to_owned()))
        });
        self.seen = found.0;
        found.1
    }

    /// Types a line.
    pub(crate) fn type_line(&self, line: &str) {
        // Enter, which is a carriage return for who reads the terminal raw.
        self.type_text(&format!("{line}\r"));
    }

    /// Types, without Enter.
    pub(crate) fn type_text(&self, text: &str) {
        (&*self.pty).write_all(text.as_bytes()).unwrap();
    }

    /// Types Ctrl-C: the terminal makes it a SIGINT for whoever is in front.
    pub(crate) fn ctrl_c(&self) {
        (&*self.pty).write_all(INTERRUPT).unwrap();
    }

    /// Waits for the end; gives all that was printed.
    #[track_caller]
    pub(crate) fn exits(mut self, code: i32) -> String {
        let what = format!("the end of `{}`", self.line);
        let status: ExitStatus = wait_until(&what, || self.child.try_wait().unwrap());
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        let screen = self.screen();
        assert!(
            status.code() == Some(code),
            "`{}` ended with {status}, not {code}\n{screen}",
            self.line
        );
        screen
    }
}

impl Drop for Terminal {
    /// A test that failed in between leaves nothing running, and shows what was to be seen.
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
            if std::thread::panicking() {
                eprintln!("on the terminal of `{}`:\n{}", self.line, self.screen());
            }
        }
    }
}
