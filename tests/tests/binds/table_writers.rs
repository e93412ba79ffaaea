//! Page tables written by the CPU or by the copy engine: who does it when, and that nobody can tell from the result.
#![expect(clippy::unwrap_used, reason = "helpers of these tests fail by panicking")]

use barexe_core::device::request::{BindFlags, BindKind, BindOp};
use barexe_core::device::{Config, TableWriter, TicketState};
use barexe_core::gt::EngineClass;
use barexe_sim::trace::Event;
use barexe_sim::{Fault, Platform, SimConfig};
use barexe_tests::rig::{Gate, Rig, binary, on_every_platform, on_opened, platforms, store_batch};

const VA: u64 = 0x1A_0000;
/// Where the tables that a job changes appear to it (page-tables sheet §6.3).
const SLOT: &str = "0x1e0";

fn with_timeline(platform: Platform, tables: TableWriter, test: impl Fn(&mut Rig<'_>)) {
    let config = SimConfig { timeline_events: 1 << 16, ..SimConfig::new(platform) };
    on_opened(&config, Config { tables, ..Config::default() }, test);
}

/// Engines that stored into page tables.
fn writers(rig: &Rig<'_>) -> Vec<String> {
    let timeline = rig.sim.timeline();
    let engine = |event: &Event| {
        let Event::Command { engine: (class, instance), text, .. } = event else { return None };
        let stored = text.starts_with("MI_STORE_DATA_IMM") && text.contains(SLOT);
        stored.then(|| format!("{}{instance}", class.short_name()))
    };
    let mut names: Vec<_> = timeline.events().filter_map(|(_, event)| engine(event)).collect();
    names.dedup();
    names
}

/// A bind that waits for a batch, and what stored its entries.
fn deferred(rig: &mut Rig<'_>) -> Vec<String> {
    let vm = rig.vm();
    let bo = rig.bo(0x1000);
    let gate = Gate::shut(rig, vm, EngineClass::Render);
    let before = writers(rig).len();
    let map = rig.bind(vm, 0, &[rig.map_op(bo, VA)], &[binary(gate.syncobj, false)]).unwrap();
    rig.settle();
    assert!(!rig.is_over(map) && writers(rig).len() == before, "nothing is written before the in-sync");
    gate.open(rig);
    assert_eq!(rig.wait(map), TicketState::Done);
    let names = writers(rig);
    rig.write(bo, 0, &store_batch(VA + 0x800, 7));
    let queue = rig.queue(vm, rig.engine(EngineClass::Copy));
    let ran = rig.exec(queue, VA, &[]).unwrap();
    assert_eq!((rig.wait(ran), rig.read(bo, 0x800)), (TicketState::Done, 7));
    names
}

/// R29, and only on an engine that is the driver's own.
#[test]
fn a_bind_that_waits_is_written_by_the_drivers_own_copy_engine() {
    for (platform, want) in [(Platform::tgl(), vec![]), (Platform::lnl(), vec!["bcs8"])] {
        with_timeline(platform, TableWriter::Auto, |rig| assert_eq!(deferred(rig), want));
    }
}

#[test]
fn whoever_is_told_to_writes() {
    for platform in platforms() {
        let engine = if platform.name == "tgl" { "bcs0" } else { "bcs8" };
        with_timeline(platform.clone(), TableWriter::Cpu, |rig| assert!(deferred(rig).is_empty()));
        with_timeline(platform, TableWriter::Engine, |rig| assert_eq!(deferred(rig), [engine]));
    }
}

/// More changes than there is batch memory for, whole tables among them: they take turns.
#[test]
fn a_call_of_many_changes_is_written_whole() {
    on_every_platform(|rig| {
        let vm = rig.vm();
        let (batch, page) = (rig.bo(0x1000), rig.bo(0x1000));
        rig.bind_now(vm, &[rig.map_op(batch, VA)]);
        let at = |n: u64| 0x40_0000 + n * 0x1000;
        let null = BindOp {
            kind: BindKind::MapNull,
            va: at(0),
            range_bytes: 0x20_0000,
            pat_index: rig.coherent_pat(),
            flags: BindFlags::empty(),
        };
        let mut ops = vec![null];
        ops.extend((0..10).map(|n| rig.map_op(page, at(3 * n + 1))));
        ops.extend((0..5).map(|n| rig.unmap_op(at(6 * n + 1), 0x1000)));
        ops.extend((0..5).map(|n| BindOp { va: at(6 * n + 1), range_bytes: 0x1000, ..null }));
        rig.bind_now(vm, &ops);
        let queue = rig.queue(vm, rig.engine(EngineClass::Render));
        for n in 0..10u64 {
            let value = u32::try_from(n).unwrap_or(0) + 1;
            rig.write(page, 0x10, &[0]);
            rig.write(batch, 0, &store_batch(at(3 * n + 1) + 0x10, value));
            let ran = rig.exec(queue, VA, &[]).unwrap();
            assert_eq!(rig.wait(ran), TicketState::Done, "{:?}", rig.sim.halted());
            // Every second page was replaced by nothing.
            assert_eq!(rig.read(page, 0x10), if n % 2 == 0 { 0 } else { value }, "page {n}");
        }
    });
}

/// The other tile's job never reaches its engine.
#[test]
fn a_bind_is_over_when_every_tile_has_written_it() {
    for tile in [0, 1] {
        with_timeline(Platform::tgl_with_tiles(2), TableWriter::Engine, |rig| {
            let (vm, bo) = (rig.vm(), rig.bo(0x1000));
            rig.sim.set_faults(&[Fault::DropsWrites(tile << 24 | 0x2_2550)]);
            let bind = rig.bind(vm, 0, &[rig.map_op(bo, VA)], &[]).unwrap();
            assert_eq!(rig.wait(bind), TicketState::Pending);
            let written = [0, 1].map(|tile| {
                let root = rig.device.vm_root_on(rig.client, vm, tile).unwrap();
                rig.sim.walk(root, VA).is_some()
            });
            assert_eq!(written, [tile == 1, tile == 0], "tile {tile} waits");
        });
    }
}
