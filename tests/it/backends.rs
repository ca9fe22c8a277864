//! Where states can live: workspaces, other accounts, local files, other backends; and that no
//! secret gets into what configures them.

use std::fs;
use std::path::Path;

use crate::support::{Client, HttpState, Request, TestEnvironment, fixtures};

const APPLY: [&str; 4] = ["apply", "dev", "--yes", "--auto-approve"];

#[test]
fn a_workspace_of_the_manifest_works_end_to_end() {
    let test = TestEnvironment::new().environment_with(
        "dev",
        "backend.workspace = \"blue\"",
        &fixtures::builtin(),
    );
    let report = test
        .tfw(["apply", "dev", "--yes", "--auto-approve", "--json"])
        .run()
        .succeeds()
        .json();
    assert_eq!(report["units"][0]["backend"]["workspace"], "blue");
    assert_eq!(test.objects("dev"), ["env:/blue/terraform.tfstate"]);
    let selected = test.read("environments/dev/.terraform/environment");
    assert_eq!(selected, "blue");

    let outputs = test.tfw(["output", "dev", "--json"]).run().succeeds();
    let greeting = &outputs.json()["units"]["dev"]["greeting"]["value"];
    assert_eq!(greeting, "hello");
    let again = test
        .tfw(["plan", "dev", "--json", "--detailed-exitcode"])
        .run()
        .succeeds();
    assert_eq!(again.json()["units"][0]["init"], "skipped");
    test.tfw(["destroy", "dev", "--auto-approve"])
        .run()
        .succeeds();
    let left = test.object("dev", "env:/blue/terraform.tfstate").unwrap();
    let left: serde_json::Value = serde_json::from_str(&left).unwrap();
    assert_eq!(left["resources"], serde_json::json!([]));
    test.proxy().assert_expected_owner();
}

#[test]
fn no_secret_gets_into_what_configures_a_backend() {
    let test = TestEnvironment::new().environment("dev");
    // What every child got, so that the test knows what to look for.
    test.fake_terraform(
        "env | sed -n 's/^AWS_\\(SECRET_ACCESS_KEY\\|SESSION_TOKEN\\|CONTAINER_AUTHORIZATION_TOKEN\\)=//p' >> \"$0.secrets\"\necho \"$@\" >> \"$0.arguments\"\nexec \"$REAL_TERRAFORM\" \"$@\"",
    );
    // Both deliveries: keys in the environment, and the token of the endpoint.
    test.tfw(["plan", "dev", "--yes"]).run().succeeds();
    test.tfw(APPLY).run().succeeds();

    let noted = |name: &str| {
        let file = test.home().with_file_name("bin").join(name);
        fs::read_to_string(file).unwrap()
    };
    let mut secrets: Vec<String> = noted("terraform.secrets")
        .lines()
        .map(str::to_owned)
        .collect();
    secrets.sort();
    secrets.dedup();
    assert!(
        secrets.len() >= 3,
        "a secret key and two tokens: {secrets:?}"
    );
    assert!(secrets.iter().all(|secret| secret.len() > 8), "{secrets:?}");

    let config = test.read("environments/.tfw/data/dev/backend.tfbackend");
    assert!(config.contains(&test.bucket("dev")), "{config}");
    let mut looked_at = vec![("arguments".to_owned(), noted("terraform.arguments"))];
    files_below(&test.path("environments/.tfw"), &mut looked_at);
    files_below(&test.path("environments/dev/.terraform"), &mut looked_at);
    assert!(
        looked_at
            .iter()
            .any(|(file, _)| file.ends_with("backend.tfbackend"))
    );
    assert!(
        looked_at
            .iter()
            .any(|(file, _)| file.ends_with("terraform.tfstate"))
    );
    for (file, text) in looked_at {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{file}");
        }
        assert!(!text.contains("secret_key\": \""), "{file}");
    }
}

#[test]
fn a_state_in_another_account_is_reached_with_its_own_role() {
    let test = TestEnvironment::new();
    let main = fixtures::aws(test.proxy().url());
    let home = test.account("states");
    let test = test.environment_with(
        "dev",
        &format!("backend.role_arn = \"arn:aws:iam::{home}:role/State\""),
        &main,
    );
    test.tfw(APPLY).run().succeeds();

    let requests = test.proxy().requests();
    let assumed: Vec<_> = requests
        .iter()
        .filter(|r| r.is_tfw("AssumeRole"))
        .map(|r| (r.field("RoleArn").unwrap(), r.access_key().unwrap()))
        .collect();
    let [(own, base), (state, environments)] = &assumed[..] else {
        panic!("not two: {assumed:?}");
    };
    let account = test.account("dev");
    assert_eq!(*own, format!("arn:aws:iam::{account}:role/test"));
    assert_eq!(*state, format!("arn:aws:iam::{home}:role/State"));
    assert_ne!(base, environments);

    let keys = |client: Client, service: &str| {
        let sent = |r: &&Request| r.client() == client && r.service() == Some(service);
        let mut keys: Vec<_> = requests
            .iter()
            .filter(sent)
            .map(|r| r.access_key().unwrap())
            .collect();
        keys.sort_unstable();
        keys.dedup();
        assert!(!keys.is_empty(), "{client:?} asked nothing of {service}");
        keys
    };
    // tfw: the role of the state, and its account as the expected owner.
    let of_state = keys(Client::Tfw, "s3");
    assert_eq!(of_state.len(), 1, "{of_state:?}");
    assert!(!of_state.contains(environments) && !of_state.contains(base));
    test.proxy().assert_expected_owner();
    assert!(
        requests
            .iter()
            .all(|r| r.expected_owner().is_none_or(|owner| owner == home))
    );
    // Terraform: goes from the environment's role to the state's by itself.
    let recorded = test.read("environments/dev/.terraform/terraform.tfstate");
    let recorded: serde_json::Value = serde_json::from_str(&recorded).unwrap();
    let assume = &recorded["backend"]["config"]["assume_role"]["role_arn"];
    assert_eq!(*assume, state.as_str());
    assert!(!keys(Client::Terraform, "s3").contains(environments));
    let by_terraform = requests
        .iter()
        .find(|r| r.client() == Client::Terraform && r.operation() == "AssumeRole")
        .unwrap();
    assert_eq!(by_terraform.access_key(), Some(*environments));
    // The provider: the environment's role, and nothing of the state's account.
    assert_eq!(keys(Client::Provider, "ec2"), [*environments]);
    let state = test.state("dev").unwrap();
    assert_eq!(state["outputs"]["account_id"]["value"], account.as_str());
}

#[test]
fn local_states_need_neither_a_cloud_nor_credentials() {
    let test = TestEnvironment::offline().environment("dev");
    let started = std::time::Instant::now();
    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
    assert!(started.elapsed().as_secs() < 60, "asked a metadata service");
    let state = test.read("environments/dev/terraform.tfstate");
    assert!(state.contains("terraform_data"), "{state}");
    let plan = test
        .tfw(["plan", "dev", "--detailed-exitcode", "--json"])
        .run()
        .succeeds()
        .json();
    assert_eq!(plan["units"][0]["backend"]["type"], "local");
    assert_eq!(plan["units"][0]["account_id"], serde_json::Value::Null);
    let outputs = test.tfw(["output", "dev", "--json"]).run().succeeds();
    assert_eq!(outputs.json()["units"]["dev"]["greeting"]["value"], "hello");
    test.tfw(["destroy", "dev", "--auto-approve"])
        .run()
        .succeeds();
    let state = test.read("environments/dev/terraform.tfstate");
    assert!(!state.contains("terraform_data"), "{state}");
}

#[test]
fn another_backend_gets_its_options_and_keeps_its_locks() {
    let server = HttpState::start();
    let test = TestEnvironment::offline();
    let backend = format!(
        "[defaults.backend]\ntype = \"http\"\n\n[defaults.backend.options]\naddress = \"{0}/{{environment}}\"\nlock_address = \"{0}/{{environment}}/lock\"\nunlock_address = \"{0}/{{environment}}/lock\"\nlock_method = \"POST\"\nunlock_method = \"DELETE\"\n",
        server.url()
    );
    let main = fixtures::builtin().replace("backend \"s3\"", "backend \"http\"");
    let test = test.defaults(&backend).environment_with("dev", "", &main);

    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
    let state = server.document("/dev").unwrap();
    assert!(state.contains("terraform_data"), "{state}");
    let log = server.requests();
    let position = |wanted: &str| log.iter().rposition(|line| line == wanted).unwrap();
    let written = position("POST /dev");
    assert!(position("POST /dev/lock") < written && written < position("DELETE /dev/lock"));
    assert!(!test.path("environments/dev/terraform.tfstate").exists());

    let outputs = test.tfw(["output", "dev", "--json"]).run().succeeds();
    assert_eq!(outputs.json()["units"]["dev"]["greeting"]["value"], "hello");
    server.lock("/dev/lock", "somebody");
    let held = test
        .tfw(["apply", "dev", "--auto-approve", "--json"])
        .run()
        .exits(5);
    assert_eq!(held.json()["units"][0]["result"], "locked");
    held.says("already locked: ID=somebody");
    assert_eq!(server.document("/dev").unwrap(), state);
}

fn files_below(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            files_below(&path, found);
        } else {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            found.push((path.display().to_string(), text));
        }
    }
}
