//! One PCI function, by configuration mechanism 1: an address port and a data port.
#![expect(unsafe_code, reason = "takes over the mapping of a BAR")]

use super::{BoardError, port};
use barexe_hal::bar::BarWindow;
use barexe_hal::{HalError, HalErrorKind};
use core::ptr::NonNull;

const ADDRESS_PORT: u16 = 0xCF8;
const DATA_PORT: u16 = 0xCFC;
/// Bytes of configuration space that the mechanism reaches.
const REACH_BYTES: u16 = 256;
const ENABLE: u32 = 1 << 31;

const CONFIG_ID: u16 = 0x00;
const CONFIG_BAR0_LOW: u16 = 0x10;
const CONFIG_BAR0_HIGH: u16 = 0x14;
/// Flags below a memory BAR's address.
const BAR_FLAGS: u64 = 0xF;

/// A function on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// Bus in 23:16, device in 15:11, function in 10:8, as the address port takes them.
    place: u32,
}

impl Function {
    /// Bus 0, device 2, function 0: where every integrated Intel GPU is.
    pub const INTEGRATED_GPU: Self = Self { place: 2 << 11 };

    /// Reads a dword of configuration space.
    ///
    /// # Errors
    /// [`HalErrorKind::BadRequest`] for offsets that are no dword's, [`HalErrorKind::Unsupported`] beyond byte 255.
    pub fn read(self, offset_bytes: u16) -> Result<u32, HalError> {
        self.select(offset_bytes)?;
        Ok(port::read32(DATA_PORT))
    }

    /// Writes a dword of configuration space.
    ///
    /// # Errors
    /// As [`read`](Self::read); nothing is written then.
    pub fn write(self, offset_bytes: u16, value: u32) -> Result<(), HalError> {
        self.select(offset_bytes)?;
        port::write32(DATA_PORT, value);
        Ok(())
    }

    fn select(self, offset_bytes: u16) -> Result<(), HalError> {
        if offset_bytes & 3 != 0 || offset_bytes >= 4096 {
            return Err(HalErrorKind::BadRequest.into());
        }
        if offset_bytes >= REACH_BYTES {
            return Err(HalErrorKind::Unsupported.into());
        }
        port::write32(ADDRESS_PORT, ENABLE | self.place | u32::from(offset_bytes));
        Ok(())
    }

    /// The registers behind BAR 0.
    ///
    /// # Errors
    /// [`BoardError::NoDevice`], [`BoardError::NoBar`].
    pub(super) fn register_bar(self) -> Result<BarWindow, BoardError> {
        let read = |offset| self.read(offset).map_err(|_| BoardError::NoDevice);
        if read(CONFIG_ID)? == u32::MAX {
            return Err(BoardError::NoDevice);
        }
        let address = u64::from(read(CONFIG_BAR0_HIGH)?) << 32 | u64::from(read(CONFIG_BAR0_LOW)?) & !BAR_FLAGS;
        let address = usize::try_from(address).map_err(|_| BoardError::NoBar)?;
        let base = NonNull::new(core::ptr::with_exposed_provenance_mut(address)).ok_or(BoardError::NoBar)?;
        // SAFETY: the loader maps the BAR at its physical address, uncached and aligned to its size (crate page); the
        // board is made once, from the one static, and nothing else writes the window.
        Ok(unsafe { BarWindow::new(base, 1) })
    }
}
