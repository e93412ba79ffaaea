//! Syncs that lead in circles, nowhere, or to wild addresses.

use crate::stage::{BO_BYTES, CANCELED, FAULTED, NOWHERE, RESULT, VA, attack};
use barexe_core::device::request::{SyncEntry, SyncTarget};
use barexe_core::device::{SyncobjPoint, TicketState};
use barexe_core::{Errno, Error};
use barexe_hal::Nanos;
use barexe_tests::rig::{BATCH_END, binary, point};

const SEEN: Nanos = Nanos::from_millis(5);

const fn user_fence(addr: u64) -> SyncEntry {
    SyncEntry { target: SyncTarget::UserFence { addr, value: 0x0BAD_5EED_0BAD_5EED }, signal: true }
}

/// The GPU stores an exec's user fence after the batch, in the client's space.
#[test]
fn user_fences_of_execs_at_wild_addresses() {
    attack("user fences of execs at wild addresses", SEEN).tried(|stage| {
        let wild =
            [0, 8, NOWHERE, VA - 8, VA + BO_BYTES, 0xFE_E000, (1 << 48) - 8, 0xFFFF_8000_0000_0000, u64::MAX - 7];
        for addr in wild {
            let queue = stage.queue();
            stage.rig.write(stage.bo, 0, &[BATCH_END, 0]);
            match stage.rig.exec(queue, VA, &[user_fence(addr)]) {
                Ok(job) => {
                    assert_eq!(stage.outcome(job, Nanos::from_millis(60)), FAULTED, "{addr:#x}");
                    assert_eq!(stage.rig.exec(queue, VA, &[]), Err(Error::Canceled));
                }
                Err(error) => assert_eq!(error.errno(), Errno::EINVAL, "{addr:#x}"),
            }
            stage.rig.device.queue_destroy(stage.rig.client, queue).unwrap();
        }
        let queue = stage.queue();
        for unaligned in [VA + 1, VA + 4, 7] {
            let refused = stage.rig.exec(queue, VA, &[user_fence(unaligned)]).unwrap_err();
            assert_eq!(refused.errno(), Errno::EINVAL);
        }
        let fine = stage.rig.exec(queue, VA, &[user_fence(VA + RESULT)]).unwrap();
        assert_eq!(stage.outcome(fine, Nanos::from_millis(60)), None);
        assert_eq!(stage.rig.read(stage.bo, RESULT), 0x0BAD_5EED);
    });
}

/// The core stores a bind's user fence in the client's memory, of which there is none here.
#[test]
fn user_fences_of_binds_at_wild_addresses() {
    attack("user fences of binds at wild addresses", SEEN).tried(|stage| {
        for addr in [0, 8, NOWHERE, u64::MAX - 7, 1 << 63] {
            let unmap = stage.rig.unmap_op(NOWHERE, 0x1000);
            let refused = stage.rig.bind(stage.vm, 0, &[unmap], &[user_fence(addr)]).unwrap_err();
            assert!(matches!(refused.errno(), Errno::EFAULT | Errno::EINVAL), "{addr:#x}: {refused}");
            stage.pass(Nanos::from_micros(50));
        }
    });
}

/// A wait is for what is there when the call is made, so nothing can wait for itself.
#[test]
fn sync_objects_in_circles() {
    attack("sync objects in circles", SEEN).tried(|stage| {
        let queues = [stage.queue(), stage.queue()];
        let (client, objects) = (stage.rig.client, [stage.rig.syncobj(), stage.rig.syncobj()]);
        stage.rig.write(stage.bo, 0, &[BATCH_END, 0]);
        // Each waits for the other, which has nothing yet.
        for (queue, (wait, signal)) in queues.into_iter().zip([(objects[0], objects[1]), (objects[1], objects[0])]) {
            let refused = stage.rig.exec(queue, VA, &[binary(wait, false), binary(signal, true)]).unwrap_err();
            assert_eq!(refused.errno(), Errno::EINVAL);
            let refused = stage.rig.exec(queue, VA, &[point(wait, 1, false), point(signal, 1, true)]).unwrap_err();
            assert_eq!(refused.errno(), Errno::EINVAL);
        }
        // A point that is not there before it is; one's own.
        stage.rig.exec(queues[0], VA, &[point(objects[0], 1, true)]).unwrap();
        let refused = stage.rig.exec(queues[1], VA, &[point(objects[0], 2, false), point(objects[0], 2, true)]);
        assert_eq!(refused.unwrap_err().errno(), Errno::EINVAL);
        // A long chain, to and fro between two queues, points in falling order, and transfers between the two.
        let mut last = None;
        for number in (1..200).rev() {
            let [from, to] = [objects[number % 2], objects[(number + 1) % 2]];
            let number = number as u64;
            let syncs = [point(from, 1, false), point(to, number, true), point(from, number, true)];
            let seeded = stage.rig.exec(queues[0], VA, &[point(from, 1, true)]);
            last = seeded.ok().and_then(|_| stage.rig.exec(queues[number as usize % 2], VA, &syncs).ok()).or(last);
            let pair = [from, to].map(|handle| SyncobjPoint { handle, point: 1 });
            let _ = stage.rig.device.syncobj_transfer(client, pair[0], pair[1], false);
            stage.pass(Nanos::from_micros(20));
        }
        let last = last.unwrap();
        assert_eq!(stage.outcome(last, Nanos::from_millis(60)), None);
        assert!(stage.rig.device.first_hang().is_none());
    });
}

/// Work that waits for work that hangs ends when that does.
#[test]
fn a_chain_behind_a_hang() {
    attack("a chain of jobs behind one that hangs", Nanos::from_millis(10)).tried(|stage| {
        let (hung, out) = (stage.queue(), stage.rig.syncobj());
        stage.rig.write(stage.bo, 0x1000, &[BATCH_END, 0]);
        let [low, high] = crate::stage::halves(VA);
        stage.rig.write(stage.bo, 0, &[barexe_tests::rig::JUMP, low, high]);
        stage.rig.exec(hung, VA, &[binary(out, true)]).unwrap();
        let after = stage.rig.exec(hung, VA, &[]).unwrap();
        let queues = [stage.queue(), stage.queue(), stage.queue()];
        let chain: Vec<_> = (0..60)
            .map(|number| {
                let syncs = [binary(out, false), binary(out, true)];
                stage.rig.exec(queues[number % 3], VA + 0x1000, &syncs).unwrap()
            })
            .collect();
        assert_eq!(stage.outcome(after, Nanos::from_millis(60)), CANCELED);
        for job in chain {
            let end = stage.outcome(job, Nanos::from_millis(60));
            assert_eq!(end, None, "{:?}", stage.rig.device.ticket_state(job));
        }
        let _ = TicketState::Done;
    });
}
