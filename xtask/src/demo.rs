//! `cargo xtask demo`: the example of this repository, planned and applied by tfw on an emulator.
//!
//! The example stays as it is, for real accounts. A copy of it gets what only the emulator needs:
//! an override file in each root module (endpoints, the pinned provider) and path-style addresses
//! for the backend.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::emulator::{Emulator, Kind};
use crate::provider::{self, VERSION};
use crate::tools::Tools;
use crate::{cargo, repository, scratch};

/// The services that the example uses.
const SERVICES: [&str; 5] = ["ec2", "ecr", "eks", "iam", "sts"];

/// Asks AWS, as another client than Terraform, what exists in which account.
const CHECK: &str = include_str!("demo_check.py");

/// Plans, applies and plans again, then looks at what exists.
pub(crate) fn run() -> Result<()> {
    let tools = Tools::locate()?;
    let terraform = Tools::terraform()?;
    let packages = tools.emulators()?;
    let mirrors = provider::mirrors(&tools, &terraform)?;
    let tfw = build()?;

    let folder = scratch("demo")?;
    let moto = Emulator::start(Kind::MotoWithManagedPolicies, &packages, &folder)?;
    let example = copy_example(&folder, moto.url())?;
    let configuration = folder.join("terraform.rc");
    fs::write(&configuration, provider::cli_configuration(&mirrors.packed))?;
    println!(
        "The example is copied to {}; AWS is moto at {}.",
        example.display(),
        moto.url()
    );

    let demo = Demo {
        tfw,
        example,
        variables: vec![
            ("AWS_ENDPOINT_URL", moto.url().into()),
            ("AWS_ACCESS_KEY_ID", "demo".into()),
            ("AWS_SECRET_ACCESS_KEY", "demo".into()),
            ("TF_CLI_CONFIG_FILE", configuration),
            ("TFW_TERRAFORM", terraform),
        ],
    };
    // What `--yes` agrees to: the two buckets. Each of the other flags is a consent of its own,
    // see the README; prod is protected and new.
    demo.tfw("plan --all --yes --approve prod")?;
    demo.tfw("apply --all --auto-approve --approve prod --new-state prod")?;
    println!("\nThe same plan again, which must find nothing left to change:");
    demo.tfw("plan --all --detailed-exitcode")?;

    println!("\nWhat another client (boto3) finds:");
    let found = packages
        .python()
        .args(["-c", CHECK, moto.url()])
        .status()
        .context("cannot run the check")?;
    ensure!(
        found.success(),
        "the accounts do not hold what the example says"
    );
    Ok(())
}

struct Demo {
    tfw: PathBuf,
    example: PathBuf,
    variables: Vec<(&'static str, PathBuf)>,
}

impl Demo {
    /// Runs one tfw command in the example, as a person would type it. Anything but exit code 0
    /// ends the demo.
    fn tfw(&self, line: &str) -> Result<()> {
        println!("\n$ tfw {line}");
        let mut tfw = Command::new(&self.tfw);
        tfw.args(line.split(' ')).current_dir(&self.example);
        // Nothing of the person's own AWS and Terraform set-up may reach the emulator.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["AWS_", "TF_", "TFW_"]
                .iter()
                .any(|prefix| text.starts_with(prefix))
            {
                tfw.env_remove(name);
            }
        }
        let none = self.example.join("no-such-file");
        let status = tfw
            .env("AWS_CONFIG_FILE", &none)
            .env("AWS_SHARED_CREDENTIALS_FILE", &none)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .status()
            .context("cannot run tfw")?;
        match status.code() {
            Some(0) => Ok(()),
            Some(2) => bail!("`tfw {line}` found changes where none were left to make"),
            _ => bail!("`tfw {line}` ended with {status}"),
        }
    }
}

fn build() -> Result<PathBuf> {
    let status = cargo()
        .args(["build", "--package", "tfw", "--bin", "tfw"])
        .current_dir(repository()?)
        .status()
        .context("cannot run `cargo`")?;
    ensure!(status.success(), "the build failed");
    // Both programs are in the same target folder.
    let program = std::env::current_exe().context("cannot find this program")?;
    Ok(program.with_file_name("tfw"))
}

/// A fresh copy of the example, made fit for the emulator.
fn copy_example(folder: &Path, endpoint: &str) -> Result<PathBuf> {
    let repository = repository()?;
    let example = folder.join("example");
    if example.exists() {
        fs::remove_dir_all(&example)
            .with_context(|| format!("cannot remove `{}`", example.display()))?;
    }
    for part in ["environments", "tf-modules"] {
        copy_folder(&repository.join(part), &example.join(part))?;
    }
    let environments = example.join("environments");
    for entry in fs::read_dir(&environments)? {
        let root_module = entry?.path();
        if root_module.is_dir() {
            fs::write(
                root_module.join("emulator_override.tf"),
                provider_override(endpoint),
            )?;
        }
    }
    let manifest = environments.join("tfw.toml");
    let patched = with_path_style(&fs::read_to_string(&manifest)?)?;
    fs::write(manifest, patched)?;
    Ok(example)
}

/// Copies what a checkout would hold: no hidden files, so no `.terraform` and no `.tfw`.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read `{}`", from.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &to.join(name))?;
        } else {
            fs::copy(entry.path(), to.join(name))?;
        }
    }
    Ok(())
}

/// Terraform merges an `_override.tf` file into the blocks of the same name.
fn provider_override(endpoint: &str) -> String {
    let endpoints = SERVICES.map(|service| format!("    {service} = \"{endpoint}\"\n"));
    let endpoints = endpoints.concat();
    format!(
        r#"terraform {{
  required_providers {{
    aws = {{
      source  = "hashicorp/aws"
      version = "{VERSION}"
    }}
  }}
}}

provider "aws" {{
  skip_get_ec2_platforms  = true
  skip_metadata_api_check = true
  s3_force_path_style     = true

  endpoints {{
{endpoints}  }}
}}
"#
    )
}

/// The emulator has no host name of its own for each bucket.
fn with_path_style(manifest: &str) -> Result<String> {
    let table = "[defaults.backend]\n";
    ensure!(
        manifest.contains(table),
        "the example's manifest has no `[defaults.backend]`"
    );
    Ok(manifest.replacen(table, &format!("{table}use_path_style = true\n"), 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_is_the_example_plus_what_the_emulator_needs() {
        let folder = tempfile::tempdir().unwrap();
        let example = copy_example(folder.path(), "http://127.0.0.1:1").unwrap();

        for environment in ["dev", "prod"] {
            let root_module = example.join("environments").join(environment);
            let text = fs::read_to_string(root_module.join("emulator_override.tf")).unwrap();
            assert!(text.contains("eks = \"http://127.0.0.1:1\""), "{text}");
            assert!(root_module.join("main.tf").is_file());
        }
        let manifest = fs::read_to_string(example.join("environments/tfw.toml")).unwrap();
        assert!(manifest.contains("[defaults.backend]\nuse_path_style = true\n"));
        assert!(example.join("tf-modules/eks/main.tf").is_file());
    }

    #[test]
    fn nothing_of_an_emulator_is_in_the_example() {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("environments");
        copy_folder(&repository().unwrap().join("environments"), &copy).unwrap();
        for file in ["tfw.toml", "dev/terraform.tf", "prod/terraform.tf"] {
            let text = fs::read_to_string(copy.join(file)).unwrap();
            for word in ["skip_", "endpoint", "path_style", "127.0.0.1", "localhost"] {
                assert!(!text.contains(word), "`{word}` in {file}");
            }
        }
    }
}
