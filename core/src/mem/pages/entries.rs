//! What is stored into a run of page-table entries.

use super::{DirectoryId, PtMemory, TableId};
use crate::mem::format::PtFormat;
use crate::num::{u32_capped, usize_of};
use barexe_hal::{BusAddr, DmaBuffer};

/// The values of a run of entries, in a form that one loop of stores can write.
#[derive(Clone, Copy, Debug)]
pub enum Entries<'e, 'a> {
    /// `first`, `first + step`, `first + 2 step`, ...
    Steps {
        /// The first value.
        first: u64,
        /// What is added from one to the next.
        step: u64,
        /// How many.
        count: u32,
    },
    /// The address of each page, with `bits` added.
    Pages {
        /// The pages, one an entry.
        pages: &'e [BusAddr],
        /// Everything in an entry but the address.
        bits: u64,
    },
    /// Pointers to tables of the next level down.
    Tables(TableEntries<'e, 'a>),
}

impl<'e, 'a> Entries<'e, 'a> {
    /// One value, as often as `count` says.
    #[must_use]
    pub const fn fill(value: u64, count: u32) -> Self {
        Self::Steps { first: value, step: 0, count }
    }

    /// How many entries.
    #[inline]
    #[must_use]
    pub const fn count(&self) -> u32 {
        match self {
            Self::Steps { count, .. } => *count,
            Self::Pages { pages, .. } => u32_capped(pages.len()),
            Self::Tables(tables) => tables.count,
        }
    }

    /// Hands each value to `take`, in order.
    pub fn for_each(&self, mut take: impl FnMut(u64)) {
        match self {
            Self::Steps { first, step, count } => {
                let mut value = *first;
                for _ in 0..*count {
                    take(value);
                    value = value.wrapping_add(*step);
                }
            }
            Self::Pages { pages, bits } => pages.iter().for_each(|page| take(page.get() | bits)),
            Self::Tables(tables) => tables.values().for_each(take),
        }
    }

    /// Stores them from `offset_bytes` on.
    #[inline]
    pub(super) fn store(&self, buffer: &DmaBuffer, offset_bytes: usize) -> Result<(), barexe_hal::OutOfBounds> {
        match self {
            Self::Steps { first, step, count } => buffer.fill_steps(offset_bytes, *first, *step, usize_of(*count)),
            Self::Pages { pages, bits } => buffer.copy_pages(offset_bytes, pages, *bits, |_| true).map(drop),
            Self::Tables(tables) => {
                let places = (offset_bytes..).step_by(8);
                places.zip(tables.values()).try_for_each(|(at, value)| buffer.write_u64(at, value))
            }
        }
    }
}

/// Pointers from a directory to the tables that its notes hold.
#[derive(Clone, Copy, Debug)]
pub struct TableEntries<'e, 'a> {
    /// Where the notes are.
    pub pages: &'e PtMemory<'a>,
    /// Entry encoding.
    pub format: &'static PtFormat,
    /// The directory.
    pub parent: DirectoryId,
    /// First entry.
    pub first: u32,
    /// Entries; each has a child.
    pub count: u32,
}

impl TableEntries<'_, '_> {
    fn values(&self) -> impl Iterator<Item = u64> {
        let tables = self.pages.child_tables(self.parent, self.first, self.count);
        tables.map(|(table, compact)| self.pointer(table, compact))
    }

    #[inline]
    fn pointer(&self, table: TableId, compact: bool) -> u64 {
        // Every child of a directory has its memory; without it the entry would not be present.
        self.pages.bus(table).map_or(0, |bus| self.format.directory(bus, compact))
    }
}
