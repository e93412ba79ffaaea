//! What can be wrong with a function on the bus.

use super::Function;
use crate::{HalError, HalErrorKind};
use core::fmt;

/// Why a function cannot be used. Each variant is one cause and carries what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum PciError {
    /// Configuration space has no dword there.
    BadOffset {
        /// The offset.
        offset_bytes: u16,
    },
    /// This way to configuration space does not go there.
    OutOfReach {
        /// The function.
        function: Function,
        /// Offset of the dword.
        offset_bytes: u16,
    },
    /// Nothing answers there, or not any more: it reads as all ones.
    Gone {
        /// The function.
        function: Function,
    },
    /// Another function answers than the one that was there before.
    Exchanged {
        /// Vendor and device that were there.
        expected: u32,
        /// Vendor and device found.
        found: u32,
    },
    /// It is a bridge, or something newer than this crate.
    HeaderType {
        /// Bits 6:0 of the register.
        value: u8,
    },
    /// The command register did not take a value.
    CommandStuck {
        /// What was written.
        wanted: u16,
        /// What it reads as.
        found: u16,
    },
    /// It has no such capability.
    NoCapability {
        /// Its id.
        id: u16,
    },
    /// A capability points where none can be.
    CapabilityPointer {
        /// Where the pointer is, in bytes.
        at: u16,
        /// Where it points.
        target: u16,
    },
    /// The list of capabilities comes back to one that was already seen.
    CapabilityLoop {
        /// The one that is seen again, in bytes.
        at: u16,
    },
    /// Something about a base address register.
    Bar {
        /// Its number, 0 to 5.
        index: u8,
        /// What.
        problem: BarProblem,
    },
    /// Two base address registers of the function claim the same addresses.
    BarsOverlap {
        /// Number of the first.
        first: u8,
        /// Number of the second.
        second: u8,
        /// First address that both claim.
        address: u64,
    },
    /// The embedder cannot map these physical addresses for the CPU.
    NotMapped {
        /// First address.
        address: u64,
        /// Length in bytes.
        len_bytes: u64,
    },
    /// The interrupt message lies above 4 GiB, and the function's MSI capability has 32 bits only.
    MessageAddress {
        /// Where the message was to go.
        address: u64,
    },
}

/// What is wrong with a base address register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum BarProblem {
    /// It does not exist: it has no size, is of I/O ports, or is the upper half of the one before.
    Absent,
    /// Its type is reserved, or it has 64 bits and no register is left for the upper half.
    Kind {
        /// The register.
        value: u32,
    },
    /// Its writable bits are not one run: no power of two describes its size.
    Mask {
        /// The bits.
        mask: u64,
    },
    /// It has no address.
    Unassigned {
        /// Its size.
        size_bytes: u64,
    },
    /// Its address is not a multiple of its size.
    Misaligned {
        /// The address.
        address: u64,
        /// Its size.
        size_bytes: u64,
    },
    /// It reaches beyond the 52 bits of physical addresses.
    Beyond {
        /// The address.
        address: u64,
        /// Its size.
        size_bytes: u64,
    },
    /// It has another size than what should lie behind it.
    Size {
        /// Its size.
        size_bytes: u64,
    },
    /// It did not take the value back that it had.
    NotRestored {
        /// The value.
        wanted: u32,
        /// What it reads as.
        found: u32,
    },
}

impl PciError {
    /// Refuses offsets that are no dword's in configuration space. For implementors of
    /// [`ConfigAccess`](super::ConfigAccess).
    ///
    /// # Errors
    /// [`BadOffset`](Self::BadOffset).
    pub const fn check_offset(offset_bytes: u16) -> Result<(), Self> {
        if offset_bytes & 3 == 0 && offset_bytes < 4096 { Ok(()) } else { Err(Self::BadOffset { offset_bytes }) }
    }

    pub(super) const fn bar(index: u8, problem: BarProblem) -> Self {
        Self::Bar { index, problem }
    }

    /// The cause and the implementation's own number of it, for a [`HalError`].
    const fn kind_and_code(self) -> (HalErrorKind, u32) {
        match self {
            Self::BadOffset { .. } => (HalErrorKind::BadRequest, 1),
            Self::OutOfReach { .. } => (HalErrorKind::Unsupported, 2),
            Self::Gone { .. } => (HalErrorKind::DeviceGone, 3),
            Self::Exchanged { .. } => (HalErrorKind::DeviceGone, 4),
            Self::HeaderType { .. } => (HalErrorKind::Unsupported, 5),
            Self::CommandStuck { .. } => (HalErrorKind::Unsupported, 6),
            Self::NoCapability { .. } => (HalErrorKind::Unsupported, 7),
            Self::CapabilityPointer { .. } => (HalErrorKind::Unsupported, 8),
            Self::CapabilityLoop { .. } => (HalErrorKind::Unsupported, 9),
            Self::Bar { .. } => (HalErrorKind::Unsupported, 10),
            Self::BarsOverlap { .. } => (HalErrorKind::Unsupported, 11),
            Self::NotMapped { .. } => (HalErrorKind::Unsupported, 12),
            Self::MessageAddress { .. } => (HalErrorKind::Unsupported, 13),
        }
    }
}

impl From<PciError> for HalError {
    fn from(error: PciError) -> Self {
        let (kind, code) = error.kind_and_code();
        Self::new(kind, code)
    }
}

impl fmt::Display for PciError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadOffset { offset_bytes } => write!(f, "no dword at {offset_bytes:#x} of configuration space"),
            Self::OutOfReach { function, offset_bytes } => {
                write!(f, "{function}, dword {offset_bytes:#x}, is out of reach")
            }
            Self::Gone { function } => write!(f, "nothing answers at {function}"),
            Self::Exchanged { expected, found } => write!(f, "device {found:#010x} in place of {expected:#010x}"),
            Self::HeaderType { value } => write!(f, "header type {value:#x} is not a device's"),
            Self::CommandStuck { wanted, found } => write!(f, "command register is {found:#x} after {wanted:#x}"),
            Self::NoCapability { id } => write!(f, "no capability {id:#x}"),
            Self::CapabilityPointer { at, target } => write!(f, "capability pointer at {at:#x} says {target:#x}"),
            Self::CapabilityLoop { at } => write!(f, "capability list comes back to {at:#x}"),
            Self::Bar { index, problem } => write!(f, "BAR {index} {problem}"),
            Self::BarsOverlap { first, second, address } => {
                write!(f, "BARs {first} and {second} both claim {address:#x}")
            }
            Self::NotMapped { address, len_bytes } => write!(f, "{address:#x}+{len_bytes:#x} bytes are not mapped"),
            Self::MessageAddress { address } => write!(f, "message address {address:#x} has more than 32 bits"),
        }
    }
}

impl fmt::Display for BarProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("does not exist"),
            Self::Kind { value } => write!(f, "is of no known kind: {value:#x}"),
            Self::Mask { mask } => write!(f, "has the writable bits {mask:#x}"),
            Self::Unassigned { size_bytes } => write!(f, "of {size_bytes:#x} bytes has no address"),
            Self::Misaligned { address, size_bytes } => write!(f, "of {size_bytes:#x} bytes lies at {address:#x}"),
            Self::Beyond { address, size_bytes } => {
                write!(f, "of {size_bytes:#x} bytes at {address:#x} ends beyond physical memory")
            }
            Self::Size { size_bytes } => write!(f, "has {size_bytes:#x} bytes"),
            Self::NotRestored { wanted, found } => write!(f, "is {found:#x} after {wanted:#x} was put back"),
        }
    }
}

impl core::error::Error for PciError {}
