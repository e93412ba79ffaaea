//! VM create and destroy: bind-and-exec sheet §3.1.

use crate::table::{accepts, refuses, row};
use barexe_core::Errno::{EBUSY, EINVAL, ENOENT};
use barexe_core::device::Config;
use barexe_core::device::request::VmFlags;
use barexe_core::gt::EngineClass;
use barexe_core::uapi::request::{XE_VM_CREATE, XE_VM_DESTROY};
use barexe_sim::{Platform, SimConfig};
use barexe_tests::rig::{on_each_platform, on_opened};
use barexe_tests::wire::{Bytes, Ram};

/// `drm_xe_vm_create` with flags.
fn create(flags: u32) -> Bytes {
    Bytes::new(32).u32(8, flags)
}

#[test]
fn create_refuses_row_by_row() {
    on_each_platform(|rig| {
        let rows = vec![
            row("1 extensions", create(0).u64(0, u64::MAX), EINVAL, "extension"),
            row("2 fault mode", create(4 | 2).u64(16, 1), EINVAL, "VM flags"),
            row("3 reserved", create(32).u64(16, 0xFFFF), EINVAL, "reserved"),
            row("3 reserved, second word", create(0).u64(24, 0xFFFF), EINVAL, "reserved"),
            row("4 unknown flag", create(16), EINVAL, "VM flags"),
            row("4 unknown flag, highest", create(1 << 31), EINVAL, "VM flags"),
            row("5 scratch and fault", create(1 | 4), EINVAL, "VM flags"),
            row("6 fault without LR", create(4), EINVAL, "VM flags"),
            row("7 no overcommit without fault", create(8), EINVAL, "VM flags"),
        ];
        refuses(rig, XE_VM_CREATE, rows);
        for flags in [0, 1, 2, 3] {
            // The id that is given in is not looked at.
            let made = accepts(rig, XE_VM_CREATE, &create(flags).u32(12, 77), &Ram::new());
            let id = made.get_u32(12);
            assert_eq!(rig.device.vm_flags(rig.client, id), Ok(VmFlags::from_bits_retain(flags)));
        }
    });
}

#[test]
fn where_recoverable_faults_are_allowed_create_takes_them() {
    let config = SimConfig::new(Platform::lnl_with_faults());
    on_opened(&config, Config::default(), |rig| {
        let rows = vec![
            row("3 reserved, after 2", create(4 | 2).u64(16, 1), EINVAL, "reserved"),
            row("5 scratch and fault", create(1 | 2 | 4), EINVAL, "VM flags"),
            row("6 fault without LR", create(4), EINVAL, "VM flags"),
            row("7 no overcommit without fault", create(8 | 2), EINVAL, "VM flags"),
        ];
        refuses(rig, XE_VM_CREATE, rows);
        for flags in [2 | 4, 2 | 4 | 8] {
            let id = accepts(rig, XE_VM_CREATE, &create(flags), &Ram::new()).get_u32(12);
            assert_eq!(rig.device.vm_flags(rig.client, id), Ok(VmFlags::from_bits_retain(flags)));
            // Row 3 of destroy is for long-running VMs without faults.
            rig.queue(id, rig.engine(EngineClass::Copy));
            accepts(rig, XE_VM_DESTROY, &destroy(id), &Ram::new());
        }
    });
}

/// `drm_xe_vm_destroy`.
fn destroy(id: u32) -> Bytes {
    Bytes::new(24).u32(0, id)
}

#[test]
fn destroy_refuses_row_by_row() {
    on_each_platform(|rig| {
        let vm = rig.vm();
        let long_running = rig.device.vm_create(rig.client, VmFlags::LR_MODE).unwrap();
        let queue = rig.queue(long_running, rig.engine(EngineClass::Copy));
        let stranger = rig.device.client_open(true).unwrap();
        let foreign = rig.device.vm_create(stranger, VmFlags::empty()).unwrap();
        let gone = rig.vm();
        rig.device.vm_destroy(rig.client, gone).unwrap();
        let rows = vec![
            row("1 pad", destroy(0x7777).u32(4, 1), EINVAL, "padding"),
            row("1 reserved", destroy(vm).u64(8, 1), EINVAL, "reserved"),
            row("1 reserved, second word", destroy(vm).u64(16, 1 << 63), EINVAL, "reserved"),
            row("2 zero", destroy(0), ENOENT, "no Vm"),
            row("2 unknown", destroy(0x7777), ENOENT, "no Vm"),
            row("2 foreign", destroy(foreign), ENOENT, "no Vm"),
            row("2 destroyed", destroy(gone), ENOENT, "no Vm"),
            row("3 exec queue of a long-running VM", destroy(long_running), EBUSY, "in use"),
        ];
        refuses(rig, XE_VM_DESTROY, rows);
        rig.device.queue_destroy(rig.client, queue).unwrap();
        accepts(rig, XE_VM_DESTROY, &destroy(long_running), &Ram::new());
        // An ordinary VM may go with its queues.
        rig.queue(vm, rig.engine(EngineClass::Copy));
        accepts(rig, XE_VM_DESTROY, &destroy(vm), &Ram::new());
    });
}
