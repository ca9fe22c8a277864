//! Who may use whom inside tfw: the directions of the design, read off the source.
//!
//! `cli → doctor, migrate, pipeline → stage, runner; state, bucket, credentials, terraform → aws,
//! process → model, events, journal`; `ui` and `report` know events and model only. Rooms of one rank do not
//! use each other, but for what stands here with its reason. `stage` is what `migrate` and
//! `pipeline` have in common: the context of a run, the record of a unit, the proofs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What each room may use. A room that is not here does not exist.
const MAY_USE: &[(&str, &[&str])] = &[
    // Leaves. An event and a journal entry name their unit, so these two know the model's words.
    ("model", &[]),
    ("env_vars", &[]),
    ("events", &["model"]),
    ("journal", &["model"]),
    // Reads root modules: what a manifest is checked against, and what the guards look at.
    ("root_module", &["model"]),
    // Of `env_vars` it knows the names that a manifest's `env` may not take.
    ("manifest", &["model", "root_module", "env_vars"]),
    // The outside world.
    ("aws", &["model", "events", "journal", "env_vars"]),
    ("process", &["model", "events", "journal", "env_vars"]),
    (
        "state",
        &["aws", "process", "model", "events", "journal", "env_vars"],
    ),
    (
        "bucket",
        &["aws", "process", "model", "events", "journal", "env_vars"],
    ),
    (
        "credentials",
        &["aws", "process", "model", "events", "journal", "env_vars"],
    ),
    (
        "terraform",
        &["aws", "process", "model", "events", "journal", "env_vars"],
    ),
    // The work.
    ("runner", &[]),
    (
        "stage",
        &[
            "state",
            "bucket",
            "credentials",
            "terraform",
            "aws",
            "process",
            "root_module",
            "model",
            "events",
            "journal",
            "env_vars",
        ],
    ),
    (
        "pipeline",
        &[
            "stage",
            "runner",
            "state",
            "bucket",
            "credentials",
            "terraform",
            "aws",
            "process",
            "manifest",
            "root_module",
            "model",
            "events",
            "journal",
            "env_vars",
        ],
    ),
    (
        "migrate",
        &[
            "stage",
            "state",
            "bucket",
            "credentials",
            "terraform",
            "aws",
            "process",
            "root_module",
            "model",
            "events",
            "journal",
            "env_vars",
        ],
    ),
    // Looks at all of it, and at buckets as `pipeline` does.
    (
        "doctor",
        &[
            "pipeline",
            "stage",
            "bucket",
            "terraform",
            "root_module",
            "model",
            "journal",
        ],
    ),
    // Consumers of events.
    ("ui", &["events", "model"]),
    ("report", &["events", "model"]),
    // The edge. `settings` finds the binary that the manifest asks for.
    ("settings", &["manifest", "terraform", "model", "env_vars"]),
    (
        "cli",
        &[
            "settings",
            "doctor",
            "migrate",
            "pipeline",
            "stage",
            "runner",
            "state",
            "bucket",
            "credentials",
            "terraform",
            "aws",
            "process",
            "manifest",
            "root_module",
            "model",
            "events",
            "journal",
            "env_vars",
            "ui",
            "report",
        ],
    ),
];

/// A crate that only one room may use.
const ONE_USER: &[(&str, &str)] = &[
    ("aws_config", "aws"),
    ("aws_sdk_", "aws"),
    ("aws_smithy_", "aws"),
    ("aws_credential_types", "aws"),
    ("aws_runtime", "aws"),
    ("clap", "cli"),
    ("tokio::process", "process"),
    ("tokio::signal", "process"),
    ("std::process::Command", "process"),
    ("indicatif", "ui"),
    ("toml", "manifest"),
];

struct Source {
    path: PathBuf,
    room: String,
    code: String,
}

/// Every source file but the program's and the library's own, without comments and strings that
/// could name a room by chance.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let below = path.strip_prefix(&root).expect("below src");
            let first = below.iter().next().expect("a name").to_string_lossy();
            let room = first.trim_end_matches(".rs").to_owned();
            if room == "lib" || room == "main" {
                continue;
            }
            let text = fs::read_to_string(&path).expect("UTF-8");
            let code: String = text
                .lines()
                .map(|line| line.split("//").next().unwrap_or_default())
                .collect::<Vec<_>>()
                .join("\n");
            sources.push(Source {
                path: below.to_owned(),
                room,
                code,
            });
        }
    }
    sources
}

/// The rooms that some code names as `crate::ROOM`, also inside `crate::{…}`.
fn rooms_used(code: &str) -> BTreeSet<String> {
    let word = |text: &str| -> String {
        text.chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect()
    };
    let mut used = BTreeSet::new();
    for part in code.split("crate::").skip(1) {
        if let Some(group) = part.strip_prefix('{') {
            let mut depth = 0;
            let mut start = true;
            for (index, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => start = true,
                    c if start && !c.is_whitespace() => {
                        used.insert(word(&group[index..]));
                        start = false;
                    }
                    _ => {}
                }
            }
        } else {
            used.insert(word(part));
        }
    }
    used
}

#[test]
fn rooms_use_only_what_lies_below_them() {
    let sources = sources();
    let mut wrong = Vec::new();
    for source in &sources {
        let Some((_, allowed)) = MAY_USE.iter().find(|(room, _)| *room == source.room) else {
            wrong.push(format!(
                "{}: a room that this test does not know",
                source.path.display()
            ));
            continue;
        };
        for used in rooms_used(&source.code) {
            if used != source.room && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{} uses `{used}`", source.path.display()));
            }
        }
    }
    assert!(sources.len() > 50, "the sources were not found");
    assert!(
        wrong.is_empty(),
        "against the design's directions:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn the_outside_world_is_reached_through_one_room_each() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (name, room) in ONE_USER {
            let uses = source.code.contains(&format!("{name}::"))
                || source.code.contains(&format!("use {name}"));
            if uses && source.room != *room {
                wrong.push(format!(
                    "{} uses `{name}`, which is {room}'s",
                    source.path.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn groups_and_paths_are_both_read() {
    let code = "use crate::{model::{A, B}, events};\nfn f() { crate::aws::g(); }";
    let used: Vec<String> = rooms_used(code).into_iter().collect();
    assert_eq!(used, ["aws", "events", "model"]);
}
