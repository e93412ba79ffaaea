//! One request through every room: bind, exec and fence on the simulated parts.
#![expect(clippy::unwrap_used, reason = "helpers of these tests fail by panicking")]

use barexe_core::device::TicketState;
use barexe_core::device::request::{BindFlags, BindKind, BindOp, SyncEntry, SyncTarget, VmFlags};
use barexe_core::gt::{Engine, EngineClass};
use barexe_core::num::low32;
use barexe_core::{Errno, Error};
use barexe_tests::rig::{BATCH_END, Gate, JUMP, Rig, binary, on_every_platform, point, store, store_batch};

const VA: u64 = 0x1A_0000;
const RESULT: u64 = 0x800;

#[test]
fn every_engine_runs_a_batch_that_stores() {
    on_every_platform(|rig| {
        let vm = rig.vm();
        let bo = rig.bo(0x1000);
        rig.bind_now(vm, &[rig.map_op(bo, VA)]);
        let engines = rig.engines();
        assert!(engines.len() >= 5, "{engines:?}");
        for (value, engine) in (0xC0FF_EE00u32..).zip(engines) {
            let queue = rig.queue(vm, engine);
            rig.write(bo, 0, &store_batch(VA + RESULT, value));
            let ticket = rig.exec(queue, VA, &[]).unwrap();
            assert_eq!(rig.wait(ticket), TicketState::Done, "{engine:?} {:?}", rig.sim.halted());
            assert_eq!(rig.read(bo, RESULT), value, "{engine:?}");
        }
    });
}

#[test]
fn the_numbers_of_a_queue_pass_the_wrap_and_jobs_stay_in_order() {
    on_every_platform(|rig| {
        let vm = rig.vm();
        let bo = rig.bo(0x10000);
        rig.bind_now(vm, &[rig.map_op(bo, VA)]);
        let queue = rig.queue(vm, rig.engine(EngineClass::Copy));
        // The numbers start 127 below the wrap.
        for round in 0..300u32 {
            let at = u64::from(round % 64) * 64;
            rig.write(bo, at, &store_batch(VA + 0x8000 + u64::from(round) * 4, round));
            let ticket = rig.exec(queue, VA + at, &[]).unwrap();
            if round % 64 == 63 || round == 299 {
                assert_eq!(rig.wait(ticket), TicketState::Done, "round {round}");
            }
        }
        for round in 0..300u32 {
            assert_eq!(rig.read(bo, 0x8000 + u64::from(round) * 4), round);
        }
    });
}

#[test]
fn leaves_are_as_large_as_alignment_and_memory_allow() {
    on_every_platform(|rig| {
        let vm = rig.vm();
        let bo = rig.bo(6 << 20);
        rig.bind_now(vm, &[rig.map_op(bo, 1 << 32)]);
        rig.bind_now(vm, &[rig.map_op(bo, (2 << 32) + 0x1000)]);
        let batch = rig.bo(0x1000);
        rig.bind_now(vm, &[rig.map_op(batch, VA)]);
        let queue = rig.queue(vm, rig.engine(EngineClass::Copy));
        // What one mapping writes the other reads back at its own address: both lead to the same bytes.
        for (at, value) in [(0u64, 1u32), (0x1F_F000, 2), (0x20_0000, 3), (0x5F_FFFC, 4), (0x41_0000, 5)] {
            for base in [1u64 << 32, (2 << 32) + 0x1000] {
                rig.write(batch, 0, &store_batch(base + at, value + low32(base)));
                let ticket = rig.exec(queue, VA, &[]).unwrap();
                assert_eq!(rig.wait(ticket), TicketState::Done, "{:?}", rig.sim.halted());
                assert_eq!(rig.read(bo, at), value + low32(base), "{base:#x}+{at:#x}");
            }
        }
    });
}

#[test]
fn in_syncs_hold_a_job_back_and_out_syncs_follow_it() {
    on_every_platform(|rig| {
        let vm = rig.vm();
        let bo = rig.bo(0x1000);
        rig.bind_now(vm, &[rig.map_op(bo, VA)]);
        let (copy, render) = (rig.engine(EngineClass::Copy), rig.engine(EngineClass::Render));
        let (first, second) = (rig.queue(vm, copy), rig.queue(vm, render));
        // The second batch copies nothing: it overwrites what the first stored, so order shows in the result.
        rig.write(bo, 0, &store_batch(VA + RESULT, 1));
        rig.write(bo, 0x100, &store_batch(VA + RESULT, 2));
        let (s, out) = (rig.syncobj(), rig.syncobj());
        let one = rig.exec(first, VA, &[binary(s, true)]).unwrap();
        let two = rig.exec(second, VA + 0x100, &[binary(s, false), binary(out, true), point(s, 7, true)]).unwrap();
        assert!(!rig.is_signalled(out));
        assert_eq!((rig.wait(one), rig.wait(two)), (TicketState::Done, TicketState::Done));
        assert!(rig.is_signalled(out) && rig.is_signalled(s));
        assert_eq!(rig.read(bo, RESULT), 2);
        // The point exists now, and an earlier one would have to exist too.
        assert!(rig.exec(first, VA, &[point(s, 7, false)]).is_ok());
        let missing = rig.exec(first, VA, &[point(s, 8, false)]).unwrap_err();
        assert_eq!(missing.errno(), Errno::EINVAL);
    });
}

#[test]
fn a_call_without_work_is_a_barrier_for_everything_before_it() {
    on_every_platform(|rig| {
        let vm = rig.vm();
        let bo = rig.bo(0x1000);
        let (bound, idle, ran) = (rig.syncobj(), rig.syncobj(), rig.syncobj());
        let blocker = rig.device.bind_queue_create(rig.client, vm).unwrap();
        let gate = Gate::shut(rig, vm, EngineClass::Render);
        let syncs = [binary(gate.syncobj, false), binary(bound, true)];
        let map = rig.bind(vm, blocker, &[rig.map_op(bo, VA)], &syncs).unwrap();
        let barrier = rig.bind(vm, blocker, &[], &[binary(idle, true)]).unwrap();
        let queue = rig.queue(vm, rig.engine(EngineClass::Copy));
        let batchless = rig.barrier(queue, &[binary(bound, false), binary(ran, true)]).unwrap();
        rig.settle();
        for ticket in [gate.ticket, map, barrier, batchless] {
            assert!(!rig.is_over(ticket));
        }
        assert!(![bound, idle, ran].into_iter().any(|s| rig.is_signalled(s)));
        gate.open(rig);
        for ticket in [gate.ticket, map, barrier, batchless] {
            assert_eq!(rig.wait(ticket), TicketState::Done);
        }
        assert!([bound, idle, ran].into_iter().all(|s| rig.is_signalled(s)));
    });
}

#[test]
fn a_batch_sees_the_user_fence_stored_after_its_own_stores() {
    on_every_platform(|rig| {
        let vm = rig.vm();
        let bo = rig.bo(0x1000);
        rig.bind_now(vm, &[rig.map_op(bo, VA)]);
        let queue = rig.queue(vm, rig.engine(EngineClass::Render));
        rig.write(bo, 0, &store_batch(VA + RESULT, 9));
        let fence = SyncEntry {
            target: SyncTarget::UserFence { addr: VA + 0xC00, value: 0x0123_4567_89AB_CDEF },
            signal: true,
        };
        let ticket = rig.exec(queue, VA, &[fence]).unwrap();
        assert_eq!(rig.wait(ticket), TicketState::Done);
        assert_eq!((rig.read(bo, 0xC00), rig.read(bo, 0xC04)), (0x89AB_CDEF, 0x0123_4567));
        assert_eq!(rig.read(bo, RESULT), 9);
    });
}

#[test]
fn what_is_unmapped_is_gone_from_every_engine_before_the_bind_is_over() {
    on_every_platform(|rig| {
        let scratch = rig.device.vm_create(rig.client, VmFlags::SCRATCH_PAGE).unwrap();
        let (batch, old, new) = (rig.bo(0x1000), rig.bo(0x1000), rig.bo(0x1000));
        rig.bind_now(scratch, &[rig.map_op(batch, VA), rig.map_op(old, 0x40_0000)]);
        let queue = rig.queue(scratch, rig.engine(EngineClass::Copy));
        let store_at = |rig: &mut Rig<'_>, value| {
            rig.write(batch, 0, &store_batch(0x40_0000, value));
            let ticket = rig.exec(queue, VA, &[]).unwrap();
            assert_eq!(rig.wait(ticket), TicketState::Done, "{:?}", rig.sim.halted());
        };
        store_at(rig, 1);
        rig.bind_now(scratch, &[rig.unmap_op(0x40_0000, 0x1000)]);
        store_at(rig, 2);
        assert_eq!(rig.read(old, 0), 1, "a store to scratch reached the old page");
        rig.bind_now(scratch, &[rig.map_op(new, 0x40_0000)]);
        store_at(rig, 3);
        assert_eq!((rig.read(old, 0), rig.read(new, 0)), (1, 3));
        // Mapping over a mapping replaces it.
        rig.bind_now(scratch, &[rig.map_op(old, 0x40_0000)]);
        store_at(rig, 4);
        assert_eq!((rig.read(old, 0), rig.read(new, 0)), (4, 3));
    });
}

#[test]
fn a_batch_that_runs_all_the_while_loses_a_page_before_its_unmap_is_over() {
    on_every_platform(|rig| {
        // On every tile.
        for engine in rig.engines().into_iter().filter(|engine| engine.class == EngineClass::Render) {
            lose_a_page(rig, engine);
        }
    });
}

fn lose_a_page(rig: &mut Rig<'_>, engine: Engine) {
    let vm = rig.device.vm_create(rig.client, VmFlags::SCRATCH_PAGE).unwrap();
    let (batch, page) = (rig.bo(0x1000), rig.bo(0x1000));
    rig.bind_now(vm, &[rig.map_op(batch, VA), rig.map_op(page, 0x40_0000)]);
    let mut dwords = store(0x40_0000, 1).to_vec();
    dwords.extend([JUMP, low32(VA), 0]);
    rig.write(batch, 0, &dwords);
    let queue = rig.queue(vm, engine);
    let running = rig.exec(queue, VA, &[]).unwrap();
    rig.settle();
    assert_eq!(rig.read(page, 0), 1);
    rig.bind_now(vm, &[rig.unmap_op(0x40_0000, 0x1000)]);
    rig.write(page, 0, &[0]);
    rig.settle();
    assert_eq!((rig.read(page, 0), rig.is_over(running)), (0, false), "tile {}", engine.tile);
    rig.write(batch, 0, &[BATCH_END]);
    assert_eq!(rig.wait(running), TicketState::Done);
}

/// `CTX_PDP0_LDW`, from the engine's base.
const ROOT_LOW: u32 = 0x270;

/// All trees of a VM say the same, so which one a context walks shows in its image alone.
#[test]
fn a_context_walks_the_tree_of_its_tile() {
    on_every_platform(|rig| {
        let vm = rig.vm();
        for engine in rig.engines() {
            let queue = rig.queue(vm, engine);
            let roots: Vec<u32> = (0..rig.device.info().tile_count())
                .map(|tile| low32(rig.device.vm_root_on(rig.client, vm, tile).unwrap()))
                .filter(|root| image_holds(rig, engine.base.get() + ROOT_LOW, *root))
                .collect();
            let own = rig.device.vm_root_on(rig.client, vm, engine.tile).unwrap();
            assert_eq!(roots, [low32(own)], "{engine:?}");
            rig.device.queue_destroy(rig.client, queue).unwrap();
            rig.settle();
        }
    });
}

/// Whether a context image loads a register with a value.
fn image_holds(rig: &Rig<'_>, register: u32, value: u32) -> bool {
    let wanted = [register.to_le_bytes(), value.to_le_bytes()].concat();
    rig.sim.snapshot().buffers.iter().any(|buffer| {
        let bytes = rig.sim.peek(buffer.addr, usize::try_from(buffer.len_bytes).unwrap());
        bytes.is_some_and(|bytes| bytes.chunks(4).zip(bytes.chunks(4).skip(1)).any(|(a, b)| [a, b].concat() == wanted))
    })
}

#[test]
fn a_hole_in_the_middle_leaves_both_ends_mapped() {
    on_every_platform(|rig| {
        let vm = rig.vm();
        let (batch, bo) = (rig.bo(0x1000), rig.bo(4 << 20));
        rig.bind_now(vm, &[rig.map_op(batch, VA), rig.map_op(bo, 1 << 30)]);
        rig.bind_now(vm, &[rig.unmap_op((1 << 30) + 0x10_1000, 0x1000)]);
        let queue = rig.queue(vm, rig.engine(EngineClass::Copy));
        let mut dwords = Vec::new();
        for at in [0u64, 0x10_0FFC, 0x10_2000, (4 << 20) - 4] {
            dwords.extend(store((1 << 30) + at, low32(at) | 1));
        }
        dwords.push(BATCH_END);
        rig.write(batch, 0, &dwords);
        let ticket = rig.exec(queue, VA, &[]).unwrap();
        assert_eq!(rig.wait(ticket), TicketState::Done, "{:?}", rig.sim.halted());
        for at in [0u64, 0x10_0FFC, 0x10_2000, (4 << 20) - 4] {
            assert_eq!(rig.read(bo, at), low32(at) | 1, "{at:#x}");
        }
    });
}

#[test]
fn a_null_mapping_swallows_stores() {
    on_every_platform(|rig| {
        let vm = rig.vm();
        let batch = rig.bo(0x1000);
        let null = BindOp {
            kind: BindKind::MapNull,
            va: 1 << 33,
            range_bytes: 1 << 30,
            pat_index: rig.coherent_pat(),
            flags: BindFlags::empty(),
        };
        rig.bind_now(vm, &[rig.map_op(batch, VA), null]);
        let queue = rig.queue(vm, rig.engine(EngineClass::Copy));
        let mut dwords = store((1 << 33) + 0x12_3450, 7).to_vec();
        dwords.extend(store_batch(VA + RESULT, 8));
        rig.write(batch, 0, &dwords);
        let ticket = rig.exec(queue, VA, &[]).unwrap();
        assert_eq!(rig.wait(ticket), TicketState::Done, "{:?}", rig.sim.halted());
        assert_eq!(rig.read(batch, RESULT), 8);
    });
}

#[test]
fn binds_of_different_queues_pass_each_other_unless_both_may_write_one_entry() {
    on_every_platform(|rig| {
        let vm = rig.vm();
        let (a, b) = (rig.bo(0x1000), rig.bo(0x1000));
        let gate = Gate::shut(rig, vm, EngineClass::Render);
        let extra = rig.device.bind_queue_create(rig.client, vm).unwrap();
        let held = rig.bind(vm, 0, &[rig.map_op(a, VA)], &[binary(gate.syncobj, false)]).unwrap();
        let far = rig.bind(vm, extra, &[rig.map_op(b, 1 << 40)], &[]).unwrap();
        let same = rig.bind(vm, extra, &[rig.map_op(b, VA)], &[]).unwrap();
        rig.settle();
        assert_eq!((rig.is_over(held), rig.is_over(far), rig.is_over(same)), (false, true, false));
        gate.open(rig);
        assert_eq!((rig.wait(held), rig.wait(same)), (TicketState::Done, TicketState::Done));
    });
}

#[test]
fn queues_of_one_engine_take_turns_and_a_destroyed_one_lets_go() {
    on_every_platform(|rig| {
        let vm = rig.vm();
        let bo = rig.bo(0x4000);
        rig.bind_now(vm, &[rig.map_op(bo, VA)]);
        let engine = rig.engine(EngineClass::Copy);
        let queues: Vec<u32> = (0..6).map(|_| rig.queue(vm, engine)).collect();
        let mut tickets = Vec::new();
        for round in 0..4u64 {
            for (index, queue) in (0u64..).zip(&queues) {
                let at = (round * 6 + index) * 0x40;
                rig.write(bo, at, &store_batch(VA + 0x2000 + (round * 6 + index) * 4, low32(round * 6 + index) + 1));
                tickets.push(rig.exec(*queue, VA + at, &[]).unwrap());
            }
        }
        for ticket in tickets {
            assert_eq!(rig.wait(ticket), TicketState::Done);
        }
        for slot in 0..24u64 {
            assert_eq!(rig.read(bo, 0x2000 + slot * 4), low32(slot) + 1);
        }
        for queue in queues {
            rig.device.queue_destroy(rig.client, queue).unwrap();
            let again = rig.exec(queue, VA, &[]).unwrap_err();
            assert!(matches!(again, Error::NotFound { .. }));
        }
        rig.settle();
        assert!(rig.device.is_quiet());
    });
}
