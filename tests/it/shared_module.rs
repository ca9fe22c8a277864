//! Several units that share one root module.

use rustix::process::Signal;

use crate::support::{TestEnvironment, fixtures, the_unit};

#[test]
fn units_of_one_root_module_keep_apart() {
    let test = TestEnvironment::new().blue_and_green(&fixtures::gated());
    let mut apply = test
        .tfw(["apply", "dev", "--yes", "--auto-approve", "--json"])
        .spawn();
    apply.wait_for_file(&test.path("app/started"));
    // Terraform would write `errored.tfstate` of both into the same folder.
    apply.wait_for_output("waits for another apply in the same root module");
    test.write("app/finish", "");
    let report = apply.wait().succeeds().json();

    for name in ["blue", "green"] {
        let unit = the_unit(&report, &format!("dev/{name}"));
        assert_eq!(unit["changes"]["add"], 1, "{unit:#}");
        let state = test
            .object("dev", &format!("{name}/terraform.tfstate"))
            .unwrap();
        let state: serde_json::Value = serde_json::from_str(&state).unwrap();
        assert_eq!(state["outputs"]["greeting"]["value"], name);
        let key = format!("{name}/terraform.tfstate");
        let recorded = format!("environments/.tfw/data/dev.{name}/terraform/terraform.tfstate");
        assert!(test.read(&recorded).contains(&key), "{recorded}");
    }
    assert!(!test.path("app/.terraform").exists());
    test.tfw(["plan", "dev", "--detailed-exitcode"])
        .run()
        .succeeds();
}

#[test]
fn an_apply_waits_for_one_whose_tfw_was_killed() {
    let test = TestEnvironment::new().blue_and_green(&fixtures::gated());
    let mut first = test
        .tfw(["apply", "dev/blue", "--yes", "--auto-approve"])
        .spawn();
    first.wait_for_file(&test.path("app/started"));
    first.signal(Signal::KILL);
    first.wait().exits(137);

    let second = test.tfw(["apply", "dev/green", "--auto-approve"]).spawn();
    second.wait_for_output("waits for another apply in the same root module");
    assert_eq!(test.object("dev", "blue/terraform.tfstate"), None);
    test.write("app/finish", "");
    second.wait().succeeds();
    for name in ["blue", "green"] {
        let key = format!("{name}/terraform.tfstate");
        assert!(
            test.object("dev", &key).unwrap().contains("terraform_data"),
            "{key}"
        );
    }
}
