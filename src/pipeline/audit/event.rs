//! One record of CloudTrail's: who, from where, what (CloudTrail User Guide, "CloudTrail record
//! contents" and "CloudTrail userIdentity element").

use std::net::IpAddr;

use serde_json::Value;

use crate::aws::HistoryEvent;
use crate::model::{AuditEvent, Deed, Who, WhoKind};

/// An event, and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sighting {
    /// Without units yet.
    pub(super) event: AuditEvent,
    pub(super) target: Target,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// One object.
    Object { bucket: String, key: String },
    /// Any object of a bucket: with an S3 Bucket Key, KMS is told no more.
    Bucket(String),
    /// It does not say: what was denied, KMS records without its parameters.
    Unknown,
}

impl Sighting {
    /// What an event tells; `None`: it is not about the content of an object.
    pub(super) fn of(event: &HistoryEvent) -> Option<Self> {
        Deed::of(&event.name)?;
        let record: Value = serde_json::from_str(&event.record).unwrap_or_default();
        let text = |pointer: &str| {
            let text = record.pointer(pointer).and_then(Value::as_str);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let error = text("/errorCode");
        let (target, resource) = match target(event, &record) {
            Some((target, arn)) => (target, Some(arn)),
            None if record["requestParameters"].is_null() => (Target::Unknown, None),
            // The key was used for something else than S3.
            None => return None,
        };
        let internal = |text: &String| {
            text == "AWS Internal" || text.ends_with(".amazonaws.com") && !text.contains(' ')
        };
        Some(Self {
            event: AuditEvent {
                time: event.time,
                units: Vec::new(),
                workspace: None,
                event: event.name.clone(),
                who: who(&record["userIdentity"]),
                session: session(&record["userIdentity"]),
                source_ip: text("/sourceIPAddress").filter(|text| text.parse::<IpAddr>().is_ok()),
                user_agent: text("/userAgent").filter(|agent| !internal(agent)),
                resource,
                error,
                command: None,
            },
            target,
        })
    }
}

/// The object or the bucket, and its ARN.
fn target(event: &HistoryEvent, record: &Value) -> Option<(Target, String)> {
    let parameters = &record["requestParameters"];
    if let Some(context) = parameters["encryptionContext"].as_object() {
        let arn = context.get("aws:s3:arn")?.as_str()?;
        return Some((of_arn(arn)?, arn.to_owned()));
    }
    let of_s3 = record["resources"].as_array().into_iter().flatten();
    let object = of_s3
        .filter_map(|resource| resource["ARN"].as_str())
        .filter_map(|arn| Some((of_arn(arn)?, arn)))
        .max_by_key(|(target, _)| matches!(target, Target::Object { .. }));
    if let Some((target, arn)) = object {
        return Some((target, arn.to_owned()));
    }
    let named = (
        parameters["bucketName"].as_str(),
        parameters["key"].as_str(),
    );
    let (bucket, key) = match (named, &event.resources[..]) {
        ((Some(bucket), key), _) => (bucket, key),
        // Of a key of KMS, the only name is an ARN.
        (_, [bucket, rest @ ..]) if !bucket.starts_with("arn:") => {
            (bucket.as_str(), rest.first().map(String::as_str))
        }
        _ => return None,
    };
    let arn = match key {
        Some(key) => format!("arn:aws:s3:::{bucket}/{key}"),
        None => format!("arn:aws:s3:::{bucket}"),
    };
    Some((of_arn(&arn)?, arn))
}

/// `arn:aws:s3:::BUCKET/KEY`, in any partition.
fn of_arn(arn: &str) -> Option<Target> {
    let mut parts = arn.splitn(6, ':');
    let service = parts.nth(2)?;
    let resource = parts.nth(2)?;
    if service != "s3" || resource.is_empty() {
        return None;
    }
    Some(match resource.split_once('/') {
        Some((bucket, key)) if !key.is_empty() => Target::Object {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        },
        Some((bucket, _)) => Target::Bucket(bucket.to_owned()),
        None => Target::Bucket(resource.to_owned()),
    })
}

fn who(identity: &Value) -> Option<Who> {
    let text = |pointer: &str| {
        let text = identity.pointer(pointer).and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
    };
    let resource = text("/arn").and_then(|arn| arn.splitn(6, ':').nth(5));
    let kind = match (text("/type"), resource.and_then(|r| r.split('/').next())) {
        // Some services write `IAMUser` for a role's session, whose ARN is right.
        (Some("AssumedRole" | "Role"), _) | (_, Some("assumed-role")) => WhoKind::Role,
        (Some("Root"), _) => WhoKind::Root,
        (Some("AWSService"), _) => WhoKind::Service,
        (Some("AWSAccount"), _) => WhoKind::Account,
        (Some("IdentityCenterUser"), _) => WhoKind::IdentityCenter,
        (Some(_), _) => WhoKind::User,
        (None, _) => return None,
    };
    let of_arn = resource.and_then(|resource| match kind {
        WhoKind::Role => resource.split('/').nth(1),
        _ => resource.rsplit('/').next(),
    });
    let person = of_identity_center(identity);
    let name = match kind {
        WhoKind::Role => text("/sessionContext/sessionIssuer/userName").or(of_arn),
        WhoKind::Root => Some("root"),
        WhoKind::Service => text("/invokedBy"),
        WhoKind::Account => text("/accountId"),
        WhoKind::User => text("/userName").or(of_arn),
        WhoKind::IdentityCenter => person.as_deref(),
    };
    Some(Who {
        kind,
        name: name.or(text("/principalId"))?.to_owned(),
        account: text("/accountId").map(str::to_owned),
        source_identity: text("/sessionContext/sourceIdentity").map(str::to_owned),
        on_behalf_of: person.filter(|_| kind != WhoKind::IdentityCenter),
    })
}

/// `USER_ID of STORE_ID`: CloudTrail knows a user of IAM Identity Center by no other name.
fn of_identity_center(identity: &Value) -> Option<String> {
    let user = identity["onBehalfOf"]["userId"].as_str()?;
    let store = identity["onBehalfOf"]["identityStoreArn"].as_str();
    Some(match store.and_then(|arn| arn.rsplit('/').next()) {
        Some(store) => format!("{user} of {store}"),
        None => user.to_owned(),
    })
}

/// The name of a role's session: behind the role's id, or at the end of the ARN. A colon in the
/// principal of others tells something else: `ACCOUNT:NAME` of a federated user.
fn session(identity: &Value) -> Option<String> {
    let principal = identity["principalId"].as_str().unwrap_or_default();
    // The ids of roles begin so (IAM User Guide, "IAM identifiers").
    if let Some((id, session)) = principal.split_once(':')
        && id.starts_with("AROA")
    {
        return Some(session.to_owned());
    }
    let resource = identity["arn"].as_str()?.splitn(6, ':').nth(5)?;
    let mut parts = resource.strip_prefix("assumed-role/")?.splitn(2, '/');
    parts.nth(1).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(name: &str, record: &Value) -> HistoryEvent {
        HistoryEvent {
            time: "2026-01-02T12:00:00Z".parse().expect("a time"),
            name: name.to_owned(),
            resources: Vec::new(),
            record: record.to_string(),
        }
    }

    /// As S3 has KMS decrypt for somebody (S3 User Guide, "Logging AWS KMS API calls").
    fn decrypt(identity: &Value, context: &str) -> HistoryEvent {
        let record = json!({
            "eventVersion": "1.11",
            "userIdentity": identity,
            "eventTime": "2026-01-02T12:00:00Z",
            "eventSource": "kms.amazonaws.com",
            "eventName": "Decrypt",
            "sourceIPAddress": "fas.s3.amazonaws.com",
            "userAgent": "fas.s3.amazonaws.com",
            "requestParameters": {
                "encryptionAlgorithm": "SYMMETRIC_DEFAULT",
                "encryptionContext": { "aws:s3:arn": context },
            },
            "resources": [{
                "accountId": "111122223333",
                "type": "AWS::KMS::Key",
                "ARN": "arn:aws:kms:eu-central-1:111122223333:key/1234abcd",
            }],
        });
        HistoryEvent {
            resources: vec!["arn:aws:kms:eu-central-1:111122223333:key/1234abcd".to_owned()],
            ..event("Decrypt", &record)
        }
    }

    fn admins() -> Value {
        json!({
            "type": "AssumedRole",
            "principalId": "AROACKCEVSQ6C2EXAMPLE:alice@corp",
            "arn": "arn:aws:sts::111122223333:assumed-role/Admins/alice@corp",
            "accountId": "111122223333",
            "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": "AROACKCEVSQ6C2EXAMPLE",
                    "arn": "arn:aws:iam::111122223333:role/path/Admins",
                    "accountId": "111122223333",
                    "userName": "Admins",
                },
                "attributes": { "creationDate": "2026-01-02T11:00:00Z", "mfaAuthenticated": "false" },
                "sourceIdentity": "alice",
            },
            "invokedBy": "fas.s3.amazonaws.com",
        })
    }

    #[test]
    fn a_decrypt_of_s3s_names_the_object_and_the_role_with_its_session() {
        let arn = "arn:aws:s3:::acme/eks/terraform.tfstate";
        let seen = Sighting::of(&decrypt(&admins(), arn)).expect("an event");
        assert_eq!(
            seen.target,
            Target::Object {
                bucket: "acme".to_owned(),
                key: "eks/terraform.tfstate".to_owned()
            }
        );
        assert_eq!(seen.event.resource.as_deref(), Some(arn));
        assert_eq!(seen.event.session.as_deref(), Some("alice@corp"));
        let who = seen.event.who.expect("somebody");
        assert_eq!(
            who.to_string(),
            "role Admins in account 111122223333, who is alice"
        );
        // S3 asked, from nowhere.
        assert_eq!((seen.event.source_ip, seen.event.user_agent), (None, None));

        let of_bucket = decrypt(&admins(), "arn:aws-cn:s3:::acme");
        let seen = Sighting::of(&of_bucket).expect("an event");
        assert_eq!(seen.target, Target::Bucket("acme".to_owned()));
    }

    #[test]
    fn every_kind_of_identity_has_a_name() {
        for (identity, told, session) in [
            (
                json!({ "type": "IAMUser", "arn": "arn:aws:iam::1:user/eng/alice", "accountId": "1", "userName": "alice" }),
                Some("user alice in account 1"),
                None,
            ),
            (
                json!({ "type": "IAMUser", "principalId": "AROA:bob", "arn": "arn:aws:sts::1:assumed-role/Admin/bob", "accountId": "1" }),
                Some("role Admin in account 1"),
                Some("bob"),
            ),
            (
                json!({ "type": "Root", "arn": "arn:aws:iam::1:root", "accountId": "1" }),
                Some("root user in account 1"),
                None,
            ),
            (
                json!({ "type": "AWSService", "invokedBy": "s3.amazonaws.com" }),
                Some("AWS service s3.amazonaws.com"),
                None,
            ),
            (
                json!({ "type": "AWSAccount", "principalId": "AROAX:carol", "accountId": "2" }),
                Some("account 2"),
                Some("carol"),
            ),
            (
                json!({ "type": "AWSAccount", "principalId": "AIDAX", "accountId": "2" }),
                Some("account 2"),
                None,
            ),
            (
                json!({ "type": "FederatedUser", "principalId": "1:dave", "arn": "arn:aws:sts::1:federated-user/dave", "accountId": "1" }),
                Some("user dave in account 1"),
                None,
            ),
            (
                json!({ "type": "WebIdentityUser", "principalId": "accounts.google.com:app:erin", "userName": "erin" }),
                Some("user erin"),
                None,
            ),
            (
                json!({ "type": "IdentityCenterUser", "accountId": "1", "onBehalfOf": {
                    "userId": "544894e8-80c1-707f-60e3-3ba6510dfac1",
                    "identityStoreArn": "arn:aws:identitystore::2:identitystore/d-9067642ac7",
                } }),
                Some(
                    "Identity Center user 544894e8-80c1-707f-60e3-3ba6510dfac1 of d-9067642ac7 in account 1",
                ),
                None,
            ),
            (
                json!({
                    "type": "AssumedRole", "principalId": "AROAX:carol",
                    "arn": "arn:aws:sts::1:assumed-role/Admin/carol", "accountId": "1",
                    "onBehalfOf": { "userId": "544894e8" },
                }),
                Some("role Admin in account 1, on behalf of 544894e8"),
                Some("carol"),
            ),
            (json!(null), None, None),
        ] {
            let seen = Sighting::of(&decrypt(&identity, "arn:aws:s3:::b/k")).expect("an event");
            let who = seen.event.who.map(|who| who.to_string());
            assert_eq!(who.as_deref(), told);
            assert_eq!(seen.event.session.as_deref(), session, "{told:?}");
        }
    }

    #[test]
    fn what_is_not_about_an_object_is_left_out_and_what_was_denied_is_not() {
        let of = |record: Value| Sighting::of(&event("Decrypt", &record));
        assert_eq!(of(json!({ "requestParameters": { "keyId": "x" } })), None);
        let context = json!({ "encryptionContext": { "SecretARN": "arn:aws:secretsmanager:x" } });
        assert_eq!(of(json!({ "requestParameters": context })), None);
        for parameters in [context, json!({ "keyId": "x" })] {
            let denied = json!({ "errorCode": "AccessDenied", "requestParameters": parameters });
            assert_eq!(of(denied), None);
        }
        let denied = json!({ "errorCode": "AccessDenied", "requestParameters": null });
        let denied = of(denied).expect("an event");
        assert_eq!(denied.target, Target::Unknown);
        assert!(denied.event.is_denied());
        let failed = of(json!({ "errorCode": "KMSInvalidStateException" })).expect("an event");
        assert_eq!(failed.target, Target::Unknown);
        assert!(!failed.event.is_denied() && failed.event.error.is_some());
        assert_eq!(Sighting::of(&event("DescribeKey", &json!({}))), None);
    }

    #[test]
    fn a_data_event_has_an_address() {
        let record = json!({
            "userIdentity": { "type": "IAMUser", "userName": "alice", "accountId": "1" },
            "eventName": "GetObject",
            "sourceIPAddress": "203.0.113.7",
            "userAgent": "[aws-cli/2.15.0]",
            "requestParameters": { "bucketName": "acme", "key": "terraform.tfstate" },
        });
        let seen = Sighting::of(&event("GetObject", &record)).expect("an event");
        assert_eq!(seen.event.source_ip.as_deref(), Some("203.0.113.7"));
        assert_eq!(seen.event.user_agent.as_deref(), Some("[aws-cli/2.15.0]"));
        assert_eq!(
            seen.event.resource.as_deref(),
            Some("arn:aws:s3:::acme/terraform.tfstate")
        );
    }
}
