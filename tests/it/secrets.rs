//! What is secret stays out of argv, logs, reports and every other file, and what tfw keeps is
//! private.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::{TestEnvironment, fixtures};

/// A module with a sensitive variable that becomes a resource and a sensitive output.
fn module() -> String {
    fixtures::builtin()
        + r#"
variable "password" {
  type      = string
  sensitive = true
}

resource "terraform_data" "login" {
  input = { user = "admin", password = var.password }
}

output "login" {
  value     = terraform_data.login.output
  sensitive = true
}
"#
}

/// Terraform that writes its arguments down before it works.
const RECORDING: &str = r#"
for argument in "$@"; do printf '%s\n' "$argument" >> "$ARGV_FILE"; done
exec "$REAL_TERRAFORM" "$@"
"#;

#[test]
fn no_secret_is_in_any_file_but_states_and_plans_nor_in_any_argument() {
    let test = TestEnvironment::new().environment_with(
        "prod",
        "[environments.prod.stacks.network]\n[environments.prod.stacks.app]\ninputs = { password = \"network.login\" }",
        "",
    );
    test.write(
        "environments/prod/network/main.tf",
        &module().replace(
            "value     = terraform_data.login.output\n",
            "value     = terraform_data.login.output.password\n",
        ),
    );
    test.write("environments/prod/app/main.tf", &module());
    test.fake_terraform(RECORDING);
    let argv = test.home().join("argv");
    let password = "correct-horse-battery-staple";
    let base = "a-base-secret-key-0123456789";
    let token = "a-base-session-token-0123456789";
    let tfw = |args: [&str; 4]| {
        test.tfw(args)
            .env("AWS_SECRET_ACCESS_KEY", base)
            .env("AWS_SESSION_TOKEN", token)
            .env("TF_VAR_password", password)
            .env("ARGV_FILE", &argv)
    };
    let mut said = String::new();
    for args in [
        ["plan", "--all", "--yes", "-v"],
        ["apply", "--all", "--auto-approve", "-v"],
        ["apply", "--all", "--auto-approve", "--json"],
        ["plan", "--all", "--json", "-v"],
        ["output", "--all", "-v", "--no-color"],
        ["validate", "--all", "--json", "-v"],
    ] {
        let run = tfw(args).run().succeeds();
        said += &run.stdout;
        said += &run.stderr;
    }
    let fails = module().replace("{ user", "{ lost = nowhere.at.all, user");
    test.write("environments/prod/network/main.tf", &fails);
    let run = tfw(["plan", "--all", "--json", "-v"]).run().exits(1);
    said += &run.stdout;
    said += &run.stderr;

    // The secrets are where they belong, so that finding them nowhere else means something.
    for key in ["network", "app"] {
        let state = test.object("prod", &format!("{key}/terraform.tfstate"));
        assert!(state.unwrap().contains(password));
    }
    let arguments = fs::read_to_string(&argv).unwrap();
    assert!(arguments.contains("apply\n"), "{arguments}");

    // Every session that STS gave out has these in it; moto makes them up anew each time.
    let secrets = [password, base, token, "s3cr3t-"];
    for secret in secrets {
        assert!(!said.contains(secret), "`{secret}` was said:\n{said}");
        assert!(!arguments.contains(secret), "`{secret}` is in argv");
    }
    for path in test.tfw_files() {
        assert_no_secret(&path, &secrets);
    }
    for (path, content) in test.files() {
        let written_by_a_person = path.extension().is_some_and(|extension| extension == "tf");
        if !written_by_a_person {
            assert_free(&path, &content, &secrets);
        }
    }
}

#[track_caller]
fn assert_no_secret(path: &Path, secrets: &[&str]) {
    let is_plan = path
        .extension()
        .is_some_and(|extension| extension == "tfplan");
    if !path.is_file() || is_plan {
        return;
    }
    assert_free(path, &fs::read(path).unwrap(), secrets);
}

#[track_caller]
fn assert_free(path: &Path, content: &[u8], secrets: &[&str]) {
    let text = String::from_utf8_lossy(content);
    for secret in secrets {
        assert!(
            !text.contains(secret),
            "`{secret}` is in {}:\n{text}",
            path.display()
        );
    }
}

/// The session that a child gets is one of STS's, and it is written down nowhere.
#[test]
fn the_sessions_of_roles_are_in_no_file() {
    let test = TestEnvironment::new().environment("dev");
    test.fake_terraform(
        r#"
[ -z "$AWS_SECRET_ACCESS_KEY" ] || printf '%s\n%s\n' "$AWS_SECRET_ACCESS_KEY" "$AWS_SESSION_TOKEN" >> "$SESSIONS"
for argument in "$@"; do printf '%s\n' "$argument" >> "$ARGV_FILE"; done
exec "$REAL_TERRAFORM" "$@"
"#,
    );
    let sessions = test.home().join("sessions");
    let argv = test.home().join("argv");
    for args in [
        ["plan", "dev", "--yes", "-v"],
        ["apply", "dev", "--auto-approve", "-v"],
    ] {
        test.tfw(args)
            .env("SESSIONS", &sessions)
            .env("ARGV_FILE", &argv)
            .run()
            .succeeds();
    }
    let text = fs::read_to_string(sessions).unwrap();
    let secrets: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    assert!(secrets.len() >= 6, "{secrets:?}");
    assert!(secrets.iter().all(|secret| secret.len() >= 16));
    let argv = fs::read(argv).unwrap();
    assert_free(Path::new("argv"), &argv, &secrets);
    for path in test.tfw_files() {
        assert_no_secret(&path, &secrets);
    }
    for (path, content) in test.files() {
        assert_free(&path, &content, &secrets);
    }
}

#[test]
fn what_tfw_keeps_is_private_and_out_of_git() {
    let test = TestEnvironment::new().environment("dev").environment_with(
        "prod",
        "path = \"dev\"",
        &fixtures::builtin(),
    );
    test.tfw(["plan", "--all", "--yes"]).run().succeeds();
    test.tfw(["validate", "--all"]).run().succeeds();
    assert_eq!(test.read("environments/.tfw/.gitignore"), "*\n");
    let mut open = Vec::new();
    for path in test.tfw_files() {
        let mode = fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o777;
        // Terraform's own folder is closed; what Terraform puts there is as it likes.
        let is_terraforms = path
            .ancestors()
            .skip(1)
            .any(|folder| folder.ends_with("terraform") || folder.ends_with("validate"));
        let wanted = match path {
            _ if path.is_symlink() || is_terraforms => continue,
            _ if path.is_dir() => 0o700,
            _ => 0o600,
        };
        if mode != wanted {
            open.push(format!("{mode:o} {}", path.display()));
        }
    }
    assert!(open.is_empty(), "{open:#?}");
}
