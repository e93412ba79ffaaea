//! Waiting with a device behind a lock, from several threads, and waits that end badly.
#![expect(clippy::unwrap_used, reason = "helpers of these tests fail by panicking")]

use barexe_core::device::wait::{Lend, Patience, wait_for};
use barexe_core::device::{Config, Device, DeviceState, TableWriter, TicketState};
use barexe_core::uapi::ioctl_blocking;
use barexe_core::{Errno, Error};
use barexe_hal::client::NoClientMemory;
use barexe_hal::{Clock, Interrupted, Nanos};
use barexe_sim::{Fault, Platform, Sim, SimConfig, SimHal};
use barexe_tests::rig::{BATCH_END, Rig, binary, on_each_platform, on_each_platform_by};
use barexe_tests::storage::boxed;
use barexe_tests::wire::Bytes;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::sync::{Mutex, MutexGuard};

/// A device that threads share.
struct Shared<'m, 's> {
    device: &'m Mutex<Device<'s, SimHal>>,
    sim: &'m Sim,
    sleeps: &'m AtomicU32,
}

fn lock<'m, 's>(device: &'m Mutex<Device<'s, SimHal>>) -> MutexGuard<'m, Device<'s, SimHal>> {
    device.lock().unwrap()
}

impl<'s> Lend<'s, SimHal> for Shared<'_, 's> {
    fn with<T>(&mut self, work: impl FnOnce(&mut Device<'s, SimHal>) -> T) -> T {
        work(&mut lock(self.device))
    }

    fn idle(&mut self, _until: Nanos) -> Result<(), Interrupted> {
        let sleeps = self.sleeps.fetch_add(1, Ordering::SeqCst);
        assert!(sleeps < 100_000, "the wait does not end");
        let mut hal = self.sim.hal();
        let soon = hal.now().saturating_add(Nanos::from_micros(20));
        let _ = hal.relax(soon);
        // A lock is not fair: who lets go of it for no time at all gets it again.
        std::thread::sleep(Duration::from_micros(50));
        // Every second sleep is interrupted, which must not matter.
        if sleeps.is_multiple_of(2) { Ok(()) } else { Err(Interrupted) }
    }
}

/// `drm_xe_vm_bind` of dialect A that waits: a null mapping of a page.
fn waiting_bind(vm: u32, va: u64) -> Bytes {
    let op = Bytes::new(80).u64(24, 0x1000).u64(32, va).u32(44, 4);
    Bytes::new(160).u32(8, vm).u32(20, 1).with(24, &op.0).u32(108, 1)
}

const VM_BIND_A: u32 = 0x40A0_6445;

/// D9, D10: one thread waits for its bind behind a fence; another binds, runs a barrier and creates objects meanwhile,
/// then signals the fence. Were the device held, it would wait for ever.
#[test]
fn other_threads_work_while_one_waits() {
    for platform in [Platform::tgl(), Platform::lnl()] {
        let sim = Sim::new(&SimConfig::new(platform)).unwrap();
        let mut storage = boxed();
        let opened = Device::open(sim.hal(), storage.lend(), Config::default(), None);
        let mut device = opened.unwrap_or_else(|refused| panic!("open: {}", refused.error));
        let client = device.client_open(true).unwrap();
        let vm = device.vm_create(client, barexe_core::device::request::VmFlags::empty()).unwrap();
        let (gate, fence) = (device.syncobj_create(client, false).unwrap(), device.outside_fence_create().unwrap());
        device.syncobj_import(client, gate, fence).unwrap();
        let hold = barexe_core::device::request::BindCall { vm, queue: 0 };
        let mut syncs: &[_] = &[binary(gate, false)];
        device.vm_bind(client, &hold, &mut &[][..], &mut syncs, &mut NoClientMemory).unwrap();
        let (device, sleeps) = (Mutex::new(device), AtomicU32::new(0));
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                let mut shared = Shared { device: &device, sim: &sim, sleeps: &sleeps };
                let mut arg = waiting_bind(vm, 0x40_0000);
                ioctl_blocking(&mut shared, client, VM_BIND_A, &mut arg.0, &mut NoClientMemory)
            });
            while sleeps.load(Ordering::SeqCst) < 3 {
                std::thread::yield_now();
            }
            for _ in 0..8 {
                let mut device = lock(&device);
                let other = device.vm_create(client, barexe_core::device::request::VmFlags::empty()).unwrap();
                let call = barexe_core::device::request::BindCall { vm: other, queue: 0 };
                let barrier = device.vm_bind(client, &call, &mut &[][..], &mut &[][..], &mut NoClientMemory).unwrap();
                assert_eq!(device.ticket_state(barrier), Ok(TicketState::Done));
                device.vm_destroy(client, other).unwrap();
            }
            assert!(!waiter.is_finished(), "it returned before the fence");
            lock(&device).outside_fence_signal(fence).unwrap();
            assert_eq!(waiter.join().unwrap(), Ok(0));
        });
        let _ = device.into_inner().unwrap().close();
        assert_eq!(sim.violations(), Vec::<String>::new());
    }
}

/// A bind of a page behind a batch that does not end.
fn held(rig: &mut Rig<'_>) -> (u32, barexe_core::device::Ticket) {
    let (vm, gate, fence) = (rig.vm(), rig.syncobj(), rig.device.outside_fence_create().unwrap());
    rig.device.syncobj_import(rig.client, gate, fence).unwrap();
    let bo = rig.bo(0x1000);
    rig.write(bo, 0, &[BATCH_END, 0]);
    let ticket = rig.bind(vm, 0, &[rig.map_op(bo, 0x40_0000)], &[binary(gate, false)]).unwrap();
    (vm, ticket)
}

#[test]
fn a_deadline_ends_a_wait_and_not_its_work() {
    on_each_platform(|rig| {
        let (_, ticket) = held(rig);
        let until = rig.device.now().saturating_add(Nanos::from_millis(3));
        let patience = Patience { until: Some(until), ..Patience::ACCEPTED };
        let mut device = &mut rig.device;
        assert_eq!(wait_for(&mut device, ticket, &patience), Err(Error::TimedOut));
        assert!(rig.device.now() >= until);
        assert_eq!(rig.device.ticket_state(ticket), Ok(TicketState::Pending));
    });
}

#[test]
fn a_wait_that_may_be_interrupted_is() {
    on_each_platform(|rig| {
        let (_, ticket) = held(rig);
        rig.sim.interrupt_next_relax(1);
        let patience = Patience { interruptible: true, ..Patience::ACCEPTED };
        let mut device = &mut rig.device;
        assert_eq!(wait_for(&mut device, ticket, &patience), Err(Error::Interrupted));
        assert_eq!(rig.device.ticket_state(ticket), Ok(TicketState::Pending));
    });
}

/// K8: what the work failed with is what the call returns.
#[test]
fn a_device_that_goes_ends_waits_with_its_error() {
    on_each_platform_by(TableWriter::Cpu, |rig| {
        let (vm, ticket) = held(rig);
        rig.sim.set_faults(&[Fault::GoneFromAccess(0)]);
        let mut arg = waiting_bind(vm, 0x80_0000);
        let (client, mut device) = (rig.client, &mut rig.device);
        let result = ioctl_blocking(&mut device, client, VM_BIND_A, &mut arg.0, &mut NoClientMemory);
        assert_eq!(result.map_err(|error| error.errno()), Err(Errno::ENODEV));
        let mut device = &mut rig.device;
        assert_eq!(wait_for(&mut device, ticket, &Patience::ACCEPTED), Err(Error::DeviceGone));
        assert_eq!(rig.device.state(), DeviceState::Gone);
    });
}

#[test]
fn a_ticket_that_is_stale_from_the_start_is_an_error() {
    on_each_platform(|rig| {
        let vm = rig.vm();
        let queue = rig.device.bind_queue_create(rig.client, vm).unwrap();
        let ticket = rig.bind(vm, queue, &[], &[]).unwrap();
        rig.device.queue_destroy(rig.client, queue).unwrap();
        rig.settle();
        let mut device = &mut rig.device;
        let stale = wait_for(&mut device, ticket, &Patience::ACCEPTED).unwrap_err();
        assert_eq!(stale.errno(), Errno::ENOENT);
    });
}
