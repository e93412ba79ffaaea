//! Shares: what one client takes of the lent storage is never what another was promised.
//!
//! One row for each capacity: a client takes all it can get, its neighbour still gets its whole share and not one place
//! more, and everything comes back. A capacity without a row fails the first test.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of these tests fail by panicking, and count"
)]

use barexe_core::device::{ClientId, Config};
use barexe_core::{Capacities, Capacity, Error, Shares};
use barexe_sim::{Platform, SimConfig};
use barexe_tests::fill::{FILLS, Fill, Ids, ranges_of_nobody};
use barexe_tests::found::{check_charges, core_state};
use barexe_tests::rig::{Rig, SPACE, on_each_platform, on_lent, platforms};
use barexe_tests::storage::FIELDS;

/// The hostile client, its neighbour, and whoever comes next; as many again where each needs one to take objects from.
const fn clients(row: &Fill) -> usize {
    if matches!(row.capacity, Capacity::BoImports) { 6 } else { 3 }
}

/// The rows of capacities that have shares.
fn rows() -> impl Iterator<Item = &'static Fill> {
    FILLS.iter().filter(|row| Shares::CAPACITIES.contains(&row.capacity))
}

#[test]
fn every_capacity_has_shares_or_needs_none_and_every_share_has_a_row() {
    for capacity in Shares::CAPACITIES {
        assert_eq!(rows().filter(|row| row.capacity == *capacity).count(), 1, "{capacity:?}");
    }
    // Places of one call only, places of clients themselves, the device's own, and blocks of tables, which are shared by table.
    let without = [Capacity::BindOps, Capacity::OutSyncs, Capacity::Clients, Capacity::Ports, Capacity::PtBlocks];
    for field in FIELDS {
        let has_shares = Shares::CAPACITIES.contains(&field.capacity);
        assert_ne!(has_shares, without.contains(&field.capacity), "{}", field.name);
    }
}

/// On a device with as many places of the row's capacity as its clients are promised.
fn on_shared(platform: Platform, row: &Fill, test: impl Fn(&mut Rig<'_>, u32)) {
    let config = SimConfig::new(platform);
    let tiles = usize::from(config.platform.tiles);
    let is_pt = matches!(row.capacity, Capacity::PtNodes | Capacity::PtDirectories);
    let field = FIELDS.iter().find(|field| field.name == row.field).unwrap();
    let nobodys = if row.capacity == Capacity::GgttNodes { ranges_of_nobody(&config) } else { 0 };
    // Storage for page tables is made for all tiles by whoever lends it.
    let share = if is_pt { row.len * tiles } else { row.len };
    let capacities = Capacities { clients: clients(row), ..Capacities::DEFAULT };
    let capacities = field.of_choice(capacities, clients(row) * row.len + nobodys);
    let shares = Shares::NONE.with(row.capacity, share as u32);
    on_lent(&config, Config { shares, ..Config::default() }, &capacities, |rig| test(rig, share as u32));
}

/// Calls until one is refused; how many passed. The refusal names the capacity and changes nothing.
fn fill(rig: &mut Rig<'_>, ids: &mut Ids, row: &Fill) -> u32 {
    for passed in 0..200 {
        let before = core_state(&rig.device);
        let done = (row.fill)(rig, ids);
        check_charges(&rig.device);
        let Err(error) = done else { continue };
        assert_eq!(core_state(&rig.device), before, "{}: refused with {error}", row.field);
        let (Error::Exhausted(capacity) | Error::ArrayExhausted(capacity)) = error else {
            panic!("{}: {error}", row.field);
        };
        assert_eq!(capacity, row.capacity, "{}", row.field);
        return passed;
    }
    panic!("{}: there is no end", row.field);
}

fn held(rig: &Rig<'_>, client: ClientId, row: &Fill) -> u32 {
    rig.device.places_held(client, row.capacity).unwrap()
}

#[test]
fn whoever_takes_all_it_can_get_leaves_others_their_whole_share() {
    for (platform, row) in platforms().into_iter().flat_map(|platform| rows().map(move |row| (platform.clone(), row))) {
        on_shared(platform, row, |rig, share| {
            let neighbour = rig.device.client_open_in(false, SPACE).unwrap();
            let hostile = core::mem::replace(&mut rig.client, neighbour);
            let mut ids = Ids::begin(rig);
            rig.client = hostile;
            let mut theirs = Ids::begin(rig);
            let got = fill(rig, &mut theirs, row);
            let taken = held(rig, hostile, row);
            assert!(taken <= share && got > 0, "{}: {got} calls took {taken} of {share}", row.field);

            rig.client = neighbour;
            assert_eq!(fill(rig, &mut ids, row), got, "{}: as much as the other", row.field);
            assert_eq!(held(rig, neighbour, row), taken, "{}", row.field);
            (row.drain)(rig, &mut ids);
            assert_eq!((row.fill)(rig, &mut ids), Ok(()), "{}: once it has made room itself", row.field);

            // Whoever comes after a client finds its share whole.
            rig.device.client_close(hostile).unwrap();
            rig.settle();
            rig.client = rig.device.client_open_in(false, SPACE).unwrap();
            assert_eq!(held(rig, rig.client, row), 0, "{}", row.field);
            let mut next = Ids::begin(rig);
            assert_eq!(fill(rig, &mut next, row), got, "{}: who comes next", row.field);
            for client in [rig.client, neighbour] {
                rig.device.client_close(client).unwrap();
            }
            rig.settle();
            check_charges(&rig.device);
        });
    }
}

#[test]
fn a_share_is_what_a_client_can_have_and_one_place_less_is_one_less() {
    // Of these a call takes one place.
    let single = [Capacity::Bos, Capacity::Syncobjs, Capacity::Jobs, Capacity::BoImports, Capacity::Sleepers];
    for (platform, row) in platforms().into_iter().flat_map(|platform| rows().map(move |row| (platform.clone(), row))) {
        for less in (0..2).filter(|_| single.contains(&row.capacity)) {
            let row = Fill { len: row.len - less, ..*row };
            on_shared(platform.clone(), &row, |rig, share| {
                let mut ids = Ids::begin(rig);
                let before = held(rig, rig.client, &row);
                assert_eq!(fill(rig, &mut ids, &row), share - before, "{}", row.field);
                assert_eq!(held(rig, rig.client, &row), share, "{}", row.field);
            });
        }
    }
}

/// What is left over is for whoever comes first; what was promised is not.
#[test]
fn beyond_its_share_a_client_may_take_what_nobody_was_promised() {
    for platform in platforms() {
        let capacities = Capacities { clients: 2, syncobjs: 10, ..Capacities::DEFAULT };
        let shares = Shares { syncobjs: 3, ..Shares::NONE };
        on_lent(&SimConfig::new(platform), Config { shares, ..Config::default() }, &capacities, |rig| {
            let hostile = rig.client;
            let create = |rig: &mut Rig<'_>| rig.device.syncobj_create(rig.client, false);
            let mine: Vec<u32> = core::iter::from_fn(|| create(rig).ok()).collect();
            assert_eq!(mine.len(), 7);
            rig.client = rig.device.client_open(false).unwrap();
            assert_eq!(core::iter::from_fn(|| create(rig).ok()).count(), 3);
            rig.device.syncobj_destroy(hostile, mine[0]).unwrap();
            assert!(create(rig).is_ok(), "free again for anybody");
            assert!(rig.device.syncobj_create(hostile, false).is_err());
        });
    }
}

#[test]
fn objects_that_outlive_their_client_are_charged_to_it_and_keep_its_place() {
    for platform in platforms() {
        let capacities = Capacities { clients: 2, ..Capacities::DEFAULT };
        let shares = Shares { bos: 2, ..Shares::NONE };
        on_lent(&SimConfig::new(platform), Config { shares, ..Config::default() }, &capacities, |rig| {
            let (maker, bo) = (rig.client, rig.bo(0x1000));
            let exported = rig.device.bo_export(maker, bo.bo).unwrap();
            rig.client = rig.device.client_open(false).unwrap();
            let imported = rig.device.bo_import(rig.client, &exported).unwrap();
            rig.device.bo_export_close(exported).unwrap();
            rig.device.client_close(maker).unwrap();
            rig.settle();
            check_charges(&rig.device);
            assert_eq!(held(rig, rig.client, rows().find(|row| row.field == "bos").unwrap()), 0);
            assert_eq!(rig.device.client_open(false), Err(Error::Exhausted(Capacity::Clients)));
            assert_eq!(rig.device.client_is_privileged(maker).map_err(|error| error.errno().code()), Err(2));
            rig.device.bo_close(rig.client, imported).unwrap();
            assert!(rig.device.client_open(false).is_ok());
            check_charges(&rig.device);
        });
    }
}

/// Without shares a place among the clients is free at once, whatever is left of its client.
#[test]
fn without_shares_whoever_comes_first_has_everything() {
    on_each_platform(|rig| {
        let created = core::iter::from_fn(|| rig.device.syncobj_create(rig.client, false).ok()).count();
        assert_eq!(created, Capacities::DEFAULT.syncobjs);
        check_charges(&rig.device);
    });
}

#[test]
fn shares_that_do_not_fit_are_refused_by_name() {
    for platform in platforms() {
        let config = SimConfig::new(platform);
        let tiles = usize::from(config.platform.tiles);
        let capacities = Capacities::DEFAULT.on_tiles(tiles);
        let even = Shares::even(&capacities);
        barexe_tests::rig::on_opened(&config, Config { shares: even, ..Config::default() }, check_both);
        let nobodys = ranges_of_nobody(&config);
        for capacity in Shares::CAPACITIES {
            let of_queues = *capacity == Capacity::GgttNodes;
            let ranges = (capacities.ggtt_nodes - nobodys) / capacities.clients;
            let most = if of_queues { ranges as u32 } else { even.of(*capacity) };
            for (share, refusal) in [(most, None), (most + 1, Some(Error::Overpromised(*capacity)))] {
                assert_eq!(refusal_of(&config, &capacities, even.with(*capacity, share)), refusal, "{capacity:?}");
            }
        }
    }
}

fn check_both(rig: &mut Rig<'_>) {
    let _ = Ids::begin(rig);
    check_charges(&rig.device);
}

/// Why a device is not opened; hardware, HAL and storage come back.
fn refusal_of(config: &SimConfig, capacities: &Capacities, shares: Shares) -> Option<Error> {
    let sim = barexe_sim::Sim::new(config).unwrap();
    let mut storage = barexe_tests::storage::boxed();
    let lent = barexe_tests::storage::cut(storage.lend(), capacities);
    let rows = barexe_tests::rig::rows(&config.platform);
    let opened = barexe_core::device::Device::open(
        sim.hal(),
        lent,
        Config { shares, platforms: rows, ..Config::default() },
        None,
    );
    let refusal = match opened {
        Ok(device) => {
            let _ = device.close();
            None
        }
        Err(refused) => {
            assert_eq!(refused.storage.capacities(), *capacities);
            Some(refused.error)
        }
    };
    let (given, taken) = sim.buffers();
    assert_eq!((given, sim.violations()), (taken, Vec::<String>::new()));
    refusal
}
