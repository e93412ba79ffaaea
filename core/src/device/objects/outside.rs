//! Fences that the embedder signals: for work of another driver that work here has to wait for.
//!
//! A client gets one in a sync object, as importing a sync file gives it one (bind-and-exec sheet §3.12), and uses it
//! as an in-sync. Each takes a place among the timelines until it is signalled.

use super::client::ClientId;
use crate::device::Device;
use crate::pool::Handle;
use crate::sync::fence::{Fence, Timeline};
use crate::{Capacity, Error, ObjectKind};
use barexe_hal::Hal;

/// Names a fence that the embedder signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutsideFence(Handle<Timeline>);

impl<H: Hal> Device<'_, H> {
    /// Makes a fence that has not signalled.
    ///
    /// Work that waits for it waits until [`outside_fence_signal`](Self::outside_fence_signal), also when its client
    /// is closed meanwhile.
    ///
    /// # Errors
    /// [`Error::Exhausted`], and those of a device that does not work.
    pub fn outside_fence_create(&mut self) -> Result<OutsideFence, Error> {
        self.check_live()?;
        let mut timeline = Timeline::default();
        timeline.accept();
        let made = self.pools.timelines.insert(timeline);
        made.map(OutsideFence).map_err(|_| Error::Exhausted(Capacity::Timelines))
    }

    /// Replaces what a sync object holds by the fence.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the object, and for a fence that was signalled.
    pub fn syncobj_import(&mut self, client: ClientId, handle: u32, fence: OutsideFence) -> Result<(), Error> {
        self.check_client(client)?;
        let syncobj = self.syncobj_of(client, handle)?;
        let fence = self.outside(fence)?;
        if let Some(syncobj) = self.pools.syncobjs.get_mut(syncobj) {
            syncobj.set_fence(&mut self.pools.sync_points, fence);
        }
        Ok(())
    }

    /// Signals the fence; what waited for it starts.
    ///
    /// # Errors
    /// [`Error::NotFound`] the second time.
    pub fn outside_fence_signal(&mut self, fence: OutsideFence) -> Result<(), Error> {
        let fence = self.outside(fence)?;
        self.pools.end_timeline(fence.timeline);
        self.poll();
        Ok(())
    }

    pub(in crate::device) fn outside(&self, OutsideFence(timeline): OutsideFence) -> Result<Fence, Error> {
        let missing = Error::NotFound { kind: ObjectKind::Work, id: timeline.id() };
        let found = self.pools.timelines.get(timeline).filter(|found| !found.is_ended());
        found.map(|found| Fence { timeline, point: found.accepted() }).ok_or(missing)
    }
}
