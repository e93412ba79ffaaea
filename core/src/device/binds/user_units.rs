//! What page tables show of client memory.
//!
//! The index is ahead of the page tables: it has what every accepted bind made, and they only what had its turn. Of one
//! range they show what the index has and, instead of what waiting binds have cut out of it, the mappings as these met
//! them. Each is bound as a whole, so each can be zapped and bound anew as a whole: a unit.

use crate::exec::job::{BindWork, JobPool, Work};
use crate::exec::queue::Queues;
use crate::pool::Handle;
use crate::vm::Vm;
use crate::vm::apply::Step;
use crate::vm::index::VmaIndex;
use crate::vm::steps::StepPool;
use crate::vm::store::VmaStore;
use crate::vm::vm_bo::VmBoId;
use crate::vm::vma::Vma;

/// A VM's mappings, and the binds that are on their way into its page tables.
#[derive(Clone, Copy, Debug)]
pub(super) struct Units<'p, 'a> {
    pub(in crate::device) vm: Handle<Vm>,
    pub(in crate::device) index: &'p VmaIndex,
    pub(in crate::device) store: &'p VmaStore<'a>,
    pub(in crate::device) queues: &'p Queues<'a>,
    pub(in crate::device) jobs: &'p JobPool<'a>,
    pub(in crate::device) steps: &'p StepPool<'a>,
}

impl<'p, 'a> Units<'p, 'a> {
    fn binds(self) -> impl Iterator<Item = &'p BindWork> + use<'p, 'a> {
        let Self { vm, queues, jobs, .. } = self;
        let of_vm = queues.iter().filter(move |(_, queue)| queue.vm == vm);
        of_vm.flat_map(move |(_, queue)| queue.jobs.iter(jobs)).filter_map(|job| match &job.work {
            Work::Bind(work) => Some(work),
            Work::Barrier | Work::Batch { .. } => None,
        })
    }

    /// The steps of binds that have not had their turn.
    fn waiting(self, part: VmBoId) -> impl Iterator<Item = &'p Step> + use<'p, 'a> {
        let steps = self.steps;
        let waiting = self.binds().filter(|work| !work.started).flat_map(move |work| work.steps.left(steps));
        waiting.filter(move |step| step.vma().object() == Some(part))
    }

    /// Mappings that waiting binds have taken out of the index or cut.
    fn cut(self, part: VmBoId) -> impl Iterator<Item = Vma> + use<'p, 'a> {
        self.waiting(part).filter(|step| !step.maps()).map(|step| *step.vma())
    }

    /// Whether page tables show it: the bind that maps it has had its turn, and its entries do not wait for a fault.
    fn is_shown(self, part: VmBoId, unit: &Vma) -> bool {
        let covers = |step: &Step| step.maps() && step.vma().start() <= unit.start() && unit.end() <= step.vma().end();
        !unit.is_deferred() && !self.waiting(part).any(covers)
    }

    /// What of a range page tables show.
    pub(super) fn shown(self, part: VmBoId) -> impl Iterator<Item = Vma> + use<'p, 'a> {
        self.of(part).filter(move |unit| self.is_shown(part, unit))
    }

    /// Whether jobs on the copy engine are at work on entries of the VM.
    pub(super) fn are_being_written(self) -> bool {
        self.binds().any(|work| work.started && !work.written)
    }

    /// The units, those too that are not there yet.
    pub(in crate::device) fn of(self, part: VmBoId) -> impl Iterator<Item = Vma> + use<'p, 'a> {
        let whole = move |unit: &Vma| {
            let unit = unit.range();
            !self.cut(part).any(|old| {
                let old = old.range();
                old != unit && old.start <= unit.start && unit.end <= old.end
            })
        };
        self.cut(part).chain(self.index.of_object(self.store, part)).filter(whole)
    }
}
