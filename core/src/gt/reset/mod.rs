//! Reset of whole GTs (engines sheet §10.1).

pub mod engine;
pub mod engine_error;
pub mod restore;

use super::info::DeviceInfo;
use super::registers::access::Registers;
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
    for gt in info.gts() {
        regs.of_tile(gt.tile).write_gt(gt.index, GDRST, FULL);
    }
    for gt in info.gts() {
        let _gone =
            regs.of_tile(gt.tile).poll_until(super::registers::access::on_gt(gt.index, GDRST), FULL, 0, TIMEOUT);
    }
}
