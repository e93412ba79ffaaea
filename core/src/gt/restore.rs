//! After a reset: programming again what it lost (engines sheet §10.1).
//!
//! GGTT entries, fuses, configuration space and, as far as anyone knows, forcewake requests survive. Registers of the
//! GTs and of the engines do not, PAT and MOCS among them; nor do TLBs, see
//! [`flushed_by_reset`](crate::mem::tlb::TlbInvalidator::flushed_by_reset).

use super::access::{GtIndex, Registers};
use super::bring_up::{Ground, rule_context, start_gts};
use super::cache_policy::program_pat;
use super::engine_init::start_engines;
use super::forcewake::{self, Domains};
use super::info::DeviceInfo;
use super::irq_setup;
use super::units::EngineMask;
use crate::Error;
use barexe_hal::Hal;

/// Puts every GT back into the state in which bring-up left it: forcewake, PAT, interrupt enables, workarounds, MOCS,
/// engine registers, slice mode.
///
/// The exact list of survivors is not determined, so what may have survived is written again too: that changes
/// nothing. Contexts must be submitted anew.
///
/// # Errors
/// [`Error::DeviceGone`], [`Error::TimedOut`] if a power domain does not wake, [`Error::Interrupted`]. The call may
/// then be repeated; forcewake stays with the device until [`quiesce`](super::quiesce).
pub fn restore<H: Hal>(hal: &mut H, info: &DeviceInfo) -> Result<(), Error> {
    let mut regs = Registers::new(hal, info.format());
    forcewake::wake(&mut regs, info.held.awake, &mut Domains::default())?;
    for gt in 0..info.gt_count {
        program_pat(&mut regs, gt)?;
        irq_setup::enable_engines(&mut regs, info.platform.possible_engines(gt));
    }
    start_gts(&mut regs, &ground(info)).map(|_clocks| ())
}

/// Programs engines of one GT again after they were [reset alone](super::engine_reset).
///
/// # Errors
/// [`Error::DeviceGone`], [`Error::Interrupted`]. The call may then be repeated.
pub fn restore_engines<H: Hal>(hal: &mut H, info: &DeviceInfo, gt: GtIndex, engines: EngineMask) -> Result<(), Error> {
    let mut regs = Registers::new(hal, info.format());
    let of_gt = info.engine_mask(gt);
    let context = rule_context(info.format(), &ground(info), gt, of_gt);
    let clock = info.clocks.get(usize::from(gt)).copied().unwrap_or_default();
    start_engines(&mut regs, gt, &context, (of_gt, engines), (&info.topology, clock))
}

fn ground(info: &DeviceInfo) -> Ground<'_> {
    Ground {
        graphics: info.graphics,
        media: info.media,
        gt_count: info.gt_count,
        by_gt: [info.engine_mask(0), info.engine_mask(1)],
        topology: &info.topology,
        flat_ccs: info.flat_ccs,
    }
}
