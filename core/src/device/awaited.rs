//! Waiting for accepted work and for sync objects as a future.
//!
//! A future is polled with the device [lent](Lend) for a look. If what it waits for is not over, it leaves its waker with
//! the device, in a pool lent with the storage, and sleeps; [`Device::poll`] wakes it when the fence has signalled, once,
//! and nobody else. So somebody has to call that: a task of its own, the interrupt's bottom half, or the executor when it
//! has nothing to do. A future that is dropped takes its waker back. With no place left for a waker the future ends with
//! [`Error::Exhausted`], which says nothing about the work.
//!
//! A waker is called while the device is lent: it may schedule a task, it may not use the device.
//!
//! ```
//! use barexe_core::device::awaited::{done, signalled};
//! use barexe_core::device::request::{BindCall, BindOp, SyncEntry, SyncTarget, VmFlags};
//! use barexe_core::device::wait::Lend;
//! use barexe_core::device::{Config, Device};
//! use barexe_core::{DefaultStorage, Error};
//! use barexe_hal::{Hal, Interrupted, Nanos, client::NoClientMemory};
//! use barexe_sim::{Platform, Sim, SimConfig};
//! use core::cell::RefCell;
//! use core::pin::pin;
//! use core::task::{Context, Poll, Waker};
//!
//! /// A device that several tasks of one thread use.
//! struct Shared<'d, 'a, H: Hal>(&'d RefCell<Device<'a, H>>);
//!
//! impl<'a, H: Hal> Lend<'a, H> for Shared<'_, 'a, H> {
//!     fn with<T>(&mut self, work: impl FnOnce(&mut Device<'a, H>) -> T) -> T {
//!         work(&mut self.0.borrow_mut())
//!     }
//!
//!     fn idle(&mut self, until: Nanos) -> Result<(), Interrupted> {
//!         self.0.borrow_mut().hal_mut().relax(until)
//!     }
//! }
//!
//! async fn bind_and_wait<H: Hal>(device: &RefCell<Device<'_, H>>) -> Result<(), Error> {
//!     let client = device.borrow_mut().client_open(false)?;
//!     let vm = device.borrow_mut().vm_create(client, VmFlags::empty())?;
//!     let handle = device.borrow_mut().syncobj_create(client, false)?;
//!     let mut ops: &[BindOp] = &[];
//!     let mut syncs: &[SyncEntry] = &[SyncEntry { target: SyncTarget::Syncobj { handle }, signal: true }];
//!     let call = BindCall { vm, queue: 0 };
//!     let ticket = device.borrow_mut().vm_bind(client, &call, &mut ops, &mut syncs, &mut NoClientMemory)?;
//!     signalled(Shared(device), client, handle, 0).await?;
//!     done(Shared(device), ticket).await
//! }
//!
//! let sim = Sim::new(&SimConfig::new(Platform::tgl())).ok_or("no such part")?;
//! let mut storage = Box::new(DefaultStorage::new());
//! let opened = Device::open(sim.hal(), storage.lend(), Config::default(), None);
//! let device = RefCell::new(opened.map_err(|refused| refused.error)?);
//! {
//!     let mut task = pin!(bind_and_wait(&device));
//!     let mut context = Context::from_waker(Waker::noop());
//!     // An executor would poll the task only when it was woken.
//!     while let Poll::Pending = task.as_mut().poll(&mut context).map(|over| assert_eq!(over, Ok(()))) {
//!         device.borrow_mut().poll();
//!     }
//! }
//! let _ = device.into_inner().close();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use super::objects::client::ClientId;
use super::wait::Lend;
use super::{Device, Pools, Ticket, TicketState};
use crate::pool::Handle;
use crate::shares::Owner;
use crate::sync::fence::{Fence, Timeline, end};
use crate::sync::sleepers::{Sleeper, renew};
use crate::sync::syncobj::Progress;
use crate::{Capacity, Error};
use barexe_hal::Hal;
use core::fmt;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

/// The work of a ticket, as a future: as [`wait_for`](super::wait::wait_for), without a deadline.
///
/// # Errors
/// The future ends with the work's own error; with [`Error::NotFound`] for a ticket that was stale from the start; with
/// [`Error::Exhausted`] if it has to sleep and there is no place for its waker.
pub const fn done<'a, H: Hal, L: Lend<'a, H>>(lend: L, ticket: Ticket) -> Awaited<'a, H, L> {
    Awaited::new(lend, What::Work { ticket, known: false })
}

/// A sync object at a point (0: whatever it holds), as a future. Each look is at what the object holds then.
///
/// # Errors
/// The future ends with [`Error::NotFound`] for an object that is not there any more; with [`Error::Invalid`] if nothing
/// was submitted for the point; with [`Error::Exhausted`] as [`done`]. How the work ended it does not say: an object of
/// work that failed has signalled.
pub const fn signalled<'a, H: Hal, L: Lend<'a, H>>(
    lend: L,
    client: ClientId,
    handle: u32,
    point: u64,
) -> Awaited<'a, H, L> {
    Awaited::new(lend, What::Syncobj { client, handle, point })
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// `known`: it was there once, so when it is gone it is over.
    Work {
        ticket: Ticket,
        known: bool,
    },
    Syncobj {
        client: ClientId,
        handle: u32,
        point: u64,
    },
}

impl What {
    /// The client that waits.
    const fn client(&self) -> ClientId {
        match self {
            Self::Work { ticket, .. } => ticket.client(),
            Self::Syncobj { client, .. } => *client,
        }
    }
}

/// Where a waker is: on which timeline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bed {
    timeline: Handle<Timeline>,
    sleeper: Handle<Sleeper>,
}

/// A future of [`done`] or [`signalled`].
#[must_use = "a future does nothing unless it is polled"]
pub struct Awaited<'a, H: Hal, L: Lend<'a, H>> {
    lend: L,
    what: What,
    bed: Option<Bed>,
    device: PhantomData<fn(&mut Device<'a, H>)>,
}

impl<'a, H: Hal, L: Lend<'a, H>> Awaited<'a, H, L> {
    const fn new(lend: L, what: What) -> Self {
        Self { lend, what, bed: None, device: PhantomData }
    }
}

impl<'a, H: Hal, L: Lend<'a, H>> fmt::Debug for Awaited<'a, H, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Awaited").field("what", &self.what).field("bed", &self.bed).finish_non_exhaustive()
    }
}

impl<'a, H: Hal, L: Lend<'a, H> + Unpin> Future for Awaited<'a, H, L> {
    type Output = Result<(), Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { lend, what, bed, .. } = self.get_mut();
        let looked = lend.with(|device| match device.look_at(what) {
            Ok(None) => Ok(true),
            Ok(Some(fence)) => {
                device.pools.sleep(bed, (Owner::of(what.client()), fence), context.waker()).map(|()| false)
            }
            Err(error) => Err(error),
        });
        match looked {
            Ok(false) => Poll::Pending,
            Ok(true) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl<'a, H: Hal, L: Lend<'a, H>> Drop for Awaited<'a, H, L> {
    fn drop(&mut self) {
        if let Some(bed) = self.bed.take() {
            self.lend.with(|device| device.pools.get_up(bed));
        }
    }
}

impl<H: Hal> Device<'_, H> {
    /// What is still to be waited for; none if it is over.
    fn look_at(&self, what: &mut What) -> Result<Option<Fence>, Error> {
        match what {
            What::Work { ticket, known } => match self.ticket_state(*ticket) {
                Ok(TicketState::Done) => Ok(None),
                Ok(TicketState::Failed(error)) => Err(error),
                Ok(TicketState::Pending) => {
                    *known = true;
                    Ok(Some(ticket.fence()))
                }
                // A queue goes only when all its work is over.
                Err(_) if *known => Ok(None),
                Err(stale) => Err(stale),
            },
            What::Syncobj { client, handle, point } => {
                let syncobj = self.pools.syncobjs.get(self.syncobj_of(*client, *handle)?);
                let (points, timelines) = (&self.pools.sync_points, &self.pools.timelines);
                let absent = Error::invalid("sync object without a fence at point", *point);
                let syncobj = syncobj.ok_or(absent)?;
                if syncobj.progress(points, timelines, *point) == Progress::Absent {
                    return Err(absent);
                }
                Ok(syncobj.pending(points, timelines, *point))
            }
        }
    }
}

impl Pools<'_> {
    /// Leaves a waker at a fence, charged to `owner`; the one that was left before is taken back.
    fn sleep(&mut self, bed: &mut Option<Bed>, (owner, fence): (Owner, Fence), waker: &Waker) -> Result<(), Error> {
        if let Some(old) = *bed {
            if old.timeline == fence.timeline && renew(&mut self.sleepers, old.sleeper, fence.point, waker) {
                return Ok(());
            }
            self.get_up(old);
            *bed = None;
        }
        let timeline = self.timelines.get_mut(fence.timeline);
        let added = timeline.and_then(|found| found.sleepers_mut().add(&mut self.sleepers, owner, fence.point, waker));
        let sleeper = added.ok_or(Error::Exhausted(Capacity::Sleepers))?;
        *bed = Some(Bed { timeline: fence.timeline, sleeper });
        Ok(())
    }

    /// Takes a waker back, if it is still there.
    fn get_up(&mut self, bed: Bed) {
        if let Some(timeline) = self.timelines.get_mut(bed.timeline) {
            timeline.sleepers_mut().remove(&mut self.sleepers, bed.sleeper);
        }
    }

    /// Signals the points of a timeline up to `point`, with an error or without: who sleeps on them is woken, and queues
    /// whose jobs wait for them. Costs nothing when nobody does.
    pub(super) fn signal(&mut self, timeline: Handle<Timeline>, point: u64, error: Option<Error>) {
        let Some(found) = self.timelines.get_mut(timeline) else { return };
        if found.signal(point, error) {
            found.wake(&mut self.sleepers);
            let done = found.done();
            self.wake_waiting(timeline, done);
        }
    }

    /// Ends a timeline and wakes who sleeps on it.
    pub(super) fn end_timeline(&mut self, timeline: Handle<Timeline>) {
        self.wake_waiting(timeline, u64::MAX);
        end(&mut self.timelines, &mut self.sleepers, timeline);
    }

    /// Ends all that are left: nobody sleeps on a device that is closed.
    pub(super) fn end_all_timelines(&mut self) {
        for position in 0..self.timelines.positions() {
            if let Some(timeline) = self.timelines.handle_at(position) {
                self.end_timeline(timeline);
            }
        }
    }
}
