//! A B+ tree of mappings: putting some in the place of others.

use super::node::{BRANCH, LEAF, child, few, width};
use super::nodes::Nodes;
use super::path::{LEVELS, Path};
use super::tree::{Place, Tree};
use crate::mem::tree::VaRange;
use crate::num::u32_capped;
use crate::vm::slab::NONE;
use crate::vm::vma::Vma;

/// Where a full node is cut to make room at `at`: in the middle, but near the end if it grows at its end, as ranges that
/// are handed out in ascending order do.
const fn cut<const N: usize>(at: usize) -> usize {
    let len = width::<N>();
    if at == len { len.saturating_sub(len / 8) } else { len / 2 }
}

impl Tree {
    /// Nodes that putting `new` mappings where `place` says can take, beside those that a tentative change copies.
    pub(super) fn nodes_needed(&self, nodes: &Nodes<'_>, place: &Place, new: usize) -> u32 {
        let path = &place.path;
        let len = nodes.len(path.leaf()).wrapping_sub(place.last.wrapping_sub(place.first)).wrapping_add(new);
        if (len <= width::<LEAF>() && (self.root != NONE || new == 0)) || self.sharing(nodes, path).is_some() {
            return 0;
        }
        let is_full = |level: &usize| nodes.len(path.node(*level)) == width::<BRANCH>();
        let full = (0..self.height).rev().take_while(is_full).count();
        // The leaf's other half, that of every full branch in a row above it, and a new root above the last.
        let grows = full == self.height && self.root != NONE;
        if grows && self.is_too_high() {
            return u32::MAX;
        }
        u32_capped(full.wrapping_add(usize::from(grows)).wrapping_add(1))
    }

    /// Whether the tree is as high as it may get.
    const fn is_too_high(&self) -> bool {
        self.height.wrapping_add(1) >= LEVELS
    }

    /// Removes what overlaps `range`, which `place` belongs to, and puts `new` there: at most three mappings, which
    /// reach from where the first that goes began, or later, to where the last ended.
    ///
    /// `None` if nodes run out, see [`Self::nodes_needed`]. The tree is then good for nothing but refusal.
    #[inline]
    pub(super) fn splice(
        &mut self,
        nodes: &mut Nodes<'_>,
        place: &Place,
        range: VaRange,
        new: &[[u64; LEAF]],
    ) -> Option<()> {
        if place.path.upper >= range.end
            && !nodes.is_tentative()
            && let Some(leaf) = nodes.get_mut(place.path.leaf())
        {
            let len = leaf.len().wrapping_sub(place.last.wrapping_sub(place.first)).wrapping_add(new.len());
            if len <= width::<LEAF>() && (len >= few::<LEAF>() || len >= leaf.len()) {
                leaf.replace(place.first, place.last, new);
                return Some(());
            }
        }
        self.splice_wide(nodes, place, range, new)
    }

    /// [`Self::splice`] where more than the entries of one leaf change.
    #[inline(never)]
    fn splice_wide(&mut self, nodes: &mut Nodes<'_>, place: &Place, range: VaRange, new: &[[u64; LEAF]]) -> Option<()> {
        let mut place = *place;
        loop {
            if place.path.upper < range.end {
                // What comes last may lie below the range as a whole.
                let reach = new.last().map_or(range.end, |last| Vma(*last).end().max(range.end));
                self.clear_following(nodes, &mut place, range, reach)?;
            }
            self.own(nodes, &mut place.path)?;
            let Place { path, first, last } = place;
            let Some(leaf) = nodes.get_mut(path.leaf()) else { return self.plant(nodes, new) };
            let before = leaf.len();
            let len = before.wrapping_sub(last.wrapping_sub(first)).wrapping_add(new.len());
            if len <= width::<LEAF>() {
                leaf.replace(first, last, new);
                return if len < before { self.fill_up(nodes, &path, self.height) } else { Some(()) };
            }
            // Ascending ranges fill leaves for good; otherwise neighbours may have room, and that saves a node.
            let ascending = first == before && nodes.room() > super::LEVELS;
            match self.sharing(nodes, &path).filter(|_| !ascending) {
                Some(slot) => self.share(nodes, &path, slot)?,
                None => return self.split_leaf(nodes, &place, new),
            }
            place = self.place(nodes, range);
        }
    }

    /// Writes a mapping again whose extent has not changed; whether it is there.
    pub(super) fn update(&self, nodes: &mut Nodes<'_>, vma: Vma) -> bool {
        let Place { path, first, last } = self.place(nodes, vma.range());
        let Some(leaf) = nodes.get_mut(path.leaf()).filter(|_| last.wrapping_sub(first) == 1) else { return false };
        leaf.replace(first, last, &[vma.0]);
        true
    }

    /// The first mappings of an empty tree.
    fn plant(&mut self, nodes: &mut Nodes<'_>, new: &[[u64; LEAF]]) -> Option<()> {
        if new.is_empty() {
            return Some(());
        }
        self.root = nodes.make()?;
        nodes.get_mut(self.root)?.replace(0, 0, new);
        Some(())
    }

    /// Makes every node of the path one that may be written to.
    pub(super) fn own(&mut self, nodes: &mut Nodes<'_>, path: &mut Path) -> Option<()> {
        if !nodes.is_tentative() || self.root == NONE {
            return Some(());
        }
        for level in 0..=self.height {
            let own = nodes.own(path.node(level))?;
            path.set(level, own, path.slot(level));
            match level.checked_sub(1) {
                None => self.root = own,
                Some(above) => {
                    let (above, slot) = (nodes.get_mut(path.node(above))?, path.slot(above));
                    above.set(slot, child(above.begins(slot), own));
                }
            }
        }
        Some(())
    }

    /// [`Self::splice`] in a leaf that cannot take it as it is, and whose neighbours cannot either.
    fn split_leaf(&mut self, nodes: &mut Nodes<'_>, place: &Place, new: &[[u64; LEAF]]) -> Option<()> {
        let Place { path, first, last } = *place;
        let len = nodes.len(path.leaf());
        // What is replaced stays on one side of the cut. A leaf that overflows loses two mappings at most.
        let at = cut::<LEAF>(first).min(len);
        let at = if first < at && at < last { last } else { at };
        let right = nodes.make()?;
        let (leaf, other) = nodes.pair_mut(path.leaf(), right)?;
        other.take::<LEAF>(0, leaf, at, len.saturating_sub(at));
        if last <= at {
            leaf.replace(first, last, new);
        } else {
            other.replace(first.wrapping_sub(at), last.wrapping_sub(at), new);
        }
        let begins = other.first_address();
        self.hang(nodes, &path, child(begins, right))
    }

    /// Hangs a new child into the branch above the leaf of `path`, right of the leaf.
    fn hang(&mut self, nodes: &mut Nodes<'_>, path: &Path, new: [u64; BRANCH]) -> Option<()> {
        let mut new = new;
        for level in (0..self.height).rev() {
            let (node, slot) = (path.node(level), path.slot(level).wrapping_add(1));
            let len = nodes.len(node);
            if len < width::<BRANCH>() {
                nodes.get_mut(node)?.replace(slot, slot, &[new]);
                return Some(());
            }
            let at = cut::<BRANCH>(slot);
            let right = nodes.make()?;
            let (branch, other) = nodes.pair_mut(node, right)?;
            other.take::<BRANCH>(0, branch, at, len.saturating_sub(at));
            if slot <= at {
                branch.replace(slot, slot, &[new]);
            } else {
                other.replace(slot.wrapping_sub(at), slot.wrapping_sub(at), &[new]);
            }
            new = child(other.begin_at_zero(), right);
        }
        self.grow(nodes, new)
    }

    /// Puts a new root above the old one and `right`.
    fn grow(&mut self, nodes: &mut Nodes<'_>, right: [u64; BRANCH]) -> Option<()> {
        if self.is_too_high() {
            return None;
        }
        let root = nodes.make()?;
        nodes.get_mut(root)?.replace(0, 0, &[child(0, self.root), right]);
        self.root = root;
        self.height = self.height.wrapping_add(1);
        Some(())
    }
}
