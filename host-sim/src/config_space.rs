//! PCI configuration space (engines sheet §1).

use crate::spec::Platform;
use barexe_hal::{HalError, HalErrorKind};

const COMMAND: u16 = 0x04;
/// Writable bits of the command register: decode, bus master, interrupt disable.
const COMMAND_BITS: u32 = 0x0407;
const MEMORY_DECODE: u32 = 1 << 1;
const BUS_MASTER: u32 = 1 << 2;

/// The function's configuration registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigSpace {
    dwords: Vec<u32>,
}

impl ConfigSpace {
    pub(crate) fn new(platform: &Platform) -> Self {
        let mut dwords = vec![0; 1024];
        let ggms = u32::from(platform.ggms.unwrap_or(3)) << 6;
        let rows = [
            (0x00, u32::from(platform.device_id) << 16 | 0x8086),
            // Display controller, VGA compatible.
            (0x08, 0x0300_0000 | u32::from(platform.revision)),
            // BAR 0: 64 bit, 16 MiB.
            (0x10, 0x6000_0004),
            (0x14, 0x0000_0060),
            (0x50, ggms),
        ];
        for (offset, value) in rows {
            if let Some(dword) = dwords.get_mut(offset / 4) {
                *dword = value;
            }
        }
        Self { dwords }
    }

    fn index(offset: u16) -> Result<usize, HalError> {
        if offset >= 4096 || !offset.is_multiple_of(4) {
            return Err(HalErrorKind::BadRequest.into());
        }
        Ok(usize::from(offset / 4))
    }

    pub(crate) fn read(&self, offset: u16) -> Result<u32, HalError> {
        Ok(self.dwords.get(Self::index(offset)?).copied().unwrap_or(0))
    }

    pub(crate) fn write(&mut self, offset: u16, value: u32) -> Result<(), HalError> {
        let index = Self::index(offset)?;
        if offset == COMMAND
            && let Some(dword) = self.dwords.get_mut(index)
        {
            *dword = *dword & !COMMAND_BITS | value & COMMAND_BITS;
        }
        Ok(())
    }

    fn command(&self) -> u32 {
        self.read(COMMAND).unwrap_or(0)
    }

    pub(crate) fn decodes_memory(&self) -> bool {
        self.command() & MEMORY_DECODE != 0
    }

    pub(crate) fn is_bus_master(&self) -> bool {
        self.command() & BUS_MASTER != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_is_named_and_only_its_command_register_is_writable() {
        let mut config = ConfigSpace::new(&Platform::tgl());
        assert_eq!(config.read(0), Ok(0x9A49_8086));
        config.write(0, 0).unwrap();
        config.write(4, 0xFFFF_FFFF).unwrap();
        assert_eq!((config.read(0), config.read(4)), (Ok(0x9A49_8086), Ok(0x0407)));
        assert!(config.decodes_memory() && config.is_bus_master());
        assert!(config.read(2).is_err() && config.write(4096, 0).is_err());
    }
}
