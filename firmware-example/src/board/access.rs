//! Ways to configuration space: ports, or the window that a Q35 chipset has.
#![expect(unsafe_code, reason = "promises that nothing else uses the ports and the window")]

use super::map::Mapper;
use barexe_core::num::usize_capped;
use barexe_hal::arch::x86_64::ConfigPorts;
use barexe_hal::pci::{ConfigAccess, Ecam, Function, PciError};
use core::ptr::NonNull;

/// Offset of the window's address in the host bridge of a Q35 chipset (PCIEXBAR): address, length in 2:1, on in 0.
const WINDOW: u16 = 0x60;
const WINDOW_ON: u32 = 1;
const WINDOW_LENGTH: u32 = 3 << 1;
/// Bytes of the window: 256 buses.
const WINDOW_BYTES: u64 = 256 << 20;

/// One way or the other.
#[derive(Debug)]
pub enum Way {
    /// By ports.
    Ports(ConfigPorts),
    /// Through the window.
    Window(Ecam),
}

impl Way {
    /// By ports; `window`: through the window, if the chipset has it on, for all 256 buses, and it can be mapped.
    ///
    /// # Safety
    /// The program owns the machine: nothing else uses configuration space.
    #[must_use]
    pub unsafe fn new(window: bool, map: &mut Mapper) -> Self {
        // SAFETY: the caller's promise.
        let mut ports = unsafe { ConfigPorts::new() };
        match find_window(&mut ports, map).filter(|_| window) {
            // SAFETY: the window is mapped uncached, for good, and by the caller's promise nothing else uses it.
            Some(base) => Self::Window(unsafe { Ecam::new(base, 0, 0, u8::MAX) }),
            None => Self::Ports(ports),
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ports(_) => "ports",
            Self::Window(_) => "window",
        }
    }
}

fn find_window(ports: &mut ConfigPorts, map: &mut Mapper) -> Option<NonNull<u32>> {
    let bridge = Function::new(0, 0, 0, 0)?;
    let low = ports.read32(bridge, WINDOW).ok()?;
    let high = ports.read32(bridge, WINDOW + 4).ok()?;
    if low & (WINDOW_ON | WINDOW_LENGTH) != WINDOW_ON {
        return None;
    }
    let address = u64::from(high) << 32 | u64::from(low & 0xF000_0000);
    map.map_device(address, WINDOW_BYTES).ok()?;
    NonNull::new(core::ptr::with_exposed_provenance_mut(usize_capped(address)))
}

impl ConfigAccess for Way {
    fn read32(&mut self, function: Function, offset_bytes: u16) -> Result<u32, PciError> {
        match self {
            Self::Ports(ports) => ports.read32(function, offset_bytes),
            Self::Window(window) => window.read32(function, offset_bytes),
        }
    }

    fn write32(&mut self, function: Function, offset_bytes: u16, value: u32) -> Result<(), PciError> {
        match self {
            Self::Ports(ports) => ports.write32(function, offset_bytes, value),
            Self::Window(window) => window.write32(function, offset_bytes, value),
        }
    }
}
