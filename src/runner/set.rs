//! Futures that run at once, polled by whoever holds them.

use std::pin::Pin;
use std::task::Poll;

/// A few futures, each with its number.
///
/// All are polled when any wakes: that is as many polls as there are futures, which the schedule's
/// limit keeps few. In return they need be neither `Send` nor `'static`, as spawned tasks must.
pub(super) struct FutureSet<F>(Vec<(usize, Pin<Box<F>>)>);

impl<F> Default for FutureSet<F> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<F: Future> FutureSet<F> {
    pub(super) fn insert(&mut self, number: usize, future: F) {
        self.0.push((number, Box::pin(future)));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Waits until one of them ends, and takes it out. Never ends while the set is empty. Dropping
    /// this future loses nothing.
    pub(super) async fn next(&mut self) -> (usize, F::Output) {
        std::future::poll_fn(|context| {
            for position in 0..self.0.len() {
                let (number, future) = &mut self.0[position];
                if let Poll::Ready(output) = future.as_mut().poll(context) {
                    let number = *number;
                    self.0.remove(position);
                    return Poll::Ready((number, output));
                }
            }
            Poll::Pending
        })
        .await
    }
}
