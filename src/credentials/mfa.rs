//! One code, one session: what an MFA device turns long-term keys into.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::{ExposeSecret as _, SecretString};

use super::cache::{Identity, SessionCache};
use super::cached::Cached;
use super::source::BaseSource;
use crate::aws::{Aws, AwsError, BoxFuture, Keys, Session, SessionSource};
use crate::env_vars::EnvSnapshot;
use crate::events::{Emitter, Event};
use crate::model::{Diagnostic, MfaSpec, Region};
use crate::process::{self, Output, Signals, Spec, Variables};

/// How many codes are taken from one source before the login is given up.
const TRIES: u32 = 3;

/// Where codes come from, and where the session that one makes is kept. One for a run.
#[derive(Debug)]
pub struct Login {
    /// Where sessions are kept; `None`: nowhere.
    pub cache: Option<SessionCache>,
    /// `--mfa-code` or `$TFW_MFA_CODE`: good for one try.
    pub code: Mutex<Option<SecretString>>,
    /// Whether somebody can be asked.
    pub interactive: bool,
    /// Where questions and warnings go.
    pub events: Emitter,
    /// For `mfa_process`.
    pub signals: Signals,
    /// The same.
    pub environment: EnvSnapshot,
    /// The same: the manifest's folder.
    pub folder: PathBuf,
}

/// Long-term keys, made a session by a code; temporary ones as they are.
#[derive(Debug)]
pub(super) struct MfaSource {
    aws: Aws,
    base: Arc<BaseSource>,
    spec: MfaSpec,
    region: Region,
    login: Arc<Login>,
    keys: Cached<Keys>,
    session: Cached<Session>,
}

impl MfaSource {
    pub(super) fn new(
        aws: &Aws,
        base: Arc<BaseSource>,
        spec: MfaSpec,
        region: Region,
        login: Arc<Login>,
    ) -> Self {
        Self {
            aws: aws.clone(),
            base,
            spec,
            region,
            login,
            keys: Cached::new(),
            session: Cached::new(),
        }
    }

    /// The keys of the session.
    pub(super) async fn keys(&self) -> Result<Keys, AwsError> {
        self.keys
            .get_or_fetch(async || {
                let base = self.base.keys().await?;
                if base.is_temporary() {
                    // AWS gives no session for a session. It may have been made by MFA already.
                    return Ok(base);
                }
                self.login(&base).await
            })
            .await
    }

    /// Whether the base credentials are temporary, so that no code was asked for.
    pub(super) async fn is_passed_through(&self) -> bool {
        self.base.keys().await.is_ok_and(|keys| keys.is_temporary())
    }

    /// Logs in anew, since AWS no longer takes the session that was kept. Whoever comes after
    /// another one that did takes what that one got.
    pub(super) async fn renew(&self, stale: &Keys) -> Result<Keys, AwsError> {
        let base = self.base.keys().await?;
        if base.is_temporary() {
            return Ok(base);
        }
        self.keys
            .replace(stale.access_key_id(), async || {
                self.forget(&base, stale);
                self.login(&base).await
            })
            .await
    }

    fn forget(&self, base: &Keys, stale: &Keys) {
        let endpoint = self.aws.sts_endpoint(&self.region);
        let identity = Identity::new(base, &self.spec, &endpoint);
        if let Some(cache) = &self.login.cache
            && let Ok(Some(kept)) = cache.read(&identity)
            && kept.access_key_id() == stale.access_key_id()
        {
            cache.forget(&identity);
        }
    }

    /// The session that is kept, else one that a code makes.
    async fn login(&self, base: &Keys) -> Result<Keys, AwsError> {
        let Login { events, cache, .. } = &*self.login;
        let endpoint = self.aws.sts_endpoint(&self.region);
        let identity = Identity::new(base, &self.spec, &endpoint);
        let warn = |text: String| {
            let warning = Diagnostic::warning(text)
                .with_hint("`tfw session clear` removes what is kept; the run goes on without it");
            events.emit(Event::Diagnostic {
                unit: None,
                diagnostic: warning,
            });
        };
        let Some(cache) = cache else {
            return self.ask_aws(base, &identity, None).await;
        };
        let waiting = || {
            events.note(
                None,
                "waits for another tfw, which is asking for the MFA code",
            );
        };
        // Held until the session is kept: whoever waits finds it.
        let lock = match cache.lock(&identity, waiting).await {
            Ok(lock) => lock,
            Err(problem) => {
                warn(problem.to_string());
                return self.ask_aws(base, &identity, None).await;
            }
        };
        match cache.read(&identity) {
            Ok(Some(keys)) => return Ok(keys),
            Ok(None) => {}
            Err(problem) => warn(problem.to_string()),
        }
        let keys = self.ask_aws(base, &identity, Some(cache)).await?;
        if let Err(problem) = cache.write(&identity, &keys) {
            warn(problem.to_string());
        }
        drop(lock);
        Ok(keys)
    }

    /// Asks AWS with one code after the other.
    async fn ask_aws(
        &self,
        base: &Keys,
        identity: &Identity<'_>,
        cache: Option<&SessionCache>,
    ) -> Result<Keys, AwsError> {
        let mut tried: Vec<SecretString> = Vec::new();
        let mut last = None;
        for attempt in 0..TRIES {
            let Some(code) = self.code(attempt, last.as_ref()).await? else {
                break;
            };
            let is = |other: &SecretString| other.expose_secret() == code.expose_secret();
            let was_used = cache.is_some_and(|cache| cache.was_used(identity, &code));
            if was_used || tried.iter().any(is) {
                last = Some(AwsError::MfaCodeUsed {
                    serial: self.spec.serial.to_string(),
                });
                self.tell(last.as_ref());
                continue;
            }
            let answer = self
                .aws
                .session_token(base, &self.spec, &code, &self.region)
                .await;
            match answer {
                Ok(keys) => {
                    if let Some(cache) = cache {
                        cache.used(identity, &code);
                    }
                    return Ok(keys);
                }
                Err(error @ (AwsError::MfaRejected { .. } | AwsError::ClockSkew { .. })) => {
                    tried.push(code);
                    last = Some(error);
                    self.tell(last.as_ref());
                }
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| self.no_code()))
    }

    /// Says why there is another try, where there is one.
    fn tell(&self, error: Option<&AwsError>) {
        if let Some(error) = error
            && (self.login.interactive || !self.spec.process.is_empty())
        {
            let warning = Diagnostic::warning(error.to_string());
            self.login.events.emit(Event::Diagnostic {
                unit: None,
                diagnostic: match error.hint() {
                    Some(hint) => warning.with_hint(hint),
                    None => warning,
                },
            });
        }
    }

    /// The next code: what was given, once; else what the program prints, or a person types. `None`:
    /// nobody has another one.
    async fn code(
        &self,
        attempt: u32,
        last: Option<&AwsError>,
    ) -> Result<Option<SecretString>, AwsError> {
        let given = self
            .login
            .code
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if given.is_some() {
            return Ok(given);
        }
        if !self.spec.process.is_empty() {
            // The same program gives the same code until its time is over.
            return if attempt == 0 || last.is_none() {
                self.code_of_process().await.map(Some)
            } else {
                Ok(None)
            };
        }
        if !self.login.interactive || self.login.signals.is_stopping() {
            return Ok(None);
        }
        let question = format!("MFA code of `{}`", self.spec.serial);
        Ok(self.login.events.ask_code(question).await)
    }

    fn no_code(&self) -> AwsError {
        AwsError::NoMfaCode {
            serial: self.spec.serial.to_string(),
        }
    }

    /// What `mfa_process` prints: its last word of digits, whatever it says beside it.
    async fn code_of_process(&self) -> Result<SecretString, AwsError> {
        let Login {
            environment,
            folder,
            signals,
            ..
        } = &*self.login;
        let failed = |detail: String| AwsError::MfaProcess {
            program: self.spec.process[0].clone(),
            detail,
        };
        let spec = Spec {
            program: PathBuf::from(&self.spec.process[0]),
            args: self.spec.process[1..].iter().map(OsString::from).collect(),
            env: environment.iter().collect::<Variables>(),
            folder: folder.clone(),
            stdout: Output::Private,
            stderr: Output::Private,
        };
        let exit = process::run(spec, signals, |_| {})
            .await
            .map_err(|error| failed(error.to_string()))?;
        if !exit.status.success() {
            let said = exit.stderr.text();
            let said = said.lines().find(|line| !line.trim().is_empty());
            return Err(failed(match said {
                Some(line) => format!("{}: {}", exit.status, line.trim()),
                None => exit.status.to_string(),
            }));
        }
        let text = exit.stdout.text();
        let code = text
            .split_whitespace()
            .rfind(|word| is_code(word))
            .map(|code| SecretString::from(code.to_owned()));
        code.ok_or_else(|| failed("it prints no code of six digits".to_owned()))
    }
}

/// Whether a text can be a code: six digits (STS API reference, `TokenCode`).
pub fn is_code(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl SessionSource for MfaSource {
    fn session(&self) -> BoxFuture<'_, Result<Session, AwsError>> {
        Box::pin(self.session.get_or_fetch(async || {
            let keys = self.keys().await?;
            match self.aws.identify(keys.clone(), &self.region).await {
                Err(error) if error.is_stale_session() => {
                    let keys = self.renew(&keys).await?;
                    self.aws.identify(keys, &self.region).await
                }
                other => other,
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_six_digits() {
        for (text, code) in [
            ("123456", true),
            ("12345", false),
            ("1234567", false),
            ("12345a", false),
            ("", false),
        ] {
            assert_eq!(is_code(text), code, "{text}");
        }
    }
}
