//! The one thing that outlives a run: the session that an MFA code made, in a file that its user
//! alone can read.
//!
//! A file is named after everything that makes a session different, so that none is ever taken for
//! another. Beside it lie a lock, so that of several tfw processes one asks for the code and the
//! others take what it got, and a mark of the last code that AWS took, which works only once.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::cached::LEAST_LIFE;
use crate::aws::Keys;
use crate::env_vars::{EnvSnapshot, HOME, XDG_CACHE_HOME};
use crate::model::{AccountId, KeptSession, MfaSpec, describe_io, sha256};

/// How often a waiting process looks again.
const POLL: Duration = Duration::from_millis(100);
/// For how long a code counts as used: its own half a minute, and the ones before and after it,
/// which AWS takes as well.
const CODE_LIFE: Duration = Duration::from_secs(90);

/// Where the sessions of one user are kept.
#[derive(Debug, Clone)]
pub struct SessionCache {
    folder: PathBuf,
}

/// Everything that makes one session different from another.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Identity<'a> {
    pub(super) partition: &'a str,
    /// The device's account.
    pub(super) account_id: Option<AccountId>,
    /// The long-term key that it was made with.
    pub(super) access_key_id: &'a str,
    pub(super) mfa_serial: &'a str,
    pub(super) session_seconds: u64,
    /// The STS that was asked.
    pub(super) endpoint: &'a str,
}

/// The file. Its secrets are written by [`SessionCache::write`] alone.
#[derive(Deserialize)]
struct Document {
    schema: u32,
    identity: String,
    account_id: Option<AccountId>,
    mfa_serial: String,
    expires: Timestamp,
    access_key_id: String,
    secret_access_key: SecretString,
    session_token: SecretString,
}

/// The version of the file's form.
const SCHEMA: u32 = 1;

/// Why a session that is kept is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the cached MFA session `{path}` {problem}")]
pub struct CacheProblem {
    /// The file.
    pub path: String,
    /// As in "cannot be read: permission denied".
    pub problem: String,
}

/// Held while one process logs in.
#[derive(Debug)]
pub(super) struct LoginLock {
    _file: File,
}

impl SessionCache {
    /// The cache of the user: `tfw/sessions` in the platform's cache folder. `None`: there is no
    /// home folder, so that nothing is kept.
    pub fn of_user(environment: &EnvSnapshot) -> Option<Self> {
        let home = environment.get(HOME).map(PathBuf::from);
        let caches = match environment.get(XDG_CACHE_HOME).map(PathBuf::from) {
            Some(caches) if caches.is_absolute() => caches,
            _ if cfg!(target_os = "macos") => home?.join("Library/Caches"),
            _ => home?.join(".cache"),
        };
        Some(Self {
            folder: caches.join("tfw/sessions"),
        })
    }

    /// Takes the right to log in; calls `waiting` once when somebody else has it.
    pub(super) async fn lock(
        &self,
        identity: &Identity<'_>,
        waiting: impl FnOnce(),
    ) -> Result<LoginLock, CacheProblem> {
        self.make()?;
        let path = self.path(identity, "lock");
        let file = open_private(&path).map_err(|error| problem(&path, "be opened", &error))?;
        let mut waiting = Some(waiting);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(LoginLock { _file: file }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => {
                    return Err(problem(&path, "be locked", &error));
                }
            }
            if let Some(waiting) = waiting.take() {
                waiting();
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// The session of an identity, where one is kept that lives long enough; why one that is kept
    /// cannot be used.
    pub(super) fn read(&self, identity: &Identity<'_>) -> Result<Option<Keys>, CacheProblem> {
        let path = self.path(identity, "json");
        let Some(document) = read(&path)? else {
            return Ok(None);
        };
        let left = document.expires.duration_since(Timestamp::now());
        let left = Duration::try_from(left).unwrap_or_default();
        Ok((left >= LEAST_LIFE).then(|| {
            Keys::temporary(
                document.access_key_id,
                document.secret_access_key,
                document.session_token,
                document.expires,
            )
        }))
    }

    /// Keeps a session, in one step: whoever reads gets all of it.
    pub(super) fn write(&self, identity: &Identity<'_>, keys: &Keys) -> Result<(), CacheProblem> {
        let path = self.path(identity, "json");
        let (secret, token) = keys.secrets();
        let text = json!({
            "schema": SCHEMA,
            "kind": "mfa",
            "identity": identity.access_key_id,
            "account_id": identity.account_id,
            "mfa_serial": identity.mfa_serial,
            "expires": keys.expires(),
            "access_key_id": keys.access_key_id(),
            "secret_access_key": secret.expose_secret(),
            "session_token": token.map(|token| token.expose_secret().to_owned()),
        })
        .to_string();
        self.make()?;
        let write = || -> io::Result<()> {
            // With mode 0600, as `tempfile` makes it.
            let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
            file.write_all(text.as_bytes())?;
            file.persist(&path).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|error| problem(&path, "be written", &error))
    }

    /// Removes the session of an identity.
    pub(super) fn forget(&self, identity: &Identity<'_>) {
        // What is not removed is asked about again and refused again.
        let _ = fs::remove_file(self.path(identity, "json"));
    }

    /// Whether AWS took this code a moment ago, from any process of this user.
    pub(super) fn was_used(&self, identity: &Identity<'_>, code: &SecretString) -> bool {
        let path = self.path(identity, "code");
        let Ok(text) = fs::read_to_string(path) else {
            return false;
        };
        let Some((hash, when)) = text.trim().split_once(' ') else {
            return false;
        };
        let age = when
            .parse::<Timestamp>()
            .map(|when| Timestamp::now().duration_since(when));
        hash == sha256(code.expose_secret().as_bytes())
            && age.is_ok_and(|age| Duration::try_from(age).unwrap_or_default() < CODE_LIFE)
    }

    /// Notes that AWS took this code. In a minute and a half it is worth nothing to anybody.
    pub(super) fn used(&self, identity: &Identity<'_>, code: &SecretString) {
        let hash = sha256(code.expose_secret().as_bytes());
        let path = self.path(identity, "code");
        let text = format!("{hash} {}", Timestamp::now());
        // Without the mark, a second use is told as a wrong code.
        let _ = open_private(&path).and_then(|mut file| {
            file.set_len(0)?;
            file.write_all(text.as_bytes())
        });
    }

    /// All sessions that are kept and have not ended, and what is kept and cannot be read.
    pub fn list(&self) -> (Vec<KeptSession>, Vec<CacheProblem>) {
        let mut sessions = Vec::new();
        let mut problems = Vec::new();
        for path in self.files() {
            match read(&path) {
                Ok(Some(document)) if document.expires > Timestamp::now() => {
                    sessions.push(KeptSession {
                        kind: "mfa",
                        identity: document.identity,
                        account_id: document.account_id,
                        mfa_serial: document.mfa_serial,
                        expires: document.expires,
                    });
                }
                Ok(_) => {}
                Err(problem) => problems.push(problem),
            }
        }
        sessions.sort_by(|one, other| one.mfa_serial.cmp(&other.mfa_serial));
        (sessions, problems)
    }

    /// Removes all that is kept, and says how many sessions that were.
    ///
    /// # Errors
    /// One cannot be removed.
    pub fn clear(&self) -> Result<usize, CacheProblem> {
        let files = self.files();
        for path in &files {
            fs::remove_file(path).map_err(|error| problem(path, "be removed", &error))?;
        }
        Ok(files.len())
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten();
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        paths
            .filter(|path| path.extension().is_some_and(|end| end == "json"))
            .collect()
    }

    fn path(&self, identity: &Identity<'_>, end: &str) -> PathBuf {
        let text = serde_json::to_string(identity).unwrap_or_default();
        let name = sha256(text.as_bytes());
        self.folder.join(format!("{}.{end}", &name[..32]))
    }

    fn make(&self) -> Result<(), CacheProblem> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .map_err(|error| problem(&self.folder, "be made", &error))
    }
}

impl<'a> Identity<'a> {
    /// What makes the session of a device with these keys.
    pub(super) fn new(keys: &'a Keys, mfa: &'a MfaSpec, endpoint: &'a str) -> Self {
        let serial = mfa.serial.as_str();
        Self {
            partition: serial
                .strip_prefix("arn:")
                .and_then(|rest| rest.split(':').next())
                .unwrap_or("aws"),
            account_id: mfa.serial.account_id(),
            access_key_id: keys.access_key_id(),
            mfa_serial: serial,
            session_seconds: mfa.session_duration.as_secs(),
            endpoint,
        }
    }
}

/// A file of the cache; `None`: there is none.
fn read(path: &Path) -> Result<Option<Document>, CacheProblem> {
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(problem(path, "be read", &error)),
    };
    if meta.mode() & 0o077 != 0 {
        return Err(CacheProblem {
            path: path.display().to_string(),
            problem: format!(
                "could be read by others (mode {:o}), so it is not used",
                meta.mode() & 0o777
            ),
        });
    }
    let text = fs::read_to_string(path).map_err(|error| problem(path, "be read", &error))?;
    match serde_json::from_str::<Document>(&text) {
        Ok(document) if document.schema == SCHEMA => Ok(Some(document)),
        // What it says may be a secret, so that it is not told.
        _ => Err(CacheProblem {
            path: path.display().to_string(),
            problem: "is none".to_owned(),
        }),
    }
}

fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
}

fn problem(path: &Path, doing: &str, error: &io::Error) -> CacheProblem {
    CacheProblem {
        path: path.display().to_string(),
        problem: format!("cannot {doing}: {}", describe_io(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::aws::Session;

    fn cache() -> (tempfile::TempDir, SessionCache) {
        let home = tempfile::tempdir().unwrap();
        let environment = [("HOME", home.path().as_os_str())].into_iter().collect();
        let cache = SessionCache::of_user(&environment).unwrap();
        (home, cache)
    }

    fn spec(hours: u64) -> MfaSpec {
        MfaSpec {
            serial: "arn:aws:iam::111111111111:mfa/alice".parse().unwrap(),
            process: Vec::new(),
            session_duration: Duration::from_hours(hours),
        }
    }

    fn keys(minutes: i64) -> Keys {
        let expires = Timestamp::now() + jiff::SignedDuration::from_mins(minutes);
        Session::for_tests("111111111111", Some(expires)).keys()
    }

    #[test]
    fn a_session_is_kept_for_its_user_alone_and_found_again() {
        let (_home, cache) = cache();
        let (spec, base) = (spec(8), keys(0));
        let identity = Identity::new(&base, &spec, "https://sts");
        assert!(cache.read(&identity).unwrap().is_none());
        cache.write(&identity, &keys(60)).unwrap();
        let found = cache.read(&identity).unwrap().unwrap();
        assert_eq!(found.access_key_id(), "ASIATEST");
        let path = cache.path(&identity, "json");
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&path), mode(cache.folder())), (0o600, 0o700));
        let (sessions, problems) = cache.list();
        assert_eq!((sessions.len(), problems.len()), (1, 0));
        assert_eq!(sessions[0].mfa_serial, spec.serial.as_str());
        assert_eq!(cache.clear().unwrap(), 1);
        assert!(cache.read(&identity).unwrap().is_none());
    }

    #[test]
    fn whatever_is_different_is_another_session() {
        let (_home, cache) = cache();
        let base = keys(0);
        let (eight, nine) = (spec(8), spec(9));
        let one = Identity::new(&base, &eight, "https://sts");
        cache.write(&one, &keys(60)).unwrap();
        for other in [
            Identity::new(&base, &nine, "https://sts"),
            Identity::new(&base, &eight, "https://other"),
            Identity {
                access_key_id: "AKIAOTHER",
                ..one.clone()
            },
            Identity {
                partition: "aws-cn",
                ..one.clone()
            },
        ] {
            assert!(cache.read(&other).unwrap().is_none(), "{other:?}");
        }
    }

    #[test]
    fn what_is_about_to_end_is_as_good_as_gone() {
        let (_home, cache) = cache();
        let (spec, base) = (spec(8), keys(0));
        let identity = Identity::new(&base, &spec, "https://sts");
        cache.write(&identity, &keys(14)).unwrap();
        assert!(cache.read(&identity).unwrap().is_none());
        assert_eq!(cache.list().0.len(), 1);
    }

    #[test]
    fn garbage_and_what_others_can_read_is_told_and_not_used() {
        let (_home, cache) = cache();
        let (spec, base) = (spec(8), keys(0));
        let identity = Identity::new(&base, &spec, "https://sts");
        cache.write(&identity, &keys(60)).unwrap();
        let path = cache.path(&identity, "json");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let problem = cache.read(&identity).unwrap_err();
        assert!(
            problem
                .to_string()
                .contains("could be read by others (mode 644)")
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "{\"secret_access_key\": \"hunter2\"").unwrap();
        let problem = cache.read(&identity).unwrap_err();
        assert!(
            problem.to_string().ends_with("is none") && !problem.to_string().contains("hunter2")
        );
    }

    #[test]
    fn a_code_counts_as_used_for_as_long_as_aws_takes_it() {
        let (_home, cache) = cache();
        let (spec, base) = (spec(8), keys(0));
        let identity = Identity::new(&base, &spec, "https://sts");
        let code = |text: &str| SecretString::from(text.to_owned());
        cache.make().unwrap();
        assert!(!cache.was_used(&identity, &code("123456")));
        cache.used(&identity, &code("123456"));
        assert!(cache.was_used(&identity, &code("123456")));
        assert!(!cache.was_used(&identity, &code("654321")));
        let old = Timestamp::now() - jiff::SignedDuration::from_mins(2);
        let hash = sha256(b"123456");
        fs::write(cache.path(&identity, "code"), format!("{hash} {old}")).unwrap();
        assert!(!cache.was_used(&identity, &code("123456")));
    }
}
