//! What sync objects are given by hand: points that have signalled, and what another object holds.

use super::client::ClientId;
use crate::device::jobs::syncs::CallSyncs;
use crate::device::request::Source;
use crate::device::{Device, Pools};
use crate::pool::Handle;
use crate::shares::Owner;
use crate::sync::syncobj::{OutSync, Progress, Syncobj, reserve_point};
use crate::{Capacity, Error};
use barexe_hal::Hal;

/// A sync object and a point of it; 0 is the newest of a source, and makes a destination binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncobjPoint {
    /// The client's handle.
    pub handle: u32,
    /// The point.
    pub point: u64,
}

impl<H: Hal> Device<'_, H> {
    /// Adds points that have signalled to timelines: to all of them in order, or to none. Without `points` all are 0.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an empty array; what reading the handles gives, else [`Error::NotFound`], else what reading
    /// the points gives, else [`Error::Exhausted`].
    pub fn syncobj_timeline_signal(
        &mut self,
        client: ClientId,
        handles: &mut dyn Source<u32>,
        points: Option<&mut dyn Source<u64>>,
    ) -> Result<(), Error> {
        self.check_client(client)?;
        if handles.len() == 0 {
            return Err(Error::invalid("sync object count", 0));
        }
        let mut syncs = CallSyncs::default();
        match self.capture_points(client, handles, points, &mut syncs) {
            Ok(()) => {
                self.pools.give_outs(syncs, None);
                Ok(())
            }
            Err(error) => {
                self.pools.release_syncs(syncs);
                Err(error)
            }
        }
    }

    /// Reads both arrays to their ends, whatever is wrong with their elements, and reserves a place for each point.
    fn capture_points(
        &mut self,
        client: ClientId,
        handles: &mut dyn Source<u32>,
        mut points: Option<&mut dyn Source<u64>>,
        syncs: &mut CallSyncs,
    ) -> Result<(), Error> {
        let (mut unknown, mut unreadable, mut room) = (Ok(()), Ok(()), Ok(()));
        for index in 0..handles.len() {
            let syncobj = self.syncobj_of(client, handles.get(index)?);
            let value = points.as_mut().map_or(Ok(0), |points| points.get(index));
            match (syncobj, value) {
                (Ok(syncobj), Ok(value)) => {
                    room = room.and_then(|()| self.pools.add_out_point(syncs, Owner::of(client), syncobj, value));
                }
                (Err(error), _) => unknown = unknown.and(Err(error)),
                (Ok(_), Err(error)) => unreadable = unreadable.and(Err(error)),
            }
        }
        unknown.and(unreadable).and(room)
    }

    /// Gives one object what another holds at a point; whether it did: not if nothing was submitted there and the caller
    /// wants to wait for that (`for_submit`).
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`] for a source without a fence at its point, [`Error::Exhausted`]. The
    /// destination is as before.
    pub fn syncobj_transfer(
        &mut self,
        client: ClientId,
        from: SyncobjPoint,
        to: SyncobjPoint,
        for_submit: bool,
    ) -> Result<bool, Error> {
        self.check_client(client)?;
        let target = self.syncobj_of(client, to.handle)?;
        let source = self.syncobj_of(client, from.handle)?;
        let pools = &mut self.pools;
        let Some(found) = pools.syncobjs.get(source) else { return Ok(false) };
        if for_submit && found.progress(&pools.sync_points, &pools.timelines, from.point) == Progress::Absent {
            return Ok(false);
        }
        let owner = Owner::of(client);
        let captured = pools.capture(source, from.point, owner)?;
        pools.give(target, to.point, captured, owner)?;
        Ok(true)
    }
}

impl Pools<'_> {
    fn add_out_point(
        &mut self,
        syncs: &mut CallSyncs,
        owner: Owner,
        syncobj: Handle<Syncobj>,
        value: u64,
    ) -> Result<(), Error> {
        let point = reserve_point(&mut self.sync_points, owner)?;
        self.push_out(syncs, OutSync::Timeline { syncobj, value, point })
    }

    /// Notes one more out-sync; what was reserved for it goes back if there is no room.
    ///
    /// # Errors
    /// [`Error::Exhausted`].
    pub(in crate::device) fn push_out(&mut self, syncs: &mut CallSyncs, out: OutSync) -> Result<(), Error> {
        syncs.outs.push(&mut self.out_syncs, out).map(drop).map_err(|out| {
            self.release_out(out);
            Error::Exhausted(Capacity::OutSyncs)
        })
    }
}
