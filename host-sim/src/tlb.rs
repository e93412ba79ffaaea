//! A translation cache that forgets only when told.
//!
//! It keeps leaves and, as hardware does, the tables on the way to them (page-tables sheet §5.8), by address space;
//! never "not present". A driver that changes an entry and does not invalidate goes on reading the old page, here as
//! on hardware; one that frees a table too early has it walked all the same.

use crate::ppgtt::{Leaf, Table};
use core::hash::BuildHasherDefault;
use std::collections::{HashMap, VecDeque};
use std::hash::DefaultHasher;

/// Most entries kept; the oldest go first.
const CAPACITY: usize = 8192;
/// Sizes a leaf can have, as shifts.
const SHIFTS: [u32; 4] = [12, 16, 21, 30];
/// Places of the small cache in front.
const RECENT: usize = 64;

/// What an entry stands for: a leaf of `1 << shift` bytes, or a table of a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Leaf(u32),
    Table(u8),
}

/// Address space, kind, and the address without the bits that lie inside.
type Key = (u64, Kind, u64);

#[derive(Clone, Copy, Debug)]
enum Entry {
    Leaf(Leaf),
    Table(Table),
}

/// Cached translations of one engine.
#[derive(Clone, Debug)]
pub struct Tlb {
    /// No order of this map is ever looked at, so that runs repeat.
    entries: HashMap<Key, Entry, BuildHasherDefault<DefaultHasher>>,
    /// Keys by age.
    order: VecDeque<Key>,
    /// The last leaves used, by page: a part of `entries`, found without hashing.
    recent: [Option<(u64, u64, Leaf)>; RECENT],
}

impl Default for Tlb {
    fn default() -> Self {
        Self { entries: HashMap::default(), order: VecDeque::new(), recent: [None; RECENT] }
    }
}

/// Place of a page in the small cache.
const fn place(page: u64) -> usize {
    (page % RECENT as u64) as usize
}

impl Tlb {
    /// The cached leaf of `va` in an address space, if there is one.
    pub fn leaf(&mut self, space: u64, va: u64) -> Option<Leaf> {
        let page = va >> 12;
        if let Some(Some((owner, kept, leaf))) = self.recent.get(place(page))
            && (*owner, *kept) == (space, page)
        {
            return Some(*leaf);
        }
        let found = SHIFTS.iter().find_map(|shift| self.entries.get(&(space, Kind::Leaf(*shift), va >> shift)));
        let Some(Entry::Leaf(leaf)) = found.copied() else { return None };
        self.remember(space, page, leaf);
        Some(leaf)
    }

    fn remember(&mut self, space: u64, page: u64, leaf: Leaf) {
        if let Some(slot) = self.recent.get_mut(place(page)) {
            *slot = Some((space, page, leaf));
        }
    }

    /// The cached table nearest to the leaf of `va`.
    #[must_use]
    pub fn table(&self, space: u64, va: u64) -> Option<Table> {
        let at = |level: u8| self.entries.get(&(space, Kind::Table(level), va >> Table::covered_bits(level)));
        match (0..4).find_map(at) {
            Some(Entry::Table(table)) => Some(*table),
            _ => None,
        }
    }

    /// Keeps a leaf.
    pub fn put_leaf(&mut self, space: u64, va: u64, leaf: Leaf) {
        let shift = leaf.bytes.trailing_zeros();
        self.put((space, Kind::Leaf(shift), va >> shift), Entry::Leaf(leaf));
        self.remember(space, va >> 12, leaf);
    }

    /// Keeps a table on the way to `va`.
    pub fn put_table(&mut self, space: u64, va: u64, table: Table) {
        let key = (space, Kind::Table(table.level), va >> Table::covered_bits(table.level));
        self.put(key, Entry::Table(table));
    }

    fn put(&mut self, key: Key, entry: Entry) {
        if self.entries.insert(key, entry).is_none() {
            self.order.push_back(key);
        }
        if self.entries.len() > CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.entries.remove(&oldest);
            self.recent = [None; RECENT];
        }
    }

    /// Forgets one address space: what a flush in a ring does for the context it runs in.
    pub fn forget_space(&mut self, space: u64) {
        self.entries.retain(|(owner, ..), _| *owner != space);
        self.order.retain(|(owner, ..)| *owner != space);
        self.recent = [None; RECENT];
    }

    /// Forgets what lies in a range of an address space, or of all: leaves that begin, end or lie in it, and the tables
    /// on the way to its addresses, which the driver may free afterwards.
    pub fn forget_range(&mut self, space: Option<u64>, start: u64, bytes: u64) {
        let last = start.saturating_add(bytes.saturating_sub(1));
        let inside = |(owner, kind, number): &Key| {
            let shift = match kind {
                Kind::Leaf(shift) => *shift,
                Kind::Table(level) => Table::covered_bits(*level),
            };
            let first = number << shift;
            space.is_none_or(|space| space == *owner) && first <= last && first + ((1 << shift) - 1) >= start
        };
        self.entries.retain(|key, _| !inside(key));
        self.order.retain(|key| !inside(key));
        self.recent = [None; RECENT];
    }

    /// Forgets everything: invalidation registers, reset.
    pub fn forget_all(&mut self) {
        self.entries.clear();
        self.order.clear();
        self.recent = [None; RECENT];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAF: Leaf = Leaf { page: Some(0x5000), bytes: 4096, writable: true, atomics: true, pat: 0 };

    #[test]
    fn spaces_are_kept_apart_and_forgotten_apart() {
        let mut tlb = Tlb::default();
        tlb.put_leaf(1, 0x1000, LEAF);
        tlb.put_leaf(2, 0x1000, Leaf { page: None, ..LEAF });
        tlb.forget_space(2);
        assert_eq!((tlb.leaf(1, 0x1FFF), tlb.leaf(2, 0x1000)), (Some(LEAF), None));
        tlb.forget_all();
        assert_eq!(tlb.leaf(1, 0x1000), None);
    }

    #[test]
    fn a_large_leaf_covers_all_of_its_bytes_and_no_more() {
        let mut tlb = Tlb::default();
        let large = Leaf { page: Some(0x60_0000), bytes: 2 << 20, ..LEAF };
        tlb.put_leaf(1, 0x41_2345, large);
        assert_eq!((tlb.leaf(1, 0x40_0000), tlb.leaf(1, 0x5F_FFFF)), (Some(large), Some(large)));
        assert_eq!((tlb.leaf(1, 0x3F_FFFF), tlb.leaf(1, 0x60_0000)), (None, None));
    }

    #[test]
    fn the_nearest_table_is_found() {
        let mut tlb = Tlb::default();
        let table = |level, addr| Table { level, addr, compact: false };
        tlb.put_table(1, 0, table(2, 0x2000));
        tlb.put_table(1, 0, table(0, 0x1000));
        assert_eq!(tlb.table(1, 0x1F_F000), Some(table(0, 0x1000)));
        assert_eq!(tlb.table(1, 0x20_0000), Some(table(2, 0x2000)), "outside the lowest table");
        assert_eq!((tlb.table(1, 1 << 39), tlb.table(2, 0)), (None, None));
    }

    #[test]
    fn a_range_is_forgotten_and_what_lies_beside_it_is_not() {
        let mut tlb = Tlb::default();
        let table = |level| Table { level, addr: 0x9000, compact: false };
        for page in [0x1F_E000, 0x1F_F000, 0x20_0000, 0x20_1000] {
            tlb.put_leaf(1, page, LEAF);
            tlb.put_leaf(2, page, LEAF);
        }
        tlb.put_table(1, 0, table(0));
        tlb.put_table(1, 0x20_0000, table(0));
        tlb.put_table(1, 0x40_0000, table(0));
        tlb.forget_range(Some(1), 0x1F_F000, 0x2000);
        let kept =
            |tlb: &mut Tlb, space| [0x1F_E000, 0x1F_F000, 0x20_0000, 0x20_1000].map(|va| tlb.leaf(space, va).is_some());
        assert_eq!(kept(&mut tlb, 1), [true, false, false, true]);
        assert_eq!(kept(&mut tlb, 2), [true; 4], "another space");
        assert_eq!([0, 0x20_0000, 0x40_0000].map(|va| tlb.table(1, va).is_some()), [false, false, true]);
        tlb.forget_range(None, 0x20_1000, 0x1000);
        assert_eq!((kept(&mut tlb, 1), kept(&mut tlb, 2)), ([true, false, false, false], [true, true, true, false]));
        tlb.put_leaf(1, 0x60_0000, Leaf { bytes: 2 << 20, ..LEAF });
        tlb.forget_range(Some(1), 0x7F_F000, 0x1000);
        assert_eq!(tlb.leaf(1, 0x60_0000), None, "a large leaf that ends in it");
        tlb.forget_range(None, 0, u64::MAX);
        assert_eq!(kept(&mut tlb, 2), [false; 4]);
    }

    #[test]
    fn a_full_cache_drops_the_oldest() {
        let mut tlb = Tlb::default();
        for page in 0..CAPACITY as u64 + 100 {
            tlb.put_leaf(1, page << 12, LEAF);
        }
        assert_eq!((tlb.entries.len(), tlb.order.len()), (CAPACITY, CAPACITY));
        assert_eq!((tlb.leaf(1, 99 << 12), tlb.leaf(1, 100 << 12)), (None, Some(LEAF)));
    }
}
