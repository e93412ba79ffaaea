//! The table of scenarios and of the rules they hold.

use super::scenario::Scenario;
use core::fmt::Write as _;

/// Scenarios of the bind half.
pub const ISSUE_3: &[u16] = &[
    1, 2, 3, 4, 5, 6, 7, 8, 9, 14, 18, 21, 23, 25, 29, 30, 31, 32, 33, 34, 35, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50,
    51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 83, 84,
    93, 94, 95, 107, 108, 111,
];

/// Every rule of the sheet, by kind.
fn rules() -> Vec<String> {
    let of = |letter: char, last: u16| (1..=last).map(move |number| format!("{letter}{number}"));
    of('R', 58).chain(of('D', 26)).chain(of('M', 14)).collect()
}

/// Scenarios of the bind half that no test plays.
#[must_use]
pub fn missing_scenarios(all: &[Scenario]) -> Vec<u16> {
    let played = |number: &u16| all.iter().any(|scenario| scenario.number() == Some(*number));
    ISSUE_3.iter().filter(|number| !played(number)).copied().collect()
}

/// The table as Markdown.
///
/// # Panics
/// If a test claims to hold a rule that does not exist.
#[must_use]
pub fn table(all: &[Scenario]) -> String {
    let rules = rules();
    for scenario in all {
        for rule in scenario.holds {
            assert!(rules.iter().any(|known| known == rule), "{}: there is no rule {rule}", scenario.name);
        }
    }
    let mut text = String::from(HEAD);
    let mut sorted: Vec<&Scenario> = all.iter().collect();
    sorted.sort_by_key(|scenario| (scenario.number().unwrap_or(u16::MAX), scenario.name));
    for scenario in sorted {
        let number = scenario.number().map_or(String::from("–"), |number| format!("S{number}"));
        let holds = scenario.holds.join(" ");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {number} | `{}` | {} | {holds} |", scenario.name, scenario.cases);
    }
    text.push_str(RULES);
    for rule in rules {
        let by = |scenario: &&Scenario| scenario.holds.contains(&rule.as_str());
        let names: Vec<String> = all.iter().filter(by).map(|scenario| format!("`{}`", short(scenario))).collect();
        let _ = writeln!(text, "| {rule} | {} |", if names.is_empty() { String::from("–") } else { names.join(" ") });
    }
    text
}

/// The number where there is one, else the whole name.
fn short(scenario: &Scenario) -> String {
    scenario.number().map_or_else(|| String::from(scenario.name), |number| format!("S{number}"))
}

const HEAD: &str = "# Scenarios

Generated from the tables of `tests/tests/scenarios`; a test fails if it is stale. To write it anew, run
`BAREXE_WRITE_DOCS=1 cargo test -p barexe-tests --test scenarios the_table`.

Numbers are those of the specification: S scenario, R requirement, D defect of the posted code that must not come back,
M oddity of the merged driver that must not be copied. Each scenario runs on every platform that has what it needs, with page
tables written by the CPU and by the copy engine, in each dialect; sub-cases are counted.

| No | Test | Sub-cases | Holds |
|---|---|---|---|
";

const RULES: &str = "
## Rules

| Rule | Held by |
|---|---|
";
