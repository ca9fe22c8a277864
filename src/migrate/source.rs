//! Where the state of a unit is now, as far as can be told without asking anybody.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{From, Options};
use crate::journal::migration::Place;
use crate::model::{Backend, Diagnostic, LocalBackend, S3Backend, Unit, Workspace};
use crate::root_module::RootModule;
use crate::stage::Context;
use crate::stage::failure::Failure;
use crate::terraform::{Recorded, RecordedBackend};

/// Finds the place that the state is to be moved away from; `None`: it is where it should be, or
/// there is none.
///
/// A place counts when it is another than the destination: the one that was named by `--from`, the
/// one that `.terraform` records, the one that stands in the backend block, and the files that
/// Terraform writes where no backend is named.
///
/// # Errors
/// A refusal, where there are several, or one that tfw cannot read.
pub(super) fn locate(
    ctx: &Context,
    unit: &Unit,
    module: &RootModule,
    recorded: &Recorded,
    destination: &Backend,
    options: &Options,
) -> Result<Option<Place>, Failure> {
    if let Some(from) = &options.from {
        let source = named(unit, from);
        if is_same(unit, &source, destination)? {
            return Err(Failure::refused(
                Diagnostic::error(format!(
                    "`--from` names the place where the state of `{}` is to go",
                    unit.id
                ))
                .with_hint("name the place where it is now"),
            ));
        }
        return Ok(Some(source));
    }
    let mut places: Vec<(Place, &str)> = Vec::new();
    if let Some(recorded) = &recorded.backend {
        let data_dir = ctx.shown(&ctx.data_dir(unit));
        places.push((
            from_recorded(unit, recorded, &data_dir)?,
            "`.terraform` records it",
        ));
    } else if let Some(source) = module
        .backend
        .as_ref()
        .and_then(|block| literal(&block.kind, &block.arguments, unit))
    {
        places.push((source, "the backend block names it"));
    }
    if has_local_states(unit, &default_files()) {
        places.push((default_files(), "there is a state in it"));
    }
    let mut elsewhere: Vec<(Place, &str)> = Vec::new();
    for (source, why) in places {
        if !is_same(unit, &source, destination)?
            && !elsewhere.iter().any(|(each, _)| *each == source)
        {
            elsewhere.push((source, why));
        }
    }
    // A local backend that is recorded and has no state left says nothing.
    elsewhere.retain(|(source, _)| match source {
        Place::Local { .. } => has_local_states(unit, source),
        Place::S3 { .. } => true,
    });
    if elsewhere.len() > 1 {
        let mut diagnostic = Diagnostic::error(format!(
            "the state of `{}` may be in {} places, and tfw cannot tell which one counts",
            unit.id,
            elsewhere.len()
        ));
        for (source, why) in &elsewhere {
            diagnostic = diagnostic.with_detail(format!("`{}`: {why}", shown(unit, source)));
        }
        return Err(Failure::refused(diagnostic.with_hint(
            "`--from PLACE` says which: a file, or `s3://BUCKET/KEY?region=REGION`",
        )));
    }
    Ok(elsewhere.pop().map(|(source, _)| source))
}

/// The backend of a source, for reading it. The credentials are the unit's, so the owner of a
/// bucket is the one of the unit's own.
///
/// # Errors
/// What stands there is no valid name, or the owner of the bucket is not known.
pub(super) fn backend(unit: &Unit, source: &Place) -> Result<Backend, Failure> {
    match source {
        Place::Local {
            path,
            workspace_dir,
            ..
        } => {
            let mut options = Map::new();
            for (name, value) in [("path", path), ("workspace_dir", workspace_dir)] {
                if let Some(value) = value {
                    options.insert(name.to_owned(), Value::String(value.clone()));
                }
            }
            Ok(Backend::Local(LocalBackend {
                workspace: Workspace::default(),
                options,
            }))
        }
        Place::S3 {
            bucket,
            key,
            region,
            workspace_key_prefix,
        } => {
            let invalid = |error: crate::model::InvalidName| {
                Failure::refused(Diagnostic::error(format!(
                    "`s3://{bucket}/{key}` in `{region}` is no place for a state: {error}"
                )))
            };
            let own = match &unit.backend {
                Backend::S3(own) => Some(own),
                _ => None,
            };
            let owner = own
                .map(|own| own.owner.clone())
                .or_else(|| unit.account_id.clone())
                .ok_or_else(|| {
                    Failure::refused(
                        Diagnostic::error(format!(
                            "the account that owns the bucket `{bucket}` is not known"
                        ))
                        .with_hint(format!("set `account_id` of `{}`", unit.id)),
                    )
                })?;
            let mut options = Map::new();
            if let Some(prefix) = workspace_key_prefix {
                options.insert(
                    "workspace_key_prefix".to_owned(),
                    Value::String(prefix.clone()),
                );
            }
            // The way to S3 is the unit's, too.
            if let Some(endpoint) = own.and_then(|own| own.endpoint()) {
                options.insert("endpoint".to_owned(), Value::String(endpoint.to_owned()));
            }
            Ok(Backend::S3(Box::new(S3Backend {
                bucket: bucket.parse().map_err(invalid)?,
                key: key.parse().map_err(invalid)?,
                region: region.parse().map_err(invalid)?,
                workspace: Workspace::default(),
                use_lockfile: true,
                kms_key_id: None,
                role_arn: own.and_then(|own| own.role_arn.clone()),
                own_role: own.and_then(|own| own.own_role.clone()),
                caller: own.map_or_else(|| owner.clone(), |own| own.caller.clone()),
                owner,
                use_path_style: own.is_some_and(|own| own.use_path_style),
                options,
            })))
        }
    }
}

/// A source for people: `s3://BUCKET/KEY`, or the file as seen from the root module.
pub(super) fn shown(unit: &Unit, source: &Place) -> String {
    match source {
        Place::Local { path, .. } => unit
            .folder
            .join(path.as_deref().unwrap_or("terraform.tfstate"))
            .display()
            .to_string(),
        Place::S3 { bucket, key, .. } => format!("s3://{bucket}/{key}"),
    }
}

/// Terraform's own files.
pub(super) fn default_files() -> Place {
    Place::Local {
        path: None,
        workspace_dir: None,
        alone: false,
    }
}

/// The place of a backend, as the journal keeps it; `None` of one that tfw does not move to.
pub(super) fn place_of(backend: &Backend) -> Option<Place> {
    let text = |options: &Map<String, Value>, name: &str| {
        options.get(name).and_then(Value::as_str).map(str::to_owned)
    };
    match backend {
        Backend::Local(local) => Some(Place::Local {
            path: text(&local.options, "path"),
            workspace_dir: text(&local.options, "workspace_dir"),
            alone: false,
        }),
        Backend::S3(s3) => Some(Place::S3 {
            bucket: s3.bucket.to_string(),
            key: s3.key.to_string(),
            region: s3.region.to_string(),
            workspace_key_prefix: text(&s3.options, "workspace_key_prefix"),
        }),
        Backend::Other(_) => None,
    }
}

/// Whether there is a state, an emptied one included, in any workspace of a local source.
fn has_local_states(unit: &Unit, source: &Place) -> bool {
    let Place::Local {
        path,
        workspace_dir,
        ..
    } = source
    else {
        return false;
    };
    let file = unit
        .folder
        .join(path.as_deref().unwrap_or("terraform.tfstate"));
    let workspaces = unit
        .folder
        .join(workspace_dir.as_deref().unwrap_or("terraform.tfstate.d"));
    file.exists()
        || fs::read_dir(workspaces).is_ok_and(|mut entries| {
            entries.any(|entry| entry.is_ok_and(|entry| entry.path().is_dir()))
        })
}

pub(super) fn named(unit: &Unit, from: &From) -> Place {
    match from {
        From::File(path) => Place::Local {
            path: Some(path.display().to_string()),
            workspace_dir: None,
            alone: true,
        },
        From::S3 {
            bucket,
            key,
            region,
        } => Place::S3 {
            bucket: bucket.clone(),
            key: key.clone(),
            region: region.clone().unwrap_or_else(|| region_of(unit)),
            workspace_key_prefix: None,
        },
    }
}

fn from_recorded(
    unit: &Unit,
    recorded: &RecordedBackend,
    data_dir: &str,
) -> Result<Place, Failure> {
    literal(&recorded.kind, &recorded.config, unit).ok_or_else(|| {
        Failure::refused(
            Diagnostic::error(format!(
                "`{data_dir}` is initialised for a `{}` backend that tfw cannot read",
                recorded.kind
            ))
            .with_hint(
                "tfw moves states between local files and S3; move this one to a file first: `terraform state pull`",
            ),
        )
    })
}

/// The place that plain arguments of a backend name. An S3 backend must name its bucket and key; an
/// empty block names nothing.
fn literal(kind: &str, arguments: &Map<String, Value>, unit: &Unit) -> Option<Place> {
    let text = |name: &str| {
        let value = arguments.get(name).and_then(Value::as_str);
        value.filter(|value| !value.is_empty()).map(str::to_owned)
    };
    match kind {
        "local" => Some(Place::Local {
            path: text("path").filter(|path| path != "terraform.tfstate"),
            workspace_dir: text("workspace_dir").filter(|path| path != "terraform.tfstate.d"),
            alone: false,
        }),
        "s3" => Some(Place::S3 {
            bucket: text("bucket")?,
            key: text("key")?,
            region: text("region").unwrap_or_else(|| region_of(unit)),
            workspace_key_prefix: text("workspace_key_prefix").filter(|prefix| prefix != "env:"),
        }),
        _ => None,
    }
}

fn region_of(unit: &Unit) -> String {
    match &unit.backend {
        Backend::S3(s3) => s3.region.to_string(),
        _ => unit
            .region
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
    }
}

/// Whether a source is the destination itself.
fn is_same(unit: &Unit, source: &Place, destination: &Backend) -> Result<bool, Failure> {
    // A bucket has one region; one that is named otherwise by mistake is still the same bucket.
    Ok(match (source, destination) {
        (
            Place::S3 {
                bucket,
                key,
                workspace_key_prefix,
                ..
            },
            Backend::S3(s3),
        ) => {
            let prefix = workspace_key_prefix.as_deref().unwrap_or("env:");
            s3.bucket.as_str() == bucket
                && s3.key.as_str() == key
                && s3.workspace_prefix() == prefix
        }
        (Place::Local { .. }, Backend::Local(local)) => {
            let Backend::Local(source) = backend(unit, source)? else {
                return Ok(false);
            };
            let path = |backend: &LocalBackend| {
                let set = backend.options.get("path").and_then(Value::as_str);
                unit.folder.join(set.unwrap_or("terraform.tfstate"))
            };
            one_file(&path(&source)) == one_file(&path(local))
        }
        _ => false,
    })
}

/// A file by one name, however its path is written.
pub(super) fn one_file(path: &Path) -> PathBuf {
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    let parent = path.parent().and_then(|parent| parent.canonicalize().ok());
    match (parent, path.file_name()) {
        (Some(parent), Some(name)) => parent.join(name),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn an_s3_block_names_a_place_when_it_names_bucket_and_key() {
        let unit = super::super::testing::unit();
        let full = object(&json!({ "bucket": "old", "key": "k", "region": "us-east-1" }));
        assert_eq!(
            literal("s3", &full, &unit),
            Some(Place::S3 {
                bucket: "old".to_owned(),
                key: "k".to_owned(),
                region: "us-east-1".to_owned(),
                workspace_key_prefix: None,
            })
        );
        assert_eq!(literal("s3", &object(&json!({ "key": "k" })), &unit), None);
        assert_eq!(literal("gcs", &full, &unit), None);
        assert_eq!(
            literal("local", &object(&json!({ "path": null })), &unit),
            Some(default_files())
        );
    }

    #[test]
    fn the_same_place_is_no_source() {
        let unit = super::super::testing::unit();
        let source = |bucket: &str, prefix: Option<&str>| Place::S3 {
            bucket: bucket.to_owned(),
            key: "k/t.tfstate".to_owned(),
            region: "elsewhere".to_owned(),
            workspace_key_prefix: prefix.map(str::to_owned),
        };
        let same = |source: &Place| is_same(&unit, source, &unit.backend).unwrap();
        assert!(same(&source("bkt", None)));
        assert!(!same(&source("other", None)));
        assert!(!same(&source("bkt", Some("envs"))));
        assert!(!same(&default_files()));
    }
}
