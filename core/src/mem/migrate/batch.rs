//! One page-table job: what the copy engine is told to write.
//!
//! ```text
//! first half:   MI_STORE_DATA_IMM  slot entries 0.. <- leaves that map the tables to change      MI_BATCH_BUFFER_END
//! second half:  MI_STORE_DATA_IMM  entries of those tables, through the slot      ...            MI_BATCH_BUFFER_END
//! ```
//!
//! The second half is written first, table by table; the first half is known when all tables are (page-tables sheet
//! §6.2). Payloads are qwords at multiples of 8, so that a run is one loop of 64-bit stores.

use super::layout::MigrateLayout;
use crate::mem::format::{LeafLayout, Level, PtFormat, TABLE_ENTRIES};
use crate::mem::pat::PatIndex;
use crate::num::{high32, low32, usize_of};
use crate::ring::command;
use barexe_hal::{BusAddr, DmaBuffer, GpuVa};
use core::fmt;

/// Bytes of batch memory one job has: more than the most that one mapping can change, which is two tables of every
/// level, each of them whole.
pub const BATCH_BYTES: usize = 64 << 10;
/// Tables one job can change.
const MAX_TABLES: usize = 16;
/// Where the second half begins; the first half needs less for [`MAX_TABLES`].
const SECOND_HALF: usize = 256;
/// Most qwords one command stores (page-tables sheet §6.2).
const MAX_QWORDS: u32 = 510;
const STORE_QWORDS: u32 = 0x1020_0000;

/// A change that does not fit one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum BatchError {
    /// It changes more tables than a job can reach.
    TooManyTables,
    /// Its commands are longer than the batch memory.
    TooLong,
    /// Entries outside a table.
    OutsideTable {
        /// One past the last entry.
        end: u32,
    },
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyTables => write!(f, "a page-table job changes more than {MAX_TABLES} tables"),
            Self::TooLong => write!(f, "a page-table job is longer than {BATCH_BYTES} bytes"),
            Self::OutsideTable { end } => write!(f, "page-table entries up to {end}"),
        }
    }
}

impl core::error::Error for BatchError {}

/// The command that is being filled: qwords may still be added behind it.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// Offset of its header.
    header: usize,
    table: BusAddr,
    /// Entry after its last.
    next: u32,
    qwords: u32,
}

/// A job being written.
#[derive(Debug)]
pub struct TableBatch<'b> {
    buffer: &'b DmaBuffer,
    layout: MigrateLayout,
    tables: heapless::Vec<BusAddr, MAX_TABLES>,
    at: usize,
    open: Option<Open>,
}

/// A finished job: where its halves begin, as offsets in the batch memory, and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Halves {
    /// First half.
    pub first: usize,
    /// Second half.
    pub second: usize,
    /// End of the second half.
    pub end: usize,
}

impl<'b> TableBatch<'b> {
    /// An empty job in `buffer`, which holds [`BATCH_BYTES`].
    #[must_use]
    pub const fn new(buffer: &'b DmaBuffer, layout: MigrateLayout) -> Self {
        Self { buffer, layout, tables: heapless::Vec::new(), at: SECOND_HALF, open: None }
    }

    /// Whether nothing has been written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.at == SECOND_HALF
    }

    /// Writes `count` entries of the table at `table` from `first` on: `value`, `value + step`, ...
    ///
    /// # Errors
    /// [`BatchError`]; the job is then of no use.
    pub fn write(&mut self, table: BusAddr, first: u32, value: u64, step: u64, count: u32) -> Result<(), BatchError> {
        let end = first.saturating_add(count);
        if usize_of(end) > TABLE_ENTRIES {
            return Err(BatchError::OutsideTable { end });
        }
        let (mut first, mut value, mut left) = (first, value, count);
        while left > 0 {
            let open = self.open_at(table, first)?;
            let room = MAX_QWORDS.saturating_sub(open.qwords).min(left);
            self.append(open, value, step, room)?;
            value = value.wrapping_add(step.wrapping_mul(u64::from(room)));
            first = first.saturating_add(room);
            left = left.saturating_sub(room);
        }
        Ok(())
    }

    /// The open command if it ends at this entry and has room, else a new one.
    fn open_at(&mut self, table: BusAddr, first: u32) -> Result<Open, BatchError> {
        if let Some(open) = self.open
            && (open.table, open.next) == (table, first)
            && open.qwords < MAX_QWORDS
        {
            return Ok(open);
        }
        let through = self.slot_of(table)?.checked_add(u64::from(first) << 3).ok_or(BatchError::TooLong)?;
        // Header and address are three dwords, so the payload is aligned when the header's index is odd.
        if self.at & 7 == 0 {
            self.dword(0)?;
        }
        let header = self.at;
        self.dword(STORE_QWORDS)?;
        self.address(through)?;
        Ok(Open { header, table, next: first, qwords: 0 })
    }

    fn append(&mut self, mut open: Open, value: u64, step: u64, count: u32) -> Result<(), BatchError> {
        let bytes = usize_of(count) << 3;
        let end = self.at.saturating_add(bytes);
        if end > BATCH_BYTES.saturating_sub(4) {
            return Err(BatchError::TooLong);
        }
        self.buffer.fill_steps(self.at, value, step, usize_of(count)).map_err(|_| BatchError::TooLong)?;
        self.at = end;
        open.qwords = open.qwords.saturating_add(count);
        open.next = open.next.saturating_add(count);
        self.header(open.header, open.qwords)?;
        self.open = Some(open);
        Ok(())
    }

    fn header(&self, at: usize, qwords: u32) -> Result<(), BatchError> {
        let length = qwords.wrapping_mul(2).wrapping_add(1);
        self.buffer.write_u32(at, STORE_QWORDS | length).map_err(|_| BatchError::TooLong)
    }

    fn dword(&mut self, value: u32) -> Result<(), BatchError> {
        if self.at.saturating_add(4) > BATCH_BYTES {
            return Err(BatchError::TooLong);
        }
        self.buffer.write_u32(self.at, value).map_err(|_| BatchError::TooLong)?;
        self.at = self.at.saturating_add(4);
        Ok(())
    }

    fn address(&mut self, va: GpuVa) -> Result<(), BatchError> {
        self.dword(low32(va.get()))?;
        self.dword(high32(va.get()))
    }

    /// Where the second half reaches a table: by the slot entry it was given first.
    fn slot_of(&mut self, table: BusAddr) -> Result<GpuVa, BatchError> {
        let known = self.tables.iter().position(|known| *known == table);
        let entry = match known {
            Some(entry) => entry,
            None => {
                self.tables.push(table).map_err(|_| BatchError::TooManyTables)?;
                self.tables.len().saturating_sub(1)
            }
        };
        self.layout.through_slot(crate::num::u32_capped(entry)).ok_or(BatchError::TooLong)
    }

    /// Ends both halves.
    ///
    /// # Errors
    /// [`BatchError`].
    pub fn finish(mut self, format: &PtFormat, wb: PatIndex) -> Result<Halves, BatchError> {
        let [end_command] = command::batch_end();
        self.dword(end_command)?;
        let end = self.at;
        self.at = 0;
        let tables = core::mem::take(&mut self.tables);
        if !tables.is_empty() {
            self.dword(STORE_QWORDS | crate::num::u32_capped(tables.len()).wrapping_mul(2).wrapping_add(1))?;
            self.address(self.layout.slot_entry(0).ok_or(BatchError::TooLong)?)?;
        }
        for table in tables {
            let leaf = format.kernel_leaf(Level::L0, LeafLayout::Plain, table, wb);
            self.dword(low32(leaf))?;
            self.dword(high32(leaf))?;
        }
        self.dword(end_command)?;
        Ok(Halves { first: 0, second: SECOND_HALF, end })
    }
}

// The longest first half: header, address, a qword for each table, end.
const _: () = assert!((3 + 2 * MAX_TABLES + 1) * 4 <= SECOND_HALF);
// The longest second half: two tables of each of five levels, each in two commands, and the end.
const _: () = assert!(SECOND_HALF + 10 * (TABLE_ENTRIES * 8 + 2 * 16) + 4 <= BATCH_BYTES);
