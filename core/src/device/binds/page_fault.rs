//! Page faults that can be served (page-tables sheet §10.1).
//!
//! In a VM with page faults a mapping may have no page-table entries until the device first needs one. Who hears of
//! the fault calls [`Device::page_fault`], and answers the device when the ticket is over. The hardware tells a firmware
//! of its faults, and this core loads none (engines sheet §7.6): the call is the seam for a back end that does.

use crate::device::request::{BindFlags, VmFlags};
use crate::device::{Device, Ticket};
use crate::mem::tlb::AddressSpace;
use crate::sync::fence::Fence;
use crate::vm::VmState;
use crate::{Error, ObjectKind};
use barexe_hal::Hal;

/// What the device wanted at the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultAccess {
    /// To read.
    Read,
    /// To write.
    Write,
    /// To read and write at once.
    Atomic,
}

/// A page fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageFault {
    /// Whose address it is.
    pub space: AddressSpace,
    /// The address.
    pub va: u64,
    /// What was wanted there.
    pub access: FaultAccess,
}

impl<H: Hal> Device<'_, H> {
    /// Serves a page fault: the mapping gets its entries, all of it. The device may be told to go on when the ticket is
    /// over; for a mapping that has entries or is about to, that is what its VM was asked before.
    ///
    /// # Errors
    /// The device is to be told that it failed: [`Error::NotFound`] for an address space without page faults, a VM that
    /// was closed or banned, and an address that nothing is mapped at; [`Error::NotPermitted`] for a write to a mapping
    /// that is only read; [`Error::ClientFault`] for client memory that is gone; [`Error::Exhausted`], the HAL's.
    /// [`Error::Again`]: the call is to be repeated.
    pub fn page_fault(&mut self, fault: &PageFault) -> Result<Ticket, Error> {
        self.check_live()?;
        let unknown = Error::NotFound { kind: ObjectKind::Vm, id: fault.space.get() };
        let found = self.pools.vms.iter().find(|(_, vm)| vm.asid == fault.space.get());
        let (handle, vm) = found.ok_or(unknown)?;
        if vm.state != VmState::Live || !vm.flags.contains(VmFlags::FAULT_MODE) {
            return Err(unknown);
        }
        let page = crate::num::low32(fault.va >> 12);
        let vma =
            vm.vmas.find(&self.pools.vmas, fault.va).ok_or(Error::NotFound { kind: ObjectKind::Vma, id: page })?;
        if fault.access != FaultAccess::Read && vma.flags().contains(BindFlags::READONLY) {
            return Err(Error::NotPermitted { what: "write to a mapping that is only read", value: fault.va });
        }
        let (client, queue) = (vm.client, vm.default_queue.ok_or(unknown)?);
        let repin = self.repin_for_fault(handle, &vma)?;
        let served = if vma.is_deferred() {
            self.accept_entries(handle, queue, &vma)
        } else {
            let queue = self.pools.queues.get(queue).ok_or(unknown);
            queue.map(|queue| Fence::last_of(&self.pools.timelines, queue.timeline))
        };
        match served {
            Ok(_) => self.carry_out_repin(repin),
            Err(_) => self.give_up_repin(repin),
        }
        let fence = served?;
        self.poll();
        Ok(Ticket::new(client, fence))
    }
}
