//! The table of results, the reasons below it, and what differs from what was expected.

use crate::expected::{Expected, Program};
use crate::outcome::{Kind, Outcome};
use core::fmt;
use std::collections::BTreeMap;

/// What came out of one program.
#[derive(Debug)]
pub struct Results<'n> {
    /// Its name.
    pub program: &'n str,
    /// All subtests it lists.
    pub listed: Vec<String>,
    /// Those that ran, and how they ended.
    pub ran: Vec<(String, Outcome)>,
}

/// How many passed, failed and were skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Sum {
    /// Counts one more.
    pub const fn count(&mut self, outcome: &Outcome) {
        let counter = match outcome.kind() {
            Kind::Passed => &mut self.passed,
            Kind::Failed => &mut self.failed,
            Kind::Skipped => &mut self.skipped,
        };
        *counter = counter.saturating_add(1);
    }

    /// Whether nothing failed.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.failed == 0
    }

    /// Counts those of another sum as well.
    pub const fn add(&mut self, other: Self) {
        self.passed = self.passed.saturating_add(other.passed);
        self.failed = self.failed.saturating_add(other.failed);
        self.skipped = self.skipped.saturating_add(other.skipped);
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// The table of some programs, and below it the reasons of each that has any.
#[must_use]
pub fn table(results: &[Results<'_>]) -> String {
    let head = row("program", "subtests", "passed", "failed", "skipped");
    let rows: String = results.iter().map(|program| format!("{}\n", program.row())).collect();
    let reasons = results.iter().map(|program| (program.program, program.reasons()));
    let reasons: String =
        reasons.filter(|(_, why)| !why.is_empty()).map(|(name, why)| format!("{name}\n{why}\n")).collect();
    format!("{head}\n{rows}\n{reasons}")
}

fn row(
    program: impl fmt::Display,
    subtests: impl fmt::Display,
    passed: impl fmt::Display,
    failed: impl fmt::Display,
    skipped: impl fmt::Display,
) -> String {
    format!("{program:<28} {subtests:>8} {passed:>8} {failed:>8} {skipped:>8}")
}

impl Results<'_> {
    /// Sum over its subtests.
    #[must_use]
    pub fn sum(&self) -> Sum {
        let mut sum = Sum::default();
        self.ran.iter().for_each(|(_, outcome)| sum.count(outcome));
        sum
    }

    /// Its line of the table.
    fn row(&self) -> String {
        let sum = self.sum();
        row(self.program, self.ran.len(), sum.passed, sum.failed, sum.skipped)
    }

    /// A line for each subtest that failed, and one for each reason to skip with the subtests it was given for.
    fn reasons(&self) -> String {
        let mut text = String::new();
        let mut skips: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (subtest, outcome) in &self.ran {
            match outcome {
                Outcome::Passed => {}
                Outcome::Failed(reason) => text.push_str(&format!("  failed {subtest}: {}\n", short(reason))),
                Outcome::Skipped(reason) => skips.entry(reason).or_default().push(subtest),
            }
        }
        for (reason, subtests) in skips {
            text.push_str(&format!("  skipped {}: {}\n", few(&subtests), short(reason)));
        }
        text
    }

    /// What is not as expected. A program that the file does not name is only reported.
    #[must_use]
    pub fn objections(&self, expected: &Expected) -> Vec<String> {
        let Some(program) = expected.program(self.program) else { return Vec::new() };
        let mut all: Vec<String> =
            self.ran.iter().filter_map(|(name, outcome)| self.objection(program, name, outcome)).collect();
        if self.listed.len() != program.subtests {
            all.push(format!("{}: has {} subtests, expected: {}", self.program, self.listed.len(), program.subtests));
        }
        all.extend(
            program.idle(&self.listed).map(|pattern| format!("{}: no subtest is called {pattern}", self.program)),
        );
        all
    }

    fn objection(&self, program: &Program, subtest: &str, outcome: &Outcome) -> Option<String> {
        let objection = program.objection(subtest, outcome)?;
        Some(format!("{}@{subtest}: {}", self.program, short(&objection)))
    }
}

/// A text that fits on a line or two.
fn short(text: &str) -> String {
    const LONGEST: usize = 240;
    let one_line = text.replace('\n', " ");
    if one_line.chars().count() <= LONGEST {
        one_line
    } else {
        one_line.chars().take(LONGEST).chain("...".chars()).collect()
    }
}

/// Some names, and how many there are in all.
fn few(names: &[&str]) -> String {
    const MOST: usize = 3;
    let shown = names.iter().take(MOST).copied().collect::<Vec<_>>().join(", ");
    if names.len() <= MOST { shown } else { format!("{shown}... ({})", names.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(ran: &[(&str, Outcome)]) -> Results<'static> {
        let ran: Vec<_> = ran.iter().map(|(name, outcome)| (name.to_string(), outcome.clone())).collect();
        Results { program: "xe_vm", listed: ran.iter().map(|(name, _)| name.clone()).collect(), ran }
    }

    #[test]
    fn a_program_is_a_line_and_its_reasons() {
        let skip = || Outcome::Skipped("no memory".into());
        let all = results(&[
            ("a", Outcome::Passed),
            ("b", Outcome::Failed("x == y\nand more".into())),
            ("c", skip()),
            ("d", skip()),
            ("e", skip()),
            ("f", skip()),
        ]);
        assert_eq!(all.row().split_whitespace().collect::<Vec<_>>(), ["xe_vm", "6", "1", "1", "4"]);
        assert_eq!(all.reasons(), "  failed b: x == y and more\n  skipped c, d, e... (4): no memory\n");
        assert_eq!(all.sum().to_string(), "1 passed, 1 failed, 4 skipped");
        let table = table(&[all, results(&[("a", Outcome::Passed)])]);
        let lines: Vec<_> = table.lines().collect();
        let [head, first, second, rest @ ..] = &lines[..] else { panic!("{table}") };
        assert!(head.starts_with("program ") && [first, second].iter().all(|row| row.starts_with("xe_vm ")), "{table}");
        assert_eq!(rest, ["", "xe_vm", "  failed b: x == y and more", "  skipped c, d, e... (4): no memory", ""]);
    }

    #[test]
    fn differences_are_named_and_strangers_only_shown() {
        let expected = Expected::parse("xe_vm 2\n fail gone: for a reason\n").unwrap();
        let all = results(&[("a", Outcome::Failed("why".into()))]);
        let objections = all.objections(&expected);
        assert_eq!(objections.len(), 3, "{objections:?}");
        assert!(objections[0].starts_with("xe_vm@a: expected to pass: why"));
        assert!(all.objections(&Expected::default()).is_empty());
    }
}
