//! The registers each engine needs before its first submission (engines sheet §5.2, §5.3).

use super::register_list::RegisterList;
use super::workaround::{Change, Place, RuleContext};
use crate::Error;
use crate::gt::EngineClass;
use crate::gt::clock::GtClock;
use crate::gt::format::GtFormat;
use crate::gt::platform::units::{EngineMask, Unit};
use crate::gt::registers::access::{GtIndex, Registers};
use crate::gt::regs::{self, Masked};
use crate::gt::topology::Topology;
use barexe_hal::{Clock, Mmio};

/// Execlist mode: disable the legacy submission mode.
const GFX_DISABLE_LEGACY_MODE: u32 = 1 << 3;
/// Compute enable of `RCU_MODE`.
const RCU_CCS_ENABLE: u32 = 1 << 0;
/// Fixed slice mode of `RCU_MODE`.
const RCU_FIXED_SLICES: u32 = 1 << 1;
/// Stop bit of `MI_MODE`.
const STOP_RING: u16 = 1 << 8;
/// Error mask that lets instruction errors through (engines sheet §5.2).
const EMR_INSTRUCTION_ERRORS: u32 = !1;
/// `CCS_MODE` for one engine: the fields of all four slices name CCS0 (engines sheet §4 checks).
const CCS_MODE_ALL_TO_CCS0: Masked = Masked::field(0x0FFF, 0);

/// GT-level workarounds and tunings of a GT with these engines.
///
/// # Errors
/// [`Error::Unsupported`] if the table outgrew the list.
pub fn gt_list(format: &GtFormat, context: &RuleContext, engines: EngineMask) -> Result<RegisterList, Error> {
    let mut list = RegisterList::new();
    for tweak in format.tweaks {
        if context.holds_for_gt(&tweak.rule, None) {
            list.add(tweak.change, None)?;
        }
        for unit in engines.units().filter(|unit| context.holds_for_gt(&tweak.rule, Some(unit))) {
            list.add(tweak.change, Some(unit))?;
        }
    }
    Ok(list)
}

/// The register list of one engine: what all need, then its workarounds and tunings.
///
/// # Errors
/// [`Error::Unsupported`] if the table outgrew the list.
pub fn engine_list(
    format: &GtFormat,
    context: &RuleContext,
    unit: &Unit,
    compute_engines: usize,
) -> Result<RegisterList, Error> {
    let mut list = RegisterList::new();
    let mut add = |change| list.add(change, Some(unit));
    let uncached = u32::from(format.mocs.uncached);
    add(Change::field(Place::Engine(regs::CMD_CCTL_OFFSET), 0x3F7E, uncached << 8 | uncached << 1).masked())?;
    add(Change::set(Place::Engine(regs::HWSTAM_OFFSET), u32::MAX))?;
    add(Change::set(Place::Engine(regs::GFX_MODE_OFFSET), GFX_DISABLE_LEGACY_MODE).masked())?;
    let csfe = u32::from(format.engine.main_csfe_bits);
    if csfe != 0 && !context.is_media_gt {
        add(Change::set(Place::Engine(regs::CSFE_CHICKEN1_OFFSET), csfe).masked())?;
    }
    if format.engine.has_rcu_mode && context.first_render_or_compute == Some(unit.id) {
        let bits = if compute_engines > 1 { RCU_CCS_ENABLE | RCU_FIXED_SLICES } else { RCU_CCS_ENABLE };
        add(Change::set(Place::Gt(regs::RCU_MODE.get()), bits).masked())?;
    }
    for tweak in format.tweaks.iter().filter(|tweak| context.holds_for_engine(&tweak.rule, unit)) {
        add(tweak.change)?;
    }
    Ok(list)
}

/// Fills the slots of registers that batches on `unit` may touch. Slots beyond stay as reset left them.
pub fn write_whitelist<H: Mmio>(regs: &mut Registers<'_, H>, context: &RuleContext, unit: &Unit) {
    let rows = regs.format().whitelist.iter().filter(|row| context.holds_for_engine(&row.rule, unit));
    for (slot, row) in (0..regs::FORCE_TO_NONPRIV_SLOTS).zip(rows) {
        regs.write(unit.base.offset(regs::FORCE_TO_NONPRIV_OFFSET.wrapping_add(slot << 2)), row.word(unit));
    }
}

/// Lets the ring run and instruction errors through: harmless after a reset, needed when a boot program left the
/// ring stopped (engines sheet §5.2, the older driver's additions).
pub fn clear_stop_and_errors<H: Mmio>(regs: &mut Registers<'_, H>, unit: &Unit) {
    regs.write(unit.base.offset(regs::MI_MODE_OFFSET), Masked::clear(STOP_RING).word());
    regs.write(unit.base.offset(regs::EMR_OFFSET), u32::MAX);
    regs.write(unit.base.offset(regs::EIR_OFFSET), u32::MAX);
    regs.write(unit.base.offset(regs::EMR_OFFSET), EMR_INSTRUCTION_ERRORS);
}

/// The idle delay a unit must have, given its registers `IDLEDLY` and `PWRCTX_MAXCNT` (engines sheet §13.7: the two
/// rules 14025941587 and 16023105232). `None` if the clock is unknown.
///
/// The delay's unit is eight clock bases. At least 5 us, but below the limit the power context sets, rounded down
/// there.
#[must_use]
pub fn idle_delay(idledly: u32, maxcnt: u32, base_ps: u32) -> Option<u32> {
    const DELAY_BITS: u32 = 0x1F_FFFF;
    const INHIBIT: u32 = 1 << 31;
    let unit_ps = u64::from(base_ps).checked_mul(8).filter(|unit| *unit != 0)?;
    let old_ticks = u64::from(idledly & DELAY_BITS);
    let old_ns = old_ticks.saturating_mul(unit_ps).saturating_add(500).checked_div(1000)?;
    let limit_ns = u64::from(maxcnt & 0xF_FFFF).saturating_mul(640);
    let wanted_ns = old_ns.max(5000);
    let floor = |ns: u64| ns.saturating_mul(1000).checked_div(unit_ps);
    let ticks_up = wanted_ns.saturating_mul(1000).div_ceil(unit_ps);
    let too_long = wanted_ns >= limit_ns || ticks_up.saturating_mul(unit_ps) >= limit_ns.saturating_mul(1000);
    let ticks = if too_long { floor(limit_ns.saturating_sub(1))? } else { ticks_up };
    let ticks = crate::num::low32(ticks.min(u64::from(DELAY_BITS)));
    Some(idledly & !(DELAY_BITS | INHIBIT) | ticks)
}

fn adjust_idle_delay<H: Mmio>(regs: &mut Registers<'_, H>, unit: &Unit, clock: GtClock) {
    if !regs.format().engine.adjusts_idle_delay {
        return;
    }
    let idledly = regs.read(unit.base.offset(regs::IDLEDLY_OFFSET));
    let maxcnt = regs.read(unit.base.offset(regs::PWRCTX_MAXCNT_OFFSET));
    match idle_delay(idledly, maxcnt, clock.base_ps) {
        Some(new) if new != idledly => regs.write(unit.base.offset(regs::IDLEDLY_OFFSET), new),
        Some(_) | None => {}
    }
}

/// Brings up the `chosen` ones of GT `gt`'s engines, in id order; all domains must be awake.
///
/// # Errors
/// [`Error::DeviceGone`], [`Error::Interrupted`].
pub fn start_engines<H: Mmio + Clock>(
    regs: &mut Registers<'_, H>,
    gt: GtIndex,
    context: &RuleContext,
    (all, chosen): (EngineMask, EngineMask),
    (topology, clock): (&Topology, GtClock),
) -> Result<(), Error> {
    let compute = all.units().filter(|unit| unit.class == EngineClass::Compute).count();
    for unit in chosen.units() {
        engine_list(regs.format(), context, unit, compute)?.apply(regs, gt, topology)?;
        write_whitelist(regs, context, unit);
        clear_stop_and_errors(regs, unit);
        adjust_idle_delay(regs, unit, clock);
    }
    if compute > 1 {
        regs.write_gt(gt, regs::CCS_MODE, CCS_MODE_ALL_TO_CCS0.word());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_idle_delay_is_raised_to_five_microseconds() {
        // engines sheet §13 checks: unit 416664 ps at 19.2 MHz, 13 ticks.
        assert_eq!(idle_delay(0, 0xF_FFFF, 52_083), Some(13));
        assert_eq!(idle_delay(1 << 31 | 1, 0xF_FFFF, 52_083), Some(13), "the inhibit bit goes");
    }

    #[test]
    fn an_idle_delay_at_or_above_the_limit_falls_below_it() {
        // Limit 10 * 640 ns = 6400 ns; 6399 ns are 15 whole units.
        assert_eq!(idle_delay(100, 10, 52_083), Some(15));
        assert_eq!(idle_delay(100, 0, 52_083), Some(0));
    }

    #[test]
    fn a_long_enough_idle_delay_stays() {
        assert_eq!(idle_delay(20, 0xF_FFFF, 52_083), Some(20));
        assert_eq!(idle_delay(20, 0xF_FFFF, 0), None);
    }
}
