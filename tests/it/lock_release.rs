//! The release of a lock by its id: only the one that was looked at, and only with consent.

use std::fs;

use crate::support::{Client, Request, TestEnvironment, fixtures, the_unit};

const KEY: &str = "terraform.tfstate.tflock";
const NAME: &str = "`prod` is protected. Type its name to agree, anything else to decline: ";

fn lock(id: &str, who: &str) -> String {
    format!(
        r#"{{"ID":"{id}","Operation":"OperationTypeApply","Info":"","Who":"{who}","Version":"1.11.4","Created":"2026-01-02T03:04:05.986830795Z","Path":"b/k"}}"#
    )
}

/// `dev`, whose bucket keeps versions or not, and whose state alice has locked.
fn locked(test: TestEnvironment, versioned: bool) -> TestEnvironment {
    let test = test.environment("dev");
    if versioned {
        test.create_versioned_bucket("dev");
    } else {
        test.create_bucket("dev");
    }
    test.put_object("dev", KEY, &lock("l-1", "alice@laptop"));
    test
}

fn everywhere(story: impl Fn(TestEnvironment)) {
    for versioned in [true, false] {
        story(locked(TestEnvironment::new(), versioned));
        story(locked(TestEnvironment::on_seaweedfs(), versioned));
    }
}

#[test]
fn lock_release_removes_the_lock_of_a_backend_that_was_never_initialised() {
    everywhere(|test| {
        test.without_terraform();
        let refused = test
            .tfw(["lock", "release", "dev", "--id", "l-1"])
            .run()
            .exits(4);
        refused.says("nobody agreed to releasing the lock");
        refused.says("hint: `--yes` agrees");
        assert!(test.locked("dev"));

        let run = test
            .tfw(["lock", "release", "dev", "--id", "l-1", "--yes"])
            .run()
            .succeeds();
        run.says("released the lock of alice@laptop (id l-1)");
        assert!(!test.locked("dev"));
        assert_eq!(test.history("dev"), [""; 0], "nothing is left of it");
        let journal = fs::read_to_string(test.run_folder().join("journal.jsonl")).unwrap();
        assert!(
            journal.contains(r#""step":"release_lock","state":"begun""#),
            "{journal}"
        );
        assert!(
            journal.contains(r#""step":"release_lock","state":"done""#),
            "{journal}"
        );
        test.proxy().assert_expected_owner();

        let refused = test
            .tfw(["lock", "release", "dev", "--id", "l-1", "--yes"])
            .run()
            .exits(4);
        refused.says("there is no lock on `s3://");
    });
}

#[test]
fn lock_release_of_another_id_is_refused_with_who_holds_it() {
    everywhere(|test| {
        let run = test
            .tfw(["lock", "release", "dev", "--id", "l-0", "--yes", "--json"])
            .run()
            .exits(4);
        let dev = the_unit(&run.json(), "dev").clone();
        assert_eq!(
            (&dev["result"], &dev["lock"]["id"]),
            (&"refused".into(), &"l-1".into())
        );
        let reason = dev["reason"].as_str().unwrap();
        assert!(
            reason.starts_with("`l-0` does not hold the lock"),
            "{reason}"
        );
        assert!(reason.contains("alice@laptop does"), "{reason}");
        assert_eq!(
            test.object("dev", KEY).unwrap(),
            lock("l-1", "alice@laptop")
        );
    });
}

#[test]
fn lock_release_leaves_a_lock_that_was_taken_in_between() {
    everywhere(|test| {
        let gate = test
            .proxy()
            .when(|r| r.is_tfw("DeleteObject") && r.path.ends_with(".tflock"))
            .times(1)
            .hold();
        let release = test
            .tfw(["lock", "release", "dev", "--id", "l-1", "--yes"])
            .spawn();
        gate.wait_for_arrival();
        // Alice was at work after all, and Bob came next.
        test.delete_object("dev", KEY);
        test.put_object("dev", KEY, &lock("l-2", "bob@ci"));
        gate.open();
        let run = release.wait();
        assert_eq!(test.object("dev", KEY).unwrap(), lock("l-2", "bob@ci"));
        // Where a version that is no longer the current one can be removed, the one that was meant
        // is gone, by whoever.
        if run.code() == 0 {
            run.says("bob@ci holds it now");
        } else {
            run.exits(4).says("bob@ci does");
        }
    });
}

#[test]
fn lock_release_twice_at_once_releases_one_lock_once() {
    everywhere(|test| {
        let gate = || {
            let deletes = |r: &Request| r.is_tfw("DeleteObject") && r.path.ends_with(".tflock");
            test.proxy().when(deletes).times(1).hold()
        };
        let release = || {
            test.tfw(["lock", "release", "dev", "--id", "l-1", "--yes"])
                .spawn()
        };
        // Both have looked at the lock before either removes it.
        let (one, other) = (gate(), gate());
        let first = release();
        one.wait_for_arrival();
        let second = release();
        other.wait_for_arrival();
        one.open();
        first.wait().succeeds();
        other.open();
        second.wait().exits(4).says("there is no lock on `s3://");
        assert!(!test.locked("dev"));
    });
}

#[test]
fn lock_release_in_a_protected_environment_asks_for_its_name() {
    let test =
        TestEnvironment::new().environment_with("prod", "protected = true", &fixtures::builtin());
    test.create_bucket("prod");
    test.put_object("prod", KEY, &lock("l-1", "alice@laptop"));
    let command = ["lock", "release", "prod", "--id", "l-1", "--yes"];
    let refused = test.tfw(command).run().exits(4);
    refused.says("`--approve prod` agrees");
    assert!(test.locked("prod"));

    let mut terminal = test.tfw(command).on_terminal();
    let shown = terminal.wait_for(NAME);
    for part in [
        "tfw will release the lock of prod",
        "alice@laptop since 2026-01-02 03:04:05 UTC, for `apply` (id l-1)",
        "whoever holds it must have stopped",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
    terminal.type_line("yes");
    terminal.exits(4);
    assert!(test.locked("prod"));

    test.tfw(command)
        .args(["--approve", "prod"])
        .run()
        .succeeds();
    assert!(!test.locked("prod"));
}

#[test]
fn lock_release_reaches_every_workspace() {
    let test = locked(TestEnvironment::new(), true);
    let key = format!("env:/blue/{KEY}");
    test.put_object("dev", &key, &lock("l-blue", "bob@ci"));
    let refused = test
        .tfw(["lock", "release", "dev", "--id", "l-blue", "--yes"])
        .run()
        .exits(4);
    refused.says("alice@laptop does");
    test.tfw([
        "lock",
        "release",
        "dev",
        "--id",
        "l-blue",
        "--workspace",
        "blue",
        "--yes",
    ])
    .run()
    .succeeds();
    assert_eq!(test.locks("dev"), [KEY]);
}

#[test]
fn lock_release_removes_nothing_that_does_not_say_whose_it_is() {
    let test = locked(TestEnvironment::new(), true);
    for text in ["garbage", "{}", r#"{"Who":"alice@laptop"}"#] {
        test.put_object("dev", KEY, text);
        for id in ["l-1", ""] {
            let refused = test
                .tfw(["lock", "release", "dev", "--yes", "--id", id])
                .run()
                .exits(4);
            refused.says("does not say whose it is");
        }
        assert_eq!(test.object("dev", KEY).unwrap(), text);
    }
}

#[test]
fn lock_release_that_is_denied_names_the_lock_that_stays() {
    let test = locked(TestEnvironment::new(), true);
    test.proxy()
        .when(|r| r.is_tfw("DeleteObject"))
        .refuse(403, "AccessDenied");
    let failed = test
        .tfw(["lock", "release", "dev", "--id", "l-1", "--yes"])
        .run()
        .exits(1);
    failed.says("of alice@laptop (id l-1) could not be released");
    failed.says("`s3:DeleteObjectVersion`");
    failed.says("next: when that is mended: tfw lock release dev --id l-1");
    assert!(test.locked("dev"));
    assert_eq!(test.proxy().count(|r| r.client() == Client::Terraform), 0);
}

#[test]
fn lock_release_shows_the_holder_and_asks() {
    let test = locked(TestEnvironment::new(), true);
    let asked = || {
        let release = test.tfw(["lock", "release", "dev", "--id", "l-1"]);
        let mut terminal = release.on_terminal();
        let shown = terminal.wait_for("Type `yes` to agree, anything else to decline: ");
        assert!(
            shown.contains("alice@laptop") && shown.contains("2026-01-02"),
            "{shown}"
        );
        terminal
    };
    let terminal = asked();
    terminal.type_line("no");
    terminal.exits(4);
    let terminal = asked();
    terminal.ctrl_c();
    terminal.exits(130);
    assert!(test.locked("dev"));
    let terminal = asked();
    terminal.type_line("yes");
    let screen = terminal.exits(0);
    assert!(
        screen.contains("released the lock of alice@laptop"),
        "{screen}"
    );
    assert!(!test.locked("dev"));
}
