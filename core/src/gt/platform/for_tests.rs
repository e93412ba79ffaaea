//! Platforms that nobody built: rows that the simulator offers to tests, to show what no real part here has.
//!
//! A device is opened as one of them only if the [`Config`](crate::device::Config) names these rows; otherwise their ids
//! are as unknown as any, and nothing of this file is in an image.

use super::units::EngineMask;
use super::{LNL, Platform, TGL};

/// The rows.
pub static TEST_PLATFORMS: [Platform; 4] = [
    Platform { name: "tgl-2t", ids: &[0xFF02], max_tiles: 2, ..TGL },
    Platform { name: "tgl-3t", ids: &[0xFF03], max_tiles: 3, ..TGL },
    // BCS1 beside BCS0.
    Platform { name: "tgl-2bcs", ids: &[0xFF04], graphics_engines: EngineMask(0x0000_0007), ..TGL },
    Platform { name: "lnl-faults", ids: &[0xFF05], fault_mode: true, ..LNL },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gt::{PLATFORMS, by_device_id, by_name};

    #[test]
    fn nobody_meets_a_test_platform_who_does_not_ask_for_it() {
        for row in &TEST_PLATFORMS {
            assert!(by_name(row.name).is_none(), "{}", row.name);
            assert!(row.ids.iter().all(|id| by_device_id(*id).is_none()), "{}", row.name);
        }
        assert!(PLATFORMS.iter().all(|row| row.max_tiles == 1 && !row.fault_mode));
    }
}
