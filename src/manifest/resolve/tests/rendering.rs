//! Problems as people see them.

use super::S3;
use crate::manifest::testing::Repository;

#[test]
fn everything_wrong_is_told_at_once() {
    let repository = Repository::with_folders(&["staging"]);
    repository.file(
        "dev/main.tf",
        "variable \"owner\" {}\n\nvariable \"size\" {}\n",
    );
    repository.file("dev/terraform.tfvars", "# by hand\nsize = 2\n");
    let text = repository.problems(
        r#"[terraform]
parallelism = 0

[defaults]
regionn = "eu-central-1"
vars = { owners = "platform" }

[defaults.backend]
type = "s3"
bucket = "acme-{envronment}"
key = "{stack}/terraform.tfstate"
kms_key = "alias/state"

[environments.dev]
account_id = 111111111111
vars = { size = 3 }
depends_on = ["staging"]

[environments.staging]
path = "stagin"
account_id = "222222222222"
depends_on = ["dev", "prod"]
"#,
    );
    insta::assert_snapshot!(text, @r#"
    error: `parallelism` must be at least 1
     --> environments/tfw.toml:2:15
      |
    2 | parallelism = 0
      |               ^

    error: unknown key `regionn`
     --> environments/tfw.toml:5:1
      |
    5 | regionn = "eu-central-1"
      | ^^^^^^^ did you mean `region`?

    error: `owners` in `vars` is no variable of the root module `environments/dev`
     --> environments/tfw.toml:6:10
      |
    6 | vars = { owners = "platform" }
      |          ^^^^^^ did you mean `owner`?
      |
     ::: environments/dev/main.tf:1:1
      |
    1 | variable "owner" {}
      | ------------------- this one is declared

    error: unknown placeholder `{envronment}`
      --> environments/tfw.toml:10:16
       |
    10 | bucket = "acme-{envronment}"
       |                ^^^^^^^^^^^^ did you mean `{environment}`?
       |
       = note: the same in `staging`

    error: unknown key `kms_key`
      --> environments/tfw.toml:12:1
       |
    12 | kms_key = "alias/state"
       | ^^^^^^^
       |
       = hint: `kms_key` belongs in `[defaults.bucket]`

    error: `account_id` must be a string
      --> environments/tfw.toml:15:14
       |
    15 | account_id = 111111111111
       |              ^^^^^^^^^^^^ found an integer
       |
       = hint: put it in quotes: "111111111111"

    error: `size` is set twice
      --> environments/tfw.toml:16:10
       |
    16 | vars = { size = 3 }
       |          ^^^^ here in `vars`
       |
      ::: environments/dev/terraform.tfvars:2:1
       |
     2 | size = 2
       | -------- and here
       |
       = note: Terraform would let `environments/dev/terraform.tfvars` win
       = hint: keep one of the two

    error: dependencies go in a circle: `dev` → `staging` → `dev`
      --> environments/tfw.toml:17:15
       |
    17 | depends_on = ["staging"]
       |               ^^^^^^^^^ `dev` waits for `staging`
    ...
    22 | depends_on = ["dev", "prod"]
       |               ----- `staging` waits for `dev`

    error: there is no folder `environments/stagin`
      --> environments/tfw.toml:20:8
       |
    20 | path = "stagin"
       |        ^^^^^^^^ did you mean `staging`?

    error: there is no environment `prod`
      --> environments/tfw.toml:22:22
       |
    22 | depends_on = ["dev", "prod"]
       |                      ^^^^^^

    10 problems in environments/tfw.toml
    "#);
}

#[test]
fn two_places_are_both_shown() {
    let repository = Repository::with_folders(&["dev", "prod/network", "prod/eks"]);
    let text = repository.problems(&format!(
        "{S3}
[defaults.bucket]
encryption = 'aws:kms'
kms_key = 'alias/two'

[environments.dev]
account_id = '111111111111'
assume_role.role_arn = 'arn:aws:iam::333333333333:role/R'
backend.kms_key_id = 'alias/one'

[environments.prod]
account_id = '222222222222'
backend.key = 'x'
[environments.prod.stacks.network]
depends_on = ['eks']
[environments.prod.stacks.eks]
depends_on = ['network']
"
    ));
    insta::assert_snapshot!(text, @r#"
    error: `dev` would assume a role of another account
      --> environments/tfw.toml:15:24
       |
    14 | account_id = '111111111111'
       |              -------------- this is the environment's account
    15 | assume_role.role_arn = 'arn:aws:iam::333333333333:role/R'
       |                        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ this role is in 333333333333
       |
       = hint: write `{account_id}` in the role's ARN, or correct `account_id`

    error: the backend and the bucket name two different KMS keys
      --> environments/tfw.toml:16:22
       |
    11 | kms_key = 'alias/two'
       |           ----------- this is arn:aws:kms:eu-central-1:111111111111:alias/two
    ...
    16 | backend.kms_key_id = 'alias/one'
       |                      ^^^^^^^^^^^ this is arn:aws:kms:eu-central-1:111111111111:alias/one
       |
       = hint: take `backend.kms_key_id` out: it defaults to `bucket.kms_key`

    error: dependencies go in a circle: `prod/network` → `prod/eks` → `prod/network`
      --> environments/tfw.toml:22:15
       |
    22 | depends_on = ['eks']
       |               ^^^^^ `prod/network` waits for `prod/eks`
    23 | [environments.prod.stacks.eks]
    24 | depends_on = ['network']
       |               --------- `prod/eks` waits for `prod/network`

    error: `prod/network` and `prod/eks` would have the same state
      --> environments/tfw.toml:23:27
       |
    20 | backend.key = 'x'
       |               --- this gives both the same key
    21 | [environments.prod.stacks.network]
       |                           ------- so does this one
    22 | depends_on = ['eks']
    23 | [environments.prod.stacks.eks]
       |                           ^^^ its state is s3://acme-tfstate-prod/x
       |
       = hint: put `{environment}` or `{stack}/` into `backend.key` or `backend.bucket`

    4 problems in environments/tfw.toml
    "#);
}

#[test]
fn what_is_missing_is_written_out() {
    let repository = Repository::with_folders(&["dev", "prod"]);
    let text = repository
        .problems("[project]\nname = 'shop'\n\n[environments.dev]\n[environments.prod]\n");
    insta::assert_snapshot!(text, @r#"
    error: no backend is configured for `dev`
     --> environments/tfw.toml:4:15
      |
    4 | [environments.dev]
      |               ^^^
      |
      = note: the same in `prod`
      = hint: say where state lives:

              [defaults.backend]
              type = "s3"
              bucket = "shop-tfstate-{environment}"
              key = "{stack}/terraform.tfstate"
              region = "eu-central-1"

    1 problem in environments/tfw.toml
    "#);
}

#[test]
fn a_syntax_error_stops_at_once() {
    let text = Repository::new(&[]).problems("[project]\nname = \"acme\n\n[oops\n");
    insta::assert_snapshot!(text, @r#"
    error: the manifest is not valid TOML
     --> environments/tfw.toml:2:13
      |
    2 | name = "acme
      |             ^ invalid basic string, expected `"`

    1 problem in environments/tfw.toml
    "#);
}

#[test]
fn a_manifest_that_cannot_be_read_is_a_problem_too() {
    let repository = Repository::new(&[("tfw.toml/x", "")]);
    let path = repository.root().join("tfw.toml");
    let problems = crate::manifest::load(&path, |_| Ok(())).expect_err("a folder");
    let text = problems.render(false, 100);
    assert!(
        text.starts_with("error: cannot read the manifest `"),
        "{text}"
    );
    assert_eq!(
        problems.to_diagnostics(&repository.root())[0]
            .file
            .as_deref(),
        Some("tfw.toml")
    );
}

#[test]
fn no_text_is_too_broken_to_be_shown() {
    let repository = Repository::new(&[]);
    for text in [
        "",
        "[",
        "a",
        "a =",
        "é = \"",
        "a = \"\"\"\n",
        "\u{feff}[x",
        "a = 1\r\n[b\r\n",
        "\0",
        "[environments.\"ä ö\"]\n",
        "[[environments]]",
        "environments = [1, {}]",
        "[environments.a]\nvars = { x = 99999999999999999999 }",
        "environments.a.stacks = 1",
    ] {
        let shown = repository.problems(text);
        assert!(
            shown.contains("in environments/tfw.toml"),
            "{text:?}: {shown}"
        );
        let problems = repository.load(text).expect_err("broken");
        assert!(problems.count() > 0);
        assert!(!problems.render(true, 20).is_empty());
    }
}
