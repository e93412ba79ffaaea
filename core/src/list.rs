//! Lists through the objects of a pool.
//!
//! An object that can stand in such a list has [`Links`] for it; the list itself is two ends and a count. So a list needs no
//! storage of its own, there is always room in it, and an object leaves it from anywhere without a search. It has to
//! leave before it is removed from its pool.
//!
//! Unlike the elements of a [`Chain`](crate::chain::Chain) the objects belong to the pool, not to the list.

use crate::pool::{Handle, Pool};

/// An object's neighbours in one list, by slot position; none if it stands in no such list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Links(Option<Neighbours>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Neighbours {
    before: Option<u32>,
    after: Option<u32>,
}

impl Links {
    /// Of an object that stands in no list.
    pub const NONE: Self = Self(None);

    /// Whether it stands in one.
    #[must_use]
    pub const fn is_in_list(&self) -> bool {
        self.0.is_some()
    }
}

/// Objects that can stand in lists, one of each kind.
pub trait Linked {
    /// Which list.
    type Kind: Copy;

    /// Where the object stands in its list of a kind.
    fn links(&self, kind: Self::Kind) -> &Links;

    /// Where the object stands in its list of a kind, for change.
    fn links_mut(&mut self, kind: Self::Kind) -> &mut Links;
}

/// A list. All calls on one name the same pool and kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct List {
    first: Option<u32>,
    last: Option<u32>,
    len: u32,
}

impl List {
    /// Without objects.
    pub const EMPTY: Self = Self { first: None, last: None, len: 0 };

    /// How many objects stand in it.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether none does.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first object.
    #[must_use]
    pub fn first<T>(&self, pool: &Pool<'_, T>) -> Option<Handle<T>> {
        pool.handle_at(self.first?)
    }

    /// Puts an object at the end, unless it stands in a list of this kind.
    pub fn push<T: Linked>(&mut self, pool: &mut Pool<'_, T>, kind: T::Kind, object: Handle<T>) {
        self.insert(pool, kind, object, |_| false);
    }

    /// Puts an object behind all but those at the end that are `later`, unless it stands in a list of this kind.
    pub fn insert<T: Linked>(
        &mut self,
        pool: &mut Pool<'_, T>,
        kind: T::Kind,
        object: Handle<T>,
        later: impl Fn(&T) -> bool,
    ) {
        if pool.get(object).is_none_or(|found| found.links(kind).0.is_some()) {
            return;
        }
        let (mut before, mut after) = (self.last, None);
        while let Some(other) = before.and_then(|before| pool.at(before)).filter(|other| later(other)) {
            after = before;
            before = other.links(kind).0.and_then(|links| links.before);
        }
        if let Some(found) = pool.get_mut(object) {
            *found.links_mut(kind) = Links(Some(Neighbours { before, after }));
        }
        self.join(pool, kind, before, Some(object.index()));
        self.join(pool, kind, Some(object.index()), after);
        self.len = self.len.saturating_add(1);
    }

    /// Takes an object out; whether it was there. It stands in this list or in none of the kind.
    pub fn remove<T: Linked>(&mut self, pool: &mut Pool<'_, T>, kind: T::Kind, object: Handle<T>) -> bool {
        let links = pool.get_mut(object).and_then(|found| found.links_mut(kind).0.take());
        let Some(Neighbours { before, after }) = links else { return false };
        self.join(pool, kind, before, after);
        self.len = self.len.saturating_sub(1);
        true
    }

    /// Takes the first object out.
    pub fn pop<T: Linked>(&mut self, pool: &mut Pool<'_, T>, kind: T::Kind) -> Option<Handle<T>> {
        let first = self.first(pool)?;
        self.remove(pool, kind, first).then_some(first)
    }

    /// The objects, first to last.
    pub fn iter<'p, T: Linked>(
        &self,
        pool: &'p Pool<'_, T>,
        kind: T::Kind,
    ) -> impl Iterator<Item = (Handle<T>, &'p T)> {
        let mut at = self.first;
        core::iter::from_fn(move || {
            let handle = pool.handle_at(at?)?;
            let found = pool.get(handle)?;
            at = found.links(kind).0.and_then(|links| links.after);
            Some((handle, found))
        })
    }

    /// Makes two places neighbours; none is the end of the list.
    fn join<T: Linked>(&mut self, pool: &mut Pool<'_, T>, kind: T::Kind, before: Option<u32>, after: Option<u32>) {
        fn links<T: Linked>(found: &mut T, kind: T::Kind) -> Option<&mut Neighbours> {
            found.links_mut(kind).0.as_mut()
        }
        match before.and_then(|before| pool.at_mut(before)).and_then(|found| links(found, kind)) {
            Some(links) => links.after = after,
            None => self.first = after,
        }
        match after.and_then(|after| pool.at_mut(after)).and_then(|found| links(found, kind)) {
            Some(links) => links.before = before,
            None => self.last = before,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Slot;
    use std::vec::Vec;

    /// A letter that can stand in two lists.
    struct Letter(char, [Links; 2]);

    impl Linked for Letter {
        type Kind = usize;

        fn links(&self, kind: usize) -> &Links {
            &self.1[kind]
        }

        fn links_mut(&mut self, kind: usize) -> &mut Links {
            &mut self.1[kind]
        }
    }

    fn with_letters(test: impl FnOnce(&mut Pool<'_, Letter>, [Handle<Letter>; 4])) {
        let mut slots = [const { Slot::EMPTY }; 4];
        let mut pool = Pool::new(&mut slots);
        let all = ['a', 'b', 'c', 'd'].map(|letter| pool.insert(Letter(letter, [Links::NONE; 2])).ok().unwrap());
        test(&mut pool, all);
    }

    fn shown(list: &List, pool: &Pool<'_, Letter>, kind: usize) -> Vec<char> {
        let letters: Vec<char> = list.iter(pool, kind).map(|(_, letter)| letter.0).collect();
        assert_eq!(letters.len(), list.len() as usize);
        letters
    }

    #[test]
    fn objects_stand_in_the_order_they_came_and_once() {
        with_letters(|pool, [a, b, c, _]| {
            let (mut one, mut other) = (List::EMPTY, List::EMPTY);
            for object in [b, a, b, c] {
                one.push(pool, 0, object);
            }
            other.push(pool, 1, c);
            assert_eq!((shown(&one, pool, 0), shown(&other, pool, 1)), (std::vec!['b', 'a', 'c'], std::vec!['c']));
            assert_eq!((one.pop(pool, 0), one.first(pool)), (Some(b), Some(a)));
            one.push(pool, 0, b);
            assert_eq!(shown(&one, pool, 0), ['a', 'c', 'b']);
        });
    }

    #[test]
    fn objects_can_be_put_before_those_that_are_later() {
        with_letters(|pool, all| {
            let mut list = List::EMPTY;
            for object in [all[2], all[0], all[3], all[1]] {
                let own = pool.get(object).unwrap().0;
                list.insert(pool, 0, object, |other| other.0 > own);
            }
            assert_eq!(shown(&list, pool, 0), ['a', 'b', 'c', 'd']);
        });
    }

    /// Whoever leaves, in whatever order: the others stand as before, forwards and backwards.
    #[test]
    fn objects_leave_from_anywhere() {
        for gone in 0..16u32 {
            with_letters(|pool, all| {
                let mut list = List::EMPTY;
                all.iter().for_each(|object| list.push(pool, 0, *object));
                for n in (0..4).filter(|n| gone >> n & 1 != 0) {
                    assert!(list.remove(pool, 0, all[n]) && !list.remove(pool, 0, all[n]));
                }
                let left: Vec<char> = (0..4).filter(|n| gone >> n & 1 == 0).map(|n| ['a', 'b', 'c', 'd'][n]).collect();
                assert_eq!(shown(&list, pool, 0), left);
                assert_eq!(list.is_empty(), left.is_empty());
                while let Some(last) = list.iter(pool, 0).last().map(|(last, _)| last) {
                    list.remove(pool, 0, last);
                }
                assert_eq!(list, List::EMPTY);
            });
        }
    }
}
