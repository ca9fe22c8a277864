//! The environments that plans are measured on, and the scripts of somebody who plans them by
//! hand.
//!
//! Both sides work in the same folders, on the same state, with the same lock files, plugin
//! packages, endpoints and roles. By hand the roles have been assumed before the clock starts;
//! tfw assumes them, and looks at the buckets, within the measured time.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Bench;
use super::measure::{Job, Sample};
use crate::emulator::{Emulator, Kind};
use crate::provider;
use crate::tools::captured;

const REGION: &str = "eu-central-1";
/// Assumes roles for the hand-typed side.
const CREDENTIALS: &str = include_str!("credentials.py");

/// What the root modules hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fixture {
    /// Ten `terraform_data`, local state, no provider binary: what tfw adds weighs most here.
    Builtin,
    /// Some network of the AWS provider, state in S3, an account and a bucket for each
    /// environment; all of AWS is moto.
    Aws,
}

/// Whether the plans find anything to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Changes {
    None,
    Some,
}

/// Whether the hand-typed `init`s share their providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cache {
    Shared,
    None,
}

/// Environments that have been applied once.
pub(super) struct Fleet<'a> {
    bench: &'a Bench,
    fixture: Fixture,
    folder: tempfile::TempDir,
    env: Vec<(OsString, OsString)>,
    names: Vec<String>,
    _moto: Option<Emulator>,
}

impl<'a> Fleet<'a> {
    /// Makes the environments and applies them, so that a plan finds nothing to change.
    pub(super) fn new(bench: &'a Bench, fixture: Fixture, units: usize) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tfw-bench-").tempdir()?;
        let moto = match fixture {
            Fixture::Builtin => None,
            Fixture::Aws => Some(Emulator::start(Kind::Moto, &bench.packages, folder.path())?),
        };
        let endpoint = moto.as_ref().map(|moto| moto.url().to_owned());
        let fleet = Self {
            bench,
            fixture,
            env: environment(bench, folder.path(), endpoint.as_deref()),
            folder,
            names: (1..=units).map(|unit| format!("e{unit:03}")).collect(),
            _moto: moto,
        };
        fleet.write(endpoint.as_deref().unwrap_or_default())?;
        if let Some(endpoint) = &endpoint {
            fleet.assume_roles(endpoint)?;
        }
        fleet
            .tfw(["apply", "--all", "--yes", "--auto-approve"])
            .run(fleet.folder.path())?;
        Ok(fleet)
    }

    /// How many environments there are.
    pub(super) fn units(&self) -> usize {
        self.names.len()
    }

    /// `tfw plan --all`.
    pub(super) fn plan_by_tfw(&self, changes: Changes) -> Result<Sample> {
        changes
            .told_to(self.tfw(["plan", "--all", "--detailed-exitcode"]))
            .expecting(changes.exit_code())
            .run(self.folder.path())
    }

    /// A bare `terraform plan` in each folder, `at_once` of them.
    pub(super) fn plan_by_hand(&self, at_once: usize, changes: Changes) -> Result<Sample> {
        self.tidy()?;
        changes
            .told_to(self.by_hand("plan.sh", at_once))
            .run(self.folder.path())
    }

    /// A bare `terraform init` and `terraform plan` in each folder, one after the other.
    pub(super) fn init_and_plan_by_hand(&self, cache: Cache) -> Result<Sample> {
        self.tidy()?;
        let mut job = Changes::None.told_to(self.by_hand("init-plan.sh", 1));
        if cache == Cache::Shared {
            job = job.env("TF_PLUGIN_CACHE_DIR", self.plugin_cache());
        }
        job.run(self.folder.path())
    }

    /// Removes the plans and logs of the last hand-typed run, as tfw removes its own plans: ext4
    /// takes to the disk at once what is written over a file, and the hand-typed side would wait.
    fn tidy(&self) -> Result<()> {
        for name in &self.names {
            let root_module = self.folder.path().join("environments").join(name);
            for file in ["by-hand.tfplan", "by-hand.log"] {
                let file = root_module.join(file);
                if file.exists() {
                    fs::remove_file(file)?;
                }
            }
        }
        Ok(())
    }

    /// Removes what an init leaves, the plugin cache, and all that tfw keeps. What was written so
    /// far goes to the disk now, and not while the next command runs.
    pub(super) fn forget(&self) -> Result<()> {
        let environments = self.folder.path().join("environments");
        let data = self
            .names
            .iter()
            .map(|name| environments.join(name).join(".terraform"));
        for folder in data.chain([environments.join(".tfw"), self.plugin_cache()]) {
            if folder.exists() {
                fs::remove_dir_all(&folder)
                    .with_context(|| format!("cannot remove `{}`", folder.display()))?;
            }
        }
        fs::create_dir(self.plugin_cache())?;
        captured(&mut Command::new("sync"))?;
        Ok(())
    }

    fn plugin_cache(&self) -> PathBuf {
        self.folder.path().join("plugin-cache")
    }

    fn tfw<const N: usize>(&self, args: [&str; N]) -> Job {
        let environments = self.folder.path().join("environments");
        Job::new(&self.bench.tfw, &environments, &self.env).args(args)
    }

    fn by_hand(&self, script: &str, at_once: usize) -> Job {
        let folder = self.folder.path();
        Job::new(Path::new("xargs"), folder, &self.env)
            .args(["-n", "1", "-P", &at_once.to_string(), "sh", script])
            .stdin(folder.join("units"))
    }

    fn write(&self, endpoint: &str) -> Result<()> {
        let folder = self.folder.path();
        for part in ["home", "credentials", "backends", "plugin-cache"] {
            fs::create_dir(folder.join(part))?;
        }
        let mut manifest = self.fixture.defaults(self.bench.parallelism);
        for (name, account) in self.names.iter().zip(accounts()) {
            // Free of each other, for the apply that comes first; plans do not care.
            let _ = writeln!(manifest, "\n[environments.{name}]\ndepends_on = []");
            if self.fixture == Fixture::Aws {
                let _ = writeln!(manifest, "account_id = \"{account}\"");
            }
            let root_module = folder.join("environments").join(name);
            fs::create_dir_all(&root_module)?;
            fs::write(root_module.join("main.tf"), self.fixture.module(endpoint))?;
            fs::write(folder.join("credentials").join(name), "")?;
            let backend = self.fixture.backend(name);
            fs::write(folder.join("backends").join(name), backend)?;
        }
        fs::write(folder.join("environments/tfw.toml"), manifest)?;
        fs::write(folder.join("units"), self.names.join("\n") + "\n")?;
        let configuration = provider::cli_configuration(&self.bench.mirrors.packed);
        fs::write(folder.join("terraform.rc"), configuration)?;
        let terraform = self.bench.terraform.display();
        fs::write(folder.join("plan.sh"), plan_script(&terraform, ""))?;
        let init = format!(
            "'{terraform}' init -input=false -no-color \"-backend-config=../../backends/$1\" >by-hand.log 2>&1 || failed\n"
        );
        fs::write(folder.join("init-plan.sh"), plan_script(&terraform, &init))?;
        Ok(())
    }

    fn assume_roles(&self, endpoint: &str) -> Result<()> {
        let pairs = self.names.iter().zip(accounts());
        captured(
            self.bench
                .packages
                .python()
                .args(["-c", CREDENTIALS, endpoint])
                .arg(self.folder.path().join("credentials"))
                .arg(REGION)
                .args(pairs.map(|(name, account)| format!("{name}={account}"))),
        )
        .context("cannot assume the roles by hand")?;
        Ok(())
    }
}

impl Changes {
    fn exit_code(self) -> i32 {
        match self {
            Self::None => 0,
            Self::Some => 2,
        }
    }

    /// Tells the root modules what to want, and the scripts what to expect.
    fn told_to(self, job: Job) -> Job {
        let word = match self {
            Self::None => "hello",
            Self::Some => "other",
        };
        job.env("TF_VAR_greeting", word)
            .env("BENCH_EXPECTED", self.exit_code().to_string())
    }
}

impl Fixture {
    fn defaults(self, parallelism: usize) -> String {
        let mut text = format!(
            "[project]\nname = \"bench\"\n\n[terraform]\nparallelism = {parallelism}\n\n[defaults]\nregion = \"{REGION}\"\n\n"
        );
        text.push_str(match self {
            Self::Builtin => "[defaults.backend]\ntype = \"local\"\n",
            Self::Aws => {
                r#"[defaults.backend]
type = "s3"
bucket = "bench-{environment}"
key = "terraform.tfstate"
use_path_style = true

[defaults.assume_role]
role_arn = "arn:aws:iam::{account_id}:role/bench"
"#
            }
        });
        text
    }

    /// The file for the `-backend-config` of a hand-typed init: what tfw passes, too.
    fn backend(self, name: &str) -> String {
        match self {
            Self::Builtin => String::new(),
            Self::Aws => format!(
                "bucket         = \"bench-{name}\"\nkey            = \"terraform.tfstate\"\nregion         = \"{REGION}\"\nencrypt        = true\nuse_lockfile   = true\nuse_path_style = true\n"
            ),
        }
    }

    fn module(self, endpoint: &str) -> String {
        match self {
            Self::Builtin => include_str!("builtin.tf").to_owned(),
            Self::Aws => include_str!("aws.tf")
                .replace("VERSION", provider::VERSION)
                .replace("ENDPOINT", endpoint),
        }
    }
}

/// Account numbers, one for each environment.
fn accounts() -> impl Iterator<Item = String> {
    (1_u64..).map(|number| format!("{:012}", 100_000_000_000 + number))
}

/// What both sides see of the machine: nothing of the set-up of whoever runs this.
fn environment(bench: &Bench, folder: &Path, endpoint: Option<&str>) -> Vec<(OsString, OsString)> {
    let none = folder.join("no-such-file");
    let mut env: Vec<(OsString, OsString)> = vec![
        ("HOME".into(), folder.join("home").into()),
        ("TMPDIR".into(), folder.into()),
        (
            "TF_CLI_CONFIG_FILE".into(),
            folder.join("terraform.rc").into(),
        ),
        ("TFW_TERRAFORM".into(), bench.terraform.clone().into()),
        ("AWS_REGION".into(), REGION.into()),
        ("AWS_EC2_METADATA_DISABLED".into(), "true".into()),
        ("AWS_CONFIG_FILE".into(), none.clone().into()),
        ("AWS_SHARED_CREDENTIALS_FILE".into(), none.into()),
    ];
    if let Some(path) = std::env::var_os("PATH") {
        env.push(("PATH".into(), path));
    }
    if let Some(endpoint) = endpoint {
        env.push(("AWS_ENDPOINT_URL".into(), endpoint.into()));
        // tfw's base credentials; by hand, those of the roles take their place.
        env.push(("AWS_ACCESS_KEY_ID".into(), "bench".into()));
        env.push(("AWS_SECRET_ACCESS_KEY".into(), "bench".into()));
    }
    env
}

/// One environment by hand. 255 makes xargs stop and fail, so that no failed plan counts as a
/// fast one.
fn plan_script(terraform: &std::path::Display<'_>, before: &str) -> String {
    format!(
        r#"failed() {{ cat by-hand.log >&2; exit 255; }}
. "credentials/$1"
cd "environments/$1" || exit 255
{before}'{terraform}' plan -input=false -no-color -detailed-exitcode -lock-timeout=0s -out=by-hand.tfplan >by-hand.log 2>&1
[ $? -eq "$BENCH_EXPECTED" ] || failed
"#
    )
}

/// Whether the tools of the hand-typed side are there.
pub(super) fn require_tools() -> Result<()> {
    for tool in ["xargs", "sh", "sync"] {
        ensure!(
            which::which(tool).is_ok(),
            "`{tool}` was not found: install it"
        );
    }
    Ok(())
}
