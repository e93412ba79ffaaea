//! The simulator's HAL until the device is open, then one that costs nothing.
//!
//! What is measured is the driver: memory stays the real memory that the simulator lent, registers answer at once that
//! everything is done, and time goes on by a step a look.

use barexe_hal::{
    Clock, ConfigSpace, DmaBuffer, DmaMemory, DmaRequest, HalError, InterruptLine, Interrupted, Mmio, Nanos, RegOffset,
    UserPages,
};
use barexe_sim::SimHal;
use core::ops::Range;

/// A HAL in two states.
#[derive(Debug)]
pub(crate) struct QuietHal {
    pub(crate) sim: SimHal,
    /// The device does not have to be asked any more.
    pub(crate) quiet: bool,
    now_ns: u64,
}

impl QuietHal {
    pub(crate) const fn new(sim: SimHal) -> Self {
        Self { sim, quiet: false, now_ns: 1 << 40 }
    }
}

impl Mmio for QuietHal {
    fn read32(&mut self, reg: RegOffset) -> u32 {
        if self.quiet { 0 } else { self.sim.read32(reg) }
    }

    fn write32(&mut self, reg: RegOffset, value: u32) {
        if !self.quiet {
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
        self.sim.alloc(request)
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
        }
    }

    fn observe(&mut self, buffer: &DmaBuffer, range: Range<usize>) {
        if !self.quiet {
            self.sim.observe(buffer, range);
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
