//! Points: places for the fences of sync objects.

use crate::pool::{Handle, Pool};
use crate::shares::Owner;
use crate::sync::fence::{Fence, Timelines};
use crate::{Capacity, Error};

/// One point of a timeline sync object, or one fence of several.
#[derive(Debug)]
pub struct SyncPoint {
    /// The fence; none for a point that was signalled by hand.
    pub(super) fence: Option<Fence>,
    /// The fence of a binary object that became a timeline with this point.
    pub(super) before: Option<Fence>,
    pub(super) value: u64,
    /// Value of the point before it in the same run of increasing points; 0 for the first of a run.
    pub(super) previous: u64,
    /// First point of a new run: an older one is not found through it.
    pub(super) starts_run: bool,
    pub(super) older: Option<Handle<Self>>,
}

impl SyncPoint {
    /// A point that is reserved and not yet part of an object.
    pub const RESERVED: Self = Self { fence: None, before: None, value: 0, previous: 0, starts_run: true, older: None };

    pub(super) fn fences(&self) -> impl Iterator<Item = Fence> + use<> {
        self.fence.into_iter().chain(self.before)
    }

    pub(super) fn is_pending(&self, timelines: &Timelines<'_>) -> bool {
        self.fences().any(|fence| !fence.is_signalled(timelines))
    }
}

/// The points of all sync objects.
pub type SyncPoints<'a> = Pool<'a, SyncPoint>;

/// Lets go of a point and of everything older.
pub(super) fn release_points(points: &mut SyncPoints<'_>, newest: Option<Handle<SyncPoint>>) {
    let mut at = newest;
    while let Some(point) = at.and_then(|at| points.remove(at)) {
        at = point.older;
    }
}

pub(super) fn reserve(
    points: &mut SyncPoints<'_>,
    owner: Owner,
    fence: Option<Fence>,
    older: Option<Handle<SyncPoint>>,
) -> Result<Handle<SyncPoint>, Error> {
    let point = points.insert_for(owner, SyncPoint { fence, older, ..SyncPoint::RESERVED });
    point.map_err(|_| Error::Exhausted(Capacity::SyncPoints))
}

/// Reserves a place for a timeline point.
///
/// # Errors
/// [`Error::Exhausted`].
pub fn reserve_point(points: &mut SyncPoints<'_>, owner: Owner) -> Result<Handle<SyncPoint>, Error> {
    reserve(points, owner, None, None)
}
