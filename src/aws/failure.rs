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

/// What was asked, for messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The IAM action: `s3:CreateBucket`.
    pub(super) action: &'static str,
    /// The endpoint's URL.
    pub(super) endpoint: &'a str,
    /// `s3://BUCKET/KEY`, or a role: what was not found when something was not found.
    pub(super) what: &'a str,
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

    /// The code, or what the status means where there is no body to hold one.
    pub(super) fn code(&self) -> &str {
        match (self.code.as_deref(), self.status) {
            (Some(code), _) => code,
            (None, 403) => "AccessDenied",
            (None, 404) => "NotFound",
            (None, 412) => "PreconditionFailed",
            (None, 429 | 503) => "SlowDown",
            (None, _) => "",
        }
    }

    pub(super) fn into_fact(self, asked: Asked<'_>) -> AwsError {
        let action = asked.action.to_owned();
        let what = asked.what.to_owned();
        let code = self.code().to_owned();
        let message = self
            .message
            .unwrap_or_else(|| format!("HTTP status {}", self.status));
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
            "NoSuchKey" | "NoSuchVersion" | "NotFound" => AwsError::NotFound { what },
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

/// The first error of a type in a chain.
pub(super) fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    chain(error).find_map(|link| link.downcast_ref())
}

/// What a chain of errors tells, in one line: without the links that only say that something
/// failed, and without what a later link says again.
pub(super) fn chain_text(error: &(dyn Error + 'static)) -> String {
    let links: Vec<String> = chain(error)
        .map(|link| {
            link.to_string()
                .trim()
                .trim_end_matches('.')
                .replace('\n', " ")
        })
        .filter(|text| !is_empty_talk(text))
        .collect();
    let mut told: Vec<&str> = Vec::new();
    for (at, text) in links.iter().enumerate() {
        let said_again = links[at + 1..]
            .iter()
            .any(|later| later.contains(text.as_str()))
            || told.iter().any(|earlier| earlier.contains(text.as_str()));
        if !said_again {
            told.push(text);
        }
    }
    if told.is_empty() {
        error.to_string()
    } else {
        told.join(": ")
    }
}

/// Links of the SDK's and hyper's chains that name a layer and no reason.
fn is_empty_talk(text: &str) -> bool {
    const LAYERS: [&str; 18] = [
        "dispatch failure",
        "service error",
        "request has timed out",
        "failed to construct request",
        "response error",
        "io error",
        "timeout",
        "other",
        "user error",
        "client error (Connect)",
        "client error (SendRequest)",
        "tcp connect error",
        "the credential provider was not enabled",
        "an error occurred while loading credentials",
        "the credentials provider was not properly configured",
        "unexpected credentials error",
        "unhandled error",
        "timed out",
    ];
    text.is_empty() || LAYERS.iter().any(|layer| text.eq_ignore_ascii_case(layer))
}

/// An error and its sources. `std::io::Error::source` skips its own payload, where hyper keeps the
/// TLS error.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&link| {
        match link.downcast_ref::<std::io::Error>() {
            Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => link.source(),
        }
    })
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
    };

    fn answer(status: u16, code: Option<&str>) -> SdkError<AssumeRoleError, HttpResponse> {
        let mut metadata = ErrorMetadata::builder().message("because");
        if let Some(code) = code {
            metadata = metadata.code(code);
        }
        SdkError::service_error(
            AssumeRoleError::generic(metadata.build()),
            HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::empty()),
        )
    }

    fn kind(status: u16, code: Option<&str>) -> &'static str {
        match fact(&answer(status, code), ASKED) {
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
            (403, None, "denied"),
            (403, Some("InvalidClientTokenId"), "invalid"),
            (403, Some("SignatureDoesNotMatch"), "invalid"),
            (400, Some("ExpiredToken"), "expired"),
            (403, Some("ExpiredTokenException"), "expired"),
            (400, Some("Throttling"), "throttled"),
            (503, None, "throttled"),
            (404, Some("NoSuchKey"), "not found"),
            (404, None, "not found"),
            (412, None, "precondition"),
            (400, Some("MalformedPolicyDocument"), "other"),
            (400, None, "other"),
        ] {
            assert_eq!(kind(status, code), expected, "{status} {code:?}");
        }
    }

    #[test]
    fn an_answer_without_a_code_is_told_by_its_status() {
        let error = fact(&answer(400, None), ASKED);
        assert_eq!(
            error.to_string(),
            "sts:AssumeRole failed (HTTP 400): because"
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

    #[test]
    fn texts_say_each_thing_once_and_leave_out_layers() {
        #[derive(Debug, thiserror::Error)]
        #[error("{text}")]
        struct Link {
            text: &'static str,
            source: Option<Box<Link>>,
        }
        let link = |text, source: Option<Link>| Link {
            text,
            source: source.map(Box::new),
        };
        let chain = link(
            "dispatch failure",
            Some(link(
                "cannot load",
                Some(link("token: it expired", Some(link("it expired", None)))),
            )),
        );
        assert_eq!(chain_text(&chain), "cannot load: token: it expired");
        assert_eq!(chain_text(&link("service error", None)), "service error");
    }
}
