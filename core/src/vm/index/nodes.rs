//! The nodes of all trees, and tentative change: copies that can be dropped as one.
//!
//! While a change is tentative no node that was there before is written: the first write to it goes to a copy, made on
//! the way down, and the copy's parent, being a copy too, points to it. So the tree before and the tree after exist side
//! by side. Accepting gives back the nodes that only the old tree uses. Refusing takes back every node made since, by
//! setting the free list to where it was: no node is given back in between.

use super::node::{LEAF, MAX_NODES, VmaNode};
use crate::shares::{Ledger, Owner};
use crate::vm::slab::{NONE, Slab, SlabMark};

/// The nodes of all trees.
#[derive(Debug)]
pub(in crate::vm) struct Nodes<'a> {
    slab: Slab<'a, VmaNode>,
    /// Number of the newest tentative change; nodes that it made carry it.
    epoch: u64,
    /// Where the free list was when the tentative change began that is going on.
    before: Option<SlabMark>,
    /// Nodes that go when it is accepted.
    retired: u32,
    /// Whose trees are being changed.
    owner: Owner,
}

impl<'a> Nodes<'a> {
    pub(in crate::vm) const fn new(cells: &'a mut [VmaNode]) -> Self {
        Self { slab: Slab::new(cells, MAX_NODES), epoch: 0, before: None, retired: NONE, owner: Owner::NOBODY }
    }

    /// From here on nodes are counted in `ledger`. None is in use.
    pub(in crate::vm) const fn count_in(&mut self, ledger: Ledger<'a>) {
        self.slab.count_in(ledger);
    }

    /// Where nodes are counted.
    pub(in crate::vm) const fn ledger(&self) -> &Ledger<'a> {
        self.slab.ledger()
    }

    /// From here on trees of `owner` are changed. No change is tentative.
    pub(in crate::vm) const fn on_behalf_of(&mut self, owner: Owner) {
        self.owner = owner;
    }

    /// Whose trees are being changed.
    #[inline]
    pub(in crate::vm) const fn owner(&self) -> Owner {
        self.owner
    }

    pub(in crate::vm) const fn into_cells(self) -> &'a mut [VmaNode] {
        self.slab.into_cells()
    }

    /// Nodes in use.
    pub(in crate::vm) const fn live(&self) -> u32 {
        self.slab.live()
    }

    /// Nodes that are left for whoever's trees are being changed.
    #[inline]
    pub(in crate::vm) fn room(&self) -> u32 {
        self.slab.room(self.owner)
    }

    #[inline]
    pub(super) fn get(&self, node: u32) -> Option<&VmaNode> {
        self.slab.get(node)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, node: u32) -> Option<&mut VmaNode> {
        self.slab.get_mut(node)
    }

    pub(super) fn pair_mut(&mut self, one: u32, other: u32) -> Option<(&mut VmaNode, &mut VmaNode)> {
        self.slab.pair_mut(one, other)
    }

    #[inline]
    pub(super) fn len(&self, node: u32) -> usize {
        self.get(node).map_or(0, VmaNode::len)
    }

    /// The mappings `first..last` of a leaf.
    #[inline]
    pub(super) fn mappings(&self, leaf: u32, first: usize, last: usize) -> &[[u64; LEAF]] {
        self.get(leaf).map_or(&[], |leaf| leaf.mappings(first, last))
    }

    /// An empty node; `None` when nodes are used up.
    pub(super) fn make(&mut self) -> Option<u32> {
        let index = self.slab.take(self.owner)?;
        let epoch = self.epoch;
        self.slab.get_mut(index)?.make(epoch);
        Some(index)
    }

    /// The tree has no more use for a node.
    pub(super) fn drop(&mut self, index: u32) {
        if self.before.is_none() {
            self.slab.give(self.owner, index);
        } else if let Some(node) = self.slab.get_mut(index) {
            node.retired = self.retired;
            self.retired = index;
        }
    }

    /// The node to write to in place of `index`: itself, or while change is tentative a copy.
    pub(super) fn own(&mut self, index: u32) -> Option<u32> {
        if self.before.is_none() || self.get(index)?.epoch() == self.epoch {
            return Some(index);
        }
        let copy = self.make()?;
        let (to, from) = self.slab.pair_mut(copy, index)?;
        to.copy_entries(from);
        self.drop(index);
        Some(copy)
    }

    /// Whether a tentative change is going on.
    #[inline]
    pub(in crate::vm) const fn is_tentative(&self) -> bool {
        self.before.is_some()
    }

    /// From here on change is tentative.
    pub(in crate::vm) const fn begin(&mut self) {
        self.before = Some(self.slab.mark());
        self.epoch = self.epoch.wrapping_add(1);
        self.retired = NONE;
    }

    /// What was tentative stays.
    pub(in crate::vm) fn accept(&mut self) {
        self.before = None;
        while let Some(next) = self.slab.get(self.retired).map(|node| node.retired) {
            self.slab.give(self.owner, self.retired);
            self.retired = next;
        }
    }

    /// What was tentative never was. The roots of trees that were changed are no longer good.
    pub(in crate::vm) fn refuse(&mut self) {
        if let Some(mark) = self.before.take() {
            self.slab.rewind(self.owner, mark);
        }
        self.retired = NONE;
    }
}
