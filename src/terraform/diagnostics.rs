//! What a diagnostic of Terraform's means for what tfw does next.
//!
//! Terraform has no codes for its errors, only texts; these are the texts of Terraform 1.11 and
//! `OpenTofu`. They are compared with white space collapsed, since the human form wraps lines.

use crate::model::{Diagnostic, Lock, Severity};

/// Beginnings of summaries that say: run `terraform init` first.
const INIT_NEEDED: [&str; 10] = [
    "Backend initialization required",
    "Initialization required",
    "HCP Terraform or Terraform Enterprise initialization required",
    "Cloud backend initialization required",
    "Required plugins are not installed",
    "Inconsistent dependency lock file",
    "Missing required provider",
    "Module not installed",
    "Module source has changed",
    "Module version requirements have changed",
];

/// Lower-case parts of texts of faults that pass: of the network, or of a service under load.
const TRANSIENT: [&str; 31] = [
    "500 internal server error",
    "502 bad gateway",
    "503 service unavailable",
    "504 gateway timeout",
    "504 gateway time-out",
    "429 too many requests",
    "statuscode: 5",
    "status code: 5",
    "status code 5",
    "statuscode: 429",
    "status code: 429",
    "status code 429",
    "throttl",
    "rate exceeded",
    "requestlimitexceeded",
    "toomanyrequests",
    "slowdown",
    "serviceunavailable",
    "connection reset by peer",
    "connection timed out",
    "http2: server sent goaway",
    "http2: client connection lost",
    "tls handshake timeout",
    "i/o timeout",
    "client.timeout exceeded",
    "context deadline exceeded",
    "temporary failure in name resolution",
    "server misbehaving",
    "unexpected eof",
    "\": eof",
    // Two inits that fill one plugin cache at once.
    "text file busy",
];

/// Lower-case parts of texts of faults that stay, whatever else the text says.
const LASTING: [&str; 13] = [
    "connection refused",
    "access denied",
    "accessdenied",
    "unauthorized",
    "not authorized",
    "forbidden",
    "statuscode: 403",
    "statuscode: 401",
    "expiredtoken",
    "invalidclienttokenid",
    "signaturedoesnotmatch",
    "x509:",
    // A function that is given bad data may well complain of an "unexpected EOF".
    "call to function",
];

/// Whether Terraform asks for `terraform init`.
pub fn init_needed(diagnostics: &[Diagnostic]) -> bool {
    errors(diagnostics).any(|error| {
        INIT_NEEDED
            .iter()
            .any(|summary| error.summary.starts_with(summary))
    })
}

/// The way out in tfw's words, where Terraform's own names options that are typed to Terraform.
pub fn hint(diagnostic: &Diagnostic) -> Option<&'static str> {
    let hints = [
        (
            "No value for required variable",
            "set it under `vars`, in a file of `var_files` or, from another unit's output, in \
             `inputs` of the manifest",
        ),
        (
            "Saved plan is stale",
            "the state has changed since the plan was made; plan again, and review that",
        ),
    ];
    let found = hints
        .into_iter()
        .find(|(summary, _)| diagnostic.summary.starts_with(summary));
    found.map(|(_, hint)| hint)
}

/// Who holds the state lock that Terraform could not get. `None` also when the lock could not be
/// taken for another reason, such as a denied request.
pub fn lock_held(diagnostics: &[Diagnostic]) -> Option<Lock> {
    errors(diagnostics)
        .filter(|error| is_lock_error(error))
        .find_map(|error| lock_info(error.detail.as_deref()?))
}

/// Whether the lock was let go between Terraform's attempt and its look at the holder: S3 answers
/// 412, then 404, and Terraform fails at once in spite of `-lock-timeout`. A retry is right.
pub fn lock_vanished(diagnostics: &[Diagnostic]) -> bool {
    errors(diagnostics).any(|error| {
        let text = normal(error);
        is_lock_error(error)
            && (text.contains("statuscode: 412") || text.contains("preconditionfailed"))
            && text.contains("nosuchkey")
    })
}

/// Whether an init or a plan failed of nothing but faults that pass, so that trying again may
/// help. Never for permissions, syntax, other 4xx answers, or a refused connection.
pub fn is_transient(diagnostics: &[Diagnostic]) -> bool {
    let mut any = false;
    let all = errors(diagnostics).all(|error| {
        any = true;
        let text = normal(error);
        TRANSIENT.iter().any(|part| text.contains(part))
            && !LASTING.iter().any(|part| text.contains(part))
    });
    any && all
}

fn errors(diagnostics: &[Diagnostic]) -> impl Iterator<Item = &Diagnostic> {
    diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
}

fn is_lock_error(error: &Diagnostic) -> bool {
    error.summary.contains("Error acquiring the state lock")
}

fn normal(error: &Diagnostic) -> String {
    let detail = error.detail.as_deref().unwrap_or_default();
    let words = error
        .summary
        .split_whitespace()
        .chain(detail.split_whitespace());
    words.collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Reads the block `Lock Info:` (terraform/internal/states/statemgr/locker.go).
fn lock_info(detail: &str) -> Option<Lock> {
    let (_, block) = detail.split_once("Lock Info:")?;
    let field = |name: &str| {
        let values = block.lines().filter_map(|line| line.trim().split_once(':'));
        let mut named = values.filter(|(key, _)| *key == name);
        named.next().map(|(_, value)| value.trim().to_owned())
    };
    let id = field("ID").filter(|id| !id.is_empty())?;
    Some(Lock {
        id,
        who: field("Who").unwrap_or_default(),
        operation: field("Operation").unwrap_or_default(),
        created: field("Created").map(rfc3339).unwrap_or_default(),
    })
}

/// The lock document has its time in RFC 3339; Terraform prints it as Go does,
/// `2026-11-22 00:06:28.986830795 +0000 UTC`.
fn rfc3339(go: String) -> String {
    match go
        .strip_suffix(" +0000 UTC")
        .and_then(|time| time.split_once(' '))
    {
        Some((day, time)) => format!("{day}T{time}Z"),
        None => go,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(summary: &str, detail: &str) -> Vec<Diagnostic> {
        vec![Diagnostic::error(summary).with_detail(detail)]
    }

    #[test]
    fn init_is_asked_for_in_several_words() {
        for (summary, needed) in [
            (
                "Backend initialization required, please run \"terraform init\"",
                true,
            ),
            (
                "Backend initialization required: please run \"terraform init\"",
                true,
            ),
            ("Required plugins are not installed", true),
            ("Inconsistent dependency lock file", true),
            ("Missing required provider", true),
            ("Module not installed", true),
            ("Backend configuration changed", false),
            ("Saved plan is stale", false),
            ("Failed to query available provider packages", false),
        ] {
            assert_eq!(init_needed(&error(summary, "")), needed, "{summary}");
        }
        assert!(!init_needed(&[Diagnostic::warning("Module not installed")]));
    }

    /// Terraform 1.11.4 with a local backend.
    const HELD: &str = "Error message: resource temporarily unavailable\nLock Info:\n  ID:        4bb62615-0184-90de-d3f5-c7d319d2f2d5\n  Path:      terraform.tfstate\n  Operation: OperationTypeApply\n  Who:       root@vm\n  Version:   1.11.4\n  Created:   2026-11-22 00:06:28.986830795 +0000 UTC\n  Info:      \n\n\nTerraform acquires a state lock to protect the state from being written\nby multiple users at the same time.";

    #[test]
    fn the_holder_of_a_lock_is_named() {
        let expected = Lock {
            id: "4bb62615-0184-90de-d3f5-c7d319d2f2d5".to_owned(),
            who: "root@vm".to_owned(),
            operation: "OperationTypeApply".to_owned(),
            created: "2026-11-22T00:06:28.986830795Z".to_owned(),
        };
        let held = error("Error acquiring the state lock", HELD);
        assert_eq!(lock_held(&held), Some(expected));
        assert!(!lock_vanished(&held));
        assert!(!is_transient(&held));
        assert_eq!(lock_held(&error("Saved plan is stale", HELD)), None);
        let denied = error(
            "Error acquiring the state lock",
            "Error message: AccessDenied",
        );
        assert_eq!(lock_held(&denied), None);
    }

    #[test]
    fn a_lock_that_vanished_meanwhile_is_no_held_lock() {
        let race = error(
            "Error acquiring the state lock",
            "Error message: operation error S3: PutObject, https response error StatusCode: 412, RequestID: x, api error PreconditionFailed: At least one of the pre-conditions you specified did not hold\noperation error S3: GetObject, https response error StatusCode: 404, NoSuchKey: The specified key does not exist.",
        );
        assert!(lock_vanished(&race));
        assert_eq!(lock_held(&race), None);
    }

    #[test]
    fn faults_that_pass_are_told_from_faults_that_stay() {
        let transient = [
            "could not connect to registry.terraform.io: failed to request discovery document: 503 Service\nUnavailable",
            "Could not download module: unsuccessful request: 502 Bad Gateway",
            "Get \"https://releases.hashicorp.com/x.zip\": read tcp 1.2.3.4:5->6.7.8.9:443: read: connection reset by peer",
            "Get \"https://registry.terraform.io/.well-known/terraform.json\": net/http: TLS handshake\ntimeout",
            "dial tcp 1.2.3.4:443: i/o timeout",
            "dial tcp: lookup registry.terraform.io: Temporary failure in name resolution",
            "Get \"https://registry.terraform.io/v1/providers\": EOF",
            "operation error EC2: DescribeVpcs, api error Throttling: Rate exceeded",
            "operation error S3: HeadObject, exceeded maximum number of attempts, 5, https response error StatusCode: 500",
            "fork/exec .terraform/providers/x: text file busy",
        ];
        for detail in transient {
            assert!(
                is_transient(&error("Failed to install provider", detail)),
                "{detail}"
            );
        }
        let lasting = [
            "dial tcp 127.0.0.1:4566: connect: connection refused",
            "dial tcp: lookup registry.terraform.io on 10.255.255.53:53: no such host",
            "operation error S3: ListObjectsV2, https response error StatusCode: 403, api error AccessDenied: Access Denied",
            "https response error StatusCode: 404, NoSuchBucket",
            "Call to function \"jsondecode\" failed: unexpected EOF.",
            "Expected the start of an expression, but found an invalid expression token.",
            "provider registry.terraform.io/acme/thing was not found: 404 Not Found",
        ];
        for detail in lasting {
            assert!(
                !is_transient(&error("Failed to install provider", detail)),
                "{detail}"
            );
        }
        assert!(!is_transient(&[]));
    }

    #[test]
    fn one_lasting_error_among_passing_ones_stays() {
        let mut both = error("Failed to query", "i/o timeout");
        both.push(Diagnostic::error("Unsupported argument"));
        assert!(!is_transient(&both));
        both[1].severity = Severity::Warning;
        assert!(is_transient(&both));
    }
}
