//! Sync objects: named places that hold a fence, or a timeline of them.
//!
//! Rules: commands-and-fences sheet §5.5 and §5.6. A timeline is a list of points, newest first; a point has
//! signalled when its own fence and those of all older points have.

use super::fence::{Dependencies, DependencyPool, Fence, Timelines};
use crate::device::Client;
use crate::pool::{Handle, Pool};
use crate::{Capacity, Error};

/// One point of a timeline sync object.
#[derive(Debug)]
pub struct SyncPoint {
    /// The fence; none for a point that was signalled by hand.
    fence: Option<Fence>,
    value: u64,
    /// Value of the point before it in the same run of increasing points; 0 for the first of a run.
    previous: u64,
    /// First point of a new run: an older one is not found through it.
    starts_run: bool,
    older: Option<Handle<Self>>,
}

impl SyncPoint {
    /// A point that is reserved and not yet part of an object.
    pub const RESERVED: Self = Self { fence: None, value: 0, previous: 0, starts_run: true, older: None };
}

/// The points of all sync objects.
pub type SyncPoints<'a> = Pool<'a, SyncPoint>;

/// What a sync object holds.
#[derive(Debug)]
enum Content {
    Nothing,
    Signalled,
    Fence(Fence),
    Timeline(Handle<SyncPoint>),
}

/// A sync object.
#[derive(Debug)]
pub struct Syncobj {
    /// The client it belongs to.
    pub client: Handle<Client>,
    /// Named by the array call that is being read.
    pub(crate) marked: bool,
    content: Content,
}

/// How far a sync object is, at one point of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing was submitted for it.
    Absent,
    /// Submitted, not signalled.
    Pending,
    /// Signalled.
    Signalled,
}

impl Syncobj {
    /// A new object, empty or already signalled.
    #[must_use]
    pub const fn new(client: Handle<Client>, signalled: bool) -> Self {
        Self { client, marked: false, content: if signalled { Content::Signalled } else { Content::Nothing } }
    }

    /// Drops what it holds.
    pub fn reset(&mut self, points: &mut SyncPoints<'_>) {
        if let Content::Timeline(newest) = self.content {
            let mut at = Some(newest);
            while let Some(point) = at.and_then(|at| points.remove(at)) {
                at = point.older;
            }
        }
        self.content = Content::Nothing;
    }

    /// Replaces what it holds by one fence.
    pub fn set_fence(&mut self, points: &mut SyncPoints<'_>, fence: Fence) {
        self.reset(points);
        self.content = Content::Fence(fence);
    }

    /// Appends `value` to the timeline, in the place that `reserved` keeps.
    ///
    /// A value that is not above the newest one is accepted and counts as the newest (sheet §5.5).
    pub fn add_point(
        &mut self,
        points: &mut SyncPoints<'_>,
        timelines: &Timelines<'_>,
        reserved: Handle<SyncPoint>,
        fence: Fence,
        value: u64,
    ) {
        let newest = if let Content::Timeline(newest) = self.content { Some(newest) } else { None };
        let newest_value = newest.and_then(|newest| points.get(newest)).map_or(0, |point| point.value);
        let grows = newest.is_some() && value > newest_value;
        if let Some(point) = points.get_mut(reserved) {
            *point = SyncPoint {
                fence: Some(fence),
                value: value.max(newest_value),
                previous: if grows { newest_value } else { 0 },
                starts_run: !grows,
                older: newest,
            };
            self.content = Content::Timeline(reserved);
        }
        self.collect(points, timelines);
    }

    /// Drops points that have signalled together with everything older. One backward walk.
    fn collect(&mut self, points: &mut SyncPoints<'_>, timelines: &Timelines<'_>) {
        let Content::Timeline(newest) = self.content else { return };
        // The oldest point that is pending ends what must be kept; everything older goes.
        let (mut at, mut keep) = (Some(newest), newest);
        while let Some((handle, point)) = at.and_then(|at| Some((at, points.get(at)?))) {
            if point.fence.is_some_and(|fence| !fence.is_signalled(timelines)) {
                keep = handle;
            }
            at = point.older;
        }
        let mut older = points.get_mut(keep).and_then(|point| point.older.take());
        while let Some(point) = older.and_then(|older| points.remove(older)) {
            older = point.older;
        }
    }

    /// The point that decides about `value`: `Ok(None)` if it is signalled and gone (sheet §5.5, "find").
    fn find(points: &SyncPoints<'_>, newest: Handle<SyncPoint>, value: u64) -> Option<Option<Handle<SyncPoint>>> {
        let mut at = newest;
        if points.get(at)?.value < value {
            return None;
        }
        loop {
            let point = points.get(at)?;
            if value == 0 || point.previous < value || point.starts_run {
                return Some(Some(at));
            }
            match point.older {
                Some(older) => at = older,
                None => return Some(None),
            }
        }
    }

    /// Whether every fence from `at` backwards has signalled.
    fn all_signalled(points: &SyncPoints<'_>, timelines: &Timelines<'_>, at: Handle<SyncPoint>) -> bool {
        let mut at = Some(at);
        while let Some(point) = at.and_then(|at| points.get(at)) {
            if point.fence.is_some_and(|fence| !fence.is_signalled(timelines)) {
                return false;
            }
            at = point.older;
        }
        true
    }

    /// How far the object is at point `value`; 0 is the newest fence, whatever it is.
    #[must_use]
    pub fn progress(&self, points: &SyncPoints<'_>, timelines: &Timelines<'_>, value: u64) -> Progress {
        let signalled = match self.content {
            Content::Nothing => return Progress::Absent,
            Content::Signalled if value == 0 => true,
            Content::Fence(fence) if value == 0 => fence.is_signalled(timelines),
            Content::Signalled | Content::Fence(_) => return Progress::Absent,
            Content::Timeline(newest) => match Self::find(points, newest, value) {
                None => return Progress::Absent,
                Some(None) => true,
                Some(Some(at)) => Self::all_signalled(points, timelines, at),
            },
        };
        if signalled { Progress::Signalled } else { Progress::Pending }
    }

    /// The newest point up to which all have signalled, or, of those that were `submitted`, the newest; 0 for an object
    /// that is no timeline (sheet §5.6, "query").
    #[must_use]
    pub fn value(&self, points: &SyncPoints<'_>, timelines: &Timelines<'_>, submitted: bool) -> u64 {
        let Content::Timeline(newest) = self.content else { return 0 };
        let Some(last) = points.get(newest) else { return 0 };
        let (mut value, mut at, mut same_run) = (last.value, Some(newest), true);
        while let Some(point) = at.filter(|_| !submitted).and_then(|at| points.get(at)) {
            if point.fence.is_some_and(|fence| !fence.is_signalled(timelines)) {
                // In another run points have other meanings.
                value = if same_run { point.previous } else { 0 };
            }
            same_run &= !point.starts_run;
            at = point.older;
        }
        value
    }

    /// Makes accepted work wait for the object at point `value` (0: a binary in-sync), as it stands now.
    ///
    /// # Errors
    /// [`Error::Invalid`] where nothing was submitted for it, [`Error::Exhausted`].
    pub fn depend(
        &self,
        points: &SyncPoints<'_>,
        timelines: &Timelines<'_>,
        value: u64,
        wait: &mut Dependencies,
        pool: &mut DependencyPool<'_>,
    ) -> Result<(), Error> {
        if self.progress(points, timelines, value) == Progress::Absent {
            return Err(Error::invalid("sync object without a fence at point", value));
        }
        match self.content {
            Content::Fence(fence) => wait.add(pool, timelines, fence),
            Content::Timeline(newest) => {
                let mut at = Self::find(points, newest, value).flatten();
                while let Some(point) = at.and_then(|at| points.get(at)) {
                    if let Some(fence) = point.fence {
                        wait.add(pool, timelines, fence)?;
                    }
                    at = point.older;
                }
                Ok(())
            }
            Content::Nothing | Content::Signalled => Ok(()),
        }
    }
}

/// What a call's out-sync signals when the call is accepted.
#[derive(Clone, Copy, Debug)]
pub enum OutSync {
    /// The object's fence is replaced.
    Binary(Handle<Syncobj>),
    /// A point is added.
    Timeline {
        /// The object.
        syncobj: Handle<Syncobj>,
        /// Its value.
        value: u64,
        /// The place reserved for it.
        point: Handle<SyncPoint>,
    },
}

/// Reserves a place for a timeline point.
///
/// # Errors
/// [`Error::Exhausted`].
pub fn reserve_point(points: &mut SyncPoints<'_>) -> Result<Handle<SyncPoint>, Error> {
    points.insert(SyncPoint::RESERVED).map_err(|_| Error::Exhausted(Capacity::SyncPoints))
}
