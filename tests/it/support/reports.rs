//! What tfw keeps of its runs, and how to find one's way in a report.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::TestEnvironment;

impl TestEnvironment {
    /// The folder of the one run so far, or of the latest.
    #[track_caller]
    pub(crate) fn run_folder(&self) -> PathBuf {
        fs::read_dir(self.path("environments/.tfw/runs"))
            .unwrap()
            .map(|entry| entry.unwrap())
            // The time in an id is too coarse for two runs of one second.
            .max_by_key(|entry| entry.metadata().unwrap().modified().unwrap())
            .expect("a run")
            .path()
    }

    /// The report that the latest run left.
    #[track_caller]
    pub(crate) fn kept_report(&self) -> Value {
        let text = fs::read_to_string(self.run_folder().join("report.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

/// A unit of a report.
#[track_caller]
pub(crate) fn the_unit<'a>(report: &'a Value, unit: &str) -> &'a Value {
    let units = report["units"].as_array().unwrap();
    units
        .iter()
        .find(|each| each["unit"] == unit)
        .unwrap_or_else(|| panic!("`{unit}` is not in the report: {report:#}"))
}

/// The diagnostics of a unit or a report as text: severity, summary and detail of each.
pub(crate) fn texts(of: &Value) -> Vec<String> {
    let diagnostics = of["diagnostics"].as_array().unwrap();
    diagnostics
        .iter()
        .map(|each| {
            let text = |key: &str| each[key].as_str().unwrap_or_default();
            format!(
                "{}: {}\n{}",
                text("severity"),
                text("summary"),
                text("detail")
            )
        })
        .collect()
}
