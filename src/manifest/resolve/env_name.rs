//! Which variables `env` may not set: those that would win over what tfw itself sets.

use crate::env_vars::{
    AWS_EC2_METADATA_DISABLED, CHILD_REGION, REMOVED_CREDENTIALS, SHARED_FILES, TF_PLUGIN_CACHE_DIR,
};

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
    if name == TF_PLUGIN_CACHE_DIR {
        return Some("set it in your own environment: all units share one plugin cache");
    }
    let mut of_aws = REMOVED_CREDENTIALS
        .iter()
        .chain(&CHILD_REGION)
        .chain(&SHARED_FILES);
    if name == AWS_EC2_METADATA_DISABLED || of_aws.any(|own| name == *own) {
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
}
