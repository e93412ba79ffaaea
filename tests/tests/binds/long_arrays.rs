//! Calls with many operations: what they reserve, and that it is enough.
#![expect(clippy::arithmetic_side_effects, reason = "addresses below 2^33")]

use barexe_core::device::TicketState;
use barexe_core::device::request::{BindFlags, BindKind, BindOp};
use barexe_core::{Capacities, Capacity, Error};
use barexe_sim::SimConfig;
use barexe_tests::found::core_state;
use barexe_tests::rig::{Rig, on_each_platform, on_with, platforms};

const VA: u64 = 1 << 32;
const PAGE: u64 = 0x1000;

fn null(rig: &Rig<'_>, va: u64, pages: u64) -> BindOp {
    let (range_bytes, pat_index) = (pages * PAGE, rig.coherent_pat());
    BindOp { kind: BindKind::MapNull, va, range_bytes, pat_index, flags: BindFlags::empty() }
}

/// S66, with room: neighbours share the tables that they need.
#[test]
fn six_hundred_small_neighbours_fit_default_storage_in_either_direction() {
    on_each_platform(|rig| {
        let (up, down) = (rig.vm(), rig.vm());
        let mut ops: Vec<_> = (0..600).map(|n| null(rig, VA + n * PAGE, 1)).collect();
        rig.bind_now(up, &ops);
        ops.reverse();
        rig.bind_now(down, &ops);
        for vm in [up, down] {
            let root = rig.device.vm_root(rig.client, vm).unwrap();
            let mapped = (0..1024).filter(|n| rig.sim.walk(root, VA + n * PAGE).is_some()).count();
            assert_eq!(mapped, 600);
        }
    });
}

/// S66, without: every operation in tables of its own.
#[test]
fn six_hundred_operations_far_apart_are_refused_by_name() {
    for platform in platforms() {
        on_with(&SimConfig::new(platform), &Capacities::DEFAULT, |rig| {
            let vm = rig.vm();
            let ops: Vec<_> = (0..600).map(|n| null(rig, n << 30, 1)).collect();
            let before = core_state(&rig.device);
            let refused = rig.bind(vm, 0, &ops, &[]);
            assert_eq!(refused, Err(Error::ArrayExhausted(Capacity::PtDirectories)));
            assert_eq!(core_state(&rig.device), before);
            // The client shortens the array.
            rig.bind_now(vm, &ops[..20]);
        });
    }
}

/// What a call unmaps again is reserved for again: its tables come back only after the invalidation.
#[test]
fn tables_that_a_call_drops_are_not_counted_on() {
    on_each_platform(|rig| {
        let vm = rig.vm();
        let mut ops = Vec::new();
        for round in 0..6 {
            let va = VA + round % 3 * (2 << 20);
            ops.extend([null(rig, va, 1), null(rig, va + PAGE, 2), rig.unmap_op(va, 3 * PAGE)]);
            ops.extend([null(rig, va + (2 << 20) - PAGE, 2), null(rig, va, 513), rig.unmap_op(va, 4 << 20)]);
        }
        ops.push(null(rig, VA, 1));
        let ticket = rig.bind(vm, 0, &ops, &[]).unwrap();
        assert_eq!(rig.wait(ticket), TicketState::Done);
        let root = rig.device.vm_root(rig.client, vm).unwrap();
        let mapped = [VA, VA + PAGE].map(|va| rig.sim.walk(root, va).is_some());
        assert_eq!(mapped, [true, false]);
    });
}

/// A call cuts a mapping, unmaps what is left, and is refused: the mapping is one of its object's as before.
#[test]
fn a_mapping_that_a_refused_call_cut_and_unmapped_is_still_found_by_its_object() {
    on_each_platform(|rig| {
        let vm = rig.vm();
        let bo = rig.bo(4 * PAGE);
        rig.bind_now(vm, &[rig.map_op(bo, VA)]);
        let mut ops = vec![rig.unmap_op(VA, PAGE), rig.unmap_op(VA + PAGE, 3 * PAGE)];
        ops.extend((1..100).map(|n| null(rig, VA + (n << 39), 1)));
        assert_eq!(rig.bind(vm, 0, &ops, &[]), Err(Error::ArrayExhausted(Capacity::PtDirectories)));
        rig.bind_now(vm, &[rig.unmap_op(VA + PAGE, 3 * PAGE)]);
        let all = BindOp { kind: BindKind::UnmapAll { bo: bo.bo }, va: 0, range_bytes: 0, ..rig.unmap_op(0, 0) };
        rig.bind_now(vm, &[all]);
        let root = rig.device.vm_root(rig.client, vm).unwrap();
        let left = (0..4).filter(|n| rig.sim.walk(root, VA + n * PAGE).is_some()).count();
        assert_eq!(left, 0, "{}", rig.name());
    });
}
