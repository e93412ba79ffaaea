//! Carrying out an accepted bind, once its turn has come.
//!
//! ```text
//!   dependencies met ──► staged ──► live entries stored ──► TLBs invalidated ──► over
//!                                   by the CPU, at once
//!                                   or by jobs on the copy engine, one for each change
//! ```
//!
//! On several tiles one job of the queue does all this for every tile, so that what waits for the job waits for all of
//! them, and a barrier holds on all (D22): no queue stands behind another. A change is staged on every tile before any
//! of its jobs is given to a copy engine, and one invalidation covers all tiles.
//!
//! Staging fills tables that nobody can reach; what it changes of live tables goes to a sink. When the CPU may store
//! these entries itself is decided when the call is accepted (R29); the result is the same.

use super::backings::{Backings, backings};
use crate::Error;
use crate::chain::LinkHandle;
use crate::device::Device;
use crate::device::objects::client::ClientId;
use crate::device::request::VmFlags;
use crate::exec::job::{BindWork, Job, Work};
use crate::exec::migration::EngineSink;
use crate::exec::queue::Queue;
use crate::gt::MAX_TILES;
use crate::mem::Defect;
use crate::mem::tlb::{AddressSpace, Invalidate, Remedy, Stale, TlbTicket, VmKind};
use crate::mem::tree::{CpuSink, Sink, Stage};
use crate::num::{low8, u64_of};
use crate::pool::Handle;
use crate::shares::Owner;
use crate::vm::apply::Removed;
use crate::vm::plan::TableChange;
use crate::vm::store::VmaStore;
use crate::vm::{Vm, VmState};
use barexe_hal::Hal;

/// Who stores the entries of live page tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableWriter {
    /// The CPU where it may (R29), else the copy engine, if that is the driver's own: on one that clients use, a batch
    /// that does not end would hold everybody's binds up.
    Auto,
    /// Always the CPU.
    Cpu,
    /// Always the copy engine, where there is one.
    Engine,
}

impl<H: Hal> Device<'_, H> {
    /// Moves the oldest bind of a queue forward; whether it is over.
    pub(in crate::device) fn step_bind(&mut self, queue: Handle<Queue>, job: LinkHandle<Job>) -> Result<bool, Error> {
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
            let has_way = |vm| self.has_tables(queue, vm, work) && self.has_way(vm, work);
            if !vm.is_none_or(has_way) {
                return Ok(false);
            }
            work.started = true;
            if !self.write_tables(queue, vm, work)? {
                return Ok(false);
            }
            work.written = true;
        }
        Ok(work.invalidation.is_none_or(|ticket| self.tlb.is_done(ticket)))
    }

    /// Brings all steps into the page tables and begins the invalidation they need; whether all are there.
    fn write_tables(
        &mut self,
        queue: Handle<Queue>,
        vm: Option<Handle<Vm>>,
        work: &mut BindWork,
    ) -> Result<bool, Error> {
        let Some(vm) = vm.filter(|vm| self.pools.vms.get(*vm).is_some()) else { return Ok(true) };
        if self.pools.vms.get(vm).is_some_and(|vm| vm.state == VmState::Banned) {
            // A change before this one has failed: what was accepted behind it makes nothing visible any more.
            work.failure = work.failure.or(Some(Error::Canceled));
        }
        if work.by_engine && !self.migrations.is_empty() {
            if !self.write_by_engine(queue, vm, work)? {
                return Ok(false);
            }
        } else if work.failure.is_none() {
            self.write_by_cpu(vm, work);
        } else {
            work.steps.all_done(&mut self.pools.steps);
        }
        work.failure = work.failure.or_else(|| self.injection.take_failure());
        let Some(found) = self.pools.vms.get_mut(vm) else { return Ok(true) };
        if work.failure.is_some() {
            // Nothing of this VM can be trusted: no address of it may lead anywhere from here on (R56).
            let mut sink = CpuSink::new(&mut self.hal);
            let format = &self.info.platform.family.pt;
            let mut stage = Stage::new(&mut self.pages, &mut work.reservation, format, &mut sink);
            found.state = VmState::Banned;
            for tree in &found.trees {
                let _ = tree.cut_off(&mut stage);
            }
            let stale = stage.finish();
            work.stale.absorb(&mut self.pages, stale);
        }
        let stale = core::mem::take(&mut work.stale);
        let asked = invalidate(found, stale, &mut self.tlb, work);
        if work.failure.is_some() {
            self.pools.kill_long_running(vm);
        }
        if asked {
            self.poll_tlb()?;
        }
        Ok(true)
    }

    // Out of line, as what follows: inlined into each other these take 3 KiB more of an image, and gain nothing.
    #[inline(never)]
    fn write_by_cpu(&mut self, vm: Handle<Vm>, work: &mut BindWork) {
        let pools = &mut self.pools;
        let Some(vm) = pools.vms.get_mut(vm) else { return };
        let mut sink = CpuSink::new(&mut self.hal);
        let format = &self.info.platform.family.pt;
        let mut done = Ok(());
        for tile in 0..self.info.tile_count() {
            let mut stage = Stage::new(&mut self.pages, &mut work.reservation, format, &mut sink);
            done = done.and(self.injection.tile_defect(tile).map_or(Ok(()), Err));
            for change in work.steps.changes(&pools.steps) {
                done = done.and_then(|()| {
                    let behind = backings!(pools);
                    stage_change(change, (vm, tile), &mut stage, &mut pools.vmas, behind)
                });
            }
            let stale = stage.finish();
            work.stale.absorb(&mut self.pages, stale);
        }
        work.failure = done.err().map(Error::from);
        work.steps.all_done(&mut pools.steps);
    }

    /// Puts a job for each change into the ring, as long as there is batch memory; whether all of them are over.
    fn write_by_engine(&mut self, queue: Handle<Queue>, vm: Handle<Vm>, work: &mut BindWork) -> Result<bool, Error> {
        let mut over = true;
        for own in &mut self.migrations {
            let written = own.completed(&mut self.hal)?;
            over &= work.last_job.is_none_or(|last| last.reached_by(written));
        }
        while let Some(next) = work.steps.next(&mut self.pools.steps)
            && work.failure.is_none()
        {
            if self.migrations.iter().any(|own| own.free_batch().is_none()) {
                return Ok(false);
            }
            over &= !self.write_change_by_engine(queue, vm, next, work)?;
            work.steps.done();
        }
        work.steps.all_done(&mut self.pools.steps);
        Ok(over)
    }

    /// Stages a change on every tile, then gives each tile its job, or none at all; whether there are jobs. Every tile has
    /// free batch memory.
    #[inline(never)]
    fn write_change_by_engine(
        &mut self,
        queue: Handle<Queue>,
        vm: Handle<Vm>,
        change: TableChange,
        work: &mut BindWork,
    ) -> Result<bool, Error> {
        let family = self.info.platform.family;
        let pools = &mut self.pools;
        let Some(vm) = pools.vms.get_mut(vm) else { return Ok(false) };
        let mut jobs = heapless::Vec::<_, MAX_TILES>::new();
        for (tile, own) in (0u8..).zip(&self.migrations) {
            let Some((free, batch)) = own.free_batch().and_then(|free| Some((free, own.begin(free)?))) else {
                continue;
            };
            let mut sink = EngineSink { dma: &mut self.hal, batch };
            let mut stage = Stage::new(&mut self.pages, &mut work.reservation, &family.pt, &mut sink);
            let behind = backings!(pools);
            let done = match self.injection.tile_defect(tile) {
                Some(defect) => Err(defect),
                None => stage_change(change, (vm, tile), &mut stage, &mut pools.vmas, behind),
            };
            let stale = stage.finish();
            work.stale.absorb(&mut self.pages, stale);
            let halves = done.and_then(|()| match sink.batch.is_empty() {
                true => Ok(None),
                false => Ok(Some(sink.batch.finish(&family.pt, family.pat.wb)?)),
            });
            match halves {
                // There are no more tiles than places.
                Ok(Some(halves)) => drop(jobs.push((free, halves))),
                Ok(None) => {}
                Err(defect) => {
                    work.failure = Some(defect.into());
                    return Ok(false);
                }
            }
        }
        if !jobs.is_empty() && jobs.len() != self.migrations.len() {
            work.failure = Some(Defect::Tile { tile: low8(u64_of(jobs.len())) }.into());
            return Ok(false);
        }
        for (own, (free, halves)) in self.migrations.iter_mut().zip(&jobs) {
            work.last_job = Some(own.submit(*free, *halves, queue, &mut self.hal)?);
        }
        Ok(!jobs.is_empty())
    }

    /// Frees what a bind that is over leaves behind, and lets its user fence be stored.
    pub(in crate::device) fn finish_bind(&mut self, client: ClientId, mut work: BindWork, succeeded: bool) {
        while let Some(Removed { part, whole, kept }) = work.steps.pop_removed(&mut self.pools.steps) {
            if !kept {
                self.unpin_part(&part);
            }
            if whole {
                self.release_vma(&part);
            }
        }
        work.steps.clear(&mut self.pools.steps);
        self.pages.unreserve(work.reservation);
        self.pages.release(work.dropped);
        if let (Some(fence), true) = (work.user_fence, succeeded) {
            self.user_fence_is_due(client, fence);
        } else if work.user_fence.is_some() {
            self.pools.user_fences.unreserve(Owner::of(client));
        }
    }
}

/// Stages one change on one tile.
#[inline(never)]
fn stage_change<S: Sink>(
    change: TableChange,
    (vm, tile): (&mut Vm, u8),
    stage: &mut Stage<'_, '_, S>,
    vmas: &mut VmaStore<'_>,
    behind: Backings<'_, '_>,
) -> Result<(), Defect> {
    let vma = match change {
        TableChange::Unbind(range) => return vm.tree(tile)?.unbind(stage, range).map(drop),
        TableChange::Bind(vma) => vma,
    };
    let bound = behind.bind(vm.tree(tile)?, stage, vmas, (&vma, false))?;
    vm.vmas.note_sizes(vmas, &vma, bound.sizes);
    Ok(())
}

/// Sees to it that no TLB goes on holding what a bind changed; whether an invalidation was asked for.
fn invalidate(vm: &mut Vm, stale: Stale, tlb: &mut impl Invalidate<Proof = TlbTicket>, work: &mut BindWork) -> bool {
    let kind = VmKind { scratch: vm.has_scratch(), long_running: vm.flags.contains(VmFlags::LR_MODE) };
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
