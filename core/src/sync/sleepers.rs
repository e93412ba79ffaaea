//! Who is woken when a fence signals.
//!
//! A sleeper is a [`Waker`] and a point of a timeline. Those of one timeline are a list by point, so that a signal looks
//! at those it wakes and at one more; a sleeper that gives up is taken out where it is. A sleeper is woken once, and is
//! gone then.

use crate::pool::{Handle, Pool};
use crate::shares::Owner;
use core::task::Waker;

/// Somebody who waits for a point of a timeline.
#[derive(Debug)]
pub struct Sleeper {
    waker: Waker,
    point: u64,
    before: Option<Handle<Self>>,
    after: Option<Handle<Self>>,
}

/// All sleepers of a device.
pub type Sleepers<'a> = Pool<'a, Sleeper>;

/// The sleepers of one timeline, lowest point first.
#[derive(Debug, Default)]
pub struct SleeperList {
    first: Option<Handle<Sleeper>>,
    last: Option<Handle<Sleeper>>,
}

impl SleeperList {
    /// Adds a sleeper, behind those of the same point; its handle, or nothing if the pool is full.
    pub fn add(
        &mut self,
        sleepers: &mut Sleepers<'_>,
        owner: Owner,
        point: u64,
        waker: &Waker,
    ) -> Option<Handle<Sleeper>> {
        if sleepers.room_for(owner) == 0 {
            return None;
        }
        let mut before = self.last;
        while let Some(sleeper) = before.and_then(|before| sleepers.get(before)).filter(|other| other.point > point) {
            before = sleeper.before;
        }
        let after = before.map_or(self.first, |before| sleepers.get(before).and_then(|sleeper| sleeper.after));
        let added = sleepers.insert_for(owner, Sleeper { waker: waker.clone(), point, before, after }).ok()?;
        *self.link_after(sleepers, before) = Some(added);
        *self.link_before(sleepers, after) = Some(added);
        Some(added)
    }

    /// Takes a sleeper out, woken by nobody; whether it was still there.
    pub fn remove(&mut self, sleepers: &mut Sleepers<'_>, sleeper: Handle<Sleeper>) -> bool {
        let Some(gone) = sleepers.remove(sleeper) else { return false };
        *self.link_after(sleepers, gone.before) = gone.after;
        *self.link_before(sleepers, gone.after) = gone.before;
        true
    }

    /// Wakes everybody up to a point, in order.
    pub fn wake(&mut self, sleepers: &mut Sleepers<'_>, point: u64) {
        while let Some(first) = self.first.filter(|first| sleepers.get(*first).is_some_and(|s| s.point <= point)) {
            let Some(woken) = sleepers.remove(first) else { return };
            self.first = woken.after;
            *self.link_before(sleepers, woken.after) = None;
            woken.waker.wake();
        }
    }

    /// What leads on from a sleeper, or into the list.
    fn link_after<'p>(
        &'p mut self,
        sleepers: &'p mut Sleepers<'_>,
        from: Option<Handle<Sleeper>>,
    ) -> &'p mut Option<Handle<Sleeper>> {
        match from.and_then(|from| sleepers.get_mut(from)) {
            Some(sleeper) => &mut sleeper.after,
            None => &mut self.first,
        }
    }

    /// What leads back from a sleeper, or from the end of the list.
    fn link_before<'p>(
        &'p mut self,
        sleepers: &'p mut Sleepers<'_>,
        from: Option<Handle<Sleeper>>,
    ) -> &'p mut Option<Handle<Sleeper>> {
        match from.and_then(|from| sleepers.get_mut(from)) {
            Some(sleeper) => &mut sleeper.before,
            None => &mut self.last,
        }
    }
}

/// Keeps the waker of a sleeper at this point current: whoever polls a future last is woken. Whether it was still there.
pub fn renew(sleepers: &mut Sleepers<'_>, sleeper: Handle<Sleeper>, point: u64, waker: &Waker) -> bool {
    let found = sleepers.get_mut(sleeper).filter(|sleeper| sleeper.point == point);
    found.map(|sleeper| sleeper.waker.clone_from(waker)).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Slot;
    use std::sync::Arc;
    use std::sync::Mutex;
    use std::task::Wake;
    use std::vec::Vec;

    /// Notes its number when it is woken.
    struct Bell(u32, Arc<Mutex<Vec<u32>>>);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0);
        }
    }

    struct Bells(Arc<Mutex<Vec<u32>>>);

    impl Bells {
        fn waker(&self, number: u32) -> Waker {
            Waker::from(Arc::new(Bell(number, Arc::clone(&self.0))))
        }

        fn rung(&self) -> Vec<u32> {
            core::mem::take(&mut self.0.lock().unwrap())
        }

        /// Wakers that somebody still has.
        fn kept(&self) -> usize {
            Arc::strong_count(&self.0).saturating_sub(1)
        }
    }

    fn with_pool(test: impl FnOnce(&mut Sleepers<'_>, &Bells)) {
        let mut slots = [const { Slot::EMPTY }; 4];
        test(&mut Pool::new(&mut slots), &Bells(Arc::default()));
    }

    #[test]
    fn a_signal_wakes_those_up_to_its_point_once_and_in_order() {
        with_pool(|pool, bells| {
            let mut list = SleeperList::default();
            for point in [3u32, 1, 2, 1] {
                list.add(pool, Owner::NOBODY, point.into(), &bells.waker(point)).unwrap();
            }
            list.wake(pool, 0);
            assert!(bells.rung().is_empty());
            list.wake(pool, 2);
            assert_eq!(bells.rung(), [1, 1, 2]);
            list.wake(pool, 2);
            assert!(bells.rung().is_empty());
            list.wake(pool, u64::MAX);
            assert_eq!((bells.rung(), pool.live(), bells.kept()), (std::vec![3], 0, 0));
        });
    }

    #[test]
    fn a_full_pool_takes_nobody_and_keeps_no_waker() {
        with_pool(|pool, bells| {
            let mut list = SleeperList::default();
            let all: Vec<_> =
                (0..4).map(|point| list.add(pool, Owner::NOBODY, point, &bells.waker(0)).unwrap()).collect();
            let waker = bells.waker(9);
            assert!(list.add(pool, Owner::NOBODY, 0, &waker).is_none());
            drop(waker);
            assert_eq!(bells.kept(), 4);
            assert!(list.remove(pool, all[1]) && !list.remove(pool, all[1]));
            assert!(list.add(pool, Owner::NOBODY, 0, &bells.waker(9)).is_some());
        });
    }

    /// Whoever gives up, in whatever order: the rest is woken, nobody else is, and nothing is left.
    #[test]
    fn sleepers_give_up_anywhere_in_the_list() {
        for gone in 0..16u32 {
            with_pool(|pool, bells| {
                let mut list = SleeperList::default();
                let all: Vec<_> = (0..4u32)
                    .map(|n| list.add(pool, Owner::NOBODY, u64::from(10 + n), &bells.waker(n)).unwrap())
                    .collect();
                for n in (0..4).filter(|n| gone >> n & 1 != 0) {
                    assert!(list.remove(pool, all[n]));
                }
                assert_eq!(bells.rung(), [], "whoever gives up is not woken");
                list.wake(pool, 12);
                list.wake(pool, 13);
                let rest: Vec<u32> = (0..4).filter(|n| gone >> n & 1 == 0).collect();
                assert_eq!((bells.rung(), pool.live(), bells.kept()), (rest, 0, 0));
                assert!(!list.remove(pool, all[0]));
                assert!(list.add(pool, Owner::NOBODY, 1, &bells.waker(7)).is_some());
                list.wake(pool, 1);
                assert_eq!(bells.rung(), [7], "the list still works");
            });
        }
    }

    #[test]
    fn the_newest_waker_is_the_one_that_is_woken() {
        with_pool(|pool, bells| {
            let mut list = SleeperList::default();
            let sleeper = list.add(pool, Owner::NOBODY, 1, &bells.waker(1)).unwrap();
            assert!(renew(pool, sleeper, 1, &bells.waker(2)));
            assert!(!renew(pool, sleeper, 2, &bells.waker(4)), "another point is another bed");
            assert_eq!(bells.kept(), 1);
            list.wake(pool, 1);
            assert_eq!(bells.rung(), [2]);
            assert!(!renew(pool, sleeper, 1, &bells.waker(3)));
        });
    }
}
