//! The `provider` blocks of a module: as whom they work, as far as it is written out.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Location;

/// Arguments of the AWS providers that say as whom they work, or in which accounts alone.
pub(super) const ARGUMENTS: [&str; 9] = [
    "profile",
    "access_key",
    "secret_key",
    "token",
    "shared_credentials_file",
    "shared_credentials_files",
    "shared_config_files",
    "allowed_account_ids",
    "forbidden_account_ids",
];

/// Blocks of theirs that name a role.
pub(super) const ROLES: [&str; 2] = ["assume_role", "assume_role_with_web_identity"];

/// What stands at a place.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    /// Where.
    pub location: Location,
    /// The value; `None`: it is not literal, so that only Terraform knows it.
    pub literal: Option<Value>,
}

/// A role that a provider assumes.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderRole {
    /// Where its block begins.
    pub location: Location,
    /// What stands in it: `role_arn`, `external_id`, `session_name` … `None`: it is not literal, or
    /// made by a `dynamic` block.
    pub arguments: Option<BTreeMap<String, Argument>>,
}

/// A `provider` block.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderBlock {
    /// Its local name: `aws`.
    pub name: String,
    /// `None`: it is the default one of its name.
    pub alias: Option<String>,
    /// Where the block begins.
    pub location: Location,
    /// The arguments that say as whom it works, by name.
    pub arguments: BTreeMap<String, Argument>,
    /// `assume_role`, in order; later ones are assumed with the earlier ones.
    pub assume_role: Vec<ProviderRole>,
    /// `assume_role_with_web_identity`.
    pub web_identity: Vec<ProviderRole>,
    /// Whether nothing but an alias stands in it: in a module, such a block only says that the
    /// caller passes the provider.
    pub is_proxy: bool,
}

impl ProviderBlock {
    /// A block in which nothing stands.
    pub(super) fn empty(name: &str, location: Location) -> Self {
        Self {
            name: name.to_owned(),
            alias: None,
            location,
            arguments: BTreeMap::new(),
            assume_role: Vec::new(),
            web_identity: Vec::new(),
            is_proxy: true,
        }
    }

    /// `aws`, or `aws.east`.
    pub fn address(&self) -> String {
        match &self.alias {
            Some(alias) => format!("{}.{alias}", self.name),
            None => self.name.clone(),
        }
    }

    /// The roles of one of [`ROLES`].
    pub(super) fn roles(&mut self, kind: &str) -> &mut Vec<ProviderRole> {
        match kind {
            "assume_role" => &mut self.assume_role,
            _ => &mut self.web_identity,
        }
    }

    /// Takes what an override file says of the same provider: arguments replace those of their
    /// name, and blocks all those of their type
    /// (<https://developer.hashicorp.com/terraform/language/files/override>).
    pub(super) fn overridden_by(&mut self, other: Self) {
        self.arguments.extend(other.arguments);
        for (own, new) in [
            (&mut self.assume_role, other.assume_role),
            (&mut self.web_identity, other.web_identity),
        ] {
            if !new.is_empty() {
                *own = new;
            }
        }
        self.is_proxy &= other.is_proxy;
    }
}

impl Argument {
    /// Its text, where it is literal and not empty.
    pub fn text(&self) -> Option<&str> {
        self.literal
            .as_ref()?
            .as_str()
            .filter(|text| !text.is_empty())
    }

    /// Its texts, where it is a literal list of them.
    pub fn texts(&self) -> Option<Vec<&str>> {
        self.literal
            .as_ref()?
            .as_array()?
            .iter()
            .map(Value::as_str)
            .collect()
    }

    /// Whether it is as if it were not there: `null`, `""` or `[]`.
    pub fn is_nothing(&self) -> bool {
        match &self.literal {
            Some(Value::Null) => true,
            Some(Value::String(text)) => text.is_empty(),
            Some(Value::Array(items)) => items.is_empty(),
            Some(_) | None => false,
        }
    }
}

/// Whether a local name is that of a provider of AWS: `aws` and `awscc` whatever they are, and any
/// whose required `source`, in canonical text, ends with one of the two.
pub(super) fn is_of_aws(name: &str, required: Option<&str>) -> bool {
    let of_aws = ["aws", "awscc"];
    of_aws.contains(&name)
        || required.is_some_and(|text| {
            of_aws
                .iter()
                .any(|kind| text.contains(&format!("/{kind}\"")))
        })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::super::RootModule;
    use super::*;

    fn read(files: &[(&str, &str)]) -> RootModule {
        let texts = files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        RootModule::from_texts(Path::new("/r"), &texts).expect("readable")
    }

    /// One line for each argument and role: where it stands and what it says.
    fn told(module: &RootModule) -> Vec<String> {
        let mut told = Vec::new();
        for block in module.aws_providers() {
            let line = block.location.line;
            told.push(format!("{} {line}", block.address()));
            let mut tell = |name: &str, argument: &Argument| {
                let text = argument.literal.as_ref().map(Value::to_string);
                told.push(format!(
                    "  {name} {} {}",
                    argument.location.line,
                    text.as_deref().unwrap_or("?")
                ));
            };
            for (name, argument) in &block.arguments {
                tell(name, argument);
            }
            for (kind, roles) in [("role", &block.assume_role), ("web", &block.web_identity)] {
                for role in roles {
                    let Some(arguments) = &role.arguments else {
                        let location = role.location.clone();
                        let literal = None;
                        tell(kind, &Argument { location, literal });
                        continue;
                    };
                    for (name, argument) in arguments {
                        tell(&format!("{kind}.{name}"), argument);
                    }
                }
            }
        }
        told
    }

    const HCL: &str = r#"provider "aws" {
  region  = "eu-central-1"
  profile = "ops"

  assume_role {
    role_arn    = "arn:aws:iam::111111111111:role/Hub"
    external_id = var.id
  }
  assume_role {
    role_arn = "arn:aws:iam::${var.account}:role/Deploy"
  }
}

provider "aws" {
  alias               = "east"
  allowed_account_ids = ["111111111111"]
  access_key          = local.key

  dynamic "assume_role" {
    for_each = []
    content {}
  }
}

provider "awscc" {
  assume_role = {
    role_arn = "arn:aws:iam::111111111111:role/C"
  }
}

provider "random" {
  profile = "none of AWS"
}
"#;

    #[test]
    fn blocks_tell_as_whom_they_work_and_where_they_say_it() {
        assert_eq!(
            told(&read(&[("main.tf", HCL)])),
            [
                "aws 1",
                "  profile 3 \"ops\"",
                "  role.external_id 7 ?",
                "  role.role_arn 6 \"arn:aws:iam::111111111111:role/Hub\"",
                "  role.role_arn 10 ?",
                "aws.east 14",
                "  access_key 17 ?",
                "  allowed_account_ids 16 [\"111111111111\"]",
                "  role 19 ?",
                "awscc 25",
                "  role.role_arn 26 \"arn:aws:iam::111111111111:role/C\"",
            ]
        );
    }

    #[test]
    fn json_says_the_same() {
        let text = r#"{
  "provider": {
    "aws": [
      {
        "region": "eu-central-1",
        "profile": "${var.profile}",
        "assume_role": {"role_arn": "arn:aws:iam::111111111111:role/Deploy"}
      },
      {
        "alias": "east",
        "assume_role": [
          {"role_arn": "arn:aws:iam::${var.account}:role/Hub"},
          {"role_arn": "arn:aws:iam::111111111111:role/Deploy"}
        ]
      }
    ],
    "//": "a comment"
  }
}"#;
        assert_eq!(
            told(&read(&[("main.tf.json", text)])),
            [
                "aws 3",
                "  profile 6 ?",
                "  role.role_arn 7 \"arn:aws:iam::111111111111:role/Deploy\"",
                "aws.east 3",
                "  role.role_arn 11 ?",
                "  role.role_arn 11 \"arn:aws:iam::111111111111:role/Deploy\"",
            ]
        );
    }

    #[test]
    fn an_override_file_wins_over_the_block_of_the_same_alias() {
        let module = read(&[
            (
                "override.tf",
                "provider \"aws\" {\n  profile = \"new\"\n  assume_role {\n    role_arn = \"r\"\n  }\n}\n",
            ),
            ("providers.tf", HCL),
        ]);
        let block = &module.providers[0];
        assert_eq!(block.location.file, Path::new("/r/providers.tf"));
        assert_eq!(block.arguments["profile"].literal, Some(json!("new")));
        assert_eq!(block.arguments["profile"].location.line, 2);
        assert_eq!(
            block.assume_role.len(),
            1,
            "blocks are replaced, all of them"
        );
        assert_eq!(module.providers[1].assume_role.len(), 1, "of another alias");
    }

    #[test]
    fn a_provider_of_aws_may_have_another_name() {
        let module = read(&[(
            "main.tf",
            "terraform {\n  required_providers {\n    amazon = {\n      source = \"hashicorp/aws\"\n    }\n    tls = { source = \"hashicorp/tls\" }\n  }\n}\n\
             provider \"amazon\" {\n  profile = \"ops\"\n}\nprovider \"tls\" {}\n",
        )]);
        assert_eq!(told(&module), ["amazon 9", "  profile 10 \"ops\""]);
    }

    #[test]
    fn a_block_of_an_alias_alone_is_a_proxy() {
        let module = read(&[(
            "main.tf",
            "provider \"aws\" {\n  alias = \"east\"\n}\nprovider \"aws\" {\n  region = \"r\"\n}\n",
        )]);
        assert!(module.providers[0].is_proxy && !module.providers[1].is_proxy);
    }
}
