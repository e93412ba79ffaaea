//! The simulator's HAL until everything is made, then one that costs nothing and plays the engines.
//!
//! What is measured is the driver: memory stays the real memory that the simulator lent, registers answer at once, a
//! doorbell is a clock, and the word that a job writes when it is over is written when the benchmark says so.

use barexe_hal::{
    Clock, ConfigSpace, DmaBuffer, DmaMemory, DmaRequest, HalError, InterruptLine, Interrupted, Mmio, Nanos, RegOffset,
    UserPages,
};
use barexe_sim::SimHal;
use core::ops::Range;
use std::time::Instant;

/// A HAL in two states.
#[derive(Debug)]
pub(crate) struct QuietHal {
    pub(crate) sim: SimHal,
    /// The device does not have to be asked any more.
    pub(crate) quiet: bool,
    /// Bus address and number of bytes of everything that was lent.
    pub(crate) lent: Vec<(u64, u64)>,
    /// How many of those the device was opened with: the idle contexts are among them.
    pub(crate) opened: usize,
    /// The page that jobs write their number into, and the number it holds.
    pub(crate) numbers: Vec<(u64, u32)>,
    /// When an engine was last told of work.
    pub(crate) rung: Option<Instant>,
    now_ns: u64,
}

impl QuietHal {
    pub(crate) const fn new(sim: SimHal) -> Self {
        Self { sim, quiet: false, lent: Vec::new(), opened: 0, numbers: Vec::new(), rung: None, now_ns: 1 << 40 }
    }
}

/// Arbitration is off before a marker writes its number.
const ARBITRATION_OFF: u32 = 0x0400_0000;
const RING_BYTES: usize = 16 << 10;

impl QuietHal {
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

impl Mmio for QuietHal {
    fn read32(&mut self, reg: RegOffset) -> u32 {
        if self.quiet { 0 } else { self.sim.read32(reg) }
    }

    fn write32(&mut self, reg: RegOffset, value: u32) {
        if self.quiet {
            self.rung = Some(Instant::now());
        } else {
            self.sim.write32(reg, value);
        }
    }

    fn read64_run(&mut self, reg: RegOffset, out: &mut [u64]) {
        self.sim.read64_run(reg, out);
    }

    fn write64_steps(&mut self, reg: RegOffset, first: u64, step: u64, count: u32) {
        self.sim.write64_steps(reg, first, step, count);
    }
}

impl DmaMemory for QuietHal {
    fn alloc(&mut self, request: DmaRequest) -> Result<DmaBuffer, HalError> {
        let buffer = self.sim.alloc(request)?;
        self.lent.push((buffer.bus().get(), request.len_bytes));
        Ok(buffer)
    }

    fn free(&mut self, buffer: DmaBuffer) {
        self.sim.free(buffer);
    }

    fn max_block_bytes(&self) -> u64 {
        self.sim.max_block_bytes()
    }

    fn publish(&mut self, buffer: &DmaBuffer, range: Range<usize>) {
        if !self.quiet {
            self.sim.publish(buffer, range);
        } else if range.len() == 4 {
            self.run_idle(buffer, range.start);
        }
    }

    fn observe(&mut self, buffer: &DmaBuffer, range: Range<usize>) {
        if !self.quiet {
            self.sim.observe(buffer, range);
        } else if let Some((_, number)) = self.numbers.iter().find(|(bus, _)| *bus == buffer.bus().get()) {
            buffer.write_u32(range.start, *number).unwrap();
        }
    }
}

impl ConfigSpace for QuietHal {
    fn config_read32(&mut self, offset_bytes: u16) -> Result<u32, HalError> {
        self.sim.config_read32(offset_bytes)
    }

    fn config_write32(&mut self, offset_bytes: u16, value: u32) -> Result<(), HalError> {
        self.sim.config_write32(offset_bytes, value)
    }

    fn is_simulated(&self) -> bool {
        self.sim.is_simulated()
    }
}

impl Clock for QuietHal {
    fn now(&mut self) -> Nanos {
        if self.quiet {
            self.now_ns += 20;
            return Nanos::new(self.now_ns);
        }
        self.sim.now()
    }

    fn relax(&mut self, until: Nanos) -> Result<(), Interrupted> {
        self.sim.relax(until)
    }
}

impl UserPages for QuietHal {}

impl InterruptLine for QuietHal {
    fn irq_enable(&mut self) -> Result<(), HalError> {
        self.sim.irq_enable()
    }

    fn irq_disable(&mut self) {
        self.sim.irq_disable();
    }
}
