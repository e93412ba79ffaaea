//! Calls that create and destroy address spaces.

use super::client::ClientId;
use crate::device::Device;
use crate::device::request::VmFlags;
use crate::exec::queue::{Attention, Queue, QueueKind, QueueLinks, QueueState};
use crate::mem::pages::Reservation;
use crate::mem::tlb::{AddressSpace, RingFlush};
use crate::mem::tree::{CpuSink, PageTree, Stage, need_of_new};
use crate::pool::Handle;
use crate::shares::Owner;
use crate::sync::fence::Timeline;
use crate::vm::index::VmaIndex;
use crate::vm::vma::Vma;
use crate::vm::{Vm, VmState, VmUsers};
use crate::{Capacity, Error, ObjectKind};
use barexe_hal::Hal;

/// ASIDs are 20 bits wide and 0 is nobody's (page-tables sheet §2.7).
const LAST_ASID: u32 = (1 << 20) - 1;

impl<H: Hal> Device<'_, H> {
    /// Creates an address space; its id. It starts empty.
    ///
    /// # Errors
    /// [`Error::Invalid`] for modes this device does not have, [`Error::Exhausted`], the HAL's.
    pub fn vm_create(&mut self, client: ClientId, flags: VmFlags) -> Result<u32, Error> {
        self.check_live()?;
        self.check_client(client)?;
        check_flags(flags, self.info.platform.fault_mode)?;
        self.room_for_vm(client)?;
        let owner = Owner::of(client);
        let format = &self.info.platform.family.pt;
        let scratch = flags.contains(VmFlags::SCRATCH_PAGE);
        let tiles = self.info.tile_count();
        let need = need_of_new(format, scratch).on_tiles(tiles);
        let mut reservation = self.pages.reserve_for(owner, &mut self.hal, need)?;
        let mut sink = CpuSink::new(&mut self.hal);
        let mut stage = Stage::new(&mut self.pages, &mut reservation, format, &mut sink);
        let mut trees = heapless::Vec::new();
        for _ in 0..tiles {
            // There are no more tiles than places.
            drop(trees.push(PageTree::new(&mut stage, scratch)?));
        }
        // Nobody has walked them yet.
        let _ = stage.finish().is_settled();
        let vm = Vm {
            client,
            flags,
            state: VmState::Live,
            asid: self.take_asid(),
            vmas: VmaIndex::EMPTY,
            trees,
            default_queue: None,
            queues: 0,
            ring_flush: RingFlush::default(),
            users: VmUsers::default(),
            rebinds: 0,
            was_rebound: false,
            teardown: None,
        };
        let vm = self.pools.vms.insert_for(owner, vm).map_err(|_| Error::Exhausted(Capacity::Vms))?;
        let queue = self.add_queue((client, vm), QueueKind::Bind, true, None)?;
        if let Some(vm) = self.pools.vms.get_mut(vm) {
            vm.default_queue = Some(queue);
        }
        Ok(vm.id())
    }

    fn room_for_vm(&self, client: ClientId) -> Result<(), Error> {
        if self.pools.vms.room_for(Owner::of(client)) == 0 {
            return Err(Error::Exhausted(Capacity::Vms));
        }
        self.room_for_queues(client, 1)
    }

    fn take_asid(&mut self) -> u32 {
        // One ASID per VM ever made until they run out; then the lowest that no live VM has.
        loop {
            let asid = self.next_asid;
            self.next_asid = if asid >= LAST_ASID { 1 } else { asid.saturating_add(1) };
            if self.pools.vms.iter().all(|(_, vm)| vm.asid != asid) {
                return asid;
            }
        }
    }

    /// Destroys an address space. Its id is gone at once; its memory goes when no queue can reach it any more.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Busy`] for a long-running VM without page faults that still has exec queues.
    pub fn vm_destroy(&mut self, client: ClientId, id: u32) -> Result<(), Error> {
        self.check_client(client)?;
        let vm = self.vm_of(client, id)?;
        let preempts =
            self.vm_flags(client, id)?.intersection(VmFlags::LR_MODE | VmFlags::FAULT_MODE) == VmFlags::LR_MODE;
        if preempts && self.has_exec_queues(vm) {
            return Err(Error::Busy { kind: ObjectKind::Vm, id });
        }
        let queue = self.pools.vms.get_mut(vm).and_then(|vm| {
            vm.state = VmState::Closed;
            vm.default_queue
        });
        if let Some(queue) = queue {
            self.kill_queue(queue);
        }
        self.poll();
        Ok(())
    }

    /// The modes the VM was created with.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn vm_flags(&self, client: ClientId, id: u32) -> Result<VmFlags, Error> {
        let vm = self.vm_of(client, id)?;
        self.pools.vms.get(vm).map(|vm| vm.flags).ok_or(Error::NotFound { kind: ObjectKind::Vm, id })
    }

    fn has_exec_queues(&self, vm: Handle<Vm>) -> bool {
        let lives = |queue: &Queue| queue.vm == vm && queue.exec().is_some() && queue.state != QueueState::Destroyed;
        self.pools.queues.iter().any(|(_, queue)| lives(queue))
    }

    /// Moves the end of a closed VM forward; whether something changed.
    ///
    /// Nothing refers to it any more once its last queue is gone: queues go only when no engine holds their context.
    pub(in crate::device) fn tear_down_vm(&mut self, handle: Handle<Vm>) -> bool {
        let Some(vm) = self.pools.vms.get_mut(handle) else { return false };
        if vm.state != VmState::Closed || vm.queues > 0 {
            return false;
        }
        match vm.teardown {
            None => {
                // No context leads here any more; the root is cut off all the same (page-tables sheet §5.7).
                let (format, mut none) = (&self.info.platform.family.pt, Reservation::NONE);
                let mut sink = CpuSink::new(&mut self.hal);
                let mut stage = Stage::new(&mut self.pages, &mut none, format, &mut sink);
                for tree in &vm.trees {
                    let _ = tree.cut_off(&mut stage);
                }
                let retired = stage.finish().invalidate(&mut self.tlb, AddressSpace::new(vm.asid));
                vm.teardown = Some(retired.proof);
                self.pages.release(retired.dropped);
                true
            }
            Some(ticket) if self.tlb.is_done(ticket) => {
                self.free_vm(handle);
                true
            }
            Some(_) => false,
        }
    }

    /// Frees a VM that nothing can reach.
    pub(in crate::device) fn free_vm(&mut self, handle: Handle<Vm>) {
        let Some(mut vm) = self.pools.vms.remove(handle) else { return };
        self.pools.vmas.on_behalf_of(Owner::of(vm.client));
        while let Some(vma) = vm.vmas.take_first(&mut self.pools.vmas) {
            self.release_vma(&vma);
        }
        // One by one from the end: dropping a half-used iterator over all of them could panic.
        self.pages.release(core::mem::take(&mut vm.users.dropped));
        while let Some(tree) = vm.trees.pop() {
            let dropped = tree.into_dropped(&mut self.pages);
            self.pages.release(dropped);
        }
    }

    /// A mapping that was unmapped is in no page table any more.
    pub(in crate::device) fn release_vma(&mut self, vma: &Vma) {
        let Some(part) = self.pools.vmas.release(vma) else { return };
        if vma.is_user() {
            return self.drop_user_range_of(part);
        }
        let Some(handle) = self.pools.bos.handle_at(self.pools.vmas.bo_of(part)) else { return };
        if let Some(bo) = self.pools.bos.get_mut(handle) {
            self.pools.vmas.end_object(&mut bo.parts, part);
        }
        self.unuse_bo(handle);
    }

    /// A bind queue or exec queue of `vm`, with its timeline. There is room (see `room_for_queues`).
    pub(in crate::device) fn add_queue(
        &mut self,
        (client, vm): (ClientId, Handle<Vm>),
        kind: QueueKind,
        hidden: bool,
        timeline: Option<Handle<Timeline>>,
    ) -> Result<Handle<Queue>, Error> {
        let (owner, full) = (Owner::of(client), Error::Exhausted(Capacity::Queues));
        let timeline = match timeline {
            Some(shared) => shared,
            None => self.pools.timelines.insert_for(owner, Timeline::default()).map_err(|_| full)?,
        };
        let queue = Queue {
            client,
            vm,
            timeline,
            state: QueueState::Live,
            hidden,
            jobs: Default::default(),
            live_jobs: 0,
            live_batches: 0,
            kind,
            attention: Attention::Asleep,
            links: QueueLinks::default(),
        };
        let queue = self.pools.queues.insert_for(owner, queue).map_err(|_| full)?;
        if let Some(vm) = self.pools.vms.get_mut(vm) {
            vm.queues = vm.queues.saturating_add(1);
        }
        Ok(queue)
    }
}

/// Bind-and-exec sheet §3.1, rows 4 to 7. No platform here needs scratch, so none takes it with page faults.
fn check_flags(flags: VmFlags, can_fault: bool) -> Result<(), Error> {
    let has = |flag| flags.contains(flag);
    let fault = has(VmFlags::FAULT_MODE);
    let wrong = !flags.difference(VmFlags::all()).is_empty()
        || fault && (!can_fault || has(VmFlags::SCRATCH_PAGE) || !has(VmFlags::LR_MODE))
        || has(VmFlags::NO_VM_OVERCOMMIT) && !fault;
    if wrong { Err(Error::invalid("VM flags", u64::from(flags.bits()))) } else { Ok(()) }
}
