//! The exec call.
//!
//! Order of the checks: bind-and-exec sheet §3.5.

use super::client::ClientId;
use super::repin::Repin;
use super::request::{ExecCall, Source, SyncEntry, VmFlags};
use super::syncs::{CallSyncs, SyncRules, gpu_va};
use super::{Device, Pools, Ticket};
use crate::exec::job::{Job, Work};
use crate::exec::queue::{Queue, QueueState};
use crate::pool::Handle;
use crate::sync::fence::{Fence, Timeline};
use crate::vm::VmState;
use crate::{Error, ObjectKind};
use barexe_hal::{GpuVa, Hal};

impl<H: Hal> Device<'_, H> {
    /// Runs a batch on an exec queue, or, without batches, makes a barrier: its out-syncs signal when everything
    /// accepted earlier on the queue and all its in-syncs have.
    ///
    /// # Errors
    /// Bind-and-exec sheet §3.5, row by row; nothing has changed then.
    pub fn exec(
        &mut self,
        client: ClientId,
        call: &ExecCall<'_>,
        syncs: &mut dyn Source<SyncEntry>,
    ) -> Result<Ticket, Error> {
        self.check_live()?;
        self.check_client(client)?;
        let handle = self.queue_of(client, call.queue)?;
        let queue = self.pools.queues.get(handle);
        let queue = queue.ok_or(Error::NotFound { kind: ObjectKind::Queue, id: call.queue })?;
        if queue.exec().is_none() {
            return Err(Error::invalid("exec queue id", u64::from(call.queue)));
        }
        if !call.batches.is_empty() && call.batches.len() != usize::from(queue.width()) {
            return Err(Error::invalid("number of batches", crate::num::u64_of(call.batches.len())));
        }
        if queue.state != QueueState::Live {
            return Err(Error::Canceled);
        }
        queue.room_for_job(&self.pools.jobs)?;
        let rules = self.sync_rules(queue, call)?;
        if rules.lr_mode && call.batches.is_empty() && syncs.len() > 0 {
            return Err(Error::Unsupported { what: "syncs on a batchless exec in a long-running VM" });
        }
        let captured = self.capture_syncs(client, rules, syncs, None)?;
        let fence = self.accept_exec(handle, call, captured)?;
        self.poll();
        Ok(Ticket::new(client, fence))
    }

    fn sync_rules(&self, queue: &Queue, call: &ExecCall<'_>) -> Result<SyncRules, Error> {
        let vm = self.pools.vms.get(queue.vm).ok_or(Error::Canceled)?;
        let lr_mode = vm.flags.contains(VmFlags::LR_MODE);
        Ok(SyncRules { exec: true, lr_mode, no_user_fence: call.batches.is_empty() })
    }

    /// The last checks, and client memory that was taken from the device; then the job.
    fn accept_exec(&mut self, handle: Handle<Queue>, call: &ExecCall<'_>, syncs: CallSyncs) -> Result<Fence, Error> {
        let mut syncs = syncs;
        let ready = self.pools.exec_work(handle, call, &mut syncs).and_then(|work| {
            let repin = self.repin(handle, &work)?;
            Ok((work, repin))
        });
        match ready {
            Ok((work, repin)) => {
                self.carry_out_repin(repin);
                self.pools.push_exec(handle, work, &call.batches, syncs).ok_or(Error::Canceled)
            }
            Err(error) => {
                self.pools.release_syncs(syncs);
                Err(error)
            }
        }
    }

    /// A barrier needs no memory.
    fn repin(&mut self, handle: Handle<Queue>, work: &Work) -> Result<Option<Repin>, Error> {
        match (work, self.pools.queues.get(handle).map(|queue| queue.vm)) {
            (Work::Batch { .. }, Some(vm)) => self.repin_for_exec(vm),
            (Work::Batch { .. } | Work::Barrier | Work::Bind(_), _) => Ok(None),
        }
    }
}

impl Pools<'_> {
    fn exec_work(&mut self, handle: Handle<Queue>, call: &ExecCall<'_>, syncs: &mut CallSyncs) -> Result<Work, Error> {
        let queue = self.queues.get(handle).ok_or(Error::Canceled)?;
        let vm = self.vms.get(queue.vm).filter(|vm| vm.state == VmState::Live).ok_or(Error::Canceled)?;
        let Some(batch) = call.batches.first().copied() else { return Ok(Work::Barrier) };
        let user_fence = syncs.user_fence.map(|(addr, value)| Ok::<_, Error>((gpu_va(addr)?, value))).transpose()?;
        if vm.was_rebound && !vm.flags.contains(VmFlags::LR_MODE) {
            for (_, other) in self.queues.iter().filter(|(_, other)| other.vm == queue.vm) {
                if let Some(fence) = other.last_job(&self.jobs, |job| job.work.rebinds()) {
                    syncs.wait.add(&mut self.dependencies, &self.timelines, fence)?;
                }
            }
        }
        Ok(Work::Batch { batch, user_fence, emitted: None })
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
        let fence = Fence { timeline, point };
        self.signal_outs(syncs, fence);
        Some(fence)
    }
}
