//! Devices that cannot be opened: each a typed error with the value that was wrong, and nothing changed.
#![expect(clippy::panic, reason = "helpers of these tests fail by panicking")]

use barexe_core::device::{Config, Device};
use barexe_core::{Capacity, Errno, Error};
use barexe_sim::{AckMode, Fault, Platform, Sim, SimConfig};
use barexe_tests::found::found;
use barexe_tests::rig::{rows, tiled_platforms};
use barexe_tests::storage::boxed;

/// As the driver is opened for the part.
fn config(sim: &Sim) -> Config {
    Config { platforms: rows(&sim.platform()), ..Config::default() }
}

/// Opens a part that must be refused, looks whether anything changed, and gives the reason. Afterwards, without the
/// faults, the same part opens in the same storage, if it is one that can be opened at all.
fn refused(sim: &Sim, heals: bool) -> Error {
    let mut owner = boxed();
    let before = found(sim);
    let refused = match Device::open(sim.hal(), owner.lend(), config(sim), None) {
        Ok(_) => panic!("opened"),
        Err(refused) => refused,
    };
    assert_eq!(found(sim), before, "refused with {}", refused.error);
    let (given, taken) = sim.buffers();
    assert_eq!(given, taken, "refused with {}", refused.error);
    assert_eq!(sim.violations(), Vec::<String>::new());
    if heals {
        sim.set_faults(&[]);
        sim.set_forcewake(AckMode::After(2_000));
        let device = Device::open(refused.hal, refused.storage, config(sim), None);
        drop(device.unwrap_or_else(|again| panic!("after {}: {}", refused.error, again.error)).close());
        assert_eq!(found(sim), before);
    }
    refused.error
}

fn part(platform: Platform) -> Sim {
    Sim::new(&SimConfig::new(platform)).unwrap_or_else(|| panic!("not simulated"))
}

fn refused_with(platform: Platform, fault: Fault) -> Error {
    let sim = part(platform);
    sim.set_faults(&[fault]);
    refused(&sim, true)
}

#[test]
fn registers_that_all_read_as_ones() {
    for platform in tiled_platforms() {
        let error = refused_with(platform, Fault::GoneFromAccess(0));
        assert_eq!((error, error.errno()), (Error::DeviceGone, Errno::ENODEV));
    }
}

#[test]
fn configuration_space_that_reads_as_ones() {
    for platform in tiled_platforms() {
        assert_eq!(refused_with(platform, Fault::ConfigReads(0, u32::MAX)), Error::DeviceGone);
    }
}

#[test]
fn a_device_of_another_vendor() {
    let error = refused_with(Platform::tgl(), Fault::ConfigReads(0, 0x1234_1AF4));
    assert_eq!(error, Error::Invalid { what: "PCI vendor id", value: 0x1AF4 });
}

#[test]
fn an_unknown_device_id() {
    for id in [0x0000, 0x1234, 0x9A4A, 0xFFFF] {
        let error = refused(&part(Platform { device_id: id, ..Platform::tgl() }), false);
        assert_eq!(error, Error::Invalid { what: "PCI device id", value: u64::from(id) });
    }
}

/// Rows for tests are for those who name them.
#[test]
fn a_test_platform_that_nobody_asked_for() {
    for platform in Platform::for_tests() {
        let (sim, mut owner) = (part(platform.clone()), boxed());
        let before = found(&sim);
        let refused = Device::open(sim.hal(), owner.lend(), Config::default(), None).map(drop);
        let want = Error::Invalid { what: "PCI device id", value: platform.device_id.into() };
        assert_eq!(refused.map_err(|refused| refused.error), Err(want), "{}", platform.name);
        assert_eq!(found(&sim), before);
    }
}

#[test]
fn more_tiles_than_the_platform_has() {
    const MTCFG: u32 = 0x10_1800;
    for count in [2, 3, 0xFE, 0xFF] {
        let word = count << 8;
        let error = refused_with(Platform::tgl_with_tiles(2), Fault::Reads(MTCFG, word));
        assert_eq!(error, Error::DeviceBroken { what: "tile count", value: word.into() });
    }
    assert_eq!(refused_with(Platform::tgl_with_tiles(2), Fault::ReadsAllOnes(MTCFG)), Error::DeviceGone);
}

/// One tile answers and the other one does not wake.
#[test]
fn a_tile_that_does_not_wake() {
    let error = refused_with(Platform::tgl_with_tiles(2), Fault::Reads(0x113_0044, 0));
    assert_eq!(error, Error::TimedOut);
}

/// The device id is Lunar Lake's, the register that names the version says something else.
#[test]
fn an_unknown_graphics_version() {
    // Graphics 20.01, 12.70, 30.00 and what is left when only the lowest bits come back.
    for (gmd_id, version) in [(0x0500_4004, 2001), (0x0311_8004, 1270), (0x0780_0000, 3000), (0x4, 0)] {
        let error = refused_with(Platform::lnl(), Fault::Reads(0xD8C, gmd_id));
        assert_eq!(error, Error::Invalid { what: "graphics version", value: version }, "{gmd_id:#x}");
    }
    assert_eq!(refused_with(Platform::lnl(), Fault::ReadsAllOnes(0xD8C)), Error::DeviceGone);
}

/// A media version that nobody knows is a device without media, as long as the graphics version is known.
#[test]
fn an_unknown_media_version_leaves_the_main_gt() {
    let sim = part(Platform::lnl());
    sim.set_faults(&[Fault::Reads(0x38_0D8C, 0x0780_0000)]);
    let mut owner = boxed();
    let opened = Device::open(sim.hal(), owner.lend(), config(&sim), None);
    let device = opened.unwrap_or_else(|refused| panic!("{}", refused.error));
    assert_eq!((device.info().gt_count, device.info().media), (1, None));
    assert!(device.info().engines.iter().all(|engine| engine.gt == 0));
    drop(device.close());
    assert_eq!(sim.violations(), Vec::<String>::new());
}

#[test]
fn a_device_without_global_gtt() {
    let error = refused(&part(Platform { ggms: Some(0), ..Platform::tgl() }), false);
    assert!(matches!(error, Error::DeviceBroken { value: 0, .. }), "{error}");
    assert_eq!(error.errno(), Errno::EIO);
}

#[test]
fn power_domains_that_do_not_wake_or_do_not_answer() {
    for platform in tiled_platforms() {
        for (mode, want) in [(AckMode::Stuck, Error::TimedOut), (AckMode::AllOnes, Error::DeviceGone)] {
            let sim = part(platform.clone());
            sim.set_forcewake(mode);
            assert_eq!(refused(&sim, true), want, "{} {mode:?}", platform.name);
        }
    }
}

/// Single registers that bring-up reads: each either matters and is noticed, or does not and the device opens. A fuse
/// that makes engines up shows when their power domains do not wake.
#[test]
fn any_single_register_that_reads_as_ones() {
    for platform in tiled_platforms() {
        let shift = if platform.media_gt { 0x38_0000 } else { 0 };
        let registers = platform.fixed.iter().map(|(register, _)| *register).chain([0xDFC, 0xD84, shift + 0xD50]);
        let on = |tile: u32| registers.clone().map(move |register| tile << 24 | register);
        for register in (0..u32::from(platform.tiles)).flat_map(on) {
            let sim = part(platform.clone());
            sim.set_faults(&[Fault::ReadsAllOnes(register)]);
            let before = found(&sim);
            let mut owner = boxed();
            let what = format!("{} with {register:#x} all ones", platform.name);
            match Device::open(sim.hal(), owner.lend(), config(&sim), None) {
                Ok(device) => drop(device.close()),
                Err(refused) => {
                    let noticed = matches!(refused.error, Error::DeviceGone | Error::TimedOut);
                    assert!(noticed, "{what}: {}", refused.error);
                }
            }
            assert_eq!((found(&sim), sim.violations()), (before, vec![]), "{what}");
        }
    }
}

/// Firmware that maps every other page has more ranges than the driver has room to note.
#[test]
fn more_firmware_ranges_than_there_is_room_for() {
    for platform in tiled_platforms() {
        let sim = part(platform);
        for page in 0..300 {
            sim.plant_ggtt(0x4000 + 2 * page, 0x7000_0001);
        }
        assert_eq!(refused(&sim, false), Error::Exhausted(Capacity::GgttNodes));
    }
}
