//! Whole tables of level 0, many at once.
//!
//! Contiguous memory, and a list of pages in no order, fill one table like the next. Tables that are neighbours in
//! memory are then one loop of stores: leaving a loop at the end of every table would cost a tenth of the time.

use super::Sink;
use super::backing::{Backing, GROUP_BYTES, PAGE_BYTES, SLOT_BYTES};
use super::list::{GROUP_PAGES, SLOT_GROUPS, SLOT_PAGES, begins_block, groups, may_be_group};
use super::range::is_aligned;
use super::sizes::Sizes;
use super::walk::Walk;
use crate::mem::Defect;
use crate::mem::format::{LeafBits, LeafLayout, Level, entry_bytes};
use crate::mem::pages::{Child, Entries, Link, TableRun};
use crate::num::{low32, u32_capped, usize_of};
use barexe_hal::BusAddr;

/// Tables of level 0 that are one run of entries each, going on from one to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column<'p> {
    /// First entry; with pages, what is added to each.
    first: u64,
    /// From one entry to the next; with pages, see [`Filling::Pages`].
    step: u64,
    /// The pages, if it is a list of them.
    pages: &'p [BusAddr],
    /// How many tables, at most.
    pub(super) tables: u32,
    /// Entries of one.
    entries: u32,
    /// They are those of compact tables.
    compact: bool,
    /// Sizes of the leaves.
    sizes: Sizes,
}

impl<'p> Column<'p> {
    pub(super) fn of_run(addr: u64, tables: u32, compact_tables: bool, bits: LeafBits) -> Self {
        let (layout, sizes) = match (is_aligned(addr, GROUP_BYTES), compact_tables) {
            (false, _) => (LeafLayout::Plain, Sizes::PAGE_4K),
            (true, false) => (LeafLayout::Group64K, Sizes::PAGE_4K.union(Sizes::GROUP_64K)),
            (true, true) => (LeafLayout::Compact, Sizes::PAGE_4K.union(Sizes::COMPACT_64K)),
        };
        let compact = layout == LeafLayout::Compact;
        let step = if compact { GROUP_BYTES } else { PAGE_BYTES };
        let (first, entries) = (addr | bits.of(Level::L0, layout, false), low32(SLOT_BYTES >> step.trailing_zeros()));
        Self { first, step, pages: &[], tables, entries, compact, sizes }
    }

    /// Slots of pages, for as long as the first page of each is not at a multiple of `block`: what might be a leaf, or
    /// compact, begins at one.
    pub(super) const fn of_pages(pages: &'p [BusAddr], tables: u32, block: u64, bits: LeafBits) -> Self {
        let first = bits.of(Level::L0, LeafLayout::Plain, false);
        let entries = u32_capped(SLOT_PAGES);
        Self { first, step: block, pages, tables, entries, compact: false, sizes: Sizes::PAGE_4K }
    }

    /// Whether slot `at` belongs to it: there may be no table for a slot that does not.
    fn goes_on(&self, at: u32) -> bool {
        let first = self.pages.get(usize_of(at).saturating_mul(SLOT_PAGES));
        first.is_none_or(|first| !first.is_aligned(self.step))
    }

    /// What tables from table `at` on are filled with.
    fn filling(&self, at: u32, tables: u32) -> Filling<'p> {
        if self.pages.is_empty() {
            let first = self.first.wrapping_add(u64::from(at).wrapping_mul(SLOT_BYTES));
            return Filling::Steps { first, step: self.step };
        }
        let (at, tables) = (usize_of(at), usize_of(tables));
        let range = at.saturating_mul(SLOT_PAGES)..at.saturating_add(tables).saturating_mul(SLOT_PAGES);
        Filling::Pages { pages: self.pages.get(range).unwrap_or(&[]), bits: self.first, block: self.step }
    }
}

/// What neighbouring tables are filled with.
#[derive(Clone, Copy, Debug)]
enum Filling<'p> {
    /// Values with a step between them.
    Steps {
        /// The first.
        first: u64,
        /// From one to the next.
        step: u64,
    },
    /// Pages.
    Pages {
        /// As many as there are entries.
        pages: &'p [BusAddr],
        /// Everything in an entry but the address.
        bits: u64,
        /// A slot whose first page is at a multiple of this ends the run.
        block: u64,
    },
}

impl<'p, S: Sink, B: Backing<'p>> Walk<'_, '_, '_, 'p, S, B> {
    /// Makes tables of level 0 for up to `limit` whole slots, as long as each is one run of entries; the bytes they map.
    ///
    /// The same as going down into each, but neighbouring tables are one loop of stores: this is where mappings of much
    /// memory spend their time.
    pub(super) fn whole_tables(&mut self, va: u64, index: u32, limit: u32) -> Result<u64, Defect> {
        let Some(column) = self.cursor.column(limit, self.stage.format.compact_tables, self.bits) else {
            return Ok(0);
        };
        self.sizes |= column.sizes;
        let mut done = 0u32;
        while done < column.tables && column.goes_on(done) {
            let most = if column.compact { 1 } else { column.tables.wrapping_sub(done) };
            let run = self.stage.pages.take_run(self.stage.reservation, most)?;
            let filled = self.fill(&column, run, done)?;
            let (filled, rest) = run.split(filled);
            if !filled.is_empty() {
                self.adopt_all(&column, filled, index.wrapping_add(done));
                done = done.wrapping_add(filled.count());
            }
            if !rest.is_empty() {
                self.stage.pages.put_back(self.stage.reservation, rest);
                break;
            }
        }
        if done > 0 {
            self.point_to(va, index, done)?;
        }
        let mapped = u64::from(done).wrapping_mul(SLOT_BYTES);
        self.cursor.advance(mapped);
        Ok(mapped)
    }

    /// Fills neighbouring tables, the first of them table `at` of a column; how many it could.
    fn fill(&mut self, column: &Column<'p>, run: TableRun, at: u32) -> Result<u32, Defect> {
        let pages = &*self.stage.pages;
        match column.filling(at, run.count()) {
            Filling::Steps { first, step } if column.compact => {
                let entries = Entries::Steps { first, step, count: column.entries };
                run.tables().try_for_each(|table| pages.store(table, 0, &entries).map(drop))?;
                Ok(run.count())
            }
            Filling::Steps { first, step } => pages.fill_run(run, first, step).map(|()| run.count()),
            Filling::Pages { pages: list, bits, block } => {
                let (mut any, mut groups) = (false, 0u32);
                let filled = pages.fill_run_pages(run, list, bits, |group| {
                    let begins_slot = groups & (SLOT_GROUPS - 1) == 0;
                    groups = groups.wrapping_add(1);
                    any |= may_be_group(group);
                    !(begins_slot & begins_block(group, block))
                })?;
                if any {
                    self.hint_groups(run.split(filled).0, list)?;
                }
                Ok(filled)
            }
        }
    }

    /// Gives the hint to groups among the pages of new tables: nobody sees them yet.
    #[cold]
    fn hint_groups(&mut self, run: TableRun, pages: &[BusAddr]) -> Result<(), Defect> {
        let bits = self.bits.of(Level::L0, LeafLayout::Group64K, false);
        let (step, count) = (entry_bytes(Level::L0), u32_capped(GROUP_PAGES));
        for (table, slot) in run.tables().zip(pages.chunks_exact(SLOT_PAGES)) {
            for (place, addr) in groups(slot) {
                let entries = Entries::Steps { first: addr.get() | bits, step, count };
                self.stage.pages.store(table, place, &entries)?;
                self.sizes |= Sizes::GROUP_64K;
            }
        }
        Ok(())
    }

    /// Notes that entries from `index` on point to new tables, which are complete.
    fn adopt_all(&mut self, column: &Column<'p>, run: TableRun, index: u32) {
        let directory = self.here.directory();
        for (index, table) in (index..).zip(run.tables()) {
            let child = Child::of_table(table, column.entries, column.compact);
            let stage = &mut *self.stage;
            stage.pages.adopt(Link::new(directory, index), child, stage.stale.dropped_mut());
        }
        self.hooks.complete(self.stage, run);
    }
}
