//! A client's life in bytes: what it would see if it spoke to a kernel.

use crate::table::{ARRAY, OTHER, accepts, call};
use barexe_core::uapi::Answer;
use barexe_core::uapi::request::{
    GEM_CLOSE, SYNCOBJ_CREATE, SYNCOBJ_DESTROY, SYNCOBJ_RESET, SYNCOBJ_WAIT, XE_EXEC, XE_EXEC_QUEUE_CREATE,
    XE_EXEC_QUEUE_DESTROY, XE_GEM_CREATE, XE_GEM_MMAP_OFFSET, XE_VM_BIND, XE_VM_CREATE, XE_VM_DESTROY,
};
use barexe_hal::Nanos;
use barexe_tests::rig::{Mapped, Rig, on_each_platform, store_batch};
use barexe_tests::wire::{Bytes, Ram};

const VA: u64 = 0x1A_0000;

/// Makes a wait until it is over, letting the part run in between.
fn wait_for(rig: &mut Rig<'_>, syncobj: u32) {
    let arg = Bytes::new(40).u64(0, ARRAY).u64(8, i64::MAX as u64).u32(16, 1).u32(24, 77);
    for _ in 0..1000 {
        let (mut arg, mut memory) = (arg.clone(), Ram::new().with(ARRAY, &syncobj.to_le_bytes()));
        match call(rig, SYNCOBJ_WAIT, &mut arg, &mut memory).unwrap() {
            Answer::Done(ret) => return assert_eq!((ret, arg.get_u32(24)), (0, 0)),
            waits @ (Answer::Wait { .. } | Answer::Accepted(_)) => assert_eq!(waits, Answer::Wait { until: None }),
        }
        let step = rig.device.now().saturating_add(Nanos::from_micros(20));
        rig.device.relax(step).unwrap();
    }
    panic!("{}: the wait does not end: {:?}", rig.name(), rig.sim.halted());
}

/// A buffer object of two pages, private to a VM, mapped for the CPU where the offset says.
fn object(rig: &mut Rig<'_>, vm: u32) -> Mapped {
    let create = Bytes::new(56).u64(8, 0x2000).u32(16, 1).u32(24, vm).u16(32, 1);
    let bo = accepts(rig, XE_GEM_CREATE, &create, &Ram::new()).get_u32(28);
    let offset = accepts(rig, XE_GEM_MMAP_OFFSET, &Bytes::new(40).u32(8, bo), &Ram::new()).get_u64(16);
    let mapping = rig.device.bo_map(rig.client, offset, 0x2000).unwrap();
    Mapped { bo, mapping, len_bytes: 0x2000 }
}

#[test]
fn a_batch_bound_run_and_waited_for_in_bytes_stores_its_result() {
    on_each_platform(|rig| {
        let vm = accepts(rig, XE_VM_CREATE, &Bytes::new(32), &Ram::new()).get_u32(12);
        let bo = object(rig, vm);
        rig.write(bo, 0, &store_batch(VA + 0x1008, 0x12_3456));
        let syncobj = accepts(rig, SYNCOBJ_CREATE, &Bytes::new(8), &Ram::new()).get_u32(0);
        let signal = Bytes::new(48).u32(12, 1).u32(16, syncobj);
        // Two operations from client memory: the second is undone by nothing.
        let map = |va: u64| Bytes::new(80).u32(8, bo.bo).u16(12, rig.coherent_pat()).u64(24, 0x2000).u64(32, va);
        let memory = Ram::new().with_all(ARRAY, &[map(VA), map(1 << 33)]).with(OTHER, &signal.0);
        let bind = Bytes::new(136).u32(8, vm).u32(20, 2).u64(24, ARRAY).u32(108, 1).u64(112, OTHER);
        accepts(rig, XE_VM_BIND, &bind, &memory);
        wait_for(rig, syncobj);
        let engine = Ram::new().with(ARRAY, &Bytes::new(8).u16(0, 1).0);
        let create = Bytes::new(48).u16(8, 1).u16(10, 1).u32(12, vm).u64(24, ARRAY);
        let queue = accepts(rig, XE_EXEC_QUEUE_CREATE, &create, &engine).get_u32(20);
        let reset = Bytes::new(16).u64(0, ARRAY).u32(8, 1);
        accepts(rig, SYNCOBJ_RESET, &reset, &Ram::new().with(ARRAY, &syncobj.to_le_bytes()));
        let exec = Bytes::new(56).u32(8, queue).u32(12, 1).u64(16, OTHER).u64(24, 1 << 33).u16(32, 1);
        accepts(rig, XE_EXEC, &exec, &Ram::new().with(OTHER, &signal.0));
        wait_for(rig, syncobj);
        assert_eq!(rig.read(bo, 0x1008), 0x12_3456);
        let unmap = Bytes::new(80).u32(40, 1).u64(24, 1 << 34);
        accepts(rig, XE_VM_BIND, &Bytes::new(136).u32(8, vm).u32(20, 1).with(24, &unmap.0), &Ram::new());
        accepts(rig, SYNCOBJ_DESTROY, &Bytes::new(8).u32(0, syncobj), &Ram::new());
        accepts(rig, XE_EXEC_QUEUE_DESTROY, &Bytes::new(24).u32(0, queue), &Ram::new());
        accepts(rig, GEM_CLOSE, &Bytes::new(8).u32(0, bo.bo), &Ram::new());
        accepts(rig, XE_VM_DESTROY, &Bytes::new(24).u32(0, vm), &Ram::new());
    });
}
