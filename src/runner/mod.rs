//! Runs opaque units in order: what waits for what, how many at once, what is skipped.
//!
//! It knows nothing of Terraform, environments or events. A caller turns its units into [`Node`]s
//! and gets back, for each, how it [`Ended`]. One dispatcher owns all state; units are futures
//! that it polls itself, so they may borrow from the caller and nothing is shared.

mod plan;
mod set;

pub use plan::{Ended, Node, Schedule, Verdict, Weight};

use plan::Dispatcher;
use set::FutureSet;

/// Runs all nodes of a schedule.
///
/// `start` is called with a node's index when its turn has come, in the order of indexes among
/// those that are ready; at most [`Schedule::limit`] of the futures it gives run at once. When
/// `stop` ends, nothing more is started; what runs is waited for. The result has one entry for
/// each node, in their order.
///
/// # Panics
/// A node waits for an index that no node has.
pub async fn run<T, Unit>(
    schedule: &Schedule,
    mut start: impl FnMut(usize) -> Unit,
    stop: impl Future<Output = ()>,
) -> Vec<Ended<T>>
where
    Unit: Future<Output = (Verdict, T)>,
{
    let mut dispatcher = Dispatcher::new(schedule);
    let mut running = FutureSet::default();
    let mut stop = std::pin::pin!(stop);
    let mut stopped = false;
    loop {
        while let Some(index) = dispatcher.next(running.len()) {
            running.insert(index, start(index));
        }
        if running.is_empty() {
            return dispatcher.finish();
        }
        tokio::select! {
            biased;
            () = &mut stop, if !stopped => {
                stopped = true;
                dispatcher.stop();
            }
            (index, (verdict, value)) = running.next() => dispatcher.ended(index, verdict, value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::future::{pending, ready};
    use tokio::sync::{Barrier, oneshot};

    fn work(after: &[usize]) -> Node {
        Node {
            after: after.to_vec(),
            exclusive: None,
            weight: Weight::Work,
        }
    }

    fn gate(after: &[usize]) -> Node {
        Node {
            weight: Weight::Gate,
            ..work(after)
        }
    }

    fn schedule(nodes: Vec<Node>) -> Schedule {
        Schedule {
            nodes,
            limit: 4,
            fail_fast: false,
            failures_skip: true,
        }
    }

    /// Runs a schedule whose units end at once, the named ones badly; says what was started.
    async fn run_failing(schedule: &Schedule, bad: &[usize]) -> (Vec<usize>, Vec<Ended<usize>>) {
        let mut started = Vec::new();
        let ended = run(
            schedule,
            |index| {
                started.push(index);
                let verdict = if bad.contains(&index) {
                    Verdict::NotDone
                } else {
                    Verdict::Done
                };
                ready((verdict, index))
            },
            pending(),
        )
        .await;
        (started, ended)
    }

    #[tokio::test]
    async fn nodes_wait_for_those_before_them_and_start_in_their_order() {
        let mut plan = schedule(vec![work(&[3]), work(&[]), work(&[1]), work(&[1])]);
        plan.limit = 1;
        let (started, ended) = run_failing(&plan, &[]).await;
        assert_eq!(started, [1, 2, 3, 0]);
        assert!(
            ended
                .iter()
                .enumerate()
                .all(|(index, end)| *end == Ended::Finished(index))
        );
    }

    #[tokio::test]
    async fn what_waits_for_a_failure_is_skipped_and_names_its_root() {
        // 0 → 1 → 2, 3 alone, and 4 behind a gate over 2 and 3.
        let plan = schedule(vec![
            work(&[]),
            work(&[0]),
            work(&[1]),
            work(&[]),
            work(&[5]),
            gate(&[2, 3]),
        ]);
        let (started, ended) = run_failing(&plan, &[0]).await;
        assert_eq!(started, [0, 3]);
        assert_eq!(ended[0], Ended::Finished(0));
        for index in [1, 2, 4, 5] {
            assert_eq!(ended[index], Ended::Skipped { because: 0 }, "{index}");
        }
        assert_eq!(ended[3], Ended::Finished(3));
    }

    #[tokio::test]
    async fn gates_open_without_work() {
        let plan = schedule(vec![gate(&[]), work(&[0]), gate(&[1, 0]), work(&[2])]);
        let (started, ended) = run_failing(&plan, &[]).await;
        assert_eq!(started, [1, 3]);
        assert_eq!(ended[2], Ended::Passed);
    }

    #[tokio::test]
    async fn failures_of_others_may_be_looked_past() {
        let mut plan = schedule(vec![work(&[]), work(&[0]), work(&[1])]);
        plan.failures_skip = false;
        let (started, _) = run_failing(&plan, &[0]).await;
        assert_eq!(started, [0, 1, 2]);
    }

    #[tokio::test]
    async fn fail_fast_starts_nothing_more() {
        let mut plan = schedule(vec![work(&[]), work(&[0]), work(&[]), work(&[])]);
        plan.limit = 1;
        plan.fail_fast = true;
        let (started, ended) = run_failing(&plan, &[0]).await;
        assert_eq!(started, [0]);
        assert_eq!(
            ended,
            [
                Ended::Finished(0),
                Ended::Skipped { because: 0 },
                Ended::NotStarted,
                Ended::NotStarted
            ]
        );
    }

    #[tokio::test]
    async fn as_many_run_at_once_as_the_limit_says() {
        let mut plan = schedule(vec![work(&[]); 12]);
        plan.limit = 3;
        let barrier = Barrier::new(3);
        let (now, most) = (RefCell::new(0), RefCell::new(0));
        let ended = run(
            &plan,
            |_| async {
                *now.borrow_mut() += 1;
                let running = *now.borrow();
                most.replace_with(|most| running.max(*most));
                // Passes only when three are here, so fewer at once would hang.
                barrier.wait().await;
                *now.borrow_mut() -= 1;
                (Verdict::Done, ())
            },
            pending(),
        )
        .await;
        assert_eq!(ended.len(), 12);
        assert_eq!(*most.borrow(), 3);
    }

    #[tokio::test]
    async fn a_limit_of_zero_still_gets_the_work_done() {
        let mut plan = schedule(vec![work(&[])]);
        plan.limit = 0;
        let (started, _) = run_failing(&plan, &[]).await;
        assert_eq!(started, [0]);
    }

    #[tokio::test]
    async fn one_key_runs_one_node_at_a_time_and_takes_no_place_while_waiting() {
        let keyed = |key: &str| Node {
            exclusive: Some(key.to_owned()),
            ..work(&[])
        };
        let mut plan = schedule(vec![keyed("a"), keyed("a"), keyed("b"), keyed("a")]);
        plan.limit = 2;
        // The first `a` ends only after `b` has run, which it can only if the second `a` does not
        // hold a place.
        let (tell, told) = oneshot::channel::<()>();
        let (tell, told) = (RefCell::new(Some(tell)), RefCell::new(Some(told)));
        let order = RefCell::new(Vec::new());
        run(
            &plan,
            |index| {
                let (tell, told, order) = (&tell, &told, &order);
                async move {
                    order.borrow_mut().push(index);
                    let waits = if index == 0 { told.take() } else { None };
                    if let Some(told) = waits {
                        told.await.expect("told");
                    }
                    if index == 2 {
                        tell.take().expect("once").send(()).expect("heard");
                    }
                    (Verdict::Done, ())
                }
            },
            pending(),
        )
        .await;
        assert_eq!(*order.borrow(), [0, 2, 1, 3]);
    }

    #[tokio::test]
    async fn a_stop_lets_what_runs_finish_and_starts_nothing_more() {
        let mut plan = schedule(vec![work(&[]), work(&[0]), work(&[])]);
        plan.limit = 1;
        let (stop, stopped) = oneshot::channel::<()>();
        let (go, goes) = oneshot::channel::<()>();
        let (stop, goes) = (RefCell::new(Some(stop)), RefCell::new(Some(goes)));
        let go = RefCell::new(Some(go));
        let ended = run(
            &plan,
            |index| {
                let (stop, goes) = (&stop, &goes);
                async move {
                    stop.take().expect("once").send(()).expect("heard");
                    let goes = goes.take().expect("once");
                    goes.await.expect("told");
                    (Verdict::NotDone, index)
                }
            },
            async {
                stopped.await.expect("told");
                go.take().expect("once").send(()).expect("heard");
            },
        )
        .await;
        // Its dependent was not skipped because of a failure: the stop came first.
        assert_eq!(
            ended,
            [Ended::Finished(0), Ended::NotStarted, Ended::NotStarted]
        );
    }

    #[tokio::test]
    async fn ten_thousand_nodes_take_no_time() {
        // A chain, a fan under its end, and one key for the whole fan.
        let mut nodes: Vec<Node> = (0..5_000_usize)
            .map(|index| work(&index.checked_sub(1).map_or(vec![], |before| vec![before])))
            .collect();
        nodes.extend((0..5_000).map(|_| Node {
            exclusive: Some("folder".to_owned()),
            ..work(&[4_999])
        }));
        let begun = std::time::Instant::now();
        let (started, _) = run_failing(&schedule(nodes.clone()), &[]).await;
        assert_eq!(started.len(), 10_000);
        assert!(started.is_sorted());
        let (started, ended) = run_failing(&schedule(nodes), &[0]).await;
        assert_eq!(started, [0]);
        assert_eq!(ended[9_999], Ended::Skipped { because: 0 });
        // Quadratic work would be 10^8 steps: seconds in a debug build.
        assert!(begun.elapsed().as_secs() < 2, "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn nothing_to_do_is_done_at_once() {
        let (_, ended) = run_failing(&schedule(Vec::new()), &[]).await;
        assert!(ended.is_empty());
    }
}
