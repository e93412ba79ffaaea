//! Moving the bytes of a copy or fill, a piece at a time.
//!
//! A command may ask for gigabytes. It is done in pieces, each of which counts as a command, so that whoever runs the
//! simulation keeps control of it. In between the context cannot be switched.

use crate::bus::Bus;
use crate::cs::access::Space;
use crate::cs::{Stop, Streamer};

/// Most bytes and most rows of one piece.
const PIECE_BYTES: u64 = 64 << 10;
const PIECE_ROWS: u64 = 1024;
/// Bytes moved per nanosecond of virtual time.
const BYTES_PER_NS: u64 = 16;

/// Rows of bytes: where the first begins, and how far apart they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cs) struct Rows {
    pub(in crate::cs) start: u64,
    pub(in crate::cs) pitch: u64,
}

impl Rows {
    const fn at(self, row: u64, column: u64) -> u64 {
        self.start.wrapping_add(self.pitch.wrapping_mul(row)).wrapping_add(column)
    }
}

/// Where the bytes come from.
#[derive(Clone, Copy, Debug)]
pub(in crate::cs) enum Source {
    Rows(Rows),
    /// A pattern of so many bytes, over and over.
    Pattern([u8; 16], usize),
}

/// A copy or fill in progress.
#[derive(Debug)]
pub(in crate::cs) struct Transfer {
    source: Source,
    to: Rows,
    /// Bytes of a row, and rows.
    width: u64,
    height: u64,
    row: u64,
    column: u64,
    room: Vec<u8>,
}

impl Transfer {
    /// None if there is nothing to move.
    pub(in crate::cs) fn new(source: Source, to: Rows, width: u64, height: u64) -> Option<Self> {
        let some = width != 0 && height != 0;
        some.then(|| Self { source, to, width, height, row: 0, column: 0, room: Vec::new() })
    }

    /// Virtual time all of it takes.
    pub(in crate::cs) const fn total_ns(&self) -> u64 {
        self.width.saturating_mul(self.height) / BYTES_PER_NS
    }

    /// Bytes of the next step: never beyond a row.
    fn next(&self, most: u64) -> u64 {
        (self.width - self.column).min(most)
    }

    const fn advance(&mut self, bytes: u64) {
        self.column += bytes;
        if self.column >= self.width {
            self.column = 0;
            self.row += 1;
        }
    }

    const fn is_done(&self) -> bool {
        self.row >= self.height
    }

    fn fill_room(&mut self, bytes: usize, pattern: &[u8]) {
        let skip = (self.column % pattern.len().max(1) as u64) as usize;
        self.room.clear();
        self.room.extend(pattern.iter().copied().cycle().skip(skip).take(bytes));
    }
}

impl Streamer {
    /// Moves one piece of the transfer in progress.
    pub(in crate::cs) fn move_on(&mut self, bus: &mut dyn Bus) -> Result<(), Stop> {
        let Some(mut transfer) = self.transfer.take() else { return Ok(()) };
        let (mut bytes, first_row) = (0, transfer.row);
        while !transfer.is_done() && bytes < PIECE_BYTES && transfer.row - first_row < PIECE_ROWS {
            let step = transfer.next(PIECE_BYTES - bytes);
            self.move_step(bus, &mut transfer, step as usize)?;
            transfer.advance(step);
            bytes += step;
        }
        self.spend_ns(bytes / BYTES_PER_NS);
        self.transfer = Some(transfer).filter(|transfer| !transfer.is_done());
        Ok(())
    }

    fn move_step(&mut self, bus: &mut dyn Bus, transfer: &mut Transfer, bytes: usize) -> Result<(), Stop> {
        let (row, column) = (transfer.row, transfer.column);
        match transfer.source {
            Source::Rows(from) => {
                transfer.room.resize(bytes, 0);
                self.read(bus, Space::Ppgtt, from.at(row, column), &mut transfer.room)?;
            }
            Source::Pattern(pattern, len) => transfer.fill_room(bytes, pattern.get(..len).unwrap_or(&pattern)),
        }
        self.write(bus, Space::Ppgtt, transfer.to.at(row, column), &transfer.room)
    }
}
