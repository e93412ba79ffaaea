//! From reset to running, and back.

use super::driver::{ADS, Driver, FIRMWARE, INFO, POLICIES, WOPCM};
use crate::Platform;

#[test]
fn a_driver_that_loads_nothing_finds_it_in_reset() {
    let mut driver = Driver::new(Platform::tgl(), false);
    assert_eq!(driver.status(), 1);
    assert_eq!(driver.short(&[0x4509, 0]), 0x4509, "nobody answers");
}

#[test]
fn each_gt_starts_its_own() {
    for (platform, media) in [(Platform::tgl(), false), (Platform::lnl(), false), (Platform::lnl(), true)] {
        let mut driver = Driver::new(platform, media);
        driver.load();
        assert_eq!(driver.status(), 0x8001_00EC, "it was jumped to");
        driver.wait(5_000_000);
        assert_eq!(driver.status(), 0x8001_F0EC);
        if media {
            assert_eq!(driver.read_absolute(0xC000), 1, "the other one's is in reset");
        }
        driver.write(0x941C, 1 << 3);
        assert_eq!(driver.status(), 1);
        assert_eq!(driver.sim.violations(), Vec::<String>::new());
    }
}

#[test]
fn protected_memory_is_set_up_once() {
    let mut driver = Driver::new(Platform::tgl(), false);
    driver.write(0xC050, WOPCM.1 | 0xFFE);
    driver.write(0xC340, WOPCM.0 | 2);
    assert_eq!((driver.read(0xC050), driver.read(0xC340)), (WOPCM.1 | 1, WOPCM.0 | 3));
    driver.write(0xC050, 0x4000);
    driver.write(0xC340, 0x8000);
    assert_eq!((driver.read(0xC050), driver.read(0xC340)), (WOPCM.1 | 1, WOPCM.0 | 3));
}

/// Status after a start that something is wrong with.
fn spoilt(spoil: impl FnOnce(&mut Driver)) -> u32 {
    let mut driver = Driver::new(Platform::tgl(), false);
    driver.prepare();
    spoil(&mut driver);
    driver.copy();
    driver.wait(5_000_000);
    let status = driver.status();
    assert_eq!(driver.short(&[0x4509, 0]), 0x4509, "nobody answers");
    status
}

#[test]
fn what_the_boot_rom_and_the_firmware_check() {
    assert_eq!(spoilt(|driver| driver.write(0xC200, 9)) >> 1 & 0x7F, 0x50, "signature");
    assert_eq!(spoilt(|driver| driver.put(FIRMWARE + 24, &[0])) >> 1 & 0x7F, 0x50, "lengths of the container");
    assert_eq!(spoilt(|driver| driver.write(0xC308, 0x4000)) >> 1 & 0x7F, 0x75, "target");
    assert_eq!(spoilt(|driver| driver.write(0xC304, 7 << 16)) >> 1 & 0x7F, 0x75, "source's space");
    assert_eq!(spoilt(|driver| driver.write(0xC310, 128)) >> 1 & 0x7F, 0x75, "no code");
    assert_eq!(spoilt(|driver| driver.write(0xC310, u32::MAX)) >> 1 & 0x7F, 0x74, "too much code");
    assert_eq!(spoilt(|driver| driver.write(0xC194, 0x1F_FFFE)), 0x8000_71EC, "the block's address");
    assert_eq!(spoilt(|driver| driver.put(ADS + 4104, &[0xFEDF_F000])), 0x8000_71EC, "the table of engines");
}

#[test]
fn a_signature_can_lie_in_memory_and_policies_can_be_missing() {
    let mut driver = Driver::new(Platform::tgl(), false);
    driver.prepare();
    driver.write(0xC200, FIRMWARE + 128 + 0x1000);
    driver.put(ADS + 4100, &[0, INFO]);
    driver.put(POLICIES, &[0; 32]);
    driver.copy();
    driver.wait(5_000_000);
    assert_eq!(driver.status(), 0x8001_F0EC);
}

#[test]
fn firmware_is_not_copied_over_one_that_runs() {
    let mut driver = Driver::ready(Platform::tgl(), false);
    driver.copy();
    assert_eq!(driver.sim.violations(), ["firmware is copied to a GuC that was not reset"]);
    assert_eq!(driver.status(), 0x8001_F0EC);
}
