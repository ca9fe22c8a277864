//! One MFA code, one session, every account; and what happens when it does not work.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::support::{Request, Run, TestEnvironment, fixtures};

/// What STS says of a wrong code.
const WRONG: &str = "MultiFactorAuthentication failed with invalid MFA one time pass code. ";

const MFA: &str = "[defaults.credentials]
mfa_serial = \"arn:aws:iam::999999999999:mfa/alice\"
";

/// Three environments in three accounts, behind one MFA device.
fn three() -> TestEnvironment {
    let test = TestEnvironment::new()
        .environment("dev")
        .environment("staging")
        .environment("prod");
    with(&test, MFA);
    for environment in ["dev", "staging", "prod"] {
        test.create_bucket(environment);
    }
    test
}

fn one(more: &str) -> TestEnvironment {
    let test = TestEnvironment::new().environment("dev");
    with(&test, &format!("{MFA}{more}"));
    test.create_bucket("dev");
    test
}

/// Puts tables into the manifest.
fn with(test: &TestEnvironment, tables: &str) {
    let manifest = test.read("environments/tfw.toml");
    test.write("environments/tfw.toml", &format!("{manifest}\n{tables}"));
}

/// `tfw status dev`, with this code.
fn with_code(test: &TestEnvironment, code: &str) -> Run {
    test.tfw(["status", "dev", "--mfa-code", code]).run()
}

fn logins(test: &TestEnvironment) -> Vec<Request> {
    let requests = test.proxy().requests();
    let of_tfw = requests.into_iter();
    of_tfw.filter(|r| r.is_tfw("GetSessionToken")).collect()
}

fn kept(test: &TestEnvironment) -> Vec<PathBuf> {
    let folder = test.home().join(".cache/tfw/sessions");
    let entries = fs::read_dir(folder).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect()
}

/// A program that prints a code, another one each time, and counts how often.
fn device(test: &TestEnvironment) -> String {
    let program = test.home().join("device");
    let count = test.home().join("codes");
    let script = format!(
        "#!/bin/sh\necho x >> '{0}'\nprintf 'alice (aws): %06d\\n' \"$(wc -l < '{0}')\"\n",
        count.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    format!("mfa_process = [\"{}\"]\n", program.display())
}

#[test]
fn three_accounts_one_prompt_and_none_for_the_next_run() {
    let test = three();
    let mut terminal = test.tfw(["status", "--all"]).on_terminal();
    let shown = terminal.wait_for("MFA code of `arn:aws:iam::999999999999:mfa/alice`: ");
    assert_eq!(shown.matches("MFA code").count(), 1);
    terminal.type_line("123456");
    let screen = terminal.exits(0);
    assert_eq!(screen.matches("MFA code").count(), 1, "{screen}");
    let asked = logins(&test);
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].field("TokenCode").as_deref(), Some("123456"));
    assert_eq!(asked[0].field("DurationSeconds").as_deref(), Some("28800"));
    assert_eq!(test.proxy().count_tfw("AssumeRole"), 3);

    // Roles are assumed anew, so that CloudTrail shows this run's id, and nobody is asked.
    test.proxy().forget();
    test.tfw(["status", "--all"]).run().succeeds();
    assert_eq!(test.proxy().count_tfw("GetSessionToken"), 0);
    assert_eq!(test.proxy().count_tfw("AssumeRole"), 3);
}

#[test]
fn what_is_kept_is_the_session_alone_for_its_user_alone() {
    let test = three();
    test.tfw([
        "apply",
        "--all",
        "--auto-approve",
        "--mfa-code",
        "123456",
        "-v",
    ])
    .run()
    .succeeds();
    let [file] = &kept(&test)[..] else {
        panic!("{:?}", kept(&test));
    };
    let mode = |path: &PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(file), 0o600);
    assert_eq!(mode(&file.parent().unwrap().to_owned()), 0o700);
    let document: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    for secret in ["secret_access_key", "session_token"] {
        let secret = document[secret].as_str().unwrap();
        for (path, bytes) in test.files() {
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains(secret), "{}", path.display());
        }
    }
}

#[test]
fn without_anybody_to_ask_the_refusal_names_the_flag() {
    let test = one("");
    let refused = test.tfw(["plan", "dev"]).run().exits(4);
    refused.says("a code of the MFA device `arn:aws:iam::999999999999:mfa/alice` is needed");
    refused.says("`--mfa-code CODE` or `$TFW_MFA_CODE` gives one");
    assert!(logins(&test).is_empty());
    test.tfw(["plan", "dev", "--mfa-code", "12345"])
        .run()
        .exits(3)
        .says("a code has six digits");
    test.tfw(["plan", "dev"])
        .env("TFW_MFA_CODE", "123456")
        .run()
        .succeeds();
    assert_eq!(logins(&test).len(), 1);
}

#[test]
fn a_wrong_code_a_used_one_and_a_wrong_clock_are_told_apart_and_have_another_try() {
    let test = one("");
    for (code, message, told) in [
        (
            "AccessDenied",
            WRONG,
            "take the code that the device shows now",
        ),
        (
            "SignatureDoesNotMatch",
            "Signature expired: 20260101T000000Z is now earlier than 20260101T001500Z",
            "set the machine's clock",
        ),
    ] {
        test.proxy()
            .when(|r| r.is_tfw("GetSessionToken"))
            .times(1)
            .refuse_saying(403, code, message);
        let failed = with_code(&test, "111111").exits(1);
        failed.says(told);
        assert!(kept(&test).is_empty());
    }

    test.proxy()
        .when(|r| r.is_tfw("GetSessionToken"))
        .times(1)
        .refuse_saying(403, "AccessDenied", WRONG);
    let mut terminal = test.tfw(["status", "dev"]).on_terminal();
    terminal.wait_for("MFA code of");
    terminal.type_line("111111");
    terminal.wait_for("AWS does not take the code");
    terminal.wait_for("MFA code of");
    terminal.type_line("222222");
    terminal.exits(0);

    // A moment later, the same code for another session.
    fs::remove_file(&kept(&test)[0]).unwrap();
    test.proxy().forget();
    let mut terminal = test.tfw(["status", "dev"]).on_terminal();
    terminal.wait_for("MFA code of");
    terminal.type_line("222222");
    terminal.wait_for("was used already, and a code works once");
    terminal.wait_for("MFA code of");
    assert!(logins(&test).is_empty(), "AWS is not asked what is known");
    terminal.type_line("333333");
    terminal.exits(0);
    assert_eq!(logins(&test).len(), 1);
}

#[test]
fn ctrl_c_at_the_question_ends_the_run() {
    let test = one("");
    let mut terminal = test.tfw(["status", "dev"]).on_terminal();
    terminal.wait_for("MFA code of");
    terminal.ctrl_c();
    terminal.exits(130);
    assert!(logins(&test).is_empty());
}

#[test]
fn a_program_may_give_the_code() {
    let test = one("");
    let device = device(&test);
    let manifest = test.read("environments/tfw.toml");
    let table = "mfa/alice\"\n";
    test.write(
        "environments/tfw.toml",
        &manifest.replace(table, &format!("{table}{device}")),
    );
    test.tfw(["plan", "dev"]).run().succeeds();
    assert_eq!(
        logins(&test)[0].field("TokenCode").as_deref(),
        Some("000001")
    );

    for (script, told) in [
        (
            "#!/bin/sh\necho 'no key inserted' >&2\nexit 3\n",
            "no key inserted",
        ),
        (
            "#!/bin/sh\necho nothing\n",
            "it prints no code of six digits",
        ),
    ] {
        for file in kept(&test) {
            fs::remove_file(file).unwrap();
        }
        fs::write(test.home().join("device"), script).unwrap();
        let failed = test.tfw(["plan", "dev"]).run().exits(1);
        failed.says(told);
        failed.says("`--mfa-code CODE` takes its place");
    }
}

#[test]
fn processes_at_once_share_one_login() {
    let test = one("");
    let device = device(&test);
    let manifest = test.read("environments/tfw.toml");
    let table = "mfa/alice\"\n";
    test.write(
        "environments/tfw.toml",
        &manifest.replace(table, &format!("{table}{device}")),
    );
    let processes: Vec<_> = (0..6)
        .map(|_| test.tfw(["status", "dev"]).spawn())
        .collect();
    for process in processes {
        process.wait().succeeds();
    }
    assert_eq!(logins(&test).len(), 1);
    let codes = fs::read_to_string(test.home().join("codes")).unwrap();
    assert_eq!(codes.lines().count(), 1);
}

#[test]
fn temporary_base_credentials_are_not_asked_for_a_code() {
    let test = one("");
    let temporary = |words: &[&str]| {
        test.tfw([])
            .args(words)
            .env("AWS_SESSION_TOKEN", "a-token")
            .run()
    };
    temporary(&["status", "dev"]).succeeds();
    assert!(logins(&test).is_empty());
    test.proxy()
        .when(|r| r.is_tfw("AssumeRole"))
        .refuse(403, "AccessDenied");
    let denied = temporary(&["status", "dev"]).exits(1);
    denied.says("cannot assume the role");
    denied.says("it may lack MFA");
}

#[test]
fn a_session_that_aws_no_longer_takes_is_made_anew() {
    let test = one("");
    with_code(&test, "111111").succeeds();
    for code in ["InvalidClientTokenId", "ExpiredToken"] {
        test.proxy().forget();
        test.proxy()
            .when(|r| r.is_tfw("AssumeRole"))
            .times(1)
            .refuse(403, code);
        let another = if code == "ExpiredToken" {
            "333333"
        } else {
            "222222"
        };
        with_code(&test, another).succeeds();
        assert_eq!(logins(&test).len(), 1, "{code}");
        assert_eq!(test.proxy().count_tfw("AssumeRole"), 2);
    }
    // The new one is kept.
    test.proxy().forget();
    test.tfw(["status", "dev"]).run().succeeds();
    assert!(logins(&test).is_empty());
}

#[test]
fn a_cache_that_cannot_be_used_costs_a_code_and_nothing_else() {
    let test = one("");
    with_code(&test, "111111").succeeds();
    let file = kept(&test).remove(0);
    let whole = fs::read_to_string(&file).unwrap();
    let mode = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();

    fs::write(&file, "{\"secret_access_key\": \"hunter2\"").unwrap();
    let run = with_code(&test, "222222").succeeds();
    run.says("the cached MFA session `");
    assert!(!format!("{}{}", run.stdout, run.stderr).contains("hunter2"));
    assert_eq!(logins(&test).len(), 2);
    test.tfw(["status", "dev"]).run().succeeds();

    fs::write(&file, &whole).unwrap();
    mode(0o644);
    let run = with_code(&test, "333333").succeeds();
    run.says("could be read by others (mode 644)");
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );

    // A folder that is no folder.
    let folder = file.parent().unwrap().to_owned();
    fs::remove_dir_all(&folder).unwrap();
    fs::write(&folder, "").unwrap();
    let run = with_code(&test, "444444").succeeds();
    run.says("cannot be");
    run.says("the run goes on without it");
}

#[test]
fn another_device_or_duration_is_another_session() {
    let test = one("session_duration = \"12h\"\n");
    with_code(&test, "111111").succeeds();
    assert_eq!(
        logins(&test)[0].field("DurationSeconds").as_deref(),
        Some("43200")
    );
    let manifest = test.read("environments/tfw.toml");
    test.write("environments/tfw.toml", &manifest.replace("12h", "10h"));
    test.tfw(["status", "dev"]).run().exits(4);
    test.write(
        "environments/tfw.toml",
        &manifest.replace("mfa/alice", "mfa/bob"),
    );
    test.tfw(["status", "dev"]).run().exits(4);
    test.write("environments/tfw.toml", &manifest);
    test.tfw(["status", "dev"]).run().succeeds();
    test.tfw(["status", "dev"])
        .env("AWS_ACCESS_KEY_ID", "another-key")
        .run()
        .exits(4);
    assert_eq!(logins(&test).len(), 1);
}

#[test]
fn a_role_is_assumed_with_all_that_the_manifest_says() {
    let test = TestEnvironment::new().environment_with(
        "dev",
        "[environments.dev.assume_role]
role_arn = \"arn:aws:iam::{account_id}:role/Deploy\"
source_identity = \"alice\"
transitive_tag_keys = [\"team\"]
policy_arns = [\"arn:aws:iam::aws:policy/ReadOnlyAccess\"]
tags = { team = \"platform\", account = \"{account_id}\" }
policy = { Version = \"2012-10-17\", Statement = [{ Effect = \"Allow\", Action = \"s3:*\", Resource = \"*\" }] }
",
        &fixtures::builtin(),
    );
    test.create_bucket("dev");
    test.tfw(["status", "dev"]).run().succeeds();
    let requests = test.proxy().requests();
    let request = requests.iter().find(|r| r.is_tfw("AssumeRole")).unwrap();
    let account = test.account("dev");
    for (field, value) in [
        ("SourceIdentity", "alice"),
        ("Tags.member.1.Key", "account"),
        ("Tags.member.1.Value", account.as_str()),
        ("Tags.member.2.Key", "team"),
        ("TransitiveTagKeys.member.1", "team"),
        (
            "PolicyArns.member.1.arn",
            "arn:aws:iam::aws:policy/ReadOnlyAccess",
        ),
        (
            "Policy",
            "{\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"}],\"Version\":\"2012-10-17\"}",
        ),
    ] {
        assert_eq!(request.field(field).as_deref(), Some(value), "{field}");
    }
}

#[test]
fn an_oidc_token_stands_in_for_base_credentials() {
    let test = TestEnvironment::new().environment_with(
        "dev",
        "[environments.dev.assume_role]
role_arn = \"arn:aws:iam::{account_id}:role/Ci\"
web_identity_token_env = \"CI_TOKEN\"
",
        &fixtures::builtin(),
    );
    test.create_bucket("dev");
    let run = |token: Option<&str>| {
        let command = test
            .tfw(["plan", "dev"])
            .env_remove("AWS_ACCESS_KEY_ID")
            .env_remove("AWS_SECRET_ACCESS_KEY")
            .env("AWS_EC2_METADATA_DISABLED", "true");
        match token {
            Some(token) => command.env("CI_TOKEN", token).run(),
            None => command.run(),
        }
    };
    let failed = run(None).exits(1);
    failed.says("the variable `CI_TOKEN` should hold an OIDC token: it is not set");
    run(Some("header.payload.signature")).succeeds();
    let requests = test.proxy().requests();
    let request = requests
        .iter()
        .find(|r| r.is_tfw("AssumeRoleWithWebIdentity"))
        .unwrap();
    assert_eq!(
        request.field("WebIdentityToken").as_deref(),
        Some("header.payload.signature")
    );
    assert_eq!(test.proxy().count_tfw("AssumeRole"), 0);
}

#[test]
fn what_is_kept_is_listed_and_forgotten() {
    let test = one("");
    test.tfw(["session", "list"])
        .run()
        .succeeds()
        .says("no session is kept");
    with_code(&test, "111111").succeeds();
    let listed = test
        .tfw(["session", "list", "--json"])
        .run()
        .succeeds()
        .json();
    assert_eq!(listed["schema"], 1);
    let session = &listed["sessions"][0];
    assert_eq!(session["kind"], "mfa");
    assert_eq!(session["account_id"], "999999999999");
    assert_eq!(session["mfa_serial"], "arn:aws:iam::999999999999:mfa/alice");
    let end: jiff::Timestamp = session["expires"].as_str().unwrap().parse().unwrap();
    assert!(end > jiff::Timestamp::now());
    assert!(session["identity"].as_str().unwrap().starts_with("test-"));
    test.tfw(["session", "list"])
        .run()
        .succeeds()
        .says("arn:aws:iam::999999999999:mfa/alice by the key test-");
    test.tfw(["session", "clear"])
        .run()
        .succeeds()
        .says("forgot 1 session");
    assert!(kept(&test).is_empty());
    test.tfw(["status", "dev"]).run().exits(4);
}
