//! From the operations of a bind call to the change of mappings that they make.

use super::backings::{Backings, client_range};
use super::user::PinnedRanges;
use crate::device::jobs::syncs::PendingUserFences;
use crate::device::request::{BindFlags, BindKind, BindOp, VmFlags};
use crate::device::{Device, Pools};
use crate::mem::bo::{BlockPool, Bo};
use crate::mem::format::PtFormat;
use crate::mem::pages::Need;
use crate::mem::tree::{VaRange, shared as tables_shared};
use crate::mem::user::{PinPool, UserRange, UserRanges};
use crate::num::{low32, usize_capped, usize_of};
use crate::pool::{Handle, Pool};
use crate::shares::Owner;
use crate::vm::bind::request;
use crate::vm::change::{Change, Mappings};
use crate::vm::plan::{Request, SubOp};
use crate::vm::steps::{StepPool, Steps};
use crate::vm::store::VmaStore;
use crate::vm::vm_bo::VmBoId;
use crate::vm::vma::{NO_USER_FENCE, Vma, VmaBacking};
use crate::vm::{Vm, Vms};
use crate::{Capacity, Error, ObjectKind};
use barexe_hal::{ClientAddr, ClientFault, Hal};

impl<H: Hal> Device<'_, H> {
    /// Plans the first `count` operations, whose user fence has this number and for which client memory was pinned.
    ///
    /// # Errors
    /// [`Error::Exhausted`]; [`Error::Busy`] where a user fence that the client cannot have seen yet would lose its
    /// mapping (row 29). Everything is then as it was.
    pub(in crate::device) fn plan(
        &mut self,
        vm: Handle<Vm>,
        count: u32,
        user_fence: u32,
        pinned: &PinnedRanges,
    ) -> Result<Change, Error> {
        self.plan_with(vm, (count, user_fence), pinned.first(), |planner, change, ops| {
            ops.iter().take(usize_of(count)).try_for_each(|op| planner.expand(change, op))
        })
    }

    /// Plans the entries of a mapping that is there without.
    ///
    /// # Errors
    /// [`Error::Exhausted`]; everything is then as it was.
    pub(super) fn plan_entries(&mut self, vm: Handle<Vm>, vma: &Vma) -> Result<Change, Error> {
        self.plan_with(vm, (0, NO_USER_FENCE), None, |planner, change, _| planner.populate(change, vma))
    }

    fn plan_with(
        &mut self,
        vm: Handle<Vm>,
        (count, user_fence): (u32, u32),
        pinned: Option<Handle<UserRange>>,
        plan: impl FnOnce(&mut Planner<'_, '_>, &mut Change, &[BindOp]) -> Result<(), Error>,
    ) -> Result<Change, Error> {
        let format = &self.info.platform.family.pt;
        let Pools {
            vms, vmas, steps, bos, bo_blocks, queues, jobs, user_fences, user_ranges, user_pins, bind_ops, ..
        } = &mut self.pools;
        let pending = PendingUserFences { queues, jobs, due: &self.user_fences_due, user_fences };
        let fault_mode = vms.get(vm).is_some_and(|vm| vm.flags.contains(VmFlags::FAULT_MODE));
        let mut change = Change::default();
        let planned = mappings(vms, vm, vmas, steps).and_then(|on| {
            let mut planner = Planner {
                on,
                bos,
                blocks: bo_blocks,
                user_ranges,
                user_pins,
                pinned,
                format,
                pending,
                vm: vm.index(),
                fault_mode,
                user_fence,
            };
            plan(&mut planner, &mut change, bind_ops)
        });
        match planned {
            Ok(()) => Ok(change),
            Err(error) => {
                self.pools.refuse(vm, change, count);
                Err(error)
            }
        }
    }
}

fn mappings<'p, 'a>(
    vms: &'p mut Vms<'_>,
    vm: Handle<Vm>,
    store: &'p mut VmaStore<'a>,
    steps: &'p mut StepPool<'a>,
) -> Result<Mappings<'p, 'a>, Error> {
    let vm = vms.get_mut(vm).ok_or(Error::NotFound { kind: ObjectKind::Vm, id: vm.id() })?;
    store.on_behalf_of(Owner::of(vm.client));
    Ok(Mappings { index: &mut vm.vmas, store, steps })
}

/// What expansion of an operation works with.
struct Planner<'p, 'a> {
    on: Mappings<'p, 'a>,
    bos: &'p mut Pool<'a, Bo>,
    blocks: &'p BlockPool<'a>,
    user_ranges: &'p UserRanges<'a>,
    user_pins: &'p PinPool<'a>,
    /// What the next operation that maps client memory maps.
    pinned: Option<Handle<UserRange>>,
    format: &'static PtFormat,
    pending: PendingUserFences<'p, 'a>,
    /// Position of the VM in its pool.
    vm: u32,
    /// Entries of new mappings come with the first fault, unless the operation wants them at once.
    fault_mode: bool,
    user_fence: u32,
}

impl Planner<'_, '_> {
    fn expand(&mut self, change: &mut Change, op: &BindOp) -> Result<(), Error> {
        let backing = match op.kind {
            BindKind::Map { bo, offset_bytes } => Some(VmaBacking::Bo { object: self.part(bo)?, offset_bytes }),
            BindKind::MapNull => Some(VmaBacking::Null),
            BindKind::MapUserptr { addr } => Some(VmaBacking::User { object: self.pinned()?, addr }),
            BindKind::Unmap => None,
            BindKind::UnmapAll { bo } => return self.unmap_all(change, bo),
            BindKind::Prefetch { .. } => return self.prefetch(change, op),
        };
        let request = request(op, backing)?;
        let deferred = self.fault_mode && !op.flags.contains(BindFlags::IMMEDIATE);
        self.add(change, if deferred { request.deferred() } else { request })
    }

    /// The VM's part in a buffer object, made if there is none yet.
    fn part(&mut self, id: u32) -> Result<VmBoId, Error> {
        let handle = self.bos.by_id(id).ok_or(Error::NotFound { kind: ObjectKind::Bo, id })?;
        let bo = self.bos.get_mut(handle).ok_or(Error::NotFound { kind: ObjectKind::Bo, id })?;
        if let Some(part) = self.on.store.object(bo.parts, self.vm) {
            return Ok(part);
        }
        let part = self.on.store.add_object(&mut bo.parts, self.vm, handle.index());
        bo.uses = bo.uses.saturating_add(u32::from(part.is_some()));
        part.ok_or(Error::Exhausted(Capacity::VmBos))
    }

    /// The part in the range of client memory that was pinned for the operation.
    fn pinned(&mut self) -> Result<VmBoId, Error> {
        let range = self.pinned.and_then(|range| self.user_ranges.get(range));
        let range = range.ok_or(Error::Exhausted(Capacity::UserRanges))?;
        self.pinned = range.next;
        Ok(range.part)
    }

    /// One request for each mapping of an object.
    fn unmap_all(&mut self, change: &mut Change, id: u32) -> Result<(), Error> {
        let bo = self.bos.by_id(id).and_then(|bo| self.bos.get(bo));
        let Some(part) = bo.and_then(|bo| self.on.store.object(bo.parts, self.vm)) else { return Ok(()) };
        change.carry_on(&mut self.on)?;
        let mut last = None;
        while let Some(vma) = self.on.index.next_of_object(self.on.store, part, last.as_ref()) {
            self.add(change, Request::unmap(vma.range()))?;
            last = Some(vma);
        }
        Ok(())
    }

    /// Adds a request that a client made.
    fn add(&mut self, change: &mut Change, request: Request) -> Result<(), Error> {
        let pending = self.pending;
        let check = |op: &SubOp| match op {
            SubOp::Unmap { old, .. } | SubOp::Remap { old, .. } if pending.has(old.user_fence()) => {
                Err(Error::Busy { kind: ObjectKind::Vma, id: low32(old.start() >> 12) })
            }
            SubOp::Unmap { .. } | SubOp::Remap { .. } | SubOp::Map { .. } => Ok(()),
        };
        self.add_checked(change, request.with_user_fence(self.user_fence), check)
    }

    fn add_checked(
        &mut self,
        change: &mut Change,
        request: Request,
        check: impl Fn(&SubOp) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let format = self.format;
        let behind =
            Backings { bos: self.bos, blocks: self.blocks, user_ranges: self.user_ranges, user_pins: self.user_pins };
        let tables = |store: &VmaStore<'_>, vma: &Vma, beside: Option<VaRange>| {
            let shared = beside.map_or(Need::default(), |beside| tables_shared(format, vma.range(), beside));
            behind.need(format, store, vma).minus(shared)
        };
        change.add(&mut self.on, request, check, tables)
    }

    /// Adds the entries of every mapping that the range touches and that is there without: of all of it.
    ///
    /// Memory of these parts is in one place, and mostly there is nothing to do but to keep the place in the order of the
    /// queue (bind-and-exec sheet §4.1, D19). Client memory that was taken from the device has been pinned by now, as far
    /// as it is there.
    fn prefetch(&mut self, change: &mut Change, op: &BindOp) -> Result<(), Error> {
        change.carry_on(&mut self.on)?;
        let mut left = VaRange { start: op.va, end: op.va.saturating_add(op.range_bytes) };
        while let Some(vma) = self.on.index.first_overlap(self.on.store, left) {
            left.start = vma.end();
            self.check_pinned(&vma)?;
            if vma.is_deferred() {
                self.populate(change, &vma)?;
                change.carry_on(&mut self.on)?;
            }
        }
        Ok(())
    }

    /// Refuses a mapping of client memory that is not there.
    fn check_pinned(&self, vma: &Vma) -> Result<(), Error> {
        let VmaBacking::User { object, addr } = vma.backing() else { return Ok(()) };
        let client = client_range(vma, addr);
        let user = self.user_ranges.handle_at(self.on.store.bo_of(object));
        let pinned = user.and_then(|user| self.user_ranges.get(user)).is_some_and(|user| {
            let fresh = || user.fresh.pieces(self.user_pins, client);
            user.pieces(self.user_pins, client).or_else(fresh).is_some()
        });
        if pinned {
            return Ok(());
        }
        let addr = ClientAddr::new(addr).unwrap_or(ClientAddr::ZERO);
        Err(Error::ClientFault(ClientFault { addr, len_bytes: usize_capped(vma.range().len_bytes()) }))
    }

    /// Adds the entries of a mapping that is there without.
    fn populate(&mut self, change: &mut Change, vma: &Vma) -> Result<(), Error> {
        self.add_checked(change, Request::map(vma.with_deferred(false)).with_user_fence(vma.user_fence()), |_| Ok(()))
    }
}

impl Pools<'_> {
    /// The change has happened; its steps.
    pub(in crate::device) fn accept(&mut self, vm: Handle<Vm>, change: Change) -> Steps {
        match mappings(&mut self.vms, vm, &mut self.vmas, &mut self.steps) {
            Ok(mut on) => change.accept(&mut on),
            Err(_) => Steps::new(),
        }
    }

    /// The change that the first `count` operations make never was.
    pub(in crate::device) fn refuse(&mut self, vm: Handle<Vm>, change: Change, count: u32) {
        if let Ok(mut on) = mappings(&mut self.vms, vm, &mut self.vmas, &mut self.steps) {
            change.refuse(&mut on);
        }
        for op in self.bind_ops.iter().take(usize_of(count)) {
            let bo = op.kind.bo().and_then(|bo| self.bos.by_id(bo)).and_then(|bo| self.bos.get_mut(bo));
            if let Some(bo) = bo
                && let Some(part) = self.vmas.object(bo.parts, vm.index())
                && self.vmas.end_object(&mut bo.parts, part)
            {
                bo.uses = bo.uses.saturating_sub(1);
            }
        }
    }
}
