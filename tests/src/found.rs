//! Looks at the whole state: what a refused call must leave as it was, and what a closed driver must.

use barexe_core::device::Device;
use barexe_hal::{Hal, Nanos};
use barexe_sim::{DeviceSnapshot, Sim};
use core::fmt::Debug;

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

/// The whole state of the driver. The scratch memory of calls is left out.
#[must_use]
pub fn core_state<H: Hal + Debug>(device: &Device<'_, H>) -> String {
    let core = format!("{device:?}");
    let (before, rest) = core.split_once("bind_ops: [").unwrap_or((&core, ""));
    let after = rest.split_once(']').map_or("", |(_, after)| after);
    [before, after].concat()
}

/// Looks at every capacity: whatever is in use is charged to a client or to nobody.
///
/// # Panics
/// If the accounts say anything else than the pools.
pub fn check_charges<H: Hal>(device: &Device<'_, H>) {
    for places in device.places_in_use() {
        let charged = places.charged.saturating_add(u64::from(places.nobodys));
        assert_eq!(u64::from(places.in_use), charged, "{places:?}");
    }
}
