//! The firmware: its container, the parameters of its start, and what it says about its start (engines sheet §12.3).

use super::field::Field;

/// Bytes of the header in front of the code.
pub const HEADER_BYTES: u32 = 128;
/// Where in protected memory the code is loaded to; below lies its stack.
pub const LOAD_OFFSET: u32 = 0x2000;

/// Dwords of the container's header. Lengths are in dwords.
pub mod header {
    /// Header with key, modulus and exponent.
    pub const HEADER_LENGTH: usize = 1;
    /// Code and header.
    pub const TOTAL_LENGTH: usize = 6;
    /// Key.
    pub const KEY_LENGTH: usize = 7;
    /// Modulus: the signature is as long.
    pub const MODULUS_LENGTH: usize = 8;
    /// Exponent.
    pub const EXPONENT_LENGTH: usize = 9;
}

/// Dwords of the parameters, from the second [`SOFT_SCRATCH`](super::registers::SOFT_SCRATCH) on.
pub mod parameter {
    /// The log: its page in the GGTT (bits 31:12), its sizes (see [`super::super::log`]), bit 0 if there is one.
    pub const LOG: usize = 0;
    /// Workarounds.
    pub const WORKAROUNDS: usize = 1;
    /// Features: bit 2 frequencies, bit 4 lite restore, bit 14 no scheduler.
    pub const FEATURES: usize = 2;
    /// Verbosity of the log.
    pub const DEBUG: usize = 3;
    /// Page of [`super::super::ads`] in the GGTT, bits 21:1.
    pub const ADS: usize = 4;
    /// PCI device (upper half) and revision.
    pub const DEVICE: usize = 5;
    /// How many there are.
    pub const COUNT: usize = 14;
}

/// Page number of the ADS in its parameter.
pub const ADS_PAGE: Field = Field::bits(21, 1);

/// [`STATUS_BOOT_ROM`](super::registers::STATUS_BOOT_ROM): what the boot ROM came to.
pub mod boot_rom {
    /// The signature is wrong.
    pub const SIGNATURE_FAILED: u32 = 0x50;
    /// Protected memory is not set up.
    pub const WOPCM_FAILED: u32 = 0x74;
    /// The code is not where it must be.
    pub const LOCATION_FAILED: u32 = 0x75;
    /// The firmware was started.
    pub const JUMP_PASSED: u32 = 0x76;
}

/// [`STATUS_FIRMWARE`](super::registers::STATUS_FIRMWARE): what the firmware came to.
pub mod state {
    /// Nothing yet.
    pub const DEFAULT: u32 = 0;
    /// It runs into an exception.
    pub const EXCEPTION: u32 = 0x70;
    /// What the host prepared cannot be read.
    pub const INIT_DATA_INVALID: u32 = 0x71;
    /// It answers messages.
    pub const READY: u32 = 0xF0;
}
