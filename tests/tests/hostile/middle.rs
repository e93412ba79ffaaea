//! Objects destroyed, and the client gone, in the middle of work.

use crate::stage::{RESULT, Stage, VA, attack, halves, hostile_client};
use barexe_core::device::{Ticket, TicketState};
use barexe_hal::Nanos;
use barexe_tests::rig::{ARB_CHECK, ARB_OFF, JUMP, binary, store};

/// An engine that does not let go is reset; a round that binds has up to three turns.
const BOUND: Nanos = Nanos::from_millis(10);
const MARK: u32 = 0xBAD0_5EED;

/// Stores into one's own memory, over and over.
fn storing(page: u64, first: u32) -> Vec<u32> {
    let [low, high] = halves(VA + (page << 12));
    let mut batch = vec![first];
    batch.extend(store(VA + RESULT + page * 8, MARK));
    batch.extend([JUMP, low, high]);
    batch
}

/// Queues that run, queues that wait for them, and binds that do.
fn at_work(stage: &mut Stage<'_, '_>) -> (Vec<u32>, Vec<Ticket>) {
    let (out, mut queues, mut jobs) = (stage.rig.syncobj(), Vec::new(), Vec::new());
    for (page, first) in [(0, ARB_CHECK), (1, ARB_OFF), (2, ARB_CHECK)] {
        let queue = stage.queue();
        let batch = storing(page, first);
        stage.rig.write(stage.bo, page << 12, &batch);
        jobs.push(stage.rig.exec(queue, VA + (page << 12), &[binary(out, true)]).unwrap());
        jobs.push(stage.rig.exec(queue, VA, &[]).unwrap());
        queues.push(queue);
    }
    let waiting = stage.queue();
    jobs.push(stage.rig.exec(waiting, VA, &[binary(out, false)]).unwrap());
    let unmap = stage.rig.unmap_op(VA, 0x1000);
    stage.rig.bind(stage.vm, 0, &[unmap], &[binary(out, false)]).unwrap();
    queues.push(waiting);
    (queues, jobs)
}

#[test]
fn objects_destroyed_in_the_middle_of_work() {
    attack("objects destroyed in the middle of work", BOUND).tried(|stage| {
        for microseconds in [0, 30, 1500, 4000] {
            let (queues, jobs) = at_work(stage);
            stage.pass(Nanos::from_micros(microseconds));
            let (device, client) = (&mut stage.rig.device, stage.rig.client);
            device.vm_destroy(client, stage.vm).unwrap();
            device.bo_close(client, stage.bo.bo).unwrap();
            for queue in queues {
                device.queue_destroy(client, queue).unwrap();
            }
            device.bo_unmap(client, stage.bo.mapping).unwrap();
            stage.pass(Nanos::from_millis(25));
            for job in jobs {
                let end = stage.rig.device.ticket_state(job).ok();
                assert!(!matches!(end, Some(TicketState::Pending | TicketState::Done)), "{end:?}");
            }
            (stage.vm, stage.bo) = (stage.rig.vm(), stage.rig.bo(crate::stage::BO_BYTES));
            let op = stage.rig.map_op(stage.bo, VA);
            stage.rig.bind_now(stage.vm, &[op]);
        }
    });
}

/// Bytes in the objects that the neighbour makes at once out of what has become free, as far as memory and pools go.
fn left_behind(stage: &mut Stage<'_, '_>) -> usize {
    let hostile = core::mem::replace(&mut stage.rig.client, stage.neighbour.client);
    let mut found = 0;
    let fresh: Vec<_> = (0..8).map(|_| stage.rig.bo(crate::stage::BO_BYTES)).collect();
    for bo in &fresh {
        let mut bytes = vec![0xFF; crate::stage::BO_BYTES as usize];
        stage.rig.device.mapping_read(stage.rig.client, bo.mapping, 0, &mut bytes).unwrap();
        found += bytes.iter().filter(|byte| **byte != 0).count();
    }
    for bo in fresh {
        stage.rig.device.bo_unmap(stage.rig.client, bo.mapping).unwrap();
        stage.rig.device.bo_close(stage.rig.client, bo.bo).unwrap();
    }
    stage.rig.client = hostile;
    found
}

#[test]
fn the_client_gone_in_the_middle_of_work() {
    attack("the client gone in the middle of work", BOUND).tried(|stage| {
        stage.rig.device.client_close(stage.rig.client).unwrap();
        stage.pass(Nanos::from_millis(2));
        let usage = |stage: &Stage<'_, '_>| (stage.rig.device.bo_bytes(), stage.rig.sim.snapshot().buffers.len());
        let before = usage(stage).0;
        for microseconds in [0, 30, 1500, 4000, 12_000] {
            let (client, vm, bo) = hostile_client(stage.rig);
            (stage.vm, stage.bo) = (vm, bo);
            let secret = [MARK; 0x2000];
            stage.rig.write(bo, RESULT, &secret);
            let (_, jobs) = at_work(stage);
            stage.pass(Nanos::from_micros(microseconds));
            stage.rig.device.client_close(client).unwrap();
            assert_eq!(left_behind(stage), 0, "while it is on its way out");
            stage.pass(Nanos::from_millis(25));
            assert_eq!(left_behind(stage), 0, "when it is gone");
            assert_eq!(usage(stage).0, before, "buffer objects");
            for job in jobs {
                let end = stage.rig.device.ticket_state(job);
                assert!(!matches!(end, Ok(TicketState::Pending | TicketState::Done)), "{end:?}");
            }
            let idle = stage.rig.device.vm_create(client, Default::default());
            assert!(idle.is_err(), "the client is gone");
        }
    });
}
