//! A B+ tree of mappings: finding.
//!
//! Every leaf has a part of the address space to itself, and a mapping lies in one leaf's part as a whole. So everything
//! that overlaps an address is in one leaf, and a change that stays in the leaf's part touches no other. Leaves are not
//! linked to each other; a walk goes over their parents, of which there is one for some hundred and sixty leaves.

use super::node::{LEAF, VmaNode};
use super::nodes::Nodes;
use super::path::Path;
use crate::mem::tree::VaRange;
use crate::num::u32_capped;
use crate::vm::slab::NONE;
use crate::vm::vma::Vma;
use barexe_hal::cache::prefetch;

/// A tree's root. Its nodes are in the pool that all trees share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tree {
    /// `NONE` for an empty tree.
    pub(super) root: u32,
    /// Branch levels above the leaves.
    pub(super) height: usize,
}

/// Where the mappings that overlap a range begin and end in the leaf that has the range's first address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: Path,
    /// The first that overlaps, or the one after if none does.
    pub(super) first: usize,
    /// One past the last that overlaps.
    pub(super) last: usize,
}

impl Tree {
    pub(super) const EMPTY: Self = Self { root: NONE, height: 0 };

    pub(super) const fn levels(&self) -> u32 {
        if self.root == NONE { 0 } else { u32_capped(self.height.wrapping_add(1)) }
    }

    /// The way to the leaf that has `addr`.
    #[inline]
    pub(super) fn descend(&self, nodes: &Nodes<'_>, addr: u64) -> Path {
        let mut path = Path::new(self.height);
        let mut node = self.root;
        for level in 0..self.height {
            let Some(branch) = nodes.get(node) else { break };
            let (slot, child, next) = branch.child_at(addr);
            path.set(level, node, slot);
            // Past its last child a branch ends where the branch above says.
            path.upper = path.upper.min(next);
            node = child;
        }
        path.set(self.height, node, 0);
        path
    }

    /// The mapping that has `addr`.
    #[inline]
    pub(super) fn find(&self, nodes: &Nodes<'_>, addr: u64) -> Option<Vma> {
        let mut node = nodes.get(self.root)?;
        for _ in 0..self.height {
            node = nodes.get(node.child_at(addr).1)?;
        }
        let before = node.rank::<LEAF>(addr).wrapping_sub(1);
        node.entry(before).map(|words| Vma(*words)).filter(|vma| addr < vma.end())
    }

    /// Where a range belongs.
    #[inline]
    pub(super) fn place(&self, nodes: &Nodes<'_>, range: VaRange) -> Place {
        Self::place_below(nodes, self.descend(nodes, range.start), range)
    }

    /// Where a range belongs, the way to its leaf being known.
    #[inline]
    pub(super) fn place_below(nodes: &Nodes<'_>, path: Path, range: VaRange) -> Place {
        let Some(leaf) = nodes.get(path.leaf()) else { return Place { path, first: 0, last: 0 } };
        // Nearly all of a leaf is needed sooner or later; searched first and read then, it comes in two steps.
        prefetch(leaf);
        // The branch above has been searched. All of it comes near now, beside the leaf, for a later search in another part
        // of it: before its own search that would only delay it.
        if path.height > 1
            && let Some(branch) = nodes.get(path.node(path.height.wrapping_sub(1)))
        {
            prefetch(branch);
        }
        let (first, last) = overlaps(leaf, range);
        Place { path, first, last }
    }
}

/// The entries of a leaf that overlap `range`: the first, and one past the last.
#[inline]
fn overlaps(leaf: &VmaNode, range: VaRange) -> (usize, usize) {
    let at_or_below = leaf.rank::<LEAF>(range.start);
    let before = leaf.entry(at_or_below.wrapping_sub(1));
    let reaches_in = before.is_some_and(|before| Vma(*before).end() > range.start);
    (at_or_below.wrapping_sub(usize::from(reaches_in)), leaf.rank::<LEAF>(range.end.wrapping_sub(1)))
}

/// Walks the mappings of a tree, ascending.
#[derive(Clone, Debug)]
pub(super) struct Walk<'n, 'a> {
    nodes: &'n Nodes<'a>,
    path: Path,
    leaf: &'n [[u64; LEAF]],
}

impl<'n, 'a> Walk<'n, 'a> {
    /// From an entry of the leaf of `path` on.
    pub(super) fn new(nodes: &'n Nodes<'a>, path: Path, slot: usize) -> Self {
        let leaf = nodes.mappings(path.leaf(), slot, nodes.len(path.leaf()));
        Self { nodes, path, leaf }
    }

    /// Goes to the next leaf.
    fn advance(&mut self) -> Option<()> {
        let mut level = self.path.height;
        let (mut node, mut slot) = loop {
            level = level.checked_sub(1)?;
            let (node, slot) = (self.path.node(level), self.path.slot(level).wrapping_add(1));
            if slot < self.nodes.len(node) {
                break (node, slot);
            }
        };
        while level < self.path.height {
            self.path.set(level, node, slot);
            node = self.nodes.get(node)?.child(slot);
            slot = 0;
            level = level.wrapping_add(1);
        }
        self.path.set(level, node, 0);
        self.leaf = self.nodes.mappings(node, 0, self.nodes.len(node));
        Some(())
    }
}

impl Iterator for Walk<'_, '_> {
    type Item = Vma;

    #[inline]
    fn next(&mut self) -> Option<Vma> {
        loop {
            if let Some((first, rest)) = self.leaf.split_first() {
                self.leaf = rest;
                return Some(Vma(*first));
            }
            self.advance()?;
        }
    }
}
