//! `tfw env` and `tfw shell`: a unit's credentials and settings, in a person's own hands.

use serde_json::Value;

use crate::support::{TestEnvironment, fixtures, the_unit};

/// Neither the repository, with all that tfw keeps, nor what was said has any of these.
#[track_caller]
fn assert_kept_nowhere(test: &TestEnvironment, said: &str, secrets: &[&str]) {
    assert!(
        secrets.iter().all(|secret| secret.len() >= 16),
        "{secrets:?}"
    );
    let holds = |text: &str| secrets.iter().any(|secret| text.contains(secret));
    assert!(!holds(said), "{said}");
    let kept = test.tfw_files().into_iter().filter(|path| path.is_file());
    let kept = kept.map(|path| (std::fs::read(&path).unwrap(), path));
    let others = test
        .files()
        .into_iter()
        .map(|(path, content)| (content, path));
    for (content, path) in kept.chain(others) {
        assert!(
            !holds(&String::from_utf8_lossy(&content)),
            "{}",
            path.display()
        );
    }
}

#[test]
fn env_prints_the_credentials_of_the_units_account_and_nothing_else() {
    let test = TestEnvironment::new().environment("dev");
    let account = test.account("dev");
    let run = test.tfw(["env", "dev", "--json"]).run().succeeds();
    assert_eq!(run.stderr, "");
    let document = run.json();
    let text = |name: &str| document[name].as_str().unwrap().to_owned();
    assert_eq!(document["account_id"], account);
    assert!(text("expiration").ends_with('Z'), "{document:#}");
    assert_eq!(document["AWS_REGION"], "eu-central-1");
    let whose = test.whose(&text("AWS_ACCESS_KEY_ID"));
    assert!(whose.starts_with(&format!("arn:aws:sts::{account}:assumed-role/test/")));
    let secrets = [text("AWS_SECRET_ACCESS_KEY"), text("AWS_SESSION_TOKEN")];
    assert_kept_nowhere(&test, "", &[&secrets[0], &secrets[1]]);
    assert_eq!(the_unit(&test.kept_report(), "dev")["result"], "succeeded");

    // No Terraform is needed for it.
    test.without_terraform();
    let json = test
        .tfw(["env", "dev", "--format", "json"])
        .run()
        .succeeds();
    assert_eq!(json.json()["unit"], "dev");
    let both = test.tfw(["env", "dev", "--json", "--format", "sh"]).run();
    both.exits(3).says("leave one of the two out");
}

#[test]
fn a_shell_that_evaluates_it_has_these_credentials_alone() {
    let test = TestEnvironment::new().environment("dev");
    for eval in ["eval \"$(tfw env dev)\"", "eval $(tfw env dev)"] {
        let run = test
            .sh(&format!("{eval}; /usr/bin/env | grep ^AWS_"))
            .env("AWS_PROFILE", "")
            .env("AWS_ROLE_ARN", "")
            .env("AWS_SECURITY_TOKEN", "old")
            .run()
            .succeeds();
        assert_eq!(run.stderr, "");
        let value = |name: &str| {
            let line = run.stdout.lines().find_map(|line| {
                let (found, value) = line.split_once('=')?;
                (found == name).then_some(value)
            });
            line.map(str::to_owned)
        };
        let whose = test.whose(&value("AWS_ACCESS_KEY_ID").unwrap());
        assert!(whose.contains(&test.account("dev")), "{whose}");
        for name in [
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_CREDENTIAL_EXPIRATION",
        ] {
            assert!(value(name).unwrap().len() >= 16, "{name}");
        }
        for name in ["AWS_PROFILE", "AWS_ROLE_ARN", "AWS_SECURITY_TOKEN"] {
            assert_eq!(value(name), None, "{name}");
        }
    }
}

/// tfw itself is a program that reads `credential_process`, by the SDK.
#[test]
fn a_profile_may_get_its_credentials_from_tfw() {
    let test = TestEnvironment::new().environment("dev").environment_with(
        "prod",
        "credentials = { profile = \"acme-dev\" }",
        &fixtures::builtin(),
    );
    let config = format!(
        "[profile acme-dev]\ncredential_process = {} --manifest {} env dev --format process\n",
        env!("CARGO_BIN_EXE_tfw"),
        test.path("environments/tfw.toml").display(),
    );
    let folder = test.home().join(".aws");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config"), config).unwrap();
    let run = test.tfw(["env", "prod", "--json"]).run().succeeds();
    let key = run.json()["AWS_ACCESS_KEY_ID"].as_str().unwrap().to_owned();
    assert!(test.whose(&key).contains(&test.account("prod")));
    // Two roles: that of dev with the keys of the environment, and that of prod with dev's.
    assert_eq!(test.proxy().count_tfw("AssumeRole"), 2);
}

#[test]
fn env_of_a_protected_environment_takes_its_name() {
    let test =
        TestEnvironment::new().environment_with("prod", "protected = true", &fixtures::builtin());
    let run = test.tfw(["env", "prod"]).run().exits(4);
    assert_eq!(run.stdout, "");
    for part in [
        "nobody agreed to handing out credentials",
        "`--approve prod`",
    ] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    assert_eq!(test.proxy().requests().len(), 0);
    let run = test
        .tfw(["env", "prod", "--approve", "prod"])
        .run()
        .succeeds();
    assert!(run.stdout.contains("export AWS_SESSION_TOKEN="));

    // As in `eval "$(tfw env prod)"`: the question is on the terminal, the answer alone is not.
    let file = test.home().join("exports");
    let mut terminal = test.tfw(["env", "prod"]).on_terminal_but_stdout(&file);
    let asked = terminal.wait_for("Type its name to agree");
    assert!(asked.contains("role test in account"), "{asked}");
    terminal.type_line("prod");
    let screen = terminal.exits(0);
    assert!(!screen.contains("AWS_SECRET"), "{screen}");
    let exports = std::fs::read_to_string(file).unwrap();
    assert!(exports.starts_with("unset ") && exports.contains("# prod in account"));
}

#[test]
fn a_unit_without_credentials_or_of_another_account_gets_none() {
    let offline = TestEnvironment::offline().environment("dev");
    let run = offline.tfw(["env", "dev"]).run().exits(1);
    assert_eq!(run.stdout, "");
    for part in ["`dev` has no credentials", "hint: set its `account_id`"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    let test =
        TestEnvironment::new().environment_with("dev", "assume_role = []", &fixtures::builtin());
    let run = test.tfw(["env", "dev"]).run().exits(4);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.contains("expected account"), "{}", run.stderr);
    let run = test.tfw(["env", "dev", "--json"]).run().exits(4);
    assert_eq!(the_unit(&run.json(), "dev")["result"], "refused");
}

/// A stack with a root module that others use too, a workspace, and variables from everywhere.
fn everything() -> TestEnvironment {
    let keys = r#"
backend = { workspace = "live" }
var_files = ["sizes and more.tfvars"]
lock_timeout = "7s"

[environments.dev.stacks.blue]
path = "../app"
vars = { greeting = "blue" }

[environments.dev.stacks.green]
path = "../app"
vars = { greeting = "green" }
inputs = { peer = "blue.greeting" }
"#;
    let main = fixtures::builtin()
        + r#"
variable "size" {
  type = number
}

variable "peer" {
  type    = string
  default = "nobody"
}

resource "terraform_data" "more" {
  input = [var.size, var.peer]
}
"#;
    let test = TestEnvironment::new().environment_with("dev", keys, "");
    test.write("environments/sizes and more.tfvars", "size = 3\n");
    test.write("app/main.tf", &main);
    test.tfw(["apply", "--all", "--yes", "--auto-approve"])
        .run()
        .succeeds();
    test
}

#[test]
fn a_plan_that_is_typed_in_a_shell_is_tfws_plan() {
    let test = everything();
    let init = |test: &TestEnvironment| the_unit(&test.kept_report(), "dev/green")["init"].clone();
    let typed = |script: &str| {
        test.tfw(["shell", "dev/green", "--", "sh", "-c", script])
            .run()
    };

    // What was applied is what is planned: nothing to do, and no init on the way.
    let plan = "terraform plan -input=false -detailed-exitcode -no-color";
    let run = typed(plan).succeeds();
    assert!(run.stdout.contains("No changes."), "{}", run.stdout);
    assert_eq!(init(&test), "skipped");
    let listed = typed("terraform workspace show && pwd").succeeds();
    let folder = test.path("app").canonicalize().unwrap();
    assert_eq!(listed.stdout, format!("live\n{}\n", folder.display()));

    // Without what an init leaves, the shell makes it first; a typed init finds nothing to change.
    std::fs::remove_dir_all(test.path("environments/.tfw/data/dev.green")).unwrap();
    typed(plan).succeeds();
    assert_eq!(init(&test), "ran");
    typed("terraform init -input=false").succeeds();
    typed(plan).succeeds();
    assert_eq!(init(&test), "skipped");

    // A change counts alike in both, and a plan that is saved there can be applied there.
    let main = test
        .read("app/main.tf")
        .replace("[var.size, ", "[var.size + 1, ");
    test.write("app/main.tf", &main);
    let report = test
        .tfw(["plan", "dev/green", "--json"])
        .run()
        .succeeds()
        .json();
    let run = typed("terraform plan -input=false -json").succeeds();
    let lines = run
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let summary = lines
        .into_iter()
        .find(|line| line["type"] == "change_summary")
        .unwrap();
    for count in ["add", "change"] {
        let (hand, tfw) = (
            &summary["changes"][count],
            &the_unit(&report, "dev/green")["changes"][count],
        );
        assert_eq!(hand, tfw);
    }
    typed("terraform plan -input=false -out=tfplan && terraform apply -input=false tfplan")
        .succeeds();
    let run = test.tfw(["plan", "dev/green", "--detailed-exitcode"]).run();
    run.succeeds();
    assert!(
        test.objects("dev")
            .iter()
            .all(|key| !key.ends_with(".tflock"))
    );
}

#[test]
fn a_shell_has_the_units_settings_and_says_where_one_is() {
    let test = everything();
    let account = test.account("dev");
    let run = test
        .tfw(["shell", "dev/green", "--no-input", "--", "/usr/bin/env"])
        .env("AWS_PROFILE", "")
        .env("TZ", "UTC")
        .run()
        .succeeds();
    let value = |name: &str| {
        let prefix = format!("{name}=");
        run.stdout
            .lines()
            .find_map(|line| line.strip_prefix(&prefix))
            .unwrap_or_else(|| panic!("no {name}:\n{}", run.stdout))
            .to_owned()
    };
    for (name, expected) in [
        ("TFW_UNIT", "dev/green"),
        ("TFW_ENVIRONMENT", "dev"),
        ("TFW_ACCOUNT_ID", &account),
        ("TF_VAR_greeting", "green"),
        ("TF_VAR_peer", "blue"),
        ("AWS_REGION", "eu-central-1"),
    ] {
        assert_eq!(value(name), expected, "{name}");
    }
    let end = value("TFW_EXPIRES");
    let (hours, minutes) = (&end[11..13], &end[14..16]);
    assert_eq!(
        value("TFW_PROMPT"),
        format!("dev/green@{account} until {hours}:{minutes}")
    );
    assert!(value("TF_DATA_DIR").ends_with(".tfw/data/dev.green/terraform"));
    let options = value("TF_CLI_ARGS_plan");
    assert!(options.starts_with("-lock-timeout=7s "), "{options}");
    assert!(options.contains("sizes and more.tfvars"), "{options}");
    assert!(test.whose(&value("AWS_ACCESS_KEY_ID")).contains(&account));
    let secrets = [value("AWS_SECRET_ACCESS_KEY"), value("AWS_SESSION_TOKEN")];
    assert_kept_nowhere(&test, &run.stderr, &[&secrets[0], &secrets[1]]);
}

#[test]
fn credentials_that_are_served_have_no_end_in_a_shell() {
    let keys = "credentials = { delivery = \"server\" }";
    let test = TestEnvironment::new().environment_with("dev", keys, &fixtures::builtin());
    test.create_bucket("dev");
    let script = "terraform plan -input=false -no-color && /usr/bin/env";
    let run = test
        .tfw(["shell", "dev", "--", "sh", "-c", script])
        .run()
        .succeeds();
    let account = test.account("dev");
    for there in ["Plan: 1 to add", &format!("TFW_PROMPT=dev@{account}\n")] {
        assert!(run.stdout.contains(there), "{there}: {}", run.stdout);
    }
    for absent in ["AWS_SECRET_ACCESS_KEY=", "TFW_EXPIRES="] {
        assert!(!run.stdout.contains(absent), "{absent}: {}", run.stdout);
    }
}

#[test]
fn a_shell_ends_as_its_command_does() {
    let test = TestEnvironment::offline().environment("dev");
    let script = |script: &str| test.tfw(["shell", "dev", "--", "sh", "-c", script]).run();
    script("exit 7").exits(7);
    let unit = the_unit(&test.kept_report(), "dev").clone();
    assert_eq!(unit["reason"], "sh ended with exit code 7");
    script("kill -TERM $$").exits(143);
    let run = test
        .tfw(["shell", "dev", "--", "no-such-program"])
        .run()
        .exits(1);
    for part in [
        "`no-such-program` was not found",
        "hint: it is looked for in `PATH`",
    ] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    // Without a command it is a shell, here one that reads a script.
    let run = test
        .tfw(["shell", "dev"])
        .stdin("echo $TFW_PROMPT\nexit 5\n")
        .run()
        .exits(5);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("dev\n", ""));
}

#[test]
fn there_is_no_shell_in_a_shell_and_none_for_nobody() {
    let test = TestEnvironment::offline().environment("dev");
    let run = test.sh("tfw shell dev -- tfw shell dev").run().exits(3);
    for part in [
        "this is a shell of `dev` already",
        "hint: leave it (`exit`), then `tfw shell dev`",
    ] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    // Its settings are tfw's own, of which nobody need be warned one by one.
    let run = test.sh("tfw shell dev -- tfw plan dev").run().succeeds();
    run.says("this is a shell of `dev`: its credentials take the place of yours");
    assert!(!run.stdout.contains("TF_CLI_ARGS"), "{}", run.stdout);
    let run = test.tfw(["shell", "dev", "--no-input"]).run().exits(3);
    run.says("hint: name a command: `tfw shell dev -- COMMAND`");
}

#[test]
fn a_shell_in_a_protected_environment_takes_its_name() {
    let test =
        TestEnvironment::new().environment_with("prod", "protected = true", &fixtures::builtin());
    let run = test
        .tfw(["shell", "prod", "--", "touch", "done"])
        .run()
        .exits(4);
    assert!(run.stderr.contains("`--approve prod`"), "{}", run.stderr);
    assert_eq!(test.proxy().requests().len(), 0);
    test.create_bucket("prod");
    test.tfw(["shell", "prod", "--approve", "prod", "--", "touch", "done"])
        .run()
        .succeeds();
    assert!(test.path("environments/prod/done").exists());
}

#[test]
fn a_shell_on_a_terminal_greets_and_is_in_front() {
    let test = TestEnvironment::offline().environment_with(
        "prod",
        "protected = true",
        &fixtures::local(&fixtures::builtin()),
    );
    let mut terminal = test
        .tfw(["shell", "prod"])
        .env("SHELL", "/bin/sh")
        .env("PS1", "$ ")
        .on_terminal();
    let asked = terminal.wait_for("Type its name to agree");
    assert!(
        asked.contains("open a shell with the credentials of `prod`"),
        "{asked}"
    );
    terminal.type_line("prod");
    let greeting = terminal.wait_for("shows it in the prompt");
    assert!(
        greeting.contains("tfw shell: prod; `exit` leaves it"),
        "{greeting}"
    );
    terminal.type_line("PS1=\"($TFW_PROMPT) $PS1\"");
    terminal.wait_for("(prod) $ ");
    // Ctrl-C drops the line that was begun, and tfw hears nothing of it.
    terminal.type_text("sleep");
    terminal.ctrl_c();
    terminal.wait_for("(prod) $ ");
    terminal.type_line("terraform plan -no-color | grep Plan:");
    terminal.wait_for("Plan: 1 to add, 0 to change, 0 to destroy.");
    terminal.type_line("exit 9");
    let screen = terminal.exits(9);
    assert!(!screen.contains("starting nothing new"), "{screen}");
}

#[test]
fn a_shell_creates_no_bucket_and_says_what_is_missing() {
    let test = TestEnvironment::new().environment("dev");
    let run = test.tfw(["shell", "dev", "--", "true"]).run().exits(1);
    assert!(
        run.stderr.contains("hint: `tfw init dev`"),
        "{}",
        run.stderr
    );
    assert!(!test.bucket_exists("dev"));
    let stacks = TestEnvironment::network_and_eks();
    let run = stacks
        .tfw(["shell", "dev/eks", "--", "true"])
        .run()
        .succeeds();
    run.says("`TF_VAR_vpc_id` is not set: the output that it takes does not exist yet");
}
