//! The name that a session of tfw's has in CloudTrail.

/// `tfw-PROJECT-RUN`, in the letters and the length that STS takes: `[\w+=,.@-]{2,64}`
/// (STS API reference, `AssumeRole`). Where it is too long the project is cut, not the run: the
/// run is what tells two sessions apart.
pub(super) fn default_session_name(project: Option<&str>, run_id: &str) -> String {
    const LONGEST: usize = 64;
    let run = cleaned(run_id);
    let project = project.map(cleaned).filter(|name| !name.is_empty());
    let mut name = match project {
        Some(project) => {
            let room = LONGEST.saturating_sub("tfw--".len() + run.len());
            let project = &project[..project.len().min(room)];
            format!("tfw-{project}-{run}")
        }
        None => format!("tfw-{run}"),
    };
    // All characters are ASCII by now.
    name.truncate(LONGEST);
    name
}

/// A name of the manifest, with a `-` for what STS does not take.
pub(super) fn cleaned(name: &str) -> String {
    name.chars()
        .map(|c| {
            let allowed =
                c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '=' | ',' | '.' | '@' | '-');
            if allowed { c } else { '-' }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_named_after_project_and_run() {
        assert_eq!(
            default_session_name(Some("acme"), "20260101T000000-ab12"),
            "tfw-acme-20260101T000000-ab12"
        );
        assert_eq!(default_session_name(None, "r1"), "tfw-r1");
        assert_eq!(default_session_name(Some(""), "r1"), "tfw-r1");
    }

    #[test]
    fn what_sts_does_not_take_is_replaced() {
        assert_eq!(
            default_session_name(Some("Ünser Projekt/1"), "r:1"),
            "tfw--nser-Projekt-1-r-1"
        );
    }

    #[test]
    fn a_long_name_keeps_its_run() {
        let name = default_session_name(Some(&"p".repeat(100)), "20260101T000000-ab12");
        assert_eq!(name.len(), 64);
        assert!(name.ends_with("-20260101T000000-ab12"));
        assert_eq!(default_session_name(None, &"r".repeat(100)).len(), 64);
    }
}
