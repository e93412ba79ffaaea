//! VMAs: the mappings of an address space.
//!
//! A mapping is four words, as a value and in the index. Addresses and offsets are multiples of a page and have 57 bits,
//! so that small things stand below them and above:
//!
//! ```text
//! word   63 ..
//! 0      first address                                       | place, bits 0..12
//! 1      place, bits 24..30 | one past the last address      | place, bits 12..24
//! 2      offset in the object                                | kind of backing | sizes | PAT index
//! 3      user fence | entries come with a fault | flags | part in an object
//! ```
//!
//! The place is that among the object's mappings.

use super::vm_bo::{NO_PLACE, VmBoId};
use crate::device::request::BindFlags;
use crate::mem::pat::PatIndex;
pub use crate::mem::tree::VaRange;
use crate::mem::tree::{Attributes, Sizes};
use crate::num::{low8, low32};

/// Bits of an address that a page leaves free.
pub(super) const IN_PAGE: u64 = 0xFFF;
/// In word 1: an address up to 2^57.
const END: u64 = ((1 << 58) - 1) & !IN_PAGE;
const PLACE_MIDDLE: u32 = 12;
const PLACE_HIGH: u32 = 24;
const PLACE_HIGH_SHIFT: u32 = 58;
/// In word 2, above the five bits of the PAT index.
const SIZES_SHIFT: u32 = 5;
const SIZES: u64 = 0x1F << SIZES_SHIFT;
/// In word 2, two bits: a null mapping, one of a buffer object, one of client memory, and room for one more kind.
const KIND: u64 = 3 << 10;
const IS_BO: u64 = 1 << 10;
const IS_USER: u64 = 2 << 10;
/// In word 3.
const FLAGS_SHIFT: u32 = 32;
/// In word 3, above seven bits of flags: its entries come with the first fault.
const DEFERRED: u64 = 1 << 39;
const FENCE_SHIFT: u32 = 40;

const _: () = assert!(BindFlags::all().bits() <= 0x7F && Sizes::all().bits() <= 0x1F);

/// Number of a user fence that calls without one have.
pub const NO_USER_FENCE: u32 = 0;
/// Numbers of user fences go up to this and then begin again with 1.
pub const LAST_USER_FENCE: u32 = 0x00FF_FFFF;

/// What backs a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VmaBacking {
    /// A buffer object, from an offset on.
    Bo {
        /// The VM's part in the object; the mapping keeps it, and with it the object.
        object: VmBoId,
        /// Offset of the mapping's first byte in the object, a multiple of 4096.
        offset_bytes: u64,
    },
    /// Client memory, from an address on.
    User {
        /// The VM's part in the range of client memory that was mapped; the mapping keeps it, and with it the range.
        object: VmBoId,
        /// Client address of the mapping's first byte, a multiple of 4096.
        addr: u64,
    },
    /// Nothing: reads give zero.
    Null,
}

/// One mapping.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Vma(pub(super) [u64; 4]);

impl Vma {
    /// A mapping of `range` that has no page-table entries yet.
    ///
    /// What lies below a page in addresses and offset is cut off: callers have checked that there is nothing.
    #[must_use]
    pub const fn new(range: VaRange, backing: VmaBacking, pat: PatIndex, flags: BindFlags) -> Self {
        let (kind, object, offset) = match backing {
            VmaBacking::Bo { object, offset_bytes } => (IS_BO, object.0, offset_bytes & !IN_PAGE),
            VmaBacking::User { object, addr } => (IS_USER, object.0, addr & !IN_PAGE),
            VmaBacking::Null => (0, 0, 0),
        };
        let owner = object as u64 | (flags.bits() as u64 & 0x7F) << FLAGS_SHIFT;
        let words = [range.start & !IN_PAGE, range.end & END, offset | kind | pat.get() as u64, owner];
        Self(words).with_place(NO_PLACE)
    }

    /// The same with entries of these sizes.
    #[must_use]
    pub const fn with_sizes(self, sizes: Sizes) -> Self {
        let Self([first, second, offset, owner]) = self;
        Self([first, second, offset & !SIZES | (sizes.bits() as u64) << SIZES_SHIFT, owner])
    }

    /// The same, without entries until the device first needs one, or with entries from the start.
    #[must_use]
    pub const fn with_deferred(self, deferred: bool) -> Self {
        let Self([first, second, offset, owner]) = self;
        Self([first, second, offset, if deferred { owner | DEFERRED } else { owner & !DEFERRED }])
    }

    /// Whether it has no page-table entries until the device first needs one: only in VMs with page faults.
    #[must_use]
    pub const fn is_deferred(&self) -> bool {
        let Self([.., owner]) = self;
        *owner & DEFERRED != 0
    }

    /// The same, made by a call whose user fence has this number.
    #[must_use]
    pub const fn with_user_fence(self, number: u32) -> Self {
        let Self([first, second, offset, owner]) = self;
        Self([first, second, offset, owner & ((1 << FENCE_SHIFT) - 1) | (number as u64) << FENCE_SHIFT])
    }

    /// The same at another place among its object's mappings.
    pub(super) const fn with_place(self, place: u32) -> Self {
        let Self([first, second, offset, owner]) = self;
        let place = place as u64;
        let high = place >> PLACE_HIGH << PLACE_HIGH_SHIFT;
        let second = second & END | place >> PLACE_MIDDLE & IN_PAGE | high;
        Self([first & !IN_PAGE | place & IN_PAGE, second, offset, owner])
    }

    /// Its place among its object's mappings.
    pub(super) const fn place(&self) -> u32 {
        let Self([first, second, ..]) = self;
        let high = *second >> PLACE_HIGH_SHIFT << PLACE_HIGH;
        low32(*first & IN_PAGE | (*second & IN_PAGE) << PLACE_MIDDLE | high)
    }

    /// First address.
    #[must_use]
    pub const fn start(&self) -> u64 {
        let Self([first, ..]) = self;
        *first & !IN_PAGE
    }

    /// One past the last address.
    #[must_use]
    pub const fn end(&self) -> u64 {
        let Self([_, second, ..]) = self;
        *second & END
    }

    /// Addresses it covers.
    #[must_use]
    pub const fn range(&self) -> VaRange {
        VaRange { start: self.start(), end: self.end() }
    }

    /// The part in a buffer object, or in a range of client memory, that it keeps.
    #[must_use]
    pub const fn object(&self) -> Option<VmBoId> {
        let Self([.., offset, owner]) = self;
        if *offset & KIND == 0 { None } else { Some(VmBoId(low32(*owner))) }
    }

    /// Whether it maps client memory.
    #[must_use]
    pub const fn is_user(&self) -> bool {
        let Self([.., offset, _]) = self;
        *offset & KIND == IS_USER
    }

    /// What lies behind it.
    #[must_use]
    pub const fn backing(&self) -> VmaBacking {
        let Self([.., offset, _]) = self;
        match self.object() {
            Some(object) if self.is_user() => VmaBacking::User { object, addr: *offset & !IN_PAGE },
            Some(object) => VmaBacking::Bo { object, offset_bytes: *offset & !IN_PAGE },
            None => VmaBacking::Null,
        }
    }

    /// PAT index; travels to remnants unchanged (R3).
    #[must_use]
    pub const fn pat(&self) -> PatIndex {
        let Self([.., offset, _]) = self;
        PatIndex::row(low8(*offset))
    }

    /// Flags of the map request; travel to remnants unchanged (R3, R5).
    #[must_use]
    pub const fn flags(&self) -> BindFlags {
        let Self([.., owner]) = self;
        BindFlags::from_bits_retain(low32(*owner >> FLAGS_SHIFT) & 0x7F)
    }

    /// Sizes of its page-table entries; none before they are written.
    #[must_use]
    pub const fn sizes(&self) -> Sizes {
        let Self([.., offset, _]) = self;
        Sizes::from_bits_retain(low8((*offset & SIZES) >> SIZES_SHIFT))
    }

    /// Number of the user fence of the bind call that made it.
    #[must_use]
    pub const fn user_fence(&self) -> u32 {
        let Self([.., owner]) = self;
        low32(*owner >> FENCE_SHIFT)
    }

    /// Attributes of its leaves.
    #[must_use]
    pub const fn attributes(&self) -> Attributes {
        Attributes { pat: self.pat(), read_only: self.flags().contains(BindFlags::READONLY) }
    }

    /// The part `range` of this mapping, with everything else inherited (R3..R5).
    #[must_use]
    pub const fn part(&self, range: VaRange) -> Self {
        let Self([first, second, offset, owner]) = self;
        let further = if self.object().is_some() { range.start.wrapping_sub(self.start()) } else { 0 };
        let (first, second) = (*first & IN_PAGE | range.start, *second & !END | range.end);
        Self([first, second, offset.wrapping_add(further), *owner])
    }

    /// Whether the same bytes of the same object lie behind every address that both cover. Null mappings have none.
    #[must_use]
    pub const fn continues(&self, other: &Self) -> bool {
        let (Self([.., offset, owner]), Self([.., its_offset, its_owner])) = (self, other);
        let both = *offset & KIND != 0 && *its_offset & KIND != 0;
        both && low32(*owner) == low32(*its_owner) && self.lead() == other.lead()
    }

    /// How far its offset in the object lies above its address.
    const fn lead(&self) -> u64 {
        let Self([first, _, offset, _]) = self;
        (*offset & !IN_PAGE).wrapping_sub(*first & !IN_PAGE)
    }
}

impl PartialEq for Vma {
    /// Compares what they are, not where they stand among their object's mappings.
    fn eq(&self, other: &Self) -> bool {
        self.with_place(0).0 == other.with_place(0).0
    }
}

impl Eq for Vma {}

impl core::fmt::Debug for Vma {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?} ", self.range())?;
        match self.backing() {
            VmaBacking::Bo { object, offset_bytes } => write!(f, "{object:?} + {offset_bytes:#x}")?,
            VmaBacking::User { object, addr } => write!(f, "client memory {object:?} at {addr:#x}")?,
            VmaBacking::Null => write!(f, "null")?,
        }
        write!(f, ", PAT {}, {:?}, {:?}", self.pat().get(), self.flags(), self.sizes())?;
        if self.is_deferred() {
            write!(f, ", entries deferred")?;
        }
        if self.user_fence() == NO_USER_FENCE { Ok(()) } else { write!(f, ", user fence {}", self.user_fence()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vma(start: u64, end: u64) -> Vma {
        let backing = VmaBacking::Bo { object: VmBoId(7), offset_bytes: 0x5000 };
        Vma::new(VaRange { start, end }, backing, PatIndex::row(3), BindFlags::READONLY | BindFlags::DUMPABLE)
    }

    #[test]
    fn everything_put_in_comes_out() {
        let range = VaRange { start: 0x1000, end: 0x9000 };
        let vma = vma(range.start, range.end).with_sizes(Sizes::PAGE_4K | Sizes::LARGE_1G).with_user_fence(0xAB_CDEF);
        let vma = vma.with_place(0x3234_5678);
        assert_eq!(vma.range(), range);
        assert_eq!(vma.backing(), VmaBacking::Bo { object: VmBoId(7), offset_bytes: 0x5000 });
        assert_eq!((vma.pat(), vma.flags()), (PatIndex::row(3), BindFlags::READONLY | BindFlags::DUMPABLE));
        assert_eq!((vma.sizes(), vma.user_fence()), (Sizes::PAGE_4K | Sizes::LARGE_1G, 0xAB_CDEF));
        assert_eq!(vma.place(), 0x3234_5678);
        assert_eq!(vma.attributes(), Attributes { pat: PatIndex::row(3), read_only: true });
    }

    #[test]
    fn the_longest_mapping_is_the_whole_of_57_bits() {
        for (start, end) in [(0, 1 << 57), (0x1000, 1 << 57), (0, 0x1000), ((1 << 57) - 0x1000, 1 << 57), (0, 1 << 48)]
        {
            let vma = vma(start, end).with_place(NO_PLACE);
            assert_eq!((vma.range(), vma.place()), (VaRange { start, end }, NO_PLACE));
        }
    }

    #[test]
    fn that_entries_are_deferred_is_beside_everything_else_and_goes_to_remnants() {
        let whole = vma(0x1000, 0x9000).with_user_fence(9);
        let deferred = whole.with_deferred(true);
        assert!(deferred.is_deferred() && !whole.is_deferred() && deferred != whole);
        assert_eq!((deferred.flags(), deferred.user_fence(), deferred.object()), (whole.flags(), 9, whole.object()));
        assert!(deferred.part(VaRange { start: 0x4000, end: 0x5000 }).is_deferred());
        assert_eq!(deferred.with_deferred(false), whole);
    }

    #[test]
    fn parts_inherit_everything_but_range_and_offset() {
        let whole = vma(0x1000, 0x9000).with_sizes(Sizes::PAGE_4K).with_user_fence(9);
        let part = whole.part(VaRange { start: 0x4000, end: 0x5000 });
        assert_eq!(part.range(), VaRange { start: 0x4000, end: 0x5000 });
        assert_eq!(part.backing(), VmaBacking::Bo { object: VmBoId(7), offset_bytes: 0x8000 });
        assert_eq!((part.pat(), part.flags(), part.sizes()), (whole.pat(), whole.flags(), whole.sizes()));
        assert_eq!((part.user_fence(), part.place()), (9, whole.place()));
        let null = Vma::new(whole.range(), VmaBacking::Null, PatIndex::row(0), BindFlags::empty());
        assert_eq!(null.part(part.range()).backing(), VmaBacking::Null);
    }

    #[test]
    fn a_mapping_continues_another_when_the_same_bytes_lie_behind_the_same_addresses() {
        let whole = vma(0x1000, 0x9000);
        let null = Vma::new(whole.range(), VmaBacking::Null, PatIndex::row(0), BindFlags::empty());
        assert!(whole.continues(&whole.part(VaRange { start: 0x4000, end: 0x5000 })));
        assert!(!whole.continues(&vma(0x2000, 0x9000)));
        assert!(!null.continues(&null) && !null.continues(&whole) && !whole.continues(&null));
    }
}
