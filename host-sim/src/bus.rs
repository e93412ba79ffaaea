//! What a command streamer sees of the device around it.
//!
//! The device (registers, GGTT, memory, interrupts) implements [`Bus`]; a command streamer executes against it. The
//! split keeps the two halves testable apart.

use crate::clients::stores::Author;
use crate::fault::Action;
use crate::spec::EngineClass;
use crate::trace::Event;

/// Access to memory that does not exist, or beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusError {
    /// Bus address of the refused access.
    pub addr: u64,
}

/// The device side of one engine.
pub trait Bus {
    /// Reads device-visible memory at a bus address.
    ///
    /// # Errors
    /// [`BusError`] where no live buffer lies.
    fn dma_read(&mut self, addr: u64, into: &mut [u8]) -> Result<(), BusError>;

    /// Writes device-visible memory at a bus address.
    ///
    /// # Errors
    /// [`BusError`] where no live buffer lies; nothing is written then.
    fn dma_write(&mut self, addr: u64, from: &[u8]) -> Result<(), BusError>;

    /// Whether anybody wants to know who stores.
    fn is_watched(&self) -> bool {
        false
    }

    /// Writes as [`dma_write`](Self::dma_write), for a batch of a client.
    ///
    /// # Errors
    /// As there.
    fn dma_write_by(&mut self, addr: u64, from: &[u8], _author: Author) -> Result<(), BusError> {
        self.dma_write(addr, from)
    }

    /// The GGTT entry of a page, as it stands; none past the end of the table.
    fn ggtt_entry(&mut self, page: u32) -> Option<u64>;

    /// Replaces a GGTT entry (`MI_UPDATE_GTT`); whether there is one.
    fn set_ggtt_entry(&mut self, page: u32, entry: u64) -> bool;

    /// Reads a register outside the executing engine's own window.
    fn mmio_read(&mut self, offset: u32) -> u32;

    /// Writes a register outside the executing engine's own window.
    fn mmio_write(&mut self, offset: u32, value: u32);

    /// A command is about to be executed; what goes wrong with it, if somebody wants that.
    fn command_goes_wrong(&mut self, _engine: (EngineClass, u8), _name: &'static str) -> Option<Action> {
        None
    }

    /// Firmware is about to load a context; what goes wrong with it, if somebody wants that.
    fn submission_goes_wrong(&mut self, _engine: (EngineClass, u8)) -> Option<Action> {
        None
    }

    /// Firmware is about to reset an engine; what goes wrong with it, if somebody wants that.
    fn reset_goes_wrong(&mut self, _engine: (EngineClass, u8)) -> Option<Action> {
        None
    }

    /// Virtual time in nanoseconds.
    fn now_ns(&mut self) -> u64;

    /// Whether anybody looks at the timeline.
    fn tracing(&self) -> bool;

    /// Puts an event on the timeline, `after_ns` behind the device's clock: a streamer runs ahead of it.
    fn trace_at(&mut self, after_ns: u64, event: Event);

    /// Notes that the driver broke a rule of the hardware.
    fn complain(&mut self, text: String);

    /// Latches the address of a translation fault in the fault registers, if none is latched.
    fn latch_fault(&mut self, class: EngineClass, va: u64, ggtt: bool);

    /// Compression bytes of the memory page at a bus address; none on a part without them.
    fn compression(&mut self, page: u64) -> Option<u64>;

    /// Replaces the compression bytes of a page.
    fn set_compression(&mut self, page: u64, bytes: u64);
}
