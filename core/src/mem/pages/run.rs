//! Tables that lie next to each other, so that they can be published together.

use super::{PtMemory, TABLE_BYTES, TableId};
use crate::num::usize_of;
use barexe_hal::DmaMemory;

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

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl PtMemory<'_> {
    /// Adds a table to a run. If it is no neighbour it begins a new one, and the old run is given back.
    #[inline]
    pub const fn extend_run(&self, run: &mut TableRun, table: TableId) -> Option<TableRun> {
        let end = run.first.wrapping_add(run.count);
        // Blocks begin at a table whose position in its block is 0.
        if !run.is_empty() && table.0 == end && self.position_in_block(end) != 0 {
            run.count = run.count.wrapping_add(1);
            return None;
        }
        if !run.is_empty() && table.0.wrapping_add(1) == run.first && self.position_in_block(run.first) != 0 {
            *run = TableRun { first: table.0, count: run.count.wrapping_add(1) };
            return None;
        }
        let before = *run;
        *run = TableRun::of(table);
        if before.is_empty() { None } else { Some(before) }
    }

    /// Makes whole tables visible to the device.
    pub fn publish_run(&self, dma: &mut impl DmaMemory, run: TableRun) {
        if let (Ok((buffer, start)), false) = (self.place(TableId(run.first)), run.is_empty()) {
            let bytes = usize_of(run.count).saturating_mul(TABLE_BYTES);
            dma.publish(buffer, start..start.saturating_add(bytes));
        }
    }
}
