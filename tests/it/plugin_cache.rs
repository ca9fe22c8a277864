//! One plugin cache for all units, while they run at once.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{TINY, TestEnvironment};

const AWS: &str = "registry.terraform.io/hashicorp/aws/3.39.0/linux_amd64";

/// So many environments with a provider, which all work at once; it is named as Terraform keeps
/// it. A plan starts the provider once, for its schema, and finds nothing to change.
fn fleet(count: usize, package: &str) -> TestEnvironment {
    let parts: Vec<_> = package.split('/').collect();
    let main = format!(
        "terraform {{\n  required_providers {{\n    it = {{\n      source  = \"{}/{}\"\n      version = \"{}\"\n    }}\n  }}\n\n  backend \"local\" {{}}\n}}\n",
        parts[1], parts[2], parts[3]
    );
    let mut test = TestEnvironment::offline().defaults(&format!(
        "[defaults.backend]\ntype = \"local\"\n\n[terraform]\nparallelism = {count}\n"
    ));
    for number in 1..=count {
        test = test.environment_with(&format!("e{number:02}"), "", &main);
    }
    // Notes which cache each init was given.
    test.fake_terraform(
        "[ \"$1\" = init ] && echo \"$TF_PLUGIN_CACHE_DIR\" >> \"$0.caches\"\nexec \"$REAL_TERRAFORM\" \"$@\"",
    );
    test
}

/// Runs a command for all of them; gives the caches of the inits.
#[track_caller]
fn run_all(test: &TestEnvironment, command: &str, count: usize) -> Vec<PathBuf> {
    let caches = test.home().with_file_name("bin").join("terraform.caches");
    fs::write(&caches, "").unwrap();
    let run = test.tfw([command, "--all", "--json"]).run();
    let report = run.succeeds().json();
    let units = report["units"].as_array().unwrap();
    assert_eq!(units.len(), count);
    assert!(units.iter().all(|unit| unit["result"] == "succeeded"));
    let text = fs::read_to_string(caches).unwrap();
    text.lines().map(PathBuf::from).collect()
}

/// The shared cache in `.tfw/`.
fn shared_cache(test: &TestEnvironment) -> PathBuf {
    test.path("environments/.tfw/cache/providers")
}

/// The data folder of a unit.
fn data_folder(test: &TestEnvironment, number: usize) -> PathBuf {
    test.path(&format!("environments/e{number:02}/.terraform"))
}

/// The cache holds the one package, nothing is left beside it, and every unit links to it.
#[track_caller]
fn assert_one_package(test: &TestEnvironment, cache: &Path, package: &str, count: usize) {
    let names = |folder: &Path| -> BTreeSet<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect()
    };
    let place = cache.join(package);
    let versions = names(place.parent().unwrap());
    assert_eq!(versions, BTreeSet::from(["linux_amd64".to_owned()]));
    let beside = names(cache.parent().unwrap());
    let is_left = |name: &String| name.starts_with("providers-");
    assert!(!beside.iter().any(is_left), "{beside:?}");
    let place = place.canonicalize().unwrap();
    for number in 1..=count {
        let link = data_folder(test, number).join("providers").join(package);
        assert!(link.is_symlink(), "{}", link.display());
        assert_eq!(link.canonicalize().unwrap(), place);
    }
}

#[test]
fn twenty_units_with_the_aws_provider_start_with_a_cold_cache() {
    const COUNT: usize = 20;
    let test = fleet(COUNT, AWS);
    test.packed_providers();
    let shared = shared_cache(&test);

    // Nobody knows yet what is needed: each init unpacks into a cache of its own, while the
    // providers of others already run.
    let caches = run_all(&test, "plan", COUNT);
    let own: BTreeSet<_> = caches.iter().filter(|cache| **cache != shared).collect();
    assert_eq!((own.len(), caches.len()), (COUNT, COUNT), "{caches:?}");
    assert_one_package(&test, &shared, AWS, COUNT);

    let caches = run_all(&test, "plan", COUNT);
    assert_eq!(caches, Vec::<PathBuf>::new(), "warm, no init is needed");
}

#[test]
fn with_lock_files_one_init_fills_the_cache_and_the_others_find_it() {
    const COUNT: usize = 20;
    let test = fleet(COUNT, TINY);
    test.tiny_provider();
    let shared = shared_cache(&test);
    run_all(&test, "init", COUNT);
    let forget = || (1..=COUNT).for_each(|n| fs::remove_dir_all(data_folder(&test, n)).unwrap());

    forget();
    fs::remove_dir_all(&shared).unwrap();
    let caches = run_all(&test, "init", COUNT);
    let unpacking = caches.iter().filter(|cache| **cache != shared).count();
    assert_eq!((unpacking, caches.len()), (1, COUNT), "{caches:?}");
    assert_one_package(&test, &shared, TINY, COUNT);

    forget();
    let caches = run_all(&test, "init", COUNT);
    assert_eq!(caches, vec![shared.clone(); COUNT]);
    assert_one_package(&test, &shared, TINY, COUNT);
}

#[test]
fn the_cache_of_the_person_is_used() {
    let test = fleet(1, TINY);
    test.tiny_provider();
    let own = test.home().join("plugins");
    fs::create_dir(&own).unwrap();
    test.tfw(["init", "--all"])
        .env("TF_PLUGIN_CACHE_DIR", &own)
        .run()
        .succeeds();
    assert_one_package(&test, &own, TINY, 1);
    assert!(!shared_cache(&test).exists());
}
