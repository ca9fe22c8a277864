//! Every rule of the manifest, broken: what is said, and that nothing else is.

use super::S3;
use crate::manifest::testing::Repository;

/// Problems of one environment, `dev`, with these lines in its own table.
fn of_dev(lines: &str) -> Vec<String> {
    let manifest = format!("{S3}[environments.dev]\naccount_id = \"111111111111\"\n{lines}\n");
    let repository = Repository::with_folders(&["dev", "other"]);
    repository.file(
        "dev/main.tf",
        "variable \"known\" {}\nvariable \"automatic\" {}\nvariable \"listed\" {}\n",
    );
    repository.file("dev/x.auto.tfvars", "automatic = 1\n");
    repository.file("common.tfvars", "listed = 1\n");
    repository.summaries(&manifest)
}

#[test]
fn a_broken_rule_of_one_environment_is_one_problem() {
    for (lines, expected) in [
        // Shape
        ("regionn = 'x'", "unknown key `regionn`"),
        ("mfa_serial = 'x'", "unknown key `mfa_serial`"),
        ("region = 1", "`region` must be a string"),
        ("protected = 'true'", "`protected` must be a boolean"),
        ("tags = 'eu'", "`tags` must be an array"),
        (
            "extra_account_ids = ['123']",
            "`123` is not an AWS account id (12 digits)",
        ),
        (
            "provider_assumes_role = 'yes'",
            "`provider_assumes_role` must be a boolean",
        ),
        (
            "assume_role = 'x'",
            "`assume_role` must be a table or an array",
        ),
        ("assume_role = [{ arn = 'x' }]", "unknown key `arn`"),
        (
            "bucket.encryption = 'aes'",
            "`encryption` must be `AES256` or `aws:kms`",
        ),
        ("vars = { known = 1979-05-27 }", "Terraform has no dates"),
        ("vars = { known = nan }", "Terraform has no such number"),
        ("env = { A = 1 }", "`A` must be a string"),
        ("stacks.'a b' = {}", "`a b` cannot be the name of a stack"),
        (
            "stacks = {}",
            "`dev` has a table of stacks, but no stack in it",
        ),
        // Values
        (
            "region = 'europe'",
            "`europe` is not an AWS region (such as `eu-central-1`)",
        ),
        (
            "lock_timeout = '5'",
            "`5` is not a duration such as `30s`, `5m` or `1h30m`",
        ),
        (
            "path = 'other2'",
            "there is no folder `environments/other2`",
        ),
        (
            "var_files = ['common.tfvar']",
            "there is no file `environments/common.tfvar`",
        ),
        (
            "env = { AWS_PROFILE = 'x' }",
            "`env` cannot set `AWS_PROFILE`",
        ),
        // Placeholders
        ("region = '{regin}'", "unknown placeholder `{regin}`"),
        (
            "path = 'd{stack}'",
            "`{stack}` has no value in a unit without a stack",
        ),
        (
            "env = { A = '{ \"a\": 1 }' }",
            "unknown placeholder `{ \"a\": 1 }`",
        ),
        ("env = { A = 'a}' }", "a single `}`"),
        // Backend
        ("backend.type = 'S3'", "Terraform has no backend `S3`"),
        ("backend.bucket = ''", "the S3 backend has no `bucket`"),
        (
            "backend.key = '/x'",
            "`/x` is not a state key (not empty, not starting with `/`, at most 1024 bytes)",
        ),
        (
            "backend.bucket = 'A_b'",
            "S3 does not allow a bucket named `A_b`",
        ),
        (
            "backend.region = 'x'",
            "`x` is not an AWS region (such as `eu-central-1`)",
        ),
        (
            "backend.account_id = '1'",
            "`1` is not an AWS account id (12 digits)",
        ),
        (
            "backend.role_arn = 'x'",
            "`x` is not the ARN of an IAM role (`arn:aws:iam::123456789012:role/NAME`)",
        ),
        (
            "backend.workspace = 'a b'",
            "`a b` is not a workspace name (letters, digits, and `-_.~$&+=:@`)",
        ),
        (
            "backend.options.secret_key = 'x'",
            "`secret_key` is a secret and must not stand in a manifest",
        ),
        (
            "backend.options.token = 'x'",
            "`token` is a secret and must not stand in a manifest",
        ),
        (
            "backend.options.encrypt = false",
            "`encrypt` cannot stand in `backend.options`",
        ),
        (
            "backend.options.bucket = 'x'",
            "`bucket` cannot stand in `backend.options`",
        ),
        (
            "backend.options.acl = 'private'",
            "S3 refuses states with `acl = \"private\"`: the bucket's ACLs are off",
        ),
        (
            "backend = { type = 'local', key = 'x' }",
            "`key` is a key of the `s3` backend",
        ),
        (
            "backend = { type = 'local', options.x = 1 }",
            "the `local` backend has no argument `x`",
        ),
        (
            "backend = { type = 'gcs', bucket = 'x' }",
            "`bucket` is a key of the `s3` backend",
        ),
        (
            "backend = { type = 'pg', options.password = 'x' }",
            "`password` is a secret and must not stand in a manifest",
        ),
        (
            "bucket.kms_key = 'alias/a'",
            "`kms_key` does nothing without `encryption = \"aws:kms\"`",
        ),
        (
            "bucket = { encryption = 'aws:kms', kms_key = 'alias/a' }\nbackend.kms_key_id = 'alias/b'",
            "the backend and the bucket name two different KMS keys",
        ),
        // Roles
        (
            "assume_role.duration = '1h'",
            "`assume_role` has no `role_arn`",
        ),
        (
            "assume_role.role_arn = 'x'",
            "`x` is not the ARN of an IAM role (`arn:aws:iam::123456789012:role/NAME`)",
        ),
        (
            "assume_role = { role_arn = 'arn:aws:iam::{account_id}:role/R', duration = '14m' }",
            "AWS allows no session of `14m`",
        ),
        (
            "assume_role = { role_arn = 'arn:aws:iam::{account_id}:role/R', duration = '1 h' }",
            "`1 h` is not a duration such as `30s`, `5m` or `1h30m`",
        ),
        (
            "assume_role = { role_arn = 'arn:aws:iam::{account_id}:role/R', session_name = 'a b' }",
            "`a b` is not a session name (2 to 64 letters, digits or `+=,.@-_`)",
        ),
        (
            "assume_role = [{ role_arn = 'arn:aws:iam::{account_id}:role/R', external_id = 'x' }]",
            "`x` is not an external id (2 to 1224 letters, digits or `+=,.@:/-_`)",
        ),
        // Variables
        (
            "vars = { unknown = 1 }",
            "`unknown` in `vars` is no variable of the root module `environments/dev`",
        ),
        ("vars = { automatic = 1 }", "`automatic` is set twice"),
        (
            "var_files = ['common.tfvars']\nvars = { listed = 1 }",
            "`listed` is set twice",
        ),
        // References
        ("depends_on = ['dev']", "`dev` waits for itself"),
        ("depends_on = ['other']", "there is no environment `other`"),
        (
            "inputs = { known = 'dev.x' }",
            "`dev` takes an input from itself",
        ),
        (
            "inputs = { known = 'nowhere.x' }",
            "there is no environment `nowhere`",
        ),
        (
            "inputs = { known = 'x/y.z' }",
            "there is no environment `x`",
        ),
        (
            "inputs = { known = 'dev' }",
            "`dev` does not name an output",
        ),
        (
            "inputs = { known = 'dev.a.b' }",
            "`a.b` is not the name of an output",
        ),
    ] {
        assert_eq!(of_dev(lines), [expected], "{lines}");
    }
    for right in [
        "vars = { known = 1 }",
        "var_files = ['common.tfvars']",
        "assume_role = { role_arn = 'arn:aws:iam::{account_id}:role/R', duration = '15m' }",
    ] {
        assert_eq!(of_dev(right), Vec::<String>::new(), "{right}");
    }
}

#[test]
fn a_broken_rule_of_the_whole_is_one_problem() {
    let account = "account_id = '111111111111'";
    for (manifest, expected) in [
        (String::new(), "`environments` is missing"),
        ("[environments]".to_owned(), "there are no environments"),
        ("environments = 1".to_owned(), "`environments` must be a table"),
        ("[environments.dev]\na = = 1".to_owned(), "the manifest is not valid TOML"),
        ("[environments.dev]\n[environments.dev]".to_owned(), "the manifest is not valid TOML"),
        (format!("{S3}[environments.-x]\n{account}"), "`-x` cannot be the name of an environment"),
        (format!("[environments.dev]\n{account}"), "no backend is configured for `dev`"),
        (format!("{S3}[environments.dev]"), "`dev` has no `account_id`"),
        (
            "[environments.dev]\nbackend.type = 'local'\nassume_role.role_arn = 'arn:aws:iam::111111111111:role/R'".to_owned(),
            "`dev` has no `account_id`",
        ),
        (format!("[environments.dev]\n{account}\nbackend = {{ type = 's3', bucket = 'abc', key = 'k' }}"), "the S3 backend has no region"),
        (format!("[environments.dev]\n{account}\nbackend = {{ bucket = 'abc', key = 'k' }}"), "the backend has no `type`"),
        (format!("[terraform]\nversion = 'new'\n{S3}[environments.dev]\n{account}"), "`new` is not a version constraint"),
        (format!("[terraform]\nparallelism = 0\n{S3}[environments.dev]\n{account}"), "`parallelism` must be at least 1"),
        (format!("{S3}protected = true\n[environments.dev]\n{account}"), "unknown key `protected`"),
        (format!("{S3}[environments.dev]\n{account}\n[environments.DEV]\n{account}\npath = 'dev'\nbackend.key = 'k'\nbackend.bucket = 'abc'"), "`dev` and `DEV` differ only in upper and lower case"),
        (format!("{S3}[environments.dev]\n{account}\n[environments.two]\n{account}\npath = 'dev'\nbackend.bucket = 'acme-tfstate-dev'"), "`dev` and `two` would have the same state"),
        (
            format!("{S3}[environments.dev]\n{account}\nbackend.type = 'local'\n[environments.two]\n{account}\npath = 'dev'\nbackend.type = 'local'"),
            "`dev` and `two` would have the same state",
        ),
        (format!("{S3}[environments.empty]\n{account}"), "no Terraform configuration in `environments/empty`"),
        (format!("{S3}[environments.dev]\n{account}\n[environments.s]\n{account}\ninputs = {{}}\nstacks.x.path = 'dev'"), "`inputs` of `s` belong into its stacks"),
        (format!("{S3}[environments.s]\n{account}\n[environments.s.stacks.a]\npath = 'dev'\ndepends_on = ['b']"), "`s` has no stack `b`"),
        (format!("{S3}[environments.s]\n{account}\n[environments.s.stacks.a]\npath = 'dev'\n[environments.two]\n{account}\npath = 'dev'\ninputs = {{ v = 's.x' }}"), "`s` has stacks, and outputs belong to one of them"),
        (format!("{S3}[environments.two]\n{account}\npath = 'dev'\ndepends_on = ['dev']\n[environments.dev]\n{account}"), "`two` needs `dev`, which stands below it"),
    ] {
        let repository = Repository::new(&[("dev/main.tf", "variable \"v\" {}"), ("empty/README.md", "")]);
        assert_eq!(repository.summaries(&manifest), [expected], "{manifest}");
    }
}

#[test]
fn the_same_bucket_and_key_in_two_workspaces_are_two_states() {
    let repository = Repository::with_folders(&["dev"]);
    let two = |more: &str| {
        repository.summaries(&format!(
            "{S3}[environments.dev]\naccount_id = '111111111111'\n[environments.two]\n\
             account_id = '111111111111'\npath = 'dev'\nbackend.bucket = 'acme-tfstate-dev'\n{more}"
        ))
    };
    assert_eq!(two("backend.workspace = 'two'"), Vec::<String>::new());
    assert_eq!(two("backend.workspace = 'default'").len(), 1);
    assert_eq!(
        two("backend.options.endpoints = { s3 = 'http://localhost' }"),
        Vec::<String>::new()
    );
}

#[test]
fn a_root_module_that_is_not_valid_hcl_is_left_to_terraform() {
    let repository = Repository::new(&[("dev/main.tf", "resource {{")]);
    let manifest =
        format!("{S3}[environments.dev]\naccount_id = '111111111111'\nvars = {{ a = 1 }}");
    assert_eq!(repository.summaries(&manifest), Vec::<String>::new());
}
