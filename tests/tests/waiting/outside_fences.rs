//! Fences that the embedder signals.

use barexe_core::Errno;
use barexe_core::device::TicketState;
use barexe_tests::rig::{binary, on_each_platform};

const VA: u64 = 0x1A_0000;

#[test]
fn work_waits_for_a_fence_from_outside_and_for_nothing_else() {
    on_each_platform(|rig| {
        let (vm, bo) = (rig.vm(), rig.bo(0x1000));
        let (gate, done) = (rig.syncobj(), rig.syncobj());
        let fence = rig.device.outside_fence_create().unwrap();
        rig.device.syncobj_import(rig.client, gate, fence).unwrap();
        let bind = rig.bind(vm, 0, &[rig.map_op(bo, VA)], &[binary(gate, false), binary(done, true)]).unwrap();
        // The bind keeps the fence it was given, whatever becomes of the object.
        rig.device.syncobj_destroy(rig.client, gate).unwrap();
        rig.settle();
        assert!(!rig.is_over(bind) && !rig.is_signalled(done));
        rig.device.outside_fence_signal(fence).unwrap();
        assert_eq!(rig.wait(bind), TicketState::Done);
        assert!(rig.is_signalled(done));
    });
}

#[test]
fn a_fence_signals_once_and_is_imported_only_before() {
    on_each_platform(|rig| {
        let (gate, stranger) = (rig.syncobj(), rig.device.client_open(false).unwrap());
        let fence = rig.device.outside_fence_create().unwrap();
        let foreign = rig.device.syncobj_import(stranger, gate, fence).map_err(|error| error.errno());
        assert_eq!(foreign, Err(Errno::ENOENT));
        rig.device.syncobj_import(rig.client, gate, fence).unwrap();
        assert!(!rig.is_signalled(gate));
        assert_eq!(rig.device.outside_fence_signal(fence), Ok(()));
        assert!(rig.is_signalled(gate));
        let again = rig.device.outside_fence_signal(fence).map_err(|error| error.errno());
        assert_eq!(again, Err(Errno::ENOENT));
        let late = rig.device.syncobj_import(rig.client, gate, fence).map_err(|error| error.errno());
        assert_eq!(late, Err(Errno::ENOENT));
    });
}
