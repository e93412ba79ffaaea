//! Moving accepted work forward.
//!
//! Everything that happens after a call was accepted happens here, driven by [`Device::poll`]: numbers the GPU wrote
//! are looked at, fences signal, what waited for them starts. No step waits; each moves something that can move, and
//! the loop ends when nothing does.

use crate::Error;
use crate::device::{Device, DeviceState};
use crate::exec::job::Work;
use crate::exec::queue::{Queue, QueueKind, QueueState, Role};
use crate::gt::{self, IrqReport, Registers};
use crate::pool::Handle;
use crate::submit::Submission;
use crate::vm::VmState;
use barexe_hal::{Hal, Nanos};

/// How long a busy device may go without being asked for a sign of life.
const LOOK_AGAIN: Nanos = Nanos::from_millis(1);

/// What one [`Device::poll`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PollReport {
    /// Something moved.
    pub moved: bool,
    /// Accepted work is left.
    pub busy: bool,
    /// What the interrupt said, if one was recorded.
    pub interrupt: Option<IrqReport>,
}

impl<H: Hal> Device<'_, H> {
    /// Moves everything forward that can move. Never waits.
    ///
    /// A device that turns out to be gone or broken is noted in [`state`](Self::state); every fence then signals with
    /// an error.
    pub fn poll(&mut self) -> PollReport {
        let mut report = PollReport::default();
        if self.state == DeviceState::Live {
            self.now = self.hal.now();
            self.take_turns();
            let due = self.is_look_due();
            report.interrupt = self.look_at_interrupt(due);
            let said = report.interrupt.map_or(0, |interrupt| interrupt.error);
            let alive = self.look_alive(due).and_then(|()| self.look_for_errors(said, due));
            match alive.and_then(|()| self.move_all()) {
                Ok(moved) => report.moved = moved,
                Err(error) => self.fail(error),
            }
            self.now = Nanos::ZERO;
        }
        self.forget_clients();
        report.busy = self.pools.jobs.live() > 0;
        report
    }

    /// Whether anything accepted is not over, or anything destroyed is not freed.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let pools = &self.pools;
        let dying = || {
            pools.queues.iter().any(|(_, queue)| queue.state == QueueState::Destroyed)
                || pools.vms.iter().any(|(_, vm)| vm.state == VmState::Closed)
        };
        let settled = || self.reset.is_none() && self.ports.iter().all(|port| port.leaving.is_none());
        pools.jobs.live() == 0 && settled() && !dying()
    }

    /// Page tables in use, of all address spaces together: for reports, and for tests that look for lost ones.
    #[must_use]
    pub const fn tables_in_use(&self) -> u32 {
        self.pages.tables_in_use()
    }

    /// Whether a busy device has not been looked at for a while.
    fn is_look_due(&mut self) -> bool {
        let due = self.now >= self.next_look && !self.is_quiet();
        if due {
            self.next_look = self.now.saturating_add(LOOK_AGAIN);
        }
        due
    }

    /// Serves an interrupt that was recorded. One may have been lost on the way, and the device sends no other before
    /// it is served: so now and then as if one had come.
    fn look_at_interrupt(&mut self, due: bool) -> Option<IrqReport> {
        let flag = self.irq?;
        if flag.take() == 0 && !due {
            return None;
        }
        let report = gt::irq::service(&mut self.hal, &self.info);
        if report.gone {
            self.fail(Error::DeviceGone);
        }
        Some(report)
    }

    /// Reads a register of a busy device now and then: one that is gone raises no interrupt and writes no number, so
    /// nothing else would ever tell.
    fn look_alive(&mut self, due: bool) -> Result<(), Error> {
        if !due {
            return Ok(());
        }
        let Some(port) = self.ports.get(0) else { return Ok(()) };
        port.execlist.is_ready(&mut Registers::on_tile(&mut self.hal, self.info.format(), port.tile)).map(drop)
    }

    fn move_all(&mut self) -> Result<bool, Error> {
        let mut moved_any = false;
        loop {
            let mut moved = self.poll_tlb()?;
            moved |= self.step_reset()?;
            moved |= self.step_queues()?;
            moved |= self.step_modes();
            for engine in (0u8..).take(self.ports.len()) {
                moved |= self.step_port(engine)?;
            }
            moved |= self.step_user_ranges();
            for position in 0..self.pools.vms.positions() {
                if let Some(vm) = self.pools.vms.handle_at(position) {
                    moved |= self.release_dropped_of(vm);
                    moved |= self.resume_vm(vm);
                    moved |= self.tear_down_vm(vm);
                }
            }
            if !moved {
                #[cfg(debug_assertions)]
                self.check_sleepers()?;
                return Ok(moved_any);
            }
            moved_any = true;
        }
    }

    /// Moves TLB invalidation forward; whether a round finished.
    pub(in crate::device) fn poll_tlb(&mut self) -> Result<bool, Error> {
        if self.tlb.is_idle() {
            return Ok(false);
        }
        let before = self.tlb.deadline();
        let now = self.hal.now();
        self.tlb.poll(&mut self.hal, now)?;
        Ok(self.tlb.deadline() != before)
    }

    /// Moves the oldest and the next job of a queue; whether something moved. A member of a gang moves with its lead.
    pub(super) fn step_queue(&mut self, queue: Handle<Queue>) -> Result<bool, Error> {
        if self.pools.queues.get(queue).is_some_and(|queue| queue.lead().is_some()) {
            return Ok(false);
        }
        let mut moved = false;
        while self.finish_oldest(queue)? {
            moved = true;
        }
        while self.emit_next(queue)? {
            moved = true;
        }
        Ok(self.bury(queue) || moved)
    }

    /// Finishes the queue's oldest job if it is over; whether it was.
    fn finish_oldest(&mut self, queue: Handle<Queue>) -> Result<bool, Error> {
        let on_an_engine = self.is_on_an_engine(queue);
        let pools = &mut self.pools;
        let Some(found) = pools.queues.get_mut(queue) else { return Ok(false) };
        let Some(oldest) = found.jobs.first() else { return Ok(false) };
        let state = found.state;
        let Some(job) = pools.jobs.get_mut(oldest).map(|link| &mut link.value) else { return Ok(false) };
        let is_batch = matches!(job.work, Work::Batch { .. });
        let over = match &mut job.work {
            Work::Barrier => job.wait.are_met(&mut pools.dependencies, &pools.timelines).then_some(None),
            Work::Batch { emitted: None, .. } => (state != QueueState::Live).then_some(Some(Error::Canceled)),
            Work::Batch { emitted: Some(emitted), .. } => {
                let emitted = *emitted;
                let Some(exec) = found.exec_mut() else { return Ok(false) };
                // A context that is on no engine writes no number: one look after it has left sees its last one.
                let may_have_written = on_an_engine || exec.was_on_an_engine || state != QueueState::Live;
                exec.was_on_an_engine = on_an_engine;
                let written = if may_have_written { exec.lrc.completed(&mut self.hal)? } else { exec.lrc.seen() };
                let done = emitted.seqno.reached_by(written);
                if done {
                    exec.lrc.retire(emitted);
                    exec.hits = 0;
                    Some(None)
                } else if state != QueueState::Live && !on_an_engine {
                    // Off its engine, and never to return.
                    Some(Some(exec.blame.take().unwrap_or(Error::Canceled)))
                } else {
                    None
                }
            }
            Work::Bind(_) => self.step_bind(queue, oldest)?.then_some(None),
        };
        if let Some(error) = over {
            if is_batch {
                self.pools.finish_parts(queue, &mut self.hal)?;
            }
            self.finish(queue, error);
        }
        Ok(over.is_some())
    }

    /// Takes the oldest job out and signals its fence.
    fn finish(&mut self, queue: Handle<Queue>, error: Option<Error>) {
        let Some(found) = self.pools.queues.get_mut(queue) else { return };
        let (client, vm, timeline) = (found.client, found.vm, found.timeline);
        let Some(mut job) = found.pop(&mut self.pools.jobs) else { return };
        job.wait.clear(&mut self.pools.dependencies);
        let failure = if let Work::Bind(work) = &job.work { work.failure } else { None };
        let error = error.or(failure);
        self.pools.signal(timeline, job.point, error);
        if let Work::Bind(work) = job.work {
            self.pools.end_suspension(vm, &work);
            self.finish_bind(client, work, error.is_none());
        }
    }

    /// Puts the queue's next job into its ring if it may start; whether something moved.
    fn emit_next(&mut self, queue: Handle<Queue>) -> Result<bool, Error> {
        let family = self.info.platform.family;
        let pools = &mut self.pools;
        let Some(found) = pools.queues.get_mut(queue) else { return Ok(false) };
        let (vm, live) = (pools.vms.get(found.vm), found.state == QueueState::Live);
        let Some(exec) = found.exec_mut() else { return Ok(false) };
        let Some(next) = exec.next_to_emit.filter(|_| !exec.lrc.is_full()) else { return Ok(false) };
        let after = crate::exec::job::Jobs::after(&pools.jobs, next);
        let Some(job) = pools.jobs.get_mut(next).map(|link| &mut link.value) else { return Ok(false) };
        if !job.wait.are_met(&mut pools.dependencies, &pools.timelines) {
            return Ok(false);
        }
        if let Work::Batch { batch, user_fence, .. } = &job.work {
            let (class, Some(vm), true) = (exec.class, vm, live) else { return Ok(false) };
            let flush = vm.has_scratch() || vm.ring_flush.is_due(exec.flushed);
            let request = crate::exec::lrc::BatchRequest { batch: *batch, user_fence: *user_fence, flush_tlb: flush };
            let mark = vm.ring_flush.mark();
            let done = match exec.role {
                Role::Lead(_) => pools.emit_parts(queue, (&family.ring, class), &request, &mut self.hal)?,
                Role::Alone | Role::Member(_) => exec.lrc.emit(&family.ring, class, &request, &mut self.hal)?,
            };
            let Some(done) = done else { return Ok(false) };
            self.pools.note_emitted(queue, next, done, mark);
            return Ok(true);
        }
        exec.next_to_emit = after;
        Ok(true)
    }

    /// Frees a destroyed queue once nothing of it is left and no engine can touch its context.
    fn bury(&mut self, handle: Handle<Queue>) -> bool {
        let Some(queue) = self.pools.queues.get(handle) else { return false };
        let vm_closed = || self.pools.vms.get(queue.vm).is_none_or(|vm| vm.state == VmState::Closed);
        let wanted = queue.state == QueueState::Destroyed || (queue.hidden && vm_closed());
        if queue.lead().is_some() || !wanted || queue.live_jobs > 0 || self.is_on_an_engine(handle) {
            return false;
        }
        self.free_queue(handle);
        true
    }

    /// Frees a queue and its members.
    pub(in crate::device) fn free_queue(&mut self, handle: Handle<Queue>) {
        while let Some(member) = self.pools.queues.get_mut(handle).and_then(Queue::pop_member) {
            self.free_context(member);
        }
        self.free_context(handle);
    }

    fn free_context(&mut self, handle: Handle<Queue>) {
        let Some(queue) = self.pools.remove_queue(handle) else { return };
        if queue.lead().is_none() {
            if let Some(timeline) = self.pools.timelines.get(queue.timeline) {
                let record = timeline.record();
                self.pools.note_failure(queue.client, (queue.timeline, record));
            }
            self.pools.end_timeline(queue.timeline);
        }
        if let Some(vm) = self.pools.vms.get_mut(queue.vm) {
            vm.queues = vm.queues.saturating_sub(1);
        }
        if let QueueKind::Exec(exec) = queue.kind {
            self.count_last_ticks(queue.client, &exec);
            exec.lrc.free(&mut self.ggtt, &mut self.hal);
        }
    }

    /// The device is of no more use: every fence signals with `error`, later calls are refused.
    pub(in crate::device) fn fail(&mut self, error: Error) {
        self.state = if error == Error::DeviceGone { DeviceState::Gone } else { DeviceState::Wedged };
        crate::trace::note!(error, "device given up, all work is signalled: {}", error);
        for position in 0..self.pools.queues.positions() {
            let Some(queue) = self.pools.queues.handle_at(position) else { continue };
            while self.pools.queues.get(queue).is_some_and(|queue| queue.live_jobs > 0) {
                self.abandon_oldest(queue, error);
            }
        }
    }

    /// Signals the oldest job with an error. What a bind of it still holds stays until the device is closed: the
    /// device may reach it.
    fn abandon_oldest(&mut self, queue: Handle<Queue>, error: Error) {
        let Some(found) = self.pools.queues.get_mut(queue) else { return };
        let timeline = found.timeline;
        let Some(mut job) = found.pop(&mut self.pools.jobs) else { return };
        job.wait.clear(&mut self.pools.dependencies);
        self.pools.signal(timeline, job.point, Some(error));
        if let Work::Bind(mut work) = job.work {
            work.steps.clear(&mut self.pools.steps);
        }
    }
}
