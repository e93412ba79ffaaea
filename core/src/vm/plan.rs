//! What a request does to the mappings it meets: a pure function of index and request.
//!
//! ```text
//! before     |-----a-----|--b--|  |-----c-----|     a  Remap, keeps its front
//! request          |-------new--------|             b  Unmap
//! after      |--a--|-------new--------|---c---|     c  Remap, keeps its back
//! ```
//!
//! Source: bind-and-exec sheet §4.1 to §4.4.

use super::index::{ADDRESS_END, Spot, VmaIndex};
use super::store::VmaStore;
use super::vma::{IN_PAGE, NO_USER_FENCE, VaRange, Vma};

/// What is taken from the mappings that a request meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hole {
    pub(super) range: VaRange,
    /// Goes to what is left.
    user_fence: u32,
}

impl Hole {
    /// What is left below of a mapping that begins there.
    #[inline]
    pub(super) const fn below(&self, old: &Vma) -> Vma {
        old.part(VaRange { start: old.start(), end: self.range.start }).with_user_fence(self.user_fence)
    }

    /// What is left above of a mapping that ends there.
    #[inline]
    pub(super) const fn above(&self, old: &Vma) -> Vma {
        old.part(VaRange { start: self.range.end, end: old.end() }).with_user_fence(self.user_fence)
    }
}

/// A change asked for: a range to be emptied, and a mapping to be put there or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    pub(super) hole: Hole,
    new: Option<Vma>,
}

impl Request {
    /// Puts a mapping where it says.
    #[must_use]
    pub const fn map(new: Vma) -> Self {
        let Self { hole, .. } = Self::unmap(new.range());
        Self { hole, new: if hole.range.start < hole.range.end { Some(new) } else { None } }
    }

    /// The same, with a mapping whose entries come when the device first needs one.
    #[must_use]
    pub const fn deferred(self) -> Self {
        let new = match self.new {
            Some(new) => Some(new.with_deferred(true)),
            None => None,
        };
        Self { new, ..self }
    }

    /// Empties a range.
    ///
    /// Pages that it touches count as a whole, and addresses past 57 bits do not exist.
    #[must_use]
    pub const fn unmap(range: VaRange) -> Self {
        let start = if range.start < ADDRESS_END { range.start & !IN_PAGE } else { ADDRESS_END };
        let end = if range.end < ADDRESS_END { range.end.saturating_add(IN_PAGE) & !IN_PAGE } else { ADDRESS_END };
        Self { hole: Hole { range: VaRange { start, end }, user_fence: NO_USER_FENCE }, new: None }
    }

    /// The same for a call whose user fence has this number: it goes to the new mapping and to remnants.
    #[must_use]
    pub const fn with_user_fence(self, number: u32) -> Self {
        let new = match self.new {
            Some(new) => Some(new.with_user_fence(number)),
            None => None,
        };
        Self { hole: Hole { user_fence: number, ..self.hole }, new }
    }

    /// The range that is emptied.
    #[must_use]
    #[inline]
    pub const fn range(&self) -> VaRange {
        self.hole.range
    }

    /// Whether the same bytes of the same object come to stand where a mapping has them.
    #[inline]
    pub(super) fn keeps(&self, old: &Vma) -> bool {
        self.new.is_some_and(|new| new.continues(old))
    }

    /// The mapping that is put there.
    #[must_use]
    #[inline]
    pub const fn new_vma(&self) -> Option<&Vma> {
        self.new.as_ref()
    }
}

/// One of the changes that a request comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubOp {
    /// A mapping goes as a whole.
    Unmap {
        /// The mapping.
        old: Vma,
        /// The request maps the same bytes of the same object there: entries could stay.
        keep: bool,
    },
    /// A mapping loses a part.
    Remap {
        /// The mapping.
        old: Vma,
        /// What is left below the part it loses.
        prev: Option<Vma>,
        /// What is left above.
        next: Option<Vma>,
        /// As for [`Unmap`](Self::Unmap), of the part it loses.
        keep: bool,
    },
    /// The new mapping comes.
    Map {
        /// The mapping.
        new: Vma,
    },
}

impl SubOp {
    /// What becomes of an old mapping that a hole is made in.
    pub(super) fn of(old: Vma, hole: &Hole, keep: bool) -> Self {
        let VaRange { start, end } = hole.range;
        let prev = (old.start() < start).then(|| hole.below(&old));
        let next = (end < old.end()).then(|| hole.above(&old));
        match (prev, next) {
            (None, None) => Self::Unmap { old, keep },
            (prev, next) => Self::Remap { old, prev, next, keep },
        }
    }

    /// Whether the remnants keep their page-table entries as they are, `prev` first (bind-and-exec sheet §4.4): a cut
    /// through the largest pages that were used makes the rest of them smaller. Those of client memory never do.
    #[must_use]
    pub const fn entries_stay(&self) -> (bool, bool) {
        let Self::Remap { old, prev, next, .. } = self else { return (false, false) };
        if old.is_user() {
            return (false, false);
        }
        let below_page = old.sizes().cut_bytes().wrapping_sub(1);
        let prev = matches!(prev, Some(prev) if prev.end() & below_page == 0);
        (prev, matches!(next, Some(next) if next.start() & below_page == 0))
    }

    /// The remnants whose page-table entries are written again, `prev` first.
    #[must_use]
    pub fn rewritten(&self) -> [Option<Vma>; 2] {
        let Self::Remap { prev, next, .. } = self else { return [None, None] };
        let (prev_stays, next_stays) = self.entries_stay();
        [prev.filter(|_| !prev_stays), next.filter(|_| !next_stays)]
    }

    /// What it asks of page tables, in this order. Remnants that keep their entries are not touched, nor is anything
    /// whose entries are deferred.
    #[must_use]
    pub fn table_changes(&self) -> [Option<TableChange>; 3] {
        match self {
            Self::Unmap { old: vma, .. } | Self::Remap { old: vma, .. } | Self::Map { new: vma }
                if vma.is_deferred() =>
            {
                [None; 3]
            }
            Self::Unmap { old, .. } => [Some(TableChange::Unbind(old.range())), None, None],
            Self::Remap { old, prev, next, .. } => {
                let (prev_stays, next_stays) = self.entries_stay();
                let start = prev.filter(|_| prev_stays).map_or(old.start(), |prev| prev.end());
                let end = next.filter(|_| next_stays).map_or(old.end(), |next| next.start());
                let [prev, next] = self.rewritten();
                let gone = TableChange::Unbind(VaRange { start, end });
                [Some(gone), prev.map(TableChange::Bind), next.map(TableChange::Bind)]
            }
            Self::Map { new } => [Some(TableChange::Bind(*new)), None, None],
        }
    }
}

/// A change of page tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableChange {
    /// Entries go.
    Unbind(VaRange),
    /// Those of a mapping come.
    Bind(Vma),
}

/// A request, and where it belongs in an index. It is of use until that index changes.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub(super) request: Request,
    pub(super) spot: Spot,
}

impl VmaIndex {
    /// Plans a request. Nothing changes.
    #[must_use]
    #[inline]
    pub fn plan(&self, store: &VmaStore<'_>, request: Request) -> Plan {
        Plan::new(self, store, request)
    }
}

impl Plan {
    /// What was asked for.
    #[must_use]
    pub const fn request(&self) -> &Request {
        &self.request
    }

    /// What it comes to: old mappings ascending, then the new one.
    pub fn sub_ops<'s>(&self, store: &'s VmaStore<'_>) -> impl Iterator<Item = SubOp> + use<'s> {
        let request = self.request;
        let in_leaf = self.spot.in_leaf(&store.nodes).iter().map(|words| Vma(*words));
        let olds = in_leaf.chain(self.spot.beyond(&store.nodes, request.range()));
        olds.map(move |old| SubOp::of(old, &request.hole, request.keeps(&old)))
            .chain(request.new.map(|new| SubOp::Map { new }))
    }
}
