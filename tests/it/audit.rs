//! `tfw audit`: who read and wrote a state. MiniStack keeps a history of S3's requests; for what no
//! emulator has, Decrypt events of KMS among it, the proxy answers in CloudTrail's recorded shapes.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Request, TestEnvironment, fixtures, texts};

const KMS: &str = "bucket.encryption = \"aws:kms\"
bucket.kms_key = \"alias/state\"
bucket.create_kms_key = true
[environments.dev.stacks.network]
[environments.dev.stacks.eks]";

/// Two stacks, whose states lie in one bucket under one key.
fn two_stacks() -> TestEnvironment {
    let test = TestEnvironment::new().environment_with("dev", KMS, "");
    for stack in ["network", "eks"] {
        test.write(
            &format!("environments/dev/{stack}/main.tf"),
            &fixtures::builtin(),
        );
    }
    test.tfw(["backend", "ensure", "dev", "--yes"])
        .run()
        .succeeds();
    test.proxy().forget();
    test
}

/// An event of `LookupEvents`, as S3 has KMS asked in somebody's name (S3 User Guide, "Logging AWS
/// KMS API calls"; CloudTrail API reference, `LookupEvents`).
fn event(minutes_ago: i64, name: &str, identity: &Value, rest: &Value) -> Value {
    let time = jiff::Timestamp::now().as_second() - 60 * minutes_ago;
    let mut record = json!({
        "eventVersion": "1.11",
        "userIdentity": identity,
        "eventTime": jiff::Timestamp::from_second(time).unwrap().to_string(),
        "eventSource": "kms.amazonaws.com",
        "eventName": name,
        "awsRegion": "eu-central-1",
        "sourceIPAddress": "fas.s3.amazonaws.com",
        "userAgent": "fas.s3.amazonaws.com",
        "requestParameters": null,
        "responseElements": null,
        "requestID": "cea04450-5817-11e5-85aa-97ce46071236",
        "eventID": "80721262-21a5-49b9-8b63-28740e7ce9c9",
        "readOnly": true,
        "resources": [{
            "accountId": "111122223333",
            "type": "AWS::KMS::Key",
            "ARN": "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        }],
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": "111122223333",
        "eventCategory": "Management",
    });
    let (Some(record), Some(rest)) = (record.as_object_mut(), rest.as_object()) else {
        panic!("both are objects");
    };
    record.extend(rest.clone());
    json!({
        "EventId": "80721262-21a5-49b9-8b63-28740e7ce9c9",
        "EventName": name,
        "ReadOnly": "true",
        "AccessKeyId": "ASIAIOSFODNN7EXAMPLE",
        "EventTime": time,
        "EventSource": "kms.amazonaws.com",
        "Username": "somebody",
        "Resources": [{
            "ResourceType": "AWS::KMS::Key",
            "ResourceName": "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        }],
        "CloudTrailEvent": serde_json::to_string(record).unwrap(),
    })
}

fn of(arn: &str) -> Value {
    json!({ "requestParameters": {
        "encryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "encryptionContext": { "aws:s3:arn": arn },
    } })
}

fn role(name: &str, session: &str) -> Value {
    json!({
        "type": "AssumedRole",
        "principalId": format!("AROACKCEVSQ6C2EXAMPLE:{session}"),
        "arn": format!("arn:aws:sts::111122223333:assumed-role/{name}/{session}"),
        "accountId": "111122223333",
        "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": "AROACKCEVSQ6C2EXAMPLE",
                "arn": format!("arn:aws:iam::111122223333:role/{name}"),
                "accountId": "111122223333",
                "userName": name,
            },
            "attributes": { "creationDate": "2026-01-02T11:00:00Z", "mfaAuthenticated": "false" },
        },
        "invokedBy": "fas.s3.amazonaws.com",
    })
}

fn user(name: &str) -> Value {
    json!({
        "type": "IAMUser",
        "principalId": "AIDACKCEVSQ6C2EXAMPLE",
        "arn": format!("arn:aws:iam::111122223333:user/{name}"),
        "accountId": "111122223333",
        "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
        "userName": name,
        "invokedBy": "fas.s3.amazonaws.com",
    })
}

fn looks_up(request: &Request) -> bool {
    request.is_tfw("LookupEvents")
}

fn looks_up_key(request: &Request) -> bool {
    looks_up(request) && request.body.contains(":key/")
}

/// What looks up the bucket finds nothing, as on AWS.
fn nothing_of_buckets(test: &TestEnvironment) {
    test.proxy()
        .when(|request| looks_up(request) && !looks_up_key(request))
        .answer(|_| json!({ "Events": [] }).to_string());
}

/// Two pages of history, the second one throttled at first, so many times.
fn history(test: &TestEnvironment, run: &str, throttled: usize) {
    let bucket = format!("arn:aws:s3:::{}", test.bucket("dev"));
    let network = format!("{bucket}/network/terraform.tfstate");
    let eks = format!("{bucket}/eks/terraform.tfstate");
    let tfw = role("Execution", &format!("tfw-test-{run}"));
    let first = json!({
        "Events": [
            event(20, "Decrypt", &tfw, &of(&network)),
            event(30, "GenerateDataKey", &tfw, &of(&eks)),
            event(30, "GenerateDataKey", &tfw, &of(&format!("{eks}.tflock"))),
            event(40, "DescribeKey", &user("alice"), &json!({})),
        ],
        "NextToken": "page+2==",
    });
    let context = json!({ "encryptionContext": { "SecretARN": "arn:aws:secretsmanager:x" } });
    let elsewhere = json!({ "requestParameters": context });
    let denied = json!({ "errorCode": "AccessDenied", "errorMessage": "User is not authorized" });
    let mut denied_elsewhere = elsewhere.clone();
    denied_elsewhere["errorCode"] = json!("AccessDenied");
    let second = json!({
        "Events": [
            event(120, "Decrypt", &user("alice"), &of(&eks)),
            event(130, "Decrypt", &user("alice"), &elsewhere),
            event(140, "Decrypt", &role("Admins", "bob@corp"), &of(&bucket)),
            event(150, "Decrypt", &user("mallory"), &denied),
            event(155, "Decrypt", &user("mallory"), &denied_elsewhere),
            event(160, "Decrypt", &user("alice"), &of("arn:aws:s3:::another/eks/terraform.tfstate")),
        ],
    });
    nothing_of_buckets(test);
    let proxy = test.proxy();
    let next = |request: &Request| looks_up_key(request) && request.body.contains("page+2==");
    proxy
        .when(next)
        .times(throttled)
        .refuse(400, "ThrottlingException");
    proxy.when(next).answer(move |_| second.to_string());
    proxy.when(looks_up_key).answer(move |_| first.to_string());
}

fn the_run(test: &TestEnvironment) -> String {
    let runs = std::fs::read_dir(test.path("environments/.tfw/runs")).unwrap();
    let names = runs.map(|run| run.unwrap().file_name().into_string().unwrap());
    names.min().unwrap()
}

#[test]
fn who_read_which_state_is_told_by_person_over_pages_and_throttling() {
    let test = two_stacks();
    let run = the_run(&test);
    // The SDK tries three times by itself.
    history(&test, &run, 4);
    let shown = test.tfw(["audit", "dev"]).run().succeeds();
    for part in [
        "Execution (role, account 111122223333), by tfw",
        "1 read of dev/network, last 20 min ago",
        &format!("by run {run} (`tfw backend ensure` of this folder)"),
        "1 write of dev/eks, last 30 min ago",
        "alice (user, account 111122223333)\n  1 read of dev/eks, last 2 h ago\n",
        "Admins (role, account 111122223333), session bob@corp",
        "1 read of a state in the bucket of dev/network, dev/eks, last 2 h ago",
        "1 denied read that may be of dev/network, dev/eks (the key is shared), last 2 h ago (AccessDenied)",
        "5 events of 4 callers since ",
        "S3 Bucket Keys are on in",
        "no trail logs who reads the objects of",
        "event data stores of CloudTrail Lake are not looked at",
        "the key asked about: `arn:aws:kms:",
        "under a key that a state had before is not shown",
        "never reaches KMS",
        "5 of 5 events do not say from where",
        "90 days",
    ] {
        assert!(shown.stdout.contains(part), "{part}\n{}", shown.stdout);
    }
    assert_eq!(shown.stderr, "");
    // One key, one bucket: the same lookups however many units there are.
    let first_pages = test
        .proxy()
        .count(|request| looks_up(request) && !request.body.contains("NextToken"));
    assert_eq!(first_pages, 2);
    test.proxy().assert_expected_owner();
}

#[test]
fn documents_have_every_field_and_a_row_for_each_unit() {
    let test = two_stacks();
    let run = the_run(&test);
    history(&test, &run, 0);
    let document = test
        .tfw(["audit", "dev", "--json", "--since", "36h"])
        .run()
        .succeeds()
        .json();
    assert_eq!(document["schema"], 1);
    assert_eq!(document["diagnostics"], json!([]));
    let events = document["events"].as_array().unwrap();
    let told: Vec<String> = events
        .iter()
        .map(|event| format!("{} {}", event["event"], event["unit"]).replace('"', ""))
        .collect();
    assert_eq!(
        told,
        [
            "Decrypt dev/network",
            "GenerateDataKey dev/eks",
            "Decrypt dev/eks",
            "Decrypt dev/network",
            "Decrypt dev/eks",
            "Decrypt dev/network",
            "Decrypt dev/eks",
        ]
    );
    let first = &events[0];
    let arn = format!(
        "arn:aws:s3:::{}/network/terraform.tfstate",
        test.bucket("dev")
    );
    assert_eq!(
        *first,
        json!({
            "time": first["time"],
            "unit": "dev/network",
            "workspace": "default",
            "event": "Decrypt",
            "who": "role Execution in account 111122223333",
            "session": format!("tfw-test-{run}"),
            "source_ip": null,
            "user_agent": null,
            "resource": arn,
            "error": null,
        })
    );
    // The bucket's name stands for any of its objects; of what is denied, not even that.
    assert_eq!(
        events[3]["resource"],
        format!("arn:aws:s3:::{}", test.bucket("dev"))
    );
    assert_eq!(events[3]["workspace"], Value::Null);
    assert_eq!(events[5]["resource"], Value::Null);
    assert_eq!(events[5]["error"], "AccessDenied");
    let caveats = document["caveats"].to_string();
    assert!(caveats.contains("90 days"), "{caveats}");

    let csv = test.tfw(["audit", "dev", "--csv"]).run().succeeds();
    let lines: Vec<&str> = csv.stdout.lines().collect();
    let fields: Vec<&str> = first
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(lines[0], fields.join(","));
    assert_eq!(lines.len(), 8);
    assert!(lines[1].contains(&format!(
        ",dev/network,default,Decrypt,role Execution in account 111122223333,tfw-test-{run},,,{arn},"
    )));
    assert!(csv.stderr.contains("warning: "), "{}", csv.stderr);
    assert!(csv.stderr.contains("90 days"), "{}", csv.stderr);
}

#[test]
fn what_an_emulator_records_is_shown_and_a_trail_of_data_events_is_found() {
    let test = TestEnvironment::on_ministack().environment("dev");
    test.create_bucket("dev");
    test.put_object("dev", "terraform.tfstate", "{}");
    assert!(test.object("dev", "terraform.tfstate").is_some());
    assert!(test.object("dev", "another").is_none());
    let document = test.tfw(["audit", "dev", "--json"]).run().succeeds().json();
    let events = document["events"].as_array().unwrap();
    let told: Vec<&str> = events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    // Also of one second.
    assert!(
        told.contains(&"GetObject") && told.contains(&"PutObject"),
        "{told:?}"
    );
    assert_eq!(told.len(), 2, "{told:?}");
    let arn = format!("arn:aws:s3:::{}/terraform.tfstate", test.bucket("dev"));
    for event in events {
        assert_eq!(event["unit"], "dev");
        assert_eq!(event["resource"], arn.as_str());
        assert_eq!(event["source_ip"], "127.0.0.1");
        let who = event["who"].as_str().unwrap();
        assert!(
            who.ends_with(&format!("in account {}", test.account("dev"))),
            "{who}"
        );
    }
    let caveats = document["caveats"].to_string();
    for part in [
        "no key of KMS encrypts the state",
        "tfw backend ensure dev --reencrypt",
        "S3 data events are off",
        "create-trail",
    ] {
        assert!(caveats.contains(part), "{part}: {caveats}");
    }

    let trail = json!({ "Name": "main", "S3BucketName": "logs" }).to_string();
    test.cloudtrail("dev", "CreateTrail", &trail);
    test.cloudtrail(
        "dev",
        "StartLogging",
        &json!({ "Name": "main" }).to_string(),
    );
    let shown = test.tfw(["audit", "dev"]).run().succeeds();
    shown.says("aws cloudtrail put-event-selectors --region eu-central-1 --trail-name main --event-selectors '[");
    let selectors = json!([{
        "ReadWriteType": "All",
        "IncludeManagementEvents": true,
        "DataResources": [{
            "Type": "AWS::S3::Object",
            "Values": [format!("arn:aws:s3:::{}/", test.bucket("dev"))],
        }],
    }]);
    // What a trail selects beside that is not to be overwritten by a paste.
    let others = json!([{
        "ReadWriteType": "All",
        "IncludeManagementEvents": true,
        "DataResources": [{ "Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::other/"] }],
    }]);
    let put = json!({ "TrailName": "main", "EventSelectors": others }).to_string();
    test.cloudtrail("dev", "PutEventSelectors", &put);
    let shown = test.tfw(["audit", "dev"]).run().succeeds();
    shown.says("replaces what the trail selects now");
    shown.says("get-event-selectors --region eu-central-1 --trail-name main");
    assert!(
        !shown.stdout.contains("--event-selectors '"),
        "{}",
        shown.stdout
    );
    let put = json!({ "TrailName": "main", "EventSelectors": selectors }).to_string();
    test.cloudtrail("dev", "PutEventSelectors", &put);
    let shown = test.tfw(["audit", "dev"]).run().succeeds();
    shown.says("the trail `main` logs each read of the object");
    shown.says("s3://logs/");
    assert!(!shown.stdout.contains("are off"), "{}", shown.stdout);
}

#[test]
fn a_unit_whose_history_may_not_be_read_fails_and_the_permission_is_named() {
    let test = TestEnvironment::new()
        .environment("dev")
        .environment("prod");
    test.create_bucket("dev");
    test.create_bucket("prod");
    let proxy = test.proxy();
    proxy
        .when(looks_up)
        .times(1)
        .refuse(400, "AccessDeniedException");
    proxy
        .when(|request| request.is_tfw("DescribeTrails"))
        .refuse(400, "AccessDeniedException");
    nothing_of_buckets(&test);
    let document = test.tfw(["audit", "--all", "--json"]).run().exits(1).json();
    let diagnostics = document["diagnostics"].as_array().unwrap();
    assert_eq!(diagnostics.len(), 1, "{diagnostics:#?}");
    let text = texts(&document).join("\n");
    assert!(
        text.contains("cannot read CloudTrail's event history: access denied"),
        "{text}"
    );
    assert!(
        text.contains("must allow `cloudtrail:LookupEvents`"),
        "{text}"
    );
    // Of the other one, all is told but what may not be read.
    let caveats = document["caveats"].to_string();
    assert!(
        caveats.contains("is not known: access denied (cloudtrail:DescribeTrails)"),
        "{caveats}"
    );
}

#[test]
fn a_bucket_that_is_not_there_is_told_and_not_looked_up() {
    let test = TestEnvironment::new()
        .environment("dev")
        .environment("prod");
    test.create_bucket("dev");
    nothing_of_buckets(&test);
    let shown = test.tfw(["audit", "--all"]).run().succeeds();
    shown.says("CloudTrail's history shows nobody at these states since");
    shown.says(&format!(
        "the bucket `{}` does not exist",
        test.bucket("prod")
    ));
    shown.says("`tfw backend ensure prod` creates it");
    assert_eq!(test.proxy().count(looks_up), 1);
}

#[test]
fn times_that_the_history_does_not_have_are_no_command_line() {
    let test = TestEnvironment::offline().environment("dev");
    let refused = test.tfw(["audit", "dev", "--since", "91d"]).run().exits(3);
    refused.says("more than 90 days ago");
    refused.says("hint: `--since 90d`");
    for since in ["7", "yesterday", "-1d"] {
        test.tfw(["audit", "dev", &format!("--since={since}")])
            .run()
            .exits(3);
    }
    test.tfw(["audit", "dev", "--until", "8d"]).run().exits(3);
    test.tfw(["audit", "dev", "--csv", "--json"]).run().exits(3);
    // Without a bucket there is nobody to ask.
    let shown = test.tfw(["audit", "dev"]).run().succeeds();
    shown.says("of which CloudTrail knows nothing");
}

#[test]
fn ctrl_c_ends_it_and_asks_no_more() {
    let test = two_stacks();
    let gate = test.proxy().when(looks_up).hold();
    let audit = test.tfw(["audit", "dev", "--json"]).spawn();
    gate.wait_for_arrival();
    audit.signal(Signal::INT);
    let document = audit.wait().exits(130).json();
    assert_eq!(document["events"], json!([]));
    let caveats = document["caveats"].to_string();
    assert!(
        caveats.contains("was not read: the run was interrupted"),
        "{caveats}"
    );
    assert!(!caveats.contains("90 days"), "{caveats}");
}

#[test]
fn ctrl_c_on_a_later_page_loses_nothing_of_the_first() {
    let test = two_stacks();
    let run = the_run(&test);
    let gate = test
        .proxy()
        .when(|request| looks_up_key(request) && request.body.contains("page+2=="))
        .hold();
    history(&test, &run, 0);
    let audit = test.tfw(["audit", "dev", "--json", "-v"]).spawn();
    gate.wait_for_arrival();
    audit.signal(Signal::INT);
    let ended = audit.wait().exits(130);
    ended.says("` so far, back to ");
    let document = ended.json();
    assert_eq!(document["events"].as_array().unwrap().len(), 2);
    let caveats = document["caveats"].to_string();
    assert!(caveats.contains("is complete only back to "), "{caveats}");
    assert!(caveats.contains("the run was interrupted"), "{caveats}");
}

#[test]
fn a_later_page_that_fails_fails_the_units_and_loses_nothing_of_the_first() {
    let test = two_stacks();
    let run = the_run(&test);
    let next = |request: &Request| looks_up_key(request) && request.body.contains("page+2==");
    test.proxy().when(next).refuse(400, "AccessDeniedException");
    history(&test, &run, 0);
    let shown = test.tfw(["audit", "dev"]).run().exits(1);
    shown.says("1 read of dev/network, last 20 min ago");
    shown.says("2 events of 1 caller since ");
    shown.says("; not all of the history was read");
    shown.says("is complete only back to ");
    assert!(!shown.stdout.contains("shows nobody"), "{}", shown.stdout);
    shown.says("cannot read CloudTrail's event history: access denied");
}

#[test]
fn nobody_is_not_said_of_a_history_that_was_not_read() {
    let test = two_stacks();
    test.proxy()
        .when(looks_up)
        .refuse(400, "AccessDeniedException");
    let shown = test.tfw(["audit", "dev"]).run().exits(1);
    shown.says("CloudTrail's history was not wholly read: who was at these states since");
    assert!(!shown.stdout.contains("shows nobody"), "{}", shown.stdout);
}

#[test]
fn a_bucket_that_cannot_be_looked_up_fails_no_unit_whose_key_was() {
    let test = two_stacks();
    let run = the_run(&test);
    test.proxy()
        .when(|request| looks_up(request) && !looks_up_key(request))
        .refuse(400, "AccessDeniedException");
    history(&test, &run, 0);
    let shown = test.tfw(["audit", "dev"]).run().succeeds();
    shown.says("5 events of 4 callers since ");
    shown.says(&format!(
        "what the history has of the bucket `{}` was not read: access denied",
        test.bucket("dev")
    ));
}

#[test]
fn a_state_of_another_workspace_belongs_to_the_unit_too() {
    let test = two_stacks();
    let bucket = format!("arn:aws:s3:::{}", test.bucket("dev"));
    let state = |key: &str| of(&format!("{bucket}/{key}"));
    let page = json!({ "Events": [
        event(20, "Decrypt", &user("alice"), &state("env:/staging/eks/terraform.tfstate")),
        event(30, "Decrypt", &user("alice"), &state("env:/staging/eks/terraform.tfstate.tflock")),
        event(40, "Decrypt", &user("alice"), &state("env:/staging/other/terraform.tfstate")),
    ] });
    nothing_of_buckets(&test);
    test.proxy()
        .when(looks_up_key)
        .answer(move |_| page.to_string());
    let shown = test.tfw(["audit", "dev"]).run().succeeds();
    shown.says("1 read of the workspace `staging` of dev/eks, last 20 min ago");
    shown.says("1 event of 1 caller");
    let document = test.tfw(["audit", "dev", "--json"]).run().succeeds().json();
    assert_eq!(document["events"][0]["workspace"], "staging");
    let csv = test.tfw(["audit", "dev", "--csv"]).run().succeeds();
    assert!(
        csv.stdout.contains(",dev/eks,staging,Decrypt,"),
        "{}",
        csv.stdout
    );
}

/// A trail as `DescribeTrails` has it, of another region than the bucket's.
fn trail_elsewhere(test: &TestEnvironment, account: &str) {
    let trails = json!({ "trailList": [{
        "Name": "everywhere",
        "S3BucketName": "logs",
        "HomeRegion": "us-east-1",
        "IsMultiRegionTrail": true,
        "TrailARN": format!("arn:aws:cloudtrail:us-east-1:{account}:trail/everywhere"),
    }] });
    test.proxy()
        .when(|request| request.is_tfw("DescribeTrails"))
        .answer(move |_| trails.to_string());
}

fn is_asked_at_home(request: &Request) -> bool {
    let signed = request.header("authorization").unwrap_or_default();
    signed.contains("/us-east-1/cloudtrail/")
}

#[test]
fn a_trail_of_another_home_region_is_asked_there() {
    let test = TestEnvironment::new().environment("dev");
    test.create_bucket("dev");
    nothing_of_buckets(&test);
    trail_elsewhere(&test, &test.account("dev"));
    let selectors = json!({ "EventSelectors": [{
        "ReadWriteType": "All",
        "IncludeManagementEvents": true,
        "DataResources": [{ "Type": "AWS::S3::Object", "Values": ["arn:aws:s3"] }],
    }] });
    let proxy = test.proxy();
    let asks = |request: &Request| request.is_tfw("GetEventSelectors");
    proxy
        .when(move |request| asks(request) && !is_asked_at_home(request))
        .refuse(400, "InvalidHomeRegionException");
    proxy.when(asks).answer(move |_| selectors.to_string());
    proxy
        .when(|request| request.is_tfw("GetTrailStatus"))
        .answer(|_| json!({ "IsLogging": true }).to_string());
    let shown = test.tfw(["audit", "dev"]).run().succeeds();
    shown.says("the trail `everywhere` logs each read of the object");
}

#[test]
fn of_the_organizations_trail_the_account_that_manages_it_is_to_be_asked() {
    let test = TestEnvironment::new().environment("dev");
    test.create_bucket("dev");
    nothing_of_buckets(&test);
    trail_elsewhere(&test, "999999999999");
    let proxy = test.proxy();
    proxy
        .when(|request| request.is_tfw("GetEventSelectors"))
        .refuse(400, "AccessDeniedException");
    proxy
        .when(|request| request.is_tfw("GetTrailStatus"))
        .answer(|_| json!({ "IsLogging": true }).to_string());
    let shown = test.tfw(["audit", "dev"]).run().succeeds();
    shown.says("whether the trail `everywhere` logs who reads the objects of");
    shown.says("it belongs to account 999999999999, which manages the organization: ask there");
    assert!(!shown.stdout.contains("must allow"), "{}", shown.stdout);
}

#[test]
fn a_trail_that_may_not_be_looked_at_is_not_taken_for_none() {
    let test = TestEnvironment::on_ministack().environment("dev");
    test.create_bucket("dev");
    let trail = json!({ "Name": "of-the-organization", "S3BucketName": "logs" }).to_string();
    test.cloudtrail("dev", "CreateTrail", &trail);
    test.proxy()
        .when(|request| request.is_tfw("GetEventSelectors"))
        .refuse(400, "AccessDeniedException");
    let shown = test.tfw(["audit", "dev"]).run().succeeds();
    shown.says("whether the trail `of-the-organization` logs who reads the objects of");
    shown.says("must allow `cloudtrail:GetEventSelectors`");
    assert!(!shown.stdout.contains("are off"), "{}", shown.stdout);
}
