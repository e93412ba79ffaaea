//! Work and sync objects as futures: who is woken, how often, and what is left.
#![expect(clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "helpers of these tests fail by panicking")]

use barexe_core::device::awaited::{done, signalled};
use barexe_core::device::wait::Lend;
use barexe_core::device::{Device, Ticket};
use barexe_core::{Capacities, Capacity, Errno, Error};
use barexe_hal::{Interrupted, Nanos};
use barexe_sim::{Fault, Platform, SimConfig, SimHal};
use barexe_tests::rig::{Rig, binary, on_each_platform, on_with, point};
use core::cell::RefCell;
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::task::Wake;

/// A device that the tasks of a test share.
#[derive(Clone, Copy)]
struct Shared<'c, 'r, 's>(&'c RefCell<&'r mut Device<'s, SimHal>>);

impl<'s> Lend<'s, SimHal> for Shared<'_, '_, 's> {
    fn with<T>(&mut self, work: impl FnOnce(&mut Device<'s, SimHal>) -> T) -> T {
        work(&mut self.0.borrow_mut())
    }

    fn idle(&mut self, _: Nanos) -> Result<(), Interrupted> {
        Err(Interrupted)
    }
}

/// Counts how often it is rung.
#[derive(Default)]
struct Bell(AtomicU32);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The smallest executor: one task and its bell.
struct Task<'f, F> {
    future: Pin<&'f mut F>,
    bell: Arc<Bell>,
}

impl<'f, F: Future<Output = Result<(), Error>>> Task<'f, F> {
    fn new(future: Pin<&'f mut F>) -> Self {
        Self { future, bell: Arc::default() }
    }

    fn poll(&mut self) -> Poll<Result<(), Errno>> {
        let waker = Waker::from(Arc::clone(&self.bell));
        let polled = self.future.as_mut().poll(&mut Context::from_waker(&waker));
        polled.map_err(|error| error.errno())
    }

    /// How often it was woken so far.
    fn rung(&self) -> u32 {
        self.bell.0.load(Ordering::Relaxed)
    }

    /// Wakers of it that somebody keeps.
    fn kept(&self) -> usize {
        Arc::strong_count(&self.bell) - 1
    }
}

fn held(rig: &mut Rig<'_>) -> (barexe_core::device::OutsideFence, u32) {
    let (gate, fence) = (rig.syncobj(), rig.device.outside_fence_create().unwrap());
    rig.device.syncobj_import(rig.client, gate, fence).unwrap();
    (fence, gate)
}

/// A barrier behind a gate.
fn held_barrier(rig: &mut Rig<'_>, gate: u32, out: u32) -> Ticket {
    let vm = rig.vm();
    rig.bind(vm, 0, &[], &[binary(gate, false), binary(out, true)]).unwrap()
}

#[test]
fn a_sleeper_is_woken_once_when_its_work_is_over_and_not_before() {
    on_each_platform(|rig| {
        let ((fence, gate), out) = (held(rig), rig.syncobj());
        let (ticket, client) = (held_barrier(rig, gate, out), rig.client);
        let device = RefCell::new(&mut rig.device);
        let sleepers = || device.borrow().fences_in_use().sleepers;
        let (work, object) = (pin!(done(Shared(&device), ticket)), pin!(signalled(Shared(&device), client, out, 0)));
        let (mut work, mut object) = (Task::new(work), Task::new(object));
        assert_eq!((work.poll(), object.poll(), sleepers()), (Poll::Pending, Poll::Pending, 2));
        for _ in 0..10 {
            device.borrow_mut().poll();
        }
        assert_eq!(
            (work.poll(), sleepers(), work.kept()),
            (Poll::Pending, 2, 1),
            "polled again it has one waker still"
        );
        assert_eq!((work.rung(), object.rung()), (0, 0));
        device.borrow_mut().outside_fence_signal(fence).unwrap();
        for _ in 0..10 {
            device.borrow_mut().poll();
        }
        assert_eq!((work.rung(), object.rung(), sleepers()), (1, 1, 0));
        assert_eq!((work.kept(), object.kept()), (0, 0));
        assert_eq!((work.poll(), object.poll()), (Poll::Ready(Ok(())), Poll::Ready(Ok(()))));
    });
}

#[test]
fn what_is_over_needs_no_sleep() {
    on_each_platform(|rig| {
        let (vm, out) = (rig.vm(), rig.syncobj());
        let ticket = rig.bind(vm, 0, &[], &[point(out, 5, true)]).unwrap();
        let client = rig.client;
        let device = RefCell::new(&mut rig.device);
        assert_eq!(Task::new(pin!(done(Shared(&device), ticket))).poll(), Poll::Ready(Ok(())));
        for value in [0, 1, 5] {
            let over = Task::new(pin!(signalled(Shared(&device), client, out, value))).poll();
            assert_eq!(over, Poll::Ready(Ok(())), "{value}");
        }
        let absent = Task::new(pin!(signalled(Shared(&device), client, out, 6))).poll();
        assert_eq!(absent, Poll::Ready(Err(Errno::EINVAL)));
    });
}

#[test]
fn a_future_that_is_dropped_leaves_nothing_and_is_not_woken() {
    on_each_platform(|rig| {
        let ((fence, gate), out) = (held(rig), rig.syncobj());
        let ticket = held_barrier(rig, gate, out);
        let device = RefCell::new(&mut rig.device);
        let before = device.borrow().fences_in_use();
        let bell = Arc::<Bell>::default();
        for _ in 0..1000 {
            let waker = Waker::from(Arc::clone(&bell));
            let mut future = pin!(done(Shared(&device), ticket));
            assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        assert_eq!((device.borrow().fences_in_use(), Arc::strong_count(&bell)), (before, 1));
        device.borrow_mut().outside_fence_signal(fence).unwrap();
        assert_eq!(bell.0.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn a_full_pool_is_an_error_that_leaves_the_others_asleep() {
    for platform in [Platform::tgl(), Platform::lnl()] {
        let capacities = Capacities { sleepers: 2, ..Capacities::DEFAULT };
        on_with(&SimConfig::new(platform), &capacities, |rig| {
            let ((fence, gate), out) = (held(rig), rig.syncobj());
            let ticket = held_barrier(rig, gate, out);
            let device = RefCell::new(&mut rig.device);
            let first = pin!(done(Shared(&device), ticket));
            let mut first = Task::new(first);
            let mut second = Some(Box::pin(done(Shared(&device), ticket)));
            assert!(first.poll().is_pending());
            let mut context = Context::from_waker(Waker::noop());
            assert!(second.as_mut().unwrap().as_mut().poll(&mut context).is_pending());
            let third = pin!(done(Shared(&device), ticket)).as_mut().poll(&mut context);
            assert_eq!(third, Poll::Ready(Err(Error::Exhausted(Capacity::Sleepers))));
            second = None;
            assert!(second.is_none() && first.poll().is_pending());
            let third = pin!(done(Shared(&device), ticket));
            let mut third = Task::new(third);
            assert!(third.poll().is_pending(), "a place came free");
            device.borrow_mut().outside_fence_signal(fence).unwrap();
            assert_eq!((first.rung(), third.rung()), (1, 1));
        });
    }
}

#[test]
fn a_queue_that_goes_wakes_its_sleepers_and_stale_names_are_refused() {
    on_each_platform(|rig| {
        let ((fence, gate), vm) = (held(rig), rig.vm());
        let queue = rig.device.bind_queue_create(rig.client, vm).unwrap();
        let ticket = rig.bind(vm, queue, &[], &[binary(gate, false)]).unwrap();
        let (client, stranger) = (rig.client, rig.device.client_open(false).unwrap());
        let device = RefCell::new(&mut rig.device);
        let work = pin!(done(Shared(&device), ticket));
        let mut work = Task::new(work);
        assert!(work.poll().is_pending());
        device.borrow_mut().queue_destroy(client, queue).unwrap();
        assert_eq!(work.rung(), 0, "an accepted bind is carried out all the same");
        device.borrow_mut().outside_fence_signal(fence).unwrap();
        device.borrow_mut().poll();
        assert_eq!((work.rung(), work.poll()), (1, Poll::Ready(Ok(()))));
        let stale = Task::new(pin!(done(Shared(&device), ticket))).poll();
        assert_eq!(stale, Poll::Ready(Err(Errno::ENOENT)));
        let foreign = Task::new(pin!(signalled(Shared(&device), stranger, gate, 0))).poll();
        assert_eq!(foreign, Poll::Ready(Err(Errno::ENOENT)));
    });
}

/// Two fences: the sleeper goes from the one to the other. What the object holds at a look counts.
#[test]
fn a_timeline_is_awaited_fence_by_fence_as_it_stands() {
    on_each_platform(|rig| {
        let ((a, a_gate), (b, b_gate), out, vm) = (held(rig), held(rig), rig.syncobj(), rig.vm());
        let queues = [(); 2].map(|()| rig.device.bind_queue_create(rig.client, vm).unwrap());
        for (queue, gate, value) in [(queues[0], a_gate, 1), (queues[1], b_gate, 2)] {
            rig.bind(vm, queue, &[], &[binary(gate, false), point(out, value, true)]).unwrap();
        }
        let client = rig.client;
        let device = RefCell::new(&mut rig.device);
        let object = pin!(signalled(Shared(&device), client, out, 2));
        let mut object = Task::new(object);
        assert!(object.poll().is_pending());
        device.borrow_mut().outside_fence_signal(b).unwrap();
        assert_eq!((object.rung(), object.poll(), object.kept()), (1, Poll::Pending, 1));
        device.borrow_mut().outside_fence_signal(a).unwrap();
        assert_eq!((object.rung(), object.poll()), (2, Poll::Ready(Ok(()))));
    });
}

#[test]
fn an_object_that_is_emptied_meanwhile_is_an_error_at_the_next_look() {
    on_each_platform(|rig| {
        let (fence, gate) = held(rig);
        let client = rig.client;
        let device = RefCell::new(&mut rig.device);
        let object = pin!(signalled(Shared(&device), client, gate, 0));
        let mut object = Task::new(object);
        assert!(object.poll().is_pending());
        device.borrow_mut().syncobj_reset(client, &mut &[gate][..]).unwrap();
        device.borrow_mut().outside_fence_signal(fence).unwrap();
        assert_eq!((object.rung(), object.poll()), (1, Poll::Ready(Err(Errno::EINVAL))));
    });
}

#[test]
fn a_device_that_goes_wakes_everybody() {
    on_each_platform(|rig| {
        let ((_fence, gate), out, vm) = (held(rig), rig.syncobj(), rig.vm());
        let ticket = held_barrier(rig, gate, out);
        rig.bind_now(vm, &[rig.unmap_op(0, 0x1000)]);
        rig.sim.set_faults(&[Fault::GoneFromAccess(0)]);
        let device = RefCell::new(&mut rig.device);
        let work = pin!(done(Shared(&device), ticket));
        let mut work = Task::new(work);
        assert!(work.poll().is_pending());
        // A busy device is asked for a sign of life now and then.
        for _ in 0..100 {
            device.borrow_mut().poll();
            let later = device.borrow_mut().now().saturating_add(Nanos::from_micros(50));
            let _ = device.borrow_mut().relax(later);
        }
        assert_eq!((work.rung(), work.poll()), (1, Poll::Ready(Err(Errno::ENODEV))));
    });
}
