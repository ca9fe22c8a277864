//! What tfw itself costs: questions to AWS and Terraform processes, whatever the number of units.
//!
//! The proxy tells tfw's requests from Terraform's by their user agents. With real Terraform for
//! one unit and for ten; a hundred get a script in its place, since tfw asks the same either way.

use std::fmt::Write as _;
use std::fs;

use crate::support::{Client, Request, TestEnvironment, fixtures};

/// Says what Terraform says when there is nothing to do.
const NO_CHANGES: &str = r#"case $1 in
version) exec "$REAL_TERRAFORM" "$@" ;;
esac"#;

/// Keys of a table of an environment with so many stacks, which share one root module.
fn stacks(environment: &str, count: usize) -> String {
    (1..=count).fold(String::new(), |mut keys, number| {
        let _ = write!(
            keys,
            "\n[environments.{environment}.stacks.s{number:03}]\npath = \"{environment}\"\n"
        );
        keys
    })
}

/// What tfw itself asked, sorted.
fn asked(test: &TestEnvironment) -> Vec<String> {
    let requests = test.proxy().requests();
    let own = requests.iter().filter(|r| r.client() == Client::Tfw);
    let mut asked: Vec<String> = own.map(Request::operation).collect();
    asked.sort();
    asked
}

/// One role and one look for each of so many accounts.
fn once_for_each(accounts: usize) -> Vec<&'static str> {
    [vec!["AssumeRole"; accounts], vec!["HeadBucket"; accounts]].concat()
}

/// How many requests of Terraform's own came in.
fn of_terraform(test: &TestEnvironment) -> usize {
    test.proxy().count(|r| r.client() == Client::Terraform)
}

#[test]
fn a_warm_plan_asks_aws_once_for_each_role_and_each_bucket() {
    let test = TestEnvironment::new()
        .environment_with("dev", &stacks("dev", 10), &fixtures::builtin())
        .environment("prod");
    test.create_bucket("dev");
    test.create_bucket("prod");
    test.tfw(["init", "--all"]).run().succeeds();
    test.proxy().assert_expected_owner();

    for (units, accounts, selection) in [(1, 1, "dev/s001"), (10, 1, "dev"), (11, 2, "--all")] {
        test.proxy().forget();
        let report = test
            .tfw(["plan", selection, "--json"])
            .run()
            .succeeds()
            .json();
        let planned = report["units"].as_array().unwrap();
        assert_eq!(planned.len(), units, "{selection}");
        assert!(planned.iter().all(|unit| unit["init"] == "skipped"));
        assert_eq!(asked(&test), once_for_each(accounts), "{selection}");
        assert!(of_terraform(&test) >= units, "each plan reads its state");
        test.proxy().assert_expected_owner();
    }
}

#[test]
fn a_hundred_units_of_one_account_cost_what_one_costs() {
    let test =
        TestEnvironment::new().environment_with("dev", &stacks("dev", 100), &fixtures::builtin());
    test.create_bucket("dev");
    test.fake_terraform(NO_CHANGES);

    for (units, selection) in [(1, "dev/s001"), (10, "dev/s0[0-1][1-5]"), (100, "dev")] {
        test.proxy().forget();
        let report = test
            .tfw(["plan", selection, "--json"])
            .run()
            .succeeds()
            .json();
        assert_eq!(report["units"].as_array().unwrap().len(), units);
        assert_eq!(asked(&test), once_for_each(1), "{selection}");
        assert_eq!(of_terraform(&test), 0);
        test.proxy().assert_expected_owner();
    }
}

#[test]
fn a_hundred_units_of_ten_accounts_cost_what_ten_cost() {
    let mut test = TestEnvironment::new();
    for number in 0..10 {
        let name = format!("e{number}");
        test = test.environment_with(&name, &stacks(&name, 10), &fixtures::builtin());
        test.create_bucket(&name);
    }
    test.fake_terraform(NO_CHANGES);

    for (units, selection) in [(10, "*/s001"), (100, "--all")] {
        test.proxy().forget();
        let report = test
            .tfw(["plan", selection, "--json"])
            .run()
            .succeeds()
            .json();
        assert_eq!(report["units"].as_array().unwrap().len(), units);
        assert_eq!(asked(&test), once_for_each(10), "{selection}");
        test.proxy().assert_expected_owner();
    }
}

#[test]
fn a_warm_plan_starts_terraform_once_and_once_more_for_changes_alone() {
    let test = TestEnvironment::new().environment("dev");
    test.create_bucket("dev");
    test.fake_terraform("echo \"$1\" >> \"$HOME/calls\"\nexec \"$REAL_TERRAFORM\" \"$@\"");
    let calls = test.home().join("calls");
    let plan = |code: i32| {
        fs::write(&calls, "").unwrap();
        test.tfw(["plan", "dev", "--detailed-exitcode"])
            .run()
            .exits(code);
        fs::read_to_string(&calls).unwrap()
    };
    plan(2);
    assert_eq!(plan(2), "plan\nshow\n");

    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
    assert_eq!(plan(0), "plan\n");
}
