//! Fences: points on timelines.
//!
//! Every queue owns a [`Timeline`]. Accepting work takes the timeline's next point, finishing work moves `done`
//! forward; both only grow. A [`Fence`] is a timeline's handle and a point, so it is `Copy`, holds no slot and can
//! neither leak nor dangle: a fence whose timeline is gone has signalled, because a queue is only freed when all its
//! work is over. Points are 64 bits wide and do not wrap in the life of a machine; the 32-bit numbers that the GPU
//! writes are [`Seqno`](super::seqno::Seqno)s and do.

use super::sleepers::{SleeperList, Sleepers};
use crate::chain::{Chain, LinkPool};
use crate::list::List;
use crate::pool::{Handle, Pool};
use crate::shares::Owner;
use crate::{Capacity, Error};

/// The order in which one queue's work is accepted and finishes.
///
/// A queue that failed once runs nothing more: the point that failed has its own error, every later one reads
/// [`Error::Canceled`], unless it was given another error. Of errors like that the newest run of points is kept.
#[derive(Debug, Default)]
pub struct Timeline {
    accepted: u64,
    done: u64,
    failed: Option<(u64, Error)>,
    given: Option<Run>,
    /// Those that want to know how its points ended when it is over.
    holds: u32,
    ended: bool,
    /// Who is woken when its points signal, by point.
    sleepers: SleeperList,
    /// Work that starts when its points signal, by point.
    waiting: List,
}

/// Points after the first failure that were given the same error, one after the other.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: u64,
    last: u64,
    error: Error,
}

/// All timelines of a device.
pub type Timelines<'a> = Pool<'a, Timeline>;

impl Timeline {
    /// Takes the next point.
    pub const fn accept(&mut self) -> u64 {
        self.accepted = self.accepted.saturating_add(1);
        self.accepted
    }

    /// The newest point taken, 0 if none was.
    #[must_use]
    pub const fn accepted(&self) -> u64 {
        self.accepted
    }

    /// All points up to this one have signalled.
    #[must_use]
    pub const fn done(&self) -> u64 {
        self.done
    }

    /// How its points ended, apart from who waits for them.
    #[must_use]
    pub fn record(&self) -> Self {
        let Self { accepted, done, failed, given, .. } = *self;
        Self { accepted, done, failed, given, ..Self::default() }
    }

    /// Signals every point up to `point`; the error, if there is one, is that of `point`.
    ///
    /// A point that has signalled, and one that nobody took, is left alone: whether anything signalled now.
    pub fn signal(&mut self, point: u64, error: Option<Error>) -> bool {
        let point = point.min(self.accepted);
        if point <= self.done {
            return false;
        }
        self.done = point;
        if let Some(error) = error {
            self.note(point, error);
        }
        true
    }

    fn note(&mut self, point: u64, error: Error) {
        if self.failed.is_none() {
            self.failed = Some((point, error));
        } else if error != Error::Canceled {
            let longer = self.given.filter(|run| run.error == error && run.last.saturating_add(1) == point);
            self.given = Some(Run { first: longer.map_or(point, |run| run.first), last: point, error });
        }
    }

    /// Whether it is over, and there only for those that [`hold`] it.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        self.ended
    }

    /// Who sleeps on it.
    pub(crate) const fn sleepers_mut(&mut self) -> &mut SleeperList {
        &mut self.sleepers
    }

    /// What waits for it.
    pub(crate) const fn waiting(&self) -> &List {
        &self.waiting
    }

    /// What waits for it, for change.
    pub(crate) const fn waiting_mut(&mut self) -> &mut List {
        &mut self.waiting
    }

    /// Wakes everybody whose point has signalled.
    pub(crate) fn wake(&mut self, sleepers: &mut Sleepers<'_>) {
        self.sleepers.wake(sleepers, self.done);
    }

    /// The error `point` signalled with, or will.
    #[must_use]
    pub fn error_of(&self, point: u64) -> Option<Error> {
        let (first, error) = self.failed.filter(|(first, _)| *first <= point)?;
        if point == first {
            return Some(error);
        }
        let given = self.given.filter(|run| (run.first..=run.last).contains(&point));
        Some(given.map_or(Error::Canceled, |run| run.error))
    }
}

/// Keeps a timeline for [`Timeline::error_of`] when it is over; whether it is there.
pub fn hold(timelines: &mut Timelines<'_>, timeline: Handle<Timeline>) -> bool {
    let found = timelines.get_mut(timeline);
    found.map(|timeline| timeline.holds = timeline.holds.saturating_add(1)).is_some()
}

/// Ends what [`hold`] began.
pub fn release(timelines: &mut Timelines<'_>, timeline: Handle<Timeline>) {
    let Some(found) = timelines.get_mut(timeline) else { return };
    found.holds = found.holds.saturating_sub(1);
    if found.ended && found.holds == 0 {
        timelines.remove(timeline);
    }
}

/// Ends a timeline: every point signals, whoever sleeps on it is woken. It goes, unless it is held.
pub fn end(timelines: &mut Timelines<'_>, sleepers: &mut Sleepers<'_>, timeline: Handle<Timeline>) {
    let Some(found) = timelines.get_mut(timeline) else { return };
    found.done = found.accepted;
    found.ended = true;
    found.sleepers.wake(sleepers, u64::MAX);
    if found.holds == 0 {
        timelines.remove(timeline);
    }
}

/// One point of one timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The timeline.
    pub timeline: Handle<Timeline>,
    /// The point.
    pub point: u64,
}

impl Fence {
    /// Whether the point has signalled, with an error or without.
    #[must_use]
    pub fn is_signalled(self, timelines: &Timelines<'_>) -> bool {
        timelines.get(self.timeline).is_none_or(|timeline| timeline.done >= self.point)
    }

    /// The newest point of a timeline.
    #[must_use]
    pub fn last_of(timelines: &Timelines<'_>, timeline: Handle<Timeline>) -> Self {
        let point = timelines.get(timeline).map_or(0, Timeline::accepted);
        Self { timeline, point }
    }
}

/// What accepted work waits for: only fences that have not signalled yet, at most one per timeline.
#[derive(Debug, Default)]
pub struct Dependencies(Chain<Fence>);

/// The fences of all [`Dependencies`].
pub type DependencyPool<'a> = LinkPool<'a, Fence>;

impl Dependencies {
    /// Nothing to wait for.
    #[must_use]
    pub const fn new() -> Self {
        Self(Chain::new())
    }

    /// Whether there is nothing to wait for.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fence that holds the work up, until [`are_met`](Self::are_met) says that another one does.
    #[must_use]
    pub fn first(&self, pool: &DependencyPool<'_>) -> Option<Fence> {
        self.0.first().and_then(|first| pool.get(first)).map(|link| link.value)
    }

    /// Adds a fence, unless it has signalled or a later point of its timeline is already waited for.
    ///
    /// # Errors
    /// [`Error::Exhausted`]; nothing changed.
    pub fn add(
        &mut self,
        pool: &mut DependencyPool<'_>,
        owner: Owner,
        timelines: &Timelines<'_>,
        fence: Fence,
    ) -> Result<(), Error> {
        if fence.is_signalled(timelines) {
            return Ok(());
        }
        let mut at = self.0.first();
        while let Some(link) = at.and_then(|at| pool.get_mut(at)) {
            if link.value.timeline == fence.timeline {
                link.value.point = link.value.point.max(fence.point);
                return Ok(());
            }
            at = at.and_then(|at| Chain::after(pool, at));
        }
        self.0.push_for(pool, owner, fence).map(drop).map_err(|_| Error::Exhausted(Capacity::Dependencies))
    }

    /// Drops what has signalled; whether nothing is left.
    pub fn are_met(&mut self, pool: &mut DependencyPool<'_>, timelines: &Timelines<'_>) -> bool {
        while let Some(link) = self.0.first().and_then(|first| pool.get(first)) {
            if !link.value.is_signalled(timelines) {
                return false;
            }
            self.0.pop(pool);
        }
        true
    }

    /// Drops all of them.
    pub fn clear(&mut self, pool: &mut DependencyPool<'_>) {
        self.0.clear(pool);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Slot;

    fn with_timelines(test: impl FnOnce(&mut Timelines<'_>, &mut DependencyPool<'_>)) {
        let mut timelines = [const { Slot::EMPTY }; 3];
        let mut fences = [const { Slot::EMPTY }; 2];
        test(&mut Pool::new(&mut timelines), &mut Pool::new(&mut fences));
    }

    #[test]
    fn a_fence_signals_when_its_point_is_done_and_not_before() {
        with_timelines(|timelines, _| {
            let queue = timelines.insert(Timeline::default()).unwrap();
            let point = timelines.get_mut(queue).unwrap().accept();
            let fence = Fence { timeline: queue, point };
            assert!(!fence.is_signalled(timelines));
            timelines.get_mut(queue).unwrap().signal(point, None);
            assert!(fence.is_signalled(timelines));
        });
    }

    #[test]
    fn a_fence_of_a_timeline_that_is_gone_has_signalled() {
        with_timelines(|timelines, _| {
            let queue = timelines.insert(Timeline::default()).unwrap();
            timelines.get_mut(queue).unwrap().accept();
            let fence = Fence::last_of(timelines, queue);
            timelines.remove(queue);
            timelines.insert(Timeline::default()).unwrap();
            assert!(fence.is_signalled(timelines));
        });
    }

    fn failing(points: u64, signals: &[(u64, Option<Error>)]) -> Timeline {
        let mut timeline = Timeline::default();
        for _ in 0..points {
            timeline.accept();
        }
        for (point, error) in signals {
            timeline.signal(*point, *error);
        }
        timeline
    }

    fn errors(timeline: &Timeline) -> std::vec::Vec<Option<Error>> {
        (1..=timeline.accepted()).map(|point| timeline.error_of(point)).collect()
    }

    #[test]
    fn the_failed_point_has_its_own_error_and_later_ones_are_canceled() {
        let (late, canceled) = (Some(Error::TimedOut), Some(Error::Canceled));
        let timeline = failing(5, &[(1, None), (2, late), (3, canceled), (4, None)]);
        assert_eq!(errors(&timeline), [None, late, canceled, canceled, canceled]);
    }

    #[test]
    fn a_later_point_that_is_given_another_error_has_that() {
        let (late, gone, canceled) = (Some(Error::TimedOut), Some(Error::DeviceGone), Some(Error::Canceled));
        let timeline = failing(6, &[(1, late), (2, canceled), (3, gone), (4, gone), (5, canceled)]);
        assert_eq!(errors(&timeline), [late, canceled, gone, gone, canceled, canceled]);
        let timeline = failing(4, &[(1, late), (2, gone), (3, late), (4, late)]);
        assert_eq!(errors(&timeline), [late, canceled, late, late], "the newest run is kept");
    }

    #[test]
    fn points_below_the_failed_one_that_signal_with_it_have_no_error() {
        let timeline = failing(3, &[(2, Some(Error::TimedOut))]);
        assert_eq!(errors(&timeline), [None, Some(Error::TimedOut), Some(Error::Canceled)]);
    }

    #[test]
    fn a_point_signals_once_and_its_error_is_that_of_the_first_time() {
        let mut timeline = failing(2, &[]);
        assert!(timeline.signal(1, None));
        assert!(!timeline.signal(1, Some(Error::TimedOut)));
        assert_eq!((timeline.done(), timeline.error_of(1)), (1, None));
        assert!(timeline.signal(2, None) && !timeline.signal(2, None));
    }

    /// Whatever is signalled in whatever order: every point turns once, and none before it was taken.
    #[test]
    fn every_point_signals_exactly_once_in_every_order_of_calls() {
        for script in 0..4u32.pow(7) {
            let (mut timeline, mut turned) = (Timeline::default(), [0u32; 8]);
            for step in 0..7 {
                let before = timeline.done();
                match script >> (2 * step) & 3 {
                    0 => drop(timeline.accept()),
                    ahead => drop(timeline.signal(before + u64::from(ahead) - 1, None)),
                }
                (before..timeline.done()).for_each(|point| turned[usize::try_from(point).unwrap()] += 1);
                assert!(timeline.done() <= timeline.accepted());
            }
            let done = usize::try_from(timeline.done()).unwrap();
            assert!(turned[..done].iter().all(|times| *times == 1) && turned[done..].iter().all(|times| *times == 0));
        }
    }

    #[test]
    fn signalling_never_runs_ahead_of_what_was_accepted() {
        let mut timeline = Timeline::default();
        timeline.accept();
        assert!(timeline.signal(9, None));
        assert_eq!(timeline.done(), 1);
    }

    #[test]
    fn dependencies_keep_one_fence_per_timeline_and_fail_only_when_the_pool_is_full() {
        with_timelines(|timelines, pool| {
            let queues: [_; 3] = core::array::from_fn(|_| timelines.insert(Timeline::default()).unwrap());
            for queue in queues {
                timelines.get_mut(queue).unwrap().accept();
                timelines.get_mut(queue).unwrap().accept();
            }
            let mut wait = Dependencies::new();
            let fence = |queue: usize, point| Fence { timeline: queues[queue], point };
            wait.add(pool, Owner::NOBODY, timelines, fence(0, 1)).unwrap();
            wait.add(pool, Owner::NOBODY, timelines, fence(0, 2)).unwrap();
            wait.add(pool, Owner::NOBODY, timelines, fence(1, 1)).unwrap();
            assert_eq!(
                wait.add(pool, Owner::NOBODY, timelines, fence(2, 1)),
                Err(Error::Exhausted(Capacity::Dependencies))
            );
            timelines.get_mut(queues[0]).unwrap().signal(1, None);
            assert!(!wait.are_met(pool, timelines));
            timelines.get_mut(queues[0]).unwrap().signal(2, None);
            timelines.get_mut(queues[1]).unwrap().signal(1, None);
            assert!(wait.are_met(pool, timelines));
            assert_eq!(pool.live(), 0);
        });
    }
}
