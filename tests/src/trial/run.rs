//! Playing a scenario everywhere.
#![expect(clippy::panic, reason = "a helper of tests ends the test that it cannot help")]

use super::board::{Board, Need, boards};
use super::dialect::{DIALECTS, Dialect};
use super::scenario::Scenario;
use super::stage::Trial;
use crate::found::found;
use crate::rig::rows;
use crate::storage::boxed;
use barexe_core::device::{Config, Device, TableWriter};
use barexe_sim::{Sim, SimConfig};
use core::panic::AssertUnwindSafe;
use std::panic::{catch_unwind, resume_unwind};

/// Who writes page tables, in turn.
pub const WRITERS: [TableWriter; 3] = [TableWriter::Auto, TableWriter::Cpu, TableWriter::Engine];

/// Most commands between two looks of the driver: a batch that spins costs no more.
const RELAX_COMMANDS: u64 = 2_000;
/// Longest piece of memory: objects and tables come in several.
const PIECE_BYTES: u64 = 2 << 20;

/// Plays the scenario of a name wherever there is what it needs.
///
/// # Panics
/// If the scenario does, if it runs nowhere, or if it checks another number of sub-cases than it states.
pub fn run(all: &[Scenario], name: &str) {
    let found = all.iter().find(|scenario| scenario.name == name);
    let scenario = found.unwrap_or_else(|| panic!("no scenario {name}"));
    let mut runs = 0u32;
    for board in boards() {
        for writer in WRITERS {
            for dialect in DIALECTS {
                if scenario.needs.iter().all(|need| board.has(*need) && suits(*need, writer, dialect)) {
                    let _ = play(scenario, (&board, writer, dialect), |_| {});
                    runs = runs.saturating_add(1);
                }
            }
        }
    }
    assert!(runs > 0, "{name} ran nowhere: no platform has {:?}", scenario.needs);
}

fn suits(need: Need, writer: TableWriter, dialect: &Dialect) -> bool {
    match need {
        Need::AutoWriter => writer == TableWriter::Auto,
        Need::EngineWriter => writer == TableWriter::Engine,
        Need::DialectA => dialect.name == "A",
        Need::DialectU => dialect.name == "U",
        Need::Tiles(_) | Need::FaultMode | Need::OneRegion | Need::OwnCopyEngine | Need::TwoCopyEngines => true,
    }
}

/// What a run had in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Played {
    /// HAL calls that could have failed, from `prepare` to the end of the scenario.
    pub hal_calls: u64,
    /// Calls that met a failure and were made again.
    pub injected: u32,
}

/// Plays a scenario once; `prepare` comes first: a sweep sets its faults there.
///
/// # Panics
/// If the scenario does, or afterwards something is not as it must be.
pub fn play(
    scenario: &Scenario,
    on: (&Board, TableWriter, &'static Dialect),
    prepare: impl FnOnce(&mut Trial<'_>),
) -> Played {
    let (board, writer, dialect) = on;
    let config = SimConfig {
        relax_commands: RELAX_COMMANDS,
        max_block_bytes: PIECE_BYTES,
        ..SimConfig::new(board.platform.clone())
    };
    let sim = Sim::new(&config).unwrap_or_else(|| panic!("{} is not simulated", board.name));
    let before = found(&sim);
    let mut storage = boxed();
    let opened = Config { tables: writer, platforms: rows(&board.platform), ..Config::default() };
    let device = Device::open(sim.hal(), storage.lend(), opened, None);
    let device = device.unwrap_or_else(|refused| panic!("{}: open: {}", board.name, refused.error));
    let mut trial = Trial::new(scenario, (&sim, device), (board, writer, dialect));
    prepare(&mut trial);
    if let Err(failure) = catch_unwind(AssertUnwindSafe(|| (scenario.play)(&mut trial))) {
        eprintln!("{trial}");
        resume_unwind(failure);
    }
    assert_eq!(trial.cases(), scenario.cases, "{trial}: sub-cases checked, stated");
    let (place, played) = (trial.to_string(), Played { hal_calls: sim.hal_calls(), injected: trial.injected() });
    // A fault that nothing has met is of no use any more.
    sim.set_faults(&[]);
    trial.end();
    assert_eq!(sim.violations(), Vec::<String>::new(), "{place}");
    let (given, taken) = sim.buffers();
    assert_eq!(given, taken, "{place}: buffers");
    assert_eq!(found(&sim), before, "{place}: something of the driver is left");
    assert_eq!(sim.halted(), [], "{place}: an engine stopped");
    played
}
