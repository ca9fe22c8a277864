//! What S3 and people write down about a bucket: access logs and tags.

use std::collections::BTreeMap;

use aws_sdk_s3::types::{BucketLoggingStatus, LoggingEnabled, Tag, Tagging};

use super::{ask, unbuilt, unless_unset};
use crate::aws::{AwsError, Bucket};

/// Where S3 writes access logs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogTarget {
    /// The bucket.
    pub bucket: String,
    /// What the keys of the logs begin with.
    pub prefix: String,
}

impl Bucket {
    /// Where access logs go; `None`: nowhere.
    ///
    /// # Errors
    /// S3 could not or would not say.
    pub async fn logging(&self) -> Result<Option<LogTarget>, AwsError> {
        let answer = ask!(self, get_bucket_logging, "s3:GetBucketLogging")?;
        Ok(answer.logging_enabled.map(|target| LogTarget {
            bucket: target.target_bucket,
            prefix: target.target_prefix,
        }))
    }

    /// Lets S3 write access logs.
    ///
    /// # Errors
    /// S3 could not or would not: often since the target is missing or does not let S3 write.
    pub async fn set_logging(&self, target: &LogTarget) -> Result<(), AwsError> {
        let enabled = LoggingEnabled::builder()
            .target_bucket(&target.bucket)
            .target_prefix(&target.prefix)
            .build()
            .map_err(unbuilt("s3:PutBucketLogging"))?;
        let status = BucketLoggingStatus::builder()
            .logging_enabled(enabled)
            .build();
        ask!(
            self,
            put_bucket_logging,
            "s3:PutBucketLogging",
            bucket_logging_status(status)
        )
        .map(drop)
    }

    /// The tags.
    ///
    /// # Errors
    /// S3 could not or would not say.
    pub async fn tags(&self) -> Result<BTreeMap<String, String>, AwsError> {
        let answer = ask!(self, get_bucket_tagging, "s3:GetBucketTagging");
        let tags = unless_unset(answer)?.map(|answer| answer.tag_set);
        let tags = tags.unwrap_or_default().into_iter();
        Ok(tags.map(|tag| (tag.key, tag.value)).collect())
    }

    /// Replaces all tags.
    ///
    /// # Errors
    /// S3 could not or would not.
    pub async fn set_tags(&self, tags: &BTreeMap<String, String>) -> Result<(), AwsError> {
        let unbuilt = unbuilt("s3:PutBucketTagging");
        let set: Vec<Tag> = tags
            .iter()
            .map(|(key, value)| Tag::builder().key(key).value(value).build())
            .collect::<Result<_, _>>()
            .map_err(&unbuilt)?;
        let tagging = Tagging::builder()
            .set_tag_set(Some(set))
            .build()
            .map_err(&unbuilt)?;
        ask!(
            self,
            put_bucket_tagging,
            "s3:PutBucketTagging",
            tagging(tagging)
        )
        .map(drop)
    }
}
