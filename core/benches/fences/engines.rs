//! The engines as the benchmark plays them: a doorbell is a clock, and the word that a job writes when it is over is written when
//! the benchmark says so.

use super::quiet::Engines;
use barexe_hal::DmaBuffer;
use core::ops::Range;
use std::time::Instant;

/// What was lent to the driver, and what the engines have written.
#[derive(Debug, Default)]
pub(crate) struct Played {
    /// Bus address and number of bytes of everything that was lent.
    pub(crate) lent: Vec<(u64, u64)>,
    /// How many of those the device was opened with: the idle contexts are among them.
    pub(crate) opened: usize,
    /// The page that jobs write their number into, and the number it holds.
    pub(crate) numbers: Vec<(u64, u32)>,
    /// When an engine was last told of work.
    pub(crate) rung: Option<Instant>,
}

/// Arbitration is off before a marker writes its number.
const ARBITRATION_OFF: u32 = 0x0400_0000;
const RING_BYTES: usize = 16 << 10;

impl Played {
    /// Runs the marker of an idle context, whose image got a new tail: its number is written at once. The page of numbers
    /// is lent right after the context.
    fn run_idle(&mut self, image: &DmaBuffer, tail_at: usize) {
        let bus = image.bus().get();
        let Some(at) = self.lent[..self.opened].iter().position(|(lent, _)| *lent == bus) else { return };
        let tail = image.read_u32(tail_at).unwrap() as usize;
        let before = |dwords: usize| image.read_u32((tail + RING_BYTES - 4 * dwords) % RING_BYTES).unwrap();
        // MI_FLUSH_DW has its value last, PIPE_CONTROL a high half behind it.
        let number = if before(8) == ARBITRATION_OFF { before(4) } else { before(5) };
        let page = self.lent[at + 1].0;
        match self.numbers.iter_mut().find(|(bus, _)| *bus == page) {
            Some((_, known)) => *known = number,
            None => self.numbers.push((page, number)),
        }
    }
}

impl Engines for Played {
    fn lent(&mut self, buffer: &DmaBuffer, len_bytes: u64) {
        self.lent.push((buffer.bus().get(), len_bytes));
    }

    fn told(&mut self) {
        self.rung = Some(Instant::now());
    }

    fn published(&mut self, buffer: &DmaBuffer, range: Range<usize>) {
        if range.len() == 4 {
            self.run_idle(buffer, range.start);
        }
    }

    fn observed(&mut self, buffer: &DmaBuffer, range: Range<usize>) {
        if let Some((_, number)) = self.numbers.iter().find(|(bus, _)| *bus == buffer.bus().get()) {
            buffer.write_u32(range.start, *number).unwrap();
        }
    }
}
