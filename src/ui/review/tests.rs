use super::*;

fn attribute(path: &str, before: Option<&str>, after: Option<&str>) -> AttributeChange {
    AttributeChange {
        path: path.to_owned(),
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
        unknown: after == Some("(known after apply)"),
        forces_replacement: false,
    }
}

fn resource(address: &str, actions: &[&str], attributes: Vec<AttributeChange>) -> ResourceChange {
    ResourceChange {
        address: address.to_owned(),
        actions: actions.iter().map(|&action| action.to_owned()).collect(),
        notes: Vec::new(),
        attributes,
    }
}

fn plan(unit: &str, resources: Vec<ResourceChange>, outputs: &[&str]) -> UnitPlan {
    UnitPlan {
        unit: unit.parse().expect("a unit"),
        resources,
        outputs: outputs.iter().map(|&output| output.to_owned()).collect(),
        text: None,
    }
}

fn plain(plans: &[UnitPlan], width: usize) -> String {
    let text = anstream::adapter::strip_str(&render(plans, "Changes", width)).to_string();
    text.trim_start().to_owned()
}

/// The VPC's owner changes.
fn owner(to: &str) -> ResourceChange {
    let change = attribute("tags.Owner", Some("\"old\""), Some(to));
    resource("aws_vpc.this", &["update"], vec![change])
}

#[test]
fn forty_environments_with_the_same_change_and_one_that_differs() {
    let plans: Vec<UnitPlan> = (1..=40)
        .map(|number| {
            let to = if number == 17 { "\"other\"" } else { "\"new\"" };
            let mut resources = vec![
                owner(to),
                resource(
                    "aws_subnet.a",
                    &["create"],
                    vec![attribute("cidr", None, Some("\"10.0.0.0/24\""))],
                ),
            ];
            if number == 17 {
                let id = attribute("id", Some("\"db-1\""), None);
                resources.push(resource("aws_db_instance.main", &["delete"], vec![id]));
            }
            plan(&format!("env-{number:02}"), resources, &["+ vpc_id"])
        })
        .collect();
    insta::assert_snapshot!(plain(&plans, 80), @r#"
    Changes in 40 environments: env-01, env-02, env-03, env-04, env-05, env-06,
      env-07, env-08, env-09, env-10, env-11, env-12, env-13, env-14, env-15,
      env-16, env-17, env-18, env-19, env-20, env-21, env-22, env-23, env-24,
      env-25, env-26, env-27, env-28, env-29, env-30, env-31, env-32, env-33,
      env-34, env-35, env-36, env-37, env-38, env-39, env-40
      ~ aws_vpc.this  in 39 of 40, not in env-17
          tags.Owner: "old" → "new"
      ~ aws_vpc.this  only in env-17
          tags.Owner: "old" → "other"
      + aws_subnet.a  in all 40
          cidr: "10.0.0.0/24"
      - aws_db_instance.main  only in env-17
          id: "db-1"
      output + vpc_id  in all 40
    "#);
}

#[test]
fn what_no_two_environments_have_in_common_does_not_part_them() {
    let replaced = |id: &str| {
        resource(
            "terraform_data.app",
            &["delete", "create"],
            vec![
                attribute("id", Some(id), Some("(known after apply)")),
                attribute("input", Some("1"), Some("2")),
            ],
        )
    };
    let gone = |id: &str| {
        resource(
            "aws_eip.x",
            &["delete"],
            vec![attribute("id", Some(id), None)],
        )
    };
    let units = ["dev", "test", "stage", "prod"];
    let plans: Vec<UnitPlan> = units
        .iter()
        .map(|unit| {
            let id = format!("\"{unit}-id\"");
            plan(unit, vec![replaced(&id), gone(&id)], &[])
        })
        .collect();
    insta::assert_snapshot!(plain(&plans, 100), @r#"
    Changes in dev, test, stage, prod
      -/+ terraform_data.app  in dev, test, stage, prod
          id: (4 different values) → (known after apply)
          input: 1 → 2
      - aws_eip.x  in dev, test, stage, prod
          id: (4 different values)
    "#);
    insta::assert_snapshot!(plain(&plans[..2], 100), @r#"
    Changes in dev, test
      -/+ terraform_data.app  in dev, test
          id: "dev-id" (dev), "test-id" (test) → (known after apply)
          input: 1 → 2
      - aws_eip.x  in dev, test
          id: "dev-id" (dev), "test-id" (test)
    "#);
}

#[test]
fn a_resource_that_each_environment_makes_in_its_own_way_is_told_by_attribute() {
    let plans: Vec<UnitPlan> = ["a", "b", "c", "d"]
        .iter()
        .map(|unit| {
            let cidr = format!("\"10.{unit}\"");
            let attributes = vec![
                attribute("cidr", None, Some(&cidr)),
                attribute(
                    "dns",
                    None,
                    Some(if *unit == "d" { "false" } else { "true" }),
                ),
                attribute("tenancy", None, Some("\"default\"")),
            ];
            plan(
                unit,
                vec![resource("aws_vpc.this", &["create"], attributes)],
                &[],
            )
        })
        .collect();
    insta::assert_snapshot!(plain(&plans, 100), @r#"
    Changes in a, b, c, d
      + aws_vpc.this  in a, b, c, d
          cidr: "10.a"  (a)
          cidr: "10.b"  (b)
          cidr: "10.c"  (c)
          cidr: "10.d"  (d)
          dns: true  in a, b, c
          dns: false  only in d
          tenancy: "default"
    "#);
}

#[test]
fn units_in_the_same_place_of_their_environments_are_compared() {
    let plans = [
        plan("dev/network", vec![owner("\"new\"")], &[]),
        plan("dev/eks", vec![owner("\"new\"")], &[]),
        plan("prod/network", vec![owner("\"new\"")], &[]),
        plan("prod/eks", Vec::new(), &[]),
    ];
    insta::assert_snapshot!(plain(&plans, 100), @r#"
    Changes in the stack network of dev, prod
      ~ aws_vpc.this  in dev, prod
          tags.Owner: "old" → "new"

    Changes in dev/eks
      ~ aws_vpc.this
          tags.Owner: "old" → "new"
    "#);
    assert_eq!(plain(&plans[3..], 100), "");
}

#[test]
fn equal_beginnings_of_long_values_do_not_make_them_equal() {
    let long = "x".repeat(100);
    let values = |end: &str| format!("\"{long}{end}\"");
    let changed = |end: &str| {
        let (before, after) = (values("old"), values(end));
        let change = attribute("policy", Some(&before), Some(&after));
        resource("aws_iam_policy.p", &["update"], vec![change])
    };
    let plans = [
        plan("dev", vec![changed("new")], &[]),
        plan("prod", vec![changed("else")], &[]),
    ];
    let text = plain(&plans, 300);
    assert!(text.contains("xold\" → …"), "{text}");
    assert!(text.contains("xnew\"  (dev)\n"), "{text}");
    assert!(text.contains("xelse\"  (prod)\n"), "{text}");
}

#[test]
fn one_plan_alone_is_told_in_terraforms_words() {
    let mut alone = plan("dev", vec![owner("\"new\"")], &[]);
    alone.text = Some("\nTerraform will perform the following actions\n\n".to_owned());
    assert_eq!(
        render(&[alone], "Changes", 80),
        "\nTerraform will perform the following actions\n"
    );
}
