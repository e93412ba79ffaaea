//! Which binds of different queues keep their order (bind-and-exec sheet §4.7).
//!
//! A bind is ordered behind an earlier one of another queue that may write an entry it may write: one range is not enough,
//! as both may hook a table up at one place, or take it out there. How far a change reaches is looked up in the tables
//! as they are when the later call is made. Tables may be others by the time it is staged: two binds that each
//! take a part of what a table maps do so together. So no bind is staged while another that takes entries out is under way,
//! with TLBs that may still know the tables it dropped.

use crate::Error;
use crate::device::jobs::syncs::CallSyncs;
use crate::device::request::VmFlags;
use crate::device::{Device, Pools};
use crate::exec::job::{BindWork, Work};
use crate::exec::queue::{Queue, QueueKind, QueueList};
use crate::mem::tree::VaRange;
use crate::pool::Handle;
use crate::shares::Owner;
use crate::sync::fence::Fence;
use crate::vm::Vm;
use crate::vm::change::Totals;
use barexe_hal::Hal;

impl<H: Hal> Device<'_, H> {
    /// What the bind waits for beside its in-syncs: earlier binds of other queues that may write an entry it may write;
    /// if it maps something, earlier ones that rewrite mappings; and everything in the VM if it does that itself.
    pub(super) fn add_bind_dependencies(
        &mut self,
        vm: Handle<Vm>,
        queue: Handle<Queue>,
        plan: &Totals,
        syncs: &mut CallSyncs,
    ) -> Result<(), Error> {
        let Pools { queues, jobs, timelines, dependencies, vms, .. } = &mut self.pools;
        let found = vms.get(vm);
        let owner = found.map_or(Owner::NOBODY, |vm| Owner::of(vm.client));
        // Batches there need not end: they are suspended when the bind's turn has come.
        let long_running = found.is_some_and(|vm| vm.flags.contains(VmFlags::LR_MODE));
        // The trees of all tiles say the same.
        let tree = found.and_then(|vm| vm.trees.first());
        let reach = |span: VaRange, unbinds| tree.map_or(span, |tree| tree.reach(&self.pages, span, unbinds));
        let conflicts = |work: &Work| {
            let (Work::Bind(BindWork { span: Some(theirs), unbinds, .. }), Some(ours)) = (work, plan.span) else {
                return false;
            };
            reach(*theirs, *unbinds).overlaps(reach(ours, plan.unbinds))
        };
        for (_, other) in queues.iter().filter(|(handle, other)| other.vm == vm && *handle != queue) {
            let waits = match other.kind {
                QueueKind::Exec(_) if long_running || !plan.rebinds => None,
                _ if plan.rebinds => Some(Fence::last_of(timelines, other.timeline)),
                QueueKind::Exec(_) => None,
                QueueKind::Bind => other.last_job(jobs, |job| conflicts(&job.work) || plan.maps && job.work.rebinds()),
            };
            if let Some(fence) = waits {
                syncs.wait.add(dependencies, owner, timelines, fence)?;
            }
        }
        Ok(())
    }

    /// Whether a bind whose turn has come in its queue may be staged: no other queue of its VM has one under way that it
    /// would get in the way of. Such a one waits for nothing but the device.
    pub(super) fn has_tables(&self, queue: Handle<Queue>, vm: Handle<Vm>, work: &BindWork) -> bool {
        let pools = &self.pools;
        // A bind that is under way keeps its queue awake.
        let mut awake = pools.awake.iter(&pools.queues, QueueList::Attention);
        let waits = !work.started && work.span.is_some();
        !waits || !awake.any(|(other, found)| other != queue && found.vm == vm && pools.is_in_the_way(found, work))
    }
}

impl Pools<'_> {
    /// Whether the next bind of another queue is under way, and this one must not be staged beside it: it takes entries
    /// out; or the copy engine stores its entries, above or below those that the CPU would store here.
    fn is_in_the_way(&self, other: &Queue, work: &BindWork) -> bool {
        let next = other.next_to_start().and_then(|job| self.jobs.get(job));
        let Some(Work::Bind(next)) = next.map(|job| &job.value.work) else { return false };
        next.started && (next.unbinds || next.by_engine && !work.by_engine)
    }
}
