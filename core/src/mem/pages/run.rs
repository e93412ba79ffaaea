//! Tables that lie next to each other, so that they can be filled and published together.

use super::{ENTRIES, PtMemory, TABLE_BYTES, TableId};
use crate::mem::Defect;
use crate::num::{u32_capped, usize_of};
use barexe_hal::{BusAddr, DmaMemory};

/// Neighbouring tables of one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableRun {
    first: u32,
    count: u32,
}

impl TableRun {
    /// No table.
    pub const EMPTY: Self = Self { first: 0, count: 0 };

    /// Just this table.
    #[must_use]
    pub const fn of(table: TableId) -> Self {
        Self { first: table.0, count: 1 }
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The tables in order.
    pub fn tables(self) -> impl DoubleEndedIterator<Item = TableId> {
        (self.first..self.end()).map(TableId)
    }

    /// The first `count` of them, and the rest.
    #[must_use]
    pub fn split(self, count: u32) -> (Self, Self) {
        let count = count.min(self.count);
        let rest = Self { first: self.first.wrapping_add(count), count: self.count.wrapping_sub(count) };
        (Self { first: self.first, count }, rest)
    }

    const fn end(&self) -> u32 {
        self.first.wrapping_add(self.count)
    }

    /// Adds a table at the end.
    pub(super) const fn push(&mut self) {
        self.count = self.count.wrapping_add(1);
    }
}

impl PtMemory<'_> {
    /// Whether the table at a position follows a run, in the same block.
    pub(super) const fn continues(&self, run: &TableRun, position: u32) -> bool {
        // Blocks begin at a table whose position in its block is 0.
        position == run.end() && self.position_in_block(position) != 0
    }

    /// Joins two runs if they are neighbours. If not, the new one takes the place of the old, which is given back.
    #[inline]
    pub const fn extend_run(&self, run: &mut TableRun, more: TableRun) -> Option<TableRun> {
        let before = *run;
        if before.is_empty() {
            *run = more;
            return None;
        }
        let count = before.count.wrapping_add(more.count);
        if self.continues(&before, more.first) {
            *run = TableRun { first: before.first, count };
            return None;
        }
        if self.continues(&more, before.first) {
            *run = TableRun { first: more.first, count };
            return None;
        }
        *run = more;
        Some(before)
    }

    /// Fills neighbouring tables with steps, as if they were one large table.
    ///
    /// # Errors
    /// [`Defect::Table`] if there are no such tables.
    pub fn fill_run(&self, run: TableRun, first: u64, step: u64) -> Result<(), Defect> {
        let (buffer, base) = self.place(TableId(run.first))?;
        let filled = buffer.fill_steps(base, first, step, usize_of(run.count.saturating_mul(ENTRIES)));
        filled.map_err(|_| Defect::Table { position: run.first })
    }

    /// Fills neighbouring tables with pages, as if they were one large table, for as long as `go_on` says so of every
    /// sixteen of them. How many tables were filled wholly.
    ///
    /// # Errors
    /// [`Defect::Table`] if there are no such tables, or not as many as pages for them.
    #[inline(always)]
    pub fn fill_run_pages(
        &self,
        run: TableRun,
        pages: &[BusAddr],
        bits: u64,
        go_on: impl FnMut(&[BusAddr; 16]) -> bool,
    ) -> Result<u32, Defect> {
        let missing = Defect::Table { position: run.first };
        let (buffer, base) = self.place(TableId(run.first))?;
        if pages.len() != usize_of(run.count.saturating_mul(ENTRIES)) {
            return Err(missing);
        }
        let words = buffer.copy_pages(base, pages, bits, go_on).map_err(|_| missing)?;
        Ok(u32_capped(words) / ENTRIES)
    }

    /// Makes whole tables visible to the device.
    pub fn publish_run(&self, dma: &mut impl DmaMemory, run: TableRun) {
        if let (Ok((buffer, start)), false) = (self.place(TableId(run.first)), run.is_empty()) {
            let bytes = usize_of(run.count).saturating_mul(TABLE_BYTES);
            dma.publish(buffer, start..start.saturating_add(bytes));
        }
    }
}
