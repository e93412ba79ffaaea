//! Configuration space as memory.
#![expect(unsafe_code, reason = "dereferences the mapped window")]

use super::{ConfigAccess, Function, PciError};
use crate::arch;
use crate::num::usize_of;
use core::ptr::NonNull;
use volatile_register::RW;

/// Bytes of a bus in the window: 4096 for each of 256 functions.
const BUS_SHIFT: u32 = 20;
/// Bytes of a function in it.
const FUNCTION_SHIFT: u32 = 12;

/// Configuration space through a window in memory, as the tables of the machine describe it (ACPI's MCFG, a device tree).
///
/// It reaches all 4096 bytes of every function of a range of buses in one segment.
#[derive(Debug)]
pub struct Ecam {
    base: NonNull<u32>,
    segment: u16,
    first_bus: u8,
    last_bus: u8,
}

// SAFETY: the window is the value's own (see `new`); accesses may come from any one thread at a time.
unsafe impl Send for Ecam {}

impl Ecam {
    /// Takes over a mapping of the window for buses `first_bus` to `last_bus`. `base` is where the first byte of
    /// `first_bus` is seen; firmware tables name the place of bus 0, `first_bus` MiB before it.
    ///
    /// # Safety
    /// As long as the value lives, `base` points to a device mapping (uncached) of 1 MiB for each of these buses, aligned
    /// to 4096, that nothing else uses.
    #[must_use]
    pub const unsafe fn new(base: NonNull<u32>, segment: u16, first_bus: u8, last_bus: u8) -> Self {
        Self { base, segment, first_bus, last_bus }
    }

    fn cell(&self, function: Function, offset_bytes: u16) -> Result<&RW<u32>, PciError> {
        PciError::check_offset(offset_bytes)?;
        let offset = self.offset(function, offset_bytes).ok_or(PciError::OutOfReach { function, offset_bytes })?;
        let at = self.base.as_ptr().cast::<u8>().wrapping_add(usize_of(offset)).cast::<RW<u32>>();
        // SAFETY: `offset` is a dword's in the window that `new` promises; `RW` is a cell.
        Ok(unsafe { &*at })
    }

    /// Offset of a dword in the window.
    fn offset(&self, function: Function, offset_bytes: u16) -> Option<u32> {
        let bus = function.bus().checked_sub(self.first_bus)?;
        if function.segment() != self.segment || function.bus() > self.last_bus {
            return None;
        }
        let place = u32::from(function.requester() & 0xFF);
        Some(u32::from(bus) << BUS_SHIFT | place << FUNCTION_SHIFT | u32::from(offset_bytes))
    }
}

impl ConfigAccess for Ecam {
    fn read32(&mut self, function: Function, offset_bytes: u16) -> Result<u32, PciError> {
        self.cell(function, offset_bytes).map(arch::read32)
    }

    fn write32(&mut self, function: Function, offset_bytes: u16, value: u32) -> Result<(), PciError> {
        self.cell(function, offset_bytes).map(|cell| arch::write32(cell, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    const WORDS_PER_BUS: usize = 1 << 18;

    #[test]
    fn each_function_has_its_4096_bytes_in_the_window_of_its_bus() {
        let mut window = vec![0u32; 2 * WORDS_PER_BUS];
        // SAFETY: the vector is as long as two buses and not touched by name while the window is used.
        let mut ecam = unsafe { Ecam::new(NonNull::new(window.as_mut_ptr()).unwrap(), 3, 0x10, 0x11) };
        let function = Function::new(3, 0x11, 2, 5).unwrap();
        ecam.write32(function, 0xFFC, 0xC0DE).unwrap();
        assert_eq!(ecam.read32(function, 0xFFC), Ok(0xC0DE));
        let mut want = vec![0; 2 * WORDS_PER_BUS];
        want[WORDS_PER_BUS + (2 * 8 + 5) * 1024 + 1023] = 0xC0DE;
        assert!(window == want);
    }

    #[test]
    fn nothing_outside_the_window_is_reached() {
        let mut window = vec![0u32; WORDS_PER_BUS];
        // SAFETY: as above, one bus.
        let mut ecam = unsafe { Ecam::new(NonNull::new(window.as_mut_ptr()).unwrap(), 0, 0x10, 0x10) };
        for (segment, bus) in [(0, 0xF), (0, 0x11), (1, 0x10)] {
            let function = Function::new(segment, bus, 0, 0).unwrap();
            let refused = PciError::OutOfReach { function, offset_bytes: 0 };
            assert_eq!(ecam.read32(function, 0), Err(refused));
            assert_eq!(ecam.write32(function, 0, 1), Err(refused));
        }
        for offset_bytes in [1, 4095, 4096] {
            let function = Function::new(0, 0x10, 0, 0).unwrap();
            assert_eq!(ecam.read32(function, offset_bytes), Err(PciError::BadOffset { offset_bytes }));
        }
    }
}
