//! The graphics technology block: probe, registers, forcewake, engines, interrupts, workarounds.
//!
//! Knows nothing of clients, jobs or mappings.
//!
//! | module | holds |
//! |---|---|
//! | [`bring_up`](mod@bring_up) | from a PCI function to engines that take work, and back |
//! | [`reset`], [`engine_reset`], [`restore`](mod@restore) | stopping GTs, and engines; programming again what was lost |
//! | [`info`] | what was found: [`DeviceInfo`], [`Engine`] |
//! | [`irq`], [`irq_setup`] | interrupts: recording, service, enables and masks |
//! | [`engine_init`], [`register_list`], [`workaround`] | registers of engines, workaround rows, their application |
//! | [`engine_error`](mod@engine_error) | what stopped an engine, and where it was |
//! | [`cache_policy`], [`clock`], [`forcewake`], [`mcr`], [`topology`] | one hardware block each |
//! | [`platform`], [`test_platforms`], [`ip`], [`units`] | tables: platforms, versions, engines |
//! | [`access`], [`regs`], [`mod@format`] | registers: how, which, and what differs between families |

pub mod access;
pub mod bring_up;
pub mod cache_policy;
pub mod clock;
mod engine;
pub mod engine_error;
pub mod engine_init;
pub mod engine_reset;
pub mod forcewake;
pub mod format;
pub mod info;
pub mod ip;
pub mod irq;
mod irq_flag;
pub mod irq_setup;
pub mod mcr;
pub mod platform;
pub mod power;
pub mod register_list;
pub mod regs;
pub mod reset;
pub mod restore;
pub mod test_platforms;
pub mod topology;
pub mod units;
pub mod workaround;

pub use access::{GtIndex, MAX_TILES, Registers};
pub use bring_up::{bring_up, bring_up_among, quiesce, stop_dma};
pub use engine::EngineClass;
pub use format::GtFormat;
pub use info::{DeviceInfo, Engine, Engines, Gt, REGION_MASK, TileInfo};
pub use ip::{IpVersion, Stepping};
pub use irq::{IrqFlag, IrqHandle, IrqReport};
pub use platform::{FirmwareLevel, FirmwareLevels, PLATFORMS, Platform, SUBMISSION_LEVEL, by_device_id, by_name};
pub use restore::restore;
pub use test_platforms::TEST_PLATFORMS;
pub use units::{EngineMask, IrqBit};
