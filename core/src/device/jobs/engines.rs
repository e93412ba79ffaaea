//! Scheduling: which queue's context an engine runs next.
//!
//! Everything rests on three facts that hold on every platform: the busy bit of the submit port, the numbers that jobs
//! write, and the idle context, whose number proves that the context before it has left the engine. The context
//! status buffer is not used.
//!
//! ```text
//!   idle ──► a queue's context ──► has nothing left ──► the next one, or idle
//!                    │                                      ▲
//!                    └─ has to make room ──► idle on top ───┘ once the idle context has written its number
//!                                                 └──► it never does ──► the engine is reset
//! ```
//!
//! A context is never replaced by another queue's while it has something left: the idle context goes between them. So
//! when an engine hangs there is one queue that can be to blame.

use crate::Error;
use crate::device::Device;
use crate::device::request::VmFlags;
use crate::exec::lrc::Lrc;
use crate::exec::migration::Migrations;
use crate::exec::queue::{ExecPart, Queue, QueueState, Queues};
use crate::gt::Registers;
use crate::gt::reset::engine_error::EngineErrorKind;
use crate::pool::Handle;
use crate::submit::{Holder, Submission};
use barexe_hal::{Hal, Nanos};

/// How urgent a context is: its queue's priority, then whether it is its gang's turn.
type Rank = (u32, bool);

/// Page-table jobs go before every client's.
const KERNEL: Rank = (3, false);

/// What the scheduler wants of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// Nothing.
    Nothing,
    /// The context that was asked to leave is to be gone.
    Gone,
    /// The context that runs is to leave.
    Leave,
    /// The context that runs is to go on with what was put into its ring since.
    GoOn(Holder),
    /// Another context is to run; the last one has nothing left.
    Next(Holder),
    /// The last context, which has nothing left, is to be saved.
    Rest,
}

impl<H: Hal> Device<'_, H> {
    /// Moves one engine forward; whether something changed.
    ///
    /// # Errors
    /// [`Error::DeviceGone`], [`Error::DeviceBroken`].
    pub(super) fn step_port(&mut self, engine: u8) -> Result<bool, Error> {
        if self.is_in_reset(engine) {
            return Ok(false);
        }
        let settled = self.settle(engine)?;
        self.watch_job(engine);
        let wish = self.wish(engine);
        let moved = match wish {
            Wish::Nothing | Wish::Gone => false,
            Wish::Leave => self.is_taken_over(engine)? && self.go_idle(engine)?,
            Wish::GoOn(holder) => self.port_is_ready(engine)? && self.give(engine, holder, false)?,
            Wish::Next(next) => self.port_is_ready(engine)? && self.give(engine, next, true)?,
            Wish::Rest => self.port_is_ready(engine)? && self.go_idle(engine)?,
        };
        self.be_patient(engine, settled || moved, wish)?;
        Ok(settled || moved)
    }

    fn wish(&self, engine: u8) -> Wish {
        let Some(port) = self.ports.get(usize::from(engine)) else { return Wish::Nothing };
        match port.holder {
            Holder::Idle if port.leaving.is_some() => Wish::Gone,
            Holder::Nobody | Holder::Idle => self.next_context(engine).map_or(Wish::Nothing, Wish::Next),
            holder if self.is_running(engine, holder) && self.must_leave(engine, holder, port.since) => Wish::Leave,
            holder if self.is_running(engine, holder) && self.has_more(engine, holder) => Wish::GoOn(holder),
            holder if self.is_running(engine, holder) => Wish::Nothing,
            Holder::Migration | Holder::Queue(_) => self.next_context(engine).map_or(Wish::Rest, Wish::Next),
        }
    }

    /// Whether the running context is to make room: its queue is banned or gone, is suspended, or has to make way for
    /// queues of another mode; the device is to be suspended; something more urgent waits; or its time slice is over
    /// and something as urgent waits.
    fn must_leave(&self, engine: u8, holder: Holder, since: Nanos) -> bool {
        let Holder::Queue(handle) = holder else { return false };
        let Some(queue) = self.pools.queues.get(handle) else { return false };
        let Some(exec) = queue.exec() else { return false };
        let slice = Nanos::from_micros(u64::from(exec.properties.timeslice_us));
        let slice_is_over = self.now >= since.saturating_add(slice);
        let own = self.rank(handle, queue, exec);
        let waiting = || self.contender(engine, holder);
        self.resting
            || queue.state != QueueState::Live
            || self.must_make_way(engine, queue)
            || waiting().is_some_and(|(rank, _)| rank > own || (rank == own && slice_is_over))
    }

    fn rank(&self, handle: Handle<Queue>, queue: &Queue, exec: &ExecPart) -> Rank {
        (exec.properties.priority, self.turn.is_of(handle, queue))
    }

    /// Whether an engine may still touch the queue's context.
    fn is_held(&self, engine: u8, queue: Handle<Queue>) -> bool {
        self.ports.get(usize::from(engine)).is_some_and(|port| port.holds(queue))
    }

    /// Whether the engine is known to have taken its context over, so that another may be put on top of it. It has if it
    /// takes another, or if it has begun a job that it had not when the context was given. Both fail to tell of a context
    /// that goes on in the middle of a long job, where the busy bit stays set meanwhile: then the register that names the
    /// running context does, unless that has run before.
    fn is_taken_over(&mut self, engine: u8) -> Result<bool, Error> {
        let Some(port) = self.ports.get_mut(usize::from(engine)) else { return Ok(false) };
        let lrc = context(engine, port.holder, &mut port.idle, &mut self.pools.queues, &mut self.migrations);
        let Some(lrc) = lrc else { return Ok(false) };
        if port.fresh && lrc.has_started(port.proof, &mut self.hal) {
            return Ok(true);
        }
        let mut regs = Registers::on_tile(&mut self.hal, self.info.format(), port.tile);
        Ok(port.execlist.is_ready(&mut regs)? || !port.told && port.execlist.runs(&mut regs, lrc.addrs().pphwsp)?)
    }

    /// Notes whether the engine does what is wanted of it; one that has not for too long is reset.
    fn be_patient(&mut self, engine: u8, moved: bool, wish: Wish) -> Result<(), Error> {
        let limit = self.now.saturating_add(self.patience_with(engine));
        let Some(port) = self.ports.get_mut(usize::from(engine)) else { return Ok(()) };
        if moved || matches!(wish, Wish::Nothing | Wish::GoOn(_)) {
            port.stuck_at = None;
            return Ok(());
        }
        if self.now >= *port.stuck_at.get_or_insert(limit) {
            self.stop_engine(engine, EngineErrorKind::Stuck)?;
        }
        Ok(())
    }

    /// How long whoever has an engine may take until it leaves.
    fn patience_with(&self, engine: u8) -> Nanos {
        let holder = self.ports.get(usize::from(engine)).map(|port| port.holder);
        let Some(Holder::Queue(queue)) = holder else { return self.config.preempt_timeout };
        let exec = self.pools.queues.get(queue).and_then(Queue::exec);
        exec.map_or(self.config.preempt_timeout, |exec| exec.scheduling.preempt_timeout)
    }

    /// Counts the time of the job that runs; one that has had too much is taken off.
    fn watch_job(&mut self, engine: u8) {
        let Some(Holder::Queue(handle)) = self.ports.get(usize::from(engine)).map(|port| port.holder) else { return };
        let pools = &mut self.pools;
        let Some(queue) = pools.queues.get_mut(handle).filter(|queue| queue.state == QueueState::Live) else { return };
        let long_running = pools.vms.get(queue.vm).is_none_or(|vm| vm.flags.contains(VmFlags::LR_MODE));
        let Some(exec) = queue.exec_mut().filter(|exec| exec.lrc.is_busy() && !long_running) else { return };
        if exec.watch.running(exec.lrc.oldest_running(), self.now) >= exec.scheduling.job_timeout {
            self.ban_queue(handle, engine, EngineErrorKind::TimedOut);
        }
    }

    /// Notes that the context before the current one has left, once the current one has written its first number. One
    /// that goes on in the middle of a long job may write none for ever: if somebody waits, that it runs is enough.
    fn settle(&mut self, engine: u8) -> Result<bool, Error> {
        let Some(port) = self.ports.get_mut(usize::from(engine)) else { return Ok(false) };
        let Some(leaving) = port.leaving else { return Ok(false) };
        let (holder, proof) = (port.holder, port.proof);
        let lrc = context(engine, holder, &mut port.idle, &mut self.pools.queues, &mut self.migrations);
        let written = lrc.map(|lrc| lrc.completed(&mut self.hal)).transpose()?;
        let proven = written.is_some_and(|written| proof.reached_by(written))
            || self.is_waited_for(leaving) && holder != Holder::Idle && self.is_taken_over(engine)?;
        if proven {
            let gt = self.info.engines.get(usize::from(engine)).map_or(0, |engine| engine.gt);
            let Some(port) = self.ports.get_mut(usize::from(engine)) else { return Ok(false) };
            port.leaving = None;
            if let Holder::Queue(queue) = leaving {
                self.pools.wake(queue);
                if let Some(exec) = self.pools.queues.get_mut(queue).and_then(Queue::exec_mut) {
                    let clock = (exec.lrc.saved_clock(&mut self.hal), self.info.timestamp_hz(gt));
                    exec.watch.left(self.now, clock);
                }
            }
        }
        Ok(proven)
    }

    fn port_is_ready(&mut self, engine: u8) -> Result<bool, Error> {
        let Some(port) = self.ports.get(usize::from(engine)) else { return Ok(false) };
        let mut regs = Registers::on_tile(&mut self.hal, self.info.format(), port.tile);
        port.execlist.is_ready(&mut regs)
    }

    /// The ring of a client's queue or of the driver; the idle contexts' rings are of no interest here.
    fn ring_of(&self, engine: u8, holder: Holder) -> Option<&Lrc> {
        match holder {
            Holder::Nobody | Holder::Idle => None,
            Holder::Migration => self.migrations.iter().find(|own| own.engine == engine).map(|own| &own.lrc),
            Holder::Queue(queue) => self.pools.queues.get(queue).and_then(Queue::exec).map(|exec| &exec.lrc),
        }
    }

    /// Whether jobs of the context are in its ring and not over.
    fn is_running(&self, engine: u8, holder: Holder) -> bool {
        self.ring_of(engine, holder).is_some_and(Lrc::is_busy)
    }

    /// Whether jobs are in the ring that the engine was not told of.
    fn has_more(&self, engine: u8, holder: Holder) -> bool {
        self.ring_of(engine, holder).is_some_and(Lrc::has_unsubmitted)
    }

    /// The next context of this engine.
    fn next_context(&self, engine: u8) -> Option<Holder> {
        self.contender(engine, Holder::Nobody).map(|(_, next)| next)
    }

    /// The most urgent context beside `but` that has unfinished jobs in its ring, and its priority. Page tables come
    /// first, for work waits for them; of queues as urgent as each other the one whose turn it is.
    fn contender(&self, engine: u8, but: Holder) -> Option<(Rank, Holder)> {
        if but != Holder::Migration && self.is_running(engine, Holder::Migration) {
            return Some((KERNEL, Holder::Migration));
        }
        if self.resting {
            return None;
        }
        let class = self.info.engines.get(usize::from(engine))?.class;
        let may_run = |(handle, queue): (Handle<Queue>, &Queue)| {
            let exec = queue.exec().filter(|_| Holder::Queue(handle) != but && queue.is_ready())?;
            let is_free = exec.engine == engine || !self.is_held(exec.engine, handle);
            let may_run = exec.placements.has(engine) && is_free && self.may_have_engine(engine, queue);
            may_run.then(|| (self.rank(handle, queue, exec), Holder::Queue(handle)))
        };
        let next = self.pools.ready_queues(class).find_map(may_run);
        let of_gang = self.queues_in_turn().find_map(may_run);
        if of_gang.is_some_and(|(rank, _)| next.is_none_or(|(other, _)| rank > other)) { of_gang } else { next }
    }

    /// Gives the engine a context. `switches`: it runs another one now.
    fn give(&mut self, engine: u8, next: Holder, switches: bool) -> Result<bool, Error> {
        let ids = &self.info.platform.family.lrc.descriptor;
        if let Holder::Queue(queue) = next
            && let Some(exec) = self.pools.queues.get_mut(queue).and_then(Queue::exec_mut)
            && exec.engine != engine
        {
            exec.lrc.move_to(engine, &self.info, &mut self.hal);
            exec.engine = engine;
        }
        let Some(port) = self.ports.get_mut(usize::from(engine)) else { return Ok(false) };
        let lrc = context(engine, next, &mut port.idle, &mut self.pools.queues, &mut self.migrations);
        let Some(lrc) = lrc else { return Ok(false) };
        port.proof = lrc.completed(&mut self.hal)?.next();
        port.fresh = !lrc.has_started(port.proof, &mut self.hal);
        port.told = !switches;
        if switches {
            port.leaving = left_behind(port.holder, port.leaving).filter(|before| *before != next);
            port.since = self.now;
            if port.holder != next {
                port.context_id = ids.next_id(port.context_id);
                lrc.set_context_id(port.context_id);
            }
            port.holder = next;
        }
        let descriptor = lrc.publish_tail(&mut self.hal, &self.info);
        let mut regs = Registers::on_tile(&mut self.hal, self.info.format(), port.tile);
        port.execlist.submit(&mut regs, port.status_page.1.addr(), descriptor);
        if let Holder::Queue(queue) = next {
            self.pools.wake(queue);
            self.pools.has_its_turn(queue);
        }
        Ok(true)
    }

    /// Lets the idle context take over, so that the last queue's context is saved and leaves the engine.
    fn go_idle(&mut self, engine: u8) -> Result<bool, Error> {
        let Some(class) = self.info.engines.get(usize::from(engine)).map(|engine| engine.class) else {
            return Ok(false);
        };
        let family = self.info.platform.family;
        let Some(port) = self.ports.get_mut(usize::from(engine)) else { return Ok(false) };
        if matches!(port.holder, Holder::Nobody | Holder::Idle) {
            return Ok(false);
        }
        port.idle.completed(&mut self.hal)?;
        let Some(marker) = port.idle.emit_marker(&family.ring, class, &mut self.hal)? else { return Ok(false) };
        // Nothing else is in the idle ring, so its room up to here is free once the marker is written.
        port.idle.retire(marker);
        let leaving = port.holder;
        port.leaving = Some(leaving);
        port.holder = Holder::Idle;
        port.proof = marker.seqno;
        port.since = self.now;
        let descriptor = port.idle.publish_tail(&mut self.hal, &self.info);
        let mut regs = Registers::on_tile(&mut self.hal, self.info.format(), port.tile);
        port.execlist.submit(&mut regs, port.status_page.1.addr(), descriptor);
        if let Holder::Queue(queue) = leaving {
            self.pools.had_its_turn(queue);
        }
        Ok(true)
    }
}

/// What may still be being saved when another context takes an engine over.
const fn left_behind(holder: Holder, leaving: Option<Holder>) -> Option<Holder> {
    match holder {
        Holder::Nobody | Holder::Idle => leaving,
        Holder::Migration | Holder::Queue(_) => Some(holder),
    }
}

/// The context a holder names on an engine.
fn context<'x>(
    engine: u8,
    holder: Holder,
    idle: &'x mut Lrc,
    queues: &'x mut Queues<'_>,
    migrations: &'x mut Migrations,
) -> Option<&'x mut Lrc> {
    match holder {
        Holder::Nobody => None,
        Holder::Idle => Some(idle),
        Holder::Migration => migrations.iter_mut().find(|own| own.engine == engine).map(|own| &mut own.lrc),
        Holder::Queue(queue) => queues.get_mut(queue).and_then(Queue::exec_mut).map(|exec| &mut exec.lrc),
    }
}
