//! Calls on sync objects.

use super::Device;
use super::client::ClientId;
use super::request::Source;
use crate::pool::Handle;
use crate::sync::syncobj::{Progress, Syncobj};
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

impl<H: Hal> Device<'_, H> {
    /// Creates a sync object, empty or signalled; its handle.
    ///
    /// # Errors
    /// [`Error::Exhausted`].
    pub fn syncobj_create(&mut self, client: ClientId, signalled: bool) -> Result<u32, Error> {
        self.check_live()?;
        self.check_client(client)?;
        let syncobj = self.pools.syncobjs.insert(Syncobj::new(client, signalled));
        syncobj.map(Handle::id).map_err(|_| Error::Exhausted(Capacity::Syncobjs))
    }

    /// Destroys a sync object. Work that took its fence keeps it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unknown handle, as the interface has it for this one call.
    pub fn syncobj_destroy(&mut self, client: ClientId, handle: u32) -> Result<(), Error> {
        let unknown = Error::invalid("sync object handle", u64::from(handle));
        let syncobj = self.syncobj_of(client, handle).map_err(|_| unknown)?;
        if let Some(mut syncobj) = self.pools.syncobjs.remove(syncobj) {
            syncobj.reset(&mut self.pools.sync_points);
        }
        Ok(())
    }

    /// Empties sync objects: all of them, or none if one is unknown.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an empty array, [`Error::NotFound`], what reading the array gives.
    pub fn syncobj_reset(&mut self, client: ClientId, handles: &mut dyn Source<u32>) -> Result<(), Error> {
        if handles.len() == 0 {
            return Err(Error::invalid("sync object count", 0));
        }
        // Each element is read once; handles are noted in the objects themselves, so no array is needed.
        let read = self.mark_syncobjs(client, handles);
        for (_, syncobj) in self.pools.syncobjs.iter_mut().filter(|(_, syncobj)| syncobj.marked) {
            syncobj.marked = false;
            if read.is_ok() {
                syncobj.reset(&mut self.pools.sync_points);
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
        self.check_client(client)?;
        let (mut first, mut open) = (None, false);
        let (mut unknown, mut empty) = (Ok(()), Ok(()));
        for index in 0..handles.len() {
            let handle = handles.get(index)?;
            match self.syncobj_progress(client, handle) {
                Ok(Progress::Signalled) => first = first.or(Some(index)),
                Ok(Progress::Absent) if !look.for_submit => {
                    empty = empty.and(Err(Error::invalid("sync object without a fence", u64::from(handle))));
                }
                Ok(Progress::Absent | Progress::Pending) => open = true,
                Err(error) => unknown = unknown.and(Err(error)),
            }
        }
        unknown.and(empty)?;
        Ok(if look.all && open { None } else { first })
    }

    /// The newest point of a timeline that has signalled; 0 for a sync object that is no timeline, or has none.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn syncobj_signalled_point(&self, client: ClientId, handle: u32) -> Result<u64, Error> {
        let syncobj = self.pools.syncobjs.get(self.syncobj_of(client, handle)?);
        Ok(syncobj.map_or(0, |s| s.signalled_point(&self.pools.sync_points, &self.pools.timelines)))
    }

    fn syncobj_progress(&self, client: ClientId, handle: u32) -> Result<Progress, Error> {
        let syncobj = self.syncobj_of(client, handle)?;
        let found = self.pools.syncobjs.get(syncobj);
        Ok(found.map_or(Progress::Absent, |s| s.progress(&self.pools.sync_points, &self.pools.timelines, 0)))
    }

    /// The client's sync object with this handle.
    pub(super) fn syncobj_of(&self, client: ClientId, handle: u32) -> Result<Handle<Syncobj>, Error> {
        let all = &self.pools.syncobjs;
        let found = all.by_id(handle).filter(|found| all.get(*found).is_some_and(|s| s.client == client));
        found.ok_or(Error::NotFound { kind: ObjectKind::Syncobj, id: handle })
    }

    /// Destroys every sync object of a client.
    pub(super) fn drop_syncobjs_of(&mut self, client: ClientId) {
        for position in 0..self.pools.syncobjs.positions() {
            if let Some(syncobj) = self.pools.syncobjs.handle_at(position) {
                let _ = self.syncobj_destroy(client, syncobj.id());
            }
        }
    }
}
