//! What another client makes and sees: boto3, past tfw and its SDK.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::TestEnvironment;
use super::environment::REGION;
use super::from_xtask;

impl TestEnvironment {
    /// Makes a bucket in the account of an environment as runbooks do, with a KMS key where an alias
    /// is given.
    #[track_caller]
    pub(crate) fn make_by_hand(&self, environment: &str, bucket: &str, alias: Option<&str>) {
        let mut arguments = vec!["make", self.s3_server(), self.emulator(), REGION, bucket];
        arguments.extend(alias);
        self.boto(environment, &arguments);
    }

    /// Every setting of a bucket, read in the account of an environment.
    #[track_caller]
    pub(crate) fn settings(&self, environment: &str, bucket: &str) -> Value {
        let servers = [self.s3_server(), self.emulator()];
        self.boto(
            environment,
            &["read", servers[0], servers[1], REGION, bucket],
        )
    }

    /// Every KMS key, by its state, and every alias in the account of an environment.
    #[track_caller]
    pub(crate) fn keys(&self, environment: &str) -> Value {
        self.boto(environment, &["keys", self.emulator(), REGION])
    }

    /// Users of an environment's account on the strict MiniStack, with their access keys: each may do
    /// everything that no bucket policy denies.
    #[track_caller]
    pub(crate) fn make_users(&self, environment: &str, names: &[&str]) -> Vec<[String; 2]> {
        let mut arguments = vec!["users", self.emulator(), REGION];
        arguments.extend(names);
        let made = python(&arguments, self.root(environment));
        let keys = names
            .iter()
            .map(|name| [0, 1].map(|part| made[name][part].as_str().unwrap().to_owned()));
        keys.collect()
    }

    /// A user who may do everything, in an account of moto's, with its access key.
    #[track_caller]
    pub(crate) fn make_user(&self, environment: &str, name: &str) -> [String; 2] {
        let made = self.boto(environment, &["users", self.emulator(), REGION, name]);
        [0, 1].map(|part| made[name][part].as_str().unwrap().to_owned())
    }

    /// A role in an account of moto's.
    #[track_caller]
    pub(crate) fn make_role(&self, environment: &str, name: &str) {
        self.boto(environment, &["role", self.emulator(), REGION, name]);
    }

    /// The inline policies of a `user` or a `role`, by name, as another client sees them.
    #[track_caller]
    pub(crate) fn inline_policies(&self, environment: &str, kind: &str, name: &str) -> Value {
        self.boto(
            environment,
            &["policies", self.emulator(), REGION, kind, name],
        )
    }

    /// A role of an environment's account on the strict MiniStack, which all in the account may assume
    /// and which may do everything.
    #[track_caller]
    pub(crate) fn make_strict_role(&self, environment: &str, name: &str) {
        let account = self.account(environment);
        let arguments = ["strict_role", self.emulator(), REGION, &account, name];
        python(&arguments, self.root(environment));
    }

    /// Every setting of a bucket on another server, which is reached by TLS.
    #[track_caller]
    pub(crate) fn settings_over_tls(&self, server: &str, ca: &str, bucket: &str) -> Value {
        let variables = [
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_CA_BUNDLE", ca.to_owned()),
        ];
        python(
            &["read", server, self.emulator(), REGION, bucket],
            variables,
        )
    }

    /// An account's id is the key of its root user on the strict MiniStack.
    fn root(&self, environment: &str) -> [(&'static str, String); 2] {
        [
            ("AWS_ACCESS_KEY_ID", self.account(environment)),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ]
    }

    #[track_caller]
    fn boto(&self, environment: &str, arguments: &[&str]) -> Value {
        python(arguments, self.credentials(&self.account(environment)))
    }
}

#[track_caller]
fn python<const N: usize>(arguments: &[&str], credentials: [(&str, String); N]) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/buckets.py");
    let output = Command::new("python3")
        .arg(script)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("PYTHONPATH", from_xtask("TFW_TEST_TOOLS"))
        .envs(credentials)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}
