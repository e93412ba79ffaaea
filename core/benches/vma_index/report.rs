//! The table at the end: times, ratios and what was wanted.

use super::SIZES;
use super::field::{CONTENDERS, Field, Measure};
use super::pages;
use core::time::Duration;
use std::time::Instant;

/// Longest time for the rounds of one row, and how many rounds there are.
const BUDGET: Duration = Duration::from_secs(4);
const MOST_ROUNDS: usize = 1501;
const LEAST_ROUNDS: usize = 7;
/// Most bytes for each range after churn, and what would be good.
const MOST_BYTES: f64 = 96.0;
const GOOD_BYTES: f64 = 72.0;

/// How many times as quick as the best of the others ours has to be, at each size.
const fn wanted(measure: Measure) -> [f64; SIZES.len()] {
    match measure {
        Measure::Overwrite => [2.0; SIZES.len()],
        Measure::Lookup => [1.8; SIZES.len()],
        Measure::Unmap => [1.1, 1.3, 1.3, 1.3],
        Measure::Fill | Measure::Ascending => [1.0 / 1.2, 1.0, 1.0, 1.0],
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Runs rounds until the budget is used; the median time of each in ns per operation, and the median of the ratio of
/// the best other's time to ours.
fn measure(field: &mut Field, measure: Measure, operations: usize) -> ([f64; CONTENDERS], f64) {
    let begin = Instant::now();
    let mut rounds: Vec<[f64; CONTENDERS]> = Vec::new();
    let _ = field.round(measure);
    while rounds.len() < LEAST_ROUNDS || (rounds.len() < MOST_ROUNDS && begin.elapsed() < BUDGET) {
        rounds.push(field.round(measure).map(|time| time.as_secs_f64() * 1e9 / operations as f64));
    }
    let column = |of: &dyn Fn(&[f64; CONTENDERS]) -> f64| median(rounds.iter().map(of).collect());
    let times = core::array::from_fn(|at| column(&|times| times[at]));
    let ratios = (1..CONTENDERS).map(|at| column(&|times| times[at] / times[0]));
    (times, ratios.fold(f64::INFINITY, f64::min))
}

fn row(field: &mut Field, kind: Measure, live: u64, least: f64) {
    let (times, ratio) = measure(field, kind, kind.batch(live));
    let times: String = times.iter().map(|time| format!("{time:>10.1}")).collect();
    let verdict = if ratio >= least { "" } else { "  MISSED" };
    println!("{:<20}{live:>8}{times}{ratio:>9.2}  >= {least:.2}{verdict}", kind.name());
}

fn storage(field: &Field, live: u64) {
    let bytes = field.bytes_per_range();
    let verdict = if live < 1_000_000 || bytes <= MOST_BYTES { "" } else { "  MISSED" };
    let name = "storage after churn";
    println!(
        "{name:<20}{live:>8}{bytes:>10.1} bytes for each of {} ranges, of {GOOD_BYTES} to {MOST_BYTES}{verdict}",
        field.len()
    );
}

pub(crate) fn report() {
    let only = std::env::var("BAREXE_ONLY").unwrap_or_default();
    let names: String = Field::NAMES.iter().map(|name| format!("{name:>10}")).collect();
    println!("{:<20}{:>8}{names}{:>9}  wanted", "ns per operation", "ranges", "ratio");
    for (at, live) in SIZES.into_iter().enumerate() {
        let picked = |kind: &Measure| format!("{}/{live}/", kind.name()).contains(&only);
        let kinds: Vec<Measure> = Measure::ALL.into_iter().filter(picked).collect();
        if kinds.is_empty() {
            continue;
        }
        let mut field = Field::new(live);
        for kind in kinds {
            row(&mut field, kind, live, wanted(kind)[at]);
        }
        field.assert_same();
        storage(&field, live);
        println!("{:<20}{live:>8} {}", "pages", pages::in_words());
    }
}
