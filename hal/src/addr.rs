//! Addresses: four spaces, four types, no way to mix them by accident.
//!
//! A number that means "GPU virtual address" and one that means "bus address" look alike and destroy memory when
//! swapped. Each type here has a private field, a checked constructor and checked arithmetic; none converts into
//! another.

use core::fmt;

macro_rules! address {
    ($(#[$doc:meta])* $name:ident, $raw:ty, $limit:expr, $space:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        pub struct $name($raw);

        impl $name {
            /// Address 0 of the space.
            pub const ZERO: Self = Self(0);

            /// The address with this number, or `None` where no such address exists in the space.
            #[must_use]
            pub const fn new(raw: $raw) -> Option<Self> {
                const LAST: $raw = $limit;
                if raw <= LAST { Some(Self(raw)) } else { None }
            }

            /// The number, for a register, a command or a table entry.
            #[must_use]
            pub const fn get(self) -> $raw {
                self.0
            }

            /// `self + bytes`, or `None` past the end of the space.
            #[must_use]
            pub const fn checked_add(self, bytes: $raw) -> Option<Self> {
                match self.0.checked_add(bytes) {
                    Some(sum) => Self::new(sum),
                    None => None,
                }
            }

            /// `self - other` in bytes, or `None` if `other` lies above.
            #[must_use]
            pub const fn checked_sub(self, other: Self) -> Option<$raw> {
                self.0.checked_sub(other.0)
            }

            /// Whether the address is a multiple of `align_bytes`, a power of two.
            #[must_use]
            pub const fn is_aligned(self, align_bytes: $raw) -> bool {
                self.0 & align_bytes.wrapping_sub(1) == 0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($space, ":{:#x}"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }
    };
}

address!(
    /// Address in a VM's per-process page tables (PPGTT). At most 57 bits (page-tables sheet §1.1).
    GpuVa, u64, (1 << 57) - 1, "va"
);
address!(
    /// Address in the global GTT: 32 bits (engines sheet §0).
    GgttAddr, u32, u32::MAX, "ggtt"
);
address!(
    /// Address the device puts on the bus to reach memory (after an IOMMU, if any). At most 52 bits, what a table
    /// entry can hold (page-tables sheet §2.1).
    BusAddr, u64, (1 << 52) - 1, "bus"
);
address!(
    /// Address in the memory of the client that made a call. Only [`ClientMemory`](crate::ClientMemory) may
    /// interpret it.
    ClientAddr, u64, u64::MAX, "client"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constructors_reject_what_the_space_cannot_hold() {
        assert!(GpuVa::new((1 << 57) - 1).is_some());
        assert!(GpuVa::new(1 << 57).is_none());
        assert!(BusAddr::new((1 << 52) - 1).is_some());
        assert!(BusAddr::new(1 << 52).is_none());
        assert!(GgttAddr::new(u32::MAX).is_some());
    }

    #[test]
    fn arithmetic_stops_at_the_end_of_the_space() {
        let last = GpuVa::new((1 << 57) - 1).unwrap();
        assert!(last.checked_add(1).is_none());
        assert!(GgttAddr::new(u32::MAX).unwrap().checked_add(1).is_none());
        assert_eq!(BusAddr::ZERO.checked_sub(BusAddr::new(1).unwrap()), None);
    }

    #[test]
    fn alignment_is_of_the_number() {
        assert!(GpuVa::new(0x2000).unwrap().is_aligned(0x1000));
        assert!(!GpuVa::new(0x2800).unwrap().is_aligned(0x1000));
        assert!(GpuVa::ZERO.is_aligned(1 << 30));
    }
}
