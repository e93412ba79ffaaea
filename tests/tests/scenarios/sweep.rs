//! Contract 1 for every scenario: each HAL call that can fail in a call of the client is made to fail once.
//!
//! The call that meets it is refused and leaves everything as it was: mappings, page tables, counters, fences, sync
//! objects, client memory. Made again it passes, and the scenario ends as if nothing had been.
#![expect(clippy::print_stdout, reason = "prints how many points a sweep had")]

use crate::CHAPTERS;
use barexe_core::device::TableWriter;
use barexe_tests::trial::{Board, Dialect, Scenario, boards, play};

/// Points of a sweep.
#[derive(Debug, Default)]
struct Tally {
    refused: u64,
    /// The driver did without what failed.
    absorbed: u64,
}

fn sweep(scenario: &Scenario, on: (&Board, TableWriter, &'static Dialect), tally: &mut Tally) {
    let clean = play(scenario, on, |_| {});
    for (attempt, calls) in clean.attempts.iter().enumerate() {
        for call in 0..*calls {
            let played = play(scenario, on, |trial| trial.fail(attempt, call));
            let counter = if played.refused { &mut tally.refused } else { &mut tally.absorbed };
            *counter += 1;
        }
    }
}

/// All scenarios of all chapters on one board, tables by one writer.
fn sweep_all(name: &str, writer: TableWriter) {
    let board = boards().into_iter().find(|board| board.name == name).unwrap();
    let mut tally = Tally::default();
    for scenario in CHAPTERS.iter().copied().flatten() {
        let dialect = if scenario.runs_on(&board, writer, &Dialect::U) { &Dialect::U } else { &Dialect::A };
        if scenario.runs_on(&board, writer, dialect) {
            sweep(scenario, (&board, writer, dialect), &mut tally);
        }
    }
    println!("{name}, tables by {writer:?}: {} calls refused, {} went on without", tally.refused, tally.absorbed);
    assert!(tally.refused > 0, "{name}: nothing failed");
}

#[test]
fn each_hal_call_of_each_scenario_fails_once_with_tables_by_the_cpu() {
    sweep_all("tgl", TableWriter::Cpu);
}

#[test]
fn each_hal_call_of_each_scenario_fails_once_with_tables_by_the_engine() {
    sweep_all("lnl", TableWriter::Engine);
}
