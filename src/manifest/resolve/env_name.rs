//! Which variables `env` may not set: those that would win over what tfw itself sets.

/// Words that make an `AWS_*` variable one that selects credentials, or the region.
const AWS_WORDS: [&str; 14] = [
    "ACCESS_KEY",
    "SECRET",
    "TOKEN",
    "CREDENTIAL",
    "PROFILE",
    "ROLE",
    "CONTAINER",
    "CONFIG_FILE",
    "LOAD_CONFIG",
    "CUSTOMER_KEY",
    "METADATA_DISABLED",
    "DEFAULT_REGION",
    "AWS_REGION",
    "MFA",
];

/// Why a variable may not be set, as what to do instead; `None`: it may.
pub(super) fn refusal(name: &str) -> Option<&'static str> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Some("no environment variable can have this name");
    }
    if name.starts_with("TF_VAR_") {
        return Some("values of Terraform variables belong in `vars`");
    }
    if name == "TF_WORKSPACE" {
        return Some("set `backend.workspace`");
    }
    if name == "TF_DATA_DIR" || name.starts_with("TF_CLI_ARGS") {
        return Some("tfw sets this itself, and removes it from what Terraform inherits");
    }
    if name.starts_with("AWS_") && AWS_WORDS.iter().any(|word| name.contains(word)) {
        return Some("set `credentials`, `assume_role` or `region`");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_win_over_tfw_is_refused() {
        for name in [
            "TF_VAR_x",
            "TF_CLI_ARGS_plan",
            "TF_WORKSPACE",
            "TF_DATA_DIR",
            "AWS_PROFILE",
            "AWS_REGION",
            "AWS_ACCESS_KEY_ID",
            "AWS_SESSION_TOKEN",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_ROLE_ARN",
            "",
            "A=B",
        ] {
            assert!(refusal(name).is_some(), "{name}");
        }
        for name in [
            "TF_LOG",
            "HTTPS_PROXY",
            "AWS_ENDPOINT_URL_S3",
            "AWS_MAX_ATTEMPTS",
            "GITHUB_OWNER",
        ] {
            assert_eq!(refusal(name), None, "{name}");
        }
    }

    #[test]
    fn everything_that_tfw_removes_is_refused() {
        let credentials = crate::env_vars::REMOVED_CREDENTIALS.iter();
        let removed = credentials.chain(crate::env_vars::REMOVED_TERRAFORM);
        let set = crate::env_vars::CHILD_REGION
            .iter()
            .chain(&crate::env_vars::SHARED_FILES);
        for name in removed.chain(set) {
            assert!(refusal(name).is_some(), "{name}");
        }
    }
}
