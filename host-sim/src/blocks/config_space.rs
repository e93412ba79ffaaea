//! PCI configuration space (engines sheet §1).

use crate::spec::Platform;
use barexe_hal::{HalError, HalErrorKind};

const COMMAND: u16 = 0x04;
const MEMORY_DECODE: u32 = 1 << 1;
const BUS_MASTER: u32 = 1 << 2;
/// Status bit in the upper half of the command's dword: there is a list of capabilities.
const HAS_LIST: u32 = 1 << 20;
/// Where the list begins.
const LIST: u16 = 0x34;
/// Where the MSI capability lies.
const MSI: u16 = 0xAC;
const MSI_ID: u32 = 0x05;
/// MSI control: the address has 64 bits.
const MSI_64: u32 = 1 << 23;
/// MSI control, writable: enable, and how many of the messages are used.
const MSI_CONTROL_BITS: u32 = 0x0071_0000;
/// Length of the space in bytes.
pub(crate) const CONFIG_BYTES: u16 = 4096;

/// Width of the address in the MSI capability.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MsiWidth {
    /// 32 bits.
    Bits32,
    /// 64 bits, as on real parts.
    #[default]
    Bits64,
}

/// A dword at power-on, and which bits of it can be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Dword {
    value: u32,
    writable: u32,
}

/// The function's configuration registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigSpace {
    dwords: Vec<Dword>,
}

/// What every part has: offset, value, writable bits.
fn common(platform: &Platform) -> [(u16, u32, u32); 6] {
    [
        (0x00, u32::from(platform.device_id) << 16 | 0x8086, 0),
        // Decode, bus master, interrupt disable.
        (COMMAND, HAS_LIST, 0x0407),
        // Display controller, VGA compatible.
        (0x08, 0x0300_0000 | u32::from(platform.revision), 0),
        // BAR 0: 64 bit, one block of 16 MiB for each tile.
        (0x10, 0x6000_0004, !(platform.bar0_bytes() - 1)),
        (0x14, 0x0000_0060, u32::MAX),
        (0x50, u32::from(platform.ggms.unwrap_or(3)) << 6, 0),
    ]
}

/// The MSI capability, the only one: one message, no mask bits.
fn msi(width: MsiWidth) -> Vec<(u16, u32, u32)> {
    const ADDRESS_BITS: u32 = !3;
    const DATA_BITS: u32 = 0xFFFF;
    let wide = if width == MsiWidth::Bits64 { MSI_64 } else { 0 };
    let head = [(LIST, u32::from(MSI), 0), (MSI, MSI_ID | wide, MSI_CONTROL_BITS), (MSI + 4, 0, ADDRESS_BITS)];
    let tail: &[_] = match width {
        MsiWidth::Bits32 => &[(MSI + 8, 0, DATA_BITS)],
        MsiWidth::Bits64 => &[(MSI + 8, 0, u32::MAX), (MSI + 12, 0, DATA_BITS)],
    };
    head.iter().chain(tail).copied().collect()
}

impl ConfigSpace {
    pub(crate) fn new(platform: &Platform, width: MsiWidth) -> Self {
        let mut dwords = vec![Dword::default(); usize::from(CONFIG_BYTES / 4)];
        for (offset, value, writable) in common(platform).into_iter().chain(msi(width)) {
            if let Some(dword) = dwords.get_mut(usize::from(offset / 4)) {
                *dword = Dword { value, writable };
            }
        }
        Self { dwords }
    }

    fn index(offset: u16) -> Result<usize, HalError> {
        if offset >= CONFIG_BYTES || !offset.is_multiple_of(4) {
            return Err(HalErrorKind::BadRequest.into());
        }
        Ok(usize::from(offset / 4))
    }

    pub(crate) fn read(&self, offset: u16) -> Result<u32, HalError> {
        Ok(self.dwords.get(Self::index(offset)?).map_or(0, |dword| dword.value))
    }

    pub(crate) fn write(&mut self, offset: u16, value: u32) -> Result<(), HalError> {
        if let Some(dword) = self.dwords.get_mut(Self::index(offset)?) {
            dword.value = dword.value & !dword.writable | value & dword.writable;
        }
        Ok(())
    }

    /// The command register, without the status beside it.
    pub(crate) fn command(&self) -> u32 {
        self.read(COMMAND).unwrap_or(0) & 0xFFFF
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
    fn the_function_is_named_and_keeps_only_what_can_be_written() {
        let mut config = ConfigSpace::new(&Platform::tgl(), MsiWidth::Bits64);
        assert_eq!(config.read(0), Ok(0x9A49_8086));
        config.write(0, 0).unwrap();
        config.write(4, 0xFFFF_FFFF).unwrap();
        assert_eq!((config.read(0), config.read(4)), (Ok(0x9A49_8086), Ok(0x0010_0407)));
        assert!(config.decodes_memory() && config.is_bus_master());
        assert!(config.read(2).is_err() && config.write(4096, 0).is_err());
    }

    #[test]
    fn a_bar_says_its_size_and_there_is_no_rom() {
        for (platform, size) in [(Platform::lnl(), 16 << 20), (Platform::tgl_with_tiles(2), 32 << 20)] {
            let mut config = ConfigSpace::new(&platform, MsiWidth::Bits64);
            for offset in (0x10..0x28).step_by(4).chain([0x30]) {
                config.write(offset, u32::MAX).unwrap();
            }
            let low = config.read(0x10).unwrap();
            assert_eq!((low & 0xF, !(low & !0xF) + 1, config.read(0x14)), (4, size, Ok(u32::MAX)));
            assert!([0x18, 0x1C, 0x20, 0x24, 0x30].iter().all(|offset| config.read(*offset) == Ok(0)));
        }
    }

    #[test]
    fn the_list_has_one_capability_of_either_width() {
        for (width, control, data) in [(MsiWidth::Bits32, 0, 0xB4), (MsiWidth::Bits64, 0x80, 0xB8)] {
            let mut config = ConfigSpace::new(&Platform::tgl(), width);
            assert_eq!((config.read(4).unwrap() >> 20 & 1, config.read(0x34)), (1, Ok(0xAC)));
            assert_eq!(config.read(0xAC), Ok(control << 16 | 5));
            for offset in (0xAC..0xC0).step_by(4) {
                config.write(offset, u32::MAX).unwrap();
            }
            assert_eq!(config.read(0xAC), Ok((control | 0x71) << 16 | 5));
            assert_eq!((config.read(0xB0), config.read(data)), (Ok(!3), Ok(0xFFFF)));
            assert_eq!(config.read(data + 4), Ok(0));
        }
    }
}
