//! Long-running VMs without page faults, whose queues are kept from the engines while memory moves.
//!
//! A batch of such a VM may never end, so nothing can wait for it (bind-and-exec sheet §5.6). When pages of the client
//! change, or a bind writes mappings again that batches may be using, the VM is suspended instead: the scheduler asks its
//! contexts to leave their engines and gives them none (an engine that does not let go is reset after
//! [`Config::preempt_timeout`](crate::device::Config)). They keep their state, and go on where they were once the memory is there
//! again and TLBs have forgotten what was there before.
//!
//! ```text
//!   pages change ─┐                       ┌─► zapped, unpinned ──► `user_changed` or an exec ──► pinned, bound ─┐
//!                 ├─► suspended ──► all off                                                                     ├─► on
//!   rebind's turn ┘                       └─► entries written, TLBs invalidated ────────────────────────────────┘
//! ```
//!
//! That a VM is suspended is not kept anywhere: it follows from what its memory waits for.

use crate::Error;
use crate::device::request::VmFlags;
use crate::device::{Device, Pools};
use crate::exec::job::BindWork;
use crate::exec::queue::{Queue, QueueState};
use crate::mem::user::UserState;
use crate::pool::Handle;
use crate::submit::Holder;
use crate::trace::note;
use crate::vm::{Vm, VmState};
use barexe_hal::Hal;

impl Vm {
    /// Whether its queues leave their engines when memory moves: it is long-running, and no page fault could bring the
    /// memory back.
    pub(in crate::device) const fn preempts(&self) -> bool {
        self.flags.contains(VmFlags::LR_MODE) && !self.flags.contains(VmFlags::FAULT_MODE)
    }

    /// Whether its queues are to leave their engines.
    pub(super) const fn is_suspended(&self) -> bool {
        self.preempts() && (self.users.unready > 0 || self.rebinds > 0)
    }

    /// Whether its queues may be given engines. Not before TLBs have forgotten what its memory was.
    pub(super) const fn may_run(&self) -> bool {
        !self.is_suspended() && (!self.preempts() || self.users.dropped_after.is_none())
    }
}

impl<H: Hal> Device<'_, H> {
    /// Whether no engine has a context of the VM.
    pub(in crate::device) fn is_off_engines(&self, vm: Handle<Vm>) -> bool {
        let of_vm = |holder: &Holder| match holder {
            Holder::Queue(queue) => self.pools.queues.get(*queue).is_some_and(|queue| queue.vm == vm),
            Holder::Nobody | Holder::Idle | Holder::Migration => false,
        };
        !self.ports.iter().any(|port| of_vm(&port.holder) || port.leaving.as_ref().is_some_and(of_vm))
    }

    /// Whether something waits for a context to be off its engine: its queue is dead, or its VM suspended.
    pub(super) fn is_waited_for(&self, context: Holder) -> bool {
        let Holder::Queue(queue) = context else { return false };
        let Some(queue) = self.pools.queues.get(queue) else { return false };
        queue.state != QueueState::Live || self.pools.vm_behind(queue).is_none_or(Vm::is_suspended)
    }

    /// Whether a bind whose turn has come may write its entries. One that writes mappings again suspends its VM first.
    pub(in crate::device) fn has_way(&mut self, vm: Handle<Vm>, work: &mut BindWork) -> bool {
        let Some(found) = self.pools.vms.get_mut(vm).filter(|vm| work.rebinds && vm.preempts()) else { return true };
        if !work.suspends {
            work.suspends = true;
            found.rebinds = found.rebinds.saturating_add(1);
        }
        self.is_off_engines(vm)
    }

    /// Brings the memory of a suspended VM back, once all of its pages have changed; whether something happened. While
    /// nothing is to run there it is left to the next exec.
    ///
    /// If it cannot be done the VM is banned (bind-and-exec sheet §5.5). That memory is gone is no reason: it stays
    /// unmapped.
    pub(super) fn resume_vm(&mut self, vm: Handle<Vm>) -> bool {
        let wanted = |vm: &Vm| vm.preempts() && vm.state == VmState::Live && vm.users.unready > 0;
        if !self.pools.vms.get(vm).is_some_and(wanted) || self.pools.waits_for_pages(vm) || !self.pools.runs_batches(vm)
        {
            return false;
        }
        match self.repin_for_use(vm) {
            Ok(repin) => self.carry_out_repin(repin),
            Err(Error::Again) => return false,
            Err(error) => {
                note!(error, "memory of a long-running VM does not come back: {}", error);
                let _ = error;
                self.ban(vm);
            }
        }
        true
    }
}

impl Pools<'_> {
    /// The VM of a queue.
    pub(super) fn vm_behind(&self, queue: &Queue) -> Option<&Vm> {
        self.vms.get(queue.vm)
    }

    /// Whether pages of the VM have not changed yet that are going to.
    fn waits_for_pages(&self, vm: Handle<Vm>) -> bool {
        let mut unready = self.user_ranges.iter().filter(|(_, user)| user.vm == vm && user.is_unready());
        unready.any(|(_, user)| user.state == UserState::Stale || user.changing > 0)
    }

    /// A bind is over that may have suspended its VM.
    pub(super) fn end_suspension(&mut self, vm: Handle<Vm>, work: &BindWork) {
        if let Some(vm) = self.vms.get_mut(vm).filter(|_| work.suspends) {
            vm.rebinds = vm.rebinds.saturating_sub(1);
        }
    }

    /// Nothing runs any more on the queues of a long-running VM that was banned: no limit would ever end their jobs.
    pub(in crate::device) fn kill_long_running(&mut self, vm: Handle<Vm>) {
        if !self.vms.get(vm).is_some_and(|vm| vm.flags.contains(VmFlags::LR_MODE)) {
            return;
        }
        for position in 0..self.queues.positions() {
            let runs = |queue: &Queue| queue.vm == vm && queue.exec().is_some() && queue.state == QueueState::Live;
            let found = self.queues.handle_at(position);
            if let Some(queue) = found.filter(|found| self.queues.get(*found).is_some_and(runs)) {
                self.set_queue_state(queue, QueueState::Banned);
            }
        }
    }
}
