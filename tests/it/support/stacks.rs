//! Environments of several units.

use std::fmt::Write as _;

use super::TestEnvironment;

const NETWORK: &str = r#"terraform {
  backend "local" {}
}

resource "terraform_data" "this" {
  input = "vpc-1"
}

output "vpc_id" {
  value = terraform_data.this.output
}
"#;

const EKS: &str = r#"terraform {
  backend "local" {}
}

variable "vpc_id" {
  type = string
}

resource "terraform_data" "this" {
  input = var.vpc_id
}

output "cluster" {
  value = "cluster in ${terraform_data.this.output}"
}
"#;

/// Keys of the table of `dev` with so many stacks, which share one root module.
pub(crate) fn stacks(count: usize) -> String {
    (1..=count).fold(String::new(), |mut keys, number| {
        let _ = write!(
            keys,
            "\n[environments.dev.stacks.s{number:02}]\npath = \"dev\"\n"
        );
        keys
    })
}

impl TestEnvironment {
    /// `dev` with the stacks `network` and `eks`, which takes an output of the other; without AWS.
    pub(crate) fn network_and_eks() -> Self {
        let test = Self::offline().environment_with(
            "dev",
            "[environments.dev.stacks.network]\n\n[environments.dev.stacks.eks]\ninputs = { vpc_id = \"network.vpc_id\" }\n",
            "",
        );
        test.write("environments/dev/network/main.tf", NETWORK);
        test.write("environments/dev/eks/main.tf", EKS);
        test
    }

    /// Gives the VPC of [`Self::network_and_eks`] another id, in the configuration.
    pub(crate) fn change_network(&self, vpc: &str) {
        let main = NETWORK.replace("vpc-1", vpc);
        self.write("environments/dev/network/main.tf", &main);
    }

    /// `dev` with the stacks `blue` and `green`, which share the root module `app`
    /// and greet with their names.
    pub(crate) fn blue_and_green(self, main: &str) -> Self {
        let stack = |name| {
            format!(
                "[environments.dev.stacks.{name}]\npath = \"../app\"\nvars = {{ greeting = \"{name}\" }}\n"
            )
        };
        let test = self.environment_with("dev", &(stack("blue") + &stack("green")), "");
        test.write("app/main.tf", main);
        test
    }

    /// The local state of a unit: the value of one of its outputs.
    pub(crate) fn local_output(&self, unit: &str, output: &str) -> Option<serde_json::Value> {
        let state = self.local_state(unit)?;
        state["outputs"]
            .get(output)
            .map(|output| output["value"].clone())
    }

    /// The local state of a unit.
    pub(crate) fn local_state(&self, unit: &str) -> Option<serde_json::Value> {
        let file = self.path(&format!("environments/{unit}/terraform.tfstate"));
        let text = std::fs::read_to_string(file).ok()?;
        Some(serde_json::from_str(&text).unwrap())
    }

    /// How many resources the local state of a unit has.
    pub(crate) fn local_resources(&self, unit: &str) -> usize {
        self.local_state(unit)
            .map_or(0, |state| state["resources"].as_array().unwrap().len())
    }
}
