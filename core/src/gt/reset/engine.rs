//! Reset of single engines, step by step (engines sheet §10.2).
//!
//! ```text
//!   ring stopped ──► engine ready ──► domains reset, once or twice ──► settled ──► registers programmed again
//!   (not fatal)       TimedOut         TimedOut
//! ```
//!
//! No step waits; each looks once. On 12.00 the sheet also wants pending power-state messages of the engine waited for,
//! but is not sure of their registers: the wait for the ring stands for it. What runs on the engines is lost, except
//! for what their contexts saved before.

use super::restore::restore_engines;
use crate::Error;
use crate::gt::EngineClass;
use crate::gt::info::{DeviceInfo, Engine, Gt};
use crate::gt::platform::units::{EngineMask, Unit};
use crate::gt::registers::access::{ALL_ONES, Registers, on_gt};
use crate::gt::regs::{self, Masked};
use barexe_hal::{Hal, Mmio, Nanos};

/// How long a ring is waited for that was asked to stop. That it does not is no reason to give up.
const STOP_LIMIT: Nanos = Nanos::from_millis(1);
/// How long an engine may take until it is ready for its reset.
const READY_LIMIT: Nanos = Nanos::from_micros(700);
/// How long a reset may take.
const RESET_LIMIT: Nanos = Nanos::from_millis(2);
/// Delay after the last reset.
const SETTLE: Nanos = Nanos::from_micros(50);

/// `GFX_MODE`: commands are not fetched ahead.
const PREFETCH_DISABLE: u16 = 1 << 10;
/// `MI_MODE`: stop the ring; it has stopped.
const STOP_RING: u16 = 1 << 8;
const MODE_IDLE: u32 = 1 << 9;
/// `RESET_CTL`: a reset is asked for; the engine is ready for it; it met an error that it cannot leave otherwise.
const REQUEST: u16 = 1 << 0;
const READY: u32 = 1 << 1;
const CATASTROPHIC: u16 = 1 << 2;

/// Where a reset is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Stopping,
    Preparing,
    Resetting { again: bool },
    Settling,
}

/// A reset that is going on.
#[derive(Clone, Copy, Debug)]
pub struct EngineReset {
    gt: Gt,
    engines: EngineMask,
    /// No engine is in trouble: see [`begin_wanted`](Self::begin_wanted).
    wanted: bool,
    stage: Stage,
    until: Nanos,
}

/// The bit of an engine in `GDRST`.
const fn domain(unit: &Unit) -> u32 {
    let first = match unit.class {
        // One domain for the render engine and all compute engines.
        EngineClass::Render | EngineClass::Compute => return 1 << 1,
        EngineClass::Copy if unit.instance == 0 => return 1 << 2,
        EngineClass::Copy => 23u32,
        EngineClass::VideoDecode => 5,
        EngineClass::VideoEnhance => 13,
        EngineClass::Gsc => return 1 << 21,
    };
    1u32.unbounded_shl(first.wrapping_add(unit.instance as u32))
}

fn domains(engines: EngineMask) -> u32 {
    engines.units().fold(0, |bits, unit| bits | domain(unit))
}

/// The engines that cannot be reset without each other: those that share a domain with one of `engines`.
#[must_use]
pub fn together(info: &DeviceInfo, gt: Gt, engines: EngineMask) -> EngineMask {
    let bits = domains(engines);
    info.engines_on(gt.tile, gt.index).filtered(|unit| domain(unit) & bits != 0)
}

impl EngineReset {
    /// Begins to reset an engine, and those that share a domain with it.
    pub fn begin<H: Hal>(hal: &mut H, info: &DeviceInfo, engine: &Engine) -> Self {
        let gt = Gt { id: engine.gt, tile: engine.tile, index: engine.gt_index };
        let engines = together(info, gt, EngineMask(1u32.unbounded_shl(u32::from(engine.id))));
        Self::begin_with(hal, info, (gt, engines), false)
    }

    /// Begins to reset every engine of a GT, because somebody wants it so.
    pub fn begin_wanted<H: Hal>(hal: &mut H, info: &DeviceInfo, gt: Gt) -> Self {
        Self::begin_with(hal, info, (gt, info.engines_on(gt.tile, gt.index)), true)
    }

    fn begin_with<H: Hal>(hal: &mut H, info: &DeviceInfo, (gt, engines): (Gt, EngineMask), wanted: bool) -> Self {
        let until = hal.now().saturating_add(STOP_LIMIT);
        let mut regs = Registers::on_tile(hal, info.format(), gt.tile);
        for unit in engines.units() {
            if info.format().engine.stops_prefetch_for_reset {
                regs.write(unit.base.offset(regs::GFX_MODE_OFFSET), Masked::set(PREFETCH_DISABLE).word());
            }
            regs.write(unit.base.offset(regs::MI_MODE_OFFSET), Masked::set(STOP_RING).word());
        }
        Self { gt, engines, wanted, stage: Stage::Stopping, until }
    }

    /// Whether this engine is one of those that are being reset.
    #[must_use]
    pub const fn covers(&self, engine: &Engine) -> bool {
        self.gt.tile == engine.tile && self.gt.index == engine.gt_index && self.engines.has(engine.id)
    }

    /// Takes the next step if its time has come; whether the reset is over and the engines take contexts again.
    ///
    /// # Errors
    /// [`Error::TimedOut`] if an engine does not come back: a [full reset](crate::gt::reset) is left.
    /// [`Error::DeviceGone`].
    pub fn step<H: Hal>(&mut self, hal: &mut H, info: &DeviceInfo) -> Result<bool, Error> {
        let now = hal.now();
        let mut regs = Registers::on_tile(hal, info.format(), self.gt.tile);
        match self.stage {
            Stage::Stopping => {
                if self.all(&mut regs, regs::MI_MODE_OFFSET, MODE_IDLE)? || now >= self.until {
                    self.prepare(&mut regs)?;
                    self.enter(Stage::Preparing, now, READY_LIMIT);
                }
            }
            Stage::Preparing => {
                if self.are_ready(&mut regs)? {
                    self.request(&mut regs);
                    self.enter(Stage::Resetting { again: info.format().engine.resets_twice }, now, RESET_LIMIT);
                } else if now >= self.until {
                    self.release(&mut regs);
                    return Err(Error::TimedOut);
                }
            }
            Stage::Resetting { again } => {
                let bits = domains(self.engines);
                match regs.read(on_gt(self.gt.index, regs::GDRST)) {
                    ALL_ONES => return Err(Error::DeviceGone),
                    word if word & bits == 0 && again => {
                        self.request(&mut regs);
                        self.enter(Stage::Resetting { again: false }, now, RESET_LIMIT);
                    }
                    word if word & bits == 0 => self.enter(Stage::Settling, now, SETTLE),
                    _ if now >= self.until => return Err(Error::TimedOut),
                    _ => {}
                }
            }
            Stage::Settling => {
                // What follows is mostly writes, which a device that is gone takes in silence.
                if self.all(&mut regs, regs::RESET_CTL_OFFSET, 0)? && now >= self.until {
                    self.release(&mut regs);
                    restore_engines(hal, info, self.gt, self.engines)?;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Whether no work is to blame for it.
    #[must_use]
    pub const fn is_wanted(&self) -> bool {
        self.wanted
    }

    const fn enter(&mut self, stage: Stage, now: Nanos, limit: Nanos) {
        (self.stage, self.until) = (stage, now.saturating_add(limit));
    }

    /// Whether these bits are set in a register of every engine.
    fn all<H: Mmio>(&self, regs: &mut Registers<'_, H>, offset: u32, bits: u32) -> Result<bool, Error> {
        let mut all = true;
        for unit in self.engines.units() {
            match regs.read(unit.base.offset(offset)) {
                ALL_ONES => return Err(Error::DeviceGone),
                word => all &= word & bits == bits,
            }
        }
        Ok(all)
    }

    /// Asks every engine to get ready. One that met a catastrophic error is asked to leave that instead.
    fn prepare<H: Mmio>(&self, regs: &mut Registers<'_, H>) -> Result<(), Error> {
        for unit in self.engines.units() {
            let register = unit.base.offset(regs::RESET_CTL_OFFSET);
            match regs.read(register) {
                ALL_ONES => return Err(Error::DeviceGone),
                word if word & u32::from(CATASTROPHIC) != 0 => regs.write(register, Masked::set(CATASTROPHIC).word()),
                word if word & READY != 0 => {}
                _ => regs.write(register, Masked::set(REQUEST).word()),
            }
        }
        Ok(())
    }

    /// Whether every engine has answered: ready, or no longer in a catastrophic error.
    fn are_ready<H: Mmio>(&self, regs: &mut Registers<'_, H>) -> Result<bool, Error> {
        let mut ready = true;
        for unit in self.engines.units() {
            match regs.read(unit.base.offset(regs::RESET_CTL_OFFSET)) {
                ALL_ONES => return Err(Error::DeviceGone),
                // Not asked for: the engine was in a catastrophic error, which has gone.
                word if word & u32::from(REQUEST) == 0 => ready &= word & u32::from(CATASTROPHIC) == 0,
                word => ready &= word & READY != 0,
            }
        }
        Ok(ready)
    }

    fn request<H: Mmio>(&self, regs: &mut Registers<'_, H>) {
        regs.write(on_gt(self.gt.index, regs::GDRST), domains(self.engines));
    }

    /// Takes the requests for readiness back.
    fn release<H: Mmio>(&self, regs: &mut Registers<'_, H>) {
        for unit in self.engines.units() {
            regs.write(unit.base.offset(regs::RESET_CTL_OFFSET), Masked::clear(REQUEST).word());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(engines: &[(EngineClass, u8)]) -> u32 {
        let named = |unit: &Unit| engines.contains(&(unit.class, unit.instance));
        domains(EngineMask(u32::MAX).filtered(named))
    }

    #[test]
    fn domains_are_those_of_the_sheet() {
        use EngineClass::{Compute, Copy, Gsc, Render, VideoDecode, VideoEnhance};
        // engines sheet §10 checks.
        assert_eq!(bits(&[(Copy, 0), (Copy, 2)]), 0x0200_0004);
        assert_eq!(bits(&[(Render, 0)]), 2);
        assert_eq!(bits(&[(Compute, 2)]), 2);
        assert_eq!(bits(&[(VideoDecode, 2), (VideoEnhance, 0)]), 0x2080);
        assert_eq!(bits(&[(Gsc, 6)]), 0x0020_0000);
        assert_eq!(bits(&[(Copy, 8)]), 1 << 31);
    }
}
