//! Moving accepted work forward.
//!
//! Everything that happens after a call was accepted happens here, driven by [`Device::poll`]: numbers the GPU wrote
//! are looked at, fences signal, what waited for them starts. No step waits; each moves something that can move, and
//! the loop ends when nothing does.

use super::request::VmFlags;
use super::{Device, DeviceState};
use crate::Error;
use crate::chain::LinkHandle;
use crate::exec::job::{BindWork, Job, Work};
use crate::exec::queue::{Queue, QueueKind, QueueState};
use crate::gt::{self, IrqReport};
use crate::mem::Defect;
use crate::mem::bo::Bo;
use crate::mem::tlb::{AddressSpace, Invalidate, Remedy, Stale, TlbTicket, VmKind};
use crate::mem::tree::{CpuSink, Mapping, PageTree, Segment, Sink, Stage};
use crate::pool::Handle;
use crate::sync::fence::Fence;
use crate::vm::bind::Step;
use crate::vm::vma::{Vma, VmaBacking};
use crate::vm::{Vm, VmState};
use barexe_hal::Hal;

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
            report.interrupt = self.look_at_interrupt();
            match self.move_all() {
                Ok(moved) => report.moved = moved,
                Err(error) => self.fail(error),
            }
        }
        report.busy = self.pools.jobs.live() > 0;
        report
    }

    /// Whether anything accepted is not over, or anything destroyed is not freed.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let dying = self.pools.queues.iter().any(|(_, queue)| queue.state == QueueState::Destroyed);
        self.pools.jobs.live() == 0 && !dying && self.ports.iter().all(|port| port.leaving.is_none())
    }

    fn look_at_interrupt(&mut self) -> Option<IrqReport> {
        let recorded = self.irq.map_or(0, gt::IrqFlag::take);
        if recorded == 0 {
            return None;
        }
        let report = gt::irq::service(&mut self.hal, &self.info);
        if report.gone {
            self.fail(Error::DeviceGone);
        }
        Some(report)
    }

    fn move_all(&mut self) -> Result<bool, Error> {
        let mut moved_any = false;
        loop {
            let mut moved = self.poll_tlb()?;
            for position in 0..self.pools.queues.positions() {
                if let Some(queue) = self.pools.queues.handle_at(position) {
                    moved |= self.step_queue(queue)?;
                }
            }
            for engine in (0u8..).take(self.ports.len()) {
                moved |= self.step_port(engine)?;
            }
            for position in 0..self.pools.vms.positions() {
                if let Some(vm) = self.pools.vms.handle_at(position) {
                    moved |= self.tear_down_vm(vm);
                }
            }
            if !moved {
                return Ok(moved_any);
            }
            moved_any = true;
        }
    }

    /// Moves TLB invalidation forward; whether a round finished.
    fn poll_tlb(&mut self) -> Result<bool, Error> {
        if self.tlb.is_idle() {
            return Ok(false);
        }
        let before = self.tlb.deadline();
        let now = self.hal.now();
        self.tlb.poll(&mut self.hal, now)?;
        Ok(self.tlb.deadline() != before)
    }

    fn step_queue(&mut self, queue: Handle<Queue>) -> Result<bool, Error> {
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
        let pools = &mut self.pools;
        let Some(found) = pools.queues.get_mut(queue) else { return Ok(false) };
        let Some(oldest) = found.jobs.first() else { return Ok(false) };
        let state = found.state;
        let Some(job) = pools.jobs.get_mut(oldest).map(|link| &mut link.value) else { return Ok(false) };
        let over = match &mut job.work {
            Work::Barrier => job.wait.are_met(&mut pools.dependencies, &pools.timelines).then_some(None),
            Work::Batch { emitted: None, .. } => (state != QueueState::Live).then_some(Some(Error::Canceled)),
            Work::Batch { emitted: Some(emitted), .. } => {
                let emitted = *emitted;
                let Some(exec) = found.exec_mut() else { return Ok(false) };
                let done = emitted.seqno.reached_by(exec.lrc.completed(&mut self.hal)?);
                if done {
                    exec.lrc.retire(emitted);
                }
                done.then_some(None)
            }
            Work::Bind(_) => self.step_bind(queue, oldest)?.then_some(None),
        };
        if let Some(error) = over {
            self.finish(queue, error);
        }
        Ok(over.is_some())
    }

    /// Takes the oldest job out and signals its fence.
    fn finish(&mut self, queue: Handle<Queue>, error: Option<Error>) {
        let Some(found) = self.pools.queues.get_mut(queue) else { return };
        let (client, timeline) = (found.client, found.timeline);
        let Some(mut job) = found.pop(&mut self.pools.jobs) else { return };
        job.wait.clear(&mut self.pools.dependencies);
        let failure = if let Work::Bind(work) = &job.work { work.failure } else { None };
        let error = error.or(failure);
        if let Some(timeline) = self.pools.timelines.get_mut(timeline) {
            timeline.signal(job.point, error);
        }
        if let Work::Bind(work) = job.work {
            self.finish_bind(client, Fence { timeline, point: job.point }, work, error.is_none());
        }
    }

    /// Frees what a bind that is over leaves behind, and lets its user fence be stored.
    fn finish_bind(&mut self, client: super::ClientId, fence: Fence, mut work: BindWork, succeeded: bool) {
        while let Some(Step::Remove(vma)) = work.removed.pop(&mut self.pools.steps) {
            self.free_vma(vma);
        }
        work.steps.clear(&mut self.pools.steps);
        self.pages.unreserve(work.reservation);
        self.pages.release(work.dropped);
        if let (Some(write), true) = (work.user_fence, succeeded) {
            self.user_fence_is_due(client, fence, write);
        } else if work.user_fence.is_some() {
            self.user_fences_reserved = self.user_fences_reserved.saturating_sub(1);
        }
    }

    /// Moves the oldest bind of a queue forward; whether it is over.
    fn step_bind(&mut self, queue: Handle<Queue>, job: LinkHandle<Job>) -> Result<bool, Error> {
        let Some(mut work) = self.take_bind(job) else { return Ok(false) };
        let result = self.carry_out(queue, job, &mut work);
        if let Some(link) = self.pools.jobs.get_mut(job) {
            link.value.work = Work::Bind(work);
        }
        result
    }

    /// Takes a bind's work out of its job while it is worked on.
    fn take_bind(&mut self, job: LinkHandle<Job>) -> Option<BindWork> {
        let link = self.pools.jobs.get_mut(job)?;
        match core::mem::replace(&mut link.value.work, Work::Barrier) {
            Work::Bind(work) => Some(work),
            other @ (Work::Barrier | Work::Batch { .. }) => {
                link.value.work = other;
                None
            }
        }
    }

    fn carry_out(&mut self, queue: Handle<Queue>, job: LinkHandle<Job>, work: &mut BindWork) -> Result<bool, Error> {
        if !work.written {
            let pools = &mut self.pools;
            let Some(link) = pools.jobs.get_mut(job) else { return Ok(false) };
            if !link.value.wait.are_met(&mut pools.dependencies, &pools.timelines) {
                return Ok(false);
            }
            let vm = pools.queues.get(queue).map(|queue| queue.vm);
            work.written = true;
            if let Some(vm) = vm {
                self.write_steps(vm, work)?;
            }
        }
        Ok(work.invalidation.is_none_or(|ticket| self.tlb.is_done(ticket)))
    }

    /// Writes the page-table entries of all steps, and begins the invalidation they need.
    fn write_steps(&mut self, vm: Handle<Vm>, work: &mut BindWork) -> Result<(), Error> {
        let pools = &mut self.pools;
        let Some(vm) = pools.vms.get_mut(vm) else { return Ok(()) };
        let mut sink = CpuSink::new(&mut self.hal);
        let format = &self.info.platform.family.pt;
        let mut stage = Stage::new(&mut self.pages, &mut work.reservation, format, &mut sink);
        let mut done = Ok(());
        while let Some(step) = work.steps.pop(&mut pools.steps) {
            let (Step::Remove(vma) | Step::Insert(vma, _)) = step;
            if let (Some(found), Ok(())) = (pools.vmas.get(vma), done) {
                done = match step {
                    Step::Remove(_) => vm.tree.unbind(&mut stage, found.range).map(drop),
                    Step::Insert(..) => insert(&vm.tree, &mut stage, found, &pools.bos, &pools.bo_blocks),
                };
            }
            if let Step::Remove(_) = step {
                // The slot of the step that was just taken is free, so this finds room.
                let _ = work.removed.push(&mut pools.steps, step);
            }
        }
        if let Err(defect) = done {
            // Nothing of this VM can be trusted: no address of it may lead anywhere from here on (R56).
            work.failure = Some(defect.into());
            vm.state = VmState::Banned;
            let _ = vm.tree.cut_off(&mut stage);
        }
        let stale = stage.finish();
        if invalidate(vm, stale, &mut self.tlb, work) { self.poll_tlb().map(drop) } else { Ok(()) }
    }

    /// Puts the queue's next job into its ring if it may start; whether something moved.
    fn emit_next(&mut self, queue: Handle<Queue>) -> Result<bool, Error> {
        let family = self.info.platform.family;
        let pools = &mut self.pools;
        let Some(found) = pools.queues.get_mut(queue) else { return Ok(false) };
        let (vm, live) = (pools.vms.get(found.vm), found.state == QueueState::Live);
        let Some(exec) = found.exec_mut() else { return Ok(false) };
        let Some(next) = exec.next_to_emit else { return Ok(false) };
        let after = crate::exec::job::Jobs::after(&pools.jobs, next);
        let Some(job) = pools.jobs.get_mut(next).map(|link| &mut link.value) else { return Ok(false) };
        if !job.wait.are_met(&mut pools.dependencies, &pools.timelines) {
            return Ok(false);
        }
        if let Work::Batch { batch, user_fence, emitted } = &mut job.work {
            let class = self.info.engines.get(usize::from(exec.engine)).map(|engine| engine.class);
            let (Some(class), Some(vm), true) = (class, vm, live) else { return Ok(false) };
            let flush = vm.tree.has_scratch() || vm.ring_flush.is_due(exec.flushed);
            let request = crate::exec::lrc::BatchRequest { batch: *batch, user_fence: *user_fence, flush_tlb: flush };
            let Some(done) = exec.lrc.emit(&family.ring, class, &request, &mut self.hal)? else { return Ok(false) };
            *emitted = Some(done);
            exec.flushed = vm.ring_flush.mark();
        }
        exec.next_to_emit = after;
        Ok(true)
    }

    /// Frees a destroyed queue once nothing of it is left and no engine can touch its context.
    fn bury(&mut self, handle: Handle<Queue>) -> bool {
        let Some(queue) = self.pools.queues.get(handle) else { return false };
        let vm_closed = self.pools.vms.get(queue.vm).is_none_or(|vm| vm.state == VmState::Closed);
        let wanted = queue.state == QueueState::Destroyed || (queue.hidden && vm_closed);
        let held = self.ports.iter().any(|port| port.holds(handle));
        if !wanted || queue.live_jobs > 0 || held {
            return false;
        }
        self.free_queue(handle);
        true
    }

    pub(super) fn free_queue(&mut self, handle: Handle<Queue>) {
        let Some(queue) = self.pools.queues.remove(handle) else { return };
        self.pools.timelines.remove(queue.timeline);
        if let Some(vm) = self.pools.vms.get_mut(queue.vm) {
            vm.queues = vm.queues.saturating_sub(1);
        }
        if let QueueKind::Exec(exec) = queue.kind {
            exec.lrc.free(&mut self.ggtt, &mut self.hal);
        }
    }

    /// The device is of no more use: every fence signals with `error`, later calls are refused.
    pub(super) fn fail(&mut self, error: Error) {
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
        if let Some(timeline) = self.pools.timelines.get_mut(timeline) {
            timeline.signal(job.point, Some(error));
        }
        if let Work::Bind(mut work) = job.work {
            work.steps.clear(&mut self.pools.steps);
            work.removed.clear(&mut self.pools.steps);
        }
    }
}

fn insert<S: Sink>(
    tree: &PageTree,
    stage: &mut Stage<'_, '_, S>,
    vma: &Vma,
    bos: &crate::Pool<'_, Bo>,
    blocks: &crate::mem::bo::BlockPool<'_>,
) -> Result<(), Defect> {
    let (range, attributes, rebind) = (vma.range, vma.attributes(), false);
    match vma.backing {
        VmaBacking::Null => {
            let backing = core::iter::once(Segment::Null);
            tree.bind(stage, Mapping { range, backing, attributes, rebind }).map(drop)
        }
        VmaBacking::Bo { bo, offset_bytes } => {
            let bo = bos.get(bo).ok_or(Defect::Backing { va: range.start })?;
            let backing = bo.cursor(blocks, offset_bytes);
            tree.bind(stage, Mapping { range, backing, attributes, rebind }).map(drop)
        }
    }
}

/// Sees to it that no TLB goes on holding what a bind changed; whether an invalidation was asked for.
fn invalidate(vm: &mut Vm, stale: Stale, tlb: &mut impl Invalidate<Proof = TlbTicket>, work: &mut BindWork) -> bool {
    let kind = VmKind { scratch: vm.tree.has_scratch(), long_running: vm.flags.contains(VmFlags::LR_MODE) };
    let (space, remedy) = (AddressSpace::new(vm.asid), stale.remedy(kind));
    if remedy == Remedy::Nothing {
        // Nothing was dropped: the remedy would be another.
        return stale.is_settled().is_err();
    }
    // Jobs of this VM that come later flush in any case: registers that no source confirms are not all they rely on.
    stale.also(&mut vm.ring_flush, space);
    if remedy == Remedy::Now {
        let retired = stale.invalidate(tlb, space);
        work.invalidation = Some(retired.proof);
        work.dropped = retired.dropped;
        return true;
    }
    stale.is_settled().is_err()
}
