//! Configuration space of any function, and the registers of it that this backend touches.

use super::{Function, PciError};
use crate::num::{low8, low16};

/// Configuration space of the functions on a bus.
///
/// Implemented by [`Ecam`](super::Ecam), and on x86 by the configuration ports of `arch`; an embedder whose platform has
/// calls of its own for it writes one.
///
/// **Implementor**: accesses are dwords, each happens exactly once and in order. What does not exist, or went away,
/// reads as all ones.
pub trait ConfigAccess {
    /// Reads the dword at `offset_bytes`, a multiple of 4 below 4096.
    ///
    /// # Errors
    /// [`PciError::BadOffset`], [`PciError::OutOfReach`].
    fn read32(&mut self, function: Function, offset_bytes: u16) -> Result<u32, PciError>;

    /// Writes the dword at `offset_bytes`, a multiple of 4 below 4096.
    ///
    /// # Errors
    /// As [`read32`](Self::read32); nothing is written then.
    fn write32(&mut self, function: Function, offset_bytes: u16, value: u32) -> Result<(), PciError>;
}

impl<T: ConfigAccess + ?Sized> ConfigAccess for &mut T {
    fn read32(&mut self, function: Function, offset_bytes: u16) -> Result<u32, PciError> {
        (**self).read32(function, offset_bytes)
    }

    fn write32(&mut self, function: Function, offset_bytes: u16, value: u32) -> Result<(), PciError> {
        (**self).write32(function, offset_bytes, value)
    }
}

/// What is not there reads as.
pub(super) const ALL_ONES: u32 = u32::MAX;
/// Vendor in 15:0, device in 31:16.
pub(super) const ID: u16 = 0x00;
/// Command in 15:0, status in 31:16.
pub(super) const COMMAND: u16 = 0x04;
/// Revision in 7:0, class in 31:8.
pub(super) const CLASS: u16 = 0x08;
/// Cache line in 7:0, latency timer in 15:8, header type in 23:16.
pub(super) const HEADER: u16 = 0x0C;
/// First of six base address registers.
pub(super) const BARS: u16 = 0x10;
/// Of a bridge: bus above in 7:0, bus below in 15:8, last bus below in 23:16.
pub(super) const BUSES: u16 = 0x18;
/// First capability in 7:0.
pub(super) const CAPABILITIES: u16 = 0x34;
/// Interrupt line in 7:0.
pub(super) const INTERRUPT: u16 = 0x3C;

/// Command bit: the function answers at its I/O addresses.
pub(super) const IO_DECODE: u16 = 1 << 0;
/// Command bit: the function answers at its memory addresses.
pub(super) const MEMORY_DECODE: u16 = 1 << 1;
/// Command bit: the function may reach memory and send messages.
pub(super) const BUS_MASTER: u16 = 1 << 2;
/// Command bit: the function leaves its interrupt wire alone.
pub(super) const WIRE_OFF: u16 = 1 << 10;

/// Reads a dword that never is all ones as long as the function answers.
pub(super) fn read_live<C: ConfigAccess>(
    access: &mut C,
    function: Function,
    offset_bytes: u16,
) -> Result<u32, PciError> {
    match access.read32(function, offset_bytes)? {
        ALL_ONES => Err(PciError::Gone { function }),
        word => Ok(word),
    }
}

/// Refuses a function that does not answer.
pub(super) fn check_present<C: ConfigAccess>(access: &mut C, function: Function) -> Result<(), PciError> {
    read_live(access, function, ID).map(|_| ())
}

/// Refuses what has no header of a device: in a bridge other registers are where a device has BARs.
pub(super) fn check_device<C: ConfigAccess>(access: &mut C, function: Function) -> Result<(), PciError> {
    check_present(access, function)?;
    match low8(read_live(access, function, HEADER)? >> 16) & 0x7F {
        0 => Ok(()),
        value => Err(PciError::HeaderType { value }),
    }
}

/// The command register.
pub(super) fn read_command<C: ConfigAccess>(access: &mut C, function: Function) -> Result<u16, PciError> {
    Ok(low16(read_live(access, function, COMMAND)?))
}

/// Writes the command register. Zeros in the status half of the dword clear nothing.
pub(super) fn write_command<C: ConfigAccess>(access: &mut C, function: Function, command: u16) -> Result<(), PciError> {
    access.write32(function, COMMAND, u32::from(command))
}

/// Switches memory decode of a function: whether it answers at the addresses in its BARs.
///
/// # Errors
/// [`PciError::Gone`], and what the access says.
pub fn set_memory_decode<C: ConfigAccess>(access: &mut C, function: Function, on: bool) -> Result<(), PciError> {
    set_command(access, function, MEMORY_DECODE, on)
}

/// Switches bus mastering of a function: whether it may reach memory and send interrupt messages.
///
/// # Errors
/// [`PciError::Gone`], and what the access says.
pub fn set_bus_master<C: ConfigAccess>(access: &mut C, function: Function, on: bool) -> Result<(), PciError> {
    set_command(access, function, BUS_MASTER, on)
}

/// Sets or clears command bits, and looks whether the function took them.
fn set_command<C: ConfigAccess>(access: &mut C, function: Function, bits: u16, on: bool) -> Result<(), PciError> {
    let before = read_command(access, function)?;
    let wanted = if on { before | bits } else { before & !bits };
    write_command(access, function, wanted)?;
    let found = read_command(access, function)?;
    if found & bits == wanted & bits { Ok(()) } else { Err(PciError::CommandStuck { wanted, found }) }
}
