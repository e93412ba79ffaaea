//! Contract 4: a handle that is foreign, stale or nobody's is an error for every call, never someone else's object.
#![expect(clippy::unwrap_used, reason = "helpers of these tests fail by panicking")]

use barexe_core::device::request::{
    BindCall, BindKind, BindOp, BoRequest, CpuCaching, EngineRef, ExecCall, QueueProperties, QueueRequest, SyncEntry,
    VmFlags,
};
use barexe_core::device::{ClientId, MappingId, SyncobjLook, TicketState};
use barexe_core::gt::EngineClass;
use barexe_core::{Error, ObjectKind};
use barexe_hal::client::NoClientMemory;
use barexe_tests::found::core_state;
use barexe_tests::rig::{BATCH_END, Mapped, Rig, binary, on_each_platform, point};

const VA: u64 = 0x1A_0000;

/// What a client has: one of everything.
#[derive(Clone, Copy, Debug)]
struct Owned {
    client: ClientId,
    vm: u32,
    bo: Mapped,
    bind_queue: u32,
    exec_queue: u32,
    syncobj: u32,
}

fn one_of_everything(rig: &mut Rig<'_>) -> Owned {
    let vm = rig.vm();
    let bo = rig.bo(0x1000);
    rig.bind_now(vm, &[rig.map_op(bo, VA)]);
    rig.write(bo, 0, &[BATCH_END, 0]);
    let bind_queue = rig.device.bind_queue_create(rig.client, vm).unwrap();
    let exec_queue = rig.queue(vm, rig.engine(EngineClass::Copy));
    let syncobj = rig.device.syncobj_create(rig.client, true).unwrap();
    Owned { client: rig.client, vm, bo, bind_queue, exec_queue, syncobj }
}

const fn small(vm: Option<u32>) -> BoRequest {
    BoRequest { size_bytes: 4096, caching: CpuCaching::WriteBack, scanout: false, no_compression: false, vm }
}

fn exec(rig: &mut Rig<'_>, client: ClientId, queue: u32, syncs: &[SyncEntry]) -> Result<(), Error> {
    rig.device.exec(client, &ExecCall { queue, batches: &[] }, &mut &syncs[..]).map(drop)
}

fn bind(rig: &mut Rig<'_>, client: ClientId, call: BindCall, ops: &[BindOp], syncs: &[SyncEntry]) -> Result<(), Error> {
    rig.device.vm_bind(client, &call, &mut &ops[..], &mut &syncs[..], &mut NoClientMemory).map(drop)
}

fn create_exec_queue(rig: &mut Rig<'_>, client: ClientId, vm: u32) -> Result<(), Error> {
    let engine = rig.engine(EngineClass::Copy);
    let place = EngineRef { class: engine.class, instance: engine.logical.into(), gt: engine.gt.into() };
    let properties = QueueProperties::default();
    rig.device.exec_queue_create(client, &QueueRequest { vm, placements: &[place], width: 1, properties }).map(drop)
}

fn map_op(rig: &Rig<'_>, bo: u32) -> BindOp {
    BindOp { kind: BindKind::Map { bo, offset_bytes: 0 }, ..rig.unmap_op(VA, 0x1000) }
}

/// A call that is given one id: by a caller with everything else in order.
type Call = fn(&mut Rig<'_>, &Owned, u32) -> Result<(), Error>;

/// Calls by the kind of object whose id they take; the interface answers `Invalid` instead of `NotFound` to some.
const CALLS: [(&str, ObjectKind, bool, Call); 19] = [
    ("vm_destroy", ObjectKind::Vm, false, |rig, own, id| rig.device.vm_destroy(own.client, id)),
    ("vm_bind", ObjectKind::Vm, true, |rig, own, vm| bind(rig, own.client, BindCall { vm, queue: 0 }, &[], &[])),
    ("bo_create", ObjectKind::Vm, false, |rig, own, id| rig.device.bo_create(own.client, &small(Some(id))).map(drop)),
    ("bind_queue_create", ObjectKind::Vm, false, |rig, own, id| rig.device.bind_queue_create(own.client, id).map(drop)),
    ("exec_queue_create", ObjectKind::Vm, false, |rig, own, id| create_exec_queue(rig, own.client, id)),
    ("queue_destroy", ObjectKind::Queue, false, |rig, own, id| rig.device.queue_destroy(own.client, id)),
    ("queue_width", ObjectKind::Queue, false, |rig, own, id| rig.device.queue_width(own.client, id).map(drop)),
    ("queue_is_banned", ObjectKind::Queue, false, |rig, own, id| rig.device.queue_is_banned(own.client, id).map(drop)),
    ("exec", ObjectKind::Queue, false, |rig, own, id| exec(rig, own.client, id, &[])),
    ("bo_close", ObjectKind::Bo, true, |rig, own, id| rig.device.bo_close(own.client, id)),
    ("bo_mmap_offset", ObjectKind::Bo, false, |rig, own, id| rig.device.bo_mmap_offset(own.client, id).map(drop)),
    ("vm_bind of an object", ObjectKind::Bo, false, |rig, own, id| {
        let op = map_op(rig, id);
        bind(rig, own.client, BindCall { vm: own.vm, queue: 0 }, &[op], &[])
    }),
    ("syncobj_destroy", ObjectKind::Syncobj, true, |rig, own, id| rig.device.syncobj_destroy(own.client, id)),
    ("syncobj_reset", ObjectKind::Syncobj, false, |rig, own, id| {
        rig.device.syncobj_reset(own.client, &mut &[own.syncobj, id][..])
    }),
    ("syncobj_look", ObjectKind::Syncobj, false, |rig, own, id| {
        rig.device.syncobj_look(own.client, &mut &[own.syncobj, id][..], SyncobjLook::default()).map(drop)
    }),
    ("exec with an in-sync", ObjectKind::Syncobj, false, |rig, own, id| {
        exec(rig, own.client, own.exec_queue, &[point(own.syncobj, 1, true), binary(id, false)])
    }),
    ("exec with an out-sync", ObjectKind::Syncobj, false, |rig, own, id| {
        exec(rig, own.client, own.exec_queue, &[point(own.syncobj, 1, true), binary(id, true)])
    }),
    ("vm_bind with an in-sync", ObjectKind::Syncobj, false, |rig, own, id| {
        let op = map_op(rig, own.bo.bo);
        bind(rig, own.client, BindCall { vm: own.vm, queue: 0 }, &[op], &[point(id, 1, false)])
    }),
    ("vm_bind with an out-sync", ObjectKind::Syncobj, false, |rig, own, id| {
        let op = map_op(rig, own.bo.bo);
        bind(rig, own.client, BindCall { vm: own.vm, queue: own.bind_queue }, &[op], &[point(id, 1, true)])
    }),
];

/// Ids of a kind that `own` must not be able to use.
fn bad_ids(kind: ObjectKind, foreign: &Owned, stale: &Owned) -> Vec<u32> {
    let of = |owned: &Owned| match kind {
        ObjectKind::Vm => vec![owned.vm],
        ObjectKind::Queue => vec![owned.bind_queue, owned.exec_queue],
        ObjectKind::Bo => vec![owned.bo.bo],
        ObjectKind::Syncobj => vec![owned.syncobj],
        ObjectKind::Client | ObjectKind::BoMapping | ObjectKind::Vma | ObjectKind::Work => vec![],
    };
    // Bit 31 is in no id; the generation one further names nothing yet.
    let near = of(foreign).into_iter().flat_map(|id| [id, id | 1 << 31, id ^ 1 << 16]);
    near.chain(of(stale)).chain([0, u32::MAX, 0x7FFF_FFFF, 0xFFFF]).collect()
}

fn destroy(rig: &mut Rig<'_>, gone: &Owned) {
    for queue in [gone.bind_queue, gone.exec_queue] {
        rig.device.queue_destroy(gone.client, queue).unwrap();
    }
    rig.device.vm_destroy(gone.client, gone.vm).unwrap();
    rig.device.bo_close(gone.client, gone.bo.bo).unwrap();
    rig.device.bo_unmap(gone.client, gone.bo.mapping).unwrap();
    rig.device.syncobj_destroy(gone.client, gone.syncobj).unwrap();
}

/// Two clients with everything, and what the second one had and gave up.
fn clients(rig: &mut Rig<'_>) -> (Owned, Owned, Owned) {
    let foreign = one_of_everything(rig);
    rig.client = rig.device.client_open(false).unwrap();
    let stale = one_of_everything(rig);
    destroy(rig, &stale);
    rig.settle();
    // Takes the slots of what is gone: an id without a generation would find it.
    let own = one_of_everything(rig);
    (foreign, stale, own)
}

#[test]
fn foreign_stale_and_made_up_ids_are_refused_by_every_call() {
    on_each_platform(|rig| {
        let (foreign, stale, own) = clients(rig);
        let mut tried = 0u32;
        for (name, kind, invalid, call) in CALLS {
            for id in bad_ids(kind, &foreign, &stale) {
                let before = core_state(&rig.device);
                let error = call(rig, &own, id).unwrap_err();
                let expected = if invalid {
                    matches!(error, Error::Invalid { value, .. } if value == u64::from(id))
                } else {
                    error == Error::NotFound { kind, id }
                };
                assert!(expected, "{name} of {id:#x}: {error}");
                assert_eq!(core_state(&rig.device), before, "{name} of {id:#x} refused with {error}");
                tried = tried.saturating_add(1);
            }
        }
        assert!(tried > 150, "{tried} calls with bad ids");
    });
}

/// A bind names queue 0 for the VM's own, so 0 is no bad id there; nor may the queue be another VM's.
#[test]
fn a_bind_on_a_queue_that_is_not_its_vms_is_refused() {
    on_each_platform(|rig| {
        let (foreign, stale, own) = clients(rig);
        let other_vm = rig.vm();
        let other = rig.device.bind_queue_create(rig.client, other_vm).unwrap();
        let op = map_op(rig, own.bo.bo);
        let not_found = |id| Error::NotFound { kind: ObjectKind::Queue, id };
        let invalid = |id: u32| Error::invalid("bind queue id", id.into());
        let cases = [
            (foreign.bind_queue, not_found(foreign.bind_queue)),
            (stale.bind_queue, not_found(stale.bind_queue)),
            (u32::MAX, not_found(u32::MAX)),
            (other, invalid(other)),
            (own.exec_queue, invalid(own.exec_queue)),
        ];
        for (queue, want) in cases {
            let before = core_state(&rig.device);
            assert_eq!(bind(rig, own.client, BindCall { vm: own.vm, queue }, &[op], &[]), Err(want));
            assert_eq!(core_state(&rig.device), before);
        }
        let error = exec(rig, own.client, own.bind_queue, &[]).unwrap_err();
        assert_eq!(error, Error::invalid("exec queue id", own.bind_queue.into()));
    });
}

#[test]
fn the_memory_of_another_client_cannot_be_mapped_read_or_written() {
    on_each_platform(|rig| {
        let (foreign, stale, own) = clients(rig);
        let offset = rig.device.bo_mmap_offset(foreign.client, foreign.bo.bo).unwrap();
        assert_eq!(rig.device.bo_map(own.client, offset, 4096), Err(Error::invalid("mmap offset", offset)));
        for mapping in [foreign.bo.mapping, stale.bo.mapping] {
            let before = core_state(&rig.device);
            let want = Err(Error::NotFound { kind: ObjectKind::BoMapping, id: mapping.id() });
            let mut bytes = [0xA5; 4];
            assert_eq!(rig.device.mapping_read(own.client, mapping, 0, &mut bytes), want);
            assert_eq!(rig.device.mapping_write(own.client, mapping, 0, &bytes), want);
            assert_eq!(rig.device.bo_unmap(own.client, mapping), want);
            assert_eq!((bytes, core_state(&rig.device)), ([0xA5; 4], before));
        }
        rig.client = foreign.client;
        assert_eq!(rig.read(foreign.bo, 0), BATCH_END);
    });
}

type ClientCall = fn(&mut Rig<'_>, ClientId, &Owned, MappingId) -> Result<(), Error>;

/// Calls that say who calls, with arguments that would do.
const CLIENT_CALLS: [(&str, ClientCall); 11] = [
    ("client_close", |rig, client, _, _| rig.device.client_close(client)),
    ("client_is_privileged", |rig, client, _, _| rig.device.client_is_privileged(client).map(drop)),
    ("vm_create", |rig, client, _, _| rig.device.vm_create(client, VmFlags::empty()).map(drop)),
    ("vm_destroy", |rig, client, own, _| rig.device.vm_destroy(client, own.vm)),
    ("vm_bind", |rig, client, own, _| bind(rig, client, BindCall { vm: own.vm, queue: 0 }, &[], &[])),
    ("bo_create", |rig, client, _, _| rig.device.bo_create(client, &small(None)).map(drop)),
    ("bo_unmap", |rig, client, _, mapping| rig.device.bo_unmap(client, mapping)),
    ("queue_destroy", |rig, client, own, _| rig.device.queue_destroy(client, own.exec_queue)),
    ("exec", |rig, client, own, _| exec(rig, client, own.exec_queue, &[])),
    ("syncobj_create", |rig, client, _, _| rig.device.syncobj_create(client, false).map(drop)),
    ("syncobj_reset", |rig, client, own, _| rig.device.syncobj_reset(client, &mut &[own.syncobj][..])),
];

#[test]
fn a_client_that_is_closed_can_do_nothing_and_the_one_in_its_place_has_nothing_of_it() {
    on_each_platform(|rig| {
        let gone = one_of_everything(rig);
        rig.device.client_close(gone.client).unwrap();
        rig.settle();
        let next = rig.device.client_open(true).unwrap();
        assert_eq!(next.index(), gone.client.index(), "the slot is taken again");
        for (name, call) in CLIENT_CALLS {
            let before = core_state(&rig.device);
            let error = call(rig, gone.client, &gone, gone.bo.mapping).unwrap_err();
            assert!(matches!(error, Error::NotFound { .. }), "{name}: {error}");
            assert_eq!(core_state(&rig.device), before, "{name} refused with {error}");
        }
        let foreign = CALLS.iter().filter(|(_, kind, ..)| *kind != ObjectKind::Syncobj);
        rig.client = next;
        let own = one_of_everything(rig);
        for (name, kind, _, call) in foreign {
            let id = bad_ids(*kind, &gone, &gone)[0];
            assert!(call(rig, &own, id).is_err(), "{name}");
        }
    });
}

/// A ticket outlives neither its queue nor the place of its queue.
#[test]
fn a_ticket_of_a_queue_that_is_gone_is_stale() {
    on_each_platform(|rig| {
        let own = one_of_everything(rig);
        let ticket = rig.exec(own.exec_queue, VA, &[]).unwrap();
        assert_eq!(rig.wait(ticket), TicketState::Done);
        rig.device.queue_destroy(own.client, own.exec_queue).unwrap();
        rig.settle();
        let stale = |rig: &Rig<'_>| matches!(rig.device.ticket_state(ticket), Err(Error::NotFound { kind, .. }) if kind == ObjectKind::Work);
        assert!(stale(rig));
        let again = rig.queue(own.vm, rig.engine(EngineClass::Copy));
        rig.exec(again, VA, &[]).unwrap();
        assert!(stale(rig), "the queue that has taken its place");
    });
}
