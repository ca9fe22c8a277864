//! What an existing bucket lacks. Only looked at, never changed.

use std::fmt;

use super::{BucketError, Setting};
use crate::aws::{AwsError, VerifiedAccount};
use crate::model::{BucketSpec, S3Backend};

/// A setting that is not as it should be, or that may not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weakness {
    /// The bucket.
    pub bucket: String,
    /// The setting.
    pub setting: Setting,
    /// What it is; `None`: the credentials may not read it.
    pub actual: Option<String>,
    /// What it should be.
    pub desired: String,
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            bucket,
            setting,
            actual,
            desired,
        } = self;
        match actual {
            Some(actual) => write!(
                f,
                "the bucket `{bucket}` is weak: {setting} is {actual}, should be {desired}"
            ),
            None => write!(
                f,
                "the bucket `{bucket}` may be weak: {setting} may not be read, should be {desired}"
            ),
        }
    }
}

/// Compares the settings of an existing bucket with what they should be.
///
/// # Errors
/// S3 could not be asked. A setting that may not be read is a weakness, not an error.
pub async fn weaknesses(
    account: &VerifiedAccount,
    backend: &S3Backend,
    spec: &BucketSpec,
) -> Result<Vec<Weakness>, BucketError> {
    let bucket = account.bucket(backend).await?;
    let compare = |setting: Setting| setting.compare(&bucket, spec);
    let [versioning, encryption, public_access, ownership] = Setting::ALL;
    let (versioning, encryption, public_access, ownership) = tokio::join!(
        compare(versioning),
        compare(encryption),
        compare(public_access),
        compare(ownership),
    );
    let mut weaknesses = Vec::new();
    for (setting, compared) in
        Setting::ALL
            .into_iter()
            .zip([versioning, encryption, public_access, ownership])
    {
        let actual = match compared {
            Ok(Ok(())) => continue,
            Ok(Err(actual)) => Some(actual),
            Err(AwsError::AccessDenied { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        weaknesses.push(Weakness {
            bucket: backend.bucket.to_string(),
            setting,
            actual,
            desired: setting.desired(spec),
        });
    }
    Ok(weaknesses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weakness_reads_as_one_line() {
        let mut weakness = Weakness {
            bucket: "b".to_owned(),
            setting: Setting::Versioning,
            actual: Some("off".to_owned()),
            desired: "enabled".to_owned(),
        };
        assert_eq!(
            weakness.to_string(),
            "the bucket `b` is weak: versioning is off, should be enabled"
        );
        weakness.actual = None;
        assert_eq!(
            weakness.to_string(),
            "the bucket `b` may be weak: versioning may not be read, should be enabled"
        );
    }
}
