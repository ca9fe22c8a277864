//! `tfw env`.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};

use super::args::{GlobalArgs, SelectionArgs};
use super::error::Error;
use super::frame::{Done, Frame};
use crate::env_vars::{AWS_CREDENTIAL_EXPIRATION, CHILD_REGION, EnvSnapshot, REMOVED_CREDENTIALS};
use crate::model::Diagnostic;
use crate::pipeline::{self, Handout};
use crate::report::{ExitCode, to_document};

/// Print the credentials of one unit: exports for a shell, JSON, or for `credential_process`
///
/// They are proven to belong to the unit's account, and nothing else is on stdout. What else in the
/// shell selects credentials, such as `AWS_PROFILE`, is unset. With `--format process` it is what a
/// `credential_process` in `~/.aws/config` names, for every tool of AWS. In a protected environment
/// it asks for the environment's name.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  eval \"$(tfw env dev)\"                in sh, bash and zsh
  tfw env dev --format fish | source   in fish
  tfw env dev --json | jq -r .expiration
  tfw --manifest FILE env dev --format process

Exit codes:
  0  done
  1  there are no credentials, or they cannot be had
  3  the command line or the manifest is wrong
  4  they belong to another account, or nobody agreed")]
pub(super) struct EnvArgs {
    /// The unit: dev, or prod/eks where the environment has stacks
    unit: String,
    /// How they are printed; `--json` is `--format json`
    #[arg(long, value_enum, help_heading = "Output")]
    format: Option<Format>,
    /// Agree to handing out credentials of this protected environment
    #[arg(long, value_name = "ENVIRONMENT", help_heading = "Consent")]
    approve: Vec<String>,
}

/// How credentials are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For `eval` in sh, bash, zsh [default]
    Sh,
    /// For `source` in fish
    Fish,
    /// Each variable, `account_id` and `expiration`
    Json,
    /// The document of `credential_process` in ~/.aws/config
    Process,
}

pub(super) fn run(
    args: EnvArgs,
    global: &GlobalArgs,
    environment: &EnvSnapshot,
) -> Result<ExitCode, Error> {
    let format = match (args.format, global.json) {
        (None, false) => Format::Sh,
        (None | Some(Format::Json), true) => Format::Json,
        (Some(format), false) => format,
        (Some(_), true) => {
            return Err(Error::Usage(
                Diagnostic::error("`--json` is `--format json`, and another format was asked for")
                    .with_hint("leave one of the two out"),
            ));
        }
    };
    let selection = SelectionArgs::of(args.unit);
    let mut frame = Frame::new("env", global, environment, selection);
    frame.consent.approve = args.approve;
    frame.single_unit = true;
    frame.without_terraform = true;
    frame.yields_stdout = true;
    frame.run(async |ctx| {
        let text = pipeline::env(ctx).await.map(|handout| match format {
            Format::Sh => script(&handout, "unset", set_in_sh),
            Format::Fish => script(&handout, "set -e", set_in_fish),
            Format::Json => json(&handout),
            Format::Process => process(&handout),
        });
        Done {
            document: text.clone(),
            text,
            ..Done::default()
        }
    })
}

/// What is set, by name.
fn variables(handout: &Handout) -> Vec<(&'static str, String)> {
    let session = &handout.session;
    let secret = |secret: &SecretString| secret.expose_secret().to_owned();
    let mut variables = vec![
        ("AWS_ACCESS_KEY_ID", session.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", secret(&session.secret_access_key)),
    ];
    if let Some(token) = &session.session_token {
        variables.push(("AWS_SESSION_TOKEN", secret(token)));
    }
    if let Some(end) = session.expires {
        variables.push((AWS_CREDENTIAL_EXPIRATION, end.to_string()));
    }
    if let Some(region) = &handout.region {
        variables.extend(CHILD_REGION.map(|name| (name, region.to_string())));
    }
    variables
}

fn set_in_sh(name: &str, value: &str) -> String {
    // No value of AWS has a NUL byte, which alone cannot be quoted.
    let quoted = shlex::try_quote(value).unwrap_or_default();
    format!("export {name}={quoted};")
}

fn set_in_fish(name: &str, value: &str) -> String {
    // Between single quotes only these two are special in fish.
    let quoted = value.replace('\\', r"\\").replace('\'', r"\'");
    format!("set -gx {name} '{quoted}';")
}

/// Lines for a shell. What else selects credentials goes, and the comment comes last, each line
/// with its semicolon: who forgets the quotes of `eval "$(…)"` gets all of it as one line.
fn script(handout: &Handout, unset: &str, set: impl Fn(&str, &str) -> String) -> String {
    let variables = variables(handout);
    let is_set = |name: &str| variables.iter().any(|(set, _)| *set == name);
    let others: Vec<&str> = REMOVED_CREDENTIALS
        .iter()
        .copied()
        .filter(|name| name.starts_with("AWS_") && !is_set(name))
        .collect();
    let mut text = format!("{unset} {};\n", others.join(" "));
    for (name, value) in &variables {
        let _ = writeln!(text, "{}", set(name, value));
    }
    let until = match handout.session.expires {
        Some(end) => format!(", until {end}"),
        None => String::new(),
    };
    let _ = writeln!(
        text,
        "# {} in account {}{until}",
        handout.unit, handout.account_id
    );
    text
}

fn json(handout: &Handout) -> String {
    let mut document = Map::new();
    document.insert("schema".to_owned(), json!(1));
    document.insert("unit".to_owned(), json!(handout.unit));
    document.insert("account_id".to_owned(), json!(handout.account_id));
    document.insert("expiration".to_owned(), json!(handout.session.expires));
    for (name, value) in variables(handout) {
        document.insert(name.to_owned(), Value::String(value));
    }
    to_document(&Value::Object(document))
}

/// What a program named by `credential_process` prints (AWS SDKs and Tools Reference Guide,
/// "Process credential provider"). Without `Expiration` the credentials never end.
fn process(handout: &Handout) -> String {
    let session = &handout.session;
    let mut document = json!({
        "Version": 1,
        "AccessKeyId": session.access_key_id,
        "SecretAccessKey": session.secret_access_key.expose_secret(),
    });
    if let Some(token) = &session.session_token {
        document["SessionToken"] = json!(token.expose_secret());
    }
    if let Some(end) = session.expires {
        document["Expiration"] = json!(end);
    }
    to_document(&document)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::aws::Session;

    fn handout(expires: Option<&str>) -> Handout {
        let end = expires.map(|end| end.parse::<Timestamp>().expect("a time"));
        let mut session = Session::for_tests("111111111111", end);
        session.secret_access_key = "a/b+c'd\\e f".into();
        Handout {
            unit: "dev/network".parse().expect("a unit"),
            account_id: "111111111111".parse().expect("an account"),
            region: Some("eu-west-1".parse().expect("a region")),
            session,
        }
    }

    #[test]
    fn a_shell_gets_exports_and_loses_what_else_selects_credentials() {
        let handout = handout(Some("2026-01-02T03:04:05Z"));
        insta::assert_snapshot!(script(&handout, "unset", set_in_sh), @r#"
        unset AWS_ACCESS_KEY AWS_SECRET_KEY AWS_SECURITY_TOKEN AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SDK_LOAD_CONFIG AWS_ROLE_ARN AWS_ROLE_SESSION_NAME AWS_WEB_IDENTITY_TOKEN_FILE AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_CONTAINER_CREDENTIALS_RELATIVE_URI AWS_CONTAINER_AUTHORIZATION_TOKEN AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE AWS_SSE_CUSTOMER_KEY;
        export AWS_ACCESS_KEY_ID=ASIATEST;
        export AWS_SECRET_ACCESS_KEY="a/b+c'd\\e f";
        export AWS_SESSION_TOKEN=token;
        export AWS_CREDENTIAL_EXPIRATION=2026-01-02T03:04:05Z;
        export AWS_REGION=eu-west-1;
        export AWS_DEFAULT_REGION=eu-west-1;
        # dev/network in account 111111111111, until 2026-01-02T03:04:05Z
        "#);
        insta::assert_snapshot!(script(&handout, "set -e", set_in_fish), @r#"
        set -e AWS_ACCESS_KEY AWS_SECRET_KEY AWS_SECURITY_TOKEN AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SDK_LOAD_CONFIG AWS_ROLE_ARN AWS_ROLE_SESSION_NAME AWS_WEB_IDENTITY_TOKEN_FILE AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_CONTAINER_CREDENTIALS_RELATIVE_URI AWS_CONTAINER_AUTHORIZATION_TOKEN AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE AWS_SSE_CUSTOMER_KEY;
        set -gx AWS_ACCESS_KEY_ID 'ASIATEST';
        set -gx AWS_SECRET_ACCESS_KEY 'a/b+c\'d\\e f';
        set -gx AWS_SESSION_TOKEN 'token';
        set -gx AWS_CREDENTIAL_EXPIRATION '2026-01-02T03:04:05Z';
        set -gx AWS_REGION 'eu-west-1';
        set -gx AWS_DEFAULT_REGION 'eu-west-1';
        # dev/network in account 111111111111, until 2026-01-02T03:04:05Z
        "#);
    }

    #[test]
    fn what_is_quoted_for_sh_is_read_back() {
        let handout = handout(None);
        let text = script(&handout, "unset", set_in_sh);
        // As `eval $(tfw env dev)` without its quotes has it, too.
        for text in [text.clone(), text.replace('\n', " ")] {
            let words = shlex::split(&text).expect("closed quotes");
            let secret = format!("AWS_SECRET_ACCESS_KEY={};", "a/b+c'd\\e f");
            assert!(words.contains(&secret), "{words:?}");
        }
        assert!(!text.contains("AWS_CREDENTIAL_EXPIRATION="), "{text}");
        assert!(text.ends_with("\n# dev/network in account 111111111111\n"));
    }

    #[test]
    fn programs_get_documents() {
        insta::assert_snapshot!(json(&handout(None)), @r#"
        {
          "schema": 1,
          "unit": "dev/network",
          "account_id": "111111111111",
          "expiration": null,
          "AWS_ACCESS_KEY_ID": "ASIATEST",
          "AWS_SECRET_ACCESS_KEY": "a/b+c'd\\e f",
          "AWS_SESSION_TOKEN": "token",
          "AWS_REGION": "eu-west-1",
          "AWS_DEFAULT_REGION": "eu-west-1"
        }
        "#);
        insta::assert_snapshot!(process(&handout(Some("2026-01-02T03:04:05Z"))), @r#"
        {
          "Version": 1,
          "AccessKeyId": "ASIATEST",
          "SecretAccessKey": "a/b+c'd\\e f",
          "SessionToken": "token",
          "Expiration": "2026-01-02T03:04:05Z"
        }
        "#);
        assert!(!process(&handout(None)).contains("Expiration"));
    }
}
