//! What may start next: the dispatcher's bookkeeping, without any waiting.

use std::collections::{BTreeSet, HashMap};

/// All that is to run.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// What runs; indexes are positions here. Without cycles: what lies on one never starts.
    pub nodes: Vec<Node>,
    /// How many work at once; 0 counts as 1.
    pub limit: usize,
    /// Whether the first [`Verdict::NotDone`] stops the run.
    pub fail_fast: bool,
    /// Whether a node is skipped when one that it waits for did not get done. Where false, `after`
    /// is order alone.
    pub failures_skip: bool,
}

/// One thing to run.
#[derive(Debug, Clone)]
pub struct Node {
    /// The nodes that must have ended before, by index.
    pub after: Vec<usize>,
    /// At most one node with the same key runs at once.
    pub exclusive: Option<String>,
    /// Whether there is anything to do.
    pub weight: Weight,
}

/// Whether a node has work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// It has.
    Work,
    /// It only stands for all those before it, and passes their failure on: it turns "each of these
    /// waits for each of those" into a sum of edges in place of a product.
    Gate,
}

/// What a unit says of itself when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// What waits for it may go on.
    Done,
    /// What waits for it may not.
    NotDone,
}

/// How a node ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended<T> {
    /// It ran, and this came of it.
    Finished(T),
    /// A gate: all before it were done.
    Passed,
    /// It did not run, since something before it was not done.
    Skipped {
        /// The node at the root of it: it ran and was not done.
        because: usize,
    },
    /// The run was stopped before its turn came.
    NotStarted,
}

/// Who is ready, who waits for whom.
pub(super) struct Dispatcher<'a, T> {
    schedule: &'a Schedule,
    /// For each node, those that wait for it.
    dependents: Vec<Vec<usize>>,
    /// For each node, how many of `after` have not ended.
    waits: Vec<usize>,
    ended: Vec<Option<Ended<T>>>,
    /// May start, as far as those before them are concerned.
    ready: BTreeSet<usize>,
    lanes: HashMap<&'a str, Lane>,
    stopped: bool,
}

/// The nodes with one key.
#[derive(Default)]
struct Lane {
    /// One of them runs.
    busy: bool,
    /// Those that found it busy when their turn came.
    parked: BTreeSet<usize>,
}

impl<'a, T> Dispatcher<'a, T> {
    pub(super) fn new(schedule: &'a Schedule) -> Self {
        let nodes = &schedule.nodes;
        let mut dependents = vec![Vec::new(); nodes.len()];
        for (index, node) in nodes.iter().enumerate() {
            for before in &node.after {
                dependents[*before].push(index);
            }
        }
        let mut dispatcher = Self {
            schedule,
            dependents,
            waits: nodes.iter().map(|node| node.after.len()).collect(),
            ended: nodes.iter().map(|_| None).collect(),
            ready: BTreeSet::new(),
            lanes: HashMap::new(),
            stopped: false,
        };
        let free = (0..nodes.len()).filter(|index| nodes[*index].after.is_empty());
        dispatcher.release(free.collect());
        dispatcher
    }

    /// The next node to start, while so many are running.
    pub(super) fn next(&mut self, running: usize) -> Option<usize> {
        if self.stopped || running >= self.schedule.limit.max(1) {
            return None;
        }
        while let Some(index) = self.ready.pop_first() {
            let Some(key) = &self.schedule.nodes[index].exclusive else {
                return Some(index);
            };
            let lane = self.lanes.entry(key).or_default();
            if !lane.busy {
                lane.busy = true;
                return Some(index);
            }
            lane.parked.insert(index);
        }
        None
    }

    /// A node that was started has ended.
    pub(super) fn ended(&mut self, index: usize, verdict: Verdict, value: T) {
        self.ended[index] = Some(Ended::Finished(value));
        if let Some(key) = &self.schedule.nodes[index].exclusive {
            let lane = self.lanes.entry(key).or_default();
            lane.busy = false;
            // One is enough: whoever starts next makes the lane busy again.
            self.ready.extend(lane.parked.pop_first());
        }
        match verdict {
            Verdict::NotDone if self.schedule.failures_skip => self.skip_dependents(index),
            Verdict::Done | Verdict::NotDone => self.open(index),
        }
        if verdict == Verdict::NotDone && self.schedule.fail_fast {
            self.stopped = true;
        }
    }

    /// Starts nothing more.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    /// How each node ended.
    pub(super) fn finish(self) -> Vec<Ended<T>> {
        self.ended
            .into_iter()
            .map(|ended| ended.unwrap_or(Ended::NotStarted))
            .collect()
    }

    /// Lets those go on that waited for this node.
    fn open(&mut self, index: usize) {
        let free = self.count_down(index);
        self.release(free);
    }

    /// The dependents of a node that wait for nothing more.
    fn count_down(&mut self, index: usize) -> Vec<usize> {
        let mut free = Vec::new();
        for dependent in &self.dependents[index] {
            self.waits[*dependent] -= 1;
            if self.waits[*dependent] == 0 && self.ended[*dependent].is_none() {
                free.push(*dependent);
            }
        }
        free
    }

    /// Makes nodes ready, and opens gates, and what lies behind these.
    fn release(&mut self, mut free: Vec<usize>) {
        while let Some(index) = free.pop() {
            match self.schedule.nodes[index].weight {
                Weight::Work => {
                    self.ready.insert(index);
                }
                Weight::Gate => {
                    self.ended[index] = Some(Ended::Passed);
                    free.extend(self.count_down(index));
                }
            }
        }
    }

    /// Marks all that waits for a failed node, however far behind it. After a stop nothing is
    /// marked: those nodes would not have run in any case.
    fn skip_dependents(&mut self, root: usize) {
        let mut reached = if self.stopped { vec![] } else { vec![root] };
        while let Some(index) = reached.pop() {
            for dependent in &self.dependents[index] {
                if self.ended[*dependent].is_none() {
                    self.ended[*dependent] = Some(Ended::Skipped { because: root });
                    reached.push(*dependent);
                }
            }
        }
    }
}
