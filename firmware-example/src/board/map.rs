//! Registers mapped by this program's own page tables.
#![expect(unsafe_code, reason = "promises what a mapping is")]

use crate::machine::cpu;
use crate::machine::paging::{LEAF_BYTES, MapError, Tables};
use barexe_core::num::{u64_of, usize_capped};
use barexe_hal::pci::{MapPhysical, PciError};
use core::ptr::NonNull;

/// The page tables that the processor uses, and where they are.
#[derive(Debug)]
pub struct Mapper {
    tables: &'static mut Tables,
    base: u64,
}

impl Mapper {
    /// Takes the tables over.
    ///
    /// # Safety
    /// The processor uses these tables, they lie at their physical address, and nobody else changes them. No memory of
    /// the program lies in 2 MiB pages with device registers.
    #[must_use]
    pub unsafe fn new(tables: &'static mut Tables) -> Self {
        let base = u64_of(core::ptr::from_mut(tables).expose_provenance());
        Self { tables, base }
    }

    /// Maps device registers where they are.
    ///
    /// # Errors
    /// [`MapError`].
    pub fn map_device(&mut self, address: u64, len_bytes: u64) -> Result<(), MapError> {
        self.tables.map_device(self.base, address, len_bytes)?;
        for at in (address..address.saturating_add(len_bytes)).step_by(usize_capped(LEAF_BYTES)) {
            cpu::forget_page(usize_capped(at));
        }
        Ok(())
    }
}

// SAFETY: registers are mapped at their physical address, uncached, for good; this program is the machine's only one, and
// holds no reference into what lies outside its memory.
unsafe impl MapPhysical for Mapper {
    fn map(&mut self, address: u64, len_bytes: u64) -> Result<NonNull<u8>, PciError> {
        let refused = PciError::NotMapped { address, len_bytes };
        self.map_device(address, len_bytes).map_err(|_| refused)?;
        NonNull::new(core::ptr::with_exposed_provenance_mut(usize_capped(address))).ok_or(refused)
    }
}
