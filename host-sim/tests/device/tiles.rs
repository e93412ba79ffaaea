//! Parts with several tiles: a block of BAR 0 for each, with everything of its own.

use barexe_hal::{ConfigSpace as _, Mmio as _, RegOffset};
use barexe_sim::{Platform, Sim, SimConfig, SimHal};

/// Tile count less one in bits 15:8.
const MTCFG: RegOffset = RegOffset::at(0x10_1800);
/// Forcewake of the GT domain: request, acknowledge.
const WAKE: (RegOffset, RegOffset) = (RegOffset::at(0xA188), RegOffset::at(0x13_0044));

fn part(platform: Platform) -> (Sim, SimHal) {
    let sim = Sim::new(&SimConfig::new(platform)).unwrap();
    let mut hal = sim.hal();
    hal.config_write32(4, 6).unwrap();
    (sim, hal)
}

#[test]
fn tile_0_says_how_many_there_are() {
    for tiles in [2, 3] {
        let (_, mut hal) = part(Platform::tgl_with_tiles(tiles));
        assert_eq!(hal.read32(MTCFG), u32::from(tiles - 1) << 8);
        assert_eq!(hal.read32(MTCFG.on_tile(1)), 0, "on tile 0 alone");
    }
    assert_eq!(part(Platform::tgl()).1.read32(MTCFG), 0, "one tile");
}

#[test]
fn registers_power_and_entries_of_one_tile_are_no_others() {
    let (sim, mut hal) = part(Platform::tgl_with_tiles(2));
    hal.write32(WAKE.0.on_tile(1), 0x0001_0001);
    sim.advance(barexe_hal::Nanos::from_micros(50));
    assert_eq!([0, 1].map(|tile| hal.read32(WAKE.1.on_tile(tile)) & 1), [0, 1]);
    // A fuse: each tile has it, and only one is awake.
    let fuse = RegOffset::at(0x9140);
    assert_eq!((hal.read32(fuse.on_tile(1)), hal.read32(fuse)), (0x000E_00FA, 0));
    let entry = RegOffset::ggtt_entry(0x1234).unwrap();
    hal.write64_steps(entry.on_tile(1), 0x5001, 0, 1);
    let mut read = |tile| {
        let mut entry_now = [0];
        hal.read64_run(entry.on_tile(tile), &mut entry_now);
        entry_now[0]
    };
    assert_eq!([0, 1].map(&mut read), [0, 0x5001]);
    assert_eq!(
        sim.snapshot().ggtt.iter().map(|run| (run.first, run.pages)).collect::<Vec<_>>(),
        [(1 << 20 | 0x1234, 1)]
    );
    assert_eq!(sim.violations(), ["read of 0x9140 while Gt sleeps"]);
}

#[test]
fn a_tile_that_there_is_not_answers_all_ones_and_is_a_violation() {
    let (sim, mut hal) = part(Platform::tgl_with_tiles(2));
    assert_eq!(hal.read32(MTCFG.on_tile(2)), u32::MAX);
    hal.write32(MTCFG.on_tile(2), 0);
    assert_eq!(sim.violations().len(), 2, "{:?}", sim.violations());
}
