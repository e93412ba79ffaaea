//! Calls on sync objects.

use super::client::ClientId;
use crate::device::Device;
use crate::device::request::Source;
use crate::pool::Handle;
use crate::shares::Owner;
use crate::sync::syncobj::{Captured, Progress, SyncPoints, Syncobj};
use crate::{Capacity, Error, ObjectKind};
use barexe_hal::Hal;

/// What a look at several sync objects asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncobjLook {
    /// All of them, rather than any.
    pub all: bool,
    /// An object that holds nothing is waited for rather than refused.
    pub for_submit: bool,
}

/// As [`SyncobjLook`], for points of timelines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimelineLook {
    /// All or any, and what of objects that hold nothing.
    pub objects: SyncobjLook,
    /// A point counts as soon as something was submitted for it, signalled or not.
    pub available: bool,
}

impl<H: Hal> Device<'_, H> {
    /// Creates a sync object, empty or signalled; its handle.
    ///
    /// # Errors
    /// [`Error::Exhausted`].
    pub fn syncobj_create(&mut self, client: ClientId, signalled: bool) -> Result<u32, Error> {
        self.check_live()?;
        self.check_client(client)?;
        let syncobj = self.pools.syncobjs.insert_for(Owner::of(client), Syncobj::new(client, signalled));
        syncobj.map(Handle::id).map_err(|_| Error::Exhausted(Capacity::Syncobjs))
    }

    /// Destroys a handle to a sync object. Work that took its fence keeps it, and so do other handles to the object.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unknown handle, as the interface has it for this one call.
    pub fn syncobj_destroy(&mut self, client: ClientId, handle: u32) -> Result<(), Error> {
        let unknown = Error::invalid("sync object handle", u64::from(handle));
        let syncobj = self.syncobj_handle_of(client, handle).ok_or(unknown)?;
        let Some(found) = self.pools.syncobjs.get_mut(syncobj) else { return Err(unknown) };
        found.client = None;
        let target = found.target();
        self.drop_unused_syncobj(syncobj);
        if let Some(target) = target {
            self.unuse_syncobj(target);
        }
        Ok(())
    }

    /// Ends one use of an object; without a handle and a use it goes.
    pub(super) fn unuse_syncobj(&mut self, syncobj: Handle<Syncobj>) {
        if let Some(found) = self.pools.syncobjs.get_mut(syncobj) {
            found.uses = found.uses.saturating_sub(1);
        }
        self.drop_unused_syncobj(syncobj);
    }

    fn drop_unused_syncobj(&mut self, syncobj: Handle<Syncobj>) {
        let unused = |found: &Syncobj| found.client.is_none() && found.uses == 0;
        if !self.pools.syncobjs.get(syncobj).is_some_and(unused) {
            return;
        }
        if let Some(mut syncobj) = self.pools.syncobjs.remove(syncobj) {
            syncobj.reset(&mut self.pools.sync_points);
        }
    }

    /// Empties sync objects: all of them, or none if one is unknown.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an empty array, [`Error::NotFound`], what reading the array gives.
    pub fn syncobj_reset(&mut self, client: ClientId, handles: &mut dyn Source<u32>) -> Result<(), Error> {
        self.change_syncobjs(client, handles, Syncobj::reset)
    }

    /// Puts a fence that has signalled into sync objects: into all of them, or into none if one is unknown.
    ///
    /// # Errors
    /// As [`syncobj_reset`](Self::syncobj_reset).
    pub fn syncobj_signal(&mut self, client: ClientId, handles: &mut dyn Source<u32>) -> Result<(), Error> {
        self.change_syncobjs(client, handles, |syncobj, points| syncobj.set(points, Captured::Signalled))
    }

    fn change_syncobjs(
        &mut self,
        client: ClientId,
        handles: &mut dyn Source<u32>,
        change: impl Fn(&mut Syncobj, &mut SyncPoints<'_>),
    ) -> Result<(), Error> {
        self.check_client(client)?;
        if handles.len() == 0 {
            return Err(Error::invalid("sync object count", 0));
        }
        // Each element is read once; handles are noted in the objects themselves, so no array is needed.
        let read = self.mark_syncobjs(client, handles);
        for (_, syncobj) in self.pools.syncobjs.iter_mut().filter(|(_, syncobj)| syncobj.marked) {
            syncobj.marked = false;
            if read.is_ok() {
                change(syncobj, &mut self.pools.sync_points);
            }
        }
        read
    }

    /// Marks the objects an array names. An array that cannot be read to its end is worse than an unknown handle in it.
    fn mark_syncobjs(&mut self, client: ClientId, handles: &mut dyn Source<u32>) -> Result<(), Error> {
        let mut unknown = Ok(());
        for index in 0..handles.len() {
            let handle = handles.get(index)?;
            match self.syncobj_of(client, handle) {
                Ok(syncobj) => {
                    if let Some(syncobj) = self.pools.syncobjs.get_mut(syncobj) {
                        syncobj.marked = true;
                    }
                }
                Err(error) => unknown = unknown.and(Err(error)),
            }
        }
        unknown
    }

    /// Looks once whether all or any of the objects have signalled: the index of the first that has, or `None` if
    /// the caller should wait and look again.
    ///
    /// # Errors
    /// What reading the array gives, else [`Error::NotFound`], else [`Error::Invalid`] for an object that holds
    /// nothing, unless waiting for submission.
    pub fn syncobj_look(
        &mut self,
        client: ClientId,
        handles: &mut dyn Source<u32>,
        look: SyncobjLook,
    ) -> Result<Option<u32>, Error> {
        self.syncobj_timeline_look(client, handles, None, TimelineLook { objects: look, available: false })
    }

    /// As [`syncobj_look`](Self::syncobj_look), each object at its point of `points`; without points, or at point 0, at
    /// the newest.
    ///
    /// # Errors
    /// What reading the handles gives, else [`Error::NotFound`], else what reading the points gives, else
    /// [`Error::Invalid`] for a point that nothing was submitted for, unless waiting for that.
    pub fn syncobj_timeline_look(
        &mut self,
        client: ClientId,
        handles: &mut dyn Source<u32>,
        mut points: Option<&mut dyn Source<u64>>,
        look: TimelineLook,
    ) -> Result<Option<u32>, Error> {
        self.check_client(client)?;
        let waits = look.objects.for_submit || look.available;
        let (mut first, mut open) = (None, false);
        let (mut unknown, mut unreadable, mut empty) = (Ok(()), Ok(()), Ok(()));
        for index in 0..handles.len() {
            let handle = handles.get(index)?;
            let point = points.as_mut().map_or(Ok(0), |points| points.get(index));
            let point = point.unwrap_or_else(|error| {
                unreadable = unreadable.and(Err(error));
                0
            });
            match self.syncobj_progress(client, handle, point) {
                Ok(Progress::Signalled) => first = first.or(Some(index)),
                Ok(Progress::Pending) if look.available => first = first.or(Some(index)),
                Ok(Progress::Absent) if !waits => {
                    empty = empty.and(Err(Error::invalid("sync object without a fence", u64::from(handle))));
                }
                Ok(Progress::Absent | Progress::Pending) => open = true,
                Err(error) => unknown = unknown.and(Err(error)),
            }
        }
        unknown.and(unreadable).and(empty)?;
        Ok(if look.objects.all && open { None } else { first })
    }

    fn syncobj_progress(&self, client: ClientId, handle: u32, point: u64) -> Result<Progress, Error> {
        let syncobj = self.syncobj_of(client, handle)?;
        let found = self.pools.syncobjs.get(syncobj);
        Ok(found.map_or(Progress::Absent, |s| s.progress(&self.pools.sync_points, &self.pools.timelines, point)))
    }

    /// The newest point of a timeline up to which all have signalled, or, of those that were `submitted`, the newest;
    /// 0 for an object that is no timeline.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn syncobj_value(&self, client: ClientId, handle: u32, submitted: bool) -> Result<u64, Error> {
        let syncobj = self.pools.syncobjs.get(self.syncobj_of(client, handle)?);
        let (points, timelines) = (&self.pools.sync_points, &self.pools.timelines);
        Ok(syncobj.map_or(0, |syncobj| syncobj.value(points, timelines, submitted)))
    }

    /// The client's sync object with this handle: another client's, if the handle was imported.
    pub(in crate::device) fn syncobj_of(&self, client: ClientId, handle: u32) -> Result<Handle<Syncobj>, Error> {
        let missing = Error::NotFound { kind: ObjectKind::Syncobj, id: handle };
        let found = self.syncobj_handle_of(client, handle).ok_or(missing)?;
        Ok(self.pools.syncobjs.get(found).and_then(Syncobj::target).unwrap_or(found))
    }

    /// What the pool has under this handle of the client.
    fn syncobj_handle_of(&self, client: ClientId, handle: u32) -> Option<Handle<Syncobj>> {
        let all = &self.pools.syncobjs;
        all.by_id(handle).filter(|found| all.get(*found).is_some_and(|s| s.client == Some(client)))
    }

    /// Destroys every handle of a client.
    pub(super) fn drop_syncobjs_of(&mut self, client: ClientId) {
        for position in 0..self.pools.syncobjs.positions() {
            if let Some(syncobj) = self.pools.syncobjs.handle_at(position) {
                let _ = self.syncobj_destroy(client, syncobj.id());
            }
        }
    }
}
