//! What a function forgets when it loses power.

use super::access::{
    BARS, COMMAND, HEADER, ID, INTERRUPT, check_device, check_present, read_command, read_live, write_command,
};
use super::{ConfigAccess, Function, Msi, MsiState, PciError};

/// Registers of the header that can be written, beside the command register: cache line and latency, BARs, interrupt line.
const REGISTERS: [u16; 8] = [HEADER, BARS, BARS + 0x04, BARS + 0x08, BARS + 0x0C, BARS + 0x10, BARS + 0x14, INTERRUPT];

/// Configuration of a function: what must be written again after a power state in which it was lost.
///
/// ```
/// use barexe_hal::pci::{ConfigAccess, Function, PciError, SavedConfig};
///
/// fn sleep<C: ConfigAccess>(access: &mut C, gpu: Function, power_off_and_on: impl FnOnce()) -> Result<(), PciError> {
///     let saved = SavedConfig::save(access, gpu)?;
///     power_off_and_on();
///     saved.restore(access)
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SavedConfig {
    function: Function,
    id: u32,
    command: u16,
    registers: [u32; REGISTERS.len()],
    msi: Option<(Msi, MsiState)>,
}

impl SavedConfig {
    /// Reads what a function would forget. A function without a usable MSI capability has nothing to forget there.
    ///
    /// # Errors
    /// [`PciError::Gone`], [`PciError::HeaderType`] for a bridge, and what the access says.
    pub fn save<C: ConfigAccess>(access: &mut C, function: Function) -> Result<Self, PciError> {
        check_device(access, function)?;
        let id = read_live(access, function, ID)?;
        let command = read_command(access, function)?;
        let mut registers = [0; REGISTERS.len()];
        for (value, offset) in registers.iter_mut().zip(REGISTERS) {
            *value = access.read32(function, offset)?;
        }
        let msi = match Msi::find(access, function) {
            Ok(msi) => Some((msi, msi.save(access)?)),
            Err(_) => None,
        };
        check_present(access, function)?;
        Ok(Self { function, id, command, registers, msi })
    }

    /// Writes it again: BARs while nothing is decoded, then interrupts, the command register last.
    ///
    /// # Errors
    /// [`PciError::Gone`], [`PciError::Exchanged`] if another function answers (nothing was written then),
    /// [`PciError::CommandStuck`] if the function does not take the command register, and what the access says.
    pub fn restore<C: ConfigAccess>(&self, access: &mut C) -> Result<(), PciError> {
        let Self { function, command, .. } = *self;
        let found = read_live(access, function, ID)?;
        if found != self.id {
            return Err(PciError::Exchanged { expected: self.id, found });
        }
        write_command(access, function, 0)?;
        for (value, offset) in self.registers.iter().zip(REGISTERS) {
            access.write32(function, offset, *value)?;
        }
        if let Some((msi, state)) = &self.msi {
            msi.restore(access, state)?;
        }
        access.write32(function, COMMAND, u32::from(command))?;
        match read_command(access, function)? {
            found if found == command => Ok(()),
            found => Err(PciError::CommandStuck { wanted: command, found }),
        }
    }
}
