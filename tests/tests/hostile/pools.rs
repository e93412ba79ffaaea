//! Everything there is of something, taken by one client.
//!
//! Each client is promised what the neighbour needs. The hostile one takes all the rest, of one capacity after the other,
//! and the neighbour's calls go on as if it were not there: none of them is refused.

use crate::stage::{Stage, VA, attack, halves};
use barexe_core::device::request::{BoRequest, CpuCaching, VmFlags};
use barexe_core::{Capacities, Capacity, Errno, Error, Shares};
use barexe_hal::Nanos;
use barexe_sim::SimConfig;
use barexe_tests::fill::{self, FILLS, Fill, Ids, ranges_of_nobody};
use barexe_tests::rig::{ARB_CHECK, BATCH_END, JUMP, SPACE, binary};
use barexe_tests::storage::FIELDS;

/// A round waits for the turns of other clients' queues.
const BOUND: Nanos = Nanos::from_millis(20);
/// More than any pool has.
const MANY: usize = 5000;

/// What the neighbour needs: a VM with its own bind queue, another, and an exec queue; three calls at a time.
const NEEDS: Shares = Shares {
    vms: 1,
    vma_nodes: 2,
    vm_bos: 3,
    steps: 3,
    bos: 2,
    bo_blocks: 2,
    bo_mappings: 2,
    queues: 3,
    timelines: 3,
    jobs: 3,
    dependencies: 3,
    syncobjs: 1,
    pt_notes: 16,
    pt_directories: 8,
    ggtt_nodes: 2,
    ..Shares::NONE
};

/// The neighbour's needs on a part: page tables on each tile.
fn needs(part: &SimConfig) -> Shares {
    let tiles = u32::from(part.platform.tiles);
    Shares { pt_notes: NEEDS.pt_notes * tiles, pt_directories: NEEDS.pt_directories * tiles, ..NEEDS }
}

/// Takes until there is no more; how many it got, and why it was refused.
fn take_all(
    stage: &mut Stage<'_, '_>,
    mut take: impl FnMut(&mut Stage<'_, '_>) -> Result<(), Error>,
) -> (usize, Error) {
    for taken in 0..MANY {
        if let Err(error) = take(stage) {
            return (taken, error);
        }
        if taken % 8 == 0 {
            stage.pass(Nanos::from_micros(20));
        }
    }
    panic!("{}: there is no end", stage.rig.name());
}

/// As few clients as can be, and of the row's capacity as much as they are promised and the hostile one needs to fill it.
fn scarce(part: &SimConfig, row: &Fill) -> Capacities {
    const CLIENTS: usize = 4;
    let capacities = Capacities { clients: CLIENTS, ..Capacities::DEFAULT };
    let promised = CLIENTS * NEEDS.of(row.capacity) as usize;
    let nobodys = if row.capacity == Capacity::GgttNodes { ranges_of_nobody(part) } else { 0 };
    let field = FIELDS.iter().find(|field| field.capacity == row.capacity).unwrap();
    field.of_choice(capacities, promised + nobodys + 2 * row.len)
}

/// What only work that is not over takes.
const WORK: [Capacity; 6] = [
    Capacity::Jobs,
    Capacity::Dependencies,
    Capacity::BindSteps,
    Capacity::Sleepers,
    Capacity::SyncPoints,
    Capacity::UserFences,
];

/// Of every capacity in turn all that can be had, and more is tried again and again. Work that is accepted stays: its
/// queue spins.
#[test]
fn every_capacity_in_turn() {
    for row in FILLS.iter().filter(|row| Shares::CAPACITIES.contains(&row.capacity)) {
        let name = format!("all there is of {}", row.field);
        let name = Box::leak(name.into_boxed_str());
        attack(name, BOUND).tried_in(|part| (scarce(part, row), needs(part)), |stage| fill_and_refill(stage, row));
    }
}

fn fill_and_refill(stage: &mut Stage<'_, '_>, row: &Fill) {
    // The one it came with goes: this one can have memory of its own mapped.
    stage.rig.device.client_close(stage.rig.client).unwrap();
    stage.pass(Nanos::from_millis(1));
    stage.rig.client = stage.rig.device.client_open_in(false, SPACE).unwrap();
    let mut ids = Ids::begin(stage.rig);
    if WORK.contains(&row.capacity) {
        let [low, high] = halves(fill::VA + 0x800);
        stage.rig.write(ids.bo.unwrap(), 0x800, &[ARB_CHECK, JUMP, low, high]);
        stage.rig.exec(ids.queues[0], fill::VA + 0x800, &[]).unwrap();
    }
    for again in 0..20 {
        let (taken, end) = take_all(stage, |stage| {
            let done = (row.fill)(stage.rig, &mut ids);
            // Binds are to be over: those on their way keep page tables for themselves.
            if done.is_ok() && !WORK.contains(&row.capacity) {
                stage.pass(Nanos::from_micros(100));
            }
            done
        });
        let (Error::Exhausted(full) | Error::ArrayExhausted(full)) = end else {
            panic!("{}: {end}", row.field);
        };
        assert_eq!(full, row.capacity, "{}", row.field);
        assert!(taken > 0 || again > 0, "{}", row.field);
        stage.pass(Nanos::from_micros(200));
    }
    stage.rig.device.client_close(stage.rig.client).unwrap();
    let rounds = stage.neighbour.rounds;
    stage.pass(Nanos::from_millis(12));
    assert!(stage.neighbour.rounds > rounds, "{}", row.field);
    let left: u64 = stage.rig.device.places_in_use().map(|places| places.charged).sum();
    let held = |capacity: &Capacity| stage.rig.device.places_held(stage.neighbour.client, *capacity).unwrap();
    assert!(left >= Shares::CAPACITIES.iter().map(|capacity| u64::from(held(capacity))).sum());
}

/// Objects, all kinds at once.
#[test]
fn every_object_there_is() {
    let attack = attack("every VM, queue, buffer object and sync object", Nanos::from_millis(2));
    attack.tried_in(
        |part| (Capacities::DEFAULT, needs(part)),
        |stage| {
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
        },
    );
}

/// Until one queue has all that it may have, and then all that is left of the pool.
#[test]
fn a_thousand_jobs_on_every_queue() {
    let attack = attack("1000 jobs on every queue, behind one that spins", BOUND);
    attack.tried_in(
        |part| (Capacities::DEFAULT, needs(part)),
        |stage| {
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
            let from = stage.neighbour.rounds;
            for _ in 0..300 {
                for queue in &queues {
                    let full = stage.rig.exec(*queue, VA + 0x1000, &[]).map_err(|error| error.errno());
                    assert!(matches!(full, Ok(_) | Err(Errno::ENOMEM | Errno::EAGAIN | Errno::ECANCELED)), "{full:?}");
                }
                stage.pass(Nanos::from_micros(20));
            }
            assert!(stage.neighbour.rounds > from, "{}", stage.rig.name());
        },
    );
}

/// Waits that one call after the other adds to jobs that do not start.
#[test]
fn every_wait_there_is() {
    attack("every place for a wait", BOUND).tried_in(
        |part| (Capacities::DEFAULT, needs(part)),
        |stage| {
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
            assert!(taken > 50 && end == Error::Exhausted(Capacity::Dependencies), "{taken}: {end}");
            stage.pass(Nanos::from_millis(5));
        },
    );
}
