//! The tables, and the part of `docs/performance.md` between two markers that holds them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Bench;
use super::rounds::{Measure, Spread};
use super::scenarios::{Alone, Goal, Plans, Results, TFW};
use crate::repository;
use crate::tools::captured;

const FILE: &str = "docs/performance.md";
const BEGIN: &str = "<!-- begin: cargo xtask bench --write -->";
const END: &str = "<!-- end: cargo xtask bench --write -->";

/// Where and on what was measured.
pub(super) struct Machine {
    lines: Vec<String>,
}

impl Machine {
    pub(super) fn look(bench: &Bench) -> Result<Self> {
        let told = |program: &str, args: &[&str]| -> Result<String> {
            let output = captured(Command::new(program).args(args).current_dir(repository()?))?;
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let memory = field(&read("/proc/meminfo"), "MemTotal")
            .and_then(|text| text.trim_end_matches(" kB").parse::<u64>().ok())
            .map_or_else(
                || "?".to_owned(),
                |kib| format!("{} GB", kib * 1024 / 1_000_000_000),
            );
        let processor = field(&read("/proc/cpuinfo"), "model name").unwrap_or_default();
        let load = read("/proc/loadavg");
        let load = load.split(' ').next().unwrap_or("?");
        let terraform = bench.terraform.display().to_string();
        let version = told(&terraform, &["version"])?;
        let changed = !told("git", &["status", "--porcelain", "src", "Cargo.lock"])?.is_empty();
        Ok(Self {
            lines: vec![
                format!(
                    "{}, commit {}{}",
                    told("date", &["-u", "+%Y-%m-%d"])?,
                    told("git", &["rev-parse", "--short", "HEAD"])?,
                    if changed { " and changes" } else { "" }
                ),
                format!(
                    "{cores} cores ({processor}), {memory}, {}, load {load} before",
                    told("uname", &["-sr"])?
                ),
                format!(
                    "{}, AWS provider {}",
                    version.lines().next().unwrap_or_default(),
                    crate::provider::VERSION
                ),
                format!("{} rounds, {} at once", bench.pairs, bench.parallelism),
            ],
        })
    }

    pub(super) fn text(&self) -> String {
        self.lines.join("\n")
    }
}

/// `NAME : VALUE` of a file in /proc.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then(|| value.trim().to_owned())
    })
}

impl Results {
    /// What a person reads: ratios and goals.
    pub(super) fn tables(&self) -> String {
        let mut text = String::new();
        if !self.plans.is_empty() {
            text.push_str(
                "| scenario | tfw ÷ | wall | CPU | seconds, tfw / other | goal |\n|---|---|---|---|---|---|\n",
            );
            for plans in &self.plans {
                for row in plans.rows() {
                    let _ = writeln!(text, "{row}");
                }
            }
        }
        if !self.alone.is_empty() {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str("| tfw alone | median | min – max | goal |\n|---|---|---|---|\n");
            for alone in &self.alone {
                let _ = writeln!(text, "{}", alone.row());
            }
        }
        text
    }

    /// Every sample, for whoever wants to calculate otherwise.
    fn samples(&self) -> String {
        let mut text = String::from("scenario,way,round,wall_s,cpu_s\n");
        for plans in &self.plans {
            for (round, samples) in plans.rounds.samples.iter().enumerate() {
                for (name, sample) in plans.rounds.names.iter().zip(samples) {
                    let _ = writeln!(
                        text,
                        "{},\"{name}\",{},{:.4},{:.4}",
                        plans.scenario,
                        round + 1,
                        sample.wall.as_secs_f64(),
                        sample.cpu.as_secs_f64()
                    );
                }
            }
        }
        for alone in &self.alone {
            let values: Vec<String> = alone
                .values
                .iter()
                .map(|value| format!("{value:.2}"))
                .collect();
            let _ = writeln!(
                text,
                "\"{}\",{},{}",
                alone.what,
                alone.unit,
                values.join(",")
            );
        }
        text
    }
}

impl Plans {
    fn rows(&self) -> Vec<String> {
        let Some(tfw) = self.rounds.way(TFW) else {
            return Vec::new();
        };
        let others = (0..self.rounds.names.len()).filter(|way| *way != tfw);
        others
            .map(|other| {
                let name = self.rounds.names[other];
                let ratio = |measure| self.rounds.ratio(tfw, other, measure);
                let seconds = |way| self.rounds.seconds(way, Measure::Wall).median;
                let goals: Vec<String> = self
                    .goals
                    .iter()
                    .filter(|goal| goal.against == name)
                    .map(|goal| goal.told(ratio(goal.measure)))
                    .collect();
                format!(
                    "| {}, {} units | {name} | {} | {} | {:.2} / {:.2} | {} |",
                    self.scenario,
                    self.units,
                    with_range(ratio(Measure::Wall), 2),
                    with_range(ratio(Measure::Cpu), 2),
                    seconds(tfw),
                    seconds(other),
                    goals.join("; ")
                )
            })
            .collect()
    }
}

impl Goal {
    fn told(&self, found: Spread) -> String {
        let measure = match self.measure {
            Measure::Wall => "wall",
            Measure::Cpu => "CPU",
        };
        format!(
            "{measure} ≤ {:.2}: {}",
            self.at_most,
            verdict(found.median, self.at_most)
        )
    }
}

impl Alone {
    fn row(&self) -> String {
        let spread = self.spread();
        let goal = self.below.map_or_else(String::new, |below| {
            format!("< {below} {}: {}", self.unit, verdict(spread.median, below))
        });
        format!(
            "| {} | {:.1} {} | {:.1} – {:.1} | {goal} |",
            self.what, spread.median, self.unit, spread.min, spread.max
        )
    }
}

fn verdict(found: f64, limit: f64) -> &'static str {
    if found <= limit { "met" } else { "**missed**" }
}

fn with_range(spread: Spread, digits: usize) -> String {
    format!(
        "{:.digits$} ({:.digits$} – {:.digits$})",
        spread.median, spread.min, spread.max
    )
}

/// Puts the results into the page; what stands around the markers stays.
pub(super) fn write(repository: &Path, machine: &Machine, results: &Results) -> Result<PathBuf> {
    let file = repository.join(FILE);
    let page =
        fs::read_to_string(&file).with_context(|| format!("cannot read `{}`", file.display()))?;
    let machine: String = machine.lines.iter().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "- {line}");
        text
    });
    let generated = format!(
        "{machine}\n{}\n<details>\n<summary>Raw samples</summary>\n\n```csv\n{}```\n\n</details>",
        results.tables(),
        results.samples()
    );
    fs::write(&file, between_markers(&page, &generated)?)?;
    Ok(file)
}

fn between_markers(page: &str, text: &str) -> Result<String> {
    let lacking = || format!("`{FILE}` has no `{BEGIN}` with `{END}` after it");
    let (before, rest) = page.split_once(BEGIN).with_context(lacking)?;
    let (_, after) = rest.split_once(END).with_context(lacking)?;
    Ok(format!(
        "{before}{BEGIN}\n\n{}\n\n{END}{after}",
        text.trim()
    ))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::measure::Sample;
    use super::super::rounds::Rounds;
    use super::*;

    fn results() -> Results {
        let sample = |wall, cpu| Sample {
            wall: Duration::from_millis(wall),
            cpu: Duration::from_millis(cpu),
            peak: 0,
        };
        let goal = |measure| Goal {
            against: "by hand",
            measure,
            at_most: 1.05,
        };
        Results {
            plans: vec![Plans {
                scenario: "warm",
                units: 20,
                rounds: Rounds {
                    names: vec!["by hand", TFW],
                    samples: vec![vec![sample(1000, 1000), sample(1040, 1100)]],
                },
                goals: vec![goal(Measure::Wall), goal(Measure::Cpu)],
            }],
            alone: vec![Alone {
                what: "`tfw --version`".to_owned(),
                unit: "ms",
                values: vec![1.0, 3.0, 2.0],
                below: Some(10.0),
            }],
        }
    }

    #[test]
    fn the_tables_say_what_is_met_and_what_is_missed() {
        let text = results().tables();
        assert!(
            text.contains(
                "| warm, 20 units | by hand | 1.04 (1.04 – 1.04) | 1.10 (1.10 – 1.10) | 1.04 / 1.00 | wall ≤ 1.05: met; CPU ≤ 1.05: **missed** |\n"
            ),
            "{text}"
        );
        assert!(
            text.contains("| `tfw --version` | 2.0 ms | 1.0 – 3.0 | < 10 ms: met |\n"),
            "{text}"
        );
        assert!(
            results()
                .samples()
                .contains("warm,\"tfw\",1,1.0400,1.1000\n")
        );
    }

    #[test]
    fn prose_around_the_markers_stays() {
        let page = format!("# Title\n\n{BEGIN}\nold\n{END}\n\nProse.\n");
        let written = between_markers(&page, "new\n").unwrap();
        assert_eq!(
            written,
            format!("# Title\n\n{BEGIN}\n\nnew\n\n{END}\n\nProse.\n")
        );
        assert_eq!(between_markers(&written, "new").unwrap(), written);
        assert!(between_markers("# Title\n", "new").is_err());
    }

    #[test]
    fn machine_table_and_samples_are_written_into_the_page() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("docs")).unwrap();
        fs::write(folder.path().join(FILE), format!("Before.\n{BEGIN}{END}\n")).unwrap();
        let machine = Machine {
            lines: vec!["2 cores".to_owned()],
        };
        let file = write(folder.path(), &machine, &results()).unwrap();
        let page = fs::read_to_string(file).unwrap();
        assert!(
            page.starts_with(&format!("Before.\n{BEGIN}\n\n- 2 cores\n\n| scenario |")),
            "{page}"
        );
        assert!(
            page.contains("```csv\nscenario,way,round,wall_s,cpu_s\nwarm,"),
            "{page}"
        );
        assert!(page.ends_with(&format!("</details>\n\n{END}\n")), "{page}");
    }

    #[test]
    fn the_page_has_a_place_for_the_results() {
        let page = fs::read_to_string(repository().unwrap().join(FILE)).unwrap();
        assert!(between_markers(&page, "new").is_ok());
    }
}
