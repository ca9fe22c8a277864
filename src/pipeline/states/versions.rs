//! Every version of one unit's state, and how one of them is named.

use jiff::Timestamp;

use super::history;
use crate::aws::{AwsError, NO_VERSION, VerifiedAccount};
use crate::events::Phase;
use crate::model::{Backend, Diagnostic, StateId, UnitId, Workspace};
use crate::stage::backend;
use crate::stage::failure::Failure;
use crate::stage::record::Record;
use crate::stage::states;
use crate::state::{LocalState, RawState, S3State, StateError, StateStore, StateVersion};

/// The versions of a state, the newest first, delete markers among them.
pub(super) struct Versions {
    pub(super) all: Vec<Version>,
    pub(super) place: String,
    store: Store,
}

enum Store {
    S3(S3State),
    /// The state, and what Terraform keeps of the one before.
    Local,
}

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Version {
    /// `None` of a file.
    pub(super) id: Option<String>,
    pub(super) modified: Option<Timestamp>,
    pub(super) size: Option<u64>,
    pub(super) latest: bool,
    pub(super) deleted: bool,
    file: Option<LocalState>,
}

/// The store of the record's unit.
///
/// # Errors
/// Only Terraform can read it, or there are no credentials.
pub(super) async fn store(record: &Record<'_>) -> Result<StateStore, Failure> {
    store_of(record, record.unit.backend.workspace()).await
}

/// The store of one of its workspaces.
///
/// # Errors
/// As [`store`].
pub(super) async fn store_of(
    record: &Record<'_>,
    workspace: &Workspace,
) -> Result<StateStore, Failure> {
    record.phase(Phase::State);
    let unit = record.unit;
    let account = match &unit.backend {
        Backend::Other(other) => {
            return Err(Failure::failed(
                Diagnostic::error(format!(
                    "only Terraform reads the states of a `{}` backend",
                    other.kind
                ))
                .with_hint(format!("`tfw exec {} -- state pull` prints it", unit.id)),
            ));
        }
        Backend::Local(_) => VerifiedAccount::without_credentials(),
        Backend::S3(_) => backend::verify(record).await?.state_account().clone(),
    };
    let place = unit.backend.with_workspace(workspace.clone());
    StateStore::at(&unit.folder, &place, &account)
        .await
        .map_err(|error| states::unreadable(&error))
}

/// The current state of the record's unit, and where it lies.
///
/// # Errors
/// There is none, or it cannot be read.
pub(super) async fn current(record: &Record<'_>) -> Result<(RawState, String), Failure> {
    let store = store(record).await?;
    let raw = store
        .raw()
        .await
        .map_err(|error| states::unreadable(&error))?;
    let place = store.place();
    match raw {
        Some(raw) => Ok((raw, place)),
        None => Err(no_state(&record.unit.id, &place)),
    }
}

/// Refuses to write what is a file.
pub(super) fn not_in_s3(unit: &UnitId) -> Failure {
    Failure::refused(
        Diagnostic::error(format!("the state of `{unit}` is not in S3"))
            .with_hint("a local state is a file: copy the one that is meant over it"),
    )
}

fn no_state(unit: &UnitId, place: &str) -> Failure {
    Failure::failed(
        Diagnostic::error(format!("there is no state in `{place}`")).with_hint(format!(
            "`tfw state history {unit}` lists the versions of one that was deleted"
        )),
    )
}

impl Version {
    /// Its id, where it will always be the same content.
    pub(super) fn lasting_id(&self) -> Option<&str> {
        self.id.as_deref().filter(|id| *id != NO_VERSION)
    }
}

impl Versions {
    /// Lists the versions of the record's unit.
    ///
    /// # Errors
    /// They cannot be listed, or only Terraform knows them.
    pub(super) async fn list(record: &Record<'_>) -> Result<Self, Failure> {
        match store(record).await? {
            StateStore::S3(state) => Self::in_bucket(state).await,
            StateStore::Local(state) => Self::in_files(&state).await,
        }
    }

    /// Lists the versions of a state in a bucket.
    ///
    /// # Errors
    /// They cannot be listed.
    pub(super) async fn in_bucket(state: S3State) -> Result<Self, Failure> {
        let listed = match state.versions().await {
            Ok(listed) => listed,
            // Where there is no bucket yet, there is no state yet.
            Err(StateError::Aws {
                cause: AwsError::NoSuchBucket { .. },
                ..
            }) => Vec::new(),
            Err(error) => return Err(states::unreadable(&error)),
        };
        let all = listed.into_iter().map(|version| Version {
            id: Some(version.version_id),
            modified: version.modified,
            size: version.size,
            latest: version.latest,
            deleted: version.deleted,
            file: None,
        });
        Ok(Self {
            all: all.collect(),
            place: state.url(),
            store: Store::S3(state),
        })
    }

    async fn in_files(state: &LocalState) -> Result<Self, Failure> {
        let mut all = Vec::new();
        for (file, latest) in [(state.clone(), true), (state.backup(), false)] {
            let raw = StateStore::Local(file.clone()).raw().await;
            if let Some(raw) = raw.map_err(|error| states::unreadable(&error))? {
                all.push(Version {
                    id: None,
                    modified: raw.modified,
                    size: Some(raw.bytes.len() as u64),
                    latest,
                    deleted: false,
                    file: Some(file),
                });
            }
        }
        Ok(Self {
            all,
            place: state.path().display().to_string(),
            store: Store::Local,
        })
    }

    /// Those that hold a state, the newest first: `latest`, `latest~1`, …
    pub(super) fn states(&self) -> impl Iterator<Item = &Version> {
        self.all.iter().filter(|version| !version.deleted)
    }

    /// The content of one.
    ///
    /// # Errors
    /// It cannot be read, or is gone.
    pub(super) async fn raw(&self, version: &Version) -> Result<RawState, Failure> {
        let gone = || {
            Failure::failed(Diagnostic::error(format!(
                "the state in `{}` was there a moment ago, and is gone",
                self.place
            )))
        };
        let read = match (&self.store, &version.file, &version.id) {
            // What was written before the bucket kept versions is `null`, be it the current one or
            // not; where it is, servers without versions may not know that name.
            (Store::S3(state), _, Some(id)) if id != NO_VERSION || !version.latest => {
                return match state.version(id).await {
                    Ok(raw) => Ok(raw),
                    Err(error) => Err(states::unreadable(&error)),
                };
            }
            (Store::S3(state), _, _) => state.object().await,
            (Store::Local, Some(file), _) => StateStore::Local(file.clone()).raw().await,
            (Store::Local, None, _) => Ok(None),
        };
        read.map_err(|error| states::unreadable(&error))?
            .ok_or_else(gone)
    }

    /// The document in one.
    ///
    /// # Errors
    /// It cannot be read, or is no state that tfw can read.
    pub(super) async fn read(&self, version: &Version) -> Result<StateVersion, Failure> {
        let raw = self.raw(version).await?;
        let place = match &version.id {
            Some(id) => format!("{} (version {id})", self.place),
            None => self.place.clone(),
        };
        raw.parse(&place)
            .map_err(|error| states::unreadable(&error))
    }

    /// The one that was named: `latest`, `latest~N` (`~N` too, which shells make a folder of), a
    /// version id, or a serial that only one has.
    ///
    /// # Errors
    /// There is none, or there are several.
    pub(super) async fn find(
        &self,
        record: &mut Record<'_>,
        name: &str,
    ) -> Result<&Version, Failure> {
        let unit = &record.unit.id;
        let unknown = |why: String| {
            Failure::failed(Diagnostic::error(why).with_hint(format!(
                "`tfw state history {unit} --limit 0` lists them all"
            )))
        };
        let count = self.states().count();
        if count == 0 {
            return Err(no_state(unit, &self.place));
        }
        if let Some(version) = self
            .all
            .iter()
            .find(|each| each.id.as_deref() == Some(name))
        {
            if version.deleted {
                return Err(unknown(format!(
                    "`{name}` is no state: the state was deleted then"
                )));
            }
            return Ok(version);
        }
        let back = match name.strip_prefix("latest").unwrap_or(name) {
            "" => Some(0),
            back => back.strip_prefix('~').and_then(|back| back.parse().ok()),
        };
        if let Some(back) = back {
            if back == 0
                && !self
                    .all
                    .first()
                    .is_some_and(|newest| newest.latest && !newest.deleted)
            {
                record.diagnostic(Diagnostic::warning(
                    "the state was deleted: this is the last version before",
                ));
            }
            let (are, s) = if count == 1 { ("is", "") } else { ("are", "s") };
            return self.states().nth(back).ok_or_else(|| {
                unknown(format!(
                    "`{name}` is too far back: there {are} {count} version{s}"
                ))
            });
        }
        let Ok(serial) = name.parse::<u64>() else {
            let mut failure = unknown(format!("`{name}` is no version of the state of `{unit}`"));
            if name.starts_with('/') {
                let hint = "a shell makes a folder of `~0`: type `latest`, or `latest~1` for the one before";
                failure = failure.with_hint(hint);
            }
            return Err(failure);
        };
        let (facts, failure) = history::facts(record, self).await;
        let mut found = self
            .states()
            .zip(facts)
            .filter(|(_, facts)| facts.serial == Some(serial))
            .map(|(version, _)| version);
        match (found.next(), found.next()) {
            (Some(version), None) => Ok(version),
            (Some(_), Some(_)) => Err(unknown(format!(
                "several versions of the state of `{unit}` have the serial {serial}"
            ))),
            // It may be the one that cannot be read.
            (None, _) => Err(failure.unwrap_or_else(|| {
                unknown(format!(
                    "no version of the state of `{unit}` has the serial {serial}"
                ))
            })),
        }
    }
}

/// Which state a document is.
pub(super) fn id_of(version: &StateVersion) -> StateId {
    let document = &version.document;
    StateId {
        version_id: version.version_id.clone(),
        modified: version.modified,
        serial: document.serial,
        lineage: document.lineage.clone(),
        terraform_version: document.terraform_version.clone(),
    }
}
