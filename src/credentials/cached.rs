//! A value that expires, got once for everybody who asks at the same time.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::aws::{AwsError, Keys, Session};

/// With less life left than this, a session is renewed before it is handed out: a plan that
/// begins with it should end with it.
pub const LEAST_LIFE: Duration = Duration::from_mins(15);

/// How long an answer counts as new. A failure is told again without asking again, so that fifty
/// units with one role do not wait fifty times for an endpoint that is not there; and a source
/// that only ever gives short lives (some `credential_process` do) is not asked for each request.
const NEW: Duration = Duration::from_mins(1);

/// Something with an end.
pub(super) trait Expires {
    /// When it ends; `None`: never, or not known.
    fn expires(&self) -> Option<Timestamp>;
}

impl Expires for Keys {
    fn expires(&self) -> Option<Timestamp> {
        self.expires()
    }
}

impl Expires for Session {
    fn expires(&self) -> Option<Timestamp> {
        self.expires
    }
}

/// The last value, or the last failure. Who asks while another one already fetches waits for that
/// answer.
#[derive(Debug)]
pub(super) struct Cached<T>(Mutex<Option<Last<T>>>);

#[derive(Debug)]
struct Last<T> {
    result: Result<T, AwsError>,
    since: Instant,
}

impl<T: Clone + Expires> Cached<T> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// The cached value, or a new one where that has less than [`LEAST_LIFE`] left.
    pub(super) async fn get_or_fetch(
        &self,
        fetch: impl AsyncFnOnce() -> Result<T, AwsError>,
    ) -> Result<T, AwsError> {
        let mut cached = self.0.lock().await;
        if let Some(last) = &*cached
            && last.is_usable(Timestamp::now(), Instant::now())
        {
            return last.result.clone();
        }
        let result = fetch().await;
        *cached = Some(Last {
            result: result.clone(),
            since: Instant::now(),
        });
        result
    }
}

impl Cached<Keys> {
    /// New keys in place of these, unless somebody has replaced them already.
    pub(super) async fn replace(
        &self,
        stale: &str,
        fetch: impl AsyncFnOnce() -> Result<Keys, AwsError>,
    ) -> Result<Keys, AwsError> {
        let mut cached = self.0.lock().await;
        if let Some(Last {
            result: Ok(keys), ..
        }) = &*cached
            && keys.access_key_id() != stale
        {
            return Ok(keys.clone());
        }
        let result = fetch().await;
        *cached = Some(Last {
            result: result.clone(),
            since: Instant::now(),
        });
        result
    }
}

impl<T: Expires> Last<T> {
    fn is_usable(&self, now: Timestamp, instant: Instant) -> bool {
        let is_new = instant.duration_since(self.since) < NEW;
        match &self.result {
            Err(_) => is_new,
            Ok(value) => value.expires().is_none_or(|end| {
                let left = Duration::try_from(end.duration_since(now)).unwrap_or_default();
                left >= LEAST_LIFE || (is_new && !left.is_zero())
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn session(minutes: i64) -> Session {
        let expires = Timestamp::now() + jiff::SignedDuration::from_mins(minutes);
        Session::for_tests("111111111111", Some(expires))
    }

    /// Whether a session with so many minutes left, got so many seconds ago, is handed out again.
    fn usable(minutes: i64, seconds_ago: u64) -> bool {
        let since = Instant::now();
        let last = Last {
            result: Ok(session(minutes)),
            since,
        };
        last.is_usable(Timestamp::now(), since + Duration::from_secs(seconds_ago))
    }

    #[test]
    fn a_session_is_renewed_when_less_than_a_quarter_of_an_hour_is_left() {
        assert!(usable(16, 2700));
        assert!(!usable(14, 2700));
    }

    #[test]
    fn a_source_of_short_lives_is_asked_once_a_minute() {
        assert!(usable(14, 59));
        assert!(!usable(14, 61));
        assert!(!usable(-1, 0));
    }

    #[tokio::test]
    async fn keys_without_an_end_are_got_once() {
        let cached = Cached::new();
        for _ in 0..2 {
            let fetched = cached
                .get_or_fetch(async || Ok(Session::for_tests("111111111111", None)))
                .await;
            assert!(fetched.is_ok());
        }
        assert!(
            cached
                .get_or_fetch(async || panic!("asked again"))
                .await
                .is_ok()
        );
    }

    #[tokio::test]
    async fn who_asks_at_the_same_time_shares_one_fetch() {
        let cached = Cached::new();
        let count = AtomicUsize::new(0);
        let ask = || {
            cached.get_or_fetch(async || {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Ok(session(60))
            })
        };
        let (one, two, three) = tokio::join!(ask(), ask(), ask());
        assert!(one.is_ok() && two.is_ok() && three.is_ok());
        assert_eq!(count.into_inner(), 1);
    }

    #[tokio::test]
    async fn a_failure_is_told_again_without_asking_again() {
        let cached: Cached<Session> = Cached::new();
        let failure = AwsError::NoCredentials {
            detail: "none".to_owned(),
        };
        let first = cached.get_or_fetch(async || Err(failure.clone())).await;
        let second = cached.get_or_fetch(async || panic!("asked again")).await;
        assert_eq!(first.unwrap_err(), second.unwrap_err());
    }
}
