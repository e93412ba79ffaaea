//! A device of the core on a simulated GPU, opened and closed with care.

use barexe_core::device::{Config, Device};
use barexe_core::gt::IrqFlag;
use barexe_core::{DefaultStorage, Error};
#[cfg(target_os = "linux")]
use barexe_drm::with_storage;
use barexe_hal::{Hal, Nanos};
use barexe_sim::{Sim, SimHal};
use std::sync::Arc;

/// The core over the simulator.
pub type SimDevice<'d> = Device<'d, SimHal>;

/// What is left of a device once it is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// Rules of the hardware that the driver broke.
    pub violations: Vec<String>,
    /// Engines that stopped, and why.
    pub halted: Vec<(String, String)>,
    /// Buffers the device was given.
    pub buffers_given: u64,
    /// Buffers that came back.
    pub buffers_returned: u64,
}

impl Leftover {
    fn of(sim: &Sim) -> Self {
        let (buffers_given, buffers_returned) = sim.buffers();
        Self { violations: sim.violations(), halted: sim.halted(), buffers_given, buffers_returned }
    }
}

/// Opens the device, lets `work` have it, closes it. Its configuration table is `hwconfig`, the simulated part's if
/// that is none.
///
/// # Errors
/// Whatever opening it met.
pub fn with_device<R>(
    sim: &Sim,
    config: Config,
    hwconfig: Option<&[u8]>,
    work: impl FnOnce(&mut SimDevice<'_>) -> R,
) -> Result<(R, Leftover), Error> {
    let irq = Arc::new(IrqFlag::new());
    let mark = Arc::clone(&irq);
    sim.on_msi(move || mark.handle().record());
    sim.mark("open");
    let own = sim.hwconfig();
    let result = with_storage(|storage| match Device::open(sim.hal(), storage, config, Some(&irq)) {
        Ok(mut device) => {
            device.set_hwconfig(hwconfig.unwrap_or(&own));
            let result = work(&mut device);
            sim.mark("close");
            drop(device.close());
            Ok(result)
        }
        Err(failed) => Err(failed.error),
    });
    result.map(|result| (result, Leftover::of(sim)))
}

/// How long one may wait for the device: instants of its own clock, and looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    deadline: Nanos,
    looks: u32,
}

/// Longest wait, on the device's clock.
const LONGEST: Nanos = Nanos::from_millis(100);
/// Most looks in one wait.
const LOOKS: u32 = 5_000;
/// Longest time between two looks.
const STEP: Nanos = Nanos::from_micros(500);

impl Patience {
    /// Fresh patience from now on.
    pub fn new<H: Hal>(device: &mut Device<'_, H>) -> Self {
        Self { deadline: device.now().saturating_add(LONGEST), looks: LOOKS }
    }

    /// Lets the device run for a moment, at most until `until`, and the driver look at it; false once patience is at
    /// its end.
    pub fn wait<H: Hal>(&mut self, device: &mut Device<'_, H>, until: Option<Nanos>) -> bool {
        let now = device.now();
        if self.looks == 0 || now >= self.deadline {
            return false;
        }
        self.looks -= 1;
        let step = now.saturating_add(STEP);
        // Interrupted or not: the caller looks again.
        let _ = device.relax(until.map_or(step, |until| step.min(until)));
        device.poll();
        true
    }
}

/// The driver's storage, as the core has it by default, on the heap. It is large and stacks are not: it comes from a constant,
/// in a frame of its own.
#[inline(never)]
#[must_use]
pub fn storage() -> Box<DefaultStorage> {
    Box::new(const { DefaultStorage::new() })
}

/// Lends storage where there are no device nodes.
#[cfg(not(target_os = "linux"))]
fn with_storage<R>(work: impl FnOnce(barexe_core::Storage<'_>) -> R) -> R {
    work(storage().lend())
}
