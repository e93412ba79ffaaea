//! Client memory that the device reaches in place: pinning, page tables, and the moment pages go.
#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of these tests fail by panicking")]

use barexe_core::Errno;
use barexe_core::device::TicketState;
use barexe_core::device::request::{BindFlags, BindOp};
use barexe_core::gt::EngineClass;
use barexe_hal::{ClientAddr, Nanos};
use barexe_tests::found::{core_state, settled};
use barexe_tests::rig::{BATCH_END, Mapped, Rig, SPACE, on_each_platform, store};

/// Where the client's memory is, and where it is mapped.
const USER: u64 = 0x7000_0000;
const VA: u64 = 0x40_0000;
const BATCH: u64 = 0x1_0000;
/// Bytes of a piece: what lies together on the bus.
const PIECE: u64 = 0x4000;

/// Says that pages change, and waits until they may.
fn invalidate(rig: &mut Rig<'_>, addr: u64, len_bytes: u64) {
    let ticket = rig.device.user_invalidate(SPACE, ClientAddr::new(addr).unwrap(), len_bytes);
    for _ in 0..100 {
        if rig.device.invalidation_state(ticket) == TicketState::Done {
            return;
        }
        let now = rig.device.now();
        let _ = rig.device.relax(now.saturating_add(Nanos::from_micros(20)));
        rig.device.poll();
    }
    panic!("{:?}", rig.device.invalidation_state(ticket));
}

/// A VM with an object for batches and a queue.
struct Scene {
    vm: u32,
    queue: u32,
    batch: Mapped,
}

impl Scene {
    fn new(rig: &mut Rig<'_>) -> Self {
        let (vm, batch) = (rig.vm(), rig.bo(0x1000));
        rig.bind_now(vm, &[rig.map_op(batch, BATCH)]);
        Self { vm, queue: rig.queue(vm, rig.engine(EngineClass::Copy)), batch }
    }

    /// Runs a batch that stores a value at each of these addresses.
    fn store(&self, rig: &mut Rig<'_>, places: &[u64], value: u32) {
        let mut dwords: Vec<u32> = places.iter().flat_map(|va| store(*va, value)).collect();
        dwords.extend([BATCH_END, 0]);
        rig.write(self.batch, 0, &dwords);
        let ran = rig.exec(self.queue, BATCH, &[]).unwrap();
        assert_eq!(rig.wait(ran), TicketState::Done, "{:?}", rig.sim.halted());
    }
}

fn word(rig: &Rig<'_>, addr: u64) -> u32 {
    u32::from_le_bytes(rig.sim.user_read(SPACE, addr, 4).unwrap().try_into().unwrap())
}

#[test]
fn a_range_in_pieces_is_mapped_page_for_page_and_let_go_with_its_mapping() {
    on_each_platform(|rig| {
        let scene = Scene::new(rig);
        rig.sim.user_map(SPACE, USER..USER + 0x9000, PIECE);
        rig.bind_now(scene.vm, &[rig.user_op(USER + 0x1000, VA, 0x8000)]);
        assert_eq!(rig.sim.user_pinned(), 8);
        let places: Vec<u64> = (0..8).map(|page| VA + page * 0x1000 + 8 * page).collect();
        scene.store(rig, &places, 7);
        for page in 0..8 {
            assert_eq!(word(rig, USER + 0x1000 + page * 0x1008), 7, "page {page}");
        }
        rig.bind_now(scene.vm, &[rig.unmap_op(VA, 0x8000)]);
        assert_eq!(rig.sim.user_pinned(), 0);
        // What is still mapped goes with the VM.
        rig.bind_now(scene.vm, &[rig.user_op(USER, VA, 0x9000)]);
        rig.device.vm_destroy(rig.client, scene.vm).unwrap();
        rig.device.queue_destroy(rig.client, scene.queue).unwrap();
        rig.settle();
        assert_eq!(rig.sim.user_pinned(), 0);
    });
}

#[test]
fn pages_cut_out_of_a_mapping_are_let_go_and_its_remnants_stay() {
    on_each_platform(|rig| {
        let scene = Scene::new(rig);
        rig.sim.user_map(SPACE, USER..USER + 0x8000, PIECE);
        rig.bind_now(scene.vm, &[rig.user_op(USER, VA, 0x8000)]);
        // One page out of the middle of the first piece, then what is left of that piece behind it.
        rig.bind_now(scene.vm, &[rig.unmap_op(VA + 0x1000, 0x1000)]);
        assert_eq!(rig.sim.user_pinned(), 7);
        scene.store(rig, &[VA, VA + 0x2000, VA + 0x7000], 9);
        assert_eq!([0, 0x2000, 0x7000].map(|at| word(rig, USER + at)), [9; 3]);
        let bo = rig.bo(0x2000);
        rig.bind_now(scene.vm, &[rig.map_op(bo, VA + 0x2000)]);
        assert_eq!(rig.sim.user_pinned(), 5);
        scene.store(rig, &[VA + 0x2000, VA + 0x4000], 5);
        assert_eq!((rig.read(bo, 0), word(rig, USER + 0x2000), word(rig, USER + 0x4000)), (5, 9, 5));
        rig.bind_now(scene.vm, &[rig.unmap_op(VA, 0x8000)]);
        assert_eq!(rig.sim.user_pinned(), 0);
    });
}

#[test]
fn pages_are_not_let_go_before_tlbs_forget_them() {
    on_each_platform(|rig| {
        let scene = Scene::new(rig);
        rig.sim.user_map(SPACE, USER..USER + 0x2000, PIECE);
        rig.bind_now(scene.vm, &[rig.user_op(USER, VA, 0x2000)]);
        let gone = rig.bind(scene.vm, 0, &[rig.unmap_op(VA, 0x1000)], &[]).unwrap();
        assert!(!rig.is_over(gone));
        assert_eq!(rig.sim.user_pinned(), 2, "the invalidation is not over");
        assert_eq!((rig.wait(gone), rig.sim.user_pinned()), (TicketState::Done, 1));
    });
}

#[test]
fn a_refused_call_unpins_what_it_pinned() {
    on_each_platform(|rig| {
        let scene = Scene::new(rig);
        rig.sim.user_map(SPACE, USER..USER + 0x4000, PIECE);
        rig.sim.user_map_read_only(SPACE, USER + 0x4000..USER + 0x5000);
        rig.bind_now(scene.vm, &[rig.user_op(USER, VA, 0x4000)]);
        let (before, device) = (core_state(&rig.device), settled(&rig.sim));
        let whole = rig.user_op(USER, VA + 0x10_0000, 0x4000);
        let refused: [&[BindOp]; 4] = [
            &[rig.unmap_op(VA + 0x1000, 0x1000), whole, rig.user_op(USER + 0x3000, VA, 0x3000)],
            &[whole, rig.user_op(USER + 0x4000, VA, 0x1000)],
            &[whole, rig.user_op(0x1000, VA, 0x1000)],
            &[whole, rig.user_op(u64::MAX & !0xFFF, VA, 0x2000)],
        ];
        for ops in refused {
            let error = rig.bind(scene.vm, 0, ops, &[]).unwrap_err();
            assert_eq!(error.errno(), Errno::EFAULT, "{error}: {ops:?}");
            assert_eq!(core_state(&rig.device), before);
            assert_eq!(settled(&rig.sim), device);
        }
        let read_only = BindOp { flags: BindFlags::READONLY, ..rig.user_op(USER + 0x3000, VA + 0x10_0000, 0x2000) };
        rig.bind_now(scene.vm, &[read_only]);
        assert_eq!(rig.sim.user_pinned(), 6);
    });
}

#[test]
fn a_client_without_a_memory_space_has_no_user_pointers() {
    on_each_platform(|rig| {
        let client = rig.device.client_open(false).unwrap();
        let vm = rig.device.vm_create(client, barexe_core::device::request::VmFlags::empty()).unwrap();
        let mine = core::mem::replace(&mut rig.client, client);
        let op = rig.user_op(USER, VA, 0x1000);
        assert_eq!(rig.bind(vm, 0, &[op], &[]).unwrap_err().errno(), Errno::EINVAL);
        rig.client = mine;
    });
}

#[test]
fn replaced_pages_are_seen_by_the_next_exec() {
    on_each_platform(|rig| {
        let scene = Scene::new(rig);
        rig.sim.user_map(SPACE, USER..USER + 0x8000, PIECE);
        rig.bind_now(scene.vm, &[rig.user_op(USER, VA, 0x8000)]);
        scene.store(rig, &[VA, VA + 0x5000], 1);
        invalidate(rig, USER + 0x4000, 0x2000);
        assert_eq!(rig.sim.user_pinned(), 0, "the whole range is let go");
        rig.sim.user_map(SPACE, USER + 0x4000..USER + 0x6000, 0x1000);
        assert_eq!((word(rig, USER), word(rig, USER + 0x5000)), (1, 0));
        scene.store(rig, &[VA + 0x5000, VA + 0x7000], 2);
        assert_eq!([0, 0x5000, 0x7000].map(|at| word(rig, USER + at)), [1, 2, 2]);
        assert_eq!(rig.sim.user_pinned(), 8);
        // Once more, and then what is there can still be cut and unmapped.
        invalidate(rig, USER, 0x1000);
        rig.sim.user_map(SPACE, USER..USER + 0x1000, 0x1000);
        rig.bind_now(scene.vm, &[rig.unmap_op(VA + 0x2000, 0x1000)]);
        scene.store(rig, &[VA, VA + 0x3000], 3);
        assert_eq!([0, 0x3000].map(|at| word(rig, USER + at)), [3, 3]);
        assert_eq!(rig.sim.user_pinned(), 7);
        rig.bind_now(scene.vm, &[rig.unmap_op(VA, 0x8000)]);
        assert_eq!(rig.sim.user_pinned(), 0);
    });
}
