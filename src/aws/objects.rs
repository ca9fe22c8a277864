//! Objects of a state bucket and their versions: states and lock files.
//!
//! What is written is written only where nothing is (`If-None-Match: *`), and what is removed is
//! one version that is named: nobody else's object is ever touched.

use std::collections::HashMap;
use std::fmt::Write as _;

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::{ObjectVersion as SdkVersion, ServerSideEncryption};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::byte_stream::ByteStream;
use jiff::Timestamp;

use super::chain::text as chain_text;
use super::{AwsError, Bucket};

/// The status of an answer to a conditional request whose condition does not hold (RFC 9110).
const PRECONDITION_FAILED: u16 = 412;
/// S3's answer when two conditional writes meet.
const CONFLICT: u16 = 409;

/// The version of what was written while a bucket kept no versions.
pub const NO_VERSION: &str = "null";

/// What servers answer to headers that they do not take together.
const UNKNOWN_COMBINATION: [&str; 3] = ["NotImplemented", "InvalidArgument", "InvalidRequest"];

/// A version of an object.
#[derive(Debug, Clone)]
pub struct Object {
    /// The whole content. May hold secrets: `Debug` prints only its length.
    pub body: Body,
    /// Its version, in a bucket with versions.
    pub version_id: Option<String>,
    /// Its entity tag, with the quotes.
    pub etag: Option<String>,
    /// When it was written.
    pub modified: Option<Timestamp>,
    /// How it is encrypted; `None`: the server does not say.
    pub encryption: Option<ObjectEncryption>,
}

/// How one object is encrypted at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectEncryption {
    /// `AES256` or `aws:kms`.
    pub algorithm: String,
    /// The ARN of the KMS key.
    pub kms_key: Option<String>,
    /// Whether an S3 Bucket Key stands between the object and KMS.
    pub bucket_key: bool,
}

/// What stands on an object beside its content, and is lost when the content alone is written anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectNotes {
    content_type: Option<String>,
    metadata: HashMap<String, String>,
    /// Names and values, as a query.
    tags: Option<String>,
}

impl ObjectNotes {
    /// Whether there are tags, which take a permission of their own to write.
    pub fn has_tags(&self) -> bool {
        self.tags.is_some()
    }
}

/// Bytes that are not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Body(pub Vec<u8>);

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// One entry in the history of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectVersion {
    /// Its version.
    pub version_id: String,
    /// When it was written.
    pub modified: Option<Timestamp>,
    /// How many bytes it has; `None` of a delete marker.
    pub size: Option<u64>,
    /// Whether it is the current one.
    pub latest: bool,
    /// Whether it is a delete marker.
    pub deleted: bool,
}

/// How writing a new object went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It is there now, in this version where the bucket has versions.
    New(Option<String>),
    /// Something is there already, and was left as it is.
    AlreadyThere,
}

impl Bucket {
    /// Reads a whole object, in its current version.
    ///
    /// # Errors
    /// [`AwsError::NotFound`], or S3 could not or would not.
    pub async fn get(&self, key: &str) -> Result<Object, AwsError> {
        self.read(key, None).await
    }

    /// Reads a whole object in one version.
    ///
    /// # Errors
    /// [`AwsError::NotFound`], or S3 could not or would not.
    pub async fn get_version(&self, key: &str, version_id: &str) -> Result<Object, AwsError> {
        self.read(key, Some(version_id)).await
    }

    async fn read(&self, key: &str, version_id: Option<&str>) -> Result<Object, AwsError> {
        let action = match version_id {
            Some(_) => "s3:GetObjectVersion",
            None => "s3:GetObject",
        };
        let mut answer = self
            .client
            .get_object()
            .bucket(self.name().as_str())
            .key(key)
            .set_version_id(version_id.map(str::to_owned))
            .expected_bucket_owner(self.owner().as_str())
            .send()
            .await
            .map_err(|error| self.failure(action, key, &error))?;
        let body = std::mem::take(&mut answer.body);
        let bytes = body
            .collect()
            .await
            .map_err(|error| AwsError::Unreachable {
                endpoint: self.endpoint.clone(),
                cause: format!("the answer broke off: {}", chain_text(&error)),
            })?;
        let encryption = answer
            .server_side_encryption()
            .map(|algorithm| ObjectEncryption {
                algorithm: algorithm.as_str().to_owned(),
                kms_key: answer.ssekms_key_id().map(str::to_owned),
                bucket_key: answer.bucket_key_enabled().unwrap_or_default(),
            });
        Ok(Object {
            body: Body(bytes.to_vec()),
            modified: answer.last_modified().and_then(timestamp),
            version_id: answer.version_id,
            etag: answer.e_tag,
            encryption,
        })
    }

    /// Writes an object where none is, encrypted with this KMS key, else with AES256.
    ///
    /// # Errors
    /// S3 could not or would not.
    pub async fn put_new(
        &self,
        key: &str,
        content: &[u8],
        kms_key: Option<&str>,
    ) -> Result<Written, AwsError> {
        let answer = self
            .client
            .put_object()
            .bucket(self.name().as_str())
            .key(key)
            .if_none_match("*")
            .content_type("application/json")
            .server_side_encryption(encryption_with(kms_key))
            .set_ssekms_key_id(kms_key.map(str::to_owned))
            .body(ByteStream::from(content.to_vec()))
            .expected_bucket_owner(self.owner().as_str())
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(Written::New(answer.version_id)),
            Err(error) if is_taken(&error) => Ok(Written::AlreadyThere),
            Err(error) => Err(self.failure("s3:PutObject", key, &error)),
        }
    }

    async fn head_object(&self, key: &str) -> Result<HeadObjectOutput, AwsError> {
        self.client
            .head_object()
            .bucket(self.name().as_str())
            .key(key)
            .expected_bucket_owner(self.owner().as_str())
            .send()
            .await
            .map_err(|error| self.failure_by("s3:GetObject", key, true, &error))
    }

    /// What stands on an object beside its content.
    ///
    /// # Errors
    /// [`AwsError::NotFound`], or S3 could not or would not.
    pub async fn object_notes(&self, key: &str) -> Result<ObjectNotes, AwsError> {
        let head = self.head_object(key).await?;
        let tags = self
            .client
            .get_object_tagging()
            .bucket(self.name().as_str())
            .key(key)
            .expected_bucket_owner(self.owner().as_str())
            .send()
            .await
            .map_err(|error| self.failure("s3:GetObjectTagging", key, &error));
        let tags = match tags {
            Ok(answer) => answer.tag_set,
            // A server that has no tags has none to lose.
            Err(AwsError::Other { code, .. }) if code == "NotImplemented" => Vec::new(),
            Err(error) => return Err(error),
        };
        let pairs = tags.iter().map(|tag| (tag.key(), tag.value()));
        Ok(ObjectNotes {
            content_type: head.content_type,
            metadata: head.metadata.unwrap_or_default(),
            tags: (!tags.is_empty()).then(|| as_query(pairs)),
        })
    }

    /// Replaces an object as long as it has this entity tag, with these notes, encrypted with this KMS
    /// key, else with AES256; gives its version, in a bucket with versions.
    ///
    /// # Errors
    /// [`AwsError::PreconditionFailed`], or S3 could not or would not.
    pub async fn put_over(
        &self,
        key: &str,
        content: &[u8],
        etag: &str,
        notes: &ObjectNotes,
        kms_key: Option<&str>,
    ) -> Result<Option<String>, AwsError> {
        let content_type = notes.content_type.as_deref();
        let answer = self
            .client
            .put_object()
            .bucket(self.name().as_str())
            .key(key)
            .if_match(etag)
            .content_type(content_type.unwrap_or("application/json"))
            .set_metadata(Some(notes.metadata.clone()))
            .set_tagging(notes.tags.clone())
            .server_side_encryption(encryption_with(kms_key))
            .set_ssekms_key_id(kms_key.map(str::to_owned))
            .body(ByteStream::from(content.to_vec()))
            .expected_bucket_owner(self.owner().as_str())
            .send()
            .await
            .map_err(|error| self.failure("s3:PutObject", key, &error))?;
        Ok(answer.version_id)
    }

    /// How an object is encrypted, without its content; `None`: the server does not say.
    ///
    /// # Errors
    /// [`AwsError::NotFound`], or S3 could not or would not.
    pub async fn object_encryption(&self, key: &str) -> Result<Option<ObjectEncryption>, AwsError> {
        let answer = self.head_object(key).await?;
        Ok(answer
            .server_side_encryption()
            .map(|algorithm| ObjectEncryption {
                algorithm: algorithm.as_str().to_owned(),
                kms_key: answer.ssekms_key_id().map(str::to_owned),
                bucket_key: answer.bucket_key_enabled().unwrap_or_default(),
            }))
    }

    /// Removes one version of an object for good. That it is gone already is no error.
    ///
    /// # Errors
    /// S3 could not or would not.
    pub async fn remove_version(&self, key: &str, version_id: &str) -> Result<(), AwsError> {
        match self.delete(key, Some(version_id), None).await {
            Err(AwsError::NotFound { .. }) => Ok(()),
            other => other,
        }
    }

    /// Removes an object as it was read, and no other that came since: by its version, where the
    /// bucket keeps versions, and as long as it is the current one with this entity tag. Of several
    /// who try, one succeeds.
    ///
    /// A server without conditional deletions ignores the tag, and then removes the version at most;
    /// S3 compares it with the current object's, also beside a version id.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html>
    ///
    /// # Errors
    /// [`AwsError::NotFound`] and [`AwsError::PreconditionFailed`]: somebody was faster; or S3 could
    /// not or would not.
    pub async fn remove_as_read(&self, key: &str, object: &Object) -> Result<(), AwsError> {
        // `null` is whatever was written last while a bucket kept no versions.
        let version_id = object.version_id.as_deref();
        let version_id =
            version_id.filter(|version_id| object.etag.is_none() || *version_id != NO_VERSION);
        let removed = self.delete(key, version_id, object.etag.as_deref()).await;
        match removed {
            // A server that does not know the one beside the other.
            Err(AwsError::Other { code, .. })
                if version_id.is_some() && UNKNOWN_COMBINATION.contains(&code.as_str()) =>
            {
                self.delete(key, version_id, None).await
            }
            // `s3:DeleteObjectVersion` is more than Terraform's own locks take, and more than a
            // bucket with Object Lock grants: a delete marker does as well.
            Err(AwsError::AccessDenied { .. }) if version_id.is_some() && object.etag.is_some() => {
                self.delete(key, None, object.etag.as_deref()).await
            }
            other => other,
        }
    }

    async fn delete(
        &self,
        key: &str,
        version_id: Option<&str>,
        etag: Option<&str>,
    ) -> Result<(), AwsError> {
        self.client
            .delete_object()
            .bucket(self.name().as_str())
            .key(key)
            .set_version_id(version_id.map(str::to_owned))
            .set_if_match(etag.map(str::to_owned))
            .expected_bucket_owner(self.owner().as_str())
            .send()
            .await
            .map_err(|error| self.failure("s3:DeleteObject", key, &error))?;
        Ok(())
    }

    /// The versions of one key, the newest first.
    ///
    /// # Errors
    /// S3 could not or would not.
    pub async fn versions(&self, key: &str) -> Result<Vec<ObjectVersion>, AwsError> {
        let mut found = Vec::new();
        // The SDK has no paginator for this one.
        let mut from = (None, None);
        loop {
            let page = self
                .client
                .list_object_versions()
                .bucket(self.name().as_str())
                .prefix(key)
                .set_key_marker(from.0.take())
                .set_version_id_marker(from.1.take())
                .expected_bucket_owner(self.owner().as_str())
                .send()
                .await
                .map_err(|error| self.failure("s3:ListBucketVersions", key, &error))?;
            let of_key = page
                .versions()
                .iter()
                .filter(|each| each.key() == Some(key));
            found.extend(of_key.filter_map(version));
            let markers = page.delete_markers().iter();
            let of_key = markers.filter(|each| each.key() == Some(key));
            found.extend(of_key.filter_map(|marker| {
                Some(ObjectVersion {
                    version_id: marker.version_id()?.to_owned(),
                    modified: marker.last_modified().and_then(timestamp),
                    size: None,
                    latest: marker.is_latest().unwrap_or_default(),
                    deleted: true,
                })
            }));
            // Keys come in their order: after the first other one, none of this key follows.
            let last = page.versions().last().and_then(SdkVersion::key);
            if last.is_some_and(|last| last > key) {
                break;
            }
            from = (page.next_key_marker, page.next_version_id_marker);
            if !page.is_truncated.unwrap_or_default() || from.0.is_none() {
                break;
            }
        }
        // Versions and markers come in two lists; within a second, the order in each stays.
        found.sort_by_key(|each| {
            (
                std::cmp::Reverse(each.latest),
                std::cmp::Reverse(each.modified),
            )
        });
        Ok(found)
    }

    /// The keys that begin with a prefix.
    ///
    /// # Errors
    /// S3 could not or would not.
    pub async fn keys(&self, prefix: &str) -> Result<Vec<String>, AwsError> {
        let mut pages = self
            .client
            .list_objects_v2()
            .bucket(self.name().as_str())
            .prefix(prefix)
            .expected_bucket_owner(self.owner().as_str())
            .into_paginator()
            .send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.failure("s3:ListBucket", prefix, &error))?;
            keys.extend(
                page.contents()
                    .iter()
                    .filter_map(|object| object.key().map(str::to_owned)),
            );
        }
        Ok(keys)
    }
}

/// What Terraform asks for with `encrypt = true`, with and without `kms_key_id`.
fn encryption_with(kms_key: Option<&str>) -> ServerSideEncryption {
    match kms_key {
        Some(_) => ServerSideEncryption::AwsKms,
        None => ServerSideEncryption::Aes256,
    }
}

/// `NAME=VALUE&…`, as the header `x-amz-tagging` has it.
fn as_query<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let escaped = |text: &str| {
        text.bytes().fold(String::new(), |mut escaped, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                escaped.push(char::from(byte));
            } else {
                let _ = write!(escaped, "%{byte:02X}");
            }
            escaped
        })
    };
    let pairs = pairs.map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn is_taken<E>(error: &SdkError<E, HttpResponse>) -> bool {
    error.raw_response().is_some_and(|response| {
        matches!(response.status().as_u16(), PRECONDITION_FAILED | CONFLICT)
    })
}

fn version(version: &SdkVersion) -> Option<ObjectVersion> {
    Some(ObjectVersion {
        version_id: version.version_id()?.to_owned(),
        modified: version.last_modified().and_then(timestamp),
        size: version.size().and_then(|size| u64::try_from(size).ok()),
        latest: version.is_latest().unwrap_or_default(),
        deleted: false,
    })
}

fn timestamp(time: &aws_smithy_types::DateTime) -> Option<Timestamp> {
    Timestamp::from_second(time.secs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_written_as_a_query() {
        let tags = [("team", "a b&c"), ("ä", "=")];
        assert_eq!(as_query(tags.into_iter()), "team=a%20b%26c&%C3%A4=%3D");
    }

    #[test]
    fn bodies_are_not_printed() {
        assert_eq!(format!("{:?}", Body(b"secret".to_vec())), "6 bytes");
    }
}
