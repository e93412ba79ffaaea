//! The initial content of the migration VM's tables.

use super::layout::{MigrateLayout, PAGES, TABLE_BYTES, ZERO_ENTRY, page_bytes};
use crate::Error;
use crate::mem::format::{AtomicPolicy, LeafLayout, LeafRequest, LeafTarget, Level, PtFormat, TABLE_ENTRIES};
use crate::mem::pat::PatIndex;
use crate::num::{low32, u64_of, usize_capped, usize_of};
use barexe_hal::{BusAddr, DmaBuffer};

/// Writes all pages and the root into `tables`, an object of [`TABLE_BYTES`]; the root's bus address.
///
/// `batches` are the pieces of batch memory, in the order in which they appear behind the pages.
///
/// # Errors
/// [`Error::Invalid`] if the object is too short, or there is more batch memory than one leaf table maps.
pub fn write_tables<'b>(
    layout: &MigrateLayout,
    format: &PtFormat,
    wb: PatIndex,
    tables: &DmaBuffer,
    batches: impl Iterator<Item = &'b DmaBuffer>,
) -> Result<BusAddr, Error> {
    let writer = Writer { format, wb, tables };
    writer.clear()?;
    let below_root = layout.root_level().below().unwrap_or(Level::L0);
    let mut parent = writer.root_page();
    let mut level = below_root;
    while let Some(page) = layout.page_of(level) {
        writer.entry(parent, 0, format.directory(writer.page(page)?, false))?;
        let Some(below) = level.below() else { break };
        (parent, level) = (page, below);
    }
    let page_of = |level| layout.page_of(level).ok_or(Error::invalid("root level", u64::from(level.number())));
    let (leaves, directory) = (page_of(Level::L0)?, page_of(Level::L1)?);
    writer.map(leaves, 0, writer.page(0)?, PAGES)?;
    let mut next = PAGES;
    for batch in batches {
        let pages = low32(u64_of(batch.len_bytes()) >> 12);
        writer.map(leaves, next, batch.bus(), pages)?;
        next = next.saturating_add(pages);
    }
    for slot in 0..layout.slots() {
        writer.entry(directory, slot.saturating_add(1), format.directory(writer.page(slot)?, false))?;
    }
    writer.entry(page_of(Level::L2)?, ZERO_ENTRY, zeros(format, wb))?;
    writer.page(PAGES)
}

/// A 1 GiB leaf that reads as zero.
fn zeros(format: &PtFormat, pat: PatIndex) -> u64 {
    let (target, layout, atomics) = (LeafTarget::Null, LeafLayout::Plain, AtomicPolicy::Undefined);
    format.leaf(LeafRequest { level: Level::L2, target, layout, read_only: false, pat, atomics })
}

/// Offset of entry `index` of a page in the object.
const fn entry_at(page: u32, index: u32) -> u64 {
    page_bytes(page).saturating_add((index as u64) << 3)
}

struct Writer<'w> {
    format: &'w PtFormat,
    wb: PatIndex,
    tables: &'w DmaBuffer,
}

impl Writer<'_> {
    const fn root_page(&self) -> u32 {
        PAGES
    }

    fn clear(&self) -> Result<(), Error> {
        self.store(0, 0, 0, usize_capped(TABLE_BYTES / 8))
    }

    /// Bus address of a page of the object.
    fn page(&self, page: u32) -> Result<BusAddr, Error> {
        let address = self.tables.bus().checked_add(page_bytes(page));
        address.ok_or(Error::invalid("page of the migration tables", u64::from(page)))
    }

    fn entry(&self, page: u32, index: u32, value: u64) -> Result<(), Error> {
        self.store(entry_at(page, index), value, 0, 1)
    }

    /// Maps `count` pages from `first` on at entries from `index` on.
    fn map(&self, page: u32, index: u32, first: BusAddr, count: u32) -> Result<(), Error> {
        let end = index.saturating_add(count);
        if usize_of(end) > TABLE_ENTRIES {
            return Err(Error::invalid("pages of the migration VM", u64::from(end)));
        }
        let leaf = self.format.kernel_leaf(Level::L0, LeafLayout::Plain, first, self.wb);
        self.store(entry_at(page, index), leaf, page_bytes(1), usize_of(count))
    }

    fn store(&self, at: u64, first: u64, step: u64, count: usize) -> Result<(), Error> {
        let stored = self.tables.fill_steps(usize_capped(at), first, step, count);
        stored.map_err(|error| Error::invalid("migration table offset", u64_of(error.offset_bytes)))
    }
}
