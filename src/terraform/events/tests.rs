//! Lines are Terraform 1.11.4's own, without `@module`, `@timestamp` and the parts of a
//! resource's address.

use super::*;

const PLAN: &str = r#"{"@level":"info","@message":"Terraform 1.11.4","terraform":"1.11.4","type":"version","ui":"1.2"}
{"@level":"info","@message":"terraform_data.imp: Refreshing state... [id=some-id]","hook":{"resource":{"addr":"terraform_data.imp"},"id_key":"id","id_value":"some-id"},"type":"refresh_start"}
{"@level":"info","@message":"terraform_data.imp: Refresh complete [id=some-id]","hook":{"resource":{"addr":"terraform_data.imp"},"id_key":"id","id_value":"some-id"},"type":"refresh_complete"}
{"@level":"info","@message":"terraform_data.a: Plan to replace","change":{"resource":{"addr":"terraform_data.a"},"action":"replace","reason":"cannot_update"},"type":"planned_change"}
{"@level":"info","@message":"terraform_data.imp: Plan to update","change":{"resource":{"addr":"terraform_data.imp"},"action":"update","importing":{"id":"some-id"}},"type":"planned_change"}
{"@level":"info","@message":"data.terraform_remote_state.x: Plan to read","change":{"resource":{"addr":"data.terraform_remote_state.x"},"action":"read","reason":"read_because_dependency_pending"},"type":"planned_change"}
{"@level":"info","@message":"Plan: 1 to import, 1 to add, 1 to change, 1 to destroy.","changes":{"add":1,"change":1,"import":1,"remove":1,"operation":"plan"},"type":"change_summary"}
{"@level":"info","@message":"Outputs: 3","outputs":{"n":{"sensitive":false,"action":"create"},"o":{"sensitive":true,"action":"delete"},"s":{"sensitive":true,"action":"noop"}},"type":"outputs"}
{"@level":"warn","@message":"Warning: Check block assertion failed","diagnostic":{"severity":"warning","summary":"Check block assertion failed","detail":"v should be two.","range":{"filename":"main.tf","start":{"line":26,"column":17,"byte":586},"end":{"line":26,"column":31,"byte":600}},"snippet":{"context":"check \"c\"","code":"    condition = var.v == \"two\"","start_line":26,"highlight_start_offset":16,"highlight_end_offset":30,"values":[{"traversal":"var.v","statement":"is \"one\""}]}},"type":"diagnostic"}"#;

const FAILED_APPLY: &str = r#"{"change":{"resource":{"addr":"terraform_data.cbd"},"action":"replace","reason":"cannot_update"},"type":"planned_change"}
{"change":{"resource":{"addr":"terraform_data.a"},"action":"replace","reason":"tainted"},"type":"planned_change"}
{"@message":"terraform_data.cbd: Creating...","hook":{"resource":{"addr":"terraform_data.cbd"},"action":"create"},"type":"apply_start"}
{"@message":"terraform_data.a: (local-exec): boo","hook":{"resource":{"addr":"terraform_data.a"},"provisioner":"local-exec","output":"boo"},"type":"provision_progress"}
{"@message":"terraform_data.cbd: Creation complete after 0s [id=ed0c]","hook":{"resource":{"addr":"terraform_data.cbd"},"action":"create","id_key":"id","id_value":"ed0c","elapsed_seconds":0},"type":"apply_complete"}
{"@message":"terraform_data.slow: Still creating... [10s elapsed]","hook":{"resource":{"addr":"terraform_data.slow"},"action":"create","elapsed_seconds":10},"type":"apply_progress"}
{"@message":"terraform_data.cbd: Destruction complete after 0s","hook":{"resource":{"addr":"terraform_data.cbd"},"action":"delete","elapsed_seconds":0},"type":"apply_complete"}
{"@message":"terraform_data.a: Destruction complete after 0s","hook":{"resource":{"addr":"terraform_data.a"},"action":"delete","elapsed_seconds":0},"type":"apply_complete"}
{"@message":"terraform_data.a: Creation errored after 0s","hook":{"resource":{"addr":"terraform_data.a"},"action":"create","elapsed_seconds":0},"type":"apply_errored"}
{"@level":"error","@message":"Error: local-exec provisioner error","diagnostic":{"severity":"error","summary":"local-exec provisioner error","detail":"Error running command 'exit 3': exit status 3. Output: boo\n","address":"terraform_data.a","range":{"filename":"../m/main.tf","start":{"line":3,"column":30,"byte":75},"end":{"line":3,"column":31,"byte":76}},"snippet":{"context":"resource \"terraform_data\" \"a\"","code":"  provisioner \"local-exec\" { command = \"exit 3\" }","start_line":3,"highlight_start_offset":29,"highlight_end_offset":30,"values":[]}},"type":"diagnostic"}"#;

fn read(text: &str) -> (Vec<Fact>, Collected) {
    let mut reader = OutputReader::new("environments/dev");
    let facts = text.lines().filter_map(|line| reader.line(line)).collect();
    (facts, reader.finish())
}

fn resource(address: &str, action: &str, progress: ResourceProgress) -> Fact {
    Fact::Resource {
        address: address.to_owned(),
        action: action.to_owned(),
        progress,
    }
}

#[test]
fn a_plan_is_counted_as_terraform_counts() {
    let (facts, collected) = read(PLAN);
    let expected = Changes {
        add: 1,
        change: 1,
        destroy: 1,
        replace: 1,
        import: 1,
        outputs: 2,
    };
    assert_eq!(collected.changes, expected);
    assert_eq!(
        facts,
        [
            resource("terraform_data.imp", "refresh", ResourceProgress::Started),
            resource("terraform_data.imp", "refresh", ResourceProgress::Done(0)),
            resource("terraform_data.a", "replace", ResourceProgress::Planned),
            resource("terraform_data.imp", "update", ResourceProgress::Planned),
            resource(
                "data.terraform_remote_state.x",
                "read",
                ResourceProgress::Planned
            ),
        ]
    );
    let warning = Diagnostic::warning("Check block assertion failed")
        .with_detail("v should be two.")
        .at("environments/dev/main.tf", Some(26));
    assert_eq!(collected.diagnostics, [warning]);
    assert_eq!(collected.text, [""; 0]);
}

#[test]
fn a_failed_apply_counts_what_it_completed() {
    let (facts, collected) = read(FAILED_APPLY);
    let expected = Changes {
        add: 1,
        destroy: 2,
        replace: 1,
        ..Changes::default()
    };
    assert_eq!(collected.changes, expected);
    assert!(facts.contains(&resource(
        "terraform_data.slow",
        "create",
        ResourceProgress::Running(10)
    )));
    assert_eq!(
        facts.last(),
        Some(&resource(
            "terraform_data.a",
            "create",
            ResourceProgress::Failed(0)
        ))
    );
    let error = Diagnostic::error("local-exec provisioner error")
        .with_detail("with terraform_data.a")
        .with_detail("3:   provisioner \"local-exec\" { command = \"exit 3\" }")
        .with_detail("Error running command 'exit 3': exit status 3. Output: boo")
        .at("environments/m/main.tf", Some(3));
    assert_eq!(collected.diagnostics, [error]);
}

#[test]
fn the_summary_of_an_apply_is_what_was_done_and_values_of_outputs_are_left_behind() {
    let (_, collected) = read(
        r#"{"@level":"info","@message":"Apply complete! Resources: 1 added, 2 changed, 1 destroyed.","changes":{"add":1,"change":2,"import":0,"remove":1,"operation":"apply"},"type":"change_summary"}
{"@level":"info","@message":"Outputs: 2","outputs":{"n":{"sensitive":false,"type":["object",{"secret":"string"}],"value":{"secret":"hunter2"}},"s":{"sensitive":true,"type":"string"}},"type":"outputs"}"#,
    );
    assert_eq!((collected.changes.add, collected.changes.outputs), (1, 0));
    assert!(!format!("{collected:?}").contains("hunter2"));
}

#[test]
fn a_summary_of_several_lines_becomes_one_and_a_detail() {
    let (_, collected) = read(
        r#"{"@level":"error","diagnostic":{"severity":"error","summary":"Terraform encountered problems during initialisation, including problems\nwith the configuration, described below.\n\nThe Terraform configuration must be valid before initialization so that\nTerraform can determine which modules and providers need to be installed.","detail":""},"type":"diagnostic"}"#,
    );
    let [error] = collected.diagnostics.as_slice() else {
        panic!("one error: {collected:?}");
    };
    assert_eq!(
        error.summary,
        "Terraform encountered problems during initialisation, including problems with the configuration, described below."
    );
    assert!(
        error
            .detail
            .as_deref()
            .is_some_and(|detail| detail.starts_with("The Terraform"))
    );
}

#[test]
fn text_for_people_is_kept_and_its_errors_are_understood() {
    let (_, collected) = read(
        "hello\n\nError: Too many command line arguments\n\nTo specify a working directory, use -chdir.\n",
    );
    assert_eq!(collected.text.len(), 5);
    let error = Diagnostic::error("Too many command line arguments")
        .with_detail("To specify a working directory, use -chdir.");
    assert_eq!(collected.diagnostics, [error]);
}

#[test]
fn unknown_and_broken_lines_are_no_trouble() {
    for (line, expected) in [
        (
            r#"{"type":"from_the_future","x":1}"#,
            Line::Other("from_the_future".to_owned()),
        ),
        (
            r#"{"type":"change_summary"}"#,
            Line::Other("change_summary".to_owned()),
        ),
        (
            r#"{"type":"apply_start","hook":7}"#,
            Line::Other("apply_start".to_owned()),
        ),
        (
            r#"{"level":"x"}"#,
            Line::Text(r#"{"level":"x"}"#.to_owned()),
        ),
        ("[1]", Line::Text("[1]".to_owned())),
        (
            r#"{"type":"diag"#,
            Line::Text(r#"{"type":"diag"#.to_owned()),
        ),
    ] {
        assert_eq!(Line::parse(line), expected, "{line}");
    }
    let waiting = r#"{"@level":"info","@message":"Acquiring state lock. This may take a few moments...","type":"state_lock_acquire"}"#;
    assert_eq!(read(waiting).0, [Fact::WaitsForLock]);
}
