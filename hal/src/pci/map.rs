//! From physical addresses to pointers.
#![expect(unsafe_code, reason = "what a mapper promises cannot be checked")]

use super::PciError;
use core::ops::Range;
use core::ptr::NonNull;

/// The embedder's way to make physical addresses visible to the CPU.
///
/// # Safety
/// As long as it is not unmapped, and until the implementor is gone, a mapping is `len_bytes` bytes long, for reading and
/// writing, uncached (device memory), at a pointer as aligned as the physical address up to 4096, and no Rust reference
/// and no other mapping that was given out reaches it.
pub unsafe trait MapPhysical {
    /// Maps device registers: `len_bytes` bytes from the physical address `address` on. Both are multiples of 4096, and
    /// the sum is at most 2^52.
    ///
    /// # Errors
    /// [`PciError::NotMapped`], if it cannot be done; nothing is mapped then.
    fn map(&mut self, address: u64, len_bytes: u64) -> Result<NonNull<u8>, PciError>;

    /// Takes a mapping back. **Caller**: it is one that [`map`](Self::map) gave, whole, and not used any more.
    fn unmap(&mut self, at: NonNull<u8>, len_bytes: u64) {
        let _stays = (at, len_bytes);
    }
}

/// A program in which physical addresses are always mapped, all at the same distance: firmware, some kernels.
///
/// ```
/// use barexe_hal::pci::{DirectMap, MapPhysical, PciError};
///
/// // SAFETY: nothing of it is used here but the numbers.
/// let mut map = unsafe { DirectMap::new(0xE000_0000..0x100_0000_0000, 0) };
/// assert_eq!(map.map(0xE000_0000, 4096).unwrap().addr().get(), 0xE000_0000);
/// let refused = PciError::NotMapped { address: 0x1000, len_bytes: 4096 };
/// assert_eq!(map.map(0x1000, 4096), Err(refused));
/// ```
#[derive(Debug)]
pub struct DirectMap {
    mapped: Range<u64>,
    offset_bytes: u64,
}

impl DirectMap {
    /// Physical addresses in `mapped` are seen `offset_bytes` above themselves (wrapping).
    ///
    /// # Safety
    /// As long as the value lives, that is so for every device register in the range, uncached, and nothing else in the
    /// program touches what this value gives out. Each piece is taken out once at a time.
    #[must_use]
    pub const unsafe fn new(mapped: Range<u64>, offset_bytes: u64) -> Self {
        Self { mapped, offset_bytes }
    }

    fn place(&self, address: u64, len_bytes: u64) -> Option<NonNull<u8>> {
        let end = address.checked_add(len_bytes)?;
        if address < self.mapped.start || end > self.mapped.end {
            return None;
        }
        let at = usize::try_from(address.wrapping_add(self.offset_bytes)).ok()?;
        NonNull::new(core::ptr::with_exposed_provenance_mut(at))
    }
}

// SAFETY: `new` promises for the whole range what the trait asks for a part.
unsafe impl MapPhysical for DirectMap {
    fn map(&mut self, address: u64, len_bytes: u64) -> Result<NonNull<u8>, PciError> {
        self.place(address, len_bytes).ok_or(PciError::NotMapped { address, len_bytes })
    }
}
