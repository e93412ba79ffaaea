//! A simulated Intel Xe GPU: the device's side of the barexe HAL.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "bit fields are cut on purpose; sums are of fields narrower than their type, and what a guest chooses wraps explicitly"
)]

pub mod bus;
mod config_space;
pub mod cs;
mod fault;
mod forcewake;
mod gpu;
mod hal;
mod hwconfig;
mod interrupts;
mod memory;
pub mod ppgtt;
mod registers;
mod running;
mod self_clearing;
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
pub use snapshot::DeviceSnapshot;
pub use spec::Platform;
pub use timeline::Timeline;
