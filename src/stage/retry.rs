//! Trying again: what passes by itself, and nothing else. An apply is never tried again.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use super::failure::Failure;
use super::record::Record;
use super::terraform_step::Finished;
use crate::terraform::diagnostics;

/// Tries beside the first.
const RETRIES: usize = 2;
/// Before the second try; the third waits twice as long.
const FIRST_DELAY: Duration = Duration::from_secs(2);
/// Between tries after the race for a lock, which is over at once.
const RACE_DELAY: Duration = Duration::from_millis(300);

/// The tries of one init or plan.
#[derive(Debug)]
pub(crate) struct Tries {
    backoff: ExponentialBackoff,
    began: Instant,
    races: usize,
}

impl Default for Tries {
    fn default() -> Self {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(FIRST_DELAY)
            .with_factor(2.0)
            .with_jitter()
            .with_max_times(RETRIES)
            .build();
        Self {
            backoff,
            began: Instant::now(),
            races: 0,
        }
    }
}

impl Tries {
    /// Whether to try again; waits before it says yes, and tells why.
    ///
    /// Two things pass: what the network or a registry did, at most twice; and the race in which
    /// a lock vanishes between Terraform's attempt to take it (412) and its look at the holder
    /// (404), in which Terraform fails at once in spite of `-lock-timeout` (1.11.4).
    ///
    /// # Errors
    /// The run was interrupted while this waited.
    pub(crate) async fn again(
        &mut self,
        record: &Record<'_>,
        command: &str,
        finished: &Finished,
    ) -> Result<bool, Failure> {
        let found = &finished.diagnostics;
        let delay = if diagnostics::lock_vanished(found) {
            self.races += 1;
            let patience = record.unit.lock_timeout;
            (self.races <= RETRIES || self.began.elapsed() < patience).then_some(RACE_DELAY)
        } else if diagnostics::is_transient(found) {
            self.backoff.next()
        } else {
            None
        };
        let Some(delay) = delay else {
            return Ok(false);
        };
        let what = found
            .first()
            .map_or("it failed", |first| first.summary.as_str());
        record.note(format!(
            "`{command}` is tried again in {:.1} s: {what}",
            delay.as_secs_f32()
        ));
        tokio::select! {
            () = tokio::time::sleep(delay) => Ok(true),
            () = record.ctx.signals.stopped() => Err(Failure {
                diagnostics: found.clone(),
                ..Failure::interrupted(format!(
                    "`{command}` was not tried again: the run was interrupted"
                ))
            }),
        }
    }
}
