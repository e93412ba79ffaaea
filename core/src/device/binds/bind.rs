//! The bind call: checks, plan, reservation, acceptance.
//!
//! Order of the checks: bind-and-exec sheet §3.2. Everything that can fail comes before [`Device::accept`]: after it
//! the call has happened, whatever the device does.

use crate::device::jobs::syncs::{CallSyncs, SyncRules};
use crate::device::objects::client::ClientId;
use crate::device::request::{BindCall, BindOp, Source, SyncEntry, UserFenceWrite, VmFlags};
use crate::device::{Device, Pools, TableWriter, Ticket};
use crate::exec::job::{BindWork, Job, NumberedUserFence, Work};
use crate::exec::queue::{Queue, QueueState};
use crate::mem::pages::{Dropped, Reservation};
use crate::mem::tlb::Stale;
use crate::num::usize_of;
use crate::pool::Handle;
use crate::shares::Owner;
use crate::sync::fence::Fence;
use crate::vm::bind::{check_bo, check_op, check_range};
use crate::vm::change::Change;
use crate::vm::steps::StepQueue;
use crate::vm::vma::{NO_USER_FENCE, Vma};
use crate::vm::{Vm, VmState};
use crate::{Capacity, Error, ObjectKind};
use barexe_hal::{ClientAddr, ClientMemory, Hal, HalErrorKind};

impl<'a, H: Hal> Device<'a, H> {
    /// Changes the mappings of a VM: all operations, in order, or none.
    ///
    /// Without operations the call is a barrier: its out-syncs signal when everything accepted earlier on the queue
    /// and all its in-syncs have. `memory` is only used to look at the address of a user fence.
    ///
    /// # Errors
    /// Bind-and-exec sheet §3.2, row by row; nothing has changed then.
    pub fn vm_bind(
        &mut self,
        client: ClientId,
        call: &BindCall,
        ops: &mut dyn Source<BindOp>,
        syncs: &mut dyn Source<SyncEntry>,
        memory: &mut dyn ClientMemory,
    ) -> Result<Ticket, Error> {
        self.check_live()?;
        let has_user_pages = self.check_client(client)?.space.is_some();
        // The interface answers EINVAL for an unknown VM here, where other calls answer ENOENT (M5).
        let vm = self.vm_of(client, call.vm).map_err(|_| Error::invalid("VM id", u64::from(call.vm)))?;
        let count = self.read_ops(ops, has_user_pages)?;
        let queue = self.bind_queue_for(client, vm, call)?;
        self.check_ops(client, vm, count)?;
        let lr_mode = self.pools.vms.get(vm).is_some_and(|vm| vm.flags.contains(VmFlags::LR_MODE));
        let rules = SyncRules { exec: false, lr_mode, no_user_fence: count == 0 };
        let captured = self.capture_syncs(client, rules, syncs, Some(memory))?;
        let fence = self.plan_and_accept(vm, queue, count, captured)?;
        self.poll();
        Ok(Ticket::new(client, fence))
    }

    /// Reads the operations once into lent storage, checking each by itself: rows 8 to 10. That the array can be read
    /// decides before what is in it.
    fn read_ops(&mut self, ops: &mut dyn Source<BindOp>, has_user_pages: bool) -> Result<u32, Error> {
        let count = ops.len();
        if usize_of(count) > self.pools.bind_ops.len() {
            return Err(Error::ArrayExhausted(Capacity::BindOps));
        }
        let mut checked = Ok(());
        for (index, slot) in (0..count).zip(self.pools.bind_ops.iter_mut()) {
            match ops.get(index) {
                Ok(op) => {
                    *slot = op;
                    checked = checked.and_then(|()| check_op(slot, &self.info, has_user_pages));
                }
                Err(fault @ Error::ClientFault(_)) => return Err(fault),
                Err(refused) => checked = checked.and(Err(refused)),
            }
        }
        checked.map(|()| count)
    }

    /// Rows 11 to 17.
    fn bind_queue_for(&self, client: ClientId, vm: Handle<Vm>, call: &BindCall) -> Result<Handle<Queue>, Error> {
        let queue = self.bind_queue_named(client, vm, call)?;
        let live = self.pools.vms.get(vm).is_some_and(|vm| vm.state == VmState::Live);
        if live { Ok(queue) } else { Err(Error::NotFound { kind: ObjectKind::Vm, id: call.vm }) }
    }

    /// Rows 11 to 14.
    fn bind_queue_named(&self, client: ClientId, vm: Handle<Vm>, call: &BindCall) -> Result<Handle<Queue>, Error> {
        let named = if call.queue == 0 { None } else { Some(self.queue_of(client, call.queue)?) };
        if let Some(queue) = named.and_then(|queue| self.pools.queues.get(queue))
            && (queue.exec().is_some() || queue.vm != vm)
        {
            return Err(Error::invalid("bind queue id", u64::from(call.queue)));
        }
        let default = self.pools.vms.get(vm).and_then(|vm| vm.default_queue);
        named.or(default).ok_or(Error::NotFound { kind: ObjectKind::Vm, id: call.vm })
    }

    /// A ticket for a bind that the queue of this call has accepted, by its [number](Ticket::sequence); for everything
    /// it has accepted so far, if none is given or there is no such bind.
    ///
    /// For a wait that is resumed (bind-and-exec sheet §2.2, K6): nothing is submitted, and that the VM was banned
    /// meanwhile is no reason not to say how the work ended.
    ///
    /// # Errors
    /// Bind-and-exec sheet §3.2, rows 11 to 14.
    pub fn bind_ticket(&self, client: ClientId, call: &BindCall, number: Option<u64>) -> Result<Ticket, Error> {
        self.check_client(client)?;
        let vm = self.vm_of(client, call.vm).map_err(|_| Error::invalid("VM id", u64::from(call.vm)))?;
        let queue = self.bind_queue_named(client, vm, call)?;
        let queue = self.pools.queues.get(queue).ok_or(Error::NotFound { kind: ObjectKind::Queue, id: call.queue })?;
        let last = Fence::last_of(&self.pools.timelines, queue.timeline);
        let point = number.filter(|number| *number <= last.point).unwrap_or(last.point);
        Ok(Ticket::new(client, Fence { point, ..last }))
    }

    /// Rows 18 and 20: ranges against the VM, objects against the operations.
    fn check_ops(&mut self, client: ClientId, vm: Handle<Vm>, count: u32) -> Result<(), Error> {
        let va_bytes = self.info.platform.family.pt.va_span_bytes();
        for op in self.pools.ops(count) {
            check_range(op, va_bytes)?;
        }
        for index in 0..usize_of(count) {
            let Some(op) = self.pools.bind_ops.get(index).copied() else { break };
            let Some(bo) = op.kind.bo() else { continue };
            let handle = self.bo_of(client, bo)?;
            let missing = Error::NotFound { kind: ObjectKind::Bo, id: bo };
            check_bo(&op, self.pools.bos.get(handle).ok_or(missing)?, vm, &self.info)?;
            // From here on by its own name, whatever the client calls it.
            if let Some(name) = self.pools.bind_ops.get_mut(index).and_then(|op| op.kind.bo_mut()) {
                *name = handle.id();
            }
        }
        Ok(())
    }

    /// From captured syncs to an accepted job, or back to where the call began.
    fn plan_and_accept(
        &mut self,
        vm: Handle<Vm>,
        queue: Handle<Queue>,
        count: u32,
        syncs: CallSyncs,
    ) -> Result<Fence, Error> {
        let number = if syncs.user_fence.is_some() { self.next_user_fence() } else { NO_USER_FENCE };
        let ready = self.room_for_bind(queue, &syncs).and_then(|()| self.repin_for_prefetch(vm, count));
        let repin = match ready {
            Ok(repin) => repin,
            Err(error) => {
                self.pools.release_syncs(syncs);
                return Err(as_array_error(error, count));
            }
        };
        let accepted = self.pin_and_accept(vm, queue, count, number, syncs);
        match accepted {
            Ok(_) => self.carry_out_repin(repin),
            Err(_) => self.give_up_repin(repin),
        }
        accepted
    }

    /// Client memory is pinned, and the change planned.
    fn pin_and_accept(
        &mut self,
        vm: Handle<Vm>,
        queue: Handle<Queue>,
        count: u32,
        number: u32,
        syncs: CallSyncs,
    ) -> Result<Fence, Error> {
        let pinned = self.pin_user_ranges(vm, count);
        let planned = pinned.and_then(|pinned| match self.plan(vm, count, number, &pinned) {
            Ok(change) => Ok((change, pinned)),
            Err(error) => {
                self.unpin_refused(pinned);
                Err(error)
            }
        });
        match planned {
            Ok((change, pinned)) => {
                let accepted = self.reserve_and_accept(vm, queue, (change, count), number, syncs);
                if accepted.is_err() {
                    self.unpin_refused(pinned);
                }
                accepted
            }
            Err(error) => {
                self.pools.release_syncs(syncs);
                Err(as_array_error(error, count))
            }
        }
    }

    /// Entries for a mapping that has none, as a job of the VM's own bind queue.
    ///
    /// # Errors
    /// [`Error::Exhausted`], [`Error::Again`], the HAL's; nothing has changed then.
    pub(super) fn accept_entries(&mut self, vm: Handle<Vm>, queue: Handle<Queue>, vma: &Vma) -> Result<Fence, Error> {
        let syncs = CallSyncs::default();
        self.room_for_bind(queue, &syncs)?;
        let change = self.plan_entries(vm, vma)?;
        self.reserve_and_accept(vm, queue, (change, 0), NO_USER_FENCE, syncs)
    }

    /// From a planned change to an accepted job, or back to where the call began.
    fn reserve_and_accept(
        &mut self,
        vm: Handle<Vm>,
        queue: Handle<Queue>,
        (change, count): (Change, u32),
        number: u32,
        mut syncs: CallSyncs,
    ) -> Result<Fence, Error> {
        let (owner, tiles) = (self.pools.owner_of_vm(vm), self.info.tile_count());
        let ready = self.add_bind_dependencies(vm, queue, &change.totals, &mut syncs);
        let need = change.totals.need.on_tiles(tiles);
        let ready = ready.and_then(|()| self.pages.reserve_for(owner, &mut self.hal, need));
        match ready {
            Ok(reservation) => self.accept(vm, queue, (change, reservation), number, syncs),
            Err(error) => {
                self.pools.refuse(vm, change, count);
                self.pools.release_syncs(syncs);
                Err(as_array_error(error, count))
            }
        }
    }

    fn room_for_bind(&self, queue: Handle<Queue>, syncs: &CallSyncs) -> Result<(), Error> {
        let found = self.pools.queues.get(queue).ok_or(Error::Exhausted(Capacity::Queues))?;
        found.room_for_job(&self.pools.jobs)?;
        if syncs.user_fence.is_some() && self.pools.user_fences.room_for(Owner::of(found.client)) == 0 {
            return Err(Error::Exhausted(Capacity::UserFences));
        }
        Ok(())
    }

    /// The call has happened from here on.
    fn accept(
        &mut self,
        vm: Handle<Vm>,
        queue: Handle<Queue>,
        (change, reservation): (Change, Reservation),
        number: u32,
        mut syncs: CallSyncs,
    ) -> Result<Fence, Error> {
        let totals = change.totals;
        let steps = self.pools.accept(vm, change);
        let pools = &mut self.pools;
        let found = pools.queues.get_mut(queue).ok_or(Error::Exhausted(Capacity::Queues))?;
        debug_assert!(found.state == QueueState::Live);
        let timeline = found.timeline;
        let point = pools.timelines.get_mut(timeline).map_or(0, crate::sync::fence::Timeline::accept);
        let fence = Fence { timeline, point };
        let user_fence = syncs.user_fence.and_then(|(addr, value)| Some((ClientAddr::new(addr)?, value)));
        let user_fence =
            user_fence.map(|(addr, value)| NumberedUserFence { number, write: UserFenceWrite { addr, value } });
        if user_fence.is_some() {
            // There is room: see `room_for_bind`.
            let _ = pools.user_fences.reserve_for(Owner::of(found.client));
            self.last_user_fence = number;
        }
        let by_engine = match self.config.tables {
            // R29: what is next in its queue and waits for nothing is stored at once.
            TableWriter::Auto => self.owns_copy_engine && !(syncs.wait.is_empty() && found.live_jobs == 0),
            TableWriter::Cpu => false,
            TableWriter::Engine => true,
        };
        let work = BindWork {
            steps: StepQueue::new(steps),
            reservation,
            span: totals.span,
            unbinds: totals.unbinds,
            rebinds: totals.rebinds,
            suspends: false,
            invalidation: None,
            dropped: Dropped::NONE,
            by_engine,
            last_job: None,
            stale: Stale::NONE,
            started: false,
            written: false,
            failure: None,
            user_fence,
        };
        let wait = core::mem::take(&mut syncs.wait);
        found.push(&mut pools.jobs, Job { point, wait, work: Work::Bind(work) });
        pools.wake(queue);
        if let (true, Some(vm)) = (totals.rebinds, pools.vms.get_mut(vm)) {
            vm.was_rebound = true;
        }
        pools.signal_outs(syncs, fence);
        Ok(fence)
    }
}

/// Array calls report exhausted bookkeeping as ENOBUFS, so that the client can shorten the array.
const fn as_array_error(error: Error, count: u32) -> Error {
    if count <= 1 {
        return error;
    }
    if let Error::Hal(cause) = error
        && matches!(cause.kind(), HalErrorKind::NoMemory)
    {
        return Error::ArrayNoMemory(cause);
    }
    if let Error::Exhausted(capacity) = error { Error::ArrayExhausted(capacity) } else { error }
}

impl Pools<'_> {
    /// The operations of the call that is being checked.
    fn ops(&self, count: u32) -> impl Iterator<Item = &BindOp> {
        self.bind_ops.iter().take(usize_of(count))
    }
}
