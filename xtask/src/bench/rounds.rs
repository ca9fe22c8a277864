//! Interleaved rounds of several ways to do the same work, and what they say.
//!
//! A machine gets slower and faster over minutes, so that two series one after the other compare
//! two times of day. Here every round runs each way once, in an order that turns from round to
//! round, and two ways are compared within each round; the answer is the median of those ratios.

use std::time::Duration;

use anyhow::Result;

use super::measure::Sample;

/// One way to do the work: what is done before each run, unmeasured, and the run.
pub(super) struct Way<'a> {
    pub(super) name: &'static str,
    pub(super) run: Box<dyn Fn() -> Result<Sample> + 'a>,
}

/// What each way cost in each round.
#[derive(Debug, Clone)]
pub(super) struct Rounds {
    pub(super) names: Vec<&'static str>,
    /// By round, then by way.
    pub(super) samples: Vec<Vec<Sample>>,
}

/// What of a sample is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    Wall,
    Cpu,
}

/// The middle of some values, and how far they go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

/// Runs all ways `count` times, interleaved; `tell` hears of each run.
pub(super) fn run(
    ways: &[Way<'_>],
    count: usize,
    mut tell: impl FnMut(usize, &str, Sample),
) -> Result<Rounds> {
    let mut samples = Vec::with_capacity(count);
    for round in 0..count {
        let mut of_round: Vec<(usize, Sample)> = Vec::with_capacity(ways.len());
        for index in order(round, ways.len()) {
            let sample = (ways[index].run)()?;
            tell(round, ways[index].name, sample);
            of_round.push((index, sample));
        }
        of_round.sort_by_key(|(index, _)| *index);
        samples.push(of_round.into_iter().map(|(_, sample)| sample).collect());
    }
    Ok(Rounds {
        names: ways.iter().map(|way| way.name).collect(),
        samples,
    })
}

/// Who comes first turns, and so does the direction: nobody always runs after the same one.
fn order(round: usize, ways: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..ways).map(|way| (way + round / 2) % ways).collect();
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

impl Rounds {
    /// The position of a way.
    pub(super) fn way(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| *known == name)
    }

    /// What one way cost, in seconds.
    pub(super) fn seconds(&self, way: usize, measure: Measure) -> Spread {
        Spread::of(self.samples.iter().map(|round| measure.of(round[way])))
    }

    /// What one way cost for each second of another, round by round.
    pub(super) fn ratio(&self, way: usize, to: usize, measure: Measure) -> Spread {
        Spread::of(
            self.samples
                .iter()
                .map(|round| measure.of(round[way]) / measure.of(round[to])),
        )
    }
}

impl Measure {
    fn of(self, sample: Sample) -> f64 {
        let time: Duration = match self {
            Self::Wall => sample.wall,
            Self::Cpu => sample.cpu,
        };
        time.as_secs_f64()
    }
}

impl Spread {
    /// Of no values: not a number.
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            at(middle)
        } else {
            f64::midpoint(at(middle.wrapping_sub(1)), at(middle))
        };
        Self {
            median,
            min: at(0),
            max: at(values.len().wrapping_sub(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn sample(wall: u64, cpu: u64) -> Sample {
        Sample {
            wall: Duration::from_millis(wall),
            cpu: Duration::from_millis(cpu),
            peak: 0,
        }
    }

    #[test]
    fn ways_take_turns_in_going_first() {
        let log = RefCell::new(String::new());
        let way = |name: &'static str| Way {
            name,
            run: Box::new(|| Ok(sample(1, 1))),
        };
        let ways = [way("a"), way("b"), way("c")];
        let rounds = run(&ways, 4, |_, name, _| log.borrow_mut().push_str(name)).unwrap();
        assert_eq!(log.into_inner(), "abccbabcaacb");
        assert_eq!(rounds.samples.len(), 4);
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let rounds = Rounds {
            names: vec!["bare", "tfw"],
            samples: vec![
                vec![sample(100, 10), sample(110, 10)],
                vec![sample(200, 10), sample(210, 15)],
                vec![sample(400, 10), sample(480, 20)],
            ],
        };
        let tfw = rounds.way("tfw").unwrap();
        let ratio = rounds.ratio(tfw, 0, Measure::Wall);
        assert!((ratio.median - 1.1).abs() < 1e-9, "{ratio:?}");
        assert!((ratio.min - 1.05).abs() < 1e-9, "{ratio:?}");
        assert!((ratio.max - 1.2).abs() < 1e-9, "{ratio:?}");
        assert!((rounds.ratio(tfw, 0, Measure::Cpu).median - 1.5).abs() < 1e-9);
        assert!((rounds.seconds(0, Measure::Wall).median - 0.2).abs() < 1e-9);
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        let spread = Spread::of([4.0, 1.0, 2.0, 3.0].into_iter());
        assert!((spread.median - 2.5).abs() < 1e-9);
        assert!(Spread::of(std::iter::empty()).median.is_nan());
    }
}
