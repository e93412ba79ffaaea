//! Page-table writes beside the limit of the machine, in one run.
//!
//! Each case is timed in pairs with its limit, a loop of plain volatile stores over the same bytes (or what the case
//! names), and reported as the median of the pairs' ratios: noise that lasts longer than a pair falls out. Timed is
//! everything from an accepted plan to the last store, staging included; tables are warm.
//!
//! `cargo bench -p barexe-core --bench page_tables` prints Criterion's own figures for each half and the ratios at the
//! end. With `BAREXE_RATIOS_ONLY` set it prints the ratios alone.
//!
//! Ratios of 2026-11-28, on a busy machine of two cores: 4 KiB leaves in one segment 0.93, with one address each 0.97; 2 MiB
//! leaves, three runs, 0.79 to 0.80 for 64 times 1 GiB and 0.73 to 0.74 for 64 GiB at once; unbinding 1.00; scattered pages
//! 1.7 with tables present and 4.6 with new ones; memory that must be flushed 1.04.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "benchmarks: numbers are small, what goes wrong ends them, and ratios of times are reported"
)]

mod bind;
mod flush;
mod limits;
mod memory;
mod rig;
mod scattered;
#[path = "../common/timing.rs"]
mod timing;
mod unbind;

use core::time::Duration;
use criterion::{Criterion, Throughput};
use timing::median;

/// What the ratio of times may be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Want {
    /// At least this share of the limit's speed.
    Share(f64),
    /// At most this many times the limit's time.
    Times(f64),
}

impl Want {
    /// The figure for times of ours and the limit.
    fn figure(self, ours: f64, limit: f64) -> f64 {
        match self {
            Self::Share(_) => limit / ours,
            Self::Times(_) => ours / limit,
        }
    }

    fn is_met(self, figure: f64) -> bool {
        match self {
            Self::Share(least) => figure >= least,
            Self::Times(most) => figure <= most,
        }
    }
}

/// Something that is measured.
pub(crate) trait Case {
    /// One pass of the limit.
    fn limit(&mut self) -> Duration;

    /// One pass of ours; preparation is not timed.
    fn ours(&mut self) -> Duration;
}

/// A case with its name, the entries of one pass, and what is wanted.
struct Row {
    name: &'static str,
    entries: u64,
    want: Want,
    make: fn() -> Box<dyn Case>,
}

const ROWS: [Row; 9] = [
    Row { name: "4 KiB leaves, 1 GiB in one segment", entries: 1 << 18, want: Want::Share(0.9), make: bind::pages },
    Row { name: "64 KiB groups, 1 GiB in one segment", entries: 1 << 18, want: Want::Share(0.9), make: bind::groups },
    Row { name: "4 KiB leaves, one address each", entries: 1 << 18, want: Want::Share(0.9), make: bind::listed },
    Row { name: "2 MiB leaves, 64 times 1 GiB", entries: 64 * 512, want: Want::Share(0.7), make: bind::large_1g },
    Row { name: "2 MiB leaves, 64 GiB", entries: 64 * 512, want: Want::Share(0.7), make: bind::large_64g },
    Row { name: "unbind, entries cleared singly", entries: 512 * 511, want: Want::Share(0.9), make: unbind::singly },
    Row { name: "scattered, tables present", entries: 1000, want: Want::Times(2.0), make: scattered::present },
    Row { name: "scattered, new tables", entries: 1000, want: Want::Times(11.0), make: scattered::new_tables },
    Row { name: "memory that must be flushed", entries: 1 << 18, want: Want::Times(1.15), make: flush::pages },
];

/// Longest time for the pairs of one case.
const BUDGET: Duration = Duration::from_secs(6);
const MOST_PAIRS: usize = 2001;
const LEAST_PAIRS: usize = 9;

/// Times pairs until the budget is used; the median figure, and the medians of both times in ns per entry.
fn measure(row: &Row) -> (f64, f64, f64) {
    let mut case = (row.make)();
    let begin = std::time::Instant::now();
    let (mut figures, mut ours, mut limits) = (Vec::new(), Vec::new(), Vec::new());
    let _ = (case.ours(), case.limit());
    while figures.len() < LEAST_PAIRS || (figures.len() < MOST_PAIRS && begin.elapsed() < BUDGET) {
        let limit = case.limit().as_secs_f64();
        let time = case.ours().as_secs_f64();
        figures.push(row.want.figure(time, limit));
        ours.push(time);
        limits.push(limit);
    }
    let per_entry = |times| median(times) * 1e9 / row.entries as f64;
    (median(figures), per_entry(ours), per_entry(limits))
}

fn report() {
    println!("{:<38} {:>9} {:>9} {:>8}  wanted", "", "ours, ns", "limit, ns", "ratio");
    let only = std::env::var("BAREXE_ONLY").unwrap_or_default();
    for row in ROWS.iter().filter(|row| row.name.contains(&only)) {
        let (figure, ours, limit) = measure(row);
        let (relation, bound) = match row.want {
            Want::Share(least) => (">=", least),
            Want::Times(most) => ("<=", most),
        };
        let verdict = if row.want.is_met(figure) { "" } else { "  MISSED" };
        println!("{:<38} {ours:>9.3} {limit:>9.3} {figure:>8.3}  {relation} {bound}{verdict}", row.name);
    }
    unbind::report_stores();
}

fn criterion() {
    let mut criterion = Criterion::default().configure_from_args().sample_size(10);
    for row in &ROWS {
        let mut group = criterion.benchmark_group(row.name);
        group.throughput(Throughput::Elements(row.entries));
        let mut case = (row.make)();
        group.bench_function("limit", |b| b.iter_custom(|n| (0..n).map(|_| case.limit()).sum()));
        group.bench_function("barexe", |b| b.iter_custom(|n| (0..n).map(|_| case.ours()).sum()));
        group.finish();
    }
    criterion.final_summary();
}

fn main() {
    if std::env::var_os("BAREXE_RATIOS_ONLY").is_none() {
        criterion();
    }
    report();
}
