//! A client's pages change: its mappings of them are taken from the device, and given back at the next use.
//!
//! An invalidation waits for nothing that a client could hold back for ever. In an ordinary VM it waits for batches, those
//! that run or are accepted; meanwhile the VM takes no new ones, so the wait ends. A long-running VM is suspended (see
//! `suspend`), and one with page faults is not waited for. Then the entries go, TLBs forget them, and the pages are
//! unpinned. The next exec in the VM, a PREFETCH, or in a long-running VM the [word](Device::user_changed) that the pages
//! have changed, pins what is there by then and binds it anew, by the CPU: nothing in the VM runs that could mind.

use super::user_units::Units;
use crate::Error;
use crate::device::objects::client::ClientId;
use crate::device::request::VmFlags;
use crate::device::ticket::TicketState;
use crate::device::{Device, DeviceState, Pools};
use crate::exec::job::Work;
use crate::mem::pages::Reservation;
use crate::mem::tlb::AddressSpace;
use crate::mem::tree::{CpuSink, Stage};
use crate::mem::user::{ClientRange, UserRange, UserState};
use crate::pool::Handle;
use crate::vm::{Vm, VmState};
use barexe_hal::{ClientAddr, Hal, UserSpace};

/// Names an invalidation of client memory. It holds nothing: dropping it leaks nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "pages may go only when the invalidation is over"]
pub struct InvalidationTicket {
    space: UserSpace,
    range: ClientRange,
    number: u64,
}

impl InvalidationTicket {
    /// Whether the pages may be the range's. What was mapped later is not about them.
    fn is_about(&self, user: &UserRange) -> bool {
        user.space == self.space && user.made_after < self.number && user.range.overlaps(&self.range)
    }
}

impl<H: Hal> Device<'_, H> {
    /// Pages of a client are going to change: they are unmapped, or others come in their place. Until
    /// [`invalidation_state`](Self::invalidation_state) says that the invalidation is over, they must stay as they are.
    ///
    /// It needs no room and cannot be refused. What is mapped there is bound anew, with the pages that are there by then,
    /// when the VM is used next; mappings of which a page is missing by then stay unmapped until a PREFETCH names them.
    pub fn user_invalidate(&mut self, space: UserSpace, addr: ClientAddr, len_bytes: u64) -> InvalidationTicket {
        let range = ClientRange::new(addr.get(), len_bytes);
        self.invalidations = self.invalidations.wrapping_add(1);
        let number = self.invalidations;
        let ticket = InvalidationTicket { space, range, number };
        let Pools { user_ranges, user_pins, vms, .. } = &mut self.pools;
        for (_, user) in user_ranges.iter_mut().filter(|(_, user)| ticket.is_about(user)) {
            user.changing = user.changing.saturating_add(1);
            if user.state == UserState::Valid && user.pins.overlap(user_pins, range) {
                user.state = UserState::Stale;
                user.stale_since = Some(number);
                if let Some(vm) = vms.get_mut(user.vm) {
                    vm.users.unready = vm.users.unready.saturating_add(1);
                }
            }
        }
        self.poll();
        ticket
    }

    /// Pages have changed, or will not: once for every invalidation that is over.
    ///
    /// Queues of a long-running VM without page faults go on then, with the pages that are there. Without this they go on
    /// when the VM is used next. Other VMs have no need of it.
    pub fn user_changed(&mut self, ticket: InvalidationTicket) {
        for (_, user) in self.pools.user_ranges.iter_mut().filter(|(_, user)| ticket.is_about(user)) {
            user.changing = user.changing.saturating_sub(1);
        }
        self.poll();
    }

    /// Whether no job can reach the pages any more, as of the last [`poll`](Self::poll). On a device that has failed
    /// nobody knows; there the pages go when it is closed.
    #[must_use]
    pub fn invalidation_state(&self, ticket: InvalidationTicket) -> TicketState {
        let InvalidationTicket { space, range, number } = ticket;
        let waits = |since: Option<u64>| since.is_some_and(|since| since <= number);
        let holds = |user: &UserRange| waits(user.stale_since) || waits(user.leaving_since);
        let of = |user: &UserRange| user.space == space && user.range.overlaps(&range);
        if !self.pools.user_ranges.iter().any(|(_, user)| of(user) && holds(user)) {
            return TicketState::Done;
        }
        match self.state {
            DeviceState::Live | DeviceState::Suspended => TicketState::Pending,
            DeviceState::Wedged => TicketState::Failed(Error::Canceled),
            DeviceState::Gone => TicketState::Failed(Error::DeviceGone),
        }
    }

    /// Whether execs on a queue answer [`Error::Again`] until an invalidation is over, which they may be repeated after.
    #[must_use]
    pub fn awaits_invalidation(&self, client: ClientId, queue: u32) -> bool {
        let queue = self.queue_of(client, queue).ok().and_then(|queue| self.pools.queues.get(queue));
        let stale = |user: &UserRange, vm: Handle<Vm>| user.vm == vm && user.state == UserState::Stale;
        // A queue that is full says the same for a reason of its own.
        let queue = queue.filter(|queue| !queue.is_full());
        queue.is_some_and(|queue| self.pools.user_ranges.iter().any(|(_, user)| stale(user, queue.vm)))
    }

    /// Moves what is being invalidated forward; whether something moved.
    pub(in crate::device) fn step_user_ranges(&mut self) -> bool {
        let mut moved = false;
        if self.pools.user_ranges.live() == 0 {
            return false;
        }
        for position in 0..self.pools.user_ranges.positions() {
            if let Some(range) = self.pools.user_ranges.handle_at(position) {
                moved |= self.zap_if_unused(range);
                moved |= self.unpin_if_forgotten(range);
            }
        }
        moved
    }

    /// Takes a range from the device if its pages have changed and nothing uses them any more.
    fn zap_if_unused(&mut self, handle: Handle<UserRange>) -> bool {
        let Some(user) = self.pools.user_ranges.get(handle).filter(|user| user.state == UserState::Stale) else {
            return false;
        };
        let vm = user.vm;
        let Some(found) = self.pools.vms.get(vm) else { return false };
        let is_used = match found.flags {
            // Where faults are served a batch only waits for its next one.
            flags if flags.contains(VmFlags::FAULT_MODE) => false,
            _ if found.preempts() => !self.is_off_engines(vm),
            _ => self.pools.runs_batches(vm),
        };
        if is_used || self.pools.units(vm).is_none_or(Units::are_being_written) {
            return false;
        }
        let proof = self.zap(vm, handle);
        let Pools { user_ranges, user_pins, .. } = &mut self.pools;
        let owner = user_ranges.owner_of(handle);
        if let Some(user) = user_ranges.get_mut(handle) {
            user.state = UserState::Zapped;
            user.leaving.merge((user_pins, owner), core::mem::take(&mut user.pins));
            user.leaving_since = user.leaving_since.or(user.stale_since.take());
            user.stale_since = None;
            user.leaving_after = proof.or(user.leaving_after);
        }
        true
    }

    /// Makes the entries of everything that page tables show of a range not present.
    fn zap(&mut self, handle: Handle<Vm>, range: Handle<UserRange>) -> Option<crate::mem::tlb::TlbTicket> {
        let (Some(user), Some(units)) = (self.pools.user_ranges.get(range), self.pools.units(handle)) else {
            return None;
        };
        units.shown(user.part).next()?;
        let vm = self.pools.vms.get(handle)?;
        let (format, mut none) = (&self.info.platform.family.pt, Reservation::NONE);
        let mut sink = CpuSink::new(&mut self.hal);
        let mut stage = Stage::new(&mut self.pages, &mut none, format, &mut sink);
        let mut done = Ok(());
        for unit in units.shown(user.part) {
            for tree in &vm.trees {
                done = done.and(tree.zap(&mut stage, unit.range()).map(drop));
            }
        }
        let stale = stage.finish();
        let vm = self.pools.vms.get_mut(handle)?;
        let space = AddressSpace::new(vm.asid);
        let _ = stale.also(&mut vm.ring_flush, space);
        let proof = self.retire(handle, stale);
        if done.is_err() {
            self.ban(handle);
        }
        Some(proof)
    }

    /// Lets zapped pages go that no TLB knows any more.
    fn unpin_if_forgotten(&mut self, handle: Handle<UserRange>) -> bool {
        let Pools { user_ranges, user_pins, .. } = &mut self.pools;
        let Some(user) = user_ranges.get_mut(handle).filter(|user| user.leaving_since.is_some()) else { return false };
        if user.leaving_after.is_some_and(|after| !self.tlb.is_done(after)) {
            return false;
        }
        user.leaving.unpin(user_pins, &mut self.hal);
        (user.leaving_since, user.leaving_after) = (None, None);
        true
    }

    /// Nothing of a VM can be trusted any more (R56).
    pub(in crate::device) fn ban(&mut self, handle: Handle<Vm>) {
        let Some(vm) = self.pools.vms.get_mut(handle) else { return };
        vm.state = VmState::Banned;
        let (format, mut none) = (&self.info.platform.family.pt, Reservation::NONE);
        let mut sink = CpuSink::new(&mut self.hal);
        let mut stage = Stage::new(&mut self.pages, &mut none, format, &mut sink);
        for tree in &vm.trees {
            let _ = tree.cut_off(&mut stage);
        }
        let stale = stage.finish();
        let _ = self.retire(handle, stale);
        self.pools.kill_long_running(handle);
    }

    /// Asks for the invalidation after which what was dropped is freed.
    pub(in crate::device) fn retire(
        &mut self,
        handle: Handle<Vm>,
        stale: crate::mem::tlb::Stale,
    ) -> crate::mem::tlb::TlbTicket {
        let space = self.pools.vms.get(handle).map_or(AddressSpace::NONE, |vm| AddressSpace::new(vm.asid));
        let retired = stale.invalidate(&mut self.tlb, space);
        if let Some(vm) = self.pools.vms.get_mut(handle) {
            self.pages.join(&mut vm.users.dropped, retired.dropped);
            vm.users.dropped_after = Some(retired.proof);
        }
        retired.proof
    }

    /// Frees tables that were dropped for client memory; whether there were any.
    pub(in crate::device) fn release_dropped_of(&mut self, handle: Handle<Vm>) -> bool {
        let Some(vm) = self.pools.vms.get_mut(handle) else { return false };
        if !vm.users.dropped_after.is_some_and(|after| self.tlb.is_done(after)) {
            return false;
        }
        vm.users.dropped_after = None;
        self.pages.release(core::mem::take(&mut vm.users.dropped));
        true
    }
}

impl<'a> Pools<'a> {
    /// Whether a batch of the VM runs or is accepted.
    pub(in crate::device) fn runs_batches(&self, vm: Handle<Vm>) -> bool {
        let batch = |work: &Work| matches!(work, Work::Batch { .. });
        let mut queues = self.queues.iter().filter(|(_, queue)| queue.vm == vm && queue.exec().is_some());
        queues.any(|(_, queue)| queue.jobs.iter(&self.jobs).any(|job| batch(&job.work)))
    }

    /// What page tables of a VM show.
    pub(super) fn units(&self, vm: Handle<Vm>) -> Option<Units<'_, 'a>> {
        let index = &self.vms.get(vm)?.vmas;
        Some(Units { vm, index, store: &self.vmas, queues: &self.queues, jobs: &self.jobs, steps: &self.steps })
    }
}
