//! Everything that a tree of page tables maps.
//!
//! The same entries as the walk of one address sees, checked as there, but all of them: each table is read once, and
//! neighbouring leaves of one kind become one [`Run`].

use super::entry::{self, ADDRESS, COMPACT_CHILD, GROUP, PAGE_SIZE, PRESENT};
use super::{Leaf, Table, WalkFault, WalkSpec, read_entries};
use crate::bus::Bus;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Runs of one tree at most; what a driver maps is far from it, what a broken tree says may not be.
const MOST_RUNS: usize = 1 << 20;

/// Neighbouring leaves of one kind. Their memory goes on from one to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// First address, without sign extension.
    pub va: u64,
    /// Bytes of all of them.
    pub bytes: u64,
    /// The first leaf; its size is that of the smallest.
    pub leaf: Leaf,
    /// Bytes of the largest leaf: null leaves of several sizes are one run.
    pub largest_bytes: u64,
    /// Level of the tables they stand in, the lowest if there are several.
    pub level: u8,
    /// They stand in compact tables.
    pub compact: bool,
}

impl Run {
    /// One past the last address.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.va + self.bytes
    }

    /// The bus address behind an address of the run; none in a run of null pages.
    #[must_use]
    pub fn page_at(&self, va: u64) -> Option<u64> {
        self.leaf.page.map(|page| page + (va - self.va))
    }

    /// Takes the run that follows into itself, if it is of the same kind.
    fn take(&mut self, next: &Self) -> bool {
        let (ours, theirs) = (&self.leaf, &next.leaf);
        let kind = |leaf: &Leaf| (leaf.writable, leaf.atomics, leaf.pat);
        let null = ours.page.is_none() && theirs.page.is_none();
        let alike = ours.bytes == theirs.bytes && self.compact == next.compact;
        let goes_on = null || alike && theirs.page.is_some() && self.page_at(self.end()) == theirs.page;
        if self.end() != next.va || kind(ours) != kind(theirs) || !goes_on {
            return false;
        }
        self.bytes += next.bytes;
        self.largest_bytes = self.largest_bytes.max(next.largest_bytes);
        self.leaf.bytes = ours.bytes.min(theirs.bytes);
        self.level = self.level.min(next.level);
        true
    }
}

/// A table that the tree leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenTable {
    /// The table.
    pub table: Table,
    /// The lowest address that leads to it.
    pub va: u64,
}

/// Everything that a tree of page tables maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageTables {
    /// The descriptor of the root.
    pub descriptor: u64,
    /// Every table, once, the root first, then by the lowest address that leads to it.
    pub tables: Vec<SeenTable>,
    /// What is mapped, by address.
    pub runs: Vec<Run>,
    /// Entries that break the format, with the address at which they were found. Nothing below them was looked at.
    pub faults: Vec<(u64, WalkFault)>,
}

/// Reads the tree under a root descriptor.
///
/// # Errors
/// [`WalkFault`] of the descriptor itself.
pub fn contents(bus: &mut dyn Bus, spec: &WalkSpec, descriptor: u64) -> Result<PageTables, WalkFault> {
    let root = super::root(spec, descriptor)?;
    let mut reader = Reader { bus, spec, known: BTreeMap::new(), tables: Vec::new(), faults: Vec::new() };
    let runs = reader.table(root, 0);
    Ok(PageTables { descriptor, tables: reader.tables, runs: runs.to_vec(), faults: reader.faults })
}

struct Reader<'r> {
    bus: &'r mut dyn Bus,
    spec: &'r WalkSpec,
    /// What tables hold that were read before, as if they began at address 0.
    known: BTreeMap<(u64, u8, bool), Rc<[Run]>>,
    tables: Vec<SeenTable>,
    faults: Vec<(u64, WalkFault)>,
}

impl Reader<'_> {
    /// What a table maps, as if it began at address 0; `va` is where it does.
    fn table(&mut self, table: Table, va: u64) -> Rc<[Run]> {
        let key = (table.addr, table.level, table.compact);
        if let Some(known) = self.known.get(&key) {
            return Rc::clone(known);
        }
        if self.tables.iter().all(|seen| seen.table.addr != table.addr) {
            self.tables.push(SeenTable { table, va });
        }
        let runs: Rc<[Run]> = match read_entries::<512>(self.bus, table.addr, 0) {
            Ok(entries) => self.entries(table, &entries, va).into(),
            Err(fault) => {
                self.faults.push((va, fault));
                Rc::default()
            }
        };
        self.known.insert(key, Rc::clone(&runs));
        runs
    }

    fn entries(&mut self, table: Table, entries: &[u64; 512], va: u64) -> Vec<Run> {
        let (count, shift) = if table.compact { (32, 16) } else { (512, 12 + 9 * u32::from(table.level)) };
        let mut runs = Vec::new();
        let (mut grouped, end) = (0, 1 << self.spec.va_bits);
        for (index, entry) in (0u64..).zip(entries).take(count).filter(|(_, entry)| **entry & PRESENT != 0) {
            let offset = index << shift;
            let found = match table.level {
                0 if index < grouped => continue,
                0 if entry & GROUP != 0 && !table.compact => {
                    grouped = (index | 15) + 1;
                    self.group(entries, index & !15).map(Found::Leaf)
                }
                _ => self.entry(table, *entry),
            };
            match found {
                // No address leads there, but the entry does.
                Ok(Found::Table(below)) if va + offset >= end => drop(self.table(below, va + offset)),
                Ok(Found::Leaf(_)) if va + offset >= end => {}
                Ok(Found::Leaf(leaf)) => {
                    let (va, bytes) = (offset & !(leaf.bytes - 1), leaf.bytes);
                    let (largest_bytes, level, compact) = (bytes, table.level, table.compact);
                    append(&mut runs, Run { va, bytes, leaf, largest_bytes, level, compact });
                }
                Ok(Found::Table(below)) => {
                    let below = self.table(below, va + offset);
                    below.iter().for_each(|run| append(&mut runs, Run { va: run.va + offset, ..*run }));
                }
                Err(fault) => self.faults.push((va + offset, fault)),
            }
            if runs.len() > MOST_RUNS {
                let why = "the tree maps more pieces than anybody can read";
                self.faults.push((va + offset, WalkFault::Malformed { level: table.level, entry: *entry, why }));
                break;
            }
        }
        runs
    }

    fn entry(&self, table: Table, entry: u64) -> Result<Found, WalkFault> {
        let Table { level, compact, .. } = table;
        let leaf = level == 0 || (level <= 2 && entry & PAGE_SIZE != 0);
        entry::check(self.spec, level, leaf, compact, entry)?;
        if leaf {
            return Ok(Found::Leaf(entry::decode(self.spec, level, compact, false, entry)));
        }
        let compact = level == 1 && entry & COMPACT_CHILD != 0;
        Ok(Found::Table(Table { level: level - 1, addr: entry & ADDRESS, compact }))
    }

    /// The leaf of the group that begins at entry `first`.
    fn group(&self, entries: &[u64; 512], first: u64) -> Result<Leaf, WalkFault> {
        let group = entries.as_chunks::<16>().0.get(first as usize / 16).copied().unwrap_or([0; 16]);
        super::leaf_of_group(self.spec, &group)
    }
}

enum Found {
    Leaf(Leaf),
    Table(Table),
}

fn append(runs: &mut Vec<Run>, run: Run) {
    if !runs.last_mut().is_some_and(|last| last.take(&run)) {
        runs.push(run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MemoryBus, lnl_walk, tgl_walk};

    #[test]
    fn leaves_that_go_on_are_one_run_and_others_are_not() {
        let mut bus = MemoryBus::new();
        for table in [0x1_0000, 0x1_1000, 0x1_2000, 0x1_3000] {
            bus.put64(table, &[0; 512]);
        }
        bus.put64(0x1_0000, &[0x1_1003]);
        bus.put64(0x1_1000, &[0x1_2003]);
        bus.put64(0x1_2000, &[0x1_3003, 0x40_0083, 0x60_0083]);
        // Two pages that go on, one that does not, a read-only one, a hole, two null pages.
        bus.put64(0x1_3000, &[0x5003, 0x6003, 0x9003, 0xA001, 0, 0x203, 0x203]);
        let found = contents(&mut bus, &tgl_walk(), 0x1_0003).unwrap();
        let seen: Vec<_> = found.runs.iter().map(|run| (run.va, run.bytes, run.leaf.page, run.leaf.writable)).collect();
        let want = [
            (0, 0x2000, Some(0x5000), true),
            (0x2000, 0x1000, Some(0x9000), true),
            (0x3000, 0x1000, Some(0xA000), false),
            (0x5000, 0x2000, None, true),
            (0x20_0000, 0x40_0000, Some(0x40_0000), true),
        ];
        assert_eq!((seen.as_slice(), found.faults.len()), (want.as_slice(), 0));
        let levels: Vec<_> = found.tables.iter().map(|seen| (seen.table.level, seen.table.addr)).collect();
        assert_eq!(levels, [(3, 0x1_0000), (2, 0x1_1000), (1, 0x1_2000), (0, 0x1_3000)]);
    }

    /// A tree that says "null" for every address, through two tables, reads as one line.
    #[test]
    fn a_scratch_tree_is_one_run() {
        let mut bus = MemoryBus::new();
        bus.put64(0x1_0000, &[0x1_1003; 512]);
        bus.put64(0x1_1000, &[0x283; 512]);
        let found = contents(&mut bus, &tgl_walk(), 0x1_0003).unwrap();
        assert_eq!((found.runs.len(), found.tables.len()), (1, 2));
        assert_eq!((found.runs[0].va, found.runs[0].bytes, found.runs[0].leaf.page), (0, 1 << 48, None));
    }

    #[test]
    fn what_breaks_the_format_is_named_and_the_rest_is_read() {
        let mut bus = MemoryBus::new();
        for level in 0..3u64 {
            bus.put64(0x1_0000 + level * 0x1000, &[0; 512]);
            bus.put64(0x1_0000 + level * 0x1000, &[(0x1_1000 + level * 0x1000) | 0x1B]);
        }
        bus.put64(0x1_3000, &[0; 512]);
        bus.put64(0x1_4000, &[0; 512]);
        bus.put64(0x1_3000, &[0x1_4000 | 0x5B, 0x20_0083 | 1 << 5, 0x7777_0003, 0x40_0083]);
        bus.put64(0x1_4000, &[0, 0x1235_0000 | 0x413, 0x1236_0000 | 0x413]);
        let found = contents(&mut bus, &lnl_walk(), 0x1_001B).unwrap();
        let seen: Vec<_> = found.runs.iter().map(|run| (run.va, run.bytes, run.compact)).collect();
        assert_eq!(seen, [(0x1_0000, 0x2_0000, true), (0x60_0000, 0x20_0000, false)]);
        let at: Vec<_> = found.faults.iter().map(|(va, _)| *va).collect();
        assert_eq!(at, [0x20_0000, 0x40_0000]);
        assert_eq!(found.faults[1].1, WalkFault::TableUnreachable { table: 0x7777_0000 });
        assert!(contents(&mut bus, &lnl_walk(), 0).is_err());
    }
}
