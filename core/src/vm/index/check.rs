//! Whether a tree is what it should be.

use super::node::{BRANCH, FREE, LEAF, VmaNode};
use super::nodes::Nodes;
use super::path::LEVELS;
use super::tree::Tree;
use crate::num::u32_capped;
use crate::vm::slab::NONE;
use crate::vm::vma::Vma;

/// What a tree is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Nodes, leaves included.
    pub nodes: u32,
    /// Mappings.
    pub mappings: u32,
}

/// A node on the way down: its number, the next child to look at, and its part of the address space.
#[derive(Clone, Copy)]
struct Stop {
    node: u32,
    slot: usize,
    from: u64,
    upto: u64,
}

impl Tree {
    /// Walks the whole tree.
    ///
    /// # Errors
    /// What is wrong first.
    pub(super) fn check(&self, nodes: &Nodes<'_>) -> Result<Census, &'static str> {
        let mut census = Census::default();
        if self.root == NONE {
            return if self.height == 0 { Ok(census) } else { Err("height of an empty tree") };
        }
        let mut stops = [Stop { node: self.root, slot: 0, from: 0, upto: FREE }; LEVELS];
        let mut level = 0usize;
        loop {
            let stop = stops.get_mut(level).ok_or("height")?;
            let node = nodes.get(stop.node).ok_or("number of a node")?;
            if stop.slot == 0 {
                census.nodes = census.nodes.wrapping_add(1);
                self.check_node(node, level)?;
            }
            if level == self.height {
                check_leaf(node, stop)?;
                census.mappings = census.mappings.wrapping_add(u32_capped(node.len()));
            } else if stop.slot < node.len() {
                let below = stop.child(node)?;
                stop.slot = stop.slot.wrapping_add(1);
                level = level.wrapping_add(1);
                *stops.get_mut(level).ok_or("height")? = below;
                continue;
            }
            let Some(above) = level.checked_sub(1) else { return Ok(census) };
            level = above;
        }
    }

    fn check_node(&self, node: &VmaNode, level: usize) -> Result<(), &'static str> {
        let is_leaf = level == self.height;
        if is_leaf {
            return node.check::<LEAF>(1);
        }
        if node.begins(0) != 0 {
            return Err("first key of a branch");
        }
        node.check::<BRANCH>(if level == 0 { 2 } else { 1 })
    }
}

impl Stop {
    /// The child it looks at next.
    fn child(&self, node: &VmaNode) -> Result<Self, &'static str> {
        let next = self.slot.wrapping_add(1);
        let from = if self.slot == 0 { self.from } else { node.begins(self.slot) };
        let upto = if next == node.len() { self.upto } else { node.begins(next) };
        if from < self.from || upto > self.upto || from >= upto {
            return Err("part of a child");
        }
        Ok(Self { node: node.child(self.slot), slot: 0, from, upto })
    }
}

fn check_leaf(leaf: &VmaNode, stop: &Stop) -> Result<(), &'static str> {
    let mut at = stop.from;
    for words in leaf.mappings(0, leaf.len()) {
        let vma = Vma(*words);
        if vma.start() < at || vma.end() <= vma.start() || vma.end() > stop.upto {
            return Err("range of a mapping");
        }
        at = vma.end();
    }
    Ok(())
}
