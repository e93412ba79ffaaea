//! A translation cache that forgets only when told.
//!
//! It keeps leaves by address space and page; never "not present". A driver that changes an entry and does not
//! invalidate goes on reading the old page, here as on hardware.

use crate::ppgtt::Leaf;
use std::collections::BTreeMap;

/// Most leaves kept; the oldest page numbers go first.
const CAPACITY: usize = 4096;

/// Cached translations of one engine.
#[derive(Clone, Debug, Default)]
pub struct Tlb {
    leaves: BTreeMap<(u64, u64), Leaf>,
}

impl Tlb {
    /// The cached leaf of `va` in the address space of root `space`, if there is one.
    #[must_use]
    pub fn get(&self, space: u64, va: u64) -> Option<Leaf> {
        self.leaves.get(&(space, va >> 12)).copied()
    }

    /// Keeps a leaf.
    pub fn put(&mut self, space: u64, va: u64, leaf: Leaf) {
        if self.leaves.len() >= CAPACITY {
            self.leaves.pop_first();
        }
        self.leaves.insert((space, va >> 12), leaf);
    }

    /// Forgets one address space: what a flush in a ring does for the context it runs in.
    pub fn forget_space(&mut self, space: u64) {
        self.leaves.retain(|(owner, _), _| *owner != space);
    }

    /// Forgets everything: invalidation registers, reset.
    pub fn forget_all(&mut self) {
        self.leaves.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAF: Leaf = Leaf { page: Some(0x5000), bytes: 4096, writable: true, atomics: true, pat: 0 };

    #[test]
    fn spaces_are_kept_apart_and_forgotten_apart() {
        let mut tlb = Tlb::default();
        tlb.put(1, 0x1000, LEAF);
        tlb.put(2, 0x1000, Leaf { page: None, ..LEAF });
        tlb.forget_space(2);
        assert_eq!((tlb.get(1, 0x1FFF), tlb.get(2, 0x1000)), (Some(LEAF), None));
        tlb.forget_all();
        assert_eq!(tlb.get(1, 0x1000), None);
    }

    #[test]
    fn a_full_cache_makes_room() {
        let mut tlb = Tlb::default();
        for page in 0..2 * CAPACITY as u64 {
            tlb.put(1, page << 12, LEAF);
        }
        assert_eq!(tlb.leaves.len(), CAPACITY);
    }
}
