//! The HAL on a PC: what a firmware author writes for a board.
//!
//! Everything the GPU answers comes through port instructions, volatile loads at an address the device named, and the
//! processor's own counter. The compiler knows nothing about any of them, so that no part of the driver can be left
//! out of the image.

mod clock;
mod pci;
mod port;

pub use clock::TimeStampCounter;
pub use pci::Function;
pub use port::exit;

use crate::memory::ARENA_PAGES;
use barexe_core::gt::IrqFlag;
use barexe_core::num::u64_of;
use barexe_hal::arena::{Arena, Page};
use barexe_hal::bar::BarWindow;
use barexe_hal::{
    BusAddr, Clock, ConfigSpace, DmaBuffer, DmaMemory, DmaRequest, HalError, InterruptLine, Interrupted, Mmio, Nanos,
    RegOffset, UserPages,
};
use core::ops::Range;

/// Why the program has no board to run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoardError {
    /// Nothing answers at the integrated GPU's place on the bus.
    NoDevice,
    /// Its register BAR has no address.
    NoBar,
    /// The processor does not say how fast its counter runs.
    NoClock,
    /// The arena lies where no device reaches.
    NoArena,
}

/// A PC with an integrated GPU.
#[derive(Debug)]
pub struct Board {
    function: Function,
    registers: BarWindow,
    arena: Arena<{ ARENA_PAGES / 64 }>,
    clock: TimeStampCounter,
    irq: &'static IrqFlag,
}

impl Board {
    /// Finds the GPU. `pages` become DMA memory; `irq` stands in for interrupts, see [`Clock::relax`] of this type.
    ///
    /// # Errors
    /// [`BoardError`]; nothing was changed.
    pub fn new(pages: &'static mut [Page; ARENA_PAGES], irq: &'static IrqFlag) -> Result<Self, BoardError> {
        let function = Function::INTEGRATED_GPU;
        let registers = function.register_bar()?;
        let clock = TimeStampCounter::new().ok_or(BoardError::NoClock)?;
        // Memory is mapped at its physical address, and that is what the device puts on the bus.
        let bus = BusAddr::new(u64_of(pages.as_ptr().addr())).ok_or(BoardError::NoArena)?;
        Ok(Self { function, registers, arena: Arena::new(pages, bus), clock, irq })
    }
}

impl Mmio for Board {
    fn read32(&mut self, reg: RegOffset) -> u32 {
        self.registers.read32(reg)
    }

    fn write32(&mut self, reg: RegOffset, value: u32) {
        self.registers.write32(reg, value);
    }

    fn read64_run(&mut self, reg: RegOffset, out: &mut [u64]) {
        self.registers.read64_run(reg, out);
    }

    fn write64_steps(&mut self, reg: RegOffset, first: u64, step: u64, count: u32) {
        self.registers.write64_steps(reg, first, step, count);
    }
}

impl DmaMemory for Board {
    fn alloc(&mut self, request: DmaRequest) -> Result<DmaBuffer, HalError> {
        self.arena.alloc(request)
    }

    fn free(&mut self, buffer: DmaBuffer) {
        self.arena.free(buffer);
    }

    fn max_block_bytes(&self) -> u64 {
        self.arena.max_block_bytes()
    }

    fn publish(&mut self, buffer: &DmaBuffer, range: Range<usize>) {
        self.arena.publish(buffer, range);
    }

    fn observe(&mut self, buffer: &DmaBuffer, range: Range<usize>) {
        self.arena.observe(buffer, range);
    }
}

impl ConfigSpace for Board {
    fn config_read32(&mut self, offset_bytes: u16) -> Result<u32, HalError> {
        self.function.read(offset_bytes)
    }

    fn config_write32(&mut self, offset_bytes: u16, value: u32) -> Result<(), HalError> {
        self.function.write(offset_bytes, value)
    }
}

impl Clock for Board {
    fn now(&mut self) -> Nanos {
        self.clock.now()
    }

    /// Spins. This board takes no interrupt messages: each time round counts as one, so that the driver looks at the
    /// interrupt registers and acknowledges what is pending there.
    fn relax(&mut self, until: Nanos) -> Result<(), Interrupted> {
        while self.clock.now() < until {
            core::hint::spin_loop();
        }
        self.irq.handle().record();
        Ok(())
    }
}

impl UserPages for Board {}

impl InterruptLine for Board {
    /// Nothing to switch: messages have no address to go to until somebody programs one.
    fn irq_enable(&mut self) -> Result<(), HalError> {
        Ok(())
    }

    fn irq_disable(&mut self) {}
}
