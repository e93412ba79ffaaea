//! Fences on their way from one sync object into another.

use super::point::{SyncPoint, SyncPoints, release_points, reserve, reserve_point};
use crate::Error;
use crate::pool::Handle;
use crate::shares::Owner;
use crate::sync::fence::{Fence, Timelines};

/// Fences that were taken from an object, on their way into another.
#[derive(Debug)]
#[must_use = "the places of its points are taken"]
pub enum Captured {
    /// Nothing that is pending.
    Signalled,
    /// One fence.
    Fence(Fence),
    /// Several, each in a point that belongs to no object.
    All(Handle<SyncPoint>),
}

impl Captured {
    /// Adds everything pending from a point backwards.
    ///
    /// # Errors
    /// [`Error::Exhausted`]; everything captured is let go of.
    pub(super) fn add_all(
        &mut self,
        (points, owner): (&mut SyncPoints<'_>, Owner),
        timelines: &Timelines<'_>,
        from: Option<Handle<SyncPoint>>,
    ) -> Result<(), Error> {
        let mut at = from;
        while let Some((fences, older)) = at.and_then(|at| points.get(at)).map(|point| (point.fences(), point.older)) {
            for fence in fences.filter(|fence| !fence.is_signalled(timelines)) {
                self.add(points, owner, fence)?;
            }
            at = older;
        }
        Ok(())
    }

    /// Adds a fence: of each timeline the newest is kept.
    ///
    /// # Errors
    /// [`Error::Exhausted`]; everything captured is let go of.
    fn add(&mut self, points: &mut SyncPoints<'_>, owner: Owner, fence: Fence) -> Result<(), Error> {
        if let Self::Signalled = self {
            *self = Self::Fence(fence);
            return Ok(());
        }
        if self.covers(points, fence) {
            return Ok(());
        }
        let added = self.make_points(points, owner).and_then(|older| reserve(points, owner, Some(fence), older));
        match added {
            Ok(newest) => *self = Self::All(newest),
            Err(_) => core::mem::replace(self, Self::Signalled).release(points),
        }
        added.map(drop)
    }

    /// Whether a fence of the same timeline is there: it is the newer of both afterwards.
    fn covers(&mut self, points: &mut SyncPoints<'_>, fence: Fence) -> bool {
        let newer = |known: &mut Fence| {
            let same = known.timeline == fence.timeline;
            known.point = if same { known.point.max(fence.point) } else { known.point };
            same
        };
        let mut at = match self {
            Self::Signalled => return false,
            Self::Fence(known) => return newer(known),
            Self::All(newest) => Some(*newest),
        };
        while let Some(point) = at.and_then(|at| points.get_mut(at)) {
            if point.fence.as_mut().is_some_and(newer) {
                return true;
            }
            at = point.older;
        }
        false
    }

    /// What is captured as points, if anything is.
    fn make_points(&mut self, points: &mut SyncPoints<'_>, owner: Owner) -> Result<Option<Handle<SyncPoint>>, Error> {
        match *self {
            Self::Signalled => Ok(None),
            Self::All(newest) => Ok(Some(newest)),
            Self::Fence(fence) => {
                let point = reserve(points, owner, Some(fence), None)?;
                *self = Self::All(point);
                Ok(Some(point))
            }
        }
    }

    /// Everything that is captured as points, for a timeline: at least one.
    ///
    /// # Errors
    /// [`Error::Exhausted`]; everything captured is let go of.
    pub fn into_points(mut self, points: &mut SyncPoints<'_>, owner: Owner) -> Result<Handle<SyncPoint>, Error> {
        let made =
            self.make_points(points, owner).and_then(|made| made.map_or_else(|| reserve_point(points, owner), Ok));
        if made.is_err() {
            self.release(points);
        }
        made
    }

    /// Two as one: it has signalled when both have. Fences that have signalled stay, for what they say.
    ///
    /// # Errors
    /// [`Error::Exhausted`]; both are let go of.
    pub fn and(mut self, other: Self, points: &mut SyncPoints<'_>, owner: Owner) -> Result<Self, Error> {
        let mut fences = Ok(());
        match other {
            Self::Signalled => {}
            Self::Fence(fence) => fences = self.add(points, owner, fence),
            Self::All(newest) => {
                let mut at = Some(newest);
                while let Some(point) = at.and_then(|at| points.remove(at)) {
                    at = point.older;
                    for fence in point.fences() {
                        fences = fences.and_then(|()| self.add(points, owner, fence));
                    }
                }
            }
        }
        fences.map(|()| self)
    }

    /// Lets go of it.
    pub fn release(self, points: &mut SyncPoints<'_>) {
        if let Self::All(newest) = self {
            release_points(points, Some(newest));
        }
    }
}
