//! A simulated Intel Xe GPU: the device's side of the barexe HAL.
//!
//! A device, not a mock: it answers register accesses, owns the GGTT, fetches context images and rings through it,
//! walks the page tables that the driver wrote, executes commands, raises interrupts, and keeps a TLB that forgets only
//! what something drops. It decodes with tables of its own and does not depend on the driver, so that a wrong constant
//! there cannot agree with itself. Time is virtual: a run repeats exactly.
//!
//! # Layers, top to bottom
//!
//! | module | holds |
//! |---|---|
//! | `sim`, `hal` | [`Sim`], the device held from outside; [`SimHal`], the driver's handle of it |
//! | `timeline`, [`trace`], `snapshot` | what happened, as text and as a trace file; the whole state, for comparing |
//! | `fault` | what goes wrong on demand |
//! | `gpu`, `running` | the device put together; engines taking turns while time passes |
//! | [`cs`] | command streamers: contexts, rings, batches, commands |
//! | [`ppgtt`], [`tlb`] | the page-table walk, and the cache of its answers |
//! | `registers`, `forcewake`, `interrupts`, `self_clearing`, `config_space` | one hardware block each |
//! | `memory`, [`bus`] | memory that CPU and device share; what a streamer sees of it all |
//! | [`spec`] | platforms, as tables |
//!
//! # Example
//!
//! ```
//! use barexe_hal::ConfigSpace;
//! use barexe_sim::{Fault, Platform, Sim, SimConfig};
//!
//! let sim = Sim::new(&SimConfig::new(Platform::lnl())).unwrap();
//! let mut hal = sim.hal(); // what the driver is opened on
//! assert_eq!(hal.config_read32(0), Ok(0x64A0_8086));
//!
//! sim.set_faults(&[Fault::FailCall(0)]);
//! assert!(hal.config_read32(0).is_err() && hal.config_read32(0).is_ok());
//! assert!(sim.violations().is_empty(), "no rule of the hardware was broken");
//! ```
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "bit fields are cut on purpose; sums are of fields narrower than their type, and what a guest chooses wraps explicitly"
)]

pub mod bus;
mod config_space;
pub mod cs;
mod engines;
mod fault;
mod forcewake;
mod ggtt;
mod gpu;
mod hal;
mod hwconfig;
mod interrupts;
mod memory;
pub mod ppgtt;
mod registers;
mod running;
mod self_clearing;
mod shared;
mod sim;
mod snapshot;
pub mod spec;
#[cfg(test)]
mod testing;
mod timeline;
pub mod tlb;
pub mod trace;

pub use fault::Fault;
pub use forcewake::AckMode;
pub use hal::{INJECTED, SimHal};
pub use memory::Coherence;
pub use running::RunReport;
pub use sim::{Sim, SimConfig};
pub use snapshot::{BufferState, DeviceSnapshot, GgttRun};
pub use spec::Platform;
pub use timeline::Timeline;
