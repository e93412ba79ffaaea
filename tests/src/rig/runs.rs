//! Platforms, and tests run on a fresh device of each.

use super::Rig;
use crate::found::{check_charges, found};
use crate::storage::{boxed, cut};
use barexe_core::Capacities;
use barexe_core::device::{Config, TableWriter};
use barexe_core::gt::{PLATFORMS, TEST_PLATFORMS};
use barexe_sim::{Platform, Sim, SimConfig};

/// Both platforms, for tests that hold on each.
#[must_use]
pub fn platforms() -> [Platform; 2] {
    [Platform::tgl(), Platform::lnl()]
}

/// These, and one with two tiles.
#[must_use]
pub fn tiled_platforms() -> [Platform; 3] {
    let [tgl, lnl] = platforms();
    [tgl, lnl, Platform::tgl_with_tiles(2)]
}

/// These, and the platforms that exist for tests only: several tiles, two copy engines, recoverable faults.
#[must_use]
pub fn all_platforms() -> Vec<Platform> {
    platforms().into_iter().chain(Platform::for_tests()).collect()
}

/// The rows of the driver's table that have the simulated part's.
#[must_use]
pub fn rows(of: &Platform) -> &'static [barexe_core::gt::Platform] {
    if PLATFORMS.iter().any(|row| row.name == of.name) { &PLATFORMS } else { &TEST_PLATFORMS }
}

/// Runs `test` on a fresh device of every platform, once with page tables written by the CPU and once by the copy
/// engine; afterwards the device is closed and the simulator must have nothing to complain about.
///
/// # Panics
/// If `test` does, or the driver broke a rule of the hardware, or did not give every buffer back.
pub fn on_each_platform(test: impl Fn(&mut Rig<'_>)) {
    for tables in [TableWriter::Cpu, TableWriter::Engine] {
        on_each_platform_by(tables, &test);
    }
}

/// As [`on_each_platform`], on the platforms for tests too.
///
/// # Panics
/// As [`on_each_platform`].
pub fn on_every_platform(test: impl Fn(&mut Rig<'_>)) {
    for tables in [TableWriter::Cpu, TableWriter::Engine] {
        for platform in all_platforms() {
            on_opened(&SimConfig::new(platform), Config { tables, ..Config::default() }, &test);
        }
    }
}

/// As [`on_each_platform`], with page tables written by one of them: for tests that count what engines do.
///
/// # Panics
/// As [`on_each_platform`].
pub fn on_each_platform_by(tables: TableWriter, test: impl Fn(&mut Rig<'_>)) {
    for platform in platforms() {
        on_opened(&SimConfig::new(platform), Config { tables, ..Config::default() }, &test);
    }
}

/// As [`on_each_platform`], on one device made as `config` says.
///
/// # Panics
/// As [`on_each_platform`].
pub fn on(config: &SimConfig, test: impl Fn(&mut Rig<'_>)) {
    on_lent(config, Config::default(), &Capacities::DEFAULT, test);
}

/// As [`on`], with a device opened as `opened` says.
///
/// # Panics
/// As [`on_each_platform`].
pub fn on_opened(config: &SimConfig, opened: Config, test: impl Fn(&mut Rig<'_>)) {
    on_lent(config, opened, &Capacities::DEFAULT, test);
}

/// As [`on`], in storage of these capacities.
///
/// # Panics
/// As [`on_each_platform`].
pub fn on_with(config: &SimConfig, capacities: &Capacities, test: impl Fn(&mut Rig<'_>)) {
    on_lent(config, Config::default(), capacities, test);
}

/// As [`on_opened`], in storage of these capacities for each tile.
///
/// # Panics
/// As [`on_each_platform`].
pub fn on_lent(config: &SimConfig, opened: Config, capacities: &Capacities, test: impl Fn(&mut Rig<'_>)) {
    let sim = Sim::new(config).unwrap_or_else(|| panic!("{} is not simulated", config.platform.name));
    let found_before = found(&sim);
    let mut storage = boxed();
    let opened = Config { platforms: rows(&config.platform), ..opened };
    let capacities = capacities.on_tiles(config.platform.tiles.into());
    let mut rig = Rig::open_as(&sim, cut(storage.lend(), &capacities), opened);
    test(&mut rig);
    check_charges(&rig.device);
    // A part that a test has broken answers again, so that what closing leaves can be seen.
    sim.set_faults(&[]);
    let _ = rig.close();
    assert_eq!(sim.violations(), Vec::<String>::new(), "{}", config.platform.name);
    let (given, taken) = sim.buffers();
    assert_eq!(given, taken, "{}: buffers", config.platform.name);
    assert_eq!(found(&sim), found_before, "{}: something of the driver is left", config.platform.name);
    assert_eq!(sim.halted(), [], "{}: an engine stopped", config.platform.name);
}
