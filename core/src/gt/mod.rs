//! The graphics technology block: probe, registers, forcewake, engines, interrupts, workarounds.
//!
//! Knows nothing of clients, jobs or mappings.
//!
//! | module | holds |
//! |---|---|
//! | [`bring_up`](mod@bring_up) | from a PCI function to engines that take work, and back |
//! | [`setup`] | what engines and caches are programmed with: workarounds, PAT, MOCS |
//! | [`reset`] | stopping GTs and engines, what stopped an engine, programming again what was lost |
//! | [`irq`] | interrupts: recording, service, enables and masks |
//! | [`power`] | the device without power, and back |
//! | [`info`] | what was found: [`DeviceInfo`], [`Engine`] |
//! | [`clock`], [`topology`] | the timestamp clock; what the fuses left |
//! | [`platform`] | tables: platforms, versions, engines |
//! | [`registers`], [`mod@format`] | registers: how, which, and what differs between families |

pub mod bring_up;
pub mod clock;
pub mod format;
pub mod info;
pub mod irq;
pub mod platform;
pub mod power;
pub mod registers;
pub mod reset;
pub mod setup;
pub mod topology;

pub use bring_up::{bring_up, bring_up_among, quiesce, stop_dma};
pub use format::GtFormat;
pub use info::{DeviceInfo, Engine, Engines, Gt, REGION_MASK, TileInfo};
pub use irq::{IrqFlag, IrqHandle, IrqReport};
pub use platform::for_tests::TEST_PLATFORMS;
pub use platform::ip::{IpVersion, Stepping};
pub use platform::units::{EngineMask, IrqBit};
pub use platform::{
    EngineClass, FirmwareLevel, FirmwareLevels, PLATFORMS, Platform, SUBMISSION_LEVEL, by_device_id, by_name,
};
pub use registers::access::{GtIndex, MAX_TILES, Registers};
pub use registers::regs;
pub use reset::restore::restore;
