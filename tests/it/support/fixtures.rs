//! Root modules for tests.

/// Built-in resources only, for speed: one resource, an output that tells what the variable was,
/// a sensitive output.
pub(crate) fn builtin() -> String {
    String::from(
        r#"terraform {
  backend "s3" {}
}

variable "greeting" {
  type    = string
  default = "hello"
}

resource "terraform_data" "this" {
  input = var.greeting
}

output "greeting" {
  value = terraform_data.this.output
}

output "secret" {
  value     = "s3cr3t-${terraform_data.this.output}"
  sensitive = true
}
"#,
    )
}

/// As [`builtin`], with an apply that makes the file `started` in the root module and then waits
/// until the file `finish` is there.
pub(crate) fn gated() -> String {
    builtin().replace(
        "  input = var.greeting\n",
        r#"  input = var.greeting

  provisioner "local-exec" {
    command = "touch started; until [ -e finish ]; do sleep 0.05; done"
  }
"#,
    )
}

/// As [`builtin`], with an apply that fails, and leaves nothing.
pub(crate) fn failing() -> String {
    builtin().replace(
        "  input = var.greeting\n",
        r#"  input = var.greeting

  provisioner "local-exec" {
    command = "exit 1"
  }
"#,
    )
}

/// The same with the local backend, for tests that do without AWS.
pub(crate) fn local(main: &str) -> String {
    main.replace("backend \"s3\"", "backend \"local\"")
}

/// The real AWS provider: a VPC, and the account it sees itself in. `endpoint` is the test's
/// proxy.
pub(crate) fn aws(endpoint: &str) -> String {
    format!(
        r#"terraform {{
  required_providers {{
    aws = {{
      source  = "hashicorp/aws"
      version = "3.39.0"
    }}
  }}

  backend "s3" {{}}
}}

provider "aws" {{
  skip_get_ec2_platforms  = true
  skip_metadata_api_check = true
  s3_force_path_style     = true

  endpoints {{
    ec2 = "{endpoint}"
    sts = "{endpoint}"
  }}
}}

data "aws_caller_identity" "current" {{}}

resource "aws_vpc" "this" {{
  cidr_block = "10.0.0.0/16"
}}

output "account_id" {{
  value = data.aws_caller_identity.current.account_id
}}

output "vpc_id" {{
  value = aws_vpc.this.id
}}
"#
    )
}
