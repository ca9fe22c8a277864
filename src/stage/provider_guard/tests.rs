use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::judge::{Findings, Judge, Place};
use super::*;
use crate::model::{Backend, BucketSpec, CredentialsSpec, Encryption, LocalBackend};

/// A unit of the account 111111111111, which may reach into 999999999999.
fn unit(id: &str) -> Unit {
    Unit {
        id: id.parse().expect("valid"),
        folder: "/r/dev".into(),
        shares_folder: false,
        account_id: Some("111111111111".parse().expect("valid")),
        provider_assumes_role: false,
        extra_account_ids: vec!["999999999999".parse().expect("valid")],
        region: None,
        protected: false,
        tags: Vec::new(),
        depends_on: Vec::new(),
        backend: Backend::Local(LocalBackend::default()),
        bucket: BucketSpec::new(Encryption::Aes256),
        credentials: CredentialsSpec::default(),
        assume_role: Vec::new(),
        var_files: Vec::new(),
        vars: BTreeMap::new(),
        inputs: BTreeMap::new(),
        env: BTreeMap::new(),
        lock_timeout: Duration::ZERO,
    }
}

fn by_itself() -> Unit {
    Unit {
        provider_assumes_role: true,
        ..unit("dev")
    }
}

fn role(arn: &str) -> AssumeRole {
    AssumeRole::new(arn.parse().expect("valid"))
}

fn module(text: &str) -> RootModule {
    let texts = BTreeMap::from([("main.tf".to_owned(), text.to_owned())]);
    RootModule::from_texts(Path::new("dev"), &texts).expect("readable")
}

fn findings(unit: &Unit, place: Place, text: &str) -> Findings {
    let account = unit.account_id.as_ref().expect("an account");
    let shown = |path: &Path| path.display().to_string();
    Judge::new(unit, account, &shown).module(&module(text), place)
}

/// All that is said of the providers of a text.
fn told(unit: &Unit, place: Place, text: &str) -> String {
    let Findings { refusals, warnings } = findings(unit, place, text);
    let tell = |(kind, found): (&str, Diagnostic)| {
        format!(
            "{kind} {}:{} {}\n{}\n",
            found.file.unwrap_or_default(),
            found.line.unwrap_or_default(),
            found.summary,
            found.detail.unwrap_or_default()
        )
    };
    refusals
        .into_iter()
        .map(|found| ("refused", found))
        .chain(warnings.into_iter().map(|found| ("warning", found)))
        .map(tell)
        .collect()
}

fn of_root(unit: &Unit, text: &str) -> String {
    told(unit, Place::Root, text)
}

const DEPLOY: &str = "arn:aws:iam::111111111111:role/Deploy";

fn default(arguments: &str) -> String {
    format!("provider \"aws\" {{\n{arguments}\n}}\n")
}

fn assuming(arn: &str) -> String {
    default(&format!("  assume_role {{\n    role_arn = \"{arn}\"\n  }}"))
}

fn alias(arguments: &str) -> String {
    default(&format!("  alias = \"peer\"\n{arguments}"))
}

#[test]
fn nothing_is_said_of_providers_that_work_as_whom_they_are_given() {
    for text in [
        "",
        "provider \"aws\" {\n  region = var.region\n}",
        "provider \"aws\" {\n  profile = null\n  access_key = \"\"\n  assume_role = []\n}",
        "provider \"aws\" {\n  assume_role {}\n  allowed_account_ids = [\"111111111111\"]\n}",
        "provider \"aws\" {\n  alias = \"east\"\n  region = \"us-east-1\"\n}",
        "provider \"google\" {\n  profile = \"x\"\n}",
    ] {
        assert_eq!(of_root(&unit("dev"), text), "", "{text}");
    }
}

#[test]
fn credentials_of_a_default_provider_are_refused() {
    let text = default("  region = \"x\"\n  secret_key = \"hunter2\"\n  access_key = \"AKIA\"");
    insta::assert_snapshot!(of_root(&unit("dev"), &text), @r#"
    refused dev/main.tf:3 the default provider `aws` sets `access_key`, `secret_key`, which wins over the credentials that tfw has proven
    hint: take it out: `credentials` and `assume_role` in the manifest say whose credentials Terraform gets
    "#);
    for argument in [
        "profile = \"ops\"",
        "shared_config_files = [\"x\"]",
        "shared_credentials_files = [\"x\"]",
        "assume_role_with_web_identity {\n    role_arn = \"arn:aws:iam::111111111111:role/Deploy\"\n  }",
    ] {
        for unit in [unit("dev"), by_itself()] {
            let found = findings(&unit, Place::Root, &default(argument));
            assert!(
                found.refusals[0].summary.contains("which wins over"),
                "{argument}"
            );
        }
    }
}

#[test]
fn a_role_of_a_default_provider_becomes_lines_of_the_manifest() {
    let text = default(
        "  assume_role {\n    role_arn = \"arn:aws:iam::111111111111:role/Deploy\"\n    external_id = \"e/1\"\n    session_name = var.name\n  }",
    );
    insta::assert_snapshot!(of_root(&unit("dev"), &text), @r#"
    refused dev/main.tf:2 the default provider `aws` assumes a role by itself: `arn:aws:iam::111111111111:role/Deploy`
    tfw has proven the credentials that it hands to Terraform, and not this role
    hint: take it out, and write in the manifest:

    [environments.dev.assume_role]
    role_arn = "arn:aws:iam::111111111111:role/Deploy"
    external_id = "e/1"
    session_name = "…" # as in the provider block

    hint: or say `provider_assumes_role = true` there, and tfw checks that role and leaves it to the provider
    "#);
    let chain = assuming("arn:aws:iam::999999999999:role/Hub").replace(
        "\n}\n",
        &format!("\n  assume_role {{\n    role_arn = \"{DEPLOY}\"\n  }}\n}}\n"),
    );
    insta::assert_snapshot!(of_root(&unit("dev/eks"), &chain), @r#"
    refused dev/main.tf:2 the default provider `aws` assumes a role by itself: `arn:aws:iam::111111111111:role/Deploy`
    tfw has proven the credentials that it hands to Terraform, and not this role
    hint: take it out, and write in the manifest:

    [[environments.dev.stacks.eks.assume_role]]
    role_arn = "arn:aws:iam::999999999999:role/Hub"
    [[environments.dev.stacks.eks.assume_role]]
    role_arn = "arn:aws:iam::111111111111:role/Deploy"

    hint: or say `provider_assumes_role = true` there, and tfw checks that role and leaves it to the provider
    "#);
    let same = Unit {
        assume_role: vec![role(DEPLOY)],
        ..unit("dev")
    };
    insta::assert_snapshot!(of_root(&same, &assuming(DEPLOY)), @r#"
    refused dev/main.tf:2 the default provider `aws` assumes a role by itself: `arn:aws:iam::111111111111:role/Deploy`
    tfw has proven the credentials that it hands to Terraform, and not this role
    hint: take it out: `assume_role` in the manifest names the same role
    hint: or say `provider_assumes_role = true` there, and tfw leaves it to the provider
    "#);
}

#[test]
fn a_provider_that_is_said_to_assume_a_role_must_assume_one_of_the_account() {
    assert_eq!(of_root(&by_itself(), &assuming(DEPLOY)), "");
    let other = assuming("arn:aws:iam::999999999999:role/Deploy");
    insta::assert_snapshot!(of_root(&by_itself(), &other), @r#"
    refused dev/main.tf:2 the default provider `aws` assumes `arn:aws:iam::999999999999:role/Deploy`, a role of account 999999999999, and the account of `dev` is 111111111111
    hint: correct the role, or `account_id` in the manifest
    "#);
    insta::assert_snapshot!(of_root(&by_itself(), &default("")), @r#"
    refused dev/main.tf:1 `provider_assumes_role` of `dev` says that the provider assumes a role, and the default provider `aws` assumes none
    it would work with the base credentials, whatever their account
    hint: take the key out of the manifest, or set it to `false` for this unit
    "#);
    insta::assert_snapshot!(of_root(&by_itself(), "locals {}"), @r#"
    refused :0 `provider_assumes_role` of `dev` says that the provider assumes a role, and `dev` has no default `aws` provider that does
    it would work with the base credentials, whatever their account
    hint: take the key out of the manifest, or set it to `false` for this unit
    "#);
    let aliased = assuming(DEPLOY) + &alias("");
    insta::assert_snapshot!(of_root(&by_itself(), &aliased), @r#"
    refused dev/main.tf:6 the provider `aws.peer` assumes no role, and with `provider_assumes_role` it would work with the base credentials
    hint: `allowed_account_ids = ["111111111111", "999999999999"]` in the block makes the provider check it; other accounts stand in `extra_account_ids` of the manifest, too
    hint: or write the same `assume_role` into it as into the default provider
    "#);
}

#[test]
fn other_providers_may_work_in_the_accounts_of_the_manifest() {
    let assuming = |account: &str| {
        alias(&format!(
            "  assume_role {{\n    role_arn = \"arn:aws:iam::{account}:role/Peer\"\n  }}"
        ))
    };
    for account in ["111111111111", "999999999999"] {
        assert_eq!(of_root(&unit("dev"), &assuming(account)), "");
    }
    insta::assert_snapshot!(of_root(&unit("dev"), &assuming("333333333333")), @r#"
    refused dev/main.tf:3 the provider `aws.peer` assumes `arn:aws:iam::333333333333:role/Peer`, a role of account 333333333333, and the account of `dev` is 111111111111
    hint: where that is meant, write in the manifest:

    [environments.dev]
    extra_account_ids = ["999999999999", "333333333333"]
    "#);
    let profile = "  profile = \"peer\"";
    insta::assert_snapshot!(of_root(&unit("dev"), &alias(profile)), @r#"
    refused dev/main.tf:3 the provider `aws.peer` sets `profile`, and nothing tells in which account it works
    hint: `allowed_account_ids = ["111111111111", "999999999999"]` in the block makes the provider check it; other accounts stand in `extra_account_ids` of the manifest, too
    "#);
    for (accounts, is_bound) in [
        ("\"999999999999\"", true),
        ("\"111111111111\", \"999999999999\"", true),
        ("\"999999999999\", \"333333333333\"", false),
        ("var.account", false),
    ] {
        let list = format!("{profile}\n  allowed_account_ids = [{accounts}]");
        let told = of_root(&unit("dev"), &alias(&list));
        assert_eq!(told.is_empty(), is_bound, "{accounts}: {told}");
    }
}

#[test]
fn modules_have_no_default_provider_of_tfws() {
    let told = |text: &str| told(&by_itself(), Place::Module, text);
    assert_eq!(told(&assuming(DEPLOY)), "");
    assert_eq!(told("locals {}"), "");
    assert_eq!(told("provider \"aws\" {\n  alias = \"passed\"\n}"), "");
    assert!(told(&default("  region = \"x\"")).contains("the base credentials"));
    assert!(told(&assuming("arn:aws:iam::333333333333:role/X")).contains("extra_account_ids"));
}

#[test]
fn what_is_not_literal_is_said_not_to_be_checked() {
    let role = "  assume_role {\n    role_arn = \"arn:aws:iam::${var.account}:role/Deploy\"\n  }";
    insta::assert_snapshot!(of_root(&unit("dev"), &default(role)), @r#"
    warning dev/main.tf:2 not checked: `assume_role` of the default provider `aws` is not literal
    it may lead to another account than 111111111111, which tfw has proven
    hint: `allowed_account_ids = ["111111111111"]` in the block makes the provider check it
    "#);
    insta::assert_snapshot!(of_root(&unit("dev"), &alias("  profile = var.profile")), @r#"
    warning dev/main.tf:3 not checked: `profile` of the provider `aws.peer` is not literal
    it may lead to any account
    hint: `allowed_account_ids = ["111111111111", "999999999999"]` in the block makes the provider check it
    "#);
    let bound = format!("{role}\n  allowed_account_ids = [\"111111111111\"]");
    assert_eq!(of_root(&unit("dev"), &default(&bound)), "");
}

#[test]
fn a_list_that_keeps_the_unit_out_is_warned_of() {
    let text = default(
        "  allowed_account_ids = [\"999999999999\"]\n  forbidden_account_ids = [\"111111111111\"]",
    );
    insta::assert_snapshot!(of_root(&unit("dev"), &text), @r#"
    warning dev/main.tf:2 the default provider `aws` refuses the account 111111111111 of `dev` by its `allowed_account_ids`
    hint: correct the list, or `account_id` in the manifest
    warning dev/main.tf:3 the default provider `aws` refuses the account 111111111111 of `dev` by its `forbidden_account_ids`
    hint: correct the list, or `account_id` in the manifest
    "#);
}

#[test]
fn the_manifests_own_role_is_assumed_once() {
    let own = AssumeRole {
        session_name: Some("ci".to_owned()),
        ..role(DEPLOY)
    };
    let unit = Unit {
        assume_role: vec![own.clone()],
        ..by_itself()
    };
    let chain = |text: &str| Identity::of(&module(text).providers[0]).chain(&unit);
    assert_eq!(chain(&assuming(DEPLOY)), Some(vec![own]));
    let other = "arn:aws:iam::111111111111:role/Other";
    assert_eq!(chain(&assuming(other)), Some(vec![role(other)]));
    let unknown =
        format!("  assume_role {{\n    role_arn = \"{DEPLOY}\"\n    external_id = var.id\n  }}");
    assert_eq!(chain(&default(&unknown)), None);
    assert_eq!(chain(&default("")), None);
}
