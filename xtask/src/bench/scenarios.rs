//! What is measured, in which states of the world, and what the goals are.

use std::path::Path;

use anyhow::{Result, ensure};

use super::Bench;
use super::fleet::{Cache, Changes, Fixture, Fleet};
use super::many::Many;
use super::measure::{Job, Sample};
use super::rounds::{self, Measure, Rounds, Spread, Way};

/// All scenarios, in the order in which they run.
const NAMES: [&str; 9] = [
    "version",
    "resolve",
    "memory",
    "builtin-warm",
    "builtin-changes",
    "builtin-cold",
    "aws-warm",
    "aws-changes",
    "aws-cold",
];

/// Units of scenarios in which one unit takes many seconds.
const FEW: usize = 6;

/// Starting a program is so short that it is measured this many times as often.
const MORE_OF_VERSION: usize = 5;

/// The way that is compared with the others.
pub(super) const TFW: &str = "tfw";
const SERIAL: &str = "by hand, one by one";
const PARALLEL: &str = "by hand, xargs -P";
const CACHED: &str = "by hand, one by one, plugin cache";
const UNCACHED: &str = "by hand, one by one, no cache";

/// What came of all scenarios.
#[derive(Debug, Default)]
pub(super) struct Results {
    pub(super) plans: Vec<Plans>,
    pub(super) alone: Vec<Alone>,
}

/// Rounds of plans by tfw and by hand.
#[derive(Debug)]
pub(super) struct Plans {
    pub(super) scenario: &'static str,
    pub(super) units: usize,
    pub(super) rounds: Rounds,
    pub(super) goals: Vec<Goal>,
}

/// What tfw may cost at most for each second of another way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Goal {
    pub(super) against: &'static str,
    pub(super) measure: Measure,
    pub(super) at_most: f64,
}

/// A number about tfw alone.
#[derive(Debug)]
pub(super) struct Alone {
    pub(super) what: String,
    pub(super) unit: &'static str,
    pub(super) values: Vec<f64>,
    pub(super) below: Option<f64>,
}

impl Alone {
    pub(super) fn spread(&self) -> Spread {
        Spread::of(self.values.iter().copied())
    }
}

/// Refuses a name that no scenario has a part of.
pub(super) fn require_known(only: &[String]) -> Result<()> {
    for wanted in only {
        ensure!(
            NAMES.iter().any(|name| name.contains(wanted.as_str())),
            "no scenario is called `{wanted}`; there are {}",
            NAMES.join(", ")
        );
    }
    Ok(())
}

/// Runs the scenarios whose names contain one of `only`, or all.
pub(super) fn run(bench: &Bench, only: &[String]) -> Result<Results> {
    let wanted = |name: &str| only.is_empty() || only.iter().any(|part| name.contains(part));
    let mut results = Results::default();
    if wanted("version") {
        results.alone.push(version(bench)?);
    }
    if wanted("resolve") {
        results.alone.extend(resolve(bench)?);
    }
    if wanted("memory") {
        results.alone.extend(memory(bench)?);
    }
    for fixture in [Fixture::Builtin, Fixture::Aws] {
        let states: Vec<State> = STATES
            .into_iter()
            .filter(|state| wanted(state.scenario(fixture)))
            .collect();
        for few in [false, true] {
            let states = states
                .iter()
                .filter(|state| state.takes_few(fixture) == few);
            let states: Vec<State> = states.copied().collect();
            if states.is_empty() {
                continue;
            }
            let units = if few {
                bench.units.min(FEW)
            } else {
                bench.units
            };
            println!("{fixture:?}: makes {units} environments");
            let fleet = Fleet::new(bench, fixture, units)?;
            for state in states {
                results.plans.push(state.measure(bench, &fleet, fixture)?);
            }
        }
    }
    Ok(results)
}

/// What is there before a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Initialised, and nothing to change.
    Warm,
    /// Initialised, and something to change.
    Changes,
    /// Nothing but the checkout: no `.terraform`, no `.tfw`, an empty plugin cache.
    Cold,
}

const STATES: [State; 3] = [State::Warm, State::Changes, State::Cold];

impl State {
    fn scenario(self, fixture: Fixture) -> &'static str {
        match (fixture, self) {
            (Fixture::Builtin, Self::Warm) => "builtin-warm",
            (Fixture::Builtin, Self::Changes) => "builtin-changes",
            (Fixture::Builtin, Self::Cold) => "builtin-cold",
            (Fixture::Aws, Self::Warm) => "aws-warm",
            (Fixture::Aws, Self::Changes) => "aws-changes",
            (Fixture::Aws, Self::Cold) => "aws-cold",
        }
    }

    /// Whether fewer units must do. With the AWS provider a cold start copies 200 MB for each unit
    /// and round, and a second process for each unit takes half a second: there it is hours, and
    /// fewer units say the same.
    fn takes_few(self, fixture: Fixture) -> bool {
        fixture == Fixture::Aws && self != Self::Warm
    }

    fn measure(self, bench: &Bench, fleet: &Fleet<'_>, fixture: Fixture) -> Result<Plans> {
        let (ways, goals) = match self {
            Self::Warm => (initialised(bench, fleet, Changes::None), warm_goals()),
            Self::Changes => (initialised(bench, fleet, Changes::Some), Vec::new()),
            Self::Cold => (
                vec![
                    cold(fleet, CACHED, || fleet.init_and_plan_by_hand(Cache::Shared)),
                    cold(fleet, UNCACHED, || fleet.init_and_plan_by_hand(Cache::None)),
                    cold(fleet, TFW, || fleet.plan_by_tfw(Changes::None)),
                ],
                vec![Goal {
                    against: CACHED,
                    measure: Measure::Wall,
                    at_most: 1.0 / 1.5,
                }],
            ),
        };
        let scenario = self.scenario(fixture);
        if self != Self::Cold {
            // Whatever the last scenario left: initialised, and read from the disk once.
            fleet.plan_by_tfw(Changes::None)?;
        }
        let rounds = rounds::run(&ways, bench.pairs, |round, name, sample| {
            tell(scenario, round, name, sample);
        })?;
        Ok(Plans {
            scenario,
            units: fleet.units(),
            rounds,
            goals,
        })
    }
}

fn warm_goals() -> Vec<Goal> {
    let goal = |measure| Goal {
        against: PARALLEL,
        measure,
        at_most: 1.05,
    };
    vec![goal(Measure::Wall), goal(Measure::Cpu)]
}

fn initialised<'a>(bench: &'a Bench, fleet: &'a Fleet<'_>, changes: Changes) -> Vec<Way<'a>> {
    let by_hand = move |at_once| move || fleet.plan_by_hand(at_once, changes);
    vec![
        Way {
            name: SERIAL,
            run: Box::new(by_hand(1)),
        },
        Way {
            name: PARALLEL,
            run: Box::new(by_hand(bench.parallelism)),
        },
        Way {
            name: TFW,
            run: Box::new(move || fleet.plan_by_tfw(changes)),
        },
    ]
}

fn cold<'a>(
    fleet: &'a Fleet<'_>,
    name: &'static str,
    run: impl Fn() -> Result<Sample> + 'a,
) -> Way<'a> {
    Way {
        name,
        run: Box::new(move || {
            fleet.forget()?;
            run()
        }),
    }
}

fn version(bench: &Bench) -> Result<Alone> {
    let folder = tempfile::tempdir()?;
    let job = Job::new(&bench.tfw, Path::new("/"), &[]).args(["--version"]);
    let values = series("version", bench.pairs * MORE_OF_VERSION, || {
        Ok(milliseconds(job.run(folder.path())?))
    })?;
    Ok(Alone {
        what: "`tfw --version`".to_owned(),
        unit: "ms",
        values,
        below: Some(10.0),
    })
}

/// 1,000 and 10,000 units, in pairs, so that what they say of growth is of one moment.
fn resolve(bench: &Bench) -> Result<Vec<Alone>> {
    let (small, large) = (Many::new(bench, 1_000)?, Many::new(bench, 10_000)?);
    let ways = [
        Way {
            name: "show, 1,000",
            run: Box::new(|| small.resolve()),
        },
        Way {
            name: "show, 10,000",
            run: Box::new(|| large.resolve()),
        },
        Way {
            name: "refused plan, 1,000",
            run: Box::new(|| small.refuse()),
        },
        Way {
            name: "refused plan, 10,000",
            run: Box::new(|| large.refuse()),
        },
    ];
    let rounds = rounds::run(&ways, bench.pairs, |round, name, sample| {
        tell("resolve", round, name, sample);
    })?;
    let times = |way: usize| {
        rounds
            .samples
            .iter()
            .map(move |round| milliseconds(round[way]))
    };
    let row = |what: &str, way: usize, below| Alone {
        what: what.to_owned(),
        unit: "ms",
        values: times(way).collect(),
        below,
    };
    let growth = |what: &str, of: usize, to: usize| Alone {
        what: what.to_owned(),
        unit: "times",
        values: times(of).zip(times(to)).map(|(of, to)| of / to).collect(),
        below: Some(11.0),
    };
    Ok(vec![
        row(
            "1,000 units read, resolved and selected from (`manifest show UNIT`)",
            0,
            Some(100.0),
        ),
        row("10,000 units the same", 1, None),
        growth("ten times the units, in time", 1, 0),
        row(
            "1,000 units also ordered, looked into, refused and reported (`plan --all`)",
            2,
            None,
        ),
        row("10,000 units the same", 3, None),
        growth("ten times the units, in time", 3, 2),
    ])
}

fn memory(bench: &Bench) -> Result<Vec<Alone>> {
    let many = Many::new(bench, 1_000)?;
    let mut samples = Vec::new();
    series("memory", bench.pairs.min(3), || {
        let sample = many.plan()?;
        samples.push(sample);
        Ok(milliseconds(sample))
    })?;
    let row = |what: &str, unit, below, of: fn(Sample) -> f64| Alone {
        what: what.to_owned(),
        unit,
        values: samples.iter().copied().map(of).collect(),
        below,
    };
    Ok(vec![
        row(
            "peak memory, 1,000 units with 10 changes each (`plan --all` over a script)",
            "MB",
            Some(40.0),
            |sample| f64::from(u32::try_from(sample.peak).unwrap_or(u32::MAX)) * 1024.0 / 1e6,
        ),
        row("that run, script included", "ms", None, milliseconds),
    ])
}

fn series(name: &str, count: usize, mut one: impl FnMut() -> Result<f64>) -> Result<Vec<f64>> {
    let values: Vec<f64> = (0..count).map(|_| one()).collect::<Result<_>>()?;
    println!(
        "{name}: median {:.2}",
        Spread::of(values.iter().copied()).median
    );
    Ok(values)
}

fn milliseconds(sample: Sample) -> f64 {
    sample.wall.as_secs_f64() * 1000.0
}

fn tell(scenario: &str, round: usize, name: &str, sample: Sample) {
    println!(
        "{scenario} {:>2}  {name:<34} {:>8.3} s wall {:>8.3} s CPU",
        round + 1,
        sample.wall.as_secs_f64(),
        sample.cpu.as_secs_f64()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_of_every_fixture_is_a_scenario() {
        for fixture in [Fixture::Builtin, Fixture::Aws] {
            for state in STATES {
                assert!(NAMES.contains(&state.scenario(fixture)));
            }
        }
        assert!(require_known(&["aws".to_owned(), "cold".to_owned()]).is_ok());
        let unknown = require_known(&["azure".to_owned()])
            .unwrap_err()
            .to_string();
        assert!(unknown.contains("builtin-warm"), "{unknown}");
    }
}
