//! What a terminal shows while units run, whatever happens to it meanwhile.

use crate::support::{Screen, TestEnvironment, fixtures};

/// Three units, of which two are applied at once and do not end before [`finish`].
fn gated() -> TestEnvironment {
    let main = fixtures::local(&fixtures::gated());
    let free = "depends_on = []";
    TestEnvironment::offline()
        .defaults("[defaults.backend]\ntype = \"local\"\n\n[terraform]\nparallelism = 2\n")
        .environment_with("dev", free, &main)
        .environment_with("test", free, &main)
        .environment_with("prod", free, &main)
}

fn finish(test: &TestEnvironment) {
    for unit in ["dev", "test", "prod"] {
        test.write(&format!("environments/{unit}/finish"), "");
    }
}

/// A line for each of the two that run, and one for the run.
fn shows_two_at_work(screen: &Screen) -> bool {
    screen.count("applying 0/1") == 2 && screen.count("0/3 done, 2 running, 1 waiting, ") == 1
}

#[test]
fn running_units_have_a_line_each_and_finished_ones_stay() {
    let test = gated();
    let terminal = test
        .tfw(["apply", "--all", "--auto-approve"])
        .on_terminal_of(80, 24);
    let screen = terminal.wait_to_show("two units at work", shows_two_at_work);
    // Phase, resources and time of each; above the line of the run.
    let rows: Vec<&str> = screen.rows().collect();
    let run = rows.iter().position(|row| row.contains(" done, ")).unwrap();
    assert_eq!(run + 1, rows.len(), "{screen}");
    for row in &rows[run - 2..run] {
        assert!(row.ends_with("s  applying 0/1"), "{screen}");
    }
    assert!(rows[run].starts_with("╌╌"), "{screen}");

    finish(&test);
    let screen = terminal.leaves(0);
    screen.is_tidy();
    for unit in ["dev", "test", "prod"] {
        let told = |row: &&str| row.starts_with(unit) && row.contains("succeeded: 1 added");
        assert_eq!(screen.rows().filter(told).count(), 1, "{screen}");
    }
}

#[test]
fn another_size_in_the_middle_leaves_nothing_behind() {
    let test = gated();
    let terminal = test
        .tfw(["apply", "--all", "--auto-approve"])
        .on_terminal_of(120, 30);
    terminal.wait_to_show("two units at work", shows_two_at_work);
    for (columns, rows) in [(60, 30), (40, 12), (200, 50), (100, 9)] {
        terminal.resize(columns, rows);
        // The bar comes and goes with the room for it: that tells that all has been drawn anew.
        let screen = terminal.wait_to_show("the same in another size", |screen| {
            shows_two_at_work(screen) && screen.shows("╌") == (columns >= 64)
        });
        assert_eq!(screen.count("applying"), 2, "{screen}");
    }
    finish(&test);
    let screen = terminal.leaves(0);
    screen.has_nothing_live();
    assert_eq!(screen.count("tfw apply: 3 units"), 1, "{screen}");
}

#[test]
fn ten_times_more_units_than_rows_do_not_flood_the_terminal() {
    let main = fixtures::local(&fixtures::builtin());
    let mut test = TestEnvironment::offline()
        .defaults("[defaults.backend]\ntype = \"local\"\n\n[terraform]\nparallelism = 60\n");
    for number in 0..60 {
        test = test.environment_with(&format!("unit-{number:02}"), "", &main);
    }
    let go = test.path("go");
    test.fake_terraform(&format!(
        "[ \"$1\" = version ] && exec \"$REAL_TERRAFORM\" \"$@\"\nuntil [ -e '{}' ]; do sleep 0.2; done\nexit 1",
        go.display()
    ));
    let terminal = test.tfw(["plan", "--all"]).on_terminal_of(80, 24);
    terminal.wait_to_show("sixty units at work", |screen| {
        screen.shows("0/60 done, 60 running, ") && screen.shows("and 45 more")
    });
    terminal.resize(80, 10);
    let screen = terminal.wait_to_show("as many as fit", |screen| screen.shows("and 57 more"));
    assert!(screen.rows().count() <= 10, "{screen}");
    test.write("go", "");
    let screen = terminal.leaves(1);
    screen.is_tidy();
    assert_eq!(screen.count("tfw plan: 60 units"), 1, "{screen}");
    assert_eq!(
        screen
            .rows()
            .filter(|row| row.contains("  failed: "))
            .count(),
        60,
        "{screen}"
    );
}

#[test]
fn a_ci_system_with_a_terminal_gets_a_log() {
    let test = TestEnvironment::offline().environment("dev");
    let printed = test
        .tfw(["plan", "dev"])
        .env("CI", "true")
        .on_terminal_of(80, 24)
        .ends_raw(0);
    // Colours, and nothing that moves or erases: each line is ended by the terminal's `\r\n`.
    assert!(printed.contains("\x1b[1m"), "{printed:?}");
    assert!(!printed.contains("\x1b[J"), "{printed:?}");
    assert!(!printed.replace("\r\n", "").contains('\r'), "{printed:?}");
}
