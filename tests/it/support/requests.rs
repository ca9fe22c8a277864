//! What the proxy remembers of a request.

use std::collections::BTreeMap;
use std::fmt;

/// Who sent a request, by its user agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    /// tfw itself: the AWS SDK for Rust.
    Tfw,
    /// Terraform's S3 backend: the AWS SDK for Go.
    Terraform,
    /// The AWS provider.
    Provider,
    /// The test.
    Other,
}

/// A request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Decoded no further than the server sees it: `/BUCKET/KEY` for S3.
    pub(crate) path: String,
    pub(crate) query: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// As text, where it is a form, JSON or XML; else empty.
    pub(crate) body: String,
}

impl Request {
    /// Who sent it.
    pub(crate) fn client(&self) -> Client {
        let agent = self.header("user-agent").unwrap_or_default();
        if agent.contains("aws-sdk-rust") {
            Client::Tfw
        } else if agent.contains("terraform-provider-aws") {
            Client::Provider
        } else if agent.contains("Terraform/") || agent.contains("OpenTofu/") {
            Client::Terraform
        } else {
            Client::Other
        }
    }

    /// What it asks for, in AWS's words: `AssumeRole`, `HeadBucket`, `PutObject` …
    pub(crate) fn operation(&self) -> String {
        if self.service() == Some("s3") {
            return self.s3_operation();
        }
        if let Some(target) = self.header("x-amz-target") {
            return target.rsplit('.').next().unwrap_or(target).to_owned();
        }
        pairs(&self.body)
            .chain(pairs(&self.query))
            .find(|(name, _)| *name == "Action")
            .map_or_else(String::new, |(_, action)| action.to_owned())
    }

    /// Whether tfw sent it, asking for `operation`.
    pub(crate) fn is_tfw(&self, operation: &str) -> bool {
        self.client() == Client::Tfw && self.operation() == operation
    }

    /// The service it was signed for: `s3`, `sts` …
    pub(crate) fn service(&self) -> Option<&str> {
        self.credential_scope()?.split('/').nth(3)
    }

    /// The id of the access key it was signed with.
    pub(crate) fn access_key(&self) -> Option<&str> {
        self.credential_scope()?.split('/').next()
    }

    /// The account that S3 is told the bucket must belong to.
    pub(crate) fn expected_owner(&self) -> Option<&str> {
        self.header("x-amz-expected-bucket-owner")
    }

    /// A header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// A field of a form, decoded: `RoleArn`.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        pairs(&self.body)
            .find(|(found, _)| *found == name)
            .map(|(_, value)| decoded(value))
    }

    /// `KEY/DATE/REGION/SERVICE/aws4_request`, see AWS's "Signature Version 4".
    fn credential_scope(&self) -> Option<&str> {
        let (_, rest) = self.header("authorization")?.split_once("Credential=")?;
        rest.split(',').next()
    }

    fn s3_operation(&self) -> String {
        let of_object = self.path.trim_matches('/').contains('/');
        // SDKs name the operation where method and path do not.
        if let Some((_, operation)) = pairs(&self.query).find(|(name, _)| *name == "x-id") {
            return operation.to_owned();
        }
        let verb = match self.method.as_str() {
            "GET" => "Get",
            "HEAD" => "Head",
            "PUT" => "Put",
            "DELETE" => "Delete",
            other => other,
        };
        if of_object {
            return format!("{verb}Object");
        }
        let subject = pairs(&self.query).find_map(|(name, _)| {
            Some(match name {
                "versioning" => "BucketVersioning",
                "encryption" => "BucketEncryption",
                "publicAccessBlock" => "PublicAccessBlock",
                "ownershipControls" => "BucketOwnershipControls",
                "policy" => "BucketPolicy",
                "lifecycle" => "BucketLifecycleConfiguration",
                "tagging" => "BucketTagging",
                "logging" => "BucketLogging",
                "location" => "BucketLocation",
                "versions" => "ObjectVersions",
                _ => return None,
            })
        });
        match (self.method.as_str(), subject) {
            ("GET", Some("ObjectVersions")) => String::from("ListObjectVersions"),
            (_, Some(subject)) => format!("{verb}{subject}"),
            ("GET", None) if self.path.trim_matches('/').is_empty() => String::from("ListBuckets"),
            ("GET", None) => String::from("ListObjects"),
            ("PUT", None) => String::from("CreateBucket"),
            (_, None) => format!("{verb}Bucket"),
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, path, .. } = self;
        let (client, operation) = (self.client(), self.operation());
        write!(formatter, "{client:?} {operation} ({method} {path})")
    }
}

/// `name=value` pairs, as in a query or a form.
fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Percent-decoded, as values of forms are.
fn decoded(value: &str) -> String {
    let mut parts = value.split('%');
    let mut bytes: Vec<u8> = parts.next().unwrap_or_default().into();
    for part in parts {
        let (code, rest) = part.split_at(2);
        bytes.push(u8::from_str_radix(code, 16).unwrap());
        bytes.extend(rest.bytes());
    }
    String::from_utf8(bytes).unwrap()
}
