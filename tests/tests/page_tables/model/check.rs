//! The tree against the model.

use super::memory::Memory;
use super::world::{Vma, World};
use barexe_core::mem::format::{Level, entry_bytes};
use barexe_core::mem::pages::{Child, DirectoryId, PtMemory, TableId};
use barexe_tests::tables::{Kind, Leaf, Rig};
use std::collections::{BTreeMap, BTreeSet};

/// Where the walk of every step ends: past all zones.
const WALKED: u64 = 1 << 40;

/// Tables that were dropped, as they were then.
pub(super) struct Dropped {
    pub(super) tables: Vec<(TableId, Vec<u64>)>,
}

fn content(pages: &PtMemory<'_>, table: TableId) -> Vec<u64> {
    (0..512).map(|index| pages.load(table, index).unwrap()).collect()
}

impl Dropped {
    pub(super) fn new(pages: &PtMemory<'_>, tables: &[TableId]) -> Self {
        Self { tables: tables.iter().map(|table| (*table, content(pages, *table))).collect() }
    }

    /// The device may walk dropped tables until the invalidation is over.
    pub(super) fn assert_untouched(&self, pages: &PtMemory<'_>) {
        for (table, before) in &self.tables {
            assert!(content(pages, *table) == *before, "{table:?} was written before it was released");
        }
    }
}

/// Bus addresses of the scratch tables of an empty tree.
pub(super) fn scratch_tables(rig: &Rig<'_>) -> BTreeSet<u64> {
    let mut entry = rig.arena.read(rig.tree.root(&rig.pages).unwrap().get());
    let mut tables = BTreeSet::new();
    for _ in 2..rig.format.root_level.number() {
        let table = entry & 0x000F_FFFF_FFFF_F000;
        tables.insert(table);
        entry = rig.arena.read(table);
    }
    tables
}

/// A table of the tree, as its parent's notes have it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noted {
    pub(super) table: TableId,
    /// Of a directory.
    directory: Option<DirectoryId>,
    /// Of all but the root.
    child: Option<Child>,
}

/// Every table of the tree, by level and first address.
pub(super) fn reachable(rig: &Rig<'_>) -> BTreeMap<(Level, u64), Noted> {
    let root = rig.tree.root_directory();
    let noted = Noted { table: rig.pages.table_of(root), directory: Some(root), child: None };
    let mut found = BTreeMap::new();
    let mut todo = vec![(rig.format.root_level, 0u64, noted)];
    while let Some((level, base, noted)) = todo.pop() {
        found.insert((level, base), noted);
        let (Some(below), Some(directory)) = (level.below(), noted.directory) else { continue };
        for index in 0..512u32 {
            let Some(child) = rig.pages.child(directory, index) else { continue };
            let directory = (below > Level::L0).then(|| child.directory());
            let table = directory.map_or(child.table(), |directory| rig.pages.table_of(directory));
            let noted = Noted { table, directory, child: Some(child) };
            todo.push((below, base + u64::from(index) * entry_bytes(level), noted));
        }
    }
    found
}

/// Address, null, read-only and PAT index of a leaf (page-tables sheet §2.1, typed from there).
fn decode(leaf: &Leaf) -> (u64, bool, bool, u8) {
    let (low, pat_bit_2) = match leaf.kind {
        Kind::Page4K | Kind::Page4KPs64 => (12, 7),
        Kind::Page64KCompact => (16, 7),
        Kind::Large2M => (21, 12),
        Kind::Large1G => (30, 12),
        Kind::None4K | Kind::None2M | Kind::None1G | Kind::NoneDir => panic!("{leaf:x?} is not present"),
    };
    let bit = |n: u32| (leaf.entry >> n & 1) as u8;
    let pat = bit(3) | bit(4) << 1 | bit(pat_bit_2) << 2 | bit(62) << 3 | bit(61) << 4;
    let address = leaf.entry & ((1 << 52) - 1) >> low << low;
    (address, bit(9) != 0, bit(1) == 0, pat)
}

impl World<'_, '_> {
    pub(super) fn check(&self) {
        self.check_walk();
        self.check_notes();
    }

    fn check_walk(&self) {
        let mut vmas = self.vmas.values().peekable();
        for leaf in self.rig.walk(super::super::range(0, WALKED)) {
            while vmas.next_if(|vma| vma.range.end <= leaf.va).is_some() {}
            match vmas.peek() {
                Some(vma) if vma.range.start <= leaf.va => check_mapped(vma, &leaf),
                next => {
                    let limit = next.map_or(u64::MAX, |vma| vma.range.start);
                    assert!(leaf.end <= limit, "{leaf:x?} reaches into {limit:#x}");
                    self.check_unmapped(&leaf);
                }
            }
        }
    }

    fn check_unmapped(&self, leaf: &Leaf) {
        if !self.scratch {
            assert_eq!((leaf.kind.is_present(), leaf.entry), (false, 0), "{leaf:x?}");
            return;
        }
        let compact = self.rig.format.compact_tables;
        let want = match (leaf.kind, compact) {
            (Kind::Page4K, false) => 0x203,
            (Kind::Page4K, true) => 0x213,
            (Kind::Large2M | Kind::Large1G, false) => 0x283,
            (Kind::Large2M | Kind::Large1G, true) => 0x293,
            _ => panic!("{leaf:x?} in a scratch VM"),
        };
        assert_eq!(leaf.entry, want, "{leaf:x?}");
    }

    /// Every table that something is mapped through exists, counts what is mapped, and points where its notes say;
    /// and there are no others.
    fn check_notes(&self) {
        let tables = reachable(self.rig);
        let waiting: usize = self.dropped.iter().map(|(_, dropped)| dropped.tables.len()).sum();
        let all = tables.len() + self.scratch_tables.len() + waiting;
        assert_eq!(self.rig.pages.tables_in_use() as usize, all, "tables in use");
        let used: BTreeSet<u32> = tables.values().map(|noted| noted.table.position()).collect();
        assert_eq!(used.len(), tables.len(), "a table in two places");
        for (table, _) in self.dropped.iter().flat_map(|(_, dropped)| &dropped.tables) {
            assert!(!used.contains(&table.position()), "{table:?} was used again before it was released");
        }
        for ((level, base), noted) in &tables {
            self.check_table(*level, *base, noted);
        }
    }

    fn check_table(&self, level: Level, base: u64, noted: &Noted) {
        let compact = noted.child.is_some_and(Child::is_compact);
        let (entries, bytes) = if compact { (32, 1 << 16) } else { (512, entry_bytes(level)) };
        let is_used = |index: &u64| self.overlaps(base + index * bytes, base + (index + 1) * bytes);
        let live = (0..entries).filter(is_used).count();
        if let Some(child) = noted.child {
            assert_eq!(child.live() as usize, live, "live entries of {level:?} {base:#x}");
            assert!(live > 0, "{level:?} {base:#x} is empty");
        }
        let Some(directory) = noted.directory else { return };
        let words = self.rig.arena.table(self.rig.pages.bus(noted.table).unwrap().get());
        for (index, entry) in (0u32..).zip(words.iter().copied()) {
            if let (Some(child), true) = (self.rig.pages.child(directory, index), entry != 0) {
                let of_tables = level == Level::L1;
                let table = if of_tables { child.table() } else { self.rig.pages.table_of(child.directory()) };
                assert_eq!(entry & !0xFFF, self.rig.pages.bus(table).unwrap().get(), "{level:?} {base:#x} {index}");
            }
        }
    }

    fn overlaps(&self, start: u64, end: u64) -> bool {
        self.vmas.range(..end).next_back().is_some_and(|(_, vma)| vma.range.end > start)
    }
}

fn check_mapped(vma: &Vma, leaf: &Leaf) {
    if vma.zapped {
        assert!(!leaf.kind.is_present() && leaf.entry == 0, "{leaf:x?} of {:?}", vma.range);
        return;
    }
    assert!(leaf.end <= vma.range.end, "{leaf:x?} reaches out of {:?}", vma.range);
    let (address, null, read_only, pat) = decode(leaf);
    assert_eq!((read_only, pat), (vma.attributes.read_only, vma.attributes.pat.get()), "{leaf:x?}");
    assert_eq!(null, matches!(vma.memory, Memory::Null), "{leaf:x?}");
    if null {
        return;
    }
    // Of a large leaf of runs some places are enough, the last page among them.
    let few = matches!(vma.memory, Memory::Runs(_)) && leaf.end - leaf.va > 64 << 10;
    let step = if few { 64 << 10 } else { 4096 };
    for va in (leaf.va..leaf.end).step_by(step).chain([leaf.end - 4096]) {
        let want = vma.memory.at(va - vma.range.start);
        assert_eq!(Some(address + (va - leaf.va)), want, "{va:#x} in {leaf:x?}");
    }
}
