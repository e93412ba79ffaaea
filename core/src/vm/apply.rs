//! Carrying a plan out, and undoing it.

use super::index::VmaIndex;
use super::plan::{Hole, Plan, Request, SubOp, TableChange};
use super::store::VmaStore;
use super::vm_bo::{Made, VmBoId, VmBos};
use super::vma::{VaRange, Vma};
use crate::Capacity;

/// A change that was made, with what it takes to undo it.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The mapping that was there; the new one of a step that maps.
    vma: Vma,
    hole: Hole,
    /// Place that was taken among the object's mappings: the new mapping's, or that of a second remnant.
    made: Made,
    maps: bool,
    keep: bool,
}

const _: () = assert!(size_of::<Step>() == 64);

/// A part of a mapping that has left the page tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    /// The part.
    pub part: Vma,
    /// It is all of the mapping.
    pub whole: bool,
    /// The same bytes are mapped there again.
    pub kept: bool,
}

impl Step {
    /// What the change asks of page tables, in this order.
    #[must_use]
    pub fn table_changes(&self) -> [Option<TableChange>; 3] {
        self.sub_op().table_changes()
    }

    /// The change.
    #[must_use]
    pub fn sub_op(&self) -> SubOp {
        if self.maps { SubOp::Map { new: self.vma } } else { SubOp::of(self.vma, &self.hole, self.keep) }
    }

    /// The mapping, if it went as a whole.
    #[must_use]
    pub fn unmapped(&self) -> Option<&Vma> {
        (self.is_whole() && !self.maps).then_some(&self.vma)
    }

    /// The mapping that was there; the new one of a step that maps.
    #[must_use]
    pub const fn vma(&self) -> &Vma {
        &self.vma
    }

    /// Whether it puts a new mapping in.
    #[must_use]
    pub const fn maps(&self) -> bool {
        self.maps
    }

    /// What the step took out of the page tables for good, if whatever lies behind is then to be let go: a whole
    /// mapping, or a part of one of client memory.
    #[must_use]
    pub fn removed(&self) -> Option<Removed> {
        let whole = self.is_whole();
        if self.maps || !(whole || self.vma.is_user()) {
            return None;
        }
        let (start, end) = (self.hole.range.start.max(self.vma.start()), self.hole.range.end.min(self.vma.end()));
        Some(Removed { part: self.vma.part(VaRange { start, end }), whole, kept: self.keep })
    }

    /// Whether the hole has all of the mapping in it.
    #[inline]
    const fn is_whole(&self) -> bool {
        self.hole.range.start <= self.vma.start() && self.vma.end() <= self.hole.range.end
    }
}

/// What comes in the place of what was met: what is left below, what is new, what is left above.
#[derive(Default)]
struct Filling {
    words: [[u64; 4]; 3],
    len: usize,
}

impl Filling {
    #[inline]
    fn push(&mut self, vma: Vma) {
        if let Some(place) = self.words.get_mut(self.len) {
            *place = vma.0;
            self.len = self.len.wrapping_add(1);
        }
    }

    #[inline]
    fn words(&self) -> &[[u64; 4]] {
        self.words.get(..self.len).unwrap_or_default()
    }
}

/// The mappings at the edges of a hole.
#[derive(Clone, Copy)]
struct Edges {
    first: Option<Vma>,
    last: Option<Vma>,
    /// Something is left of the first, and of the last.
    below: bool,
    above: bool,
}

impl Edges {
    #[inline]
    fn of(hole: &Hole, (first, last): (Option<Vma>, Option<Vma>)) -> Self {
        let below = first.is_some_and(|first| first.start() < hole.range.start);
        let above = last.is_some_and(|last| hole.range.end < last.end());
        Self { first, last, below, above }
    }

    /// The mapping that something is left of on both sides, if that takes another place among its object's mappings.
    #[inline]
    fn split(&self) -> Option<VmBoId> {
        let (first, last) = (self.first?, self.last?);
        if self.below && self.above && first.start() == last.start() { first.object() } else { None }
    }

    fn count(&self) -> usize {
        usize::from(self.below).wrapping_add(usize::from(self.above))
    }
}

impl VmaIndex {
    /// Makes sure that a plan can be carried out.
    ///
    /// While change is tentative nodes may run out all the same; cells do not.
    ///
    /// # Errors
    /// What is used up.
    #[inline]
    pub fn check_room(&self, store: &mut VmaStore<'_>, plan: &Plan) -> Result<(), Capacity> {
        if store.has_plenty() {
            return Ok(());
        }
        if !store.nodes.is_tentative() {
            store.settle();
        }
        self.check_room_closely(store, plan)
    }

    fn check_room_closely(&self, store: &VmaStore<'_>, plan: &Plan) -> Result<(), Capacity> {
        let Plan { request, spot } = plan;
        let edges = Edges::of(&request.hole, spot.edges(&store.nodes, request.range()));
        let new = edges.count().wrapping_add(usize::from(request.new_vma().is_some()));
        if self.nodes_needed(&store.nodes, spot, new) > store.nodes.room() {
            return Err(Capacity::VmaNodes);
        }
        let needed = match (request.new_vma().and_then(Vma::object), edges.split()) {
            (Some(new), Some(split)) if new == split => store.vm_bos.cells_needed(new, 2),
            (new, split) => {
                let objects = [new, split].into_iter().flatten();
                objects.map(|object| store.vm_bos.cells_needed(object, 1)).sum()
            }
        };
        if needed > store.vm_bos.room(store.nodes.owner()) { Err(Capacity::VmBos) } else { Ok(()) }
    }

    /// Carries a plan out, and tells `sink` every step, in the order of [`Plan::sub_ops`].
    ///
    /// # Errors
    /// What is used up. It never is after [`check_room`](Self::check_room) has passed, unless change is tentative; the
    /// index is then good for nothing but [refusal](super::tentative::Tentative::refuse).
    #[inline]
    pub fn apply(&mut self, store: &mut VmaStore<'_>, plan: &Plan, sink: impl FnMut(Step)) -> Result<(), Capacity> {
        let VmaStore { nodes, vm_bos } = store;
        let (spot, range) = (&plan.spot, plan.request.range());
        let mut change =
            Change { request: &plan.request, filling: Filling::default(), gone: 0, tentative: nodes.is_tentative() };
        let in_leaf = spot.in_leaf(nodes);
        if spot.goes_on(range) {
            let olds = in_leaf.iter().map(|words| Vma(*words)).chain(spot.beyond(nodes, range));
            change.make(vm_bos, spot.edges(nodes, range), olds, sink)?;
        } else {
            let edges = (in_leaf.first().copied().map(Vma), in_leaf.last().copied().map(Vma));
            change.make(vm_bos, edges, in_leaf.iter().map(|words| Vma(*words)), sink)?;
        }
        self.splice(nodes, spot, range, change.filling.words(), change.gone).ok_or(Capacity::VmaNodes)
    }
}

/// A change under way.
struct Change<'p> {
    request: &'p Request,
    filling: Filling,
    gone: u32,
    tentative: bool,
}

impl Change<'_> {
    /// Goes over the mappings that the request meets, and the new one: tells what becomes of each, keeps the lists of
    /// their objects, and gathers what comes in their place.
    #[inline]
    fn make(
        &mut self,
        vm_bos: &mut VmBos<'_>,
        edges: (Option<Vma>, Option<Vma>),
        olds: impl Iterator<Item = Vma>,
        mut sink: impl FnMut(Step),
    ) -> Result<(), Capacity> {
        let (hole, new) = (self.request.hole, self.request.new_vma());
        let edges = Edges::of(&hole, edges);
        let mut made = Made::NOTHING;
        if let Some(object) = edges.split() {
            made = vm_bos.insert(object, hole.range.end).ok_or(Capacity::VmBos)?;
        }
        for vma in olds {
            self.gone = self.gone.wrapping_add(1);
            let step = Step { vma, hole, made, maps: false, keep: self.request.keeps(&vma) };
            if let (true, Some(object)) = (step.is_whole(), vma.object()) {
                if self.tentative { vm_bos.clear(vma.place()) } else { vm_bos.leave(vma.place(), object) }
            }
            sink(step);
        }
        if let (true, Some(first)) = (edges.below, edges.first) {
            self.filling.push(hole.below(&first));
        }
        if let Some(vma) = new {
            let mut made = Made::NOTHING;
            if let Some(object) = vma.object() {
                made = vm_bos.insert(object, hole.range.start).ok_or(Capacity::VmBos)?;
            }
            sink(Step { vma: *vma, hole, made, maps: true, keep: false });
            self.filling.push(vma.with_place(made.place()));
        }
        if let (true, Some(last)) = (edges.above, edges.last) {
            let above = hole.above(&last);
            self.filling.push(if made == Made::NOTHING { above } else { above.with_place(made.place()) });
        }
        Ok(())
    }
}

impl Step {
    /// Undoes what the step did to its object's list. What was done to it since is undone already.
    pub(super) fn undo(&self, vm_bos: &mut VmBos<'_>) {
        let Some(object) = self.vma.object() else { return };
        vm_bos.take_back(object, self.made);
        if !self.maps {
            // Of a cut mapping too: a later step may have unmapped what was left, and that began further up.
            vm_bos.set(self.vma.place(), self.vma.start());
        }
    }

    /// Gives back the cell that an undone step took.
    pub(super) fn tidy_made(&self, vm_bos: &mut VmBos<'_>) {
        if let Some(object) = self.vma.object() {
            vm_bos.tidy_made(object, self.made);
        }
    }

    /// Gives back the cell that an accepted step has no more mappings in.
    pub(super) fn tidy_left(&self, vm_bos: &mut VmBos<'_>) {
        if let Some(vma) = self.unmapped()
            && let Some(object) = vma.object()
        {
            vm_bos.tidy(vma.place(), object);
        }
    }
}
