//! From a machine to the program and back: finds the GPU on the bus, makes it a HAL, runs the plan, gives it back.
//!
//! | module | holds |
//! |---|---|
//! | [`access`] | ways to configuration space: ports, or the window that a Q35 chipset has |
//! | [`clock`] | time, and waits that an interrupt message ends |
//! | [`map`] | registers mapped by this program's own page tables |
//! | [`reason`] | errors of the bus as words |

pub mod access;
pub mod clock;
pub mod map;
pub mod reason;

use crate::memory::ARENA_PAGES;
use crate::messages::Messages;
use crate::program::plan::Plan;
use crate::program::{self, Around, Finished};
use crate::say;
use crate::say::{Digits, Hex, Sink};
use barexe_core::Storage;
use barexe_hal::Clock;
use barexe_hal::arena::Arena;
use barexe_hal::pci::{
    self, ConfigAccess, Found, Function, Interrupts, MapPhysical, Msi, MsiMessage, Parts, PciDevice, PciError,
};

/// DMA memory of the program.
pub type Pages = Arena<{ ARENA_PAGES / 64 }>;

/// Exit code: no GPU on the bus.
const NO_DEVICE: u8 = 0x10;
/// Exit code: there is one, and it cannot be taken over.
const NOT_TAKEN: u8 = 0x11;
/// Exit code: pages were not given back.
const PAGES_LEFT: u8 = 0x12;

/// What the machine brings, beside the ways to the device.
pub struct Machine<'o, 'a> {
    /// Where lines go.
    pub out: &'o mut dyn Sink,
    /// Where the interrupt entry leaves its mark.
    pub messages: &'a Messages,
    /// The counter that it stamps messages with.
    pub ticks: fn() -> u64,
    /// The message that the device is to send.
    pub message: MsiMessage,
    /// What to do.
    pub plan: Plan,
}

impl core::fmt::Debug for Machine<'_, '_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Machine")
    }
}

/// Runs the plan on the first Intel GPU. The exit code: 0 for passed.
pub fn run<'a, C: ConfigAccess, P: MapPhysical, T: Clock>(
    mut parts: Parts<C, P, Pages, T>,
    storage: Storage<'a>,
    machine: &mut Machine<'_, 'a>,
) -> u8 {
    let found = match pci::find(&mut parts.access, pci::INTEL, pci::DISPLAY) {
        Ok(Some(found)) => found,
        Ok(None) => {
            say!(machine.out, "failed: no Intel GPU on the bus");
            return NO_DEVICE;
        }
        Err(error) => return refuse(error, machine.out),
    };
    say_found(&found, machine.out);
    match take_over(parts, found.function, machine) {
        Ok(device) => run_on(device, storage, machine),
        Err(error) => refuse(error, machine.out),
    }
}

fn refuse(error: PciError, out: &mut dyn Sink) -> u8 {
    say!(out, "failed: ", error);
    NOT_TAKEN
}

fn say_found(found: &Found, out: &mut dyn Sink) {
    let Found { function, vendor, device, revision, .. } = *found;
    let [vendor, device] = [vendor, device].map(|id| Digits(u64::from(id), 4));
    say!(out, "device ", vendor, ":", device, " revision ", revision, " at ", function);
}

/// The function as a HAL. One that has no messages is an error: the program waits for them.
fn take_over<C: ConfigAccess, P: MapPhysical, T: Clock>(
    mut parts: Parts<C, P, Pages, T>,
    function: Function,
    machine: &mut Machine<'_, '_>,
) -> Result<PciDevice<C, P, Pages, T>, PciError> {
    let wide = Msi::find(&mut parts.access, function)?.is_wide();
    let interrupts = Interrupts::Message(machine.message);
    let device = PciDevice::open(parts, function, interrupts).map_err(|refused| refused.error)?;
    for bar in device.bars().iter() {
        say!(machine.out, "BAR ", bar.index, ": ", bar.size_bytes, " bytes at ", Hex(bar.address));
    }
    say!(machine.out, "MSI: ", if wide { "64" } else { "32" }, "-bit, vector ", Hex(u64::from(machine.message.data)));
    Ok(device)
}

fn run_on<'a, C: ConfigAccess, P: MapPhysical, T: Clock>(
    device: PciDevice<C, P, Pages, T>,
    storage: Storage<'a>,
    machine: &mut Machine<'_, 'a>,
) -> u8 {
    let Machine { out, messages, ticks, plan, .. } = machine;
    let mut around = Around { out: &mut **out, messages, ticks: *ticks, plan: *plan };
    let Finished { hal, storage: _storage, verdict } = program::run(device, storage, &mut around);
    #[cfg(feature = "surface")]
    let (hal, _) = crate::surface::touch(hal, _storage, &messages.flag);
    let left = hal.close().memory.taken();
    say!(machine.out, "device given back, ", left, " of ", ARENA_PAGES, " pages still in use");
    match verdict {
        Ok(()) if left == 0 => 0,
        Ok(()) => PAGES_LEFT,
        Err(trouble) => {
            say!(machine.out, "failed: ", trouble);
            trouble.exit_code()
        }
    }
}
