//! Singly linked lists through a shared pool: queues of jobs, lists of dependencies, pieces of an object.

use crate::pool::{Handle, Pool, Slot};
use crate::shares::Owner;

/// One element of a list, with the link to the next.
#[derive(Debug)]
pub struct Link<T> {
    /// The element.
    pub value: T,
    next: Option<Handle<Self>>,
}

/// Storage for list elements.
pub type LinkSlot<T> = Slot<Link<T>>;
/// A pool that many lists share.
pub type LinkPool<'a, T> = Pool<'a, Link<T>>;
/// Names an element.
pub type LinkHandle<T> = Handle<Link<T>>;

/// A list: first in, first out. It owns its elements; [`clear`](Self::clear) it before letting go of it.
#[derive(Debug)]
pub struct Chain<T> {
    head: Option<LinkHandle<T>>,
    tail: Option<LinkHandle<T>>,
}

impl<T> Default for Chain<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Chain<T> {
    /// An empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self { head: None, tail: None }
    }

    /// Whether it has no element.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    /// The first element.
    #[must_use]
    pub const fn first(&self) -> Option<LinkHandle<T>> {
        self.head
    }

    /// Appends `value`, in a place that is nobody's.
    ///
    /// # Errors
    /// Gives it back when the pool is full; the list is unchanged then.
    pub fn push(&mut self, pool: &mut LinkPool<'_, T>, value: T) -> Result<LinkHandle<T>, T> {
        self.push_for(pool, Owner::NOBODY, value)
    }

    /// Appends `value`, in a place that is charged to `owner`.
    ///
    /// # Errors
    /// Gives it back when there is no room for the owner; the list is unchanged then.
    pub fn push_for(&mut self, pool: &mut LinkPool<'_, T>, owner: Owner, value: T) -> Result<LinkHandle<T>, T> {
        let handle = pool.insert_for(owner, Link { value, next: None }).map_err(|link| link.value)?;
        match self.tail.and_then(|tail| pool.get_mut(tail)) {
            Some(last) => last.next = Some(handle),
            None => self.head = Some(handle),
        }
        self.tail = Some(handle);
        Ok(handle)
    }

    /// Takes the first element out.
    pub fn pop(&mut self, pool: &mut LinkPool<'_, T>) -> Option<T> {
        let link = pool.remove(self.head?)?;
        self.head = link.next;
        if self.head.is_none() {
            self.tail = None;
        }
        Some(link.value)
    }

    /// Appends all elements of another list.
    pub fn append(&mut self, pool: &mut LinkPool<'_, T>, other: Self) {
        match self.tail.and_then(|tail| pool.get_mut(tail)) {
            None => *self = other,
            Some(last) if other.head.is_some() => {
                last.next = other.head;
                self.tail = other.tail;
            }
            Some(_) => {}
        }
    }

    /// Drops all elements.
    pub fn clear(&mut self, pool: &mut LinkPool<'_, T>) {
        while self.pop(pool).is_some() {}
    }

    /// Turns the order round.
    pub fn reverse(&mut self, pool: &mut LinkPool<'_, T>) {
        let (mut at, mut before) = (self.head, None);
        self.tail = self.head;
        while let Some((handle, link)) = at.and_then(|at| Some((at, pool.get_mut(at)?))) {
            at = core::mem::replace(&mut link.next, before);
            before = Some(handle);
        }
        self.head = before;
    }

    /// The list's elements, leaving an empty list behind.
    #[must_use]
    pub fn take(&mut self) -> Self {
        core::mem::take(self)
    }

    /// The elements, first to last.
    pub fn iter<'p>(&self, pool: &'p LinkPool<'_, T>) -> impl Iterator<Item = &'p T> {
        let mut at = self.head;
        core::iter::from_fn(move || {
            let link = pool.get(at?)?;
            at = link.next;
            Some(&link.value)
        })
    }

    /// The handle after `handle`.
    #[must_use]
    pub fn after(pool: &LinkPool<'_, T>, handle: LinkHandle<T>) -> Option<LinkHandle<T>> {
        pool.get(handle)?.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_come_out_in_the_order_they_went_in() {
        let mut slots = [const { Slot::EMPTY }; 3];
        let mut pool = Pool::new(&mut slots);
        let mut chain = Chain::new();
        for value in 1..=3 {
            chain.push(&mut pool, value).unwrap();
        }
        assert_eq!(chain.push(&mut pool, 4), Err(4));
        assert!(chain.iter(&pool).eq(&[1, 2, 3]));
        assert_eq!(chain.pop(&mut pool), Some(1));
        chain.push(&mut pool, 5).unwrap();
        assert!(chain.iter(&pool).eq(&[2, 3, 5]));
        chain.clear(&mut pool);
        assert_eq!((chain.is_empty(), pool.live()), (true, 0));
        chain.push(&mut pool, 6).unwrap();
        assert_eq!(chain.pop(&mut pool), Some(6));
    }

    #[test]
    fn reversing_turns_the_order_round_and_the_list_still_grows_at_its_end() {
        let mut slots = [const { Slot::EMPTY }; 4];
        let mut pool = Pool::new(&mut slots);
        let mut chain = Chain::new();
        chain.reverse(&mut pool);
        for value in 1..=3 {
            chain.push(&mut pool, value).unwrap();
        }
        chain.reverse(&mut pool);
        chain.push(&mut pool, 0).unwrap();
        assert!(chain.iter(&pool).eq(&[3, 2, 1, 0]));
    }

    #[test]
    fn two_lists_share_a_pool_without_mixing() {
        let mut slots = [const { Slot::EMPTY }; 4];
        let mut pool = Pool::new(&mut slots);
        let (mut a, mut b) = (Chain::new(), Chain::new());
        for value in 0..2 {
            a.push(&mut pool, value).unwrap();
            b.push(&mut pool, value + 10).unwrap();
        }
        assert!(a.iter(&pool).eq(&[0, 1]) && b.iter(&pool).eq(&[10, 11]));
    }
}
