//! Jobs and queues with page faults do not share engines (bind-and-exec sheet §5.6): a queue that waits for a fault to be
//! served could hold an engine, and with it a job that others wait for.
//!
//! Engines come in groups, and each group is in one of two modes. Jobs that have to end come first: queues with page
//! faults leave the group for them. Queues that need not end, with page faults and without, take turns.

use crate::device::Device;
use crate::device::request::VmFlags;
use crate::exec::queue::Queue;
use crate::gt::EngineClass;
use crate::submit::Holder;
use crate::vm::Vm;
use barexe_hal::{Hal, Nanos};

/// How long a group stays in a mode while the other one is wanted.
const TURN: Nanos = Nanos::from_millis(5);

/// What one group of engines runs.
#[derive(Clone, Copy, Debug, Default)]
struct Mode {
    /// Queues with page faults, else all others.
    faulting: bool,
    /// When its queues had the group for themselves first.
    since: Nanos,
}

/// The modes of all groups: render and compute, copy, video.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::device) struct Modes([Mode; 3]);

/// What queues of a group wait for.
#[derive(Clone, Copy, Debug, Default)]
struct Wanted {
    /// Jobs of VMs without page faults.
    ordinary: bool,
    /// Some of them have to end.
    urgent: bool,
    /// Jobs of VMs with page faults.
    faulting: bool,
}

impl Mode {
    /// The mode that comes next.
    fn next(self, wanted: Wanted, now: Nanos) -> bool {
        let over = now >= self.since.saturating_add(TURN);
        if self.faulting {
            !(wanted.urgent || wanted.ordinary && (over || !wanted.faulting))
        } else {
            wanted.faulting && !wanted.urgent && (over || !wanted.ordinary)
        }
    }
}

/// Position of the group of engines of a class.
const fn group_of(class: EngineClass) -> usize {
    match class {
        EngineClass::Render | EngineClass::Compute => 0,
        EngineClass::Copy => 1,
        EngineClass::VideoDecode | EngineClass::VideoEnhance | EngineClass::Gsc => 2,
    }
}

impl<H: Hal> Device<'_, H> {
    /// Lets groups of engines change their modes; whether one has.
    pub(super) fn step_modes(&mut self) -> bool {
        if !self.info.platform.fault_mode {
            return false;
        }
        let mut moved = false;
        for group in 0..self.modes.0.len() {
            let (wanted, now) = (self.wanted_in(group), self.now);
            let Some(Mode { faulting, .. }) = self.modes.0.get(group).copied() else { continue };
            let is_clear = !self.is_held_by(group, !faulting);
            let Some(mode) = self.modes.0.get_mut(group) else { continue };
            if !is_clear {
                mode.since = now;
            }
            if mode.next(wanted, now) != faulting {
                *mode = Mode { faulting: !faulting, since: now };
                moved = true;
            }
        }
        moved
    }

    fn wanted_in(&self, group: usize) -> Wanted {
        let mut wanted = Wanted::default();
        for (_, queue) in self.pools.all_ready_queues() {
            let Some(exec) = queue.exec().filter(|_| queue.is_ready()) else { continue };
            let vm = self.pools.vm_behind(queue).filter(|vm| vm.may_run());
            let Some(vm) = vm.filter(|_| self.group_at(usize::from(exec.engine)) == Some(group)) else { continue };
            let faulting = faults(vm);
            wanted.faulting |= faulting;
            wanted.ordinary |= !faulting;
            wanted.urgent |= !vm.flags.contains(VmFlags::LR_MODE);
        }
        wanted
    }

    fn group_at(&self, engine: usize) -> Option<usize> {
        self.info.engines.get(engine).map(|engine| group_of(engine.class))
    }

    /// Whether an engine of the group has a context of a queue with page faults, or of one without.
    fn is_held_by(&self, group: usize, faulting: bool) -> bool {
        let held = |holder: &Holder| match holder {
            Holder::Queue(queue) => {
                let vm = self.pools.queues.get(*queue).and_then(|queue| self.pools.vm_behind(queue));
                vm.is_some_and(|vm| faults(vm) == faulting)
            }
            Holder::Nobody | Holder::Idle | Holder::Migration => false,
        };
        let ports = self.ports.iter().enumerate().filter(|(engine, _)| self.group_at(*engine) == Some(group));
        ports.into_iter().any(|(_, port)| held(&port.holder) || port.leaving.as_ref().is_some_and(held))
    }

    /// Whether the queue is to leave its engine for what its VM's memory or its group of engines waits for.
    pub(super) fn must_make_way(&self, engine: u8, queue: &Queue) -> bool {
        let Some(vm) = self.pools.vm_behind(queue) else { return true };
        vm.is_suspended() || self.is_off_mode(engine, vm)
    }

    /// Whether the queue may be given an engine.
    pub(super) fn may_have_engine(&self, engine: u8, queue: &Queue) -> bool {
        let Some(vm) = self.pools.vm_behind(queue) else { return false };
        let group = self.group_at(usize::from(engine)).filter(|_| self.info.platform.fault_mode);
        vm.may_run() && !self.is_off_mode(engine, vm) && !group.is_some_and(|group| self.is_held_by(group, !faults(vm)))
    }

    fn is_off_mode(&self, engine: u8, vm: &Vm) -> bool {
        let mode = self.group_at(usize::from(engine)).and_then(|group| self.modes.0.get(group));
        self.info.platform.fault_mode && mode.is_some_and(|mode| mode.faulting != faults(vm))
    }
}

const fn faults(vm: &Vm) -> bool {
    vm.flags.contains(VmFlags::FAULT_MODE)
}
