//! One address space's page tables: mapping and unmapping of ranges.
//!
//! New tables are built where nobody can see them and hooked in with one 64-bit store when they are complete, so a
//! device that looks in between sees either the old or the new translation. Everything a change needs is reserved
//! before ([`need`]); the change itself takes no memory. The walks are loops over a path of at most five levels.
//!
//! Geometry, leaf choice and the 64 KiB rules: page-tables sheet §1; scratch: §3; what is emptied and what is freed:
//! §5.4.

use crate::Error;
use crate::mem::format::{AtomicPolicy, LeafLayout, LeafRequest, LeafTarget, Level, PtFormat, entry_bytes, shift};
use crate::mem::pages::{Child, Dropped, ENTRIES, Need, PtMemory, TableId};
use crate::mem::pat::PatIndex;
use crate::num::low32;
use barexe_hal::{BusAddr, DmaMemory};

/// Levels a tree can have, root included.
const LEVELS: usize = 5;
const GROUP_BYTES: u64 = 64 << 10;
const SLOT_BYTES: u64 = 2 << 20;

/// Where the bytes of a mapping lie: a cursor over contiguous pieces.
pub trait Backing: Clone {
    /// The piece at the cursor: its bus address (none for a null mapping) and the bytes left in it.
    fn piece(&self) -> (Option<BusAddr>, u64);

    /// Moves on.
    fn advance(&mut self, bytes: u64);
}

/// The backing of a null mapping: nothing, for as long as one likes.
#[derive(Clone, Copy, Debug)]
pub struct NullBacking;

impl Backing for NullBacking {
    fn piece(&self) -> (Option<BusAddr>, u64) {
        (None, u64::MAX)
    }

    fn advance(&mut self, _bytes: u64) {}
}

/// Attributes that all leaves of a mapping share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// PAT index.
    pub pat: PatIndex,
    /// Writes are refused.
    pub read_only: bool,
}

/// A range of addresses, in bytes; aligned to 4096, not empty, `end` exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VaRange {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

/// Whether an entry of `level` at `va` can be a leaf: it is wholly in the range, and the piece fills it from an
/// aligned address (page-tables sheet §1.2).
fn leaf_fits(level: Level, va: u64, end: u64, backing: &impl Backing) -> bool {
    let bytes = entry_bytes(level);
    let (address, left) = backing.piece();
    let aligned = va & bytes.wrapping_sub(1) == 0 && end.wrapping_sub(va) >= bytes;
    matches!(level, Level::L1 | Level::L2) && aligned && left >= bytes && address.is_none_or(|a| a.is_aligned(bytes))
}

/// Whether the 2 MiB slot from `va` can be a compact table: 32 pieces of 64 KiB (page-tables sheet §1.4).
fn compact_fits(va: u64, end: u64, backing: &impl Backing) -> bool {
    if va & (SLOT_BYTES - 1) != 0 || end.wrapping_sub(va) < SLOT_BYTES {
        return false;
    }
    let mut cursor = backing.clone();
    (0..SLOT_BYTES / GROUP_BYTES).all(|_| {
        let fits = group_fits(&cursor);
        cursor.advance(GROUP_BYTES);
        fits
    })
}

fn group_fits(backing: &impl Backing) -> bool {
    let (address, left) = backing.piece();
    left >= GROUP_BYTES && address.is_none_or(|a| a.is_aligned(GROUP_BYTES))
}

const fn round_down(va: u64, bytes: u64) -> u64 {
    va & !bytes.wrapping_sub(1)
}

/// The most tables that mapping `range` can take, whatever the tree looks like by then.
#[must_use]
pub fn need(format: &PtFormat, range: VaRange, backing: &impl Backing) -> Need {
    let mut need = Need::default();
    let mut last = [None; LEVELS];
    let mut cursor = backing.clone();
    let mut va = range.start;
    while va < range.end {
        let leaf = [Level::L2, Level::L1].into_iter().find(|level| leaf_fits(*level, va, range.end, &cursor));
        let lowest = leaf.unwrap_or(Level::L0);
        // Every table on the way down to the leaf, counted when it differs from the last one of its level.
        for (level, last) in Level::ALL.into_iter().zip(&mut last) {
            let table = va.unbounded_shr(level.above().map_or(u64::BITS, shift));
            if level < lowest || level >= format.root_level || *last == Some(table) {
                continue;
            }
            *last = Some(table);
            if level == Level::L0 {
                need.leaf_tables = need.leaf_tables.saturating_add(1);
            } else {
                need.directories = need.directories.saturating_add(1);
            }
        }
        let bytes = leaf.map_or(SLOT_BYTES, entry_bytes);
        let next = round_down(va, bytes).saturating_add(bytes).min(range.end);
        cursor.advance(next.wrapping_sub(va));
        va = next;
    }
    need
}

/// The tables of an empty tree: root, and the scratch tables of a scratch VM.
#[must_use]
pub const fn need_of_new(format: &PtFormat, scratch: bool) -> Need {
    let below_root = (format.root_level.number() as u32).saturating_sub(2);
    Need { leaf_tables: 0, directories: if scratch { below_root.saturating_add(1) } else { 1 } }
}

/// A tree of page tables.
#[derive(Debug)]
pub struct PageTree {
    root: TableId,
    /// Scratch tables by level; a VM without scratch has none.
    scratch: [Option<TableId>; LEVELS],
    has_scratch: bool,
}

/// What a walk shares: the tables, their format, the device's view of memory.
#[derive(Debug)]
pub struct Walk<'w, 'a, D> {
    /// Page-table memory.
    pub pages: &'w mut PtMemory<'a>,
    /// Entry encoding.
    pub format: &'static PtFormat,
    /// For publishing what was written.
    pub dma: &'w mut D,
}

impl PageTree {
    /// An empty tree out of a reservation of [`need_of_new`].
    ///
    /// # Errors
    /// [`Error::Exhausted`] if less was reserved.
    pub fn new(walk: &mut Walk<'_, '_, impl DmaMemory>, has_scratch: bool) -> Result<Self, Error> {
        let root_level = walk.format.root_level;
        let mut scratch = [None; LEVELS];
        let mut below = None;
        let mut root = None;
        for level in Level::ALL {
            let wanted = level == root_level || (has_scratch && level >= Level::L2 && level < root_level);
            if !wanted {
                continue;
            }
            let table = walk.pages.take(level)?;
            let value = if has_scratch { walk.empty_over(level, below) } else { 0 };
            walk.pages.write(table, 0, value, 0, ENTRIES)?;
            walk.pages.publish(walk.dma, table, 0, ENTRIES);
            if level == root_level {
                root = Some(table);
            } else if let Some(entry) = scratch.get_mut(usize::from(level.number())) {
                *entry = Some(table);
                below = Some(table);
            }
        }
        let root = root.ok_or(Error::invalid("root level", u64::from(root_level.number())))?;
        Ok(Self { root, scratch, has_scratch })
    }

    /// Bus address of the root table.
    #[must_use]
    pub fn root(&self, pages: &PtMemory<'_>) -> Option<BusAddr> {
        pages.bus(self.root)
    }

    /// Whether unmapped addresses read as zero.
    #[must_use]
    pub const fn has_scratch(&self) -> bool {
        self.has_scratch
    }

    /// All tables of the tree, for release once no context can reach them.
    pub fn into_dropped(self, pages: &mut PtMemory<'_>) -> Dropped {
        let mut dropped = Dropped::NONE;
        // A scratch table is a child of nobody's notes: its parents hold it as an empty entry.
        for table in self.scratch.iter().flatten().copied().chain([self.root]) {
            pages.drop_into(&mut dropped, table);
        }
        dropped
    }

    fn empty<D: DmaMemory>(&self, walk: &Walk<'_, '_, D>, level: Level) -> u64 {
        if !self.has_scratch {
            return 0;
        }
        let below = level.below().and_then(|below| self.scratch.get(usize::from(below.number())).copied().flatten());
        walk.empty_over(level, below)
    }

    /// Maps `range`, in which nothing is mapped, out of a reservation of [`need`].
    ///
    /// Tables it replaces go to `dropped`.
    ///
    /// # Errors
    /// [`Error::Exhausted`] if less was reserved: a defect of the caller. The tree is then unusable.
    pub fn map<B: Backing>(
        &self,
        walk: &mut Walk<'_, '_, impl DmaMemory>,
        range: VaRange,
        mut backing: B,
        attributes: Attributes,
        dropped: &mut Dropped,
    ) -> Result<(), Error> {
        let mut path = Path::new(walk.format.root_level, self.root);
        let mut va = range.start;
        while va < range.end {
            if path.level > Level::L0 && !leaf_fits(path.level, va, range.end, &backing) {
                self.descend(walk, &mut path, va, range.end, &backing, dropped)?;
                continue;
            }
            let written = path.write_leaves(walk, va, range.end, &mut backing, attributes)?;
            va = va.saturating_add(written);
            path.ascend(walk, va, range.end)?;
        }
        Ok(())
    }

    /// Steps into the table below `va`, making it if necessary.
    fn descend<B: Backing>(
        &self,
        walk: &mut Walk<'_, '_, impl DmaMemory>,
        path: &mut Path,
        va: u64,
        end: u64,
        backing: &B,
        dropped: &mut Dropped,
    ) -> Result<(), Error> {
        let (level, table) = (path.level, path.table());
        let below = level.below().unwrap_or(Level::L0);
        let index = index_at(level, va);
        let bytes = entry_bytes(level);
        let whole = va & bytes.wrapping_sub(1) == 0 && end.wrapping_sub(va) >= bytes;
        let old = walk.pages.child(table, index);
        if let (Child::Table(child), false) = (old, whole) {
            path.enter(child, None);
            return Ok(());
        }
        let child = walk.pages.take(below)?;
        if !whole {
            walk.pages.write(child, 0, self.empty(walk, below), 0, ENTRIES)?;
        }
        if let Child::Table(replaced) = old {
            walk.pages.drop_into(dropped, replaced);
        }
        let compact = below == Level::L0 && walk.format.compact_tables && compact_fits(va, end, backing);
        path.enter(child, Some(Hook { index, compact, replaces: old != Child::Empty }));
        Ok(())
    }

    /// Unmaps `range`, in which every byte is mapped and no leaf or compact table crosses an edge.
    ///
    /// Tables that end up empty go to `dropped`; entries of shared ones become empty (or scratch).
    ///
    /// # Errors
    /// [`Error::Invalid`] if a leaf crosses an edge: a defect of the caller. The tree is then unusable.
    pub fn unmap(
        &self,
        walk: &mut Walk<'_, '_, impl DmaMemory>,
        range: VaRange,
        dropped: &mut Dropped,
    ) -> Result<(), Error> {
        let mut path = Path::new(walk.format.root_level, self.root);
        let mut va = range.start;
        while va < range.end {
            let (level, table) = (path.level, path.table());
            let bytes = path.entry_bytes();
            let index = path.index(va);
            let whole = va & bytes.wrapping_sub(1) == 0 && range.end.wrapping_sub(va) >= bytes;
            if !whole {
                match walk.pages.child(table, index) {
                    Child::Table(child) => path.enter(child, None),
                    Child::Empty | Child::Leaf => return Err(Error::invalid("unmap edge", va)),
                }
                continue;
            }
            let in_table = path.entries().saturating_sub(index);
            let count = entries_in(range.end.wrapping_sub(va), bytes).min(in_table);
            walk.pages.write(table, index, self.empty(walk, level), 0, count)?;
            walk.pages.publish(walk.dma, table, index, count);
            walk.drop_children(table, index, count, dropped);
            walk.pages.count_live(table, 0, count);
            va = va.saturating_add(bytes.saturating_mul(u64::from(count)));
            self.leave(walk, &mut path, va, range.end, dropped)?;
        }
        Ok(())
    }

    /// Goes up out of tables that the unmap is done with, unhooking those it emptied.
    fn leave(
        &self,
        walk: &mut Walk<'_, '_, impl DmaMemory>,
        path: &mut Path,
        va: u64,
        end: u64,
        dropped: &mut Dropped,
    ) -> Result<(), Error> {
        while path.level < path.root_level && path.done(va, end) {
            let table = path.table();
            path.pop();
            if walk.pages.count_live(table, 0, 0) == 0 {
                let index = index_at(path.level, va.wrapping_sub(1));
                let parent = path.table();
                walk.pages.write(parent, index, self.empty(walk, path.level), 0, 1)?;
                walk.pages.publish(walk.dma, parent, index, 1);
                walk.pages.set_child(parent, index, Child::Empty);
                walk.pages.count_live(parent, 0, 1);
                walk.pages.drop_into(dropped, table);
            }
        }
        Ok(())
    }
}

/// Index of `va` in a table of `level`.
const fn index_at(level: Level, va: u64) -> u32 {
    low32(va >> shift(level)) & (ENTRIES - 1)
}

fn entries_in(bytes: u64, entry_bytes: u64) -> u32 {
    low32(bytes.checked_div(entry_bytes).unwrap_or(0).min(u64::from(ENTRIES)))
}

impl<D: DmaMemory> Walk<'_, '_, D> {
    fn empty_over(&self, level: Level, below: Option<TableId>) -> u64 {
        self.format.empty(level, below.and_then(|table| self.pages.bus(table)))
    }

    fn drop_children(&mut self, table: TableId, first: u32, count: u32, dropped: &mut Dropped) {
        if self.pages.level(table) == Level::L0 {
            return;
        }
        for index in first..first.saturating_add(count) {
            if let Child::Table(child) = self.pages.child(table, index) {
                self.pages.drop_into(dropped, child);
            }
            self.pages.set_child(table, index, Child::Empty);
        }
    }
}

/// A new table that its parent does not point to yet.
#[derive(Clone, Copy, Debug)]
struct Hook {
    index: u32,
    compact: bool,
    replaces: bool,
}

/// The tables from the root down to where a walk stands.
#[derive(Debug)]
struct Path {
    tables: [TableId; LEVELS],
    hooks: [Option<Hook>; LEVELS],
    level: Level,
    root_level: Level,
}

impl Path {
    const fn new(root_level: Level, root: TableId) -> Self {
        Self { tables: [root; LEVELS], hooks: [None; LEVELS], level: root_level, root_level }
    }

    fn table(&self) -> TableId {
        let [root, ..] = self.tables;
        self.tables.get(usize::from(self.level.number())).copied().unwrap_or(root)
    }

    fn hook(&self) -> Option<Hook> {
        self.hooks.get(usize::from(self.level.number())).copied().flatten()
    }

    fn enter(&mut self, table: TableId, hook: Option<Hook>) {
        self.level = self.level.below().unwrap_or(Level::L0);
        let level = usize::from(self.level.number());
        if let (Some(entry), Some(pending)) = (self.tables.get_mut(level), self.hooks.get_mut(level)) {
            *entry = table;
            *pending = hook;
        }
    }

    fn pop(&mut self) {
        self.level = self.level.above().unwrap_or(self.root_level);
    }

    fn compact(&self) -> bool {
        self.hook().is_some_and(|hook| hook.compact)
    }

    /// Bytes one entry covers where the walk stands.
    fn entry_bytes(&self) -> u64 {
        if self.compact() { GROUP_BYTES } else { entry_bytes(self.level) }
    }

    fn entries(&self) -> u32 {
        if self.compact() { 32 } else { ENTRIES }
    }

    fn index(&self, va: u64) -> u32 {
        if self.compact() { low32(va >> 16) & 31 } else { index_at(self.level, va) }
    }

    /// Whether the walk has left the table it stands in.
    fn done(&self, va: u64, end: u64) -> bool {
        let bytes = self.level.above().map_or(u64::MAX, entry_bytes);
        va >= end || va & bytes.wrapping_sub(1) == 0
    }

    /// Writes one run of leaves at `va` into the current table; the bytes it covers.
    fn write_leaves<B: Backing>(
        &self,
        walk: &mut Walk<'_, '_, impl DmaMemory>,
        va: u64,
        end: u64,
        backing: &mut B,
        attributes: Attributes,
    ) -> Result<u64, Error> {
        let bytes = self.entry_bytes();
        let index = self.index(va);
        let (address, left) = backing.piece();
        let slot_left = self.entries().saturating_sub(index);
        let mut count = entries_in(left.min(end.wrapping_sub(va)), bytes).min(slot_left);
        let mut ps64 = false;
        if self.level == Level::L0 && !self.compact() {
            let slot_end = round_down(va, SLOT_BYTES).saturating_add(SLOT_BYTES).min(end);
            (count, ps64) = group_run(va, slot_end, count, backing);
        }
        let count = count.max(1);
        let leaf = self.leaf(ps64, address, attributes);
        let step = if address.is_some() { bytes } else { 0 };
        let table = self.table();
        walk.pages.write(table, index, walk.format.leaf(leaf), step, count)?;
        if self.hook().is_none() {
            walk.pages.publish(walk.dma, table, index, count);
        }
        if self.level > Level::L0 {
            for entry in index..index.saturating_add(count) {
                walk.pages.set_child(table, entry, Child::Leaf);
            }
        }
        walk.pages.count_live(table, count, 0);
        let covered = bytes.saturating_mul(u64::from(count));
        backing.advance(covered);
        Ok(covered)
    }

    fn leaf(&self, ps64: bool, address: Option<BusAddr>, attributes: Attributes) -> LeafRequest {
        LeafRequest {
            level: self.level,
            target: address.map_or(LeafTarget::Null, LeafTarget::System),
            layout: match (self.compact(), ps64) {
                (true, _) => LeafLayout::Compact,
                (false, true) => LeafLayout::Group64K,
                (false, false) => LeafLayout::Plain,
            },
            read_only: attributes.read_only,
            pat: attributes.pat,
            atomics: AtomicPolicy::Undefined,
        }
    }

    /// Goes up out of finished tables, hooking in the new ones: contents published first, then the one store.
    fn ascend(&mut self, walk: &mut Walk<'_, '_, impl DmaMemory>, va: u64, end: u64) -> Result<(), Error> {
        while self.level < self.root_level && self.done(va, end) {
            let (child, hook) = (self.table(), self.hook());
            self.pop();
            let Some(hook) = hook else { continue };
            walk.pages.publish(walk.dma, child, 0, if hook.compact { 32 } else { ENTRIES });
            let bus = walk.pages.bus(child).ok_or(Error::invalid("page table", 0))?;
            let parent = self.table();
            walk.pages.write(parent, hook.index, walk.format.directory(bus, hook.compact), 0, 1)?;
            if self.hook().is_none() {
                walk.pages.publish(walk.dma, parent, hook.index, 1);
            }
            walk.pages.set_child(parent, hook.index, Child::Table(child));
            walk.pages.count_live(parent, u32::from(!hook.replaces), 0);
        }
        Ok(())
    }
}

/// How many of the next `count` 4 KiB entries form one run of equal kind, and whether they carry the 64 KiB hint
/// (page-tables sheet §1.4).
fn group_run(va: u64, slot_end: u64, count: u32, backing: &impl Backing) -> (u32, bool) {
    let (address, left) = backing.piece();
    let to_group = round_down(va, GROUP_BYTES).wrapping_add(GROUP_BYTES).wrapping_sub(va);
    let pages_to_group = entries_in(to_group, 4096);
    if va & (GROUP_BYTES - 1) != 0 || !group_fits(backing) || slot_end.wrapping_sub(va) < GROUP_BYTES {
        return (count.min(pages_to_group), false);
    }
    let usable = left.min(slot_end.wrapping_sub(va));
    let groups = if address.is_some() { usable / GROUP_BYTES } else { slot_end.wrapping_sub(va) / GROUP_BYTES };
    (count.min(entries_in(groups.saturating_mul(GROUP_BYTES), 4096)), true)
}
