//! The exec call.
//!
//! Order of the checks: bind-and-exec sheet §3.5.

use super::syncs::{CallSyncs, SyncRules, gpu_va};
use crate::device::binds::repin::Repin;
use crate::device::objects::client::ClientId;
use crate::device::request::{ExecCall, Source, SyncEntry, VmFlags};
use crate::device::{Device, Pools, Ticket};
use crate::exec::job::{Job, Work};
use crate::exec::lrc::RING_JOBS;
use crate::exec::queue::{Queue, QueueState};
use crate::pool::Handle;
use crate::ring::gang::MEMBERS_MAX;
use crate::shares::Owner;
use crate::sync::fence::{Fence, Timeline};
use crate::vm::{Vm, VmState};
use crate::{Error, ObjectKind};
use barexe_hal::{GpuVa, Hal};

/// An exec call whose batch addresses are read when it is their turn: after the syncs (row 13).
pub(crate) struct ExecFrom<'c> {
    /// Exec queue id.
    pub(crate) queue: u32,
    /// None for a barrier, else one for each of the queue's parallel positions.
    pub(crate) batches: &'c mut dyn Source<GpuVa>,
    /// Row 21a: on a queue of a long-running VM the job has room in the ring, or the call is refused.
    pub(crate) refuses_full_ring: bool,
}

/// The batches of a call: no queue is wider.
type Batches = heapless::Vec<GpuVa, { MEMBERS_MAX + 1 }>;

impl<H: Hal> Device<'_, H> {
    /// Runs a batch on an exec queue, or, without batches, makes a barrier: its out-syncs signal when everything
    /// accepted earlier on the queue and all its in-syncs have. In a long-running VM a barrier takes no syncs and is
    /// over at once: there are no fences that it could give (R16).
    ///
    /// # Errors
    /// Bind-and-exec sheet §3.5, row by row, in dialect U; nothing has changed then.
    pub fn exec(
        &mut self,
        client: ClientId,
        call: &ExecCall<'_>,
        syncs: &mut dyn Source<SyncEntry>,
    ) -> Result<Ticket, Error> {
        let mut batches = call.batches;
        self.exec_from(client, ExecFrom { queue: call.queue, batches: &mut batches, refuses_full_ring: false }, syncs)
    }

    /// As [`exec`](Self::exec), of either dialect.
    ///
    /// # Errors
    /// Bind-and-exec sheet §3.5, row by row; nothing has changed then.
    pub(crate) fn exec_from(
        &mut self,
        client: ClientId,
        call: ExecFrom<'_>,
        syncs: &mut dyn Source<SyncEntry>,
    ) -> Result<Ticket, Error> {
        self.check_live()?;
        self.check_client(client)?;
        let handle = self.queue_of(client, call.queue)?;
        let queue = self.pools.queues.get(handle);
        let queue = queue.ok_or(Error::NotFound { kind: ObjectKind::Queue, id: call.queue })?;
        let is_barrier = call.batches.len() == 0;
        check_queue(queue, &call)?;
        let rules = self.sync_rules(queue, is_barrier)?;
        if rules.lr_mode && is_barrier && syncs.len() > 0 {
            return Err(Error::Unsupported { what: "syncs on a batchless exec in a long-running VM" });
        }
        let mut captured = self.capture_syncs(client, rules, syncs, None)?;
        let fence = match self.ready_exec(handle, call, &mut captured) {
            Ok(None) => self.pools.push_barrier(handle, captured),
            Ok(Some((work, batches, repin))) => {
                self.carry_out_repin(repin);
                self.pools.push_exec(handle, work, &batches, captured)
            }
            Err(error) => {
                self.pools.release_syncs(captured);
                return Err(error);
            }
        };
        self.poll();
        Ok(Ticket::new(client, fence.ok_or(Error::Canceled)?))
    }

    fn sync_rules(&self, queue: &Queue, is_barrier: bool) -> Result<SyncRules, Error> {
        let vm = self.pools.vms.get(queue.vm).ok_or(Error::Canceled)?;
        let lr_mode = vm.flags.contains(VmFlags::LR_MODE);
        Ok(SyncRules { exec: true, lr_mode, no_user_fence: is_barrier })
    }

    /// The last checks, and client memory that was taken from the device; nothing for a barrier, which needs no memory.
    fn ready_exec(
        &mut self,
        handle: Handle<Queue>,
        call: ExecFrom<'_>,
        syncs: &mut CallSyncs,
    ) -> Result<Option<(Work, Batches, Option<Repin>)>, Error> {
        let batches = read_batches(call.batches)?;
        let vm = self.pools.live_vm_of_queue(handle)?;
        let Some(batch) = batches.first().copied() else {
            return if syncs.wait.is_empty() { Ok(None) } else { self.pools.room_for_job(handle).map(|()| None) };
        };
        let repin = self.repin_for_exec(vm)?;
        match self.pools.exec_work(handle, batch, call.refuses_full_ring, syncs) {
            Ok(work) => Ok(Some((work, batches, repin))),
            Err(error) => {
                self.give_up_repin(repin);
                Err(error)
            }
        }
    }
}

/// Rows 6 to 9.
fn check_queue(queue: &Queue, call: &ExecFrom<'_>) -> Result<(), Error> {
    let (width, count) = (u32::from(queue.width()), call.batches.len());
    if width == 0 {
        return Err(Error::invalid("exec queue id", u64::from(call.queue)));
    }
    if count != 0 && count != width {
        return Err(Error::invalid("number of batches", u64::from(count)));
    }
    if queue.state != QueueState::Live {
        return Err(Error::Canceled);
    }
    if queue.is_full() { Err(Error::Again) } else { Ok(()) }
}

/// Row 13.
fn read_batches(from: &mut dyn Source<GpuVa>) -> Result<Batches, Error> {
    let mut batches = Batches::new();
    for index in 0..from.len() {
        let full = Error::invalid("number of batches", u64::from(from.len()));
        batches.push(from.get(index)?).map_err(|_| full)?;
    }
    Ok(batches)
}

impl Pools<'_> {
    /// Row 17: the VM of a queue, if it still works.
    fn live_vm_of_queue(&self, handle: Handle<Queue>) -> Result<Handle<Vm>, Error> {
        let vm = self.queues.get(handle).map(|queue| queue.vm).ok_or(Error::Canceled)?;
        let live = self.vms.get(vm).is_some_and(|vm| vm.state == VmState::Live);
        if live { Ok(vm) } else { Err(Error::Canceled) }
    }

    fn room_for_job(&self, handle: Handle<Queue>) -> Result<(), Error> {
        self.queues.get(handle).ok_or(Error::Canceled)?.room_for_job(&self.jobs)
    }

    /// Rows 21a to 24.
    fn exec_work(
        &mut self,
        handle: Handle<Queue>,
        batch: GpuVa,
        refuses_full_ring: bool,
        syncs: &mut CallSyncs,
    ) -> Result<Work, Error> {
        let queue = self.queues.get(handle).ok_or(Error::Canceled)?;
        let vm = self.vms.get(queue.vm).ok_or(Error::Canceled)?;
        let lr_mode = vm.flags.contains(VmFlags::LR_MODE);
        if lr_mode && refuses_full_ring && queue.live_batches >= RING_JOBS {
            return Err(Error::Again);
        }
        queue.room_for_job(&self.jobs)?;
        let user_fence = syncs.user_fence.map(|(addr, value)| Ok::<_, Error>((gpu_va(addr)?, value))).transpose()?;
        let owner = Owner::of(queue.client);
        if vm.was_rebound && !lr_mode {
            for (_, other) in self.queues.iter().filter(|(_, other)| other.vm == queue.vm) {
                if let Some(fence) = other.last_job(&self.jobs, |job| job.work.rebinds()) {
                    syncs.wait.add(&mut self.dependencies, owner, &self.timelines, fence)?;
                }
            }
        }
        Ok(Work::Batch { batch, user_fence, emitted: None })
    }

    /// A barrier: of what its in-syncs and the queue's last fence make together (R21). Without in-syncs that is the last
    /// fence itself (R22), and nothing is kept of the call. `None` only for a queue that is gone.
    fn push_barrier(&mut self, handle: Handle<Queue>, syncs: CallSyncs) -> Option<Fence> {
        if !syncs.wait.is_empty() {
            return self.push_exec(handle, Work::Barrier, &[], syncs);
        }
        let queue = self.queues.get(handle)?;
        let last = Fence::last_of(&self.timelines, queue.timeline);
        self.signal_outs(syncs, last);
        Some(last)
    }

    /// The call has happened from here on. `None` only for a queue that is gone, which the caller has looked up.
    fn push_exec(
        &mut self,
        handle: Handle<Queue>,
        work: Work,
        batches: &[GpuVa],
        mut syncs: CallSyncs,
    ) -> Option<Fence> {
        let queue = self.queues.get_mut(handle)?;
        let timeline = queue.timeline;
        let point = self.timelines.get_mut(timeline).map_or(0, Timeline::accept);
        let wait = core::mem::take(&mut syncs.wait);
        queue.push(&mut self.jobs, Job { point, wait, work });
        self.push_parts(handle, point, batches);
        self.wake(handle);
        let fence = Fence { timeline, point };
        self.signal_outs(syncs, fence);
        Some(fence)
    }
}
