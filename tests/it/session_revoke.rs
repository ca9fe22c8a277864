//! `tfw session revoke`: what IAM holds afterwards, and what is told of what goes on.

use std::fs;

use serde_json::{Value, json};

use crate::support::{TestCommand, TestEnvironment, fixtures};

const POLICY: &str = "TfwRevokeOlderSessions";

/// A user `ci` in the account `hub`, and environments in two others.
struct Estate {
    test: TestEnvironment,
    key: [String; 2],
}

impl Estate {
    fn new(prod: &str) -> Self {
        let test = TestEnvironment::new().environment("dev").environment_with(
            "prod",
            prod,
            &fixtures::builtin(),
        );
        let key = test.make_user("hub", "ci");
        Self { test, key }
    }

    /// tfw with the access key of `ci`.
    fn tfw<const N: usize>(&self, args: [&str; N]) -> TestCommand {
        self.test
            .tfw(args)
            .env("AWS_ACCESS_KEY_ID", &self.key[0])
            .env("AWS_SECRET_ACCESS_KEY", &self.key[1])
    }

    fn policies(&self) -> Value {
        self.test.inline_policies("hub", "user", "ci")
    }

    /// How often tfw wrote to IAM.
    fn writes(&self) -> usize {
        let wrote = [
            "PutUserPolicy",
            "PutRolePolicy",
            "DeleteUserPolicy",
            "DeleteRolePolicy",
        ];
        wrote
            .iter()
            .map(|each| self.test.proxy().count_tfw(each))
            .sum()
    }
}

#[test]
fn a_user_loses_its_older_sessions_and_gets_them_back() {
    let estate = Estate::new("assume_role = { duration = \"90m\" }");
    let run = estate
        .tfw(["session", "revoke", "--all", "--yes"])
        .run()
        .succeeds();
    assert_eq!(run.stderr, "");
    let hub = estate.test.account("hub");
    for part in [
        format!("revoked the sessions of the user `ci` in account {hub}"),
        "access keys go on working".to_owned(),
        "role/test (dev): as tfw assumes it, 1h at most".to_owned(),
        format!(
            "arn:aws:iam::{}:role/test (prod): as tfw assumes it, 90m at most",
            estate.test.account("prod")
        ),
    ] {
        assert!(run.stdout.contains(&part), "{part}: {}", run.stdout);
    }
    let policies = estate.policies();
    let statement = &policies[POLICY]["Statement"][0];
    assert_eq!(statement["Effect"], "Deny");
    assert_eq!(
        (&statement["Action"], &statement["Resource"]),
        (&json!("*"), &json!("*"))
    );
    let before = statement["Condition"]["DateLessThan"]["aws:TokenIssueTime"]
        .as_str()
        .unwrap();
    assert!(
        run.stdout.contains(&format!("issued before {before}")),
        "{}",
        run.stdout
    );
    assert!(
        before.ends_with('Z') && before.len() == "2026-01-02T03:04:05Z".len(),
        "{before}"
    );
    // Nobody else's policy is touched, and a second one takes the place of the first.
    assert!(policies["everything"].is_object(), "{policies:#}");
    let run = estate
        .tfw(["session", "revoke", "dev", "--yes", "--json"])
        .run()
        .succeeds();
    let document = run.json();
    assert_eq!(document["identity"], format!("arn:aws:iam::{hub}:user/ci"));
    assert_eq!(document["change"], "written");
    assert_eq!(document["policy"], estate.policies()[POLICY]);
    assert_eq!(document["still_valid"][1]["units"], json!(["prod"]));
    assert_eq!(document["still_valid"][1]["seconds"], 5400);
    assert_eq!(estate.policies().as_object().unwrap().len(), 2);

    let run = estate
        .tfw(["session", "revoke", "dev", "--undo", "--yes"])
        .run()
        .succeeds();
    run.says(&format!("removed the policy `{POLICY}` of the user `ci`"));
    assert_eq!(estate.policies().get(POLICY), None);
    let run = estate
        .tfw(["session", "revoke", "dev", "--undo", "--yes"])
        .run()
        .succeeds();
    run.says("nothing to undo");

    let report = estate.test.kept_report();
    assert_eq!(
        (&report["command"], &report["units"]),
        (&json!("session revoke"), &json!([]))
    );
    for path in estate.test.tfw_files().iter().filter(|path| path.is_file()) {
        let text = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        assert!(!text.contains(&estate.key[1]), "{}", path.display());
    }
}

#[test]
fn the_policy_is_shown_and_asked_about() {
    let estate = Estate::new("protected = true");
    let run = estate.tfw(["session", "revoke", "dev"]).run().exits(4);
    assert_eq!(run.stdout, "");
    for part in ["nobody agreed to revoking sessions", "hint: `--yes` agrees"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    let run = estate
        .tfw(["session", "revoke", "prod", "--yes", "--json"])
        .run()
        .exits(4);
    assert_eq!(run.json()["result"], "refused");
    assert!(
        run.stderr.contains("`--approve prod` agrees"),
        "{}",
        run.stderr
    );
    assert_eq!(estate.writes(), 0);

    let mut terminal = estate.tfw(["session", "revoke", "dev"]).on_terminal();
    let asked = terminal.wait_for("Type `yes` to agree");
    for part in [
        "tfw will write the policy `TfwRevokeOlderSessions` on the user `ci` in account",
        "  \"Statement\": [",
        "        \"DateLessThan\": {",
        "denied everything: its access keys go on working",
    ] {
        assert!(asked.contains(part), "{part}: {asked}");
    }
    terminal.type_line("no");
    let screen = terminal.exits(4);
    assert!(
        screen.contains("revoking sessions was declined"),
        "{screen}"
    );
    assert_eq!(estate.writes(), 0);
    let mut terminal = estate.tfw(["session", "revoke", "prod"]).on_terminal();
    terminal.wait_for("`prod` is protected. Type its name to agree");
    terminal.type_line("prod");
    terminal.exits(0);
    assert!(estate.policies()[POLICY].is_object());
}

#[test]
fn a_role_loses_them_whoever_holds_them() {
    let test = TestEnvironment::new().environment("dev");
    test.make_role("hub", "Deploy");
    let session = test.session_of(&test.account("hub"), "Deploy");
    let tfw = |args: [&str; 4]| {
        let start = test.tfw(args);
        session
            .iter()
            .fold(start, |command, (name, value)| command.env(name, value))
    };
    let run = tfw(["session", "revoke", "dev", "--yes"]).run().succeeds();
    for part in [
        "revoked the sessions of the role `Deploy`",
        "is revoked too: sign in again",
    ] {
        run.says(part);
    }
    let policies = test.inline_policies("hub", "role", "Deploy");
    assert!(policies[POLICY]["Statement"][0]["Condition"].is_object());
    let secrets = [&session[1].1, &session[2].1];
    let said = run.stdout + &run.stderr;
    assert!(
        !secrets.iter().any(|secret| said.contains(*secret)),
        "{said}"
    );

    // As AWS answers a session that the policy denies.
    let delete = |request: &crate::support::Request| request.is_tfw("DeleteRolePolicy");
    test.proxy()
        .when(delete)
        .times(1)
        .refuse(403, "AccessDenied");
    let run = test
        .tfw(["session", "revoke", "dev", "--yes", "--undo"])
        .env("AWS_ACCESS_KEY_ID", &session[0].1)
        .env("AWS_SECRET_ACCESS_KEY", &session[1].1)
        .env("AWS_SESSION_TOKEN", &session[2].1)
        .run()
        .exits(1);
    for part in ["must allow `iam:DeleteRolePolicy`", "sign in again first"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
}

#[test]
fn whose_policies_cannot_be_changed_is_refused() {
    for (arn, hint) in [
        (
            "arn:aws:iam::1:root",
            "delete the access keys of the root user",
        ),
        (
            "arn:aws:sts::1:assumed-role/AWSReservedSSO_Admin_0123/me",
            "in IAM Identity Center: Users, the user, Active sessions",
        ),
        (
            "arn:aws:sts::1:federated-user/me",
            "of the user who made it",
        ),
    ] {
        let estate = Estate::new("");
        let arn = arn.replace("::1:", "::111111111111:");
        estate
            .test
            .proxy()
            .when(|request| request.is_tfw("GetCallerIdentity"))
            .edit_answer(move |body| {
                let start = body.find("<Arn>").unwrap();
                let end = body.find("</Arn>").unwrap();
                format!("{}<Arn>{arn}{}", &body[..start], &body[end..])
            });
        let run = estate
            .tfw(["session", "revoke", "dev", "--yes"])
            .run()
            .exits(4);
        assert!(run.stderr.contains(hint), "{hint}: {}", run.stderr);
        assert_eq!((run.stdout.as_str(), estate.writes()), ("", 0));
    }
}

#[test]
fn one_identity_is_meant_and_a_profile_may_name_it() {
    let estate = Estate::new("credentials = { profile = \"acme\" }");
    let run = estate
        .tfw(["session", "revoke", "--all", "--yes"])
        .run()
        .exits(3);
    for part in ["no profile, the profile `acme`", "by `--profile`"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    let folder = estate.test.home().join(".aws");
    fs::create_dir_all(&folder).unwrap();
    let [key, secret] = estate.test.make_user("hub", "acme");
    let profile = format!("[acme]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n");
    fs::write(folder.join("credentials"), profile).unwrap();
    for whose in [&["prod"][..], &["--profile", "acme"]] {
        let revoke = estate.tfw(["session", "revoke", "--yes"]).args(whose);
        revoke.run().succeeds().says("the user `acme`");
    }
    let run = estate
        .tfw(["session", "revoke", "--profile", "nobody"])
        .run()
        .exits(1);
    assert!(
        run.stderr
            .contains("the AWS profile `nobody` does not exist"),
        "{}",
        run.stderr
    );
    estate
        .tfw(["session", "revoke", "dev", "--profile", "acme"])
        .run()
        .exits(3);
}

#[test]
fn a_kept_session_of_mfa_is_forgotten_and_not_used_to_revoke() {
    let estate = Estate::new("");
    let manifest = estate.test.read("environments/tfw.toml");
    let mfa = "[defaults.credentials]\nmfa_serial = \"arn:aws:iam::999999999999:mfa/ci\"\n";
    estate
        .test
        .write("environments/tfw.toml", &format!("{manifest}\n{mfa}"));
    estate
        .tfw(["env", "dev", "--mfa-code", "123456"])
        .run()
        .succeeds();
    let kept = || {
        estate
            .tfw(["session", "list", "--json"])
            .run()
            .succeeds()
            .json()
    };
    assert_eq!(kept()["sessions"].as_array().unwrap().len(), 1);
    let run = estate
        .tfw(["session", "revoke", "dev", "--yes"])
        .run()
        .succeeds();
    run.says("forgot 1 kept session of MFA");
    assert_eq!(kept()["sessions"], json!([]));
    let put = estate.test.proxy().requests();
    let put = put
        .iter()
        .find(|request| request.is_tfw("PutUserPolicy"))
        .unwrap();
    assert_eq!(put.access_key(), Some(estate.key[0].as_str()));
}

#[test]
fn what_iam_denies_is_told_and_fails() {
    let estate = Estate::new("");
    let put = |request: &crate::support::Request| request.is_tfw("PutUserPolicy");
    estate.test.proxy().when(put).refuse(403, "AccessDenied");
    let run = estate
        .tfw(["session", "revoke", "dev", "--yes"])
        .run()
        .exits(1);
    assert_eq!(run.stdout, "");
    for part in [
        "revoking sessions: access denied (iam:PutUserPolicy)",
        "must allow `iam:PutUserPolicy`",
    ] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    let journal = fs::read_to_string(estate.test.run_folder().join("journal.jsonl")).unwrap();
    for state in ["begun", "failed"] {
        let entry = format!("\"step\":\"revoke\",\"state\":\"{state}\"");
        assert!(journal.contains(&entry), "{journal}");
    }
}

/// MiniStack evaluates `aws:TokenIssueTime` where it evaluates policies at all.
#[test]
fn an_older_session_is_denied_and_keys_and_newer_ones_are_not() {
    let test = TestEnvironment::on_strict_ministack();
    let keys = "assume_role.role_arn = \"\"";
    let test = test.environment_with("dev", keys, &fixtures::builtin());
    let account = test.account("dev");
    let manifest = test.read("environments/tfw.toml");
    let mfa =
        format!("[defaults.credentials]\nmfa_serial = \"arn:aws:iam::{account}:mfa/alice\"\n");
    test.write("environments/tfw.toml", &format!("{manifest}\n{mfa}"));
    let alice = test.make_users("dev", &["alice"]).remove(0);
    let by_key = |args: &[&str]| {
        let command = test.tfw([]).args(args).env("AWS_ACCESS_KEY_ID", &alice[0]);
        command.env("AWS_SECRET_ACCESS_KEY", &alice[1]).run()
    };
    by_key(&["backend", "ensure", "dev", "--yes", "--mfa-code", "111111"]).succeeds();
    let session = by_key(&["env", "dev", "--json"]).succeeds().json();
    let by_session = || {
        let names = [
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
        ];
        let command = test.tfw(["status", "dev"]);
        let with =
            |command: TestCommand, name: &str| command.env(name, session[name].as_str().unwrap());
        names.into_iter().fold(command, with).run()
    };
    by_session().succeeds();

    by_key(&["session", "revoke", "dev", "--yes"]).succeeds();
    let denied = by_session();
    assert!([1, 4].contains(&denied.code()), "{}", denied.stdout);
    denied.says("enied");
    // A new login is younger, and the access key, by which the policy goes again, is no session.
    by_key(&["status", "dev", "--mfa-code", "222222"]).succeeds();
    by_key(&["session", "revoke", "dev", "--undo", "--yes"]).succeeds();
    by_session().succeeds();
}
