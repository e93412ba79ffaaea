//! When work goes wrong: bans, resets of engines, and what is kept about the first of them.
//!
//! ```text
//!   job too long ──► queue banned ──► context asked to leave ──► gone: its jobs end with errors
//!   engine stopped by an error ──┐            └──► never goes ──┐
//!                                └──► queue banned, engine reset ◄┘ ──► others begin their oldest job anew
//! ```
//!
//! The queue whose work was on the engine is to blame: its oldest job ends with the error, the others of it are
//! cancelled (bind-and-exec sheet §5.5). Queues that the reset only happened to hit go on.

use crate::Error;
use crate::device::{Device, Pools};
use crate::exec::lrc::Lrc;
use crate::exec::queue::{Queue, QueueState};
use crate::gt::reset::engine::EngineReset;
use crate::gt::reset::engine_error::{EngineError, EngineErrorKind, EngineState, engine_error};
use crate::gt::{self, Engine, EngineMask, Registers};
use crate::pool::Handle;
use crate::submit::Holder;
use crate::trace::note;
use barexe_hal::{Hal, Nanos};

/// A queue whose oldest job was hit by this many resets is banned, even if others were to blame each time.
const MAX_HITS: u8 = 3;

/// What is kept about an engine that was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HangReport {
    /// Engine and cause.
    pub error: EngineError,
    /// The tile the engine is on.
    pub tile: u8,
    /// The queue to blame, by its id; none if it was the driver's own work.
    pub queue: Option<u32>,
    /// Its VM's address space id.
    pub asid: Option<u32>,
    /// Where the engine was.
    pub state: EngineState,
}

impl<H: Hal> Device<'_, H> {
    /// What stopped the first engine that was stopped since the device was opened.
    #[must_use]
    pub const fn first_hang(&self) -> Option<&HangReport> {
        self.first_hang.as_ref()
    }

    pub(super) fn is_in_reset(&self, engine: u8) -> bool {
        let unit = self.info.engines.get(usize::from(engine));
        self.reset.is_some_and(|reset| unit.is_some_and(|unit| reset.covers(unit)))
    }

    /// Looks whether engines that have work were stopped by an error: those that said so, or all of them.
    pub(super) fn look_for_errors(&mut self, said: u32, all: bool) -> Result<(), Error> {
        for engine in (0u8..).take(self.ports.len()) {
            let Some(unit) = self.info.engines.get(usize::from(engine)) else { continue };
            let Some(port) = self.ports.get(usize::from(engine)) else { continue };
            let works = !matches!(port.about(), Holder::Nobody | Holder::Idle);
            let asked = EngineMask(said).has(unit.id) || (all && works);
            if !asked || self.is_in_reset(engine) {
                continue;
            }
            let mut regs = Registers::on_tile(&mut self.hal, self.info.format(), unit.tile);
            if let Some(kind) = engine_error(&mut regs, unit)? {
                self.stop_engine(engine, kind)?;
            }
        }
        Ok(())
    }

    /// Nothing runs on the queue any more. Its context still has to leave its engine.
    pub(super) fn ban_queue(&mut self, handle: Handle<Queue>, engine: u8, kind: EngineErrorKind) {
        let Some(unit) = self.info.engines.get(usize::from(engine)) else { return };
        let error = EngineError { engine: unit.id, kind };
        let lead = self.pools.queues.get(handle).and_then(Queue::lead).unwrap_or(handle);
        let Some(queue) = self.pools.queues.get_mut(lead) else { return };
        let (vm, state) = (queue.vm, queue.state);
        if state == QueueState::Live {
            if let Some(exec) = queue.exec_mut() {
                exec.blame = Some(Error::Engine(error));
            }
            self.pools.set_queue_state(lead, QueueState::Banned);
        }
        let asid = self.pools.vms.get(vm).map(|vm| vm.asid);
        let mut regs = Registers::on_tile(&mut self.hal, self.info.format(), unit.tile);
        let state = EngineState::read(&mut regs, unit);
        self.keep_report(HangReport { error, tile: unit.tile, queue: Some(lead.id()), asid, state });
    }

    fn keep_report(&mut self, report: HangReport) {
        note!(error, "{}", report.error);
        self.first_hang = self.first_hang.or(Some(report));
    }

    /// Takes an engine away from whoever has it, by force.
    pub(super) fn stop_engine(&mut self, engine: u8, kind: EngineErrorKind) -> Result<(), Error> {
        let Some(unit) = self.info.engines.get(usize::from(engine)).copied() else { return Ok(()) };
        let Some(port) = self.ports.get(usize::from(engine)) else { return Ok(()) };
        if self.reset.is_some() {
            // One after another: this engine will still be in the same state.
            return Ok(());
        }
        match port.about() {
            Holder::Queue(queue) => self.ban_queue(queue, engine, kind),
            Holder::Migration => self.blame_page_table_job(engine, &unit, kind)?,
            Holder::Idle | Holder::Nobody => {}
        }
        self.reset = Some(EngineReset::begin(&mut self.hal, &self.info, &unit));
        Ok(())
    }

    /// The bind whose page-table job runs fails, and with it its VM (R56).
    fn blame_page_table_job(&mut self, engine: u8, unit: &Engine, kind: EngineErrorKind) -> Result<(), Error> {
        let error = EngineError { engine: unit.id, kind };
        let broken = Error::Engine(error);
        let Some(migration) = self.migrations.iter_mut().find(|own| own.engine == engine) else { return Err(broken) };
        let mut regs = Registers::on_tile(&mut self.hal, self.info.format(), unit.tile);
        let state = EngineState::read(&mut regs, unit);
        let report = HangReport { error, tile: unit.tile, queue: None, asid: None, state };
        let owner = migration.skip_oldest(&mut self.hal)?;
        if let Some(owner) = owner {
            self.pools.fail_bind(owner, broken);
        }
        self.keep_report(report);
        Ok(())
    }

    /// Moves a reset that is going on forward; whether it ended.
    ///
    /// # Errors
    /// If neither the engines nor the whole GT come back.
    pub(super) fn step_reset(&mut self) -> Result<bool, Error> {
        let Some(reset) = &mut self.reset else { return Ok(false) };
        let counts = !reset.is_wanted();
        let only = match reset.step(&mut self.hal, &self.info) {
            Ok(false) => return Ok(false),
            Ok(true) => Some(*reset),
            Err(Error::TimedOut) => {
                note!(error, "engines do not come back: all GTs are reset");
                gt::reset::full(&mut self.hal, &self.info);
                gt::restore(&mut self.hal, &self.info)?;
                self.tlb.flushed_by_reset();
                None
            }
            Err(error) => return Err(error),
        };
        self.reset = None;
        self.begin_anew(only, counts);
        Ok(true)
    }

    /// Everything was thrown off the engines of a reset, or off all: contexts that are to go on begin their oldest job
    /// anew. `counts`: against queues that are hit too often.
    pub(in crate::device) fn begin_anew(&mut self, reset: Option<EngineReset>, counts: bool) {
        for (engine, (port, unit)) in (0u8..).zip(self.ports.iter_mut().zip(&self.info.engines)) {
            if reset.is_some_and(|reset| !reset.covers(unit)) {
                continue;
            }
            port.idle.rewind(&self.info, &mut self.hal);
            for holder in [Some(port.holder), port.leaving].into_iter().flatten() {
                let lrc = match holder {
                    Holder::Queue(queue) => self.pools.hit(queue, self.now, counts),
                    Holder::Migration => {
                        self.migrations.iter_mut().find(|own| own.engine == engine).map(|own| &mut own.lrc)
                    }
                    Holder::Idle | Holder::Nobody => None,
                };
                if let Some(lrc) = lrc {
                    lrc.rewind(&self.info, &mut self.hal);
                }
            }
            port.forget();
        }
    }
}

impl Pools<'_> {
    /// Counts the reset against the queue, if it counts, and bans it if its oldest job has seen too many; its context. The
    /// queue is on no engine any more.
    fn hit(&mut self, handle: Handle<Queue>, now: Nanos, counts: bool) -> Option<&mut Lrc> {
        let queue = self.queues.get_mut(handle)?;
        let state = queue.state;
        let exec = queue.exec_mut()?;
        exec.watch.stopped(now);
        exec.hits = exec.hits.saturating_add(u8::from(counts && exec.lrc.is_busy()));
        if exec.hits >= MAX_HITS && state == QueueState::Live {
            self.set_queue_state(handle, QueueState::Banned);
        }
        self.wake(handle);
        self.had_its_turn(handle);
        self.queues.get_mut(handle).and_then(Queue::exec_mut).map(|exec| &mut exec.lrc)
    }

    /// The oldest bind of a queue cannot be carried out.
    fn fail_bind(&mut self, queue: Handle<Queue>, error: Error) {
        let job = self.queues.get(queue).and_then(|queue| queue.jobs.first());
        if let Some(link) = job.and_then(|job| self.jobs.get_mut(job))
            && let crate::exec::job::Work::Bind(work) = &mut link.value.work
        {
            work.failure = work.failure.or(Some(error));
        }
    }
}
