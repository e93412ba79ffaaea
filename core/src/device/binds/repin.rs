//! Client memory that was taken from the device is pinned and bound anew: before an exec, and by a PREFETCH.
//!
//! In two halves, like every call: what can fail comes first (pages are pinned, tables reserved) and can be given up; the
//! rest cannot.

use super::backings::{client_range, stage_with, worst};
use crate::Error;
use crate::device::request::BindKind;
use crate::device::request::VmFlags;
use crate::device::{Device, Pools};
use crate::mem::Defect;
use crate::mem::pages::{Need, Reservation};
use crate::mem::tlb::{AddressSpace, Remedy, Stale, VmKind};
use crate::mem::tree::{CpuSink, Segment, Stage, VaRange, need as tables_needed};
use crate::mem::user::{Pins, UserRange, UserState};
use crate::num::{usize_capped, usize_of};
use crate::pool::Handle;
use crate::vm::Vm;
use crate::vm::vma::{Vma, VmaBacking};
use barexe_hal::{ClientAddr, ClientFault, Hal};

/// Pages that were pinned for the ranges of a VM that the call under way wants, and tables to bind them.
#[derive(Debug)]
#[must_use = "carried out or given up"]
pub(in crate::device) struct Repin {
    vm: Handle<Vm>,
    reservation: Reservation,
}

impl<H: Hal> Device<'_, H> {
    /// Pins what an exec needs: every range of the VM whose pages have changed. Memory that is gone is no error: its
    /// mappings stay unmapped (bind-and-exec sheet §3.5, row 16).
    ///
    /// # Errors
    /// [`Error::Again`] while an invalidation waits for the VM's batches; [`Error::Exhausted`], the HAL's.
    pub(in crate::device) fn repin_for_exec(&mut self, vm: Handle<Vm>) -> Result<Option<Repin>, Error> {
        let faults = self.pools.vms.get(vm).is_some_and(|vm| vm.flags.contains(VmFlags::FAULT_MODE));
        if faults { Ok(None) } else { self.repin_for_use(vm) }
    }

    /// Pins every range of the VM whose pages have changed.
    ///
    /// # Errors
    /// As [`repin_for_exec`](Self::repin_for_exec).
    pub(in crate::device) fn repin_for_use(&mut self, vm: Handle<Vm>) -> Result<Option<Repin>, Error> {
        if self.pools.vms.get(vm).is_none_or(|vm| vm.users.unready == 0) {
            return Ok(None);
        }
        let mut need = Ok(Need::default());
        for position in 0..self.pools.user_ranges.positions() {
            let Some(handle) = self.pools.user_ranges.handle_at(position) else { continue };
            let wanted = self.pools.user_ranges.get(handle).is_some_and(|user| user.vm == vm && user.is_unready());
            if wanted {
                need = need.and_then(|need| Ok(need.plus(self.pin_units(handle, None)?)));
            }
        }
        self.reserve_repin(vm, need).map(Some)
    }

    /// Pins what a page fault in a mapping needs: the range it shows.
    ///
    /// # Errors
    /// As [`repin_for_exec`](Self::repin_for_exec); [`Error::ClientFault`] for memory that is gone.
    pub(super) fn repin_for_fault(&mut self, vm: Handle<Vm>, vma: &Vma) -> Result<Option<Repin>, Error> {
        let VmaBacking::User { object, addr } = vma.backing() else { return Ok(None) };
        let Some(handle) = self.pools.user_range_of(object) else { return Ok(None) };
        let need = self.pin_units(handle, Some(vma.range()));
        let repin = self.reserve_repin(vm, need)?;
        let client = client_range(vma, addr);
        let Pools { user_ranges, user_pins, .. } = &self.pools;
        let pinned = |user: &UserRange| [&user.pins, &user.fresh].iter().any(|p| p.pieces(user_pins, client).is_some());
        if user_ranges.get(handle).is_some_and(pinned) {
            return Ok(Some(repin));
        }
        self.give_up_repin(Some(repin));
        let addr = ClientAddr::new(addr).unwrap_or(ClientAddr::ZERO);
        Err(Error::ClientFault(ClientFault { addr, len_bytes: usize_capped(vma.range().len_bytes()) }))
    }

    /// Pins what the PREFETCH operations of a call need: ranges whose pages have changed as a whole, and mappings of
    /// others whose memory was gone.
    ///
    /// # Errors
    /// As [`repin_for_exec`](Self::repin_for_exec).
    pub(super) fn repin_for_prefetch(&mut self, vm: Handle<Vm>, count: u32) -> Result<Option<Repin>, Error> {
        let mut need = Ok(Need::default());
        let mut any = false;
        for index in 0..usize_of(count) {
            let Some(op) = self.pools.bind_ops.get(index).copied() else { break };
            if !matches!(op.kind, BindKind::Prefetch { .. }) {
                continue;
            }
            let mut range = VaRange { start: op.va, end: op.va.saturating_add(op.range_bytes) };
            while let Some(vma) = self.pools.first_user_vma(vm, range) {
                range.start = vma.end();
                let Some(handle) = vma.object().and_then(|part| self.pools.user_range_of(part)) else { continue };
                any = true;
                need = need.and_then(|need| Ok(need.plus(self.pin_units(handle, Some(vma.range()))?)));
            }
        }
        if any { self.reserve_repin(vm, need).map(Some) } else { Ok(None) }
    }

    /// Pins what of a range is not, as far as it is there: all of it if its pages have changed, else only what `only`
    /// touches. The tables that binding it can take.
    fn pin_units(&mut self, handle: Handle<UserRange>, only: Option<VaRange>) -> Result<Need, Error> {
        let mut need = Need::default();
        let Some(user) = self.pools.user_ranges.get(handle) else { return Ok(need) };
        let (vm, part, state) = (user.vm, user.part, user.state);
        let Pools { vms, vmas, queues, jobs, steps, user_ranges, user_pins, .. } = &mut self.pools;
        let Some(index) = vms.get(vm).map(|vm| &vm.vmas) else { return Ok(need) };
        let units = super::user_units::Units { vm, index, store: vmas, queues, jobs, steps };
        if state == UserState::Stale || units.are_being_written() {
            return Err(Error::Again);
        }
        let owner = user_ranges.owner_of(handle);
        let Some(user) = user_ranges.get_mut(handle) else { return Ok(need) };
        user.wanted = true;
        let overlaps = |unit: &Vma, only: VaRange| unit.start() < only.end && only.start < unit.end();
        let touched = |unit: &Vma| state == UserState::Zapped || only.is_none_or(|only| overlaps(unit, only));
        for unit in units.of(part).filter(touched) {
            let VmaBacking::User { addr, .. } = unit.backing() else { continue };
            let client = client_range(&unit, addr);
            if user.pins.pieces(user_pins, client).is_some() || user.fresh.pieces(user_pins, client).is_some() {
                continue;
            }
            need = need.plus(tables_needed(
                &self.info.platform.family.pt,
                unit.range(),
                core::iter::once(worst(unit.range())),
            ));
            let mut pins = Pins::NONE;
            match user.pin(client, self.info.dma_last, &mut pins, (user_pins, owner, &mut self.hal)) {
                Ok(()) => user.fresh.merge((user_pins, owner), pins),
                Err(Error::ClientFault(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(need)
    }

    fn reserve_repin(&mut self, vm: Handle<Vm>, need: Result<Need, Error>) -> Result<Repin, Error> {
        let (owner, tiles) = (self.pools.owner_of_vm(vm), self.info.tile_count());
        let reserved = need.and_then(|need| self.pages.reserve_for(owner, &mut self.hal, need.on_tiles(tiles)));
        match reserved {
            Ok(reservation) => Ok(Repin { vm, reservation }),
            Err(error) => {
                self.give_up_repin(Some(Repin { vm, reservation: Reservation::NONE }));
                Err(error)
            }
        }
    }

    /// The call was refused: nothing was pinned.
    pub(in crate::device) fn give_up_repin(&mut self, repin: Option<Repin>) {
        let Some(repin) = repin else { return };
        let Pools { user_ranges, user_pins, .. } = &mut self.pools;
        for (_, user) in user_ranges.iter_mut().filter(|(_, user)| user.wanted && user.vm == repin.vm) {
            user.wanted = false;
            user.fresh.unpin(user_pins, &mut self.hal);
        }
        self.pages.unreserve(repin.reservation);
    }

    /// The call is going to be accepted: what was pinned is bound.
    pub(in crate::device) fn carry_out_repin(&mut self, repin: Option<Repin>) {
        let Some(Repin { vm, mut reservation }) = repin else { return };
        for position in 0..self.pools.user_ranges.positions() {
            let Some(handle) = self.pools.user_ranges.handle_at(position) else { continue };
            if self.pools.user_ranges.get(handle).is_some_and(|user| user.wanted && user.vm == vm) {
                let (stale, done) = self.bind_units(vm, handle, &mut reservation);
                self.forget(vm, stale);
                self.pools.accept_pins(vm, handle);
                if done.is_err() {
                    self.ban(vm);
                }
            }
        }
        self.pages.unreserve(reservation);
    }

    /// Stages the entries of what was pinned of a range.
    fn bind_units(
        &mut self,
        handle: Handle<Vm>,
        range: Handle<UserRange>,
        reservation: &mut Reservation,
    ) -> (Stale, Result<(), Defect>) {
        let pools = &self.pools;
        let (Some(user), Some(units)) = (pools.user_ranges.get(range), pools.units(handle)) else {
            return (Stale::NONE, Ok(()));
        };
        let Some(vm) = pools.vms.get(handle) else { return (Stale::NONE, Ok(())) };
        let mut sink = CpuSink::new(&mut self.hal);
        let mut stage = Stage::new(&mut self.pages, reservation, &self.info.platform.family.pt, &mut sink);
        let mut done = Ok(());
        for unit in units.shown(user.part) {
            let VmaBacking::User { addr, .. } = unit.backing() else { continue };
            let pieces = user.fresh.pieces(&pools.user_pins, client_range(&unit, addr));
            // Where memory is gone a scratch VM reads zero; any other goes on faulting.
            let nothing = user.state == UserState::Zapped && vm.has_scratch();
            for tree in vm.trees.iter().take_while(|_| pieces.is_some() || nothing) {
                let bound = match pieces.clone() {
                    Some(pieces) => stage_with(tree, &mut stage, (&unit, true), pieces),
                    None => stage_with(tree, &mut stage, (&unit, true), core::iter::once(Segment::Null)),
                };
                done = done.and(bound.map(drop));
            }
        }
        (stage.finish(), done)
    }

    /// Sees to it that no TLB goes on holding what was changed.
    fn forget(&mut self, handle: Handle<Vm>, stale: Stale) {
        let Some(vm) = self.pools.vms.get_mut(handle) else { return };
        let kind = VmKind { scratch: vm.has_scratch(), long_running: vm.flags.contains(VmFlags::LR_MODE) };
        let remedy = stale.remedy(kind);
        if remedy != Remedy::Nothing {
            let space = AddressSpace::new(vm.asid);
            stale.also(&mut vm.ring_flush, space);
        }
        if remedy == Remedy::Now {
            let _ = self.retire(handle, stale);
        } else {
            let _ = stale.is_settled();
        }
    }
}

impl Pools<'_> {
    /// The lowest mapping of client memory in a range.
    fn first_user_vma(&self, vm: Handle<Vm>, range: VaRange) -> Option<Vma> {
        let index = &self.vms.get(vm)?.vmas;
        index.range(&self.vmas, range).find(Vma::is_user)
    }

    /// What was pinned for a range is what it has.
    fn accept_pins(&mut self, vm: Handle<Vm>, handle: Handle<UserRange>) {
        let owner = self.user_ranges.owner_of(handle);
        let Some(user) = self.user_ranges.get_mut(handle) else { return };
        user.wanted = false;
        user.pins.merge((&mut self.user_pins, owner), core::mem::take(&mut user.fresh));
        if user.state == UserState::Zapped {
            user.state = UserState::Valid;
            if let Some(vm) = self.vms.get_mut(vm) {
                vm.users.unready = vm.users.unready.saturating_sub(1);
            }
        }
    }
}
