//! PREFETCH: bind-and-exec sheet §3.2, §4.1; defect D19.

use crate::table::{accepts, refuses, row};
use barexe_core::Errno::EINVAL;
use barexe_core::device::TicketState;
use barexe_core::device::request::{BindFlags, BindKind, BindOp};
use barexe_core::gt::EngineClass;
use barexe_core::uapi::request::XE_VM_BIND;
use barexe_tests::rig::{Gate, binary, on_each_platform};
use barexe_tests::wire::{Bytes, Ram};

const VA: u64 = 0x1A_0000;

fn prefetch(vm: u32, region: u32) -> Bytes {
    let op = Bytes::new(80).u64(24, 0x1000).u64(32, VA).u32(40, 4).u32(48, region);
    Bytes::new(136).u32(8, vm).u32(20, 1).with(24, &op.0)
}

#[test]
fn regions_are_checked() {
    on_each_platform(|rig| {
        let vm = rig.vm();
        for region in [0, u32::MAX] {
            accepts(rig, XE_VM_BIND, &prefetch(vm, region), &Ram::new());
        }
        let rows =
            [1, 31, 32, u32::MAX - 1].map(|region| row("10b16", prefetch(vm, region), EINVAL, "prefetch region"));
        refuses(rig, XE_VM_BIND, rows.into());
        // Through the core call too, which decodes nothing.
        let kind = BindKind::Prefetch { region: 31 };
        let op = BindOp { kind, va: VA, range_bytes: 0x1000, pat_index: 0, flags: BindFlags::empty() };
        assert_eq!(rig.bind(vm, 0, &[op], &[]).unwrap_err().errno(), EINVAL);
    });
}

#[test]
fn it_has_nothing_to_write_and_keeps_its_place_in_the_queue() {
    on_each_platform(|rig| {
        let vm = rig.vm();
        let gate = Gate::shut(rig, vm, EngineClass::Render);
        let mapped = rig.bo(0x1000);
        rig.bind_now(vm, &[rig.map_op(mapped, VA)]);
        for va in [VA, VA + 0x10_0000] {
            let kind = BindKind::Prefetch { region: 0 };
            let op = BindOp { kind, va, range_bytes: 0x1000, pat_index: 0, flags: BindFlags::empty() };
            let free = rig.bind(vm, 0, &[op], &[]).unwrap();
            assert_eq!(rig.wait(free), TicketState::Done, "nothing holds it");
        }
        let other = rig.device.bind_queue_create(rig.client, vm).unwrap();
        let kind = BindKind::Prefetch { region: 0 };
        let op = BindOp { kind, va: VA, range_bytes: 0x1000, pat_index: 0, flags: BindFlags::empty() };
        let out = rig.syncobj();
        let waits = rig.bind(vm, other, &[op], &[binary(gate.syncobj, false), binary(out, true)]).unwrap();
        let behind = rig.bind(vm, other, &[op], &[]).unwrap();
        rig.settle();
        assert!(!rig.is_over(waits) && !rig.is_over(behind) && !rig.is_signalled(out), "its in-sync is open");
        gate.open(rig);
        assert_eq!((rig.wait(behind), rig.is_signalled(out)), (TicketState::Done, true));
    });
}
