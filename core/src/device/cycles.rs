//! Engine time beside CPU time, for clients that put what both have noted on one axis.

use super::Device;
use super::request::EngineRef;
use crate::Error;
use crate::gt::{Registers, regs};
use barexe_hal::{ClockKind, Hal, Nanos};

/// One reading of an engine's timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineCycles {
    /// Bits of [`cycles`](Self::cycles) that count before it starts again at 0.
    pub width_bits: u32,
    /// The timestamp, in ticks of the GT's reference clock. It runs whether or not the engine does.
    pub cycles: u64,
    /// What the chosen clock said just before.
    pub cpu: Nanos,
    /// How long the reading took.
    pub cpu_delta: Nanos,
}

impl<H: Hal> Device<'_, H> {
    /// Reads an engine's timestamp, and a clock with it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an engine that is not there for clients, [`Error::DeviceGone`], [`Error::DeviceBroken`] for
    /// a timestamp that is never the same twice in its upper half.
    pub fn engine_cycles(&mut self, engine: &EngineRef, clock: ClockKind) -> Result<EngineCycles, Error> {
        self.check_live()?;
        let position = self.position_of(engine)?;
        let found = self.info.engines.get(usize::from(position));
        let found = *found.ok_or(Error::invalid("engine instance", u64::from(engine.instance)))?;
        let width_bits = self.info.timestamp_bits();
        let began = self.hal.now();
        let cpu = self.hal.now_by(clock);
        let mut regs = Registers::on_tile(&mut self.hal, self.info.format(), found.tile);
        let high = found.base.offset(regs::TIMESTAMP_UDW_OFFSET);
        let cycles = regs.read_counter64(found.base.offset(regs::TIMESTAMP_OFFSET), high);
        let cycles = cycles.ok_or_else(|| match regs.read(high) {
            u32::MAX => Error::DeviceGone,
            upper => Error::DeviceBroken { what: "timestamp, upper half", value: u64::from(upper) },
        })?;
        let cpu_delta = self.hal.now().saturating_sub(began);
        Ok(EngineCycles { width_bits, cycles: cycles & low_bits(width_bits), cpu, cpu_delta })
    }
}

/// The lower `count` bits, 64 at most.
const fn low_bits(count: u32) -> u64 {
    match u64::MAX.checked_shr(64u32.wrapping_sub(count)) {
        Some(mask) => mask,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_as_wide_as_they_say() {
        assert_eq!([low_bits(0), low_bits(1), low_bits(36), low_bits(64)], [0, 1, 0xF_FFFF_FFFF, u64::MAX]);
    }
}
