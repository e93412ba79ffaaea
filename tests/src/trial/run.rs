//! Playing a scenario everywhere.
#![expect(clippy::panic, reason = "a helper of tests ends the test that it cannot help")]

use super::board::{Board, Need, boards};
use super::dialect::{DIALECTS, Dialect};
use super::scenario::Scenario;
use super::stage::Trial;
use crate::found::found;
use crate::rig::rows;
use crate::storage::{Boxed, boxed, cut};
use barexe_core::device::request::BindOp;
use barexe_core::device::{Config, Device, TableWriter};
use barexe_core::mem::pages::{Directory, TableNote};
use barexe_core::{Capacities, Storage};
use barexe_hal::{DmaBuffer, Nanos};
use barexe_sim::{DeviceSnapshot, Sim, SimConfig, SimHal};
use core::panic::AssertUnwindSafe;
use std::panic::{catch_unwind, resume_unwind};

/// Who writes page tables, in turn.
pub const WRITERS: [TableWriter; 3] = [TableWriter::Auto, TableWriter::Cpu, TableWriter::Engine];

/// Most commands between two looks of the driver: a batch that spins costs no more.
const RELAX_COMMANDS: u64 = 2_000;
/// Longest time of a job: none of a scenario that goes well takes as long.
pub const JOB_TIMEOUT: Nanos = Nanos::from_millis(100);
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
                if is_worth_it(scenario, writer, dialect) && scenario.runs_on(&board, writer, dialect) {
                    let _ = play(scenario, (&board, writer, dialect), |_| {});
                    runs = runs.saturating_add(1);
                }
            }
        }
    }
    assert!(runs > 0, "{name} ran nowhere: no platform has {:?}", scenario.needs);
}

impl Scenario {
    /// Whether there is what it needs.
    #[must_use]
    pub fn runs_on(&self, board: &Board, writer: TableWriter, dialect: &Dialect) -> bool {
        self.needs.iter().all(|need| board.has(*need) && suits(*need, writer, dialect))
    }
}

/// Dialects differ in how a call is read, not in what comes of it: a scenario that is about neither of them is played by
/// every writer in one of them alone.
fn is_worth_it(scenario: &Scenario, writer: TableWriter, dialect: &Dialect) -> bool {
    writer == TableWriter::Auto || dialect.name == "U" || scenario.needs.contains(&Need::DialectA)
}

fn suits(need: Need, writer: TableWriter, dialect: &Dialect) -> bool {
    match need {
        Need::AutoWriter => writer == TableWriter::Auto,
        Need::EngineWriter => writer == TableWriter::Engine,
        Need::DialectA => dialect.name == "A",
        Need::DialectU => dialect.name == "U",
        Need::Tiles(_)
        | Need::FaultMode
        | Need::NoFaultMode
        | Need::OneRegion
        | Need::OwnCopyEngine
        | Need::TwoCopyEngines
        | Need::TwoDecoders => true,
    }
}

/// What a run had in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Played {
    /// HAL calls that could have failed, of each attempt.
    pub attempts: Vec<u64>,
    /// The chosen failure refused its attempt.
    pub refused: bool,
}

/// Plays a scenario once; `prepare` comes first: a sweep chooses its failure there.
///
/// # Panics
/// If the scenario does, or afterwards something is not as it must be.
pub fn play(
    scenario: &Scenario,
    on: (&Board, TableWriter, &'static Dialect),
    prepare: impl FnOnce(&mut Trial<'_>),
) -> Played {
    let sim = part(on.0);
    let before = found(&sim);
    let mut lent = Lent::new(&Capacities::DEFAULT, on.0);
    let device = open(&sim, lent.lend(), (on.0, on.1));
    let mut trial = Trial::new(scenario.name, (&sim, device), on);
    prepare(&mut trial);
    if let Err(failure) = catch_unwind(AssertUnwindSafe(|| (scenario.play)(&mut trial))) {
        eprintln!("{trial}");
        resume_unwind(failure);
    }
    assert_eq!(trial.cases(), scenario.cases, "{trial}: sub-cases checked, stated");
    let played = Played { attempts: trial.attempts().to_vec(), refused: trial.was_refused() };
    end(&sim, trial, &before);
    played
}

impl Trial<'_> {
    /// Does a part of the scenario on a device of its own, which was lent storage of these capacities.
    ///
    /// # Panics
    /// If the part does, or afterwards something is not as it must be.
    pub fn beside(&mut self, capacities: &Capacities, play: impl FnOnce(&mut Trial<'_>)) {
        let sim = part(&self.board);
        let before = found(&sim);
        let mut lent = Lent::new(capacities, &self.board);
        let device = open(&sim, lent.lend(), (&self.board, self.writer));
        let mut beside = Trial::new(self.name, (&sim, device), (&self.board, self.writer, self.dialect));
        core::mem::swap(&mut self.count, &mut beside.count);
        if let Err(failure) = catch_unwind(AssertUnwindSafe(|| play(&mut beside))) {
            eprintln!("{beside}");
            resume_unwind(failure);
        }
        core::mem::swap(&mut self.count, &mut beside.count);
        end(&sim, beside, &before);
    }
}

fn part(board: &Board) -> Sim {
    let platform = board.platform.clone();
    let config = SimConfig { relax_commands: RELAX_COMMANDS, max_block_bytes: PIECE_BYTES, ..SimConfig::new(platform) };
    Sim::new(&config).unwrap_or_else(|| panic!("{} is not simulated", board.name))
}

/// Storage of chosen capacities; of operations and page tables there may be more than by default.
struct Lent {
    capacities: Capacities,
    storage: Boxed,
    ops: Vec<BindOp>,
    blocks: Vec<Option<DmaBuffer>>,
    notes: Vec<TableNote>,
    directories: Vec<Directory>,
}

impl Lent {
    fn new(capacities: &Capacities, board: &Board) -> Self {
        let capacities = capacities.on_tiles(usize::try_from(board.tiles).unwrap_or(1));
        Self {
            capacities,
            storage: boxed(),
            ops: vec![BindOp::EMPTY; capacities.bind_ops],
            blocks: core::iter::repeat_with(|| None).take(capacities.pt_blocks).collect(),
            notes: core::iter::repeat_with(|| TableNote::EMPTY).take(capacities.pt_notes).collect(),
            directories: core::iter::repeat_with(|| Directory::EMPTY).take(capacities.pt_directories).collect(),
        }
    }

    fn lend(&mut self) -> Storage<'_> {
        Storage {
            bind_ops: &mut self.ops,
            pt_blocks: &mut self.blocks,
            pt_notes: &mut self.notes,
            pt_directories: &mut self.directories,
            ..cut(self.storage.lend(), &self.capacities)
        }
    }
}

fn open<'a>(sim: &Sim, storage: Storage<'a>, (board, writer): (&Board, TableWriter)) -> Device<'a, SimHal> {
    let config =
        Config { tables: writer, platforms: rows(&board.platform), job_timeout: JOB_TIMEOUT, ..Config::default() };
    Device::open(sim.hal(), storage, config, None).unwrap_or_else(|refused| panic!("open: {}", refused.error))
}

/// Closes the device of a run; nothing may be left, and no rule broken.
fn end(sim: &Sim, trial: Trial<'_>, before: &DeviceSnapshot) {
    let place = trial.to_string();
    // A fault that nothing has met is of no use any more.
    sim.set_faults(&[]);
    trial.end();
    assert_eq!(sim.violations(), Vec::<String>::new(), "{place}");
    let (given, taken) = sim.buffers();
    assert_eq!(given, taken, "{place}: buffers");
    assert_eq!(found(sim), *before, "{place}: something of the driver is left");
    assert_eq!(sim.halted(), [], "{place}: an engine stopped");
}
