//! A B+ tree of mappings: removal across leaves, and keeping nodes well filled.

use super::node::{BRANCH, LEAF, VmaNode, child, few, joined, shared};
use super::nodes::Nodes;
use super::path::Path;
use super::tree::{Place, Tree};
use crate::mem::tree::VaRange;
use crate::vm::slab::NONE;

impl Tree {
    /// Removes from the leaves after that of `place` what begins in `range`, and makes that leaf reach to `reach`, which
    /// nothing that stays begins before. Afterwards `place` is right again.
    pub(super) fn clear_following(
        &mut self,
        nodes: &mut Nodes<'_>,
        place: &mut Place,
        range: VaRange,
        reach: u64,
    ) -> Option<()> {
        while place.path.upper < range.end {
            let mut next = self.descend(nodes, place.path.upper);
            self.own(nodes, &mut next)?;
            let leaf = nodes.get_mut(next.leaf())?;
            let gone = leaf.rank::<LEAF>(range.end.wrapping_sub(1));
            leaf.replace::<LEAF>(0, gone, &[]);
            if leaf.len() == 0 {
                self.remove_leaf(nodes, &next)?;
            } else {
                self.begin_at(nodes, &next, reach)?;
                self.fill_up(nodes, &next, self.height)?;
            }
            *place = self.place(nodes, range);
        }
        Some(())
    }

    /// Moves the first address of the leaf of `path` up.
    fn begin_at(&self, nodes: &mut Nodes<'_>, path: &Path, start: u64) -> Option<()> {
        // The branch that tells the leaf from the one before it is the lowest in which it is not the first child.
        let level = (0..self.height).rev().find(|level| path.slot(*level) > 0)?;
        let (branch, slot) = (nodes.get_mut(path.node(level))?, path.slot(level));
        branch.set(slot, child(start, branch.child(slot)));
        Some(())
    }

    /// Takes the leaf of `path` out of the tree, and branches that it leaves empty.
    fn remove_leaf(&mut self, nodes: &mut Nodes<'_>, path: &Path) -> Option<()> {
        nodes.drop(path.leaf());
        for level in (0..self.height).rev() {
            let (node, slot) = (path.node(level), path.slot(level));
            let branch = nodes.get_mut(node)?;
            branch.replace::<BRANCH>(slot, slot.wrapping_add(1), &[]);
            if branch.len() > 0 {
                branch.begin_at_zero();
                return self.fill_up(nodes, path, level);
            }
            nodes.drop(node);
        }
        *self = Self::EMPTY;
        Some(())
    }

    /// Joins the node at `level` of `path` with its neighbour, or gives it some of the neighbour's entries, if it has
    /// few; then the branch above, as long as joining leaves few entries there.
    pub(super) fn fill_up(&mut self, nodes: &mut Nodes<'_>, path: &Path, level: usize) -> Option<()> {
        let mut level = level;
        while let Some(above) = level.checked_sub(1) {
            let len = nodes.len(path.node(level));
            let became_one = if level == self.height {
                len < few::<LEAF>() && self.balance::<LEAF>(nodes, path, above)?
            } else {
                len < few::<BRANCH>() && self.balance::<BRANCH>(nodes, path, above)?
            };
            if !became_one {
                break;
            }
            level = above;
        }
        self.lower(nodes)
    }

    /// Balances the child that `path` takes at `level` with the one right of it, or left of it; whether they became one.
    fn balance<const N: usize>(&mut self, nodes: &mut Nodes<'_>, path: &Path, level: usize) -> Option<bool> {
        let branch = path.node(level);
        let Some(last) = nodes.len(branch).checked_sub(2) else { return Some(false) };
        let slot = path.slot(level).min(last);
        self.balance_pair::<N>(nodes, branch, slot)
    }

    /// The child slot, in the branch above the leaf of `path`, of the lower of two neighbours that the leaf can share its
    /// mappings with: one of them is the leaf.
    pub(super) fn sharing(&self, nodes: &Nodes<'_>, path: &Path) -> Option<usize> {
        let level = self.height.checked_sub(1)?;
        let (branch, slot) = (nodes.get(path.node(level))?, path.slot(level));
        let len = |slot: usize| (slot < branch.len()).then(|| nodes.len(branch.child(slot)));
        let full = len(slot)?;
        let has_room = |slot: usize| len(slot).is_some_and(|len| len.wrapping_add(full) <= shared::<LEAF>());
        let before = slot.wrapping_sub(1);
        if has_room(slot.wrapping_add(1)) { Some(slot) } else { has_room(before).then_some(before) }
    }

    /// Shares the mappings of two neighbours evenly between them.
    pub(super) fn share(&mut self, nodes: &mut Nodes<'_>, path: &Path, slot: usize) -> Option<()> {
        let level = self.height.checked_sub(1)?;
        self.balance_pair::<LEAF>(nodes, path.node(level), slot).map(drop)
    }

    /// Balances the child at `slot` of a branch with the next one; whether they became one.
    fn balance_pair<const N: usize>(&mut self, nodes: &mut Nodes<'_>, branch: u32, slot: usize) -> Option<bool> {
        let next = slot.wrapping_add(1);
        let above = nodes.get(branch)?;
        let (left, right, begins) = (above.child(slot), above.child(next), above.begins(next));
        let (left, right) = (nodes.own(left)?, nodes.own(right)?);
        let (low, high) = nodes.pair_mut(left, right)?;
        if N == BRANCH {
            high.set(0, child(begins, high.child(0)));
        }
        let total = low.len().wrapping_add(high.len());
        let become_one = total <= joined::<N>();
        even_out::<N>(low, high, if become_one { total } else { total / 2 });
        let begins = if N == BRANCH { high.begin_at_zero() } else { high.first_address() };
        if become_one {
            nodes.drop(right);
        }
        let above = nodes.get_mut(branch)?;
        above.set(slot, child(above.begins(slot), left));
        let kept = [child(begins, right)];
        above.replace(next, next.wrapping_add(1), if become_one { &[] } else { &kept });
        Some(become_one)
    }

    /// Takes away roots that have a single child, and a last leaf that is empty.
    fn lower(&mut self, nodes: &mut Nodes<'_>) -> Option<()> {
        while self.height > 0 && nodes.len(self.root) == 1 {
            let only = nodes.get(self.root)?.child(0);
            nodes.drop(self.root);
            self.root = only;
            self.height = self.height.wrapping_sub(1);
        }
        if self.root != NONE && nodes.len(self.root) == 0 {
            nodes.drop(self.root);
            *self = Self::EMPTY;
        }
        Some(())
    }
}

/// Moves entries between two neighbours until the lower has `len`.
fn even_out<const N: usize>(low: &mut VmaNode, high: &mut VmaNode, len: usize) {
    let low_len = low.len();
    if low_len < len {
        low.take::<N>(low_len, high, 0, len.wrapping_sub(low_len));
    } else {
        high.take::<N>(0, low, len, low_len.wrapping_sub(len));
    }
}
