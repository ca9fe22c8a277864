use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::env_vars::EnvSnapshot;
use crate::model::{BucketSpec, CredentialsSpec, Encryption, LocalBackend, S3Backend};

fn sessions() -> Sessions {
    let aws = Aws::new(&EnvSnapshot::default()).unwrap();
    let (events, _) = crate::events::channel();
    let login = Login {
        cache: None,
        code: Mutex::default(),
        interactive: false,
        signals: crate::process::Signals::manual(events.clone()).1,
        events,
        environment: EnvSnapshot::default(),
        folder: "/r".into(),
    };
    Sessions::new(aws, Some("acme"), "r1", login)
}

fn profile(name: Option<&str>) -> CredentialsSpec {
    CredentialsSpec {
        profile: name.map(str::to_owned),
        ..CredentialsSpec::default()
    }
}

/// A unit with state in a local file and nothing of AWS.
fn unit() -> Unit {
    Unit {
        id: "dev".parse().unwrap(),
        folder: "/r/dev".into(),
        shares_folder: false,
        account_id: None,
        provider_assumes_role: false,
        extra_account_ids: Vec::new(),
        region: None,
        protected: false,
        tags: Vec::new(),
        depends_on: Vec::new(),
        backend: Backend::Local(LocalBackend {
            workspace: "default".parse().unwrap(),
            options: serde_json::Map::new(),
        }),
        bucket: BucketSpec::new(Encryption::Aes256),
        credentials: CredentialsSpec::default(),
        assume_role: Vec::new(),
        var_files: Vec::new(),
        vars: BTreeMap::new(),
        inputs: BTreeMap::new(),
        env: BTreeMap::new(),
        lock_timeout: Duration::ZERO,
    }
}

fn s3(region: &str, role_arn: Option<&str>) -> Backend {
    Backend::S3(Box::new(S3Backend {
        bucket: "acme-tfstate".parse().unwrap(),
        key: "terraform.tfstate".parse().unwrap(),
        region: region.parse().unwrap(),
        workspace: "default".parse().unwrap(),
        use_lockfile: true,
        kms_key_id: None,
        role_arn: role_arn.map(|arn| arn.parse().unwrap()),
        own_role: None,
        owner: "111111111111".parse().unwrap(),
        caller: "111111111111".parse().unwrap(),
        use_path_style: false,
        options: serde_json::Map::new(),
    }))
}

fn role(arn: &str) -> AssumeRole {
    AssumeRole::new(arn.parse().unwrap())
}

#[tokio::test]
async fn a_unit_without_an_account_is_never_asked_about() {
    let account = sessions().verify(&unit()).await.unwrap();
    assert!(!account.has_credentials());
}

#[test]
fn equal_chains_share_one_source_and_different_ones_share_their_beginning() {
    let sessions = sessions();
    let (tokyo, paris) = (
        "ap-northeast-1".parse().unwrap(),
        "eu-west-3".parse().unwrap(),
    );
    let hub = role("arn:aws:iam::111111111111:role/Hub");
    let dev = role("arn:aws:iam::222222222222:role/Deploy");
    let prod = role("arn:aws:iam::333333333333:role/Deploy");

    let one = sessions.source(&profile(None), vec![hub.clone(), dev.clone()], &tokyo);
    let same = sessions.source(&profile(None), vec![hub.clone(), dev.clone()], &paris);
    assert!(Arc::ptr_eq(&one, &same), "another region is no other role");

    let _ = sessions.source(&profile(None), vec![hub.clone(), prod], &tokyo);
    let count = || sessions.0.sources.lock().unwrap().len();
    assert_eq!(count(), 4, "base, hub, and a role of each account");

    let with_id = AssumeRole {
        external_id: Some("x".to_owned()),
        ..dev
    };
    let other = sessions.source(&profile(None), vec![hub.clone(), with_id], &tokyo);
    assert!(
        !Arc::ptr_eq(&one, &other),
        "another external id is another call"
    );
    let _ = sessions.source(&profile(Some("ci")), vec![hub], &tokyo);
    assert_eq!(count(), 7, "another profile is another chain");
}

#[test]
fn only_a_unit_that_asks_for_nothing_may_go_without_credentials() {
    assert!(may_go_without(&unit()));
    let with_role = Unit {
        assume_role: vec![role("arn:aws:iam::111111111111:role/Deploy")],
        ..unit()
    };
    let with_profile = Unit {
        credentials: CredentialsSpec {
            profile: Some("ci".to_owned()),
            ..CredentialsSpec::default()
        },
        ..unit()
    };
    let with_bucket = Unit {
        backend: s3("eu-west-1", None),
        ..unit()
    };
    for unit in [with_role, with_profile, with_bucket] {
        assert!(!may_go_without(&unit));
    }
}

#[test]
fn the_region_is_the_units_then_the_buckets_then_one_of_the_roles_partition() {
    let mut unit = unit();
    assert_eq!(region_of(&unit).as_str(), "us-east-1");
    unit.assume_role = vec![role("arn:aws-cn:iam::111111111111:role/Deploy")];
    assert_eq!(region_of(&unit).as_str(), "cn-north-1");
    unit.backend = s3("cn-northwest-1", None);
    assert_eq!(region_of(&unit).as_str(), "cn-northwest-1");
    unit.region = Some("cn-north-1".parse().unwrap());
    assert_eq!(region_of(&unit).as_str(), "cn-north-1");
}

#[tokio::test]
async fn a_backend_without_its_own_role_is_reached_with_the_units_credentials() {
    let unit = Unit {
        backend: s3("eu-west-1", None),
        ..unit()
    };
    let account = VerifiedAccount::without_credentials();
    let backend = sessions().verify_backend(&unit, &account).await.unwrap();
    assert!(!backend.has_credentials());
}

#[test]
fn every_role_of_the_manifest_outlives_a_revocation_once() {
    let with = |name: &str, roles: &[(&str, Option<u64>)], backend: Backend| Unit {
        id: name.parse().unwrap(),
        assume_role: roles
            .iter()
            .map(|(arn, hours)| AssumeRole {
                duration: hours.map(Duration::from_hours),
                ..AssumeRole::new(arn.parse().unwrap())
            })
            .collect(),
        backend,
        ..unit()
    };
    let [hub, dev, state] = [
        "arn:aws:iam::000000000000:role/Hub",
        "arn:aws:iam::111111111111:role/Deploy",
        "arn:aws:iam::222222222222:role/State",
    ];
    let units = [
        with("dev", &[(hub, None), (dev, None)], unit().backend),
        with("test", &[(dev, Some(4))], s3("eu-central-1", Some(state))),
    ];
    let told: Vec<String> = outliving(&units)
        .iter()
        .map(|each| {
            let units: Vec<String> = each.units.iter().map(ToString::to_string).collect();
            let hours = each.at_most.as_secs() / 3600;
            format!(
                "{} {} {hours}h",
                each.account_id.as_ref().unwrap(),
                units.join(",")
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "000000000000 dev 1h",
            "111111111111 dev,test 4h",
            "222222222222 test 1h"
        ]
    );
}
