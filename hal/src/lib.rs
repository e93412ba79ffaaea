//! Everything barexe needs from the outside world, as one small family of traits.
//!
//! Depend on this crate to **implement** a HAL (a firmware, a hypervisor, a simulator) or to name its types. To
//! **use** the driver depend on `barexe-core`, which takes any implementation.
//!
//! # Layers, top to bottom
//!
//! | module | holds |
//! |---|---|
//! | [`conformance`] | the suite a porter runs against an implementation |
//! | [`traits`] | [`Mmio`], [`DmaMemory`], [`ConfigSpace`], [`Clock`], [`InterruptLine`]; with [`UserPages`] together [`Hal`] |
//! | [`client`] | [`ClientMemory`]: the memory of whoever calls the driver |
//! | [`user`] | [`UserPages`]: client memory that the device reaches in place |
//! | [`pci`] | the backend for real hardware: enumeration, BARs, MSI; [`pci::PciDevice`] is a whole [`Hal`] |
//! | [`arena`], [`clock`] | parts of one: DMA memory from an array of pages, time from the processor's counter |
//! | [`bar`] | [`bar::BarWindow`]: a mapped register BAR |
//! | [`cache`] | hints to the processor's caches, and order towards the device |
//! | [`arch`] | what differs between processors, one file each |
//! | [`dma`] | [`DmaBuffer`]: memory shared with the device, and its bulk operations |
//! | [`dwords`] | [`DwordWriter`]: dwords one behind the other into a run of it, checked once |
//! | [`slice`](mod@slice) | moves inside a slice that cannot panic |
//! | [`reg`], [`addr`], [`time`], [`error`] | the words the rest is written in |
//!
//! # The two contracts
//!
//! Every method states what the **caller** must hold and what the **implementor** must hold. The core is written
//! against the second, the conformance suite checks what can be checked of it.
//!
//! # Example
//!
//! ```
//! use barexe_hal::{BusAddr, GpuVa, Nanos, RegOffset};
//!
//! let gmd_id = RegOffset::at(0xD8C);
//! assert_eq!(gmd_id.get(), 0xD8C);
//! assert!(GpuVa::new(1 << 60).is_none(), "no GPU decodes more than 57 bits");
//! assert_eq!(BusAddr::new(0x1000).unwrap().checked_add(0x1000), BusAddr::new(0x2000));
//! assert_eq!(Nanos::from_millis(5).get(), 5_000_000);
//! ```
//!
//! # Features
//!
//! `defmt`: derives `defmt::Format` on the value types. Features only add. Minimum compiler: see `rust-version`.
#![no_std]

#[cfg(test)]
extern crate std;

pub mod addr;
pub mod arch;
pub mod arena;
pub mod bar;
pub mod cache;
pub mod client;
pub mod clock;
pub mod conformance;
pub mod dma;
pub mod dwords;
pub mod error;
mod num;
pub mod pci;
pub mod reg;
pub mod slice;
pub mod time;
pub mod traits;
pub mod user;

pub use addr::{BusAddr, ClientAddr, GgttAddr, GpuVa};
pub use client::{ClientFault, ClientMemory};
pub use dma::{DmaBuffer, OutOfBounds};
pub use dwords::{DwordWriter, RunFull};
pub use error::{HalError, HalErrorKind};
pub use reg::RegOffset;
pub use time::{ClockKind, Interrupted, Nanos};
pub use traits::{
    Clock, ConfigSpace, DmaCaching, DmaMemory, DmaOwner, DmaRequest, Hal, InterruptLine, MIN_BLOCK_BYTES, Mmio,
};
pub use user::{PinRequest, PinnedRun, UserAccess, UserPages, UserSpace};
