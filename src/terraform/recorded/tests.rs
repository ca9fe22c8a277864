//! Data folders as Terraform 1.11.4 leaves them.

use super::*;
use crate::model::{LocalBackend, S3Backend};
use serde_json::json;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

fn s3() -> S3Backend {
    S3Backend {
        bucket: "bkt".parse().expect("valid"),
        key: "k/t.tfstate".parse().expect("valid"),
        region: "eu-west-1".parse().expect("valid"),
        workspace: Workspace::default(),
        use_lockfile: true,
        kms_key_id: None,
        role_arn: Some("arn:aws:iam::123456789012:role/x".parse().expect("valid")),
        own_role: None,
        owner: "123456789012".parse().expect("valid"),
        caller: "123456789012".parse().expect("valid"),
        use_path_style: true,
        options: Map::new(),
    }
}

/// What Terraform 1.11.4 records of that backend, shortened.
fn record(folder: &Path) {
    let config = json!({
        "access_key": null, "acl": null, "allowed_account_ids": ["123456789012"], "bucket": "bkt", "encrypt": true, "endpoints": null,
        "assume_role": { "duration": null, "role_arn": "arn:aws:iam::123456789012:role/x" },
        "key": "k/t.tfstate", "kms_key_id": null, "region": "eu-west-1",
        "use_lockfile": true, "use_path_style": true, "workspace_key_prefix": null,
    });
    let file = json!({
        "version": 3, "terraform_version": "1.11.4",
        "backend": { "type": "s3", "config": config, "hash": 1_410_938_009_u32 },
    });
    let data = folder.join(".terraform");
    fs::create_dir_all(&data).expect("folder");
    fs::write(data.join("terraform.tfstate"), file.to_string()).expect("write");
}

fn read(folder: &Path) -> Recorded {
    Recorded::read(&folder.join(".terraform"), folder).expect("readable")
}

fn agrees(recorded: &Recorded, backend: S3Backend) -> bool {
    let backend = Backend::S3(Box::new(backend));
    let arguments = crate::terraform::backend_config::arguments(&backend).expect("valid");
    recorded.agrees(&backend, &arguments)
}

fn settings(recorded: &Recorded, backend: S3Backend) -> Vec<String> {
    let found = recorded.location_differences(&Backend::S3(Box::new(backend)));
    found.into_iter().map(|found| found.setting).collect()
}

#[test]
fn a_folder_without_init_records_nothing() {
    let folder = TempDir::new().expect("folder");
    let recorded = read(folder.path());
    assert_eq!(recorded.backend, None);
    assert_eq!(recorded.workspace, "default");
    assert!(settings(&recorded, s3()).is_empty());
    assert!(!agrees(&recorded, s3()));
}

#[test]
fn the_same_backend_agrees() {
    let folder = TempDir::new().expect("folder");
    record(folder.path());
    assert!(agrees(&read(folder.path()), s3()));
}

#[test]
fn an_identity_that_only_a_hand_typed_init_gave_does_not_agree() {
    let folder = TempDir::new().expect("folder");
    record(folder.path());
    let mut recorded = read(folder.path());
    let config = &mut recorded.backend.as_mut().expect("recorded").config;
    config.insert("max_retries".to_owned(), json!(3));
    assert!(agrees(&recorded, s3()));
    let config = &mut recorded.backend.as_mut().expect("recorded").config;
    config.insert("access_key".to_owned(), json!("OTHER"));
    assert!(!agrees(&recorded, s3()));
}

#[test]
fn another_place_is_a_difference_and_another_setting_only_needs_an_init() {
    let folder = TempDir::new().expect("folder");
    record(folder.path());
    let recorded = read(folder.path());
    let mut moved = s3();
    moved.bucket = "other-bucket".parse().expect("valid");
    moved.key = "other".parse().expect("valid");
    moved.region = "eu-north-1".parse().expect("valid");
    moved.workspace = "blue".parse().expect("valid");
    assert_eq!(
        settings(&recorded, moved),
        ["workspace", "bucket", "key", "region"]
    );

    let mut encrypted = s3();
    encrypted.kms_key_id = Some("arn:aws:kms:…".to_owned());
    assert!(settings(&recorded, encrypted.clone()).is_empty());
    assert!(!agrees(&recorded, encrypted));

    let mut elsewhere = s3();
    elsewhere.options.insert(
        "endpoints".to_owned(),
        json!({ "s3": "http://127.0.0.1:1" }),
    );
    assert_eq!(settings(&recorded, elsewhere), ["endpoints"]);

    let local = Backend::Local(LocalBackend {
        workspace: Workspace::default(),
        options: Map::new(),
    });
    let [difference] = recorded
        .location_differences(&local)
        .try_into()
        .expect("one");
    assert_eq!(
        Difference::to_string(&difference),
        "type: recorded `s3`, wanted `local`"
    );
}

#[test]
fn the_selected_workspace_counts() {
    let folder = TempDir::new().expect("folder");
    record(folder.path());
    fs::write(folder.path().join(".terraform/environment"), "blue").expect("write");
    assert_eq!(settings(&read(folder.path()), s3()), ["workspace"]);
}

#[test]
fn a_module_folder_that_is_gone_is_missing() {
    let folder = TempDir::new().expect("folder");
    record(folder.path());
    let modules = folder.path().join(".terraform/modules");
    fs::create_dir_all(modules.join("far")).expect("folder");
    fs::write(
        modules.join("modules.json"),
        r#"{"Modules":[{"Key":"","Source":"","Dir":"."},{"Key":"far","Source":"git::x","Dir":".terraform/modules/far"}]}"#,
    )
    .expect("write");
    assert!(agrees(&read(folder.path()), s3()));
    fs::remove_dir(modules.join("far")).expect("removed");
    let recorded = read(folder.path());
    assert!(matches!(&recorded.missing[..], [Missing::Module { key, .. }] if key == "far"));
    assert!(!agrees(&recorded, s3()));
}

#[test]
fn a_provider_link_into_a_cleaned_cache_is_missing() {
    let folder = TempDir::new().expect("folder");
    record(folder.path());
    fs::write(
        folder.path().join(".terraform.lock.hcl"),
        "provider \"registry.terraform.io/hashicorp/aws\" {\n  version = \"3.39.0\"\n  hashes = [\"h1:x\"]\n}\n",
    )
    .expect("write");
    assert_eq!(read(folder.path()).missing.len(), 1);

    let version = folder
        .path()
        .join(".terraform/providers/registry.terraform.io/hashicorp/aws/3.39.0");
    let cache = folder.path().join("cache");
    fs::create_dir_all(&version).expect("folder");
    fs::create_dir(&cache).expect("folder");
    symlink(&cache, version.join("linux_amd64")).expect("link");
    assert!(read(folder.path()).missing.is_empty());
    fs::remove_dir(&cache).expect("removed");
    let missing = read(folder.path()).missing;
    assert_eq!(
        missing[0].to_string(),
        "provider `registry.terraform.io/hashicorp/aws` 3.39.0"
    );
}

#[test]
fn what_is_damaged_does_not_count_as_nothing() {
    let folder = TempDir::new().expect("folder");
    record(folder.path());
    let data = folder.path().join(".terraform");
    fs::write(data.join("terraform.tfstate"), "{ half").expect("write");
    let error = Recorded::read(&data, folder.path()).expect_err("damaged");
    assert!(error.to_string().contains("is damaged"), "{error}");
    assert!(error.hint().contains("tfw init"));
    fs::write(data.join("terraform.tfstate"), "").expect("write");
    assert_eq!(read(folder.path()).backend, None);
}

#[test]
fn recorded_secrets_are_not_debug_printed() {
    let backend: RecordedBackend = serde_json::from_value(json!({
        "type": "s3", "config": { "secret_key": "hunter2", "token": null }, "hash": 1
    }))
    .expect("backend");
    let shown = format!("{backend:?}");
    assert!(
        shown.contains("secret_key") && !shown.contains("hunter2"),
        "{shown}"
    );
}

#[test]
fn a_folder_of_before_the_account_was_passed_is_of_the_same_place_and_initialised_anew() {
    let folder = TempDir::new().expect("folder");
    record(folder.path());
    let file = folder.path().join(".terraform/terraform.tfstate");
    let text = fs::read_to_string(&file).expect("read");
    let before = text.replace(r#"["123456789012"]"#, "null");
    assert_ne!(before, text);
    fs::write(&file, before).expect("write");
    let recorded = read(folder.path());
    assert!(settings(&recorded, s3()).is_empty());
    assert!(!agrees(&recorded, s3()));
}
