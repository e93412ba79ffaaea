//! What happens when something is full: a ring, a queue, each pool. Nothing is lost, nothing has changed, and the same
//! call passes once there is room.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of these tests fail by panicking, and count"
)]

use barexe_core::device::request::{
    BindCall, BindKind, BindOp, BoRequest, CpuCaching, EngineRef, QueueProperties, QueueRequest, SyncEntry, SyncTarget,
    VmFlags,
};
use barexe_core::device::{ClientId, MappingId, TicketState};
use barexe_core::gt::EngineClass;
use barexe_core::{Capacity, Error};
use barexe_sim::SimConfig;
use barexe_tests::client::{CLIENT_PAGE, ClientPage};
use barexe_tests::found::core_state;
use barexe_tests::rig::{BATCH_END, Mapped, Rig, binary, on_each_platform, on_with, platforms, point, store_batch};
use barexe_tests::storage::FIELDS;

const VA: u64 = 0x1A_0000;
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

/// What a case has made, newest last, on top of what every case begins with: a VM, an object mapped at [`VA`] with a
/// batch that ends at once, a queue on each of two engines.
#[derive(Debug, Default)]
struct Ids {
    vm: u32,
    bo: Option<Mapped>,
    queues: [u32; 2],
    made: Vec<u32>,
    clients: Vec<ClientId>,
    mappings: Vec<MappingId>,
    calls: u64,
}

impl Ids {
    fn begin(rig: &mut Rig<'_>) -> Self {
        let vm = rig.vm();
        let bo = rig.bo(0x1000);
        rig.bind_now(vm, &[rig.map_op(bo, VA)]);
        rig.write(bo, 0, &[BATCH_END, 0]);
        let queues = [EngineClass::Copy, EngineClass::Render].map(|class| rig.queue(vm, rig.engine(class)));
        Self { vm, bo: Some(bo), queues, ..Self::default() }
    }

    fn keep(&mut self, made: Result<u32, Error>) -> Result<(), Error> {
        self.made.push(made?);
        Ok(())
    }

    fn last(&mut self) -> u32 {
        self.made.pop().unwrap()
    }

    /// An address of its own for each call, next to those of others.
    const fn near(&self) -> u64 {
        VA + 0x1000 * (self.calls + 1)
    }

    /// An address of its own for each call, far from all others.
    const fn far(&self) -> u64 {
        (self.calls + 1) << 39
    }

    fn null(&self, rig: &Rig<'_>) -> BindOp {
        BindOp { kind: BindKind::MapNull, ..rig.unmap_op(self.far(), 0x1000) }
    }
}

/// One pool: how many slots it has in this test, what fills it, and what makes room.
struct Full {
    field: &'static str,
    len: usize,
    fill: fn(&mut Rig<'_>, &mut Ids) -> Result<(), Error>,
    drain: fn(&mut Rig<'_>, &mut Ids),
}

fn bind(rig: &mut Rig<'_>, ids: &Ids, op: BindOp, syncs: &[SyncEntry]) -> Result<(), Error> {
    rig.bind(ids.vm, 0, &[op], syncs).map(drop)
}

fn bind_far(rig: &mut Rig<'_>, ids: &mut Ids) -> Result<(), Error> {
    let op = ids.null(rig);
    bind(rig, ids, op, &[])?;
    ids.calls += 1;
    Ok(())
}

fn unbind_far(rig: &mut Rig<'_>, ids: &mut Ids) {
    ids.calls -= 1;
    rig.bind_now(ids.vm, &[rig.unmap_op(ids.far(), 0x1000)]);
}

/// The one object, again and again, at one page after another.
fn bind_near(rig: &mut Rig<'_>, ids: &mut Ids) -> Result<(), Error> {
    let op = rig.map_op(ids.bo.unwrap(), ids.near());
    bind(rig, ids, op, &[])?;
    ids.calls += 1;
    Ok(())
}

fn unbind_near(rig: &mut Rig<'_>, ids: &mut Ids) {
    ids.calls -= 1;
    rig.bind_now(ids.vm, &[rig.unmap_op(ids.near(), 0x1000)]);
}

/// A bind that waits for a batch which the engine has not run yet.
fn bind_behind_a_batch(rig: &mut Rig<'_>, ids: &mut Ids) -> Result<(), Error> {
    if ids.made.is_empty() {
        let syncobj = rig.syncobj();
        ids.made.push(syncobj);
        rig.exec(ids.queues[0], VA, &[binary(syncobj, true)])?;
    }
    let (op, behind) = (ids.null(rig), binary(ids.made[0], false));
    bind(rig, ids, op, &[behind])?;
    ids.calls += 1;
    Ok(())
}

fn exec_behind_a_batch(rig: &mut Rig<'_>, ids: &mut Ids) -> Result<(), Error> {
    if ids.made.is_empty() {
        let syncobj = rig.syncobj();
        ids.made.push(syncobj);
        rig.exec(ids.queues[0], VA, &[binary(syncobj, true)])?;
    }
    rig.exec(ids.queues[1], VA, &[binary(ids.made[0], false)]).map(drop)
}

fn exec_to_a_new_point(rig: &mut Rig<'_>, ids: &mut Ids) -> Result<(), Error> {
    if ids.made.is_empty() {
        let syncobj = rig.syncobj();
        ids.made.push(syncobj);
    }
    rig.exec(ids.queues[0], VA, &[point(ids.made[0], ids.calls + 1, true)])?;
    ids.calls += 1;
    Ok(())
}

fn bind_with_user_fence(rig: &mut Rig<'_>, ids: &mut Ids) -> Result<(), Error> {
    let target = SyncTarget::UserFence { addr: CLIENT_PAGE, value: 1 };
    let (op, call) = (rig.unmap_op(1 << 39, 0x1000), BindCall { vm: ids.vm, queue: 0 });
    let syncs = [SyncEntry { target, signal: true }];
    let memory = &mut ClientPage::default();
    rig.device.vm_bind(rig.client, &call, &mut &[op][..], &mut &syncs[..], memory).map(drop)
}

fn run_all(rig: &mut Rig<'_>, _: &mut Ids) {
    rig.settle();
}

fn small_bo(rig: &mut Rig<'_>) -> Result<u32, Error> {
    let caching = CpuCaching::WriteBack;
    let request = BoRequest { size_bytes: 4096, caching, scanout: false, no_compression: false, vm: None };
    rig.device.bo_create(rig.client, &request)
}

fn close_bo(rig: &mut Rig<'_>, ids: &mut Ids) {
    rig.device.bo_close(rig.client, ids.last()).unwrap();
}

fn bind_queue(rig: &mut Rig<'_>, ids: &mut Ids) -> Result<(), Error> {
    let made = rig.device.bind_queue_create(rig.client, ids.vm);
    ids.keep(made)
}

fn exec_queue(rig: &mut Rig<'_>, ids: &mut Ids) -> Result<(), Error> {
    let engine = rig.engine(EngineClass::Copy);
    let place = EngineRef { class: engine.class, instance: engine.logical.into(), gt: engine.gt.into() };
    let properties = QueueProperties::default();
    let request = QueueRequest { vm: ids.vm, placements: &[place], width: 1, properties };
    let made = rig.device.exec_queue_create(rig.client, &request);
    ids.keep(made)
}

fn destroy_queue(rig: &mut Rig<'_>, ids: &mut Ids) {
    rig.device.queue_destroy(rig.client, ids.last()).unwrap();
    rig.settle();
}

const POOLS: [Full; 19] = [
    Full {
        field: "clients",
        len: 3,
        fill: |rig, ids| {
            ids.clients.push(rig.device.client_open(false)?);
            Ok(())
        },
        drain: |rig, ids| rig.device.client_close(ids.clients.pop().unwrap()).unwrap(),
    },
    Full {
        field: "vms",
        len: 3,
        fill: |rig, ids| {
            let made = rig.device.vm_create(rig.client, VmFlags::SCRATCH_PAGE);
            ids.keep(made)
        },
        drain: |rig, ids| {
            rig.device.vm_destroy(rig.client, ids.last()).unwrap();
            rig.settle();
        },
    },
    Full { field: "vma_nodes", len: 1, fill: bind_near, drain: unbind_near },
    Full { field: "vm_bos", len: 2, fill: bind_near, drain: unbind_near },
    Full { field: "steps", len: 5, fill: bind_behind_a_batch, drain: run_all },
    Full {
        field: "bos",
        len: 4,
        fill: |rig, ids| {
            let made = small_bo(rig);
            ids.keep(made)
        },
        drain: close_bo,
    },
    Full {
        field: "bo_blocks",
        len: 4,
        fill: |rig, ids| {
            let made = small_bo(rig);
            ids.keep(made)
        },
        drain: close_bo,
    },
    Full {
        field: "bo_mappings",
        len: 4,
        fill: |rig, ids| {
            let offset = rig.device.bo_mmap_offset(rig.client, ids.bo.unwrap().bo)?;
            ids.mappings.push(rig.device.bo_map(rig.client, offset, 4096)?);
            Ok(())
        },
        drain: |rig, ids| rig.device.bo_unmap(rig.client, ids.mappings.pop().unwrap()).unwrap(),
    },
    Full { field: "queues", len: 6, fill: bind_queue, drain: destroy_queue },
    Full { field: "timelines", len: 6, fill: exec_queue, drain: destroy_queue },
    Full { field: "jobs", len: 4, fill: |rig, ids| rig.exec(ids.queues[0], VA, &[]).map(drop), drain: run_all },
    Full { field: "dependencies", len: 4, fill: exec_behind_a_batch, drain: run_all },
    Full {
        field: "syncobjs",
        len: 3,
        fill: |rig, ids| {
            let made = rig.device.syncobj_create(rig.client, true);
            ids.keep(made)
        },
        drain: |rig, ids| rig.device.syncobj_destroy(rig.client, ids.last()).unwrap(),
    },
    Full {
        field: "sync_points",
        len: 4,
        fill: exec_to_a_new_point,
        drain: |rig, ids| rig.device.syncobj_reset(rig.client, &mut &[ids.made[0]][..]).unwrap(),
    },
    Full {
        field: "user_fences",
        len: 3,
        fill: bind_with_user_fence,
        drain: |rig, _| rig.device.deliver_user_fences(rig.client, &mut ClientPage::default()),
    },
    Full { field: "pt_blocks", len: 2, fill: bind_far, drain: unbind_far },
    Full { field: "pt_notes", len: 96, fill: bind_far, drain: unbind_far },
    Full { field: "pt_directories", len: 30, fill: bind_far, drain: unbind_far },
    Full { field: "ggtt_nodes", len: 30, fill: exec_queue, drain: destroy_queue },
];

fn fill_up(config: &SimConfig, full: &Full) {
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
        for full in &POOLS {
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
