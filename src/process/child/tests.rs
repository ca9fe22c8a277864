//! With real children.

use super::*;
use crate::events;
use crate::process::Signal;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Instant;
use tempfile::TempDir;

/// A shell script, with `PATH` and nothing else in its environment.
fn script(folder: &Path, text: &str) -> Spec {
    Spec {
        program: PathBuf::from("/bin/sh"),
        args: vec!["-c".into(), text.into()],
        env: Variables::from_iter([("PATH", "/usr/bin:/bin")]),
        folder: folder.to_owned(),
        stdout: Output::Log(folder.join("log")),
        stderr: Output::Log(folder.join("log")),
    }
}

#[tokio::test]
async fn every_line_is_given_and_the_log_is_appended_to() {
    let folder = TempDir::new().expect("folder");
    std::fs::write(folder.path().join("log"), "from before\n").expect("write");
    let mut lines = Vec::new();
    let exit = run(
        script(
            folder.path(),
            "echo one; echo two >&2; printf 'no newline'; exit 3",
        ),
        &Signals::never(),
        |line| lines.push(line.to_owned()),
    )
    .await
    .expect("runs");
    assert_eq!(exit.status, Status::Code(3));
    assert!(!exit.interrupted);
    assert_eq!(lines, ["one", "two", "no newline"]);
    let log = std::fs::read_to_string(folder.path().join("log")).expect("log");
    assert_eq!(log, "from before\none\ntwo\nno newline");
}

#[tokio::test]
async fn lines_come_while_the_child_runs() {
    let folder = TempDir::new().expect("folder");
    let gate = folder.path().join("gate");
    // The child ends only when its first line has been seen.
    let spec = script(
        folder.path(),
        "echo ready; while [ ! -e gate ]; do sleep 0.01; done; echo done",
    );
    let mut lines = Vec::new();
    let exit = run(spec, &Signals::never(), |line| {
        if line == "ready" {
            std::fs::write(&gate, "").expect("write");
        }
        lines.push(line.to_owned());
    })
    .await
    .expect("runs");
    assert!(exit.status.success());
    assert_eq!(lines, ["ready", "done"]);
}

#[tokio::test]
async fn private_output_is_returned_and_written_nowhere_else() {
    let folder = TempDir::new().expect("folder");
    let mut spec = script(folder.path(), "echo secret; echo trouble >&2");
    spec.stdout = Output::Private;
    let mut lines = Vec::new();
    let exit = run(spec, &Signals::never(), |line| lines.push(line.to_owned()))
        .await
        .expect("runs");
    assert_eq!(exit.stdout.bytes(), b"secret\n");
    assert_eq!(lines, ["trouble"]);
    assert!(!format!("{exit:?}").contains("secret"));
    let log = folder.path().join("log");
    assert_eq!(std::fs::read_to_string(&log).expect("log"), "trouble\n");
    let mode = std::fs::metadata(&log)
        .expect("metadata")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn the_environment_is_complete_and_the_child_leads_its_group() {
    let folder = TempDir::new().expect("folder");
    let mut lines = Vec::new();
    run(
        script(
            folder.path(),
            "echo home=${HOME-unset}; [ $$ = $(ps -o pgid= -p $$ | tr -d ' ') ] && echo leads; cat",
        ),
        &Signals::never(),
        |line| lines.push(line.to_owned()),
    )
    .await
    .expect("runs");
    assert_eq!(lines, ["home=unset", "leads"]);
}

#[tokio::test]
async fn each_step_sends_one_sigint_and_the_last_one_kills() {
    let folder = TempDir::new().expect("folder");
    let (emitter, _told) = events::channel();
    let (mut source, signals) = Signals::manual(emitter);
    let start = Instant::now();
    // `wait` returns when a trap has run, so that each SIGINT is counted. A background job of
    // sh ignores SIGINT, and belongs to the group that is killed.
    let spec = script(
        folder.path(),
        "n=0; trap 'n=$((n+1)); echo got $n' INT; sleep 1000 & echo ready; while kill -0 $!; do wait; done",
    );
    let mut lines = Vec::new();
    let exit = run(spec, &signals, |line| {
        let at = |seconds| start + Duration::from_secs(seconds);
        match line {
            "ready" => {
                source.deliver(Signal::Interrupt, at(0));
                source.deliver(Signal::Terminate, at(1));
            }
            "got 1" => {
                source.deliver(Signal::Interrupt, at(10));
                source.deliver(Signal::Hangup, at(11));
            }
            "got 2" => {
                source.deliver(Signal::Interrupt, at(20));
            }
            _ => {}
        }
        lines.push(line.to_owned());
    })
    .await
    .expect("runs");
    assert_eq!(lines, ["ready", "got 1", "got 2"]);
    assert_eq!(exit.status, Status::Signal(9));
    assert!(exit.interrupted);
}

#[tokio::test]
async fn nothing_starts_once_the_run_is_being_stopped() {
    let folder = TempDir::new().expect("folder");
    let (emitter, _told) = events::channel();
    let (mut source, signals) = Signals::manual(emitter);
    source.deliver(Signal::Interrupt, Instant::now());
    let error = run(script(folder.path(), "touch started"), &signals, |_| {})
        .await
        .expect_err("refused");
    assert!(matches!(error, SpawnError::Stopping { .. }), "{error}");
    assert!(!folder.path().join("started").exists());
}

#[tokio::test]
async fn failures_to_start_are_told_apart() {
    let folder = TempDir::new().expect("folder");
    let never = Signals::never();
    let missing = Spec {
        program: "/nowhere/terraform".into(),
        ..script(folder.path(), "")
    };
    let error = run(missing, &never, |_| {}).await.expect_err("missing");
    assert_eq!(error.to_string(), "`/nowhere/terraform` was not found");
    assert!(error.hint().expect("hint").contains("install"));

    let mut spec = script(folder.path(), "");
    spec.folder = folder.path().join("gone");
    let error = run(spec, &never, |_| {}).await.expect_err("folder");
    assert!(
        error.to_string().contains("gone` does not exist"),
        "{error}"
    );

    let mut spec = script(folder.path(), "");
    spec.stdout = Output::Log(folder.path().join("no/such/log"));
    let error = run(spec, &never, |_| {}).await.expect_err("log");
    assert!(
        error.to_string().ends_with("no such file or directory"),
        "{error}"
    );

    let not_a_program = folder.path().join("text");
    std::fs::write(&not_a_program, "text").expect("write");
    let spec = Spec {
        program: not_a_program,
        ..script(folder.path(), "")
    };
    let error = run(spec, &never, |_| {}).await.expect_err("not executable");
    assert!(error.to_string().ends_with("permission denied"), "{error}");
}

const DYING_PARENT: &str = "TFW_TEST_DYING_PARENT";

/// Not a test by itself: the process that `a_child_survives_the_death_of_tfw` kills.
#[tokio::test]
async fn dying_parent() {
    let Some(folder) = crate::env_vars::EnvSnapshot::capture()
        .get(DYING_PARENT)
        .map(PathBuf::from)
    else {
        return;
    };
    let spec = script(
        &folder,
        "echo ready; read line < gate; echo $line; echo end",
    );
    let _ = run(spec, &Signals::never(), |line| {
        if line == "ready" {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)
                .expect("kill");
        }
    })
    .await;
}

#[tokio::test]
async fn a_child_survives_the_death_of_tfw() {
    let folder = TempDir::new().expect("folder");
    let gate = folder.path().join("gate");
    let log = folder.path().join("log");
    let made = command(
        Path::new("mkfifo"),
        &[gate.clone().into()],
        &Variables::from_iter([("PATH", "/usr/bin:/bin")]),
        folder.path(),
    )
    .status()
    .await
    .expect("mkfifo");
    assert!(made.success());

    let env = Variables::from_iter([(DYING_PARENT, folder.path())]);
    let parent = Spec {
        program: std::env::current_exe().expect("this test"),
        args: ["--exact", "process::child::tests::dying_parent"]
            .map(Into::into)
            .into(),
        env,
        folder: folder.path().to_owned(),
        stdout: Output::Discard,
        stderr: Output::Discard,
    };
    let exit = run(parent, &Signals::never(), |_| {}).await.expect("runs");
    assert_eq!(exit.status, Status::Signal(9));

    // Opening waits for the reader, which is the orphan: it lives, and goes on to its end.
    let mut tail = Tail::at_end(&log).expect("log");
    std::fs::write(&gate, "go on\n").expect("orphan reads");
    let mut lines: Vec<String> = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(20);
    while lines.last().is_none_or(|line| line != "end") && Instant::now() < deadline {
        tail.read(&mut |line: &str| lines.push(line.to_owned()))
            .expect("read");
        tokio::task::yield_now().await;
    }
    assert_eq!(lines, ["go on", "end"]);
}
