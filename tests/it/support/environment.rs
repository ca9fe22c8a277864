//! A repository that tfw serves, with everything around it.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::command::TestCommand;
use super::{Proxy, fixtures, from_xtask, terraform};

/// The region of everything in a test.
pub(crate) const REGION: &str = "eu-central-1";

/// A repository with a manifest and root modules, the accounts they belong to, a home folder, and
/// a proxy in front of AWS.
pub(crate) struct TestEnvironment {
    name: String,
    started: Instant,
    folder: tempfile::TempDir,
    /// In the names of buckets, which all accounts share.
    unique: String,
    /// The first nine digits of the test's account numbers.
    accounts: u32,
    environments: Vec<String>,
    defaults: String,
    emulator: Option<String>,
    /// The server that S3's requests go to, where it is another one.
    s3: Option<String>,
    proxy: Option<Proxy>,
}

impl TestEnvironment {
    /// On moto, which has STS with several accounts and S3 with locks and versions. It does not
    /// keep one account from another's buckets.
    pub(crate) fn new() -> Self {
        Self::on(Some(from_xtask("TFW_TEST_MOTO")), None)
    }

    /// With S3 on SeaweedFS, which shares no line of code with moto, and everything else on moto.
    pub(crate) fn on_seaweedfs() -> Self {
        Self::on(
            Some(from_xtask("TFW_TEST_MOTO")),
            Some(from_xtask("TFW_TEST_SEAWEEDFS")),
        )
    }

    /// On MiniStack, which refuses what belongs to another account.
    pub(crate) fn on_ministack() -> Self {
        Self::on(Some(from_xtask("TFW_TEST_MINISTACK")), None)
    }

    /// On MiniStack that evaluates policies: only [`TestEnvironment::make_users`] get in.
    pub(crate) fn on_strict_ministack() -> Self {
        Self::on(Some(from_xtask("TFW_TEST_MINISTACK_STRICT")), None)
    }

    /// With local state, and no AWS at all.
    pub(crate) fn offline() -> Self {
        Self::on(None, None)
    }

    fn on(emulator: Option<String>, s3: Option<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for part in ["home", "bin", "repository"] {
            fs::create_dir(folder.path().join(part)).unwrap();
        }
        symlink(terraform(), folder.path().join("bin/terraform")).unwrap();
        let mirror = from_xtask("TFW_TEST_MIRROR");
        let test = Self {
            name: std::thread::current().name().unwrap_or("main").to_owned(),
            started: Instant::now(),
            folder,
            unique: format!("{:08x}", fastrand::u32(..)),
            accounts: fastrand::u32(100_000_000..1_000_000_000),
            environments: Vec::new(),
            defaults: String::new(),
            proxy: emulator
                .as_deref()
                .map(|emulator| Proxy::start_beside(emulator, s3.as_deref())),
            emulator,
            s3,
        };
        test.mirror(Path::new(&mirror));
        let backend = if test.proxy.is_some() {
            format!(
                "[defaults.backend]\ntype = \"s3\"\nbucket = \"tfw-{}-{{environment}}\"\nkey = \"{{stack}}/terraform.tfstate\"\nuse_path_style = true\n\n[defaults.assume_role]\nrole_arn = \"arn:aws:iam::{{account_id}}:role/test\"\n",
                test.unique
            )
        } else {
            String::from("[defaults.backend]\ntype = \"local\"\n")
        };
        test.defaults(&backend)
    }

    /// Replaces what the manifest says before its environments: `[defaults.…]` tables and others.
    pub(crate) fn defaults(mut self, toml: &str) -> Self {
        self.defaults =
            format!("[project]\nname = \"test\"\n\n[defaults]\nregion = \"{REGION}\"\n\n{toml}");
        self.write_manifest();
        self
    }

    /// Adds an environment of one root module, with built-in resources only.
    pub(crate) fn environment(self, name: &str) -> Self {
        let mut main = fixtures::builtin();
        if self.proxy.is_none() {
            main = main.replace("backend \"s3\"", "backend \"local\"");
        }
        self.environment_with(name, "", &main)
    }

    /// Adds an environment with these further keys in its table and this `main.tf`.
    pub(crate) fn environment_with(mut self, name: &str, keys: &str, main: &str) -> Self {
        let mut table = format!("[environments.{name}]\n");
        let account = self.account_number(self.environments.len() + 1);
        if self.proxy.is_some() {
            let _ = writeln!(table, "account_id = \"{account}\"");
        }
        let _ = writeln!(table, "{}", keys.trim());
        self.environments
            .push(format!("# {name} {account}\n{table}"));
        self.write(&format!("environments/{name}/main.tf"), main);
        self.write_manifest();
        self
    }

    /// Writes a file of the repository; folders are made.
    pub(crate) fn write(&self, path: &str, text: &str) -> PathBuf {
        let file = self.path(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        file
    }

    /// A path in the repository.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("repository").join(path)
    }

    /// A file of the repository, as text.
    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> String {
        let file = self.path(path);
        fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    /// The home folder of whoever types.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// The account of an environment; for a name that is none, an account with nothing in it.
    pub(crate) fn account(&self, environment: &str) -> String {
        let marker = format!("# {environment} ");
        let index = self
            .environments
            .iter()
            .position(|table| table.starts_with(&marker));
        self.account_number(index.map_or(0, |index| index + 1))
    }

    /// The bucket that the generated manifest names for an environment.
    pub(crate) fn bucket(&self, environment: &str) -> String {
        format!("tfw-{}-{environment}", self.unique)
    }

    /// The proxy between this test and AWS.
    #[track_caller]
    pub(crate) fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("this test has no AWS")
    }

    /// The emulator behind the proxy, for what the test itself asks.
    #[track_caller]
    pub(crate) fn emulator(&self) -> &str {
        self.emulator.as_deref().expect("this test has no AWS")
    }

    /// The server that S3's requests go to, for what the test itself asks.
    #[track_caller]
    pub(crate) fn s3_server(&self) -> &str {
        self.s3.as_deref().unwrap_or_else(|| self.emulator())
    }

    /// Puts a shell script in place of Terraform, for what cannot be provoked otherwise. It may
    /// call the real one as `$REAL_TERRAFORM`.
    pub(crate) fn fake_terraform(&self, script: &str) {
        let source = self.folder.path().join("fake-terraform.sh");
        let real = terraform();
        let text = format!("#!/bin/sh\nREAL_TERRAFORM='{}'\n{script}\n", real.display());
        fs::write(&source, text).unwrap();
        self.without_terraform();
        // Written by another process: a child that a parallel test starts just now would inherit
        // the open file, and running the script would fail with "text file busy".
        let installed = Command::new("install")
            .args(["-m", "755"])
            .arg(source)
            .arg(self.folder.path().join("bin/terraform"))
            .status();
        assert!(installed.unwrap().success());
    }

    /// Takes Terraform away.
    pub(crate) fn without_terraform(&self) {
        fs::remove_file(self.folder.path().join("bin/terraform")).unwrap();
    }

    /// Installs providers from a zip, as a registry would send it, in place of a link to the
    /// unpacked one: slower, and what a plugin cache has to cope with.
    pub(crate) fn packed_providers(&self) {
        self.mirror(Path::new(&from_xtask("TFW_TEST_MIRROR_PACKED")));
    }

    /// `tfw ARGS…` in the root of the repository.
    pub(crate) fn tfw<const N: usize>(&self, args: [&str; N]) -> TestCommand {
        self.command(Path::new(env!("CARGO_BIN_EXE_tfw")), &self.path(""))
            .args(args)
    }

    /// A bare `terraform ARGS…`, or what stands in its place, in an environment's root module, with credentials for its account.
    pub(crate) fn terraform<const N: usize>(
        &self,
        environment: &str,
        args: [&str; N],
    ) -> TestCommand {
        let folder = self.path("environments").join(environment);
        let terraform = self.folder.path().join("bin/terraform");
        let mut command = self.command(&terraform, &folder);
        if self.proxy.is_some() {
            for (name, value) in self.credentials(&self.account(environment)) {
                command = command.env(name, value);
            }
        }
        command.args(args)
    }

    /// A script of a person's, in the root of the repository, with tfw in its `PATH`.
    pub(crate) fn sh(&self, script: &str) -> TestCommand {
        let tfw = Path::new(env!("CARGO_BIN_EXE_tfw"));
        let link = self.folder.path().join("bin/tfw");
        if !link.exists() {
            symlink(tfw, link).unwrap();
        }
        self.command(Path::new("/bin/sh"), &self.path(""))
            .args(["-c", script])
    }

    pub(super) fn command(&self, program: &Path, folder: &Path) -> TestCommand {
        let bin = self.folder.path().join("bin");
        let mut command = TestCommand::new(program, folder)
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .env("HOME", self.home())
            .env("TMPDIR", self.folder.path())
            .env("TF_CLI_CONFIG_FILE", self.cli_configuration());
        if let Some(proxy) = &self.proxy {
            command = command
                .env("AWS_ENDPOINT_URL", proxy.url())
                .env("AWS_REGION", REGION)
                .env("AWS_ACCESS_KEY_ID", format!("test-{}", self.unique))
                .env("AWS_SECRET_ACCESS_KEY", "test");
        }
        command
    }

    fn cli_configuration(&self) -> PathBuf {
        self.folder.path().join("terraform.rc")
    }

    pub(super) fn mirror(&self, folder: &Path) {
        let text = format!(
            "disable_checkpoint = true\n\nprovider_installation {{\n  filesystem_mirror {{\n    path = \"{}\"\n  }}\n}}\n",
            folder.display()
        );
        fs::write(self.cli_configuration(), text).unwrap();
    }

    fn account_number(&self, index: usize) -> String {
        format!("{}{index:03}", self.accounts)
    }

    fn write_manifest(&self) {
        let text = format!("{}\n{}", self.defaults, self.environments.join("\n"));
        self.write("environments/tfw.toml", &text);
    }
}

impl Drop for TestEnvironment {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(proxy) = &self.proxy
        {
            eprintln!("requests of {}:", self.name);
            for request in proxy.requests() {
                eprintln!("  {request}");
            }
        }
        let Ok(timings) = std::env::var("TFW_TEST_TIMINGS") else {
            return;
        };
        let line = format!(
            "{:.3} {}\n",
            self.started.elapsed().as_secs_f64(),
            self.name
        );
        let written = OpenOptions::new()
            .append(true)
            .open(timings)
            .and_then(|mut file| file.write_all(line.as_bytes()));
        if let Err(error) = written {
            eprintln!("cannot note the time of {}: {error}", self.name);
        }
    }
}
