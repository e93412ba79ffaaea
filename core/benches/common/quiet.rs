//! A device on the simulator's HAL until everything is made, and from then on one that costs nothing.
//!
//! What is measured is the driver: memory stays the real memory that the simulator lent, registers answer at once that
//! everything is done, and time goes on by a step a look. What engines would do a benchmark may play itself.

use barexe_core::device::{ClientId, Config, Device, TableWriter};
use barexe_core::{DefaultStorage, Storage};
use barexe_hal::{
    Clock, ConfigSpace, DmaBuffer, DmaMemory, DmaRequest, HalError, InterruptLine, Interrupted, Mmio, Nanos, RegOffset,
    UserPages,
};
use barexe_sim::{Coherence, Platform, Sim, SimConfig, SimHal};
use core::ops::Range;

/// What plays the engines. Memory is told of from the start, the rest once the HAL is quiet.
pub(crate) trait Engines {
    /// Memory was lent.
    fn lent(&mut self, _: &DmaBuffer, _len_bytes: u64) {}

    /// A register was written.
    fn told(&mut self) {}

    /// The driver has written to memory that the device reads.
    fn published(&mut self, _: &DmaBuffer, _: Range<usize>) {}

    /// The driver is about to read memory that the device writes.
    fn observed(&mut self, _: &DmaBuffer, _: Range<usize>) {}
}

/// Nobody plays them: there is no work for them.
impl Engines for () {}

/// A HAL in two states.
#[derive(Debug)]
pub(crate) struct QuietHal<E> {
    sim: SimHal,
    pub(crate) engines: E,
    /// The device does not have to be asked any more.
    pub(crate) quiet: bool,
    now_ns: u64,
}

fn storage() -> Storage<'static> {
    let storage: &'static mut DefaultStorage = Box::leak(Box::new(DefaultStorage::new()));
    storage.lend()
}

/// A device that the CPU writes the page tables of, and a client.
pub(crate) fn open<E: Engines>(engines: E) -> (Device<'static, QuietHal<E>>, ClientId) {
    let config = SimConfig { coherence: Coherence::Coherent, ..SimConfig::new(Platform::tgl()) };
    let hal = QuietHal { sim: Sim::new(&config).unwrap().hal(), engines, quiet: false, now_ns: 1 << 40 };
    let config = Config { tables: TableWriter::Cpu, ..Config::default() };
    let opened = Device::open(hal, storage(), config, None);
    let mut device = opened.map_err(|refused| refused.error).unwrap();
    let client = device.client_open(false).unwrap();
    (device, client)
}

impl<E: Engines> Mmio for QuietHal<E> {
    fn read32(&mut self, reg: RegOffset) -> u32 {
        if self.quiet { 0 } else { self.sim.read32(reg) }
    }

    fn write32(&mut self, reg: RegOffset, value: u32) {
        if self.quiet {
            self.engines.told();
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

impl<E: Engines> DmaMemory for QuietHal<E> {
    fn alloc(&mut self, request: DmaRequest) -> Result<DmaBuffer, HalError> {
        let buffer = self.sim.alloc(request)?;
        self.engines.lent(&buffer, request.len_bytes);
        Ok(buffer)
    }

    fn free(&mut self, buffer: DmaBuffer) {
        self.sim.free(buffer);
    }

    fn max_block_bytes(&self) -> u64 {
        self.sim.max_block_bytes()
    }

    fn publish(&mut self, buffer: &DmaBuffer, range: Range<usize>) {
        if self.quiet {
            self.engines.published(buffer, range);
        } else {
            self.sim.publish(buffer, range);
        }
    }

    fn observe(&mut self, buffer: &DmaBuffer, range: Range<usize>) {
        if self.quiet {
            self.engines.observed(buffer, range);
        } else {
            self.sim.observe(buffer, range);
        }
    }
}

impl<E: Engines> ConfigSpace for QuietHal<E> {
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

impl<E: Engines> Clock for QuietHal<E> {
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

impl<E: Engines> UserPages for QuietHal<E> {}

impl<E: Engines> InterruptLine for QuietHal<E> {
    fn irq_enable(&mut self) -> Result<(), HalError> {
        self.sim.irq_enable()
    }

    fn irq_disable(&mut self) {
        self.sim.irq_disable();
    }
}
