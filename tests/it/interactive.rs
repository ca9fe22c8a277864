//! `tfw exec` on a terminal: the child has it.

use crate::support::TestEnvironment;

#[test]
fn the_console_is_terraforms_own() {
    let test = TestEnvironment::offline().environment("dev");
    let mut terminal = test
        .tfw(["exec", "dev", "--", "console"])
        .env("TERM", "xterm")
        .on_terminal();
    terminal.wait_for("> ");
    terminal.type_line("\"${40 + 2} of ${var.greeting}\"");
    terminal.wait_for("42 of hello");
    // Its Ctrl-C drops the line that was begun, and tfw hears nothing of it.
    terminal.type_text("length(");
    terminal.wait_for("length(");
    terminal.ctrl_c();
    terminal.type_line("\"${2 + 3} more\"");
    terminal.wait_for("5 more");
    terminal.type_line("exit");
    let screen = terminal.exits(0);
    assert!(!screen.contains("starting nothing new"), "{screen}");
}

#[test]
fn ctrl_c_reaches_the_child_once_and_not_tfw() {
    let test = TestEnvironment::offline().environment("dev");
    test.fake_terraform(
        r#"
if [ "$1" = graph ]; then
  trap 'echo INT >> signals' INT
  trap 'exit 7' HUP
  echo ready
  until [ -e finish ]; do sleep 0.05; done
  sleep 0.3 # one more signal would still be noted
  exit 7
fi
exec "$REAL_TERRAFORM" "$@"
"#,
    );
    let mut terminal = test.tfw(["exec", "dev", "--", "graph"]).on_terminal();
    terminal.wait_for("ready");
    terminal.ctrl_c();
    let signals = test.path("environments/dev/signals");
    crate::support::wait_until("the signal", || signals.exists().then_some(()));
    test.write("environments/dev/finish", "");
    let screen = terminal.exits(7);
    assert_eq!(test.read("environments/dev/signals"), "INT\n");
    assert!(!screen.contains("starting nothing new"), "{screen}");
}
