//! A terminal with a command on it, and somebody who reads and types.
//!
//! What was printed ([`Terminal::printed`]) is for those who ask what was said at any time; what
//! the terminal makes of it ([`Terminal::screen`]), for those who ask what is to be seen.

use std::io::{Read as _, Write as _};
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use pty_process::blocking::{Command, Pty};

use super::screen::{Emulator, Screen};
use super::wait_until;

/// What Ctrl-C types.
const INTERRUPT: &[u8] = b"\x03";

/// A command at work on a terminal that is its own, in a session of its own.
pub(crate) struct Terminal {
    line: String,
    child: Child,
    pty: Arc<Pty>,
    output: Arc<Mutex<Output>>,
    reader: Option<JoinHandle<()>>,
    /// How much of what was printed has been read: a text is waited for behind it.
    seen: usize,
}

/// What came out of it: as it was printed, and as it looks.
struct Output {
    raw: Vec<u8>,
    emulator: Emulator,
}

impl Output {
    fn printed(&self) -> String {
        let text = String::from_utf8_lossy(&self.raw);
        anstream::adapter::strip_str(&text).to_string()
    }
}

impl Terminal {
    #[track_caller]
    pub(super) fn start(command: Command, line: String, (columns, rows): (u16, u16)) -> Self {
        let (pty, pts) = pty_process::blocking::open().unwrap();
        pty.resize(pty_process::Size::new(rows, columns)).unwrap();
        let child = command
            .spawn(pts)
            .unwrap_or_else(|error| panic!("cannot start `{line}`: {error}"));
        let pty = Arc::new(pty);
        let output = Arc::new(Mutex::new(Output {
            raw: Vec::new(),
            emulator: Emulator::new(columns, rows),
        }));
        let reader = std::thread::spawn({
            let (pty, output) = (Arc::clone(&pty), Arc::clone(&output));
            move || {
                let mut bytes = [0; 4096];
                // Linux ends a terminal that nobody holds any more with an error (EIO).
                while let Ok(count @ 1..) = (&*pty).read(&mut bytes) {
                    let mut output = output.lock().unwrap();
                    output.raw.extend_from_slice(&bytes[..count]);
                    output.emulator.print(&bytes[..count]);
                }
            }
        });
        Self {
            line,
            child,
            pty,
            output,
            reader: Some(reader),
            seen: 0,
        }
    }

    /// All that has been printed so far, without colours.
    pub(crate) fn printed(&self) -> String {
        self.output.lock().unwrap().printed()
    }

    /// What it shows now.
    pub(crate) fn screen(&self) -> Screen {
        self.output.lock().unwrap().emulator.screen()
    }

    /// Pulls at its corner: whoever is in front hears of it (SIGWINCH).
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        let mut output = self.output.lock().unwrap();
        output.emulator.resize(columns, rows);
        self.pty
            .resize(pty_process::Size::new(rows, columns))
            .unwrap();
    }

    /// Waits until what it shows is `right`; gives that.
    #[track_caller]
    pub(crate) fn wait_to_show(&self, what: &str, right: impl Fn(&Screen) -> bool) -> Screen {
        wait_until(&format!("{what} on the screen of `{}`", self.line), || {
            let ended = self.reader.as_ref().is_none_or(JoinHandle::is_finished);
            let screen = self.screen();
            let is_right = right(&screen);
            assert!(!ended || is_right, "{what} did not come:\n{screen}");
            is_right.then_some(screen)
        })
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
            let printed = self.printed();
            let found = printed.get(from..)?.find(text);
            assert!(!ended || found.is_some(), "{what} did not come:\n{printed}");
            let to = from + found? + text.len();
            Some((to, printed[from..to].to_owned()))
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
        self.wait(code);
        self.printed()
    }

    /// Waits for the end; gives what the terminal shows then.
    #[track_caller]
    pub(crate) fn leaves(mut self, code: i32) -> Screen {
        self.wait(code);
        self.screen()
    }

    /// Waits for the end; gives all that was printed, byte by byte.
    #[track_caller]
    pub(crate) fn ends_raw(mut self, code: i32) -> String {
        self.wait(code);
        String::from_utf8_lossy(&self.output.lock().unwrap().raw).into_owned()
    }

    #[track_caller]
    fn wait(&mut self, code: i32) {
        let what = format!("the end of `{}`", self.line);
        let status: ExitStatus = wait_until(&what, || self.child.try_wait().unwrap());
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        assert!(
            status.code() == Some(code),
            "`{}` ended with {status}, not {code}\n{}",
            self.line,
            self.screen()
        );
    }
}

impl Drop for Terminal {
    /// A test that failed in between leaves nothing running, and shows what was to be seen.
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
            if std::thread::panicking() {
                eprintln!("on the terminal of `{}`:\n{}", self.line, self.printed());
            }
        }
    }
}
