//! Everything there is of something, taken by one client.
//!
//! Storage is lent once and for all clients together: there are no shares. A client that takes all of a pool makes others'
//! calls fail for want of room as long as it has it, and the tests say for which pools. Nothing that was accepted is lost,
//! and all comes back when the client is closed.

use crate::stage::{ARB_CHECK, JOB_TIMEOUT, Stage, VA, attack, halves};
use barexe_core::device::request::{BoRequest, CpuCaching, VmFlags};
use barexe_core::{Capacity, Errno, Error};
use barexe_hal::Nanos;
use barexe_tests::rig::{BATCH_END, JUMP, binary};

/// A round waits for the turns of a crowd of queues at most.
const BOUND: Nanos = Nanos::from_millis(100);
/// More than any pool has.
const MANY: usize = 5000;

/// Takes until there is no more; how many it got, and why it was refused.
fn take_all(
    stage: &mut Stage<'_, '_>,
    mut take: impl FnMut(&mut Stage<'_, '_>) -> Result<(), Error>,
) -> (usize, Error) {
    for taken in 0..MANY {
        if let Err(error) = take(stage) {
            return (taken, error);
        }
        if taken % 16 == 0 {
            stage.pass(Nanos::from_micros(20));
        }
    }
    panic!("{}: there is no end", stage.rig.name());
}

/// Objects: the neighbour has its own, and needs no more.
#[test]
fn every_object_there_is() {
    attack("every VM, queue, buffer object and sync object", Nanos::from_millis(2)).tried(|stage| {
        let (client, vm) = (stage.rig.client, stage.vm);
        let page = BoRequest {
            size_bytes: 4096,
            caching: CpuCaching::WriteBack,
            scanout: false,
            no_compression: false,
            vm: None,
        };
        let ends = [
            take_all(stage, |stage| stage.rig.device.syncobj_create(client, true).map(drop)),
            take_all(stage, |stage| stage.rig.device.bo_create(client, &page).map(drop)),
            take_all(stage, |stage| stage.rig.device.vm_create(client, VmFlags::empty()).map(drop)),
            take_all(stage, |stage| stage.rig.device.bind_queue_create(client, vm).map(drop)),
        ];
        for (taken, error) in ends {
            assert!(taken > 5 && error.errno() == Errno::ENOMEM, "{taken}: {error}");
        }
        let full = [Capacity::Syncobjs, Capacity::Bos, Capacity::Vms, Capacity::Queues];
        assert_eq!(ends.map(|(_, error)| error), full.map(Error::Exhausted));
        stage.pass(Nanos::from_millis(5));
        assert_eq!(stage.neighbour.refused, 0);
    });
}

/// Until one queue has all that it may have, and then the pool is full: the neighbour's calls are refused until the first
/// of these jobs has had its time.
#[test]
fn a_thousand_jobs_on_every_queue() {
    attack("1000 jobs on every queue, behind one that spins", BOUND).tried(|stage| {
        stage.neighbour.shares_pools = true;
        let [low, high] = halves(VA);
        stage.rig.write(stage.bo, 0, &[ARB_CHECK, JUMP, low, high]);
        stage.rig.write(stage.bo, 0x1000, &[BATCH_END, 0]);
        let mut queues = vec![stage.queue()];
        stage.rig.exec(queues[0], VA, &[]).unwrap();
        let (first, again) = take_all(stage, |stage| stage.rig.exec(queues[0], VA + 0x1000, &[]).map(drop));
        assert_eq!((first, again), (999, Error::Again));
        let mut ends = Vec::new();
        while let Ok(queue) = stage.queue_with(Default::default()) {
            queues.push(queue);
            stage.rig.exec(queue, VA, &[]).map_or_else(|error| ends.push(error), |_| ());
            let (_, end) = take_all(stage, |stage| stage.rig.exec(queue, VA + 0x1000, &[]).map(drop));
            ends.push(end);
            if queues.len() > 6 {
                break;
            }
        }
        assert!(ends.iter().all(|end| *end == Error::Exhausted(Capacity::Jobs)), "{ends:?}");
        // The neighbour's next calls come when its round has had its turn.
        for _ in 0..3000 {
            for queue in &queues {
                let full = stage.rig.exec(*queue, VA + 0x1000, &[]).map_err(|error| error.errno());
                assert!(matches!(full, Ok(_) | Err(Errno::ENOMEM | Errno::EAGAIN | Errno::ECANCELED)), "{full:?}");
            }
            stage.pass(Nanos::from_micros(20));
            if stage.neighbour.refused > 0 {
                break;
            }
        }
        assert!(stage.neighbour.refused > 0, "the pool is common to all");
        // The bound: how long the job that everything waits for may run.
        let from = stage.neighbour.rounds;
        stage.pass(Nanos::from_millis(3 * JOB_TIMEOUT.get() / 1_000_000));
        assert!(stage.neighbour.rounds > from, "{}: it works again", stage.rig.name());
        let refused = stage.neighbour.refused;
        let client = stage.rig.client;
        stage.rig.device.client_close(client).unwrap();
        stage.pass(Nanos::from_millis(30));
        assert!(stage.neighbour.refused - refused < 10, "{}: all comes back", stage.rig.name());
    });
}

/// Waits that one call after the other adds to jobs that do not start.
#[test]
fn every_wait_there_is() {
    attack("every place for a wait", BOUND).tried(|stage| {
        stage.neighbour.shares_pools = true;
        let [low, high] = halves(VA);
        stage.rig.write(stage.bo, 0, &[ARB_CHECK, JUMP, low, high]);
        stage.rig.write(stage.bo, 0x1000, &[BATCH_END, 0]);
        let objects: Vec<u32> = (0..20).map(|_| stage.rig.syncobj()).collect();
        for object in &objects {
            let queue = stage.queue();
            stage.rig.exec(queue, VA, &[binary(*object, true)]).unwrap();
        }
        let (waiting, waits): (u32, Vec<_>) =
            (stage.queue(), objects.iter().map(|object| binary(*object, false)).collect());
        let (taken, end) = take_all(stage, |stage| stage.rig.exec(waiting, VA + 0x1000, &waits).map(drop));
        assert!(taken > 50 && end.errno() == Errno::ENOMEM, "{taken}: {end}");
        let client = stage.rig.client;
        stage.rig.device.client_close(client).unwrap();
        let refused = stage.neighbour.refused;
        stage.pass(Nanos::from_millis(30));
        assert!(stage.neighbour.refused - refused < 10, "{}: all comes back", stage.rig.name());
    });
}
