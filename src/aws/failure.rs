//! Turns the SDK's errors into [`AwsError`]s.
//!
//! The SDK's errors are chains whose `Display` says little at the top ("service error", "dispatch
//! failure") and much at the bottom; their `Debug` holds whole responses. Here the code, the
//! status and the headers decide, and of texts only those that tell something are kept.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::AwsError;
use super::chain::{find, text as chain_text};

/// What was asked, for messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The IAM action: `s3:CreateBucket`.
    pub(super) action: &'static str,
    /// The endpoint's URL.
    pub(super) endpoint: &'a str,
    /// `s3://BUCKET/KEY`, or a role: what was not found when something was not found.
    pub(super) what: &'a str,
    /// Whether it was asked by HEAD, whose answers have no body to hold a code.
    pub(super) by_head: bool,
}

impl<'a> Asked<'a> {
    /// Asked otherwise than by HEAD.
    pub(super) fn of(action: &'static str, endpoint: &'a str, what: &'a str) -> Self {
        Self {
            action,
            endpoint,
            what,
            by_head: false,
        }
    }
}

/// The URL at which a service is asked.
#[derive(Debug, Clone)]
pub(super) struct Endpoint(pub(super) String);

impl Endpoint {
    /// Why a request failed, by code and status alone.
    pub(super) fn failure<E>(
        &self,
        action: &'static str,
        what: &str,
        error: &SdkError<E, HttpResponse>,
    ) -> AwsError
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        fact(error, Asked::of(action, &self.0, what))
    }
}

/// An answer of AWS that says no, reduced to what decides.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    /// The HTTP status.
    pub(super) status: u16,
    /// AWS's code; answers to HEAD have none.
    pub(super) code: Option<String>,
    /// AWS's message.
    pub(super) message: Option<String>,
    /// For AWS's support.
    pub(super) request_id: Option<String>,
    /// `x-amz-bucket-region`: where the bucket really is.
    pub(super) bucket_region: Option<String>,
}

/// A failed request: an answer that says no, or no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// AWS answered.
    Refused(Refusal),
    /// Everything else, ready to be told.
    Fact(AwsError),
}

impl Failure {
    pub(super) fn of<E>(error: &SdkError<E, HttpResponse>, asked: Asked<'_>) -> Self
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        let unreachable = |cause: String| {
            Self::Fact(AwsError::Unreachable {
                endpoint: asked.endpoint.to_owned(),
                cause,
            })
        };
        // Credentials are renewed inside a request; why that failed is the better message.
        if let Some(fact) = find::<AwsError>(error) {
            return Self::Fact(fact.clone());
        }
        match error {
            SdkError::ServiceError(context) => {
                Self::Refused(Refusal::of(context.err(), context.raw()))
            }
            SdkError::TimeoutError(_) => unreachable("no answer in time".to_owned()),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => {
                unreachable(chain_text(error))
            }
            SdkError::DispatchFailure(failure) if failure.is_io() => unreachable(chain_text(error)),
            _ => {
                if find::<CredentialsError>(error).is_some() {
                    return Self::Fact(AwsError::NoCredentials {
                        detail: chain_text(error),
                    });
                }
                if let SdkError::DispatchFailure(_) = error {
                    return unreachable(chain_text(error));
                }
                Self::Fact(AwsError::Other {
                    action: asked.action.to_owned(),
                    code: match error {
                        SdkError::ResponseError(_) => "unreadable answer",
                        _ => "request not sent",
                    }
                    .to_owned(),
                    message: chain_text(error),
                    request_id: None,
                })
            }
        }
    }

    /// The fact, by code and status alone. Calls that know more look at the refusal first.
    pub(super) fn into_fact(self, asked: Asked<'_>) -> AwsError {
        match self {
            Self::Fact(fact) => fact,
            Self::Refused(refusal) => refusal.into_fact(asked),
        }
    }
}

/// The fact in an SDK error, by code and status alone.
pub(super) fn fact<E>(error: &SdkError<E, HttpResponse>, asked: Asked<'_>) -> AwsError
where
    E: Error + ProvideErrorMetadata + 'static,
{
    Failure::of(error, asked).into_fact(asked)
}

impl Refusal {
    fn of(error: &impl ProvideErrorMetadata, response: &HttpResponse) -> Self {
        let header = |name| response.headers().get(name).map(str::to_owned);
        Self {
            status: response.status().as_u16(),
            code: error.code().map(str::to_owned),
            message: error.message().map(str::to_owned),
            request_id: header("x-amzn-requestid").or_else(|| header("x-amz-request-id")),
            bucket_region: header("x-amz-bucket-region"),
        }
    }

    /// The code; of an answer to HEAD, what its status means. That only where AWS (or a server
    /// like it) has signed the answer with a request id: the 404 of a proxy in between must not
    /// pass for "there is no such state".
    pub(super) fn code(&self, asked: Asked<'_>) -> &str {
        // The SDK makes up the code `NotFound` for every empty 404 of S3.
        let code = self.code.as_deref().filter(|code| *code != "NotFound");
        match (code, self.status) {
            (Some(code), _) => code,
            (None, 429 | 503) => "SlowDown",
            (None, 403) if self.is_bare_answer(asked) => "AccessDenied",
            (None, 404) if self.is_bare_answer(asked) => "NotFound",
            (None, 412) if self.is_bare_answer(asked) => "PreconditionFailed",
            (None, _) => "",
        }
    }

    fn is_bare_answer(&self, asked: Asked<'_>) -> bool {
        asked.by_head && self.request_id.is_some()
    }

    pub(super) fn into_fact(self, asked: Asked<'_>) -> AwsError {
        let action = asked.action.to_owned();
        let what = asked.what.to_owned();
        let code = self.code(asked).to_owned();
        let message = self.message.unwrap_or_else(|| match &self.request_id {
            Some(_) => "AWS gives no reason".to_owned(),
            None => format!("`{}` does not answer as AWS does", asked.endpoint),
        });
        match code.as_str() {
            "AccessDenied"
            | "AccessDeniedException"
            | "AllAccessDisabled"
            | "Forbidden"
            | "UnauthorizedOperation" => AwsError::AccessDenied { action, message },
            "ExpiredToken"
            | "ExpiredTokenException"
            | "RequestExpired"
            | "TokenRefreshRequired" => AwsError::ExpiredCredentials { action, message },
            // "Signature expired: … is now earlier than …", "Signature not yet current: …".
            "SignatureDoesNotMatch" if message.starts_with("Signature ") => {
                AwsError::ClockSkew { message }
            }
            "RequestTimeTooSkewed" => AwsError::ClockSkew { message },
            "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "InvalidToken"
            | "InvalidSecurity"
            | "IncompleteSignature"
            | "AuthFailure"
            | "MissingAuthenticationToken"
            | "NotSignedUp" => AwsError::InvalidCredentials { code, message },
            "Throttling"
            | "ThrottlingException"
            | "RequestLimitExceeded"
            | "TooManyRequests"
            | "TooManyRequestsException"
            | "SlowDown"
            | "ServiceUnavailable" => AwsError::Throttled { action, message },
            // The last one is KMS's.
            "NoSuchKey" | "NoSuchVersion" | "NotFound" | "NotFoundException" => {
                AwsError::NotFound { what }
            }
            "PreconditionFailed" | "ConditionalRequestConflict" => {
                AwsError::PreconditionFailed { what }
            }
            _ => AwsError::Other {
                action,
                code: if code.is_empty() {
                    format!("HTTP {}", self.status)
                } else {
                    code
                },
                message,
                request_id: self.request_id,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sts::operation::assume_role::AssumeRoleError;
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;

    const ASKED: Asked<'_> = Asked {
        action: "sts:AssumeRole",
        endpoint: "https://sts.example",
        what: "arn:aws:iam::111111111111:role/Deploy",
        by_head: false,
    };

    fn answer(status: u16, code: Option<&str>) -> SdkError<AssumeRoleError, HttpResponse> {
        let mut metadata = ErrorMetadata::builder();
        if let Some(code) = code {
            metadata = metadata.code(code).message("because");
        }
        SdkError::service_error(
            AssumeRoleError::generic(metadata.build()),
            HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::empty()),
        )
    }

    fn kind(fact: &AwsError) -> &'static str {
        match fact {
            AwsError::AccessDenied { .. } => "denied",
            AwsError::ExpiredCredentials { .. } => "expired",
            AwsError::InvalidCredentials { .. } => "invalid",
            AwsError::Throttled { .. } => "throttled",
            AwsError::NotFound { .. } => "not found",
            AwsError::PreconditionFailed { .. } => "precondition",
            AwsError::Other { .. } => "other",
            _ => "?",
        }
    }

    #[test]
    fn codes_become_facts() {
        for (status, code, expected) in [
            (403, Some("AccessDenied"), "denied"),
            (403, Some("InvalidClientTokenId"), "invalid"),
            (403, Some("SignatureDoesNotMatch"), "invalid"),
            (400, Some("ExpiredToken"), "expired"),
            (403, Some("ExpiredTokenException"), "expired"),
            (400, Some("Throttling"), "throttled"),
            (503, None, "throttled"),
            (404, Some("NoSuchKey"), "not found"),
            (400, Some("NotFoundException"), "not found"),
            (412, Some("PreconditionFailed"), "precondition"),
            (400, Some("MalformedPolicyDocument"), "other"),
            (400, None, "other"),
        ] {
            let fact = fact(&answer(status, code), ASKED);
            assert_eq!(kind(&fact), expected, "{status} {code:?}");
        }
    }

    #[test]
    fn a_bare_status_counts_only_as_the_signed_answer_to_head() {
        for (status, code, expected) in [
            (403, None, "denied"),
            (404, None, "not found"),
            (404, Some("NotFound"), "not found"),
            (412, None, "precondition"),
        ] {
            let by_head = Asked {
                by_head: true,
                ..ASKED
            };
            for (asked, request_id, expected) in [
                (by_head, Some("R1".to_owned()), expected),
                (by_head, None, "other"),
                (ASKED, Some("R1".to_owned()), "other"),
            ] {
                let refusal = Refusal {
                    status,
                    code: code.map(str::to_owned),
                    request_id,
                    ..Refusal::default()
                };
                assert_eq!(
                    kind(&refusal.into_fact(asked)),
                    expected,
                    "{status} {asked:?}"
                );
            }
        }
    }

    #[test]
    fn an_answer_that_is_not_awss_is_told_by_its_status() {
        let error = fact(&answer(400, None), ASKED);
        assert_eq!(
            error.to_string(),
            "sts:AssumeRole failed (HTTP 400): `https://sts.example` does not answer as AWS does"
        );
    }

    #[test]
    fn an_unreachable_endpoint_is_named_with_the_reason_at_the_bottom_of_the_chain() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let error: SdkError<AssumeRoleError, HttpResponse> =
            SdkError::dispatch_failure(ConnectorError::io(Box::new(refused)));
        assert_eq!(
            fact(&error, ASKED).to_string(),
            "cannot reach `https://sts.example`: connection refused"
        );
    }

    #[test]
    fn a_failed_renewal_inside_a_request_is_told_as_what_it_is() {
        let renewal = AwsError::NoCredentials {
            detail: "gone".to_owned(),
        };
        let error: SdkError<AssumeRoleError, HttpResponse> =
            SdkError::construction_failure(CredentialsError::provider_error(renewal.clone()));
        assert_eq!(fact(&error, ASKED), renewal);
    }
}
