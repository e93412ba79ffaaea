//! The backend for real hardware: a GPU on a PCI bus.
//!
//! ```text
//!   embedder:  ConfigAccess   MapPhysical   DmaMemory (+ UserPages)   Clock   MsiMessage
//!                   │              │                  │                 │          │
//!             scan, capabilities,  │                  │                 │          │
//!             BARs, MSI            │                  │                 │          │
//!                   └──────────────┴──── PciDevice ───┴─────────────────┴──────────┘
//!                                            │
//!                                           Hal
//! ```
//!
//! The parts that a firmware needs are here too: [`Ecam`] or, on x86, `arch::x86_64::ConfigPorts` as the way to
//! configuration space, [`DirectMap`], [`Arena`](crate::arena::Arena), [`TickClock`](crate::clock::TickClock).
//!
//! Nothing that a device answers is trusted: every walk is bounded, and what makes no sense is a [`PciError`] that carries
//! it. A device that goes away reads as all ones, and is found out.
//!
//! # Example
//!
//! ```
//! use barexe_hal::pci::{self, ConfigAccess, Interrupts, MapPhysical, MsiMessage, Parts, PciDevice, PciError};
//! use barexe_hal::{Clock, DmaMemory, Hal, UserPages};
//!
//! /// The first Intel GPU; with messages if it can send any, else polled.
//! fn open<C, P, M, T>(mut parts: Parts<C, P, M, T>, message: MsiMessage) -> Result<PciDevice<C, P, M, T>, PciError>
//! where
//!     C: ConfigAccess,
//!     P: MapPhysical,
//! {
//!     let gpu = pci::find(&mut parts.access, pci::INTEL, pci::DISPLAY)?.expect("a GPU").function;
//!     let refused = match PciDevice::open(parts, gpu, Interrupts::Message(message)) {
//!         Ok(device) => return Ok(device),
//!         Err(refused) => refused,
//!     };
//!     match refused.error {
//!         PciError::NoCapability { .. } => {
//!             PciDevice::open(refused.parts, gpu, Interrupts::Polled).map_err(|refused| refused.error)
//!         }
//!         error => Err(error),
//!     }
//! }
//!
//! /// What comes out of it is what the driver is opened on.
//! fn is_a_hal<C: ConfigAccess, P, M: DmaMemory + UserPages, T: Clock>(device: PciDevice<C, P, M, T>) -> impl Hal {
//!     device
//! }
//! ```

mod access;
mod bars;
mod capability;
mod device;
mod ecam;
mod error;
mod function;
mod map;
mod msi;
mod saved;
mod scan;

pub use access::{ConfigAccess, set_bus_master, set_memory_decode};
pub use bars::{Bar, Bars};
pub use capability::{capability, extended_capability};
pub use device::{Interrupts, OpenError, Parts, PciDevice};
pub use ecam::Ecam;
pub use error::{BarProblem, PciError};
pub use function::Function;
pub use map::{DirectMap, MapPhysical};
pub use msi::{Msi, MsiMessage, MsiState};
pub use saved::SavedConfig;
pub use scan::{DISPLAY, Found, INTEL, Scan, find};
