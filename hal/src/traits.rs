//! The traits an implementor writes.
//!
//! They are split by use, so that a page-table test needs memory only. [`Hal`] is their sum and is implemented for
//! everything that has all of them. All methods take `&mut self`: a HAL is one value, there are no globals.

use crate::{BusAddr, ClockKind, DmaBuffer, HalError, Interrupted, Nanos, RegOffset, UserPages};
use core::ops::Range;

/// Registers and GGTT entries in BAR 0.
///
/// **Caller**: 32-bit registers only below [`RegOffset::GGTT_BASE`], 64-bit entries only from there on; holds the
/// forcewake a register needs.
/// **Implementor**: each access happens exactly once, in program order, with the width asked for. A device that is
/// gone answers with all ones, and so does the block of a tile that it does not have; the access itself never fails.
pub trait Mmio {
    /// Reads one 32-bit register.
    fn read32(&mut self, reg: RegOffset) -> u32;

    /// Writes one 32-bit register. The write may be posted; a read flushes it.
    fn write32(&mut self, reg: RegOffset, value: u32);

    /// Reads `out.len()` consecutive 64-bit entries, the first at `reg`.
    fn read64_run(&mut self, reg: RegOffset, out: &mut [u64]);

    /// Writes `count` consecutive 64-bit entries from `reg` on: `first`, `first + step`, `first + 2 step`, ...
    /// (wrapping). Each entry is one 64-bit store. Entries past the end of the block are not written.
    fn write64_steps(&mut self, reg: RegOffset, first: u64, step: u64, count: u32);
}

/// Who reaches a DMA buffer beside the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DmaOwner {
    /// Only the driver, which publishes and observes.
    Driver,
    /// A client maps it too, so it must be coherent by its caching mode alone, without publish or observe.
    Client,
}

/// CPU caching of a DMA buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DmaCaching {
    /// Write-back; the device snoops, or [`DmaMemory::publish`] and [`DmaMemory::observe`] make up for it.
    WriteBack,
    /// Write-combining: CPU reads are slow, CPU writes reach memory at the next barrier.
    WriteCombining,
}

/// A request for device-visible memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DmaRequest {
    /// Length in bytes: a multiple of 4096, at least 4096.
    pub len_bytes: u64,
    /// Alignment of the bus address in bytes: a power of two, at least 4096.
    pub align_bytes: u64,
    /// Highest bus address the device can drive.
    pub last_addr: BusAddr,
    /// CPU caching mode.
    pub caching: DmaCaching,
    /// Who else reaches it.
    pub owner: DmaOwner,
}

/// The least a HAL must be willing to give in one piece: a context, with its ring, is not built from several.
pub const MIN_BLOCK_BYTES: u64 = 256 << 10;

/// Memory that the CPU and the device share.
///
/// **Caller**: gives every buffer back once, after the device has stopped using it. Between a `publish` and an
/// `observe` each word has one writing side.
/// **Implementor**: see the methods.
pub trait DmaMemory {
    /// A buffer, contiguous on the bus.
    ///
    /// **Implementor**: the buffer reads as zero for CPU and device, is aligned as asked, overlaps no other live
    /// buffer on either side, and stays valid until [`free`](Self::free).
    ///
    /// # Errors
    /// [`NoMemory`](crate::HalErrorKind::NoMemory) when it cannot be had now,
    /// [`BadRequest`](crate::HalErrorKind::BadRequest) when never.
    fn alloc(&mut self, request: DmaRequest) -> Result<DmaBuffer, HalError>;

    /// Takes a buffer back.
    fn free(&mut self, buffer: DmaBuffer);

    /// Longest buffer that [`alloc`](Self::alloc) is willing to give in one piece, in bytes: a power of two, at
    /// least [`MIN_BLOCK_BYTES`], the same at every call. Larger objects are built from several buffers.
    fn max_block_bytes(&self) -> u64;

    /// Makes the CPU's stores to `range` (bytes of `buffer`) visible to the device, before any later register write
    /// or publish. Byte-exact: bytes outside `range` are not touched on the device's side.
    fn publish(&mut self, buffer: &DmaBuffer, range: Range<usize>);

    /// Makes the device's stores to `range` (bytes of `buffer`) visible to later CPU loads. Byte-exact.
    fn observe(&mut self, buffer: &DmaBuffer, range: Range<usize>);
}

/// The device's PCI configuration space.
pub trait ConfigSpace {
    /// Reads the dword at `offset_bytes`, a multiple of 4 below 4096.
    ///
    /// # Errors
    /// [`BadRequest`](crate::HalErrorKind::BadRequest) for other offsets; the platform's own failures.
    fn config_read32(&mut self, offset_bytes: u16) -> Result<u32, HalError>;

    /// Writes the dword at `offset_bytes`, a multiple of 4 below 4096.
    ///
    /// # Errors
    /// As [`config_read32`](Self::config_read32); nothing is written then.
    fn config_write32(&mut self, offset_bytes: u16, value: u32) -> Result<(), HalError>;

    /// Whether what answers is a model of a device, in this program. The driver does there, unasked, what nobody has tried
    /// on silicon.
    ///
    /// **Implementor**: only a simulator says yes; behind a bus there may be anything.
    fn is_simulated(&self) -> bool {
        false
    }
}

/// Monotonic time and the way to let it pass.
pub trait Clock {
    /// The current instant. **Implementor**: never goes backwards.
    fn now(&mut self) -> Nanos;

    /// What a clock says now, for clients that set device time against it.
    ///
    /// **Implementor**: the monotonic clock is that of [`now`](Self::now). A machine that has one clock and no calendar
    /// leaves this alone; like an operating system there, its days begin when the clock does.
    fn now_by(&mut self, clock: ClockKind) -> Nanos {
        let _only = clock;
        self.now()
    }

    /// Lets the caller's surroundings run: spin hint, halt until interrupt, a step of simulated time.
    ///
    /// **Caller**: has nothing to do before `until` unless an interrupt comes; calls again in a loop that looks at
    /// [`now`](Self::now). **Implementor**: returns no later than shortly after `until`, and makes `now` advance
    /// when called often enough.
    ///
    /// # Errors
    /// [`Interrupted`] when the caller's environment wants the wait to end.
    fn relax(&mut self, until: Nanos) -> Result<(), Interrupted>;
}

/// The device's one interrupt message (MSI).
pub trait InterruptLine {
    /// Lets messages arrive. How they reach the driver is the embedder's choice: call the driver's interrupt
    /// handle, or just poll. Calling it again changes nothing.
    ///
    /// # Errors
    /// The platform's own failures; messages are then off.
    fn irq_enable(&mut self) -> Result<(), HalError>;

    /// Stops messages. After it returns none arrives.
    fn irq_disable(&mut self);
}

/// All of it: what a device is opened on.
pub trait Hal: Mmio + DmaMemory + ConfigSpace + Clock + InterruptLine + UserPages {}

impl<T: Mmio + DmaMemory + ConfigSpace + Clock + InterruptLine + UserPages + ?Sized> Hal for T {}

impl<T: Mmio + ?Sized> Mmio for &mut T {
    fn read32(&mut self, reg: RegOffset) -> u32 {
        (**self).read32(reg)
    }

    fn write32(&mut self, reg: RegOffset, value: u32) {
        (**self).write32(reg, value);
    }

    fn read64_run(&mut self, reg: RegOffset, out: &mut [u64]) {
        (**self).read64_run(reg, out);
    }

    fn write64_steps(&mut self, reg: RegOffset, first: u64, step: u64, count: u32) {
        (**self).write64_steps(reg, first, step, count);
    }
}

impl<T: DmaMemory + ?Sized> DmaMemory for &mut T {
    fn alloc(&mut self, request: DmaRequest) -> Result<DmaBuffer, HalError> {
        (**self).alloc(request)
    }

    fn free(&mut self, buffer: DmaBuffer) {
        (**self).free(buffer);
    }

    fn max_block_bytes(&self) -> u64 {
        (**self).max_block_bytes()
    }

    fn publish(&mut self, buffer: &DmaBuffer, range: Range<usize>) {
        (**self).publish(buffer, range);
    }

    fn observe(&mut self, buffer: &DmaBuffer, range: Range<usize>) {
        (**self).observe(buffer, range);
    }
}

impl<T: ConfigSpace + ?Sized> ConfigSpace for &mut T {
    fn config_read32(&mut self, offset_bytes: u16) -> Result<u32, HalError> {
        (**self).config_read32(offset_bytes)
    }

    fn config_write32(&mut self, offset_bytes: u16, value: u32) -> Result<(), HalError> {
        (**self).config_write32(offset_bytes, value)
    }

    fn is_simulated(&self) -> bool {
        (**self).is_simulated()
    }
}

impl<T: Clock + ?Sized> Clock for &mut T {
    fn now(&mut self) -> Nanos {
        (**self).now()
    }

    fn now_by(&mut self, clock: ClockKind) -> Nanos {
        (**self).now_by(clock)
    }

    fn relax(&mut self, until: Nanos) -> Result<(), Interrupted> {
        (**self).relax(until)
    }
}

impl<T: InterruptLine + ?Sized> InterruptLine for &mut T {
    fn irq_enable(&mut self) -> Result<(), HalError> {
        (**self).irq_enable()
    }

    fn irq_disable(&mut self) {
        (**self).irq_disable();
    }
}
