//! Ranges of client memory that are mapped for the device: from their pinning to the moment their pages may go.
//!
//! A MAP_USERPTR operation pins its pages while its call can still be refused, and a refused call lets them go. What a
//! bind took out of the page tables is unpinned when the bind is over, and thus behind the TLB invalidation that covers
//! it.

use super::backings::client_range;
use crate::device::request::{BindFlags, BindKind, BindOp, VmFlags};
use crate::device::{Device, Pools};
use crate::mem::user::{ClientRange, Pins, UserRange, UserState};
use crate::num::{usize_capped, usize_of};
use crate::pool::Handle;
use crate::shares::Owner;
use crate::vm::Vm;
use crate::vm::vm_bo::{VmBoId, VmBoList};
use crate::vm::vma::{Vma, VmaBacking};
use crate::{Capacity, Error};
use barexe_hal::{ClientAddr, ClientFault, Hal, UserAccess, UserSpace};

/// The ranges that a call under way has made and pinned, one for each operation that maps client memory, in order.
#[derive(Debug, Default)]
#[must_use = "what a refused call pinned is to be unpinned"]
pub(in crate::device) struct PinnedRanges {
    first: Option<Handle<UserRange>>,
    last: Option<Handle<UserRange>>,
}

impl PinnedRanges {
    /// The first of them; each names the next.
    pub(in crate::device) const fn first(&self) -> Option<Handle<UserRange>> {
        self.first
    }
}

impl<H: Hal> Device<'_, H> {
    /// Pins the client memory that the first `count` operations map.
    ///
    /// # Errors
    /// [`Error::ClientFault`], [`Error::Exhausted`], the HAL's. Nothing is pinned then.
    pub(super) fn pin_user_ranges(&mut self, vm: Handle<Vm>, count: u32) -> Result<PinnedRanges, Error> {
        let mut pinned = PinnedRanges::default();
        for index in 0..usize_of(count) {
            let Some(op) = self.pools.bind_ops.get(index).copied() else { break };
            let BindKind::MapUserptr { addr } = op.kind else { continue };
            if let Err(error) = self.pin_user_range(vm, &op, addr, &mut pinned) {
                self.unpin_refused(pinned);
                return Err(error);
            }
        }
        Ok(pinned)
    }

    fn pin_user_range(
        &mut self,
        vm: Handle<Vm>,
        op: &BindOp,
        addr: u64,
        pinned: &mut PinnedRanges,
    ) -> Result<(), Error> {
        if addr.checked_add(op.range_bytes).is_none() {
            let addr = ClientAddr::new(addr).unwrap_or(ClientAddr::ZERO);
            return Err(Error::ClientFault(ClientFault { addr, len_bytes: usize_capped(op.range_bytes) }));
        }
        let handle = self.pools.add_user_range(vm, op, addr, self.invalidations)?;
        let before = pinned.last.replace(handle);
        match before.and_then(|before| self.pools.user_ranges.get_mut(before)) {
            Some(before) => before.next = Some(handle),
            None => pinned.first = Some(handle),
        }
        let owner = self.pools.owner_of_vm(vm);
        let Pools { user_ranges, user_pins, vms, .. } = &mut self.pools;
        let Some(range) = user_ranges.get_mut(handle) else { return Ok(()) };
        let faults = vms.get_mut(vm).filter(|vm| vm.flags.contains(VmFlags::FAULT_MODE));
        if let (Some(vm), false) = (faults, op.flags.contains(BindFlags::IMMEDIATE)) {
            // Pinned when the device first needs it.
            range.state = UserState::Zapped;
            vm.users.unready = vm.users.unready.saturating_add(1);
            return Ok(());
        }
        let mut pins = Pins::NONE;
        let whole = range.range;
        range.pin(whole, self.info.dma_last, &mut pins, (user_pins, owner, &mut self.hal))?;
        range.pins = pins;
        Ok(())
    }

    /// Lets everything go that a refused call has pinned. Nothing maps it.
    pub(super) fn unpin_refused(&mut self, pinned: PinnedRanges) {
        let mut next = pinned.first;
        while let Some(handle) = next {
            next = self.pools.user_ranges.get(handle).and_then(|range| range.next);
            self.drop_user_range(handle);
        }
    }

    /// A part of a mapping is in no page table and no TLB any more: if it showed client memory, that is let go.
    pub(super) fn unpin_part(&mut self, part: &Vma) {
        let VmaBacking::User { object, addr } = part.backing() else { return };
        let Some(handle) = self.pools.user_range_of(object) else { return };
        let Pools { user_ranges, user_pins, .. } = &mut self.pools;
        let owner = user_ranges.owner_of(handle);
        if let Some(range) = user_ranges.get_mut(handle) {
            range.pins.unpin_range((user_pins, owner), &mut self.hal, client_range(part, addr));
        }
    }

    /// Nothing maps anything of a range any more.
    pub(in crate::device) fn drop_user_range_of(&mut self, part: VmBoId) {
        if let Some(handle) = self.pools.user_range_of(part) {
            self.drop_user_range(handle);
        }
    }

    fn drop_user_range(&mut self, handle: Handle<UserRange>) {
        let Some(mut range) = self.pools.user_ranges.remove(handle) else { return };
        self.pools.vmas.end_object(&mut range.parts, range.part);
        range.unpin(&mut self.pools.user_pins, &mut self.hal);
        if let Some(vm) = self.pools.vms.get_mut(range.vm).filter(|_| range.is_unready()) {
            vm.users.unready = vm.users.unready.saturating_sub(1);
        }
    }

    /// Lets all client memory go: only on a device that no longer runs anything.
    pub(in crate::device) fn drop_user_ranges(&mut self) {
        for position in 0..self.pools.user_ranges.positions() {
            if let Some(range) = self.pools.user_ranges.handle_at(position) {
                self.drop_user_range(range);
            }
        }
    }
}

impl Pools<'_> {
    /// A range of client memory that an operation is going to map, without pages.
    fn add_user_range(
        &mut self,
        vm: Handle<Vm>,
        op: &BindOp,
        addr: u64,
        invalidations: u64,
    ) -> Result<Handle<UserRange>, Error> {
        let owner = self.owner_of_vm(vm);
        self.vmas.on_behalf_of(owner);
        let access = if op.flags.contains(BindFlags::READONLY) { UserAccess::Read } else { UserAccess::ReadWrite };
        let range = UserRange {
            vm,
            space: self.space_of(vm).ok_or(Error::invalid("user pointer", addr))?,
            access,
            range: ClientRange::new(addr, op.range_bytes),
            part: VmBoId::NONE,
            parts: VmBoList::EMPTY,
            state: UserState::Valid,
            pins: Pins::NONE,
            fresh: Pins::NONE,
            leaving: Pins::NONE,
            leaving_after: None,
            stale_since: None,
            leaving_since: None,
            made_after: invalidations,
            changing: 0,
            wanted: false,
            next: None,
        };
        let handle = self.user_ranges.insert_for(owner, range).map_err(|_| Error::Exhausted(Capacity::UserRanges))?;
        let found = self.user_ranges.get_mut(handle);
        let part = found.and_then(|range| self.vmas.add_object(&mut range.parts, vm.index(), handle.index()));
        match (part, self.user_ranges.get_mut(handle)) {
            (Some(part), Some(range)) => {
                range.part = part;
                Ok(handle)
            }
            _ => {
                self.user_ranges.remove(handle);
                Err(Error::Exhausted(Capacity::VmBos))
            }
        }
    }

    /// To whom places are charged that a VM takes.
    pub(super) fn owner_of_vm(&self, vm: Handle<Vm>) -> Owner {
        self.vms.get(vm).map_or(Owner::NOBODY, |vm| Owner::of(vm.client))
    }

    /// Where the memory of a VM's client is.
    fn space_of(&self, vm: Handle<Vm>) -> Option<UserSpace> {
        self.clients.get(self.vms.get(vm)?.client)?.space
    }
}
