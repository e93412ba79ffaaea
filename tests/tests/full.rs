//! What happens when something is full: a ring, a queue, each pool. Nothing is lost, nothing has changed, and the same
//! call passes once there is room.
#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of these tests fail by panicking, and count")]

use barexe_core::device::TicketState;
use barexe_core::gt::EngineClass;
use barexe_core::{Capacity, Error};
use barexe_sim::SimConfig;
use barexe_tests::fill::{FILLS, Fill, Ids, VA};
use barexe_tests::found::core_state;
use barexe_tests::rig::{binary, on_each_platform, on_with, platforms, store_batch};
use barexe_tests::storage::FIELDS;

/// Most jobs of one queue (bind-and-exec sheet §3.5 row 9).
const QUEUE_JOBS: u32 = 1000;

/// A thousand batches fill a ring many times over. The engine does not run meanwhile: what does not fit waits.
#[test]
fn a_full_ring_holds_jobs_back_and_loses_none() {
    on_each_platform(|rig| {
        let vm = rig.vm();
        let bo = rig.bo(0x1_0000);
        rig.bind_now(vm, &[rig.map_op(bo, VA)]);
        let queue = rig.queue(vm, rig.engine(EngineClass::Copy));
        let mut tickets = Vec::new();
        for number in 0..QUEUE_JOBS {
            let at = u64::from(number) * 32;
            rig.write(bo, at, &store_batch(VA + 0x8000 + u64::from(number) * 4, number + 1));
            tickets.push(rig.exec(queue, VA + at, &[]).unwrap());
        }
        assert!(tickets.iter().all(|ticket| !rig.is_over(*ticket)), "nothing has run");
        let held_back = core_state(&rig.device).matches("emitted: None").count();
        assert!((500..1000).contains(&held_back), "{held_back} jobs are not in the ring");
        // The specification's limit of jobs: try again later.
        let before = core_state(&rig.device);
        assert_eq!(rig.exec(queue, VA, &[]), Err(Error::Again));
        assert_eq!(core_state(&rig.device), before, "a refused call changed something");
        for (number, ticket) in (0..).zip(&tickets) {
            assert_eq!(rig.wait(*ticket), TicketState::Done, "job {number}, {:?}", rig.sim.halted());
        }
        for number in 0..QUEUE_JOBS {
            assert_eq!(rig.read(bo, 0x8000 + u64::from(number) * 4), number + 1);
        }
        let again = rig.exec(queue, VA, &[]).unwrap();
        assert_eq!(rig.wait(again), TicketState::Done);
    });
}

/// The limit is one of execs: binds wait as long as there are jobs.
#[test]
fn a_bind_queue_takes_more_calls_than_an_exec_queue() {
    on_each_platform(|rig| {
        let (vm, held, out) = (rig.vm(), rig.syncobj(), rig.syncobj());
        let fence = rig.device.outside_fence_create().unwrap();
        rig.device.syncobj_import(rig.client, held, fence).unwrap();
        rig.bind(vm, 0, &[], &[binary(held, false)]).unwrap();
        for _ in 0..QUEUE_JOBS {
            rig.bind(vm, 0, &[], &[]).unwrap();
        }
        rig.bind(vm, 0, &[], &[binary(out, true)]).unwrap();
        rig.settle();
        assert!(!rig.is_signalled(out));
        rig.device.outside_fence_signal(fence).unwrap();
        rig.settle();
        assert!(rig.is_signalled(out));
    });
}

/// Jobs of a queue run in order although only some of them fit its ring at a time.
#[test]
fn jobs_that_waited_for_room_run_in_order() {
    on_each_platform(|rig| {
        let vm = rig.vm();
        let bo = rig.bo(0x1_0000);
        rig.bind_now(vm, &[rig.map_op(bo, VA)]);
        let queue = rig.queue(vm, rig.engine(EngineClass::Render));
        let tickets: Vec<_> = (0..400u32)
            .map(|number| {
                let at = u64::from(number) * 32;
                rig.write(bo, at, &store_batch(VA + 0x8000, number));
                rig.exec(queue, VA + at, &[]).unwrap()
            })
            .collect();
        let mut seen = 0;
        while !rig.is_over(tickets[399]) {
            let _ = rig.sim.run(64);
            rig.device.poll();
            let now = rig.read(bo, 0x8000);
            assert!(now >= seen, "job {now} ran before job {seen}");
            // The word is written by the GPU, the tickets follow.
            let over = tickets.iter().take_while(|ticket| rig.is_over(**ticket)).count();
            assert!(over <= now as usize + 1);
            seen = now;
        }
        assert_eq!(seen, 399);
    });
}

fn fill_up(config: &SimConfig, full: &Fill) {
    let field = FIELDS.iter().find(|field| field.name == full.field).unwrap();
    on_with(config, &field.only(full.len), |rig| {
        let mut ids = Ids::begin(rig);
        let mut refusal = None;
        for _ in 0..100 {
            let before = core_state(&rig.device);
            if let Err(error) = (full.fill)(rig, &mut ids) {
                assert_eq!(core_state(&rig.device), before, "{}: refused with {error}", full.field);
                refusal = Some(error);
                break;
            }
        }
        let Some(Error::Exhausted(capacity) | Error::ArrayExhausted(capacity)) = refusal else {
            panic!("{}: {refusal:?}", full.field);
        };
        assert_eq!(capacity, field.capacity, "{}", full.field);
        (full.drain)(rig, &mut ids);
        let again = (full.fill)(rig, &mut ids);
        assert_eq!(again, Ok(()), "{} once there was room", full.field);
        rig.settle();
        assert!(rig.device.is_quiet(), "{}", full.field);
    });
}

#[test]
fn a_full_pool_refuses_by_name_and_takes_more_once_there_is_room() {
    for platform in platforms() {
        for full in FILLS {
            fill_up(&SimConfig::new(platform.clone()), full);
        }
    }
}

/// The two that one call fills by itself: a shorter array passes.
#[test]
fn an_array_that_is_too_long_is_refused_by_name_and_a_shorter_one_passes() {
    for platform in platforms() {
        let (config, field) =
            (SimConfig::new(platform), |name| FIELDS.iter().find(|field| field.name == name).unwrap());
        on_with(&config, &field("bind_ops").only(4), |rig| {
            let vm = rig.vm();
            let ops = [rig.unmap_op(VA, 0x1000); 5];
            let before = core_state(&rig.device);
            assert_eq!(rig.bind(vm, 0, &ops, &[]), Err(Error::ArrayExhausted(Capacity::BindOps)));
            assert_eq!(core_state(&rig.device), before);
            assert!(rig.bind(vm, 0, &ops[..4], &[]).is_ok());
        });
        on_with(&config, &field("out_syncs").only(4), |rig| {
            let ids = Ids::begin(rig);
            let syncs: Vec<_> = (0..5).map(|_| binary(rig.syncobj(), true)).collect();
            let before = core_state(&rig.device);
            assert_eq!(rig.exec(ids.queues[0], VA, &syncs), Err(Error::Exhausted(Capacity::OutSyncs)));
            assert_eq!(rig.bind(ids.vm, 0, &[], &syncs), Err(Error::Exhausted(Capacity::OutSyncs)));
            assert_eq!(core_state(&rig.device), before);
            assert!(rig.exec(ids.queues[0], VA, &syncs[..4]).is_ok());
        });
    }
}
