//! What is done with the bare HAL: the conformance suite before the device is opened, the time of register accesses, and
//! a look at firmware's entries of the GGTT before and after.

use super::trouble::Trouble;
use crate::say;
use crate::say::Sink;
use barexe_core::Error;
use barexe_core::device::Device;
use barexe_core::gt::Registers;
use barexe_hal::conformance::{self, HOLE_ENTRIES, Setup};
use barexe_hal::{BusAddr, Hal, Nanos, RegOffset};
use core::num::NonZeroU64;

/// The PCI command register, and its bit that lets the BARs be reached.
const COMMAND: u16 = 4;
const MEMORY_DECODE: u32 = 1 << 1;
/// A mask of interrupts that nobody listens to before a driver does; it can be reached whatever sleeps (engines sheet
/// §9.2).
const SCRATCH: RegOffset = RegOffset::at(0x19_0090);
/// Where a hole is looked for: above what firmware uses for a display.
const HOLE_FROM: u32 = 0x4000;
/// What any of these devices can address.
const LAST_ADDR: u64 = (1 << 39) - 1;
/// A GGTT entry that maps something.
const PRESENT: u64 = 1;
/// Register accesses that are timed.
const ACCESSES: NonZeroU64 = NonZeroU64::MIN.saturating_add(499);
/// Entries of the GGTT that are remembered, of each run: a boot display's lie first, or above what microcontrollers use.
const ENTRIES: usize = 64;
const FIRST_RUN: u32 = 0;
const SECOND_RUN: u32 = 0x1000;
const RUNS: [u32; 2] = [FIRST_RUN, SECOND_RUN];
/// A display that is played: entries, and what they map.
const DISPLAY_ENTRIES: u32 = 64;
const FRAME_BUFFER: u64 = 0x7000_0000;

/// Does `work` with memory decode on; the command register is put back.
///
/// # Errors
/// Those of configuration space, and of `work`.
pub fn with_decode<H: Hal, T>(hal: &mut H, work: impl FnOnce(&mut H) -> Result<T, Trouble>) -> Result<T, Trouble> {
    let command = hal.config_read32(COMMAND).map_err(Error::from)?;
    hal.config_write32(COMMAND, command & 0xFFFF | MEMORY_DECODE).map_err(Error::from)?;
    let done = work(hal);
    // The upper half is the status register, whose bits are cleared by writing ones.
    hal.config_write32(COMMAND, command & 0xFFFF).map_err(Error::from)?;
    done
}

/// Runs the conformance suite, with a line.
///
/// # Errors
/// [`Trouble::Rule`].
pub fn rules<H: Hal>(hal: &mut H, out: &mut dyn Sink) -> Result<(), Trouble> {
    let setup = Setup {
        scratch_register: SCRATCH,
        scratch_bits: u32::MAX,
        ggtt_hole_first: find_hole(hal),
        ggtt_hole_entries: 60,
        last_addr: BusAddr::new(LAST_ADDR).unwrap_or(BusAddr::ZERO),
        user: None,
    };
    let report = conformance::run(hal, setup).map_err(Trouble::Rule)?;
    say!(out, "HAL: ", report.rules, " rules hold, ", report.checks, " comparisons");
    Ok(())
}

/// First run of entries that map nothing.
fn find_hole<H: Hal>(hal: &mut H) -> u32 {
    let mut entries = [0; HOLE_ENTRIES];
    let mut starts = (HOLE_FROM..RegOffset::GGTT_ENTRIES).step_by(HOLE_ENTRIES);
    let found = starts.find(|first| {
        hal.read64_run(RegOffset::ggtt_entry(*first).unwrap_or(RegOffset::GGTT_BASE), &mut entries);
        entries.iter().all(|entry| entry & PRESENT == 0)
    });
    found.unwrap_or(HOLE_FROM)
}

/// Times register accesses, with a line. Reads are the driver's: on parts where they might overtake writes, each has
/// the writes before it that prevent that.
pub fn measure<H: Hal>(device: &mut Device<'_, H>, out: &mut dyn Sink) {
    let format = device.info().format();
    let hal = device.hal_mut();
    let value = Registers::new(hal, format).read(SCRATCH);
    let read = time(hal, |hal| {
        Registers::new(hal, format).read(SCRATCH);
    });
    // Writes may be posted: configuration space is read behind them.
    let write = time(hal, |hal| hal.write32(SCRATCH, value));
    say!(out, "register read ", read, ", write ", write);
}

/// Average time of an access.
fn time<H: Hal>(hal: &mut H, access: impl Fn(&mut H)) -> Nanos {
    let began = hal.now();
    (0..ACCESSES.get()).for_each(|_| access(hal));
    // A device that is gone is found out by others.
    let _gone = hal.config_read32(COMMAND);
    let took = hal.now().saturating_sub(began);
    Nanos::new(took.get() / ACCESSES)
}

/// What was found in the GGTT, and whether this program put some of it there.
#[derive(Debug)]
pub struct Found {
    entries: [[u64; ENTRIES]; 2],
    played: bool,
}

fn first_entry(run: u32) -> RegOffset {
    RegOffset::ggtt_entry(run).unwrap_or(RegOffset::GGTT_BASE)
}

fn entries<H: Hal>(hal: &mut H) -> [[u64; ENTRIES]; 2] {
    RUNS.map(|run| {
        let mut entries = [0; ENTRIES];
        hal.read64_run(first_entry(run), &mut entries);
        entries
    })
}

/// Looks at firmware's entries of the GGTT. `display`: if the second run maps nothing, a display is played there first: a
/// frame buffer at an address where no device memory and no memory of this program is.
pub fn find<H: Hal>(hal: &mut H, display: bool) -> Found {
    let [_, second] = entries(hal);
    let played = display && second.iter().all(|entry| *entry == 0);
    if played {
        hal.write64_steps(first_entry(SECOND_RUN), FRAME_BUFFER | PRESENT, 4096, DISPLAY_ENTRIES);
    }
    Found { entries: entries(hal), played }
}

/// Looks whether firmware's entries are what they were, with a line. What was played is taken away.
///
/// # Errors
/// [`Trouble::FirmwareEntries`].
pub fn compare<H: Hal>(hal: &mut H, before: &Found, out: &mut dyn Sink) -> Result<(), Trouble> {
    let after = entries(hal);
    if before.played {
        hal.write64_steps(first_entry(SECOND_RUN), 0, 0, DISPLAY_ENTRIES);
    }
    let mut firmware = 0u32;
    for ((run, before), after) in RUNS.iter().zip(&before.entries).zip(&after) {
        for ((entry, before), after) in (*run..).zip(before).zip(after) {
            if before & PRESENT != 0 {
                firmware = firmware.saturating_add(1);
                if before != after {
                    return Err(Trouble::FirmwareEntries { entry });
                }
            }
        }
    }
    say!(out, "firmware's entries of the GGTT: ", firmware, " as they were");
    Ok(())
}
