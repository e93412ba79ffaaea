//! VMAs: the mappings of one address space, in ascending order, never overlapping.

use crate::device::request::BindFlags;
use crate::mem::bo::Bo;
use crate::mem::pat::PatIndex;
use crate::mem::tree::Attributes;
pub use crate::mem::tree::VaRange;
use crate::pool::{Handle, Pool};
use crate::sync::fence::Fence;

/// What backs a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VmaBacking {
    /// A buffer object, from an offset on.
    Bo {
        /// The object; the VMA keeps it alive.
        bo: Handle<Bo>,
        /// Offset of the mapping's first byte in it.
        offset_bytes: u64,
    },
    /// Nothing: reads give zero.
    Null,
}

impl VmaBacking {
    /// The backing of a part that begins `bytes` further on.
    #[must_use]
    pub const fn offset_by(self, bytes: u64) -> Self {
        match self {
            Self::Bo { bo, offset_bytes } => Self::Bo { bo, offset_bytes: offset_bytes.saturating_add(bytes) },
            Self::Null => Self::Null,
        }
    }
}

/// One mapping.
#[derive(Debug)]
pub struct Vma {
    /// Addresses it covers.
    pub range: VaRange,
    /// What lies behind them.
    pub backing: VmaBacking,
    /// PAT index; travels to remnants unchanged (R3).
    pub pat: PatIndex,
    /// Flags of the map request; travel to remnants unchanged (R3, R5).
    pub flags: BindFlags,
    /// Of the call that made it, if that call has a user fence: the mapping stays until the client can have seen it.
    pub user_fence: Option<Fence>,
    next: Option<Handle<Self>>,
    previous: Option<Handle<Self>>,
}

impl Vma {
    /// A mapping that is in no address space yet.
    #[must_use]
    pub const fn new(range: VaRange, backing: VmaBacking, pat: PatIndex, flags: BindFlags) -> Self {
        Self { range, backing, pat, flags, user_fence: None, next: None, previous: None }
    }

    /// The part `[start, end)` of this mapping, with everything else inherited (R3..R5).
    #[must_use]
    pub const fn part(&self, start: u64, end: u64) -> Self {
        let backing = self.backing.offset_by(start.saturating_sub(self.range.start));
        Self::new(VaRange { start, end }, backing, self.pat, self.flags)
    }

    /// Attributes of its leaves.
    #[must_use]
    pub const fn attributes(&self) -> Attributes {
        Attributes { pat: self.pat, read_only: self.flags.contains(BindFlags::READONLY) }
    }
}

/// The VMAs of all address spaces.
pub type Vmas<'a> = Pool<'a, Vma>;

/// The mappings of one address space, linked in ascending order.
#[derive(Debug, Default)]
pub struct VmaList {
    first: Option<Handle<Vma>>,
}

impl VmaList {
    /// No mappings.
    #[must_use]
    pub const fn new() -> Self {
        Self { first: None }
    }

    /// The lowest mapping that reaches past `start`.
    fn from(&self, vmas: &Vmas<'_>, start: u64) -> (Option<Handle<Vma>>, Option<Handle<Vma>>) {
        let (mut previous, mut at) = (None, self.first);
        while let Some((handle, vma)) = at.and_then(|at| Some((at, vmas.get(at)?))) {
            if vma.range.end > start {
                return (previous, Some(handle));
            }
            previous = at;
            at = vma.next;
        }
        (previous, None)
    }

    /// The lowest mapping that overlaps `range`.
    #[must_use]
    pub fn first_overlap(&self, vmas: &Vmas<'_>, range: VaRange) -> Option<Handle<Vma>> {
        let at = self.from(vmas, range.start).1?;
        if vmas.get(at)?.range.start < range.end { Some(at) } else { None }
    }

    /// The lowest mapping of the address space.
    #[must_use]
    pub const fn first(&self) -> Option<Handle<Vma>> {
        self.first
    }

    /// Links a mapping in. Nothing linked overlaps it.
    pub fn link(&mut self, vmas: &mut Vmas<'_>, handle: Handle<Vma>) {
        let Some(start) = vmas.get(handle).map(|vma| vma.range.start) else { return };
        let (previous, next) = self.from(vmas, start);
        if let Some(vma) = vmas.get_mut(handle) {
            vma.previous = previous;
            vma.next = next;
        }
        if let Some(next) = next.and_then(|next| vmas.get_mut(next)) {
            next.previous = Some(handle);
        }
        match previous.and_then(|previous| vmas.get_mut(previous)) {
            Some(previous) => previous.next = Some(handle),
            None => self.first = Some(handle),
        }
    }

    /// Takes a mapping out of the list; it stays in the pool.
    pub fn unlink(&mut self, vmas: &mut Vmas<'_>, handle: Handle<Vma>) {
        let Some((previous, next)) = vmas.get_mut(handle).map(|vma| (vma.previous.take(), vma.next.take())) else {
            return;
        };
        if let Some(next) = next.and_then(|next| vmas.get_mut(next)) {
            next.previous = previous;
        }
        match previous.and_then(|previous| vmas.get_mut(previous)) {
            Some(previous) => previous.next = next,
            None => self.first = next,
        }
    }

    /// The mappings, ascending.
    pub fn iter<'p>(&self, vmas: &'p Vmas<'_>) -> impl Iterator<Item = &'p Vma> {
        let mut at = self.first;
        core::iter::from_fn(move || {
            let vma = vmas.get(at?)?;
            at = vma.next;
            Some(vma)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Slot;

    fn add(list: &mut VmaList, vmas: &mut Vmas<'_>, start: u64, end: u64) -> Handle<Vma> {
        let range = VaRange { start, end };
        let handle = vmas.insert(Vma::new(range, VmaBacking::Null, PatIndex::row(0), BindFlags::empty())).unwrap();
        list.link(vmas, handle);
        handle
    }

    #[test]
    fn mappings_stay_in_order_whatever_the_order_of_linking() {
        let mut slots = [const { Slot::EMPTY }; 4];
        let (mut vmas, mut list) = (Pool::new(&mut slots), VmaList::new());
        let middle = add(&mut list, &mut vmas, 0x2000, 0x3000);
        add(&mut list, &mut vmas, 0x5000, 0x6000);
        add(&mut list, &mut vmas, 0, 0x1000);
        add(&mut list, &mut vmas, 0x3000, 0x4000);
        let starts = |list: &VmaList, vmas: &Vmas<'_>| {
            list.iter(vmas).map(|vma| vma.range.start).collect::<heapless::Vec<_, 4>>()
        };
        assert_eq!(starts(&list, &vmas), [0, 0x2000, 0x3000, 0x5000]);
        list.unlink(&mut vmas, middle);
        assert_eq!(starts(&list, &vmas), [0, 0x3000, 0x5000]);
    }

    #[test]
    fn first_overlap_takes_half_open_ranges_at_their_word() {
        let mut slots = [const { Slot::EMPTY }; 2];
        let (mut vmas, mut list) = (Pool::new(&mut slots), VmaList::new());
        let one = add(&mut list, &mut vmas, 0x1000, 0x2000);
        let overlap = |start, end| list.first_overlap(&vmas, VaRange { start, end });
        assert_eq!(overlap(0, 0x1000), None);
        assert_eq!(overlap(0x2000, 0x3000), None);
        assert_eq!(overlap(0, 0x1001), Some(one));
        assert_eq!(overlap(0x1FFF, 0x2000), Some(one));
    }

    #[test]
    fn parts_inherit_everything_but_range_and_offset() {
        let bo = Pool::<Bo>::new(&mut [Slot::EMPTY]).handle_at(0);
        assert_eq!(bo, None);
        let whole =
            Vma::new(VaRange { start: 0x1000, end: 0x9000 }, VmaBacking::Null, PatIndex::row(3), BindFlags::READONLY);
        let part = whole.part(0x4000, 0x5000);
        assert_eq!((part.pat, part.flags, part.backing), (PatIndex::row(3), BindFlags::READONLY, VmaBacking::Null));
        assert_eq!(part.range, VaRange { start: 0x4000, end: 0x5000 });
    }
}
