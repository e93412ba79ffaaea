//! The device as somebody finds it who comes after the driver.

use barexe_hal::Nanos;
use barexe_sim::{DeviceSnapshot, Sim};

/// Time after which bits that clear by themselves have.
pub const SETTLE: Nanos = Nanos::from_micros(50);

/// What a driver must leave as it found it.
///
/// Registers of the GTs are not among it: nobody can put back what they held before firmware or a reset set them, and
/// whoever comes next programs them. Interrupt registers are not either; that none arrives is.
#[must_use]
pub fn found(sim: &Sim) -> DeviceSnapshot {
    let mut snapshot = settled(sim);
    snapshot.registers.clear();
    snapshot
}

/// The whole state once everything that was asked of the hardware is done, which takes [`SETTLE`].
#[must_use]
pub fn settled(sim: &Sim) -> DeviceSnapshot {
    sim.advance(SETTLE);
    sim.snapshot()
}
