//! Letting time pass: engines execute in turns, interrupts leave, the clock advances.

use crate::blocks::self_clearing::{self, Deferred};
use crate::cs::{State, Streamer};
use crate::fault::{Action, Occasion};
use crate::gpu::Gpu;
use crate::spec::EngineClass;
use crate::tile::TileState;
use crate::trace::Event;

/// Commands an engine executes before the next one has its turn.
const TURN: u32 = 64;
/// The same of one that spins: a few times round.
const GLANCE: u32 = 16;
/// Most commands of a turn that ends in a ring.
const LONGEST_TURN: u32 = 512;

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunReport {
    /// Commands executed by all engines.
    pub commands: u64,
    /// No engine can go on by itself.
    pub idle: bool,
}

impl Gpu {
    /// Whether somebody else's clock counts. An engine that spins is then looked at now and then only: it would take a
    /// processor from those it waits for.
    const fn is_behind_bus(&self) -> bool {
        self.shared.mapped.is_some()
    }

    /// One turn of every engine; whether any of them got anywhere.
    fn turn(&mut self, report: &mut RunReport) -> bool {
        let (mut moved, mut took_ns) = (false, 0);
        let per_tile = self.shared.platform.engines.len().max(1);
        let paced = self.is_behind_bus();
        for (index, engine) in self.engines.iter_mut().enumerate() {
            self.shared.tiles.select(index / per_tile);
            let (before, spins) = (engine.state(), paced && engine.is_spinning());
            let turn = if spins { GLANCE } else { TURN };
            let progress = engine.run_turn(&mut self.shared, turn, LONGEST_TURN);
            report.commands += u64::from(progress.commands);
            took_ns = took_ns.max(progress.took_ns);
            let waits = progress.state == State::Waiting && progress.commands <= 1 || spins && engine.is_spinning();
            moved |= !waits && (progress.commands > 0 || progress.state != before);
            if progress.raised != 0 {
                let TileState { registers, interrupts, .. } = self.shared.tiles.one_mut();
                let stored = |offset: u32| registers.peek(offset);
                interrupts.raise(engine.engine(), progress.raised, stored);
            }
        }
        self.shared.time_ns = self.shared.time_ns.saturating_add(took_ns);
        self.settle();
        self.gucs_look() || moved
    }

    /// Lets an engine take the load before, if it is about to. Behind a bus the engines have a thread of their own, which may
    /// not have had its turn, while hardware takes a load in less time than a driver needs to make the next one.
    pub(crate) fn catch_up(&mut self, index: usize) {
        /// Turns in which an engine comes to a point of arbitration, if its batch has one.
        const TURNS: u32 = 64;
        if !self.is_behind_bus() || !self.execution || self.shared.plan.is_gone() {
            return;
        }
        for _ in 0..TURNS {
            let Some(engine) = self.engines.get_mut(index).filter(|engine| engine.pending_submit()) else { return };
            let progress = engine.run_turn(&mut self.shared, TURN, LONGEST_TURN);
            let engine = engine.engine();
            self.raise(engine, progress.raised);
        }
    }

    /// Vector bits of an engine reach the tree.
    fn raise(&mut self, engine: (EngineClass, u8), bits: u16) {
        if bits != 0 {
            let TileState { registers, interrupts, .. } = self.shared.tiles.one_mut();
            let stored = |offset: u32| registers.peek(offset);
            interrupts.raise(engine, bits, stored);
        }
    }

    /// Executes until nothing moves, `max_commands` are done, the instant is reached, or a message is due; at least one
    /// turn, so that a driver which never waits long does not keep the device from working.
    pub(crate) fn run(&mut self, max_commands: u64, until_ns: u64, stop_at_message: bool) -> RunReport {
        let mut report = RunReport::default();
        if !self.execution || self.shared.plan.is_gone() {
            return RunReport { idle: true, ..report };
        }
        loop {
            if stop_at_message && self.shared.tiles.messages() != 0 && self.shared.irq_line {
                return report;
            }
            if !self.turn(&mut report) {
                report.idle = true;
                return report;
            }
            if report.commands >= max_commands || self.shared.time_ns >= until_ns {
                return report;
            }
        }
    }

    /// What a waiting CPU sees: engines run, time goes on to `until_ns` or to the first message.
    pub(crate) fn relax(&mut self, until_ns: u64, max_commands: u64) {
        let report = self.run(max_commands, until_ns, true);
        if self.shared.tiles.messages() != 0 && self.shared.irq_line {
            return;
        }
        let next = self.shared.deferred.iter().map(|(at, ..)| *at).chain(self.guc_due_ns()).min();
        let now = self.shared.time_ns;
        let target = match next {
            _ if !report.idle => now,
            Some(next) if next > now => until_ns.min(next),
            _ if until_ns == u64::MAX => now.saturating_add(IDLE_STEP_NS),
            _ => until_ns,
        };
        // Each call lets some time pass, so that no loop around it can stand still.
        self.shared.time_ns = target.max(now.saturating_add(1));
        self.settle();
    }

    /// Lets engines execute, not far ahead of `now_ns`; the instant from which on it is worth doing again, and messages
    /// to deliver.
    pub(crate) fn slice(&mut self, now_ns: u64, most_commands: u64) -> (Option<u64>, u32) {
        self.pass_to(now_ns);
        let until_ns = now_ns.saturating_add(LEAD_NS);
        let ahead = self.shared.time_ns > until_ns;
        let idle = !ahead && self.run(most_commands, until_ns, true).idle;
        let messages = self.take_messages();
        (self.due(now_ns, idle), messages)
    }

    /// The next instant at which something happens by itself.
    fn due(&self, now_ns: u64, idle: bool) -> Option<u64> {
        if !idle {
            return Some(self.shared.time_ns.saturating_sub(LEAD_NS));
        }
        let looks = |engine: &Streamer| engine.state() == State::Waiting || engine.is_spinning();
        let looks_again = self.engines.iter().any(looks);
        let looks_again = looks_again.then(|| now_ns.saturating_add(LOOK_NS));
        self.shared.deferred.iter().map(|(at, ..)| *at).chain(looks_again).chain(self.guc_due_ns()).min()
    }

    /// Messages to deliver now.
    pub(crate) fn take_messages(&mut self) -> u32 {
        let of_tile = |tile: &mut TileState| core::mem::take(&mut tile.interrupts.messages);
        let raised: u32 = self.shared.tiles.iter_mut().map(of_tile).sum();
        let late = core::mem::take(&mut self.shared.late_messages);
        if !self.shared.irq_line || !self.shared.config.is_bus_master() || self.shared.plan.is_gone() {
            return 0;
        }
        let on_time = (0..raised).filter(|_| self.message_leaves()).count();
        let count = late + u32::try_from(on_time).unwrap_or(u32::MAX);
        for _ in 0..count {
            self.shared.trace(Event::Msi);
        }
        count
    }

    /// Whether a message leaves now.
    fn message_leaves(&mut self) -> bool {
        match self.shared.plan.meet(&Occasion::Msi) {
            Some(Action::Drop | Action::Gone) => false,
            Some(Action::Delay(by)) => {
                self_clearing::put_off(self, by.get(), Deferred::Message);
                false
            }
            None | Some(Action::AllOnes | Action::Value(_) | Action::Hang) => true,
        }
    }
}

/// How far the engines of a device behind a bus may be ahead of the bus's clock.
const LEAD_NS: u64 = 50_000;
/// Time between two looks of a semaphore, or of a batch that spins, at memory that somebody else writes.
const LOOK_NS: u64 = 100_000;
/// Step of the clock when nothing is going on and nobody said how long to wait.
const IDLE_STEP_NS: u64 = 1_000_000;
