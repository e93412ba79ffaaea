//! Registers of the microcontroller (engines sheet §12.2). Offsets below 0x40000 lie 0x380000 further on for a media
//! GT; those of messages, doorbells and interrupts have a place of their own for it.

use super::field::Field;

/// State of core, boot ROM and firmware: see [`super::firmware`].
pub const STATUS: u32 = 0xC000;
/// The core is held in reset.
pub const STATUS_IN_RESET: Field = Field::bit(0);
/// What the boot ROM came to.
pub const STATUS_BOOT_ROM: Field = Field::bits(7, 1);
/// What the firmware came to.
pub const STATUS_FIRMWARE: Field = Field::bits(15, 8);
/// State of the core: 1 normal, 2 halt requested, 4 in an interrupt.
pub const STATUS_CORE: Field = Field::bits(18, 16);
/// Signature: 1 bad, 2 good.
pub const STATUS_AUTHENTICATION: Field = Field::bits(31, 30);

/// Size of the protected memory; written once.
pub const WOPCM_SIZE: u32 = 0xC050;
/// Bits of the size.
pub const WOPCM_SIZE_MASK: Field = Field::bits(31, 12);
/// Set by the write: no other write is taken before the next full reset.
pub const WOPCM_SIZE_LOCKED: Field = Field::bit(0);
/// Where the GuC's part of the protected memory begins; written once.
pub const WOPCM_OFFSET: u32 = 0xC340;
/// Bits of the offset.
pub const WOPCM_OFFSET_MASK: Field = Field::bits(31, 14);
/// The HuC is loaded by the GuC.
pub const WOPCM_OFFSET_HUC: Field = Field::bit(1);
/// Set by the write.
pub const WOPCM_OFFSET_VALID: Field = Field::bit(0);

/// Caches and clock gating of the core.
pub const SHIM_CONTROL: u32 = 0xC064;
/// First of [`SOFT_SCRATCHES`]: 0, then the parameters of [`super::firmware::parameter`].
pub const SOFT_SCRATCH: u32 = 0xC180;
/// Registers from [`SOFT_SCRATCH`] on.
pub const SOFT_SCRATCHES: u32 = 16;
/// First of 64: the signature, or the GGTT address of one that is longer than 256 bytes.
pub const SIGNATURE: u32 = 0xC200;

/// Source, low half: then source high, destination low and high, bytes to copy, control.
pub const DMA_SOURCE_LOW: u32 = 0xC300;
/// Source, high half.
pub const DMA_SOURCE_HIGH: u32 = 0xC304;
/// Destination, low half: an offset into the protected memory.
pub const DMA_TARGET_LOW: u32 = 0xC308;
/// Destination, high half.
pub const DMA_TARGET_HIGH: u32 = 0xC30C;
/// Address space, in the high halves.
pub const DMA_SPACE: Field = Field::bits(20, 16);
/// [`DMA_SPACE`] of protected memory.
pub const DMA_SPACE_WOPCM: u32 = 7;
/// [`DMA_SPACE`] of the GGTT.
pub const DMA_SPACE_GGTT: u32 = 8;
/// Bytes to copy.
pub const DMA_BYTES: u32 = 0xC310;
/// Starts the copy. The upper half enables bits.
pub const DMA_CONTROL: u32 = 0xC314;
/// Runs while set.
pub const DMA_START: Field = Field::bit(0);
/// What is copied is the GuC's firmware.
pub const DMA_MOVE_GUC: Field = Field::bit(4);
/// What is copied is the HuC's firmware.
pub const DMA_MOVE_HUC: Field = Field::bit(9);

/// Reset of the GuC in the reset register 0x941C.
pub const RESET: Field = Field::bit(3);

/// Registers of short messages, and the doorbell behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// First of [`MAILBOX_DWORDS`] registers.
    pub first: u32,
    /// A write tells the GuC to look: at the registers until it has answered, at the ring afterwards.
    pub doorbell: u32,
}

/// Registers of a mailbox.
pub const MAILBOX_DWORDS: u32 = 4;
/// Mailbox of a primary GT, or of the only one.
pub const MAILBOX: Mailbox = Mailbox { first: 0x19_0240, doorbell: 0x19_01F0 };
/// Mailbox of a media GT.
pub const MEDIA_MAILBOX: Mailbox = Mailbox { first: 0x19_0310, doorbell: 0x19_0304 };

/// Bit of the interrupt vector: something lies in the ring for the host.
pub const TO_HOST: Field = Field::bit(15);
