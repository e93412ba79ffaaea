//! The nodes from the root down to a leaf.

use super::node::FREE;
use crate::num::{low8, u64_of};
use crate::vm::slab::NONE;

/// Levels a tree can have. Leaves have 26 mappings or more and branches 105 children, but for the root and for what
/// growing at the end has just made, so this is enough for as many nodes as branches can name. A tree that would
/// outgrow it counts as out of nodes.
pub(super) const LEVELS: usize = 8;

/// A way down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Path {
    nodes: [u32; LEVELS],
    slots: [u8; LEVELS],
    /// Level of the leaf; the root's is 0.
    pub(super) height: usize,
    /// Where the addresses end that the leaf has to itself; [`FREE`] for the last leaf.
    pub(super) upper: u64,
}

impl Path {
    #[inline]
    pub(super) const fn new(height: usize) -> Self {
        Self { nodes: [NONE; LEVELS], slots: [0; LEVELS], height, upper: FREE }
    }

    #[inline]
    pub(super) fn node(&self, level: usize) -> u32 {
        self.nodes.get(level).copied().unwrap_or(NONE)
    }

    #[inline]
    pub(super) fn slot(&self, level: usize) -> usize {
        self.slots.get(level).copied().map_or(0, usize::from)
    }

    #[inline]
    pub(super) fn leaf(&self) -> u32 {
        self.node(self.height)
    }

    #[inline]
    pub(super) fn set(&mut self, level: usize, node: u32, slot: usize) {
        if let (Some(place), Some(at)) = (self.nodes.get_mut(level), self.slots.get_mut(level)) {
            (*place, *at) = (node, low8(u64_of(slot)));
        }
    }
}
