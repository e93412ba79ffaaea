//! A GPU on the bus as a HAL.
#![expect(unsafe_code, reason = "takes over the mapping of a BAR")]

use super::access::{WIRE_OFF, check_device, read_command, write_command};
use super::error::BarProblem;
use super::{Bars, ConfigAccess, Function, MapPhysical, Msi, MsiMessage, MsiState, PciError, SavedConfig};
use crate::bar::BarWindow;
use crate::num::joined;
use crate::{
    Clock, ClockKind, ConfigSpace, DmaBuffer, DmaMemory, DmaRequest, HalError, InterruptLine, Interrupted, Mmio, Nanos,
    PinRequest, PinnedRun, RegOffset, UserPages,
};
use core::ops::Range;
use core::ptr::NonNull;

/// BAR with registers and GGTT (engines sheet §1.3).
const REGISTER_BAR: u8 = 0;
/// Bytes of a tile in it.
const BLOCK: u64 = joined(RegOffset::BLOCK_BYTES, 0);

/// What the embedder brings: one value for each thing that this backend cannot know.
#[derive(Debug)]
pub struct Parts<C, P, M, T> {
    /// The way to configuration space.
    pub access: C,
    /// The way to map registers.
    pub map: P,
    /// Memory that CPU and device share, and client memory if there is any: [`Arena`](crate::arena::Arena), or the
    /// embedder's own.
    pub memory: M,
    /// Time: [`TickClock`](crate::clock::TickClock), or the embedder's own.
    pub clock: T,
}

/// How the driver learns that the device wants something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Interrupts {
    /// It looks. The device sends no messages.
    Polled,
    /// The device sends this message, which the embedder brings to the driver's interrupt handle.
    Message(MsiMessage),
}

/// A device that cannot be used: why, and what was brought.
#[derive(Debug)]
pub struct OpenError<C, P, M, T> {
    /// Why.
    pub error: PciError,
    /// What was brought. The device is as it was found, as far as it answers.
    pub parts: Parts<C, P, M, T>,
}

/// A GPU on the bus: the whole [`Hal`](crate::Hal), made of the embedder's [`Parts`].
///
/// Memory decode and bus mastering are left as found: the driver switches them through [`ConfigSpace`]. The interrupt wire
/// is off, so that a device that is polled, or has not been given its message yet, disturbs nobody. What has been changed
/// is put back by [`close`](Self::close); a value that is dropped leaves the device as it is.
#[derive(Debug)]
pub struct PciDevice<C, P, M, T> {
    parts: Parts<C, P, M, T>,
    function: Function,
    bars: Bars,
    window: BarWindow,
    window_bytes: u64,
    found: AsFound,
    message: Option<MsiMessage>,
}

/// How a function was found.
#[derive(Clone, Copy, Debug)]
struct AsFound {
    command: u16,
    msi: Option<(Msi, MsiState)>,
}

impl<C: ConfigAccess, P: MapPhysical, M, T> PciDevice<C, P, M, T> {
    /// Takes over the function: finds its BARs and maps that with the registers.
    ///
    /// # Errors
    /// With the parts: [`PciError::Gone`] if nothing answers, [`PciError::HeaderType`] for a bridge, the errors of
    /// [`Bars::read`], [`PciError::Bar`] if the register BAR is missing, unassigned or of another size than whole tiles,
    /// [`PciError::NotMapped`] from the embedder, and, if a message is asked for, the errors of [`Msi::find`] and
    /// [`PciError::MessageAddress`]: an embedder that can do without tries again with [`Interrupts::Polled`].
    pub fn open(
        mut parts: Parts<C, P, M, T>,
        function: Function,
        interrupts: Interrupts,
    ) -> Result<Self, OpenError<C, P, M, T>> {
        match take_over(&mut parts, function, interrupts) {
            Ok((bars, window, window_bytes, found)) => {
                let message = match interrupts {
                    Interrupts::Polled => None,
                    Interrupts::Message(message) => Some(message),
                };
                Ok(Self { parts, function, bars, window, window_bytes, found, message })
            }
            Err(error) => Err(OpenError { error, parts }),
        }
    }

    /// Gives the function back as it was found: first no bus mastering of this driver's, then MSI, then the rest of the
    /// command register. Never fails, is bounded, and works on a device that is gone.
    pub fn close(mut self) -> Parts<C, P, M, T> {
        self.put_back();
        self.parts.map.unmap(self.window.into_base(), self.window_bytes);
        self.parts
    }

    fn put_back(&mut self) {
        let Self { function, found, .. } = *self;
        let access = &mut self.parts.access;
        // Nothing is left to do about configuration space that fails now, here and below.
        let now = read_command(access, function).unwrap_or(found.command);
        let _gone = write_command(access, function, now & found.command | WIRE_OFF);
        if let Some((msi, state)) = found.msi {
            let _gone = msi.restore(access, &state);
        }
        let _gone = write_command(access, function, found.command);
    }
}

impl<C: ConfigAccess, P, M, T> PciDevice<C, P, M, T> {
    /// Where it is on the bus.
    #[must_use]
    pub const fn function(&self) -> Function {
        self.function
    }

    /// Its BARs.
    #[must_use]
    pub const fn bars(&self) -> &Bars {
        &self.bars
    }

    /// What the embedder brought.
    pub const fn parts_mut(&mut self) -> &mut Parts<C, P, M, T> {
        &mut self.parts
    }

    /// What must be written again after a power state in which the device forgets it.
    ///
    /// # Errors
    /// As [`SavedConfig::save`].
    pub fn save(&mut self) -> Result<SavedConfig, PciError> {
        SavedConfig::save(&mut self.parts.access, self.function)
    }

    /// Writes it again, once the device has power.
    ///
    /// # Errors
    /// As [`SavedConfig::restore`].
    pub fn restore(&mut self, saved: &SavedConfig) -> Result<(), PciError> {
        saved.restore(&mut self.parts.access)
    }
}

/// All that can fail, then the one change that stays: interrupts off.
fn take_over<C: ConfigAccess, P: MapPhysical, M, T>(
    parts: &mut Parts<C, P, M, T>,
    function: Function,
    interrupts: Interrupts,
) -> Result<(Bars, BarWindow, u64, AsFound), PciError> {
    let access = &mut parts.access;
    check_device(access, function)?;
    let command = read_command(access, function)?;
    let msi = find_msi(access, function, interrupts)?;
    let bars = Bars::read(access, function)?;
    let bar = *bars.assigned(REGISTER_BAR)?;
    let tiles = tiles_of(bar.size_bytes)?;
    let base = parts.map.map(bar.address, bar.size_bytes)?;
    let window = window_at(base, tiles);
    let found = AsFound { command, msi };
    if let Err(error) = silence(&mut parts.access, function, found) {
        let _gone = write_command(&mut parts.access, function, command);
        parts.map.unmap(base, bar.size_bytes);
        return Err(error);
    }
    Ok((bars, window, bar.size_bytes, found))
}

/// Interrupts off: the wire before messages, or a pending one would move to it.
fn silence<C: ConfigAccess>(access: &mut C, function: Function, found: AsFound) -> Result<(), PciError> {
    write_command(access, function, found.command | WIRE_OFF)?;
    match found.msi {
        Some((msi, _)) => msi.disable(access),
        None => Ok(()),
    }
}

/// The MSI capability and what is in it. Who only looks can do without, and with a list that leads nowhere.
fn find_msi<C: ConfigAccess>(
    access: &mut C,
    function: Function,
    interrupts: Interrupts,
) -> Result<Option<(Msi, MsiState)>, PciError> {
    match (Msi::find(access, function), interrupts) {
        (Ok(msi), Interrupts::Message(message)) => {
            msi.check_reach(message)?;
            Ok(Some((msi, msi.save(access)?)))
        }
        (Ok(msi), Interrupts::Polled) => Ok(Some((msi, msi.save(access)?))),
        (Err(error), Interrupts::Message(_)) => Err(error),
        (Err(_), Interrupts::Polled) => Ok(None),
    }
}

/// Tiles in a register BAR of this size.
fn tiles_of(size_bytes: u64) -> Result<u8, PciError> {
    match u8::try_from(size_bytes / BLOCK) {
        Ok(tiles) if tiles > 0 && size_bytes.is_multiple_of(BLOCK) => Ok(tiles),
        _ => Err(PciError::bar(REGISTER_BAR, BarProblem::Size { size_bytes })),
    }
}

const fn window_at(base: NonNull<u8>, tiles: u8) -> BarWindow {
    // SAFETY: `base` comes from the embedder's mapper, which promises a device mapping of the whole BAR, `tiles` blocks
    // long and page-aligned, that stays until it is unmapped: when the device is closed.
    unsafe { BarWindow::new(base.cast(), tiles) }
}

impl<C, P, M, T> Mmio for PciDevice<C, P, M, T> {
    fn read32(&mut self, reg: RegOffset) -> u32 {
        self.window.read32(reg)
    }

    fn write32(&mut self, reg: RegOffset, value: u32) {
        self.window.write32(reg, value);
    }

    fn read64_run(&mut self, reg: RegOffset, out: &mut [u64]) {
        self.window.read64_run(reg, out);
    }

    fn write64_steps(&mut self, reg: RegOffset, first: u64, step: u64, count: u32) {
        self.window.write64_steps(reg, first, step, count);
    }
}

impl<C, P, M: DmaMemory, T> DmaMemory for PciDevice<C, P, M, T> {
    fn alloc(&mut self, request: DmaRequest) -> Result<DmaBuffer, HalError> {
        self.parts.memory.alloc(request)
    }

    fn free(&mut self, buffer: DmaBuffer) {
        self.parts.memory.free(buffer);
    }

    fn max_block_bytes(&self) -> u64 {
        self.parts.memory.max_block_bytes()
    }

    fn publish(&mut self, buffer: &DmaBuffer, range: Range<usize>) {
        self.parts.memory.publish(buffer, range);
    }

    fn observe(&mut self, buffer: &DmaBuffer, range: Range<usize>) {
        self.parts.memory.observe(buffer, range);
    }
}

impl<C: ConfigAccess, P, M, T> ConfigSpace for PciDevice<C, P, M, T> {
    fn config_read32(&mut self, offset_bytes: u16) -> Result<u32, HalError> {
        Ok(self.parts.access.read32(self.function, offset_bytes)?)
    }

    fn config_write32(&mut self, offset_bytes: u16, value: u32) -> Result<(), HalError> {
        Ok(self.parts.access.write32(self.function, offset_bytes, value)?)
    }
}

impl<C, P, M, T: Clock> Clock for PciDevice<C, P, M, T> {
    fn now(&mut self) -> Nanos {
        self.parts.clock.now()
    }

    fn now_by(&mut self, clock: ClockKind) -> Nanos {
        self.parts.clock.now_by(clock)
    }

    fn relax(&mut self, until: Nanos) -> Result<(), Interrupted> {
        self.parts.clock.relax(until)
    }
}

impl<C: ConfigAccess, P, M, T> InterruptLine for PciDevice<C, P, M, T> {
    /// A device that is polled has nothing to switch on.
    fn irq_enable(&mut self) -> Result<(), HalError> {
        match (self.found.msi, self.message) {
            (Some((msi, _)), Some(message)) => Ok(msi.enable(&mut self.parts.access, message)?),
            _ => Ok(()),
        }
    }

    fn irq_disable(&mut self) {
        if let Some((msi, _)) = self.found.msi {
            // A device that is gone sends none.
            let _gone = msi.disable(&mut self.parts.access);
        }
    }
}

impl<C, P, M: UserPages, T> UserPages for PciDevice<C, P, M, T> {
    fn has_user_pages(&self) -> bool {
        self.parts.memory.has_user_pages()
    }

    fn pin(&mut self, request: PinRequest) -> Result<PinnedRun, HalError> {
        self.parts.memory.pin(request)
    }

    fn unpin(&mut self, run: PinnedRun) {
        self.parts.memory.unpin(run);
    }
}
