//! Calls that create and destroy queues.

use super::client::ClientId;
use crate::device::Device;
use crate::device::request::{QueueProperties, QueueRequest, VmFlags};
use crate::exec::lrc::{Lrc, LrcRequest};
use crate::exec::queue::{Queue, QueueKind, QueueState};
use crate::num::u32_capped;
use crate::pool::Handle;
use crate::shares::Owner;
use crate::vm::{Vm, VmState};
use crate::{Capacity, Error, ObjectKind};
use barexe_hal::Hal;

impl<H: Hal> Device<'_, H> {
    /// Creates an exec queue; its id. It takes one place among the queues for each parallel position.
    ///
    /// # Errors
    /// Those of [`check_placements`](Self::check_placements); [`Error::NotFound`] (the VM); [`Error::NotPermitted`];
    /// [`Error::Exhausted`], the HAL's.
    pub fn exec_queue_create(&mut self, client: ClientId, request: &QueueRequest<'_>) -> Result<u32, Error> {
        self.check_live()?;
        let privileged = self.check_client(client)?.privileged;
        let places = self.places_of(request.placements, request.width)?;
        let vm = self.live_vm_of(client, request.vm)?;
        request.properties.check(privileged)?;
        self.room_for_queues(client, u32_capped(places.len()))?;
        Ok(self.add_exec_queue((client, vm), &places, request.properties)?.id())
    }

    /// Creates a bind queue of a VM; its id.
    ///
    /// # Errors
    /// [`Error::NotFound`] (the VM), [`Error::Exhausted`].
    pub fn bind_queue_create(&mut self, client: ClientId, vm: u32) -> Result<u32, Error> {
        self.check_live()?;
        self.check_client(client)?;
        let vm = self.live_vm_of(client, vm)?;
        self.room_for_queues(client, 1)?;
        Ok(self.add_queue((client, vm), QueueKind::Bind, false, None)?.id())
    }

    /// Destroys a queue. Binds it accepted still complete; batches that are not in the ring are cancelled; fences of
    /// all of them signal.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn queue_destroy(&mut self, client: ClientId, id: u32) -> Result<(), Error> {
        self.check_client(client)?;
        let queue = self.queue_of(client, id)?;
        self.kill_queue(queue);
        self.poll();
        Ok(())
    }

    /// Batches per exec call, 0 for a bind queue.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn queue_width(&self, client: ClientId, id: u32) -> Result<u16, Error> {
        let queue = self.queue_of(client, id)?;
        Ok(self.pools.queues.get(queue).map_or(0, Queue::width))
    }

    /// Scheduling properties of an exec queue; a bind queue has none.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn queue_properties(&self, client: ClientId, id: u32) -> Result<Option<QueueProperties>, Error> {
        let queue = self.queue_of(client, id)?;
        Ok(self.pools.queues.get(queue).and_then(Queue::exec).map(|exec| exec.properties))
    }

    /// The modes of the VM the queue works on.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn queue_vm_flags(&self, client: ClientId, id: u32) -> Result<VmFlags, Error> {
        let queue = self.pools.queues.get(self.queue_of(client, id)?);
        let vm = queue.and_then(|queue| self.pools.vms.get(queue.vm));
        vm.map(|vm| vm.flags).ok_or(Error::NotFound { kind: ObjectKind::Queue, id })
    }

    /// Whether nothing more runs on the queue: it was banned, or its VM was (R56).
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn queue_is_banned(&self, client: ClientId, id: u32) -> Result<bool, Error> {
        let queue = self.queue_of(client, id)?;
        let Some(queue) = self.pools.queues.get(queue) else { return Ok(true) };
        let vm_is_banned = self.pools.vms.get(queue.vm).is_some_and(|vm| vm.state == VmState::Banned);
        Ok(queue.state == QueueState::Banned || vm_is_banned)
    }

    pub(super) fn kill_queue(&mut self, queue: Handle<Queue>) {
        self.pools.set_queue_state(queue, QueueState::Destroyed);
    }

    /// Checks that a VM can be given queues: it exists, and no page-table change of it has failed.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn check_vm_live(&self, client: ClientId, id: u32) -> Result<(), Error> {
        self.live_vm_of(client, id).map(drop)
    }

    pub(super) fn live_vm_of(&self, client: ClientId, id: u32) -> Result<Handle<Vm>, Error> {
        let vm = self.vm_of(client, id)?;
        let live = self.pools.vms.get(vm).is_some_and(|vm| vm.state == VmState::Live);
        if live { Ok(vm) } else { Err(Error::NotFound { kind: ObjectKind::Vm, id }) }
    }

    pub(super) fn room_for_queues(&self, client: ClientId, count: u32) -> Result<(), Error> {
        let owner = Owner::of(client);
        if self.pools.queues.room_for(owner) < count {
            return Err(Error::Exhausted(Capacity::Queues));
        }
        if self.pools.timelines.room_for(owner) == 0 { Err(Error::Exhausted(Capacity::Timelines)) } else { Ok(()) }
    }

    pub(in crate::device) fn make_lrc(&mut self, engine: u8, vm: Handle<Vm>) -> Result<Lrc, Error> {
        let vm = self.pools.vms.get(vm).ok_or(Error::invalid("VM", 0))?;
        let tile = self.info.engines.get(usize::from(engine)).map_or(0, |engine| engine.tile);
        let root = vm.tree(tile)?.root(&self.pages).ok_or(Error::invalid("root table", 0))?;
        let descriptor = self.info.platform.family.pt.directory(root, false);
        let request = LrcRequest { engine, vm: Some((vm.asid, descriptor)), owner: Owner::of(vm.client) };
        Lrc::new(&request, &self.info, &mut self.ggtt, &mut self.hal)
    }
}
