//! The shell around every call: bind-and-exec sheet §2.8.

use crate::table::{accepts, refuses, row};
use barexe_core::Errno::{self, EACCES, ECANCELED, EINVAL, ENODEV, ENOENT, ENOTTY};
use barexe_core::device::{DeviceState, TableWriter};
use barexe_core::gt::EngineClass;
use barexe_core::uapi::request::{XE_EXEC, XE_EXEC_A, XE_GEM_CREATE, XE_VM_BIND, XE_VM_CREATE};
use barexe_core::uapi::{self, Call};
use barexe_hal::Nanos;
use barexe_sim::Fault;
use barexe_tests::rig::{Rig, on_each_platform, on_each_platform_by};
use barexe_tests::wire::{Bytes, Ram};

/// A request with another size field.
const fn sized(request: u32, len: u32) -> u32 {
    request & !(0x3FFF << 16) | len << 16
}

#[test]
fn requests_are_told_apart_by_type_and_number() {
    on_each_platform(|rig| {
        let no_struct = || Bytes::new(0);
        refuses(rig, 0xC020_6343, vec![row("2 type", no_struct(), ENOTTY, "request 0xc0206343")]);
        refuses(rig, 0xC028_6405, vec![row("2 GET_CLIENT", no_struct(), EINVAL, "ioctl number")]);
        refuses(rig, 0xC040_64A0, vec![row("2 displays", Bytes::new(64), EACCES, "call of the primary node")]);
        refuses(rig, 0xC020_6450, vec![row("2 number", no_struct(), EINVAL, "ioctl number")]);
        refuses(rig, 0x4020_644B, vec![row("2 newer number", no_struct(), EINVAL, "ioctl number")]);
    });
}

#[test]
fn a_short_struct_is_extended_with_zero_and_a_long_one_cut() {
    on_each_platform(|rig| {
        // As far as the flags; the id does not fit.
        let short = Bytes::new(12).u32(8, 1);
        assert_eq!(accepts(rig, sized(XE_VM_CREATE, 12), &short, &Ram::new()), short);
        // Half of the id fits.
        let half = accepts(rig, sized(XE_VM_CREATE, 14), &Bytes::new(14), &Ram::new());
        assert_eq!(half.0[12..], [2, 0]);
        // What lies past the driver's struct is the client's own business.
        let long = accepts(rig, sized(XE_VM_CREATE, 64), &Bytes::new(64).u64(40, u64::MAX), &Ram::new());
        assert_eq!((long.get_u32(12), long.get_u64(40)), (3, u64::MAX));
        // The size field counts, not the buffer: reserved words past it are not there.
        let beyond = Bytes::new(32).u64(16, 1);
        accepts(rig, sized(XE_VM_CREATE, 16), &beyond, &Ram::new());
        refuses(rig, XE_VM_CREATE, vec![row("3.1-3", beyond, EINVAL, "reserved")]);
        // And nothing past the buffer is.
        accepts(rig, XE_VM_CREATE, &Bytes::new(16), &Ram::new());
        refuses(rig, sized(XE_GEM_CREATE, 0), vec![row("3.10-2", Bytes::new(0), EINVAL, "placement")]);
    });
}

/// Bind and exec alone have a struct of another size in each dialect: there the size is not free.
#[test]
fn bind_and_exec_take_the_sizes_of_their_dialects_and_no_other() {
    on_each_platform(|rig| {
        let vm = rig.vm();
        let bind = |len: usize| Bytes::new(len).u32(8, vm);
        for len in [136, 160] {
            accepts(rig, sized(XE_VM_BIND, len), &bind(160), &Ram::new());
        }
        // 152 and 80 are those of the series as it was posted.
        for len in [0, 8, 56, 80, 135, 137, 144, 152, 159, 161, 0x3FFF] {
            refuses(rig, sized(XE_VM_BIND, len), vec![row("2.8-3", bind(200), EINVAL, "size of the argument struct")]);
        }
        for len in [0, 55, 57, 72, 80, 136, 160] {
            refuses(rig, sized(XE_EXEC, len), vec![row("2.8-3", bind(200), EINVAL, "size of the argument struct")]);
        }
        // Each form has its own place for the queue: 8 in U, 12 in A.
        let queue = rig.queue(vm, rig.engine(EngineClass::Copy));
        accepts(rig, sized(XE_EXEC, 56), &Bytes::new(88).u32(8, queue), &Ram::new());
        accepts(rig, XE_EXEC_A, &Bytes::new(88).u32(12, queue), &Ram::new());
    });
}

#[test]
fn a_closed_client_is_refused_everything() {
    on_each_platform(|rig| {
        let closed = rig.device.client_open(true).unwrap();
        rig.device.client_close(closed).unwrap();
        rig.client = closed;
        every_call_says(rig, ENOENT, "no Client");
    });
}

/// Every call is refused, whatever it asks for.
fn every_call_says(rig: &mut Rig<'_>, errno: Errno, says: &'static str) {
    for call in Call::ALL {
        let arg = Bytes::new(call.size_bytes()).u32(0, 1);
        let (mut after, mut memory) = (arg.clone(), Ram::new());
        let answer = uapi::ioctl(&mut rig.device, rig.client, call.request(), &mut after.0, &mut memory);
        let Err(error) = answer else { panic!("{call:?} is accepted: {answer:?}") };
        assert_eq!(error.errno(), errno, "{call:?}: {error}");
        assert!(error.to_string().contains(says), "{call:?}: {error}, not {says}");
        assert_eq!(after, arg);
    }
}

/// The state of the device decides even before the request is looked at.
fn even_nonsense_says(rig: &mut Rig<'_>, errno: Errno) {
    let odd = uapi::ioctl(&mut rig.device, rig.client, 0, &mut [], &mut Ram::new());
    assert_eq!(odd.map_err(|error| error.errno()), Err(errno));
}

#[test]
fn a_device_that_is_gone_is_enodev_for_every_call() {
    on_each_platform(|rig| {
        let (vm, bo) = (rig.vm(), rig.bo(0x1000));
        rig.bind_now(vm, &[rig.map_op(bo, 0)]);
        rig.sim.set_faults(&[Fault::GoneFromAccess(0)]);
        // Unmapping looks at registers, which a device that is gone does not have.
        assert!(rig.bind(vm, 0, &[rig.unmap_op(0, 0x1000)], &[]).is_ok());
        rig.settle();
        assert_eq!(rig.device.state(), DeviceState::Gone);
        every_call_says(rig, ENODEV, "does not answer");
        even_nonsense_says(rig, ENODEV);
    });
}

#[test]
fn a_wedged_device_is_ecanceled_for_every_call() {
    on_each_platform_by(TableWriter::Cpu, |rig| {
        let (vm, bo) = (rig.vm(), rig.bo(0x1000));
        rig.bind_now(vm, &[rig.map_op(bo, 0)]);
        // Page-table changes are over when the invalidation is: one that never ends wedges the device.
        let faults: Vec<Fault> = (0xCE00..0xD000).step_by(4).map(|at| Fault::Reads(at, 1)).collect();
        rig.sim.set_faults(&faults);
        let unmapped = rig.bind(vm, 0, &[rig.unmap_op(0, 0x1000)], &[]);
        assert!(unmapped.is_ok());
        rig.sim.advance(Nanos::from_millis(1000));
        rig.settle();
        assert_eq!(rig.device.state(), DeviceState::Wedged);
        every_call_says(rig, ECANCELED, "canceled");
        even_nonsense_says(rig, ECANCELED);
    });
}
