//! The state that a saved plan was made from, read from the plan itself.
//!
//! A saved plan is a zip archive (Terraform `internal/plans/planfile`); its entry `tfstate` is the
//! refreshed state with the lineage and the serial of the one that was read. Those two are what
//! `terraform apply` holds against the state of then ("Saved plan is stale"), so that they are
//! right where a look at the state before or after the plan may hit another one.

use std::io::{Cursor, Read as _};

use serde::{Deserialize, Serialize};
use zip::ZipArchive;

/// Tells one version of a state from every other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateMark {
    /// The state's life.
    pub lineage: String,
    /// Counts up with each change.
    pub serial: u64,
}

/// A file is no plan that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAPlan {
    /// No archive: cut off, or encrypted by OpenTofu.
    #[error("it is no archive as Terraform writes it (OpenTofu may have encrypted it)")]
    NoArchive,
    /// Without the state that it was made from.
    #[error("it does not say which state it was made from")]
    NoState,
}

/// The state that a plan was made from; `None`: there was none.
///
/// # Errors
/// [`NotAPlan`].
pub fn state_of_plan(plan: &[u8]) -> Result<Option<StateMark>, NotAPlan> {
    let mut archive = ZipArchive::new(Cursor::new(plan)).map_err(|_| NotAPlan::NoArchive)?;
    let mut entry = archive.by_name("tfstate").map_err(|_| NotAPlan::NoState)?;
    let mut state = Vec::new();
    entry
        .read_to_end(&mut state)
        .map_err(|_| NotAPlan::NoState)?;
    let head: Head = serde_json::from_slice(&state).map_err(|_| NotAPlan::NoState)?;
    // Terraform has no other way to say that there was no state: one without a lineage.
    Ok((!head.lineage.is_empty()).then_some(StateMark {
        lineage: head.lineage,
        serial: head.serial,
    }))
}

#[derive(Deserialize)]
struct Head {
    lineage: String,
    serial: u64,
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn plan(entry: &str, text: &str) -> Vec<u8> {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        archive
            .start_file(entry, SimpleFileOptions::default())
            .expect("begun");
        archive.write_all(text.as_bytes()).expect("written");
        archive.finish().expect("finished").into_inner()
    }

    #[test]
    fn a_plan_names_the_state_that_it_was_made_from() {
        let made_from = plan("tfstate", r#"{"version": 4, "serial": 7, "lineage": "l"}"#);
        let mark = StateMark {
            lineage: "l".to_owned(),
            serial: 7,
        };
        assert_eq!(state_of_plan(&made_from), Ok(Some(mark)));
        let first = plan("tfstate", r#"{"version": 4, "serial": 0, "lineage": ""}"#);
        assert_eq!(state_of_plan(&first), Ok(None));
    }

    #[test]
    fn what_is_no_plan_says_so() {
        let whole = plan("tfstate", r#"{"serial": 7, "lineage": "l"}"#);
        for bytes in [&b""[..], b"{}", &whole[..whole.len() - 3]] {
            assert_eq!(state_of_plan(bytes), Err(NotAPlan::NoArchive));
        }
        for other in [plan("tfplan", "x"), plan("tfstate", "x")] {
            assert_eq!(state_of_plan(&other), Err(NotAPlan::NoState));
        }
    }
}
