//! What fills a pool, and what makes room in it again: one row for each capacity of the lent storage that calls take
//! places in. Tests of full pools and of shares go over all rows.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking, and count"
)]

use crate::client::{CLIENT_PAGE, ClientPage};
use crate::rig::{BATCH_END, Mapped, Rig, SPACE, binary, on, point};
use barexe_core::device::awaited::done;
use barexe_core::device::request::{
    BindCall, BindKind, BindOp, BoRequest, CpuCaching, EngineRef, QueueProperties, QueueRequest, SyncEntry, SyncTarget,
    VmFlags,
};
use barexe_core::device::{ClientId, ExportedBo, MappingId, Ticket};
use barexe_core::gt::EngineClass;
use barexe_core::{Capacity, Error};
use barexe_sim::SimConfig;
use core::cell::Cell;
use core::task::{Context, Poll, Waker};

/// Ranges of the GGTT on this part that are the firmware's and the driver's own.
///
/// # Panics
/// If the part is not simulated.
#[must_use]
pub fn ranges_of_nobody(config: &SimConfig) -> usize {
    let found = Cell::new(0);
    on(config, |rig| {
        let all = rig.device.places_in_use().find(|places| places.capacity == Capacity::GgttNodes).unwrap();
        found.set(usize::try_from(all.nobodys).unwrap());
    });
    found.get()
}

/// Where the object with the batch is mapped.
pub const VA: u64 = 0x1A_0000;
/// Where the client's own memory begins, and how long the pieces are that lie together on the bus.
const USER: u64 = 0x5000_0000;
const PIECE: u64 = 0x1000;

/// What a client has made, newest last, on top of what every case begins with: a VM, an object mapped at [`VA`] with a
/// batch that ends at once, a queue on each of two engines.
#[derive(Debug, Default)]
pub struct Ids {
    /// The VM.
    pub vm: u32,
    /// The object.
    pub bo: Option<Mapped>,
    /// The queues.
    pub queues: [u32; 2],
    made: Vec<u32>,
    clients: Vec<ClientId>,
    mappings: Vec<MappingId>,
    exported: Option<ExportedBo>,
    ticket: Option<Ticket>,
    calls: u64,
}

impl Ids {
    /// What every case begins with, of the rig's client.
    pub fn begin(rig: &mut Rig<'_>) -> Self {
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

/// One pool: how many places are few, what takes them, and what makes room.
#[derive(Clone, Copy, Debug)]
pub struct Fill {
    /// Its field in the storage.
    pub field: &'static str,
    /// What an error calls it.
    pub capacity: Capacity,
    /// Places that are few, but enough to [begin](Ids::begin) with and for some calls more.
    pub len: usize,
    /// Takes one place or more, or is refused.
    pub fill: fn(&mut Rig<'_>, &mut Ids) -> Result<(), Error>,
    /// Makes room for one call.
    pub drain: fn(&mut Rig<'_>, &mut Ids),
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

/// The sync object of a batch that the engine has not run yet, as what to wait for.
fn behind_a_batch(rig: &mut Rig<'_>, ids: &mut Ids) -> Result<SyncEntry, Error> {
    if ids.made.is_empty() {
        let syncobj = rig.syncobj();
        ids.made.push(syncobj);
        rig.exec(ids.queues[0], VA, &[binary(syncobj, true)])?;
    }
    Ok(binary(ids.made[0], false))
}

fn bind_behind_a_batch(rig: &mut Rig<'_>, ids: &mut Ids) -> Result<(), Error> {
    let (op, behind) = (ids.null(rig), behind_a_batch(rig, ids)?);
    bind(rig, ids, op, &[behind])?;
    ids.calls += 1;
    Ok(())
}

fn exec_behind_a_batch(rig: &mut Rig<'_>, ids: &mut Ids) -> Result<(), Error> {
    let behind = behind_a_batch(rig, ids)?;
    rig.exec(ids.queues[1], VA, &[behind]).map(drop)
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

/// The object of another client that is exported already, so that a refused call changes nothing.
fn import_of_another(rig: &mut Rig<'_>, ids: &mut Ids) -> Result<(), Error> {
    let exported = ids.exported.take().unwrap_or_else(|| export_of_another(rig, ids));
    match rig.device.bo_import(rig.client, &exported) {
        Ok(imported) => {
            ids.made.push(imported);
            rig.device.bo_export_close(exported).unwrap();
            ids.exported = Some(export_of_another(rig, ids));
            Ok(())
        }
        Err(error) => {
            ids.exported = Some(exported);
            Err(error)
        }
    }
}

fn export_of_another(rig: &mut Rig<'_>, ids: &mut Ids) -> ExportedBo {
    if ids.clients.is_empty() {
        ids.clients.push(rig.device.client_open(false).unwrap());
    }
    let importer = core::mem::replace(&mut rig.client, ids.clients[0]);
    let bo = small_bo(rig).unwrap();
    let exported = rig.device.bo_export(rig.client, bo).unwrap();
    rig.client = importer;
    exported
}

/// A future that waits for a batch which the engine has not run yet, and is never asked again.
fn sleep_on_a_batch(rig: &mut Rig<'_>, ids: &mut Ids) -> Result<(), Error> {
    let ticket = match ids.ticket.filter(|ticket| !rig.is_over(*ticket)) {
        Some(ticket) => ticket,
        None => rig.exec(ids.queues[0], VA, &[])?,
    };
    ids.ticket = Some(ticket);
    let mut future = Box::pin(done(&mut rig.device, ticket));
    if let Poll::Ready(over) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        return over;
    }
    // Dropped it would take its waker back.
    core::mem::forget(future);
    Ok(())
}

/// Two pages of the client's own memory, in two pieces, at an address of its own for each call.
fn bind_user(rig: &mut Rig<'_>, ids: &mut Ids) -> Result<(), Error> {
    let addr = USER + 0x100_0000 * u64::from(rig.client.index()) + 0x1_0000 * ids.calls;
    rig.sim.user_map(SPACE, addr..addr + 2 * PIECE, PIECE);
    let op = rig.user_op(addr, 0x4000_0000 + 0x1_0000 * ids.calls, 2 * PIECE);
    bind(rig, ids, op, &[])?;
    ids.calls += 1;
    rig.settle();
    Ok(())
}

fn unbind_user(rig: &mut Rig<'_>, ids: &mut Ids) {
    ids.calls -= 1;
    rig.bind_now(ids.vm, &[rig.unmap_op(0x4000_0000 + 0x1_0000 * ids.calls, 2 * PIECE)]);
}

/// Every pool. Operations of a bind call and out-syncs are not among them: one call fills them by itself.
pub const FILLS: &[Fill] = &[
    Fill {
        field: "clients",
        capacity: Capacity::Clients,
        len: 3,
        fill: |rig, ids| {
            ids.clients.push(rig.device.client_open(false)?);
            Ok(())
        },
        drain: |rig, ids| rig.device.client_close(ids.clients.pop().unwrap()).unwrap(),
    },
    Fill {
        field: "vms",
        capacity: Capacity::Vms,
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
    Fill { field: "vma_nodes", capacity: Capacity::VmaNodes, len: 1, fill: bind_near, drain: unbind_near },
    Fill { field: "vm_bos", capacity: Capacity::VmBos, len: 2, fill: bind_near, drain: unbind_near },
    Fill { field: "steps", capacity: Capacity::BindSteps, len: 5, fill: bind_behind_a_batch, drain: run_all },
    Fill {
        field: "bos",
        capacity: Capacity::Bos,
        len: 4,
        fill: |rig, ids| {
            let made = small_bo(rig);
            ids.keep(made)
        },
        drain: close_bo,
    },
    Fill {
        field: "bo_blocks",
        capacity: Capacity::BoBlocks,
        len: 4,
        fill: |rig, ids| {
            let made = small_bo(rig);
            ids.keep(made)
        },
        drain: close_bo,
    },
    Fill {
        field: "bo_mappings",
        capacity: Capacity::BoMappings,
        len: 4,
        fill: |rig, ids| {
            let offset = rig.device.bo_mmap_offset(rig.client, ids.bo.unwrap().bo)?;
            ids.mappings.push(rig.device.bo_map(rig.client, offset, 4096)?);
            Ok(())
        },
        drain: |rig, ids| rig.device.bo_unmap(rig.client, ids.mappings.pop().unwrap()).unwrap(),
    },
    Fill { field: "queues", capacity: Capacity::Queues, len: 6, fill: bind_queue, drain: destroy_queue },
    Fill { field: "timelines", capacity: Capacity::Timelines, len: 6, fill: exec_queue, drain: destroy_queue },
    Fill {
        field: "jobs",
        capacity: Capacity::Jobs,
        len: 4,
        fill: |rig, ids| rig.exec(ids.queues[0], VA, &[]).map(drop),
        drain: run_all,
    },
    Fill { field: "dependencies", capacity: Capacity::Dependencies, len: 4, fill: exec_behind_a_batch, drain: run_all },
    Fill {
        field: "syncobjs",
        capacity: Capacity::Syncobjs,
        len: 3,
        fill: |rig, ids| {
            let made = rig.device.syncobj_create(rig.client, true);
            ids.keep(made)
        },
        drain: |rig, ids| rig.device.syncobj_destroy(rig.client, ids.last()).unwrap(),
    },
    Fill {
        field: "sync_points",
        capacity: Capacity::SyncPoints,
        len: 4,
        fill: exec_to_a_new_point,
        drain: |rig, ids| rig.device.syncobj_reset(rig.client, &mut &[ids.made[0]][..]).unwrap(),
    },
    Fill {
        field: "user_fences",
        capacity: Capacity::UserFences,
        len: 3,
        fill: bind_with_user_fence,
        drain: |rig, _| rig.device.deliver_user_fences(rig.client, &mut ClientPage::default()),
    },
    Fill { field: "pt_blocks", capacity: Capacity::PtBlocks, len: 2, fill: bind_far, drain: unbind_far },
    Fill { field: "pt_notes", capacity: Capacity::PtNodes, len: 32, fill: bind_far, drain: unbind_far },
    Fill { field: "pt_directories", capacity: Capacity::PtDirectories, len: 30, fill: bind_far, drain: unbind_far },
    Fill { field: "ggtt_nodes", capacity: Capacity::GgttNodes, len: 30, fill: exec_queue, drain: destroy_queue },
    Fill {
        field: "bo_imports",
        capacity: Capacity::BoImports,
        len: 3,
        fill: import_of_another,
        drain: |rig, ids| rig.device.bo_close(rig.client, ids.last()).unwrap(),
    },
    Fill { field: "sleepers", capacity: Capacity::Sleepers, len: 3, fill: sleep_on_a_batch, drain: run_all },
    Fill { field: "user_ranges", capacity: Capacity::UserRanges, len: 3, fill: bind_user, drain: unbind_user },
    Fill { field: "user_pins", capacity: Capacity::UserPins, len: 7, fill: bind_user, drain: unbind_user },
];
