//! Sync objects and fences that leave their client: what file descriptors stand for.
//!
//! The core knows no descriptors. It gives the embedder an [`ExportedSyncobj`] or a [`SyncFile`] to keep behind one, takes
//! it back when another client brings the descriptor, and wants it closed when the last descriptor is. Both take a place
//! among the sync objects, and the fences of a sync file one each among the points if there are several.

use super::client::ClientId;
use super::outside::OutsideFence;
use crate::device::ticket::TicketState;
use crate::device::{Device, Pools};
use crate::pool::Handle;
use crate::shares::Owner;
use crate::sync::fence::{Fence, hold, release};
use crate::sync::syncobj::{Captured, Progress, Syncobj};
use crate::{Capacity, Error, ObjectKind};
use barexe_hal::Hal;

/// A sync object on its way between clients: the object itself, whatever it will hold. It keeps the object until it is
/// [closed](Device::syncobj_export_close).
#[derive(Debug)]
#[must_use = "it keeps the object until it is closed"]
pub struct ExportedSyncobj {
    tag: u8,
    syncobj: Handle<Syncobj>,
}

/// The fence that a sync object held at one moment: a sync file. It is kept until it is
/// [closed](Device::sync_file_close).
#[derive(Debug)]
#[must_use = "it takes a place until it is closed"]
pub struct SyncFile {
    tag: u8,
    syncobj: Handle<Syncobj>,
}

impl<H: Hal> Device<'_, H> {
    /// Exports a sync object.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn syncobj_export(&mut self, client: ClientId, handle: u32) -> Result<ExportedSyncobj, Error> {
        self.check_client(client)?;
        let syncobj = self.syncobj_of(client, handle)?;
        self.use_syncobj(syncobj);
        Ok(ExportedSyncobj { tag: self.config.tag, syncobj })
    }

    /// Ends an export. Handles that were imported stay.
    ///
    /// # Errors
    /// [`Error::NotFound`] for one of another device.
    pub fn syncobj_export_close(&mut self, exported: ExportedSyncobj) -> Result<(), Error> {
        let syncobj = self.kept(exported.tag, exported.syncobj)?;
        self.unuse_syncobj(syncobj);
        Ok(())
    }

    /// Gives a client a new handle to an exported object, each time.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Exhausted`].
    pub fn syncobj_open(&mut self, client: ClientId, exported: &ExportedSyncobj) -> Result<u32, Error> {
        self.check_live()?;
        self.check_client(client)?;
        let target = self.kept(exported.tag, exported.syncobj)?;
        let opened = self.pools.syncobjs.insert_for(Owner::of(client), Syncobj::shared(client, target));
        let opened = opened.map_err(|_| Error::Exhausted(Capacity::Syncobjs))?;
        self.use_syncobj(target);
        Ok(opened.id())
    }

    /// Takes what a sync object holds at a point now (0: all of it) into a sync file.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`] where nothing was submitted for it, [`Error::Exhausted`].
    pub fn sync_file_create(&mut self, client: ClientId, handle: u32, point: u64) -> Result<SyncFile, Error> {
        self.check_client(client)?;
        let syncobj = self.syncobj_of(client, handle)?;
        let owner = Owner::of(client);
        let captured = self.pools.capture(syncobj, point, owner)?;
        self.make_sync_file(captured, owner)
    }

    /// A sync file of a fence that the embedder signals: for those of other drivers.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a fence that was signalled, [`Error::Exhausted`].
    pub fn sync_file_of_outside(&mut self, fence: OutsideFence) -> Result<SyncFile, Error> {
        let fence = self.outside(fence)?;
        self.make_sync_file(Captured::Fence(fence), Owner::NOBODY)
    }

    /// A sync file that has signalled when both have; both stay. It is charged to whom the first is.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Exhausted`].
    pub fn sync_file_merge(&mut self, one: &SyncFile, other: &SyncFile) -> Result<SyncFile, Error> {
        let (one, other) = (self.kept(one.tag, one.syncobj)?, self.kept(other.tag, other.syncobj)?);
        let owner = self.pools.syncobjs.owner_of(one);
        let one = self.pools.capture(one, 0, owner)?;
        let other = match self.pools.capture(other, 0, owner) {
            Ok(other) => other,
            Err(error) => {
                one.release(&mut self.pools.sync_points);
                return Err(error);
            }
        };
        let both = one.and(other, &mut self.pools.sync_points, owner)?;
        self.make_sync_file(both, owner)
    }

    fn make_sync_file(&mut self, captured: Captured, owner: Owner) -> Result<SyncFile, Error> {
        let pools = &mut self.pools;
        if pools.syncobjs.room_for(owner) == 0 {
            captured.release(&mut pools.sync_points);
            return Err(Error::Exhausted(Capacity::Syncobjs));
        }
        let made = pools.syncobjs.insert_for(owner, Syncobj::of_captured(captured));
        let syncobj = made.map_err(|_| Error::Exhausted(Capacity::Syncobjs))?;
        pools.hold_fence_of(syncobj);
        Ok(SyncFile { tag: self.config.tag, syncobj })
    }

    /// Replaces what a sync object holds by the fence of a sync file, or, with a point, adds it to the timeline.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Exhausted`].
    pub fn sync_file_import(
        &mut self,
        client: ClientId,
        handle: u32,
        point: u64,
        file: &SyncFile,
    ) -> Result<(), Error> {
        self.check_client(client)?;
        let target = self.syncobj_of(client, handle)?;
        let kept = self.kept(file.tag, file.syncobj)?;
        let owner = Owner::of(client);
        let captured = self.pools.capture(kept, 0, owner)?;
        self.pools.give(target, point, captured, owner)
    }

    /// How far the fence of a sync file is, and how it ended: the work's own error, if it was taken from an object with
    /// one fence, as out-syncs of a call are. Points of timelines and what was merged tell no error (commands-and-fences
    /// sheet §5.5).
    ///
    /// # Errors
    /// [`Error::NotFound`] for one of another device.
    pub fn sync_file_state(&self, file: &SyncFile) -> Result<TicketState, Error> {
        let syncobj = self.kept(file.tag, file.syncobj)?;
        let (pools, found) = (&self.pools, self.pools.syncobjs.get(syncobj));
        let progress = found.map(|found| found.progress(&pools.sync_points, &pools.timelines, 0));
        if progress == Some(Progress::Pending) {
            return Ok(TicketState::Pending);
        }
        let fence = found.and_then(Syncobj::fence);
        let error = fence.and_then(|fence| pools.timelines.get(fence.timeline)?.error_of(fence.point));
        Ok(error.map_or(TicketState::Done, TicketState::Failed))
    }

    /// Ends a sync file. Objects that it was imported into keep its fence.
    ///
    /// # Errors
    /// [`Error::NotFound`] for one of another device.
    pub fn sync_file_close(&mut self, file: SyncFile) -> Result<(), Error> {
        let syncobj = self.kept(file.tag, file.syncobj)?;
        if let Some(Fence { timeline, .. }) = self.pools.syncobjs.get(syncobj).and_then(Syncobj::fence) {
            release(&mut self.pools.timelines, timeline);
        }
        self.unuse_syncobj(syncobj);
        Ok(())
    }

    fn use_syncobj(&mut self, syncobj: Handle<Syncobj>) {
        if let Some(found) = self.pools.syncobjs.get_mut(syncobj) {
            found.uses = found.uses.saturating_add(1);
        }
    }

    /// The object that an export keeps.
    fn kept(&self, tag: u8, syncobj: Handle<Syncobj>) -> Result<Handle<Syncobj>, Error> {
        let here = tag == self.config.tag && self.pools.syncobjs.get(syncobj).is_some();
        if here { Ok(syncobj) } else { Err(Error::NotFound { kind: ObjectKind::Syncobj, id: syncobj.id() }) }
    }
}

impl Pools<'_> {
    /// What an object holds at a point, for another; places that it takes are charged to `owner`.
    pub(in crate::device) fn capture(
        &mut self,
        syncobj: Handle<Syncobj>,
        point: u64,
        owner: Owner,
    ) -> Result<Captured, Error> {
        let missing = Error::NotFound { kind: ObjectKind::Syncobj, id: syncobj.id() };
        let found = self.syncobjs.get(syncobj).ok_or(missing)?;
        found.capture(&mut self.sync_points, owner, &self.timelines, point)
    }

    /// Gives an object what was captured: as all it holds, or, with a point, as that.
    pub(in crate::device) fn give(
        &mut self,
        target: Handle<Syncobj>,
        point: u64,
        captured: Captured,
        owner: Owner,
    ) -> Result<(), Error> {
        if point == 0 {
            if let Some(target) = self.syncobjs.get_mut(target) {
                target.set(&mut self.sync_points, captured);
            }
            return Ok(());
        }
        let points = captured.into_points(&mut self.sync_points, owner)?;
        if let Some(target) = self.syncobjs.get_mut(target) {
            target.add_points(&mut self.sync_points, &self.timelines, points, point);
        }
        Ok(())
    }

    /// Keeps the timeline of the one fence of an object, or forgets a fence that has nothing to tell any more.
    fn hold_fence_of(&mut self, syncobj: Handle<Syncobj>) {
        let Some(found) = self.syncobjs.get_mut(syncobj) else { return };
        if let Some(fence) = found.fence()
            && !hold(&mut self.timelines, fence.timeline)
        {
            found.set(&mut self.sync_points, Captured::Signalled);
        }
    }
}
