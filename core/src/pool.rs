//! Fixed pools with generation-checked handles.
//!
//! Storage is a slice the caller lends. A handle names a slot *and* the generation in which it was filled, so a handle
//! that outlived its object finds nothing rather than somebody else's object.

use crate::shares::{Ledger, Owner};
use core::fmt;
use core::marker::PhantomData;

/// One cell of a pool, empty until the pool fills it. Create arrays of them with [`Slot::EMPTY`].
#[derive(Debug)]
pub struct Slot<T> {
    generation: u32,
    /// The next empty cell; of a filled one, to whom it is charged.
    link: u32,
    value: Option<T>,
}

impl<T> Slot<T> {
    /// An empty cell.
    pub const EMPTY: Self = Self { generation: 0, link: NONE, value: None };
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self::EMPTY
    }
}

const NONE: u32 = u32::MAX;

/// Names an object in a [`Pool`] of `T`; stale once the object is removed.
pub struct Handle<T> {
    index: u32,
    generation: u32,
    kind: PhantomData<fn() -> T>,
}

impl<T> Handle<T> {
    const fn new(index: u32, generation: u32) -> Self {
        Self { index, generation, kind: PhantomData }
    }

    /// Position of the slot in the pool.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// The 32-bit id under which clients know the object: slot number from 1 in the low half, generation above, bit
    /// 31 clear. Never 0.
    #[must_use]
    pub const fn id(self) -> u32 {
        (self.generation & 0x7FFF) << 16 | (self.index.wrapping_add(1) & 0xFFFF)
    }
}

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Handle<T> {}
impl<T> PartialEq for Handle<T> {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index && self.generation == other.generation
    }
}
impl<T> Eq for Handle<T> {}
impl<T> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}.{}", self.index, self.generation)
    }
}

/// A pool over lent slots.
pub struct Pool<'a, T> {
    slots: &'a mut [Slot<T>],
    first_free: u32,
    live: u32,
    /// Places kept for values to come.
    reserved: u32,
    ledger: Ledger<'a>,
    /// One past the largest position that was ever filled.
    touched: u32,
}

/// Shows what lives in the pool: what was in free slots, and their order, is not part of its state.
impl<T: fmt::Debug> fmt::Debug for Pool<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Bits of a generation that count; those above are the pool's tag.
const COUNT_BITS: u32 = 0x00FF_FFFF;

/// The generation after `generation`, of the same tag.
const fn following(generation: u32) -> u32 {
    generation & !COUNT_BITS | generation.wrapping_add(1) & COUNT_BITS
}

/// Most slots a pool uses; more are left unused so that an id keeps its 16-bit slot number.
pub const MAX_SLOTS: usize = 0xFFFF;

impl<'a, T> Pool<'a, T> {
    /// An empty pool over `slots`. Whatever the slots still held is dropped; generations go on counting.
    #[must_use]
    pub fn new(slots: &'a mut [Slot<T>]) -> Self {
        Self::tagged(slots, 0)
    }

    /// As [`new`](Self::new); handles of pools with different tags are stale for each other.
    #[must_use]
    pub fn tagged(slots: &'a mut [Slot<T>], tag: u8) -> Self {
        let mut pool = Self { slots, first_free: NONE, live: 0, touched: 0, reserved: 0, ledger: Ledger::NONE };
        let len = crate::num::u32_capped(pool.slots.len().min(MAX_SLOTS));
        for index in (0..len).rev() {
            if let Some(slot) = pool.slot_mut(index) {
                if slot.value.take().is_some() {
                    slot.generation = following(slot.generation);
                }
                slot.generation = slot.generation & COUNT_BITS | u32::from(tag) << COUNT_BITS.count_ones();
            }
            pool.push_free(index);
        }
        pool
    }

    /// The same, with places counted in `ledger`. The pool is empty.
    #[must_use]
    pub(crate) const fn counted(self, ledger: Ledger<'a>) -> Self {
        Self { ledger, ..self }
    }

    /// Where its places are counted.
    pub(crate) const fn ledger(&self) -> &Ledger<'a> {
        &self.ledger
    }

    /// The lent slots back.
    #[must_use]
    pub const fn into_slots(self) -> &'a mut [Slot<T>] {
        self.slots
    }

    fn slot(&self, index: u32) -> Option<&Slot<T>> {
        self.slots.get(crate::num::usize_of(index))
    }

    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot<T>> {
        self.slots.get_mut(crate::num::usize_of(index))
    }

    fn push_free(&mut self, index: u32) {
        let next = self.first_free;
        if let Some(slot) = self.slot_mut(index) {
            slot.link = next;
            self.first_free = index;
        }
    }

    /// Objects in the pool.
    #[must_use]
    pub const fn live(&self) -> u32 {
        self.live
    }

    /// Objects the pool can still take that are nobody's.
    #[must_use]
    pub fn room(&self) -> u32 {
        self.room_for(Owner::NOBODY)
    }

    /// Objects the pool can still take of an owner.
    #[must_use]
    pub fn room_for(&self, owner: Owner) -> u32 {
        self.ledger.room(self.free(), owner)
    }

    /// Places that are neither taken nor kept.
    fn free(&self) -> u32 {
        let all = crate::num::u32_capped(self.slots.len().min(MAX_SLOTS));
        all.saturating_sub(self.live.saturating_add(self.reserved))
    }

    /// Puts a `value` that is nobody's into a free slot.
    ///
    /// # Errors
    /// Gives `value` back when every slot is taken or promised; nothing changed.
    pub fn insert(&mut self, value: T) -> Result<Handle<T>, T> {
        self.insert_for(Owner::NOBODY, value)
    }

    /// Puts `value` into a free slot that is charged to `owner` until the value is removed.
    ///
    /// # Errors
    /// Gives `value` back when there is no [room](Self::room_for); nothing changed.
    pub fn insert_for(&mut self, owner: Owner, value: T) -> Result<Handle<T>, T> {
        let (index, free) = (self.first_free, self.free());
        if self.slot(index).is_none() || !self.ledger.take(free, owner) {
            return Err(value);
        }
        let Some(slot) = self.slot_mut(index) else { return Err(value) };
        slot.value = Some(value);
        let (next, generation) = (core::mem::replace(&mut slot.link, owner.bits()), slot.generation);
        self.first_free = next;
        self.live = self.live.saturating_add(1);
        self.touched = self.touched.max(index.saturating_add(1));
        Ok(Handle::new(index, generation))
    }

    /// Keeps a place for a value of `owner` that is to come; whether there was room.
    #[must_use]
    pub fn reserve_for(&mut self, owner: Owner) -> bool {
        let free = self.free();
        let has_room = self.ledger.take(free, owner);
        self.reserved = self.reserved.saturating_add(u32::from(has_room));
        has_room
    }

    /// Gives a place up that was [kept](Self::reserve_for): the value does not come, or comes now.
    pub fn unreserve(&mut self, owner: Owner) {
        self.reserved = self.reserved.saturating_sub(1);
        self.ledger.credit(owner, 1);
    }

    /// Places kept for values to come.
    #[must_use]
    pub const fn reserved(&self) -> u32 {
        self.reserved
    }

    /// To whom an object's place is charged.
    #[must_use]
    pub fn owner_of(&self, handle: Handle<T>) -> Owner {
        let found = self.slot(handle.index).filter(|slot| slot.generation == handle.generation && slot.value.is_some());
        found.map_or(Owner::NOBODY, |slot| Owner::from_bits(slot.link))
    }

    /// The object, unless the handle is stale.
    #[must_use]
    pub fn get(&self, handle: Handle<T>) -> Option<&T> {
        let slot = self.slot(handle.index)?;
        if slot.generation == handle.generation { slot.value.as_ref() } else { None }
    }

    /// The object, unless the handle is stale.
    #[must_use]
    pub fn get_mut(&mut self, handle: Handle<T>) -> Option<&mut T> {
        let slot = self.slot_mut(handle.index)?;
        if slot.generation == handle.generation { slot.value.as_mut() } else { None }
    }

    /// Takes the object out; the handle and every copy of it are stale from now on.
    pub fn remove(&mut self, handle: Handle<T>) -> Option<T> {
        let slot = self.slot_mut(handle.index)?;
        if slot.generation != handle.generation {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = following(slot.generation);
        let owner = Owner::from_bits(slot.link);
        self.push_free(handle.index);
        self.live = self.live.saturating_sub(1);
        self.ledger.credit(owner, 1);
        Some(value)
    }

    /// The live object a client's id names, see [`Handle::id`].
    #[must_use]
    pub fn by_id(&self, id: u32) -> Option<Handle<T>> {
        let index = (id & 0xFFFF).checked_sub(1)?;
        let handle = self.handle_at(index)?;
        if handle.id() == id { Some(handle) } else { None }
    }

    /// The handle of whatever lives in slot `index`.
    #[must_use]
    pub fn handle_at(&self, index: u32) -> Option<Handle<T>> {
        let slot = self.slot(index)?;
        slot.value.as_ref()?;
        Some(Handle::new(index, slot.generation))
    }

    /// Handles of all live objects, by slot position.
    pub fn handles(&self) -> impl Iterator<Item = Handle<T>> + '_ {
        (0..).zip(self.touched().iter()).filter_map(|(index, slot)| {
            slot.value.as_ref()?;
            Some(Handle::new(index, slot.generation))
        })
    }

    /// Whatever lives in slot `index`.
    #[must_use]
    pub fn at(&self, index: u32) -> Option<&T> {
        self.slot(index)?.value.as_ref()
    }

    /// Whatever lives in slot `index`.
    #[must_use]
    pub fn at_mut(&mut self, index: u32) -> Option<&mut T> {
        self.slot_mut(index)?.value.as_mut()
    }

    /// Every live object with its handle.
    pub fn iter(&self) -> impl Iterator<Item = (Handle<T>, &T)> {
        (0..)
            .zip(self.touched())
            .filter_map(|(index, slot)| Some((Handle::new(index, slot.generation), slot.value.as_ref()?)))
    }

    /// Every live object with its handle, for change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Handle<T>, &mut T)> {
        let touched = crate::num::usize_of(self.touched).min(self.slots.len());
        (0..)
            .zip(self.slots.get_mut(..touched).unwrap_or_default())
            .filter_map(|(index, slot)| Some((Handle::new(index, slot.generation), slot.value.as_mut()?)))
    }

    /// One past the largest slot position that was ever filled, for walks that change the pool on the way.
    #[must_use]
    pub const fn positions(&self) -> u32 {
        self.touched
    }

    /// The slots that were ever filled: free ones are taken from the start on, so a large pool with little in it is walked
    /// like a small one.
    fn touched(&self) -> &[Slot<T>] {
        self.slots.get(..crate::num::usize_of(self.touched)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_pool_gives_the_value_back_and_room_returns_on_removal() {
        let mut slots = [const { Slot::EMPTY }; 3];
        let mut pool = Pool::new(&mut slots);
        let first = pool.insert(10).unwrap();
        pool.insert(11).unwrap();
        pool.insert(12).unwrap();
        assert_eq!(pool.insert(13), Err(13));
        assert_eq!(pool.remove(first), Some(10));
        assert_eq!(pool.room(), 1);
        assert!(pool.insert(14).is_ok());
    }

    #[test]
    fn a_stale_handle_finds_nothing_even_when_the_slot_is_taken_again() {
        let mut slots = [const { Slot::EMPTY }; 1];
        let mut pool = Pool::new(&mut slots);
        let old = pool.insert('a').unwrap();
        pool.remove(old);
        let new = pool.insert('b').unwrap();
        assert_eq!((pool.get(old), pool.get(new)), (None, Some(&'b')));
        assert_eq!(pool.remove(old), None);
        assert_ne!(old.id(), new.id());
        assert_eq!((pool.by_id(old.id()), pool.by_id(new.id())), (None, Some(new)));
    }

    #[test]
    fn ids_start_at_one_and_zero_names_nothing() {
        let mut slots = [const { Slot::EMPTY }; 2];
        let mut pool = Pool::new(&mut slots);
        assert_eq!(pool.insert(()).unwrap().id(), 1);
        assert_eq!(pool.insert(()).unwrap().id(), 2);
        assert_eq!(pool.by_id(0), None);
        assert_eq!(pool.by_id(u32::MAX), None);
    }

    #[test]
    fn handles_from_an_earlier_life_of_the_storage_are_stale() {
        let mut slots = [const { Slot::EMPTY }; 1];
        let mut pool = Pool::new(&mut slots);
        let old = pool.insert(1).unwrap();
        let slots = pool.into_slots();
        let pool = Pool::new(slots);
        assert_eq!(pool.get(old), None);
        assert_eq!(pool.live(), 0);
    }

    #[test]
    fn a_pool_is_shown_as_what_lives_in_it() {
        let mut slots = [const { Slot::EMPTY }; 3];
        let mut pool = Pool::new(&mut slots);
        let gone = pool.insert('a').unwrap();
        pool.insert('b').unwrap();
        pool.remove(gone);
        assert_eq!(std::format!("{pool:?}"), "{#1.0: 'b'}");
    }

    #[test]
    fn pools_with_different_tags_do_not_know_each_others_handles() {
        let (mut one, mut two) = ([Slot::EMPTY], [Slot::EMPTY]);
        let (mut one, mut two) = (Pool::tagged(&mut one, 1), Pool::tagged(&mut two, 2));
        let (a, b) = (one.insert('a').unwrap(), two.insert('b').unwrap());
        assert_eq!((one.get(b), two.get(a)), (None, None));
        assert_eq!((a.id(), b.id()), (1, 1), "clients see no tag");
        one.remove(a);
        let again = one.insert('c').unwrap();
        assert_eq!((two.get(again), one.get(again)), (None, Some(&'c')));
    }

    #[test]
    fn counting_ends_below_the_tag() {
        assert_eq!(following(0x12FF_FFFF), 0x1200_0000);
    }

    #[test]
    fn an_empty_slice_is_a_pool_that_is_always_full() {
        let mut pool: Pool<'_, u8> = Pool::new(&mut []);
        assert_eq!(pool.insert(1), Err(1));
    }
}
