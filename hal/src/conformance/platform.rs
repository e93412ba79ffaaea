//! Rules of configuration space, time and the interrupt switch.

use super::{Broken, Trial, code};
use crate::{ClockKind, Hal, HalErrorKind, Nanos};

/// Slack of a wait: what "shortly after" means on a busy machine.
const SLACK: Nanos = Nanos::from_millis(50);
/// Calls of `relax` that must be enough for a millisecond.
const MAX_RELAXES: u32 = 10_000_000;
/// Dword with the PCI command register.
const COMMAND: u16 = 4;

pub(super) fn config_space_names_an_intel_device<H: Hal>(s: &mut Trial<'_, H>) -> Result<(), Broken> {
    for _ in 0..2 {
        let id = s.hal.config_read32(0).map_err(|error| ("the first dword cannot be read", code(error)))?;
        s.check(id & 0xFFFF == 0x8086, "vendor id", u64::from(id & 0xFFFF))?;
    }
    Ok(())
}

pub(super) fn config_space_refuses_bad_offsets<H: Hal>(s: &mut Trial<'_, H>) -> Result<(), Broken> {
    let command = |s: &mut Trial<'_, H>| s.hal.config_read32(COMMAND).map_err(|e| ("command register", code(e)));
    let before = command(s)?;
    for offset in [1, 2, 3, COMMAND | 1, COMMAND | 2, 4095, 4096, 4096 | COMMAND, 0xFFFC, 0xFFFF] {
        let read = s.hal.config_read32(offset).err().map(|error| error.kind());
        s.check(read == Some(HalErrorKind::BadRequest), "a bad offset was read", u64::from(offset))?;
        let written = s.hal.config_write32(offset, !before).err().map(|error| error.kind());
        s.check(written == Some(HalErrorKind::BadRequest), "a bad offset was written", u64::from(offset))?;
    }
    let after = command(s)?;
    s.check(before & 0xFFFF == after & 0xFFFF, "a refused write changed the command register", u64::from(after))
}

pub(super) fn time_never_goes_backwards<H: Hal>(s: &mut Trial<'_, H>) -> Result<(), Broken> {
    let mut last = s.hal.now();
    for turn in 0..1000u32 {
        if turn & 7 == 0 {
            // An interruption ends the pause, which is all the same here.
            let _interrupted = s.hal.relax(last.saturating_add(Nanos::new(100)));
        }
        let now = s.hal.now();
        s.check(now >= last, "time went backwards to", now.get())?;
        let monotonic = s.hal.now_by(ClockKind::Monotonic);
        last = s.hal.now();
        let same = (now..=last).contains(&monotonic);
        s.check(same, "the monotonic clock is another one and says", monotonic.get())?;
    }
    Ok(())
}

pub(super) fn relaxing_lets_time_pass<H: Hal>(s: &mut Trial<'_, H>) -> Result<(), Broken> {
    let until = s.hal.now().saturating_add(Nanos::from_millis(1));
    for _ in 0..MAX_RELAXES {
        if s.hal.now() >= until {
            return s.check(true, "", 0);
        }
        let _interrupted = s.hal.relax(until);
    }
    s.check(false, "time stands still at", until.get())
}

pub(super) fn relaxing_ends_shortly_after_its_end<H: Hal>(s: &mut Trial<'_, H>) -> Result<(), Broken> {
    for pause in [Nanos::ZERO, Nanos::from_micros(100), Nanos::from_millis(2)] {
        let until = s.hal.now().saturating_add(pause);
        let _interrupted = s.hal.relax(until);
        let late = s.hal.now().saturating_sub(until);
        s.check(late <= SLACK, "late in nanoseconds", late.get())?;
    }
    let before = s.hal.now();
    let _interrupted = s.hal.relax(Nanos::ZERO);
    let late = s.hal.now().saturating_sub(before);
    s.check(late <= SLACK, "late for an instant in the past, in nanoseconds", late.get())
}

pub(super) fn interrupts_switch_on_and_off_repeatedly<H: Hal>(s: &mut Trial<'_, H>) -> Result<(), Broken> {
    let result = (|| {
        for turn in 0..3 {
            for _ in 0..2 {
                let enabled = s.hal.irq_enable();
                s.check(enabled.is_ok(), "cannot be switched on in turn", turn)?;
            }
            for _ in 0..2 {
                s.hal.irq_disable();
            }
        }
        Ok(())
    })();
    s.hal.irq_disable();
    result
}
