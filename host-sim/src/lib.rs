//! A simulated Intel Xe GPU: the device's side of the barexe HAL.
//!
//! A device, not a mock: it answers register accesses, owns the GGTT, fetches context images and rings through it,
//! walks the page tables that the driver wrote, executes commands, raises interrupts, and keeps a TLB that forgets only
//! what something drops. It decodes with tables of its own and does not depend on the driver, so that a wrong constant
//! there cannot agree with itself. Time is virtual: a run repeats exactly. Only behind a bus ([`Sim::function`]) does the
//! device follow a clock from outside.
//!
//! # Layers, top to bottom
//!
//! | module | holds |
//! |---|---|
//! | `sim`, `config`, `hal` | [`Sim`], the device held from outside, and how it is made; [`SimHal`], the driver's handle of it |
//! | `function` | [`PciFunction`], the device as a PCI bus sees it, for drivers in other processes |
//! | [`trace`], `snapshot` | what happened, as text and as a trace file; the whole state, for comparing |
//! | `fault` | what goes wrong on demand: at a numbered call, always, or by [`Rule`] |
//! | `gpu`, `accesses`, `running` | the device put together, and its BAR; engines taking turns while time passes |
//! | [`cs`] | command streamers: contexts, rings, batches, commands |
//! | [`guc`] | the microcontroller that schedules contexts, if a driver loads it: messages, rings, scheduling |
//! | [`ppgtt`], [`tlb`] | the page-table walk, and the cache of its answers |
//! | `shared`, [`bus`] | the device around an engine, and what the engine sees of it |
//! | `tile` | what each tile has for itself |
//! | `ggtt` | the GGTT in the BAR; its entries, in the simulator or in memory that a driver has mapped |
//! | `blocks` | hardware blocks, one file each: registers, forcewake, interrupts, resets, configuration space |
//! | `memory` | memory that CPU and device share, and what became of it when it was freed; memory of a guest |
//! | `clients` | memory of clients that the device reaches in place, and being told of stores into it |
//! | [`spec`], `engines` | platforms and engines, as tables |
//!
//! # Loud where a driver is wrong
//!
//! What the hardware would refuse stops the engine, raises its error interrupt and says why ([`Sim::halted`]): an
//! unknown command, a length or a field that a command cannot have, an address that does not translate, a context
//! image that is not laid out as the part's are. What the hardware would let pass, and regret, is a violation
//! ([`Sim::violations`]): registers of a sleeping domain or of an engine that is fused off, GGTT writes without their
//! fence, a tail that goes back, DMA to memory that was freed, a store of the CPU to a buffer that it gave back. With
//! [`Coherence::Strict`] the device sees only what was published.
//!
//! # What is not simulated
//!
//! - Shaders, fixed functions and video: commands that give them work are left out and counted ([`Sim::missing`]).
//! - Tiled surfaces, compressed data, protected content, semaphores that wait for signals, `MI_PRT_BATCH_BUFFER_START`:
//!   they stop the engine. Compression bytes are kept as written where flat CCS is on.
//! - Caches other than the TLB, the pre-parser, prefetching past a batch's end, replicated registers (each has one copy
//!   here), the watchdog, the GSC's and the HuC's firmware, power states other than forcewake, page faults that can be
//!   served. The GuC's firmware is a model: what a driver loads is copied and never executed. It keeps no log, reads no
//!   golden context, and knows nothing of virtual functions.
//! - The GGTT's own TLB: hardware is assumed to see its entries at once.
//! - Measured time. Each command takes a plausible while.
//!
//! What no source settles for 20.04 without firmware (registers of TLB invalidation, faults and resets) behaves as on
//! 12.70.
//!
//! # Example
//!
//! ```
//! use barexe_hal::{ConfigSpace, Mmio, RegOffset};
//! use barexe_sim::{Fault, Platform, Sim, SimConfig};
//!
//! let sim = Sim::new(&SimConfig::new(Platform::tgl())).unwrap();
//! let mut hal = sim.hal(); // what the driver is opened on
//! assert_eq!(hal.config_read32(0), Ok(0x9A49_8086));
//! assert!(sim.violations().is_empty(), "no rule of the hardware was broken");
//!
//! hal.config_write32(4, 6)?; // memory decode, bus master
//! assert_eq!(hal.read32(RegOffset::at(0x9140)), 0, "a fuse, while its domain sleeps");
//! assert_eq!(sim.violations(), ["read of 0x9140 while Gt sleeps"]);
//!
//! sim.set_faults(&[Fault::FailCall(0)]);
//! assert!(hal.config_read32(0).is_err() && hal.config_read32(0).is_ok());
//! # Ok::<(), barexe_hal::HalError>(())
//! ```
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "bit fields are cut on purpose; sums are of fields narrower than their type, and what a guest chooses wraps explicitly"
)]

mod accesses;
mod blocks;
pub mod bus;
mod clients;
mod config;
pub mod cs;
mod engines;
mod fault;
mod function;
mod ggtt;
mod gpu;
pub mod guc;
mod hal;
mod memory;
pub mod ppgtt;
mod running;
mod shared;
mod sim;
mod snapshot;
pub mod spec;
#[cfg(test)]
mod testing;
mod tile;
pub mod tlb;
pub mod trace;

pub use blocks::config_space::MsiWidth;
pub use blocks::forcewake::AckMode;
pub use blocks::unknown::UnknownRegister;
pub use clients::outside::ClientPages;
pub use clients::stores::{Author, StoreWatch, Stored};
pub use config::SimConfig;
pub use fault::{Action, EngineName, Fault, Occasion, Rule};
pub use function::{PciFunction, Reaction};
pub use hal::{INJECTED, SimHal};
pub use memory::{Backing, BufferSource, Coherence, MapError, Mapping};
pub use running::RunReport;
pub use sim::Sim;
pub use snapshot::{BufferState, DeviceSnapshot, GgttRun};
pub use spec::Platform;
pub use trace::timeline::Timeline;
