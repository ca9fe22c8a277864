//! Schedules opaque work: order, limits, skips, cancellation. Knows nothing of the rest.
//!
//! One dispatcher owns all state; the work runs as futures on its task. A node is a task, or a
//! gate that does nothing and stands for "all of these", so that "every unit of dev before every
//! unit of prod" takes one gate and not a product of edges.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::collections::BTreeSet;
use std::future::Future;

/// What waits for what.
#[derive(Debug, Clone, Default)]
pub struct Schedule {
    /// The nodes; an edge names a node by its index here.
    pub nodes: Vec<Node>,
    /// Tasks at once; at least one.
    pub limit: usize,
    /// Start nothing new after the first task that is not done.
    pub fail_fast: bool,
}

/// A task, or a gate.
#[derive(Debug, Clone, Default)]
pub struct Node {
    /// Nodes that must be done first.
    pub after: Vec<usize>,
    /// Whether there is nothing to do but to wait for those.
    pub gate: bool,
}

/// Whether what waits for a task may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Done,
    /// It may not.
    NotDone,
}

/// How a node ended. A gate never finishes with a value; see [`Ended::Passed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended<T> {
    /// A task ran.
    Finished(T),
    /// A gate opened.
    Passed,
    /// Something upstream was not done: the task that was the first cause.
    Held {
        /// Its index.
        because: usize,
    },
    /// The schedule was stopped first, by `stopped` or by `fail_fast`; or the node is part of a
    /// cycle and can never start.
    NotStarted,
}

/// Runs a schedule to its end. Ready tasks start in the order of their indices. Once `stopped`
/// is ready nothing new starts; what runs is waited for.
pub async fn run<T, Fut>(
    schedule: &Schedule,
    mut start: impl FnMut(usize) -> Fut,
    stopped: impl Future<Output = ()>,
) -> Vec<Ended<T>>
where
    Fut: Future<Output = (Verdict, T)>,
{
    let mut dispatcher = Dispatcher::new(schedule);
    let mut running = FuturesUnordered::new();
    let mut stopped = std::pin::pin!(stopped);
    let mut stopping = false;
    loop {
        while !stopping && running.len() < schedule.limit.max(1) {
            let Some(index) = dispatcher.next() else {
                break;
            };
            let work = start(index);
            running.push(async move { (index, work.await) });
        }
        if running.is_empty() {
            break;
        }
        tokio::select! {
            // A stop that came while something ended is a stop: nothing new may start.
            biased;
            () = &mut stopped, if !stopping => stopping = true,
            Some((index, (verdict, value))) = running.next() => {
                stopping |= schedule.fail_fast && verdict == Verdict::NotDone;
                dispatcher.finished(index, verdict, value);
            }
        }
    }
    dispatcher
        .ended
        .into_iter()
        .map(|ended| ended.unwrap_or(Ended::NotStarted))
        .collect()
}

struct Dispatcher<'s, T> {
    schedule: &'s Schedule,
    downstream: Vec<Vec<usize>>,
    /// How many upstream nodes are not settled yet.
    waits_for: Vec<usize>,
    /// For each node that cannot go on: the first cause.
    cause: Vec<Option<usize>>,
    ready: BTreeSet<usize>,
    ended: Vec<Option<Ended<T>>>,
}

impl<'s, T> Dispatcher<'s, T> {
    fn new(schedule: &'s Schedule) -> Self {
        let count = schedule.nodes.len();
        let mut downstream = vec![Vec::new(); count];
        for (index, node) in schedule.nodes.iter().enumerate() {
            for &upstream in &node.after {
                downstream[upstream].push(index);
            }
        }
        let mut dispatcher = Self {
            schedule,
            downstream,
            waits_for: schedule.nodes.iter().map(|node| node.after.len()).collect(),
            cause: vec![None; count],
            ready: BTreeSet::new(),
            ended: std::iter::repeat_with(|| None).take(count).collect(),
        };
        let free: Vec<usize> = (0..count)
            .filter(|&index| dispatcher.waits_for[index] == 0)
            .collect();
        dispatcher.settle(free);
        dispatcher
    }

    fn next(&mut self) -> Option<usize> {
        self.ready.pop_first()
    }

    fn finished(&mut self, index: usize, verdict: Verdict, value: T) {
        self.ended[index] = Some(Ended::Finished(value));
        let cause = (verdict == Verdict::NotDone).then_some(index);
        let free = self.release(index, cause);
        self.settle(free);
    }

    /// Tells the nodes downstream that this one is settled; gives those that wait no longer.
    fn release(&mut self, index: usize, cause: Option<usize>) -> Vec<usize> {
        let mut free = Vec::new();
        for &next in &self.downstream[index] {
            if self.cause[next].is_none() {
                self.cause[next] = cause;
            }
            self.waits_for[next] -= 1;
            if self.waits_for[next] == 0 {
                free.push(next);
            }
        }
        free
    }

    /// Makes tasks ready, opens gates, and passes on what cannot go on.
    fn settle(&mut self, mut free: Vec<usize>) {
        while let Some(index) = free.pop() {
            if let Some(because) = self.cause[index] {
                self.ended[index] = Some(Ended::Held { because });
                free.extend(self.release(index, Some(because)));
            } else if self.schedule.nodes[index].gate {
                self.ended[index] = Some(Ended::Passed);
                free.extend(self.release(index, None));
            } else {
                self.ready.insert(index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};
    use std::future::pending;
    use tokio::sync::oneshot;

    fn schedule(after: &[&[usize]], limit: usize) -> Schedule {
        let nodes = after
            .iter()
            .map(|after| Node {
                after: after.to_vec(),
                gate: false,
            })
            .collect();
        Schedule {
            nodes,
            limit,
            fail_fast: false,
        }
    }

    async fn order_of(schedule: &Schedule, failing: &[usize]) -> (Vec<usize>, Vec<Ended<usize>>) {
        let started = RefCell::new(Vec::new());
        let ended = run(
            schedule,
            |index| {
                started.borrow_mut().push(index);
                let verdict = if failing.contains(&index) {
                    Verdict::NotDone
                } else {
                    Verdict::Done
                };
                async move {
                    tokio::task::yield_now().await;
                    (verdict, index)
                }
            },
            pending(),
        )
        .await;
        (started.into_inner(), ended)
    }

    #[tokio::test]
    async fn each_node_starts_after_those_it_waits_for() {
        let diamond = schedule(&[&[2], &[0], &[], &[0, 1]], 4);
        let (started, ended) = order_of(&diamond, &[]).await;
        assert_eq!(started, [2, 0, 1, 3]);
        assert_eq!(ended, [0, 1, 2, 3].map(Ended::Finished));
    }

    #[tokio::test]
    async fn what_is_downstream_of_a_failure_is_held_and_the_rest_goes_on() {
        let chain = schedule(&[&[], &[0], &[1], &[]], 1);
        let (started, ended) = order_of(&chain, &[0]).await;
        assert_eq!(started, [0, 3]);
        assert_eq!(ended[1], Ended::Held { because: 0 });
        assert_eq!(
            ended[2],
            Ended::Held { because: 0 },
            "the first cause, not the nearest"
        );
    }

    #[tokio::test]
    async fn gates_join_and_pass_failures_on() {
        let mut gated = schedule(&[&[], &[], &[0, 1], &[2]], 2);
        gated.nodes[2].gate = true;
        let (started, ended) = order_of(&gated, &[]).await;
        assert_eq!((started, &ended[2]), (vec![0, 1, 3], &Ended::Passed));
        let (started, ended) = order_of(&gated, &[1]).await;
        assert_eq!(started, [0, 1]);
        assert_eq!(ended[3], Ended::Held { because: 1 });
    }

    #[tokio::test]
    async fn fail_fast_starts_nothing_new() {
        let mut free = schedule(&[&[], &[], &[]], 1);
        free.fail_fast = true;
        let (started, ended) = order_of(&free, &[0]).await;
        assert_eq!(started, [0]);
        assert_eq!(ended[1..], [Ended::NotStarted, Ended::NotStarted]);
    }

    #[tokio::test]
    async fn no_more_run_at_once_than_the_limit() {
        let (running, most) = (Cell::new(0), Cell::new(0));
        let free = schedule(&[&[] as &[usize]; 9], 3);
        run(
            &free,
            |_| async {
                running.set(running.get() + 1);
                most.set(most.get().max(running.get()));
                tokio::task::yield_now().await;
                running.set(running.get() - 1);
                (Verdict::Done, ())
            },
            pending(),
        )
        .await;
        assert_eq!(most.get(), 3);
    }

    #[tokio::test]
    async fn a_stop_waits_for_what_runs_and_starts_nothing() {
        let chain = schedule(&[&[], &[0]], 1);
        let (stop, stopped) = oneshot::channel::<()>();
        let stop = Cell::new(Some(stop));
        let ended = run(
            &chain,
            |index| {
                let stop = stop.take();
                async move {
                    if let Some(stop) = stop {
                        stop.send(()).expect("the schedule listens");
                    }
                    tokio::task::yield_now().await;
                    (Verdict::Done, index)
                }
            },
            async {
                stopped.await.expect("sent");
            },
        )
        .await;
        assert_eq!(ended, [Ended::Finished(0), Ended::NotStarted]);
    }

    #[tokio::test]
    async fn ten_thousand_environments_of_ten_units_take_one_pass() {
        // Ten units and a gate each; every unit waits for the gate before it.
        let mut nodes = Vec::new();
        let mut gate = None;
        for _ in 0..1_000 {
            let first = nodes.len();
            for _ in 0..10 {
                nodes.push(Node {
                    after: gate.into_iter().collect(),
                    gate: false,
                });
            }
            gate = Some(nodes.len());
            nodes.push(Node {
                after: (first..first + 10).collect(),
                gate: true,
            });
        }
        let schedule = Schedule {
            nodes,
            limit: 8,
            fail_fast: false,
        };
        let (started, ended) = order_of(&schedule, &[]).await;
        assert_eq!(started.len(), 10_000);
        assert!(!ended.contains(&Ended::NotStarted));
    }
}
