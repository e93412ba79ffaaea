//! Sync objects: named places that hold a fence, or a timeline of them.
//!
//! Rules: commands-and-fences sheet §5.5 and §5.6. A timeline is a list of points, newest first; a point has
//! signalled when its own fence and those of all older points have.

mod captured;
mod point;

pub use captured::Captured;
pub use point::{SyncPoint, SyncPoints, reserve_point};

use point::release_points;

use super::fence::{Dependencies, DependencyPool, Fence, Timelines};
use crate::Error;
use crate::device::Client;
use crate::pool::Handle;
use crate::shares::Owner;

/// What a sync object holds.
#[derive(Debug)]
enum Content {
    Nothing,
    Signalled,
    Fence(Fence),
    /// Several fences that count as one: it has signalled when all have.
    All(Handle<SyncPoint>),
    Timeline(Handle<SyncPoint>),
    /// Another object, under a handle of another client.
    Shared(Handle<Syncobj>),
}

/// A sync object.
#[derive(Debug)]
pub struct Syncobj {
    /// The client that has a handle to it; none once the handle is destroyed, and for what a sync file holds.
    pub client: Option<Handle<Client>>,
    /// Exports, and handles of other clients, that keep it.
    pub(crate) uses: u32,
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
        Self::with(Some(client), if signalled { Content::Signalled } else { Content::Nothing })
    }

    /// A client's handle to an object that is kept elsewhere.
    #[must_use]
    pub const fn shared(client: Handle<Client>, target: Handle<Self>) -> Self {
        Self::with(Some(client), Content::Shared(target))
    }

    /// An object without a handle: what a sync file holds.
    #[must_use]
    pub const fn of_captured(captured: Captured) -> Self {
        Self { uses: 1, ..Self::with(None, Content::of(captured)) }
    }

    const fn with(client: Option<Handle<Client>>, content: Content) -> Self {
        Self { client, uses: 0, marked: false, content }
    }

    /// The object it stands for, if it stands for another.
    #[must_use]
    pub const fn target(&self) -> Option<Handle<Self>> {
        if let Content::Shared(target) = self.content { Some(target) } else { None }
    }

    /// The fence it holds, if it holds one and no timeline.
    #[must_use]
    pub const fn fence(&self) -> Option<Fence> {
        if let Content::Fence(fence) = self.content { Some(fence) } else { None }
    }

    /// The points it holds, newest first.
    const fn newest(&self) -> Option<Handle<SyncPoint>> {
        match self.content {
            Content::All(newest) | Content::Timeline(newest) => Some(newest),
            Content::Nothing | Content::Signalled | Content::Fence(_) | Content::Shared(_) => None,
        }
    }

    /// Drops what it holds.
    pub fn reset(&mut self, points: &mut SyncPoints<'_>) {
        release_points(points, self.newest());
        self.content = Content::Nothing;
    }

    /// Replaces what it holds by one fence.
    pub fn set_fence(&mut self, points: &mut SyncPoints<'_>, fence: Fence) {
        self.set(points, Captured::Fence(fence));
    }

    /// Replaces what it holds by what was captured.
    pub fn set(&mut self, points: &mut SyncPoints<'_>, captured: Captured) {
        self.reset(points);
        self.content = Content::of(captured);
    }

    /// Appends `value` to the timeline, in the place that `reserved` keeps; without a fence it has signalled.
    ///
    /// A value that is not above the newest one is accepted and counts as the newest (sheet §5.5).
    pub fn add_point(
        &mut self,
        points: &mut SyncPoints<'_>,
        timelines: &Timelines<'_>,
        reserved: Handle<SyncPoint>,
        fence: Option<Fence>,
        value: u64,
    ) {
        if let Some(point) = points.get_mut(reserved) {
            *point = SyncPoint { fence, ..SyncPoint::RESERVED };
            self.add_points(points, timelines, reserved, value);
        }
    }

    /// As [`add_point`](Self::add_point), for fences that were captured: together they are the point.
    pub fn add_points(
        &mut self,
        points: &mut SyncPoints<'_>,
        timelines: &Timelines<'_>,
        captured: Handle<SyncPoint>,
        value: u64,
    ) {
        let timeline = if let Content::Timeline(newest) = self.content { Some(newest) } else { None };
        let newest_value = timeline.and_then(|newest| points.get(newest)).map_or(0, |point| point.value);
        let grows = timeline.is_some() && value > newest_value;
        let before = if let Content::Fence(fence) = self.content { Some(fence) } else { None };
        let mut at = Some(captured);
        while let Some(point) = at.and_then(|at| points.get_mut(at)) {
            point.value = value.max(newest_value);
            point.previous = if grows { newest_value } else { 0 };
            point.starts_run = !grows;
            at = point.older;
            if at.is_none() {
                // What the object held before is older than all of it.
                point.before = before;
                point.older = self.newest();
            }
        }
        self.content = Content::Timeline(captured);
        self.collect(points, timelines);
    }

    /// Drops points that have signalled together with everything older. One backward walk.
    fn collect(&mut self, points: &mut SyncPoints<'_>, timelines: &Timelines<'_>) {
        let Content::Timeline(newest) = self.content else { return };
        // The oldest point that is pending ends what must be kept; everything older goes.
        let (mut at, mut keep) = (Some(newest), newest);
        while let Some((handle, point)) = at.and_then(|at| Some((at, points.get(at)?))) {
            if point.is_pending(timelines) {
                keep = handle;
            }
            at = point.older;
        }
        let older = points.get_mut(keep).and_then(|point| point.older.take());
        release_points(points, older);
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
            if point.is_pending(timelines) {
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
            Content::All(newest) if value == 0 => Self::all_signalled(points, timelines, newest),
            Content::Signalled | Content::Fence(_) | Content::All(_) | Content::Shared(_) => return Progress::Absent,
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
            if point.is_pending(timelines) {
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
        (pool, owner): (&mut DependencyPool<'_>, Owner),
    ) -> Result<(), Error> {
        if self.progress(points, timelines, value) == Progress::Absent {
            return Err(Error::invalid("sync object without a fence at point", value));
        }
        let mut at = match self.content {
            Content::Fence(fence) => return wait.add(pool, owner, timelines, fence),
            Content::All(newest) => Some(newest),
            Content::Timeline(newest) => Self::find(points, newest, value).flatten(),
            Content::Nothing | Content::Signalled | Content::Shared(_) => None,
        };
        while let Some(point) = at.and_then(|at| points.get(at)) {
            for fence in point.fences() {
                wait.add(pool, owner, timelines, fence)?;
            }
            at = point.older;
        }
        Ok(())
    }

    /// A fence that the object at point `value` still waits for; none if it has signalled, or nothing was submitted.
    #[must_use]
    pub fn pending(&self, points: &SyncPoints<'_>, timelines: &Timelines<'_>, value: u64) -> Option<Fence> {
        let pending = |fence: &Fence| !fence.is_signalled(timelines);
        let mut at = match self.content {
            Content::Fence(fence) => return Some(fence).filter(pending).filter(|_| value == 0),
            Content::All(newest) => Some(newest).filter(|_| value == 0),
            Content::Timeline(newest) => Self::find(points, newest, value).flatten(),
            Content::Nothing | Content::Signalled | Content::Shared(_) => None,
        };
        while let Some(point) = at.and_then(|at| points.get(at)) {
            if let Some(fence) = point.fences().find(pending) {
                return Some(fence);
            }
            at = point.older;
        }
        None
    }

    /// What the object holds at point `value` (0: all of it), for another object.
    ///
    /// A single fence is taken as it is, signalled or not: how it ended goes with it. Of a timeline the fences that are
    /// pending are taken, one for each queue.
    ///
    /// # Errors
    /// [`Error::Invalid`] where nothing was submitted for it, [`Error::Exhausted`]; nothing is kept then.
    pub fn capture(
        &self,
        points: &mut SyncPoints<'_>,
        owner: Owner,
        timelines: &Timelines<'_>,
        value: u64,
    ) -> Result<Captured, Error> {
        if self.progress(points, timelines, value) == Progress::Absent {
            return Err(Error::invalid("sync object without a fence at point", value));
        }
        let from = match self.content {
            Content::Fence(fence) => return Ok(Captured::Fence(fence)),
            Content::All(newest) => Some(newest),
            Content::Timeline(newest) => Self::find(points, newest, value).flatten(),
            Content::Nothing | Content::Signalled | Content::Shared(_) => None,
        };
        let mut captured = Captured::Signalled;
        captured.add_all((points, owner), timelines, from)?;
        Ok(captured)
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

impl Content {
    const fn of(captured: Captured) -> Self {
        match captured {
            Captured::Signalled => Self::Signalled,
            Captured::Fence(fence) => Self::Fence(fence),
            Captured::All(newest) => Self::All(newest),
        }
    }
}
