//! Fences, from the bare life of one to a million jobs, and what one job costs on its way into the ring.
//!
//! Short lives are given in uncontended atomic read-modify-writes timed in the same run; the limits stand beside the
//! results. `cargo bench -p barexe-core --bench fences` prints Criterion's own figures of the lives first. With
//! `BAREXE_RATIOS_ONLY` set it prints the summary alone.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "benchmarks: numbers are small, what goes wrong ends them, and times are reported"
)]

mod calls;
mod drain;
mod emission;
mod engines;
mod lives;
#[path = "../common/quiet.rs"]
mod quiet;
#[path = "../common/timing.rs"]
mod timing;

use core::time::Duration;
use criterion::Criterion;

/// Seconds of one operation: the median of many rounds, each of `operations`.
fn median_seconds(rounds: usize, operations: usize, mut round: impl FnMut() -> Duration) -> f64 {
    timing::median((0..rounds).map(|_| round().as_secs_f64() / operations as f64).collect())
}

/// One line of the summary: a value, and the most or the least it may be.
fn line(name: &str, value: f64, unit: &str, limit: Option<Limit>) {
    let (text, verdict) = match limit {
        None => (String::from("reported"), ""),
        Some(Limit::Most(most)) => (format!("<= {most:.2}"), if value <= most { "" } else { "  MISSED" }),
        Some(Limit::Least(least)) => (format!(">= {least:.2}"), if value >= least { "" } else { "  MISSED" }),
    };
    println!("{name:<64}{value:>12.2} {unit:<8}{text}{verdict}");
}

/// What a value is held to.
#[derive(Clone, Copy)]
enum Limit {
    Most(f64),
    Least(f64),
}

fn criterion() {
    let mut criterion = Criterion::default().configure_from_args().sample_size(20);
    let mut group = criterion.benchmark_group("fences");
    group.bench_function("one life, a job waits", |b| b.iter_custom(|n| lives::with_job(n as usize)));
    group.bench_function("one life, a future waits", |b| b.iter_custom(|n| lives::with_future(n as usize)));
    group.finish();
    criterion.final_summary();
}

fn main() {
    if std::env::var_os("BAREXE_RATIOS_ONLY").is_none() {
        criterion();
    }
    println!("{:<64}{:>12} {:<8}limit", "", "", "");
    lives::report();
    emission::report();
    calls::report();
    drain::report();
}
