//! After a reset: programming again what it lost (engines sheet §10.1).
//!
//! GGTT entries, fuses, configuration space and, as far as anyone knows, forcewake requests survive. Registers of the
//! GTs and of the engines do not, PAT and MOCS among them; nor do TLBs, see
//! [`flushed_by_reset`](crate::mem::tlb::TlbInvalidator::flushed_by_reset).

use crate::Error;
use crate::gt::bring_up::{Ground, rule_context, start_gts};
use crate::gt::info::{DeviceInfo, Gt, TileInfo};
use crate::gt::irq::enables;
use crate::gt::platform::units::EngineMask;
use crate::gt::registers::access::Registers;
use crate::gt::registers::forcewake::{self, Domains};
use crate::gt::setup::cache_policy::program_pat;
use crate::gt::setup::engine::start_engines;
use barexe_hal::Hal;

/// Puts every GT back into the state in which bring-up left it: forcewake, PAT, interrupt enables, workarounds, MOCS,
/// engine registers, slice mode.
///
/// The exact list of survivors is not determined, so what may have survived is written again too: that changes
/// nothing. Contexts must be submitted anew.
///
/// # Errors
/// [`Error::DeviceGone`], [`Error::TimedOut`] if a power domain does not wake, [`Error::Interrupted`]. The call may
/// then be repeated; forcewake stays with the device until [`quiesce`](crate::gt::quiesce).
pub fn restore<H: Hal>(hal: &mut H, info: &DeviceInfo) -> Result<(), Error> {
    let mut regs = Registers::new(hal, info.format());
    for ((tile, found), awake) in (0..).zip(&info.tiles).zip(info.held.awake) {
        restore_tile(&mut regs.of_tile(tile), info, found, awake)?;
    }
    Ok(())
}

fn restore_tile<H: Hal>(
    regs: &mut Registers<'_, H>,
    info: &DeviceInfo,
    found: &TileInfo,
    awake: Domains,
) -> Result<(), Error> {
    forcewake::wake(regs, awake, &mut Domains::default())?;
    for gt in 0..info.gt_count {
        program_pat(regs, gt)?;
        enables::enable_engines(regs, info.platform.possible_engines(gt));
    }
    start_gts(regs, &ground(info, regs.tile(), found)).map(|_clocks| ())
}

/// Programs engines of one GT again after they were [reset alone](super::engine).
///
/// # Errors
/// [`Error::DeviceGone`], [`Error::Interrupted`]. The call may then be repeated.
pub fn restore_engines<H: Hal>(hal: &mut H, info: &DeviceInfo, gt: Gt, engines: EngineMask) -> Result<(), Error> {
    let Some(found) = info.tiles.get(usize::from(gt.tile)) else { return Ok(()) };
    let mut regs = Registers::on_tile(hal, info.format(), gt.tile);
    let of_gt = info.engines_on(gt.tile, gt.index);
    let context = rule_context(info.format(), &ground(info, gt.tile, found), gt.index, of_gt);
    let clock = found.clocks.get(usize::from(gt.index)).copied().unwrap_or_default();
    start_engines(&mut regs, gt.index, &context, (of_gt, engines), (&found.topology, clock))
}

fn ground<'i>(info: &DeviceInfo, tile: u8, found: &'i TileInfo) -> Ground<'i> {
    Ground {
        graphics: info.graphics,
        media: info.media,
        gt_count: info.gt_count,
        by_gt: [0, 1].map(|index| info.engines_on(tile, index)),
        topology: &found.topology,
        flat_ccs: info.flat_ccs,
    }
}
