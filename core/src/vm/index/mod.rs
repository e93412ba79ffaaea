//! The index of a VM's mappings: what is where, in ascending order, never overlapping.
//!
//! A B+ tree (`tree`) of wide nodes (`node`) in storage that the embedder lends; one pool of nodes serves all address
//! spaces (`nodes`). Mappings stand in the leaves by value. Nothing here recurses, and no walk is longer than the tree
//! is high.
//!
//! A change is planned first ([`VmaIndex::plan`], which changes nothing), then room for it is made sure of
//! ([`VmaIndex::check_room`]), then it is carried out, which cannot fail. Several changes that stand or fall together go
//! through [`Tentative`](super::tentative::Tentative).

mod balance;
mod check;
mod node;
mod nodes;
mod path;
mod splice;
mod tree;

pub use check::Census;
pub use node::VmaNode;
pub(super) use nodes::Nodes;

use super::plan::{Plan, Request};
use super::store::VmaStore;
use super::vm_bo::VmBoId;
use super::vma::{VaRange, Vma};
use crate::mem::tree::Sizes;
use barexe_hal::cache::prefetch;
use node::LEAF;
use tree::{Place, Tree, Walk};

/// Levels that a tree has at most.
pub(super) const LEVELS: u32 = crate::num::u32_capped(path::LEVELS);
/// Addresses from here on do not exist: no platform has more than 57 bits of them.
pub(super) const ADDRESS_END: u64 = 1 << 57;

/// The mappings of one address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VmaIndex {
    tree: Tree,
    len: u32,
}

/// Where in an index a range belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot(Place);

impl VmaIndex {
    /// No mappings.
    pub const EMPTY: Self = Self { tree: Tree::EMPTY, len: 0 };

    /// Mappings in it.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Levels of its tree, that of the leaves included.
    #[must_use]
    pub const fn levels(&self) -> u32 {
        self.tree.levels()
    }

    /// The mapping that has `addr`.
    #[must_use]
    #[inline]
    pub fn find(&self, store: &VmaStore<'_>, addr: u64) -> Option<Vma> {
        if addr < ADDRESS_END { self.tree.find(&store.nodes, addr) } else { None }
    }

    /// The mappings that overlap `range`, ascending.
    pub fn range<'s>(&self, store: &'s VmaStore<'_>, range: VaRange) -> impl Iterator<Item = Vma> + use<'s> {
        let range = Request::unmap(range).range();
        let place = self.tree.place(&store.nodes, range);
        let walk = Walk::new(&store.nodes, place.path, place.first);
        walk.take_while(move |vma| vma.start() < range.end)
    }

    /// The lowest mapping that overlaps `range`.
    #[must_use]
    pub fn first_overlap(&self, store: &VmaStore<'_>, range: VaRange) -> Option<Vma> {
        self.range(store, range).next()
    }

    /// All mappings, ascending.
    pub fn iter<'s>(&self, store: &'s VmaStore<'_>) -> impl Iterator<Item = Vma> + use<'s> {
        self.range(store, VaRange { start: 0, end: ADDRESS_END })
    }

    /// The mappings of an object, in no particular order. Takes time in proportion to their number, and to what was put
    /// in the place of parts that they lost at their fronts.
    pub fn of_object<'s>(&self, store: &'s VmaStore<'_>, object: VmBoId) -> impl Iterator<Item = Vma> + use<'s> {
        self.of_object_after(store, object, None)
    }

    /// The next of them after another, which may have been unmapped tentatively since.
    #[must_use]
    pub fn next_of_object(&self, store: &VmaStore<'_>, object: VmBoId, after: Option<&Vma>) -> Option<Vma> {
        self.of_object_after(store, object, after.map(Vma::place)).next()
    }

    fn of_object_after<'s>(
        &self,
        store: &'s VmaStore<'_>,
        object: VmBoId,
        after: Option<u32>,
    ) -> impl Iterator<Item = Vma> + use<'s> {
        let index = *self;
        store.vm_bos.places(object, after).filter_map(move |(place, began)| {
            let mut onwards = index.range(store, VaRange { start: began, end: ADDRESS_END });
            onwards.find(|vma| vma.place() == place && vma.object() == Some(object))
        })
    }

    /// Takes the lowest mapping out. It is [released](VmaStore::release) like any other.
    pub fn take_first(&mut self, store: &mut VmaStore<'_>) -> Option<Vma> {
        let first = self.iter(store).next()?;
        let plan = self.plan(store, Request::unmap(first.range()));
        self.apply(store, &plan, |_| ()).ok()?;
        Some(first)
    }

    /// Notes which sizes of entries a mapping has been written with, if it is still there as it was.
    pub fn note_sizes(&self, store: &mut VmaStore<'_>, written: &Vma, sizes: Sizes) {
        let found = self.find(store, written.start());
        if let Some(vma) = found.filter(|vma| vma.with_sizes(written.sizes()) == *written) {
            self.tree.update(&mut store.nodes, vma.with_sizes(sizes));
        }
    }

    /// Where a request belongs.
    #[inline]
    pub(super) fn spot(&self, nodes: &Nodes<'_>, range: VaRange) -> Spot {
        Spot(self.tree.place(nodes, range))
    }

    /// Puts `new` in the place of the `gone` mappings that overlap `range`.
    #[inline]
    pub(super) fn splice(
        &mut self,
        nodes: &mut Nodes<'_>,
        spot: &Spot,
        range: VaRange,
        new: &[[u64; LEAF]],
        gone: u32,
    ) -> Option<()> {
        debug_assert_eq!(self.spot(nodes, range), *spot, "the index has changed since the plan");
        self.len = self.len.wrapping_sub(gone).wrapping_add(crate::num::u32_capped(new.len()));
        self.tree.splice(nodes, &spot.0, range, new)
    }

    /// Nodes that putting `new` mappings there can take.
    pub(super) fn nodes_needed(&self, nodes: &Nodes<'_>, spot: &Spot, new: usize) -> u32 {
        self.tree.nodes_needed(nodes, &spot.0, new)
    }

    /// Looks at the whole index: order, extent, links, the number of mappings.
    ///
    /// # Errors
    /// What is wrong first.
    pub fn check(&self, store: &VmaStore<'_>) -> Result<Census, &'static str> {
        let census = self.tree.check(&store.nodes)?;
        let listed = |vma: Vma| {
            let has_place = || store.vm_bos.began(vma.place()).is_some_and(|began| began <= vma.start());
            vma.object().is_none() || has_place()
        };
        if census.mappings != self.len {
            return Err("number of mappings");
        }
        if !self.iter(store).all(listed) {
            return Err("place of a mapping in its object");
        }
        Ok(census)
    }
}

impl Spot {
    /// The mappings that overlap the range and stand in one leaf.
    #[inline]
    pub(super) fn in_leaf<'n>(&self, nodes: &'n Nodes<'_>) -> &'n [[u64; LEAF]] {
        nodes.mappings(self.0.path.leaf(), self.0.first, self.0.last)
    }

    /// Those that stand in leaves after that, if the range goes on there.
    #[inline]
    pub(super) fn beyond<'n>(&self, nodes: &'n Nodes<'_>, range: VaRange) -> impl Iterator<Item = Vma> + use<'n> {
        let goes_on = self.goes_on(range).then(|| Walk::new(nodes, self.0.path, self.0.last));
        goes_on.into_iter().flatten().take_while(move |vma| vma.start() < range.end)
    }

    /// The first and the last mapping that overlap the range.
    #[inline]
    pub(super) fn edges(&self, nodes: &Nodes<'_>, range: VaRange) -> (Option<Vma>, Option<Vma>) {
        let in_leaf = self.in_leaf(nodes);
        let (mut first, mut last) = (in_leaf.first().copied().map(Vma), in_leaf.last().copied().map(Vma));
        if self.goes_on(range) {
            first = first.or_else(|| self.beyond(nodes, range).next());
            last = self.beyond(nodes, range).last().or(last);
        }
        (first, last)
    }

    /// Whether the range goes on past the leaf's part of the address space.
    #[inline]
    pub(super) const fn goes_on(&self, range: VaRange) -> bool {
        self.0.path.upper < range.end
    }
}

impl Plan {
    /// The plan for a request.
    #[inline]
    pub(super) fn new(index: &VmaIndex, store: &VmaStore<'_>, request: Request) -> Self {
        let VmaStore { nodes, vm_bos } = store;
        let object = request.new_vma().and_then(Vma::object);
        if let Some(object) = object {
            vm_bos.expect(object);
        }
        let path = index.tree.descend(nodes, request.range().start);
        // All that the change will touch lies on pages of its own, and looking up a page takes longer than bringing a
        // line. So all pages are asked for first: that of the leaf, that of the cell which the new mapping will have its
        // place in, and those of the cells which mappings have left lately. Then comes the leaf as a whole.
        let _ = nodes.get(path.leaf()).map(|leaf| prefetch(leaf.head()));
        if let Some(object) = object {
            vm_bos.expect_soon(object);
        }
        vm_bos.expect_leaving();
        Self { request, spot: Spot(Tree::place_below(nodes, path, request.range())) }
    }
}
