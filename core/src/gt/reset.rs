//! Reset of whole GTs (engines sheet §10.1).

use super::access::Registers;
use super::info::DeviceInfo;
use super::regs::GDRST;
use barexe_hal::{Hal, Nanos};

/// Everything on the GT.
const FULL: u32 = 1;
/// Longest time a reset takes.
const TIMEOUT: Nanos = Nanos::from_millis(5);

/// Stops everything that runs on every GT. What the engines were set up with is lost; memory and the GGTT stay.
///
/// Never fails and is bounded: a GT that does not come back, or a device that is gone, is stopped as far as a driver
/// can stop it.
pub fn full<H: Hal>(hal: &mut H, info: &DeviceInfo) {
    let mut regs = Registers::new(hal, info.format());
    for gt in 0..info.gt_count {
        regs.write_gt(gt, GDRST, FULL);
    }
    for gt in 0..info.gt_count {
        let _gone = regs.poll_until(super::access::on_gt(gt, GDRST), FULL, 0, TIMEOUT);
    }
}
