//! The receipt between a change of page tables and the invalidation it needs.

use crate::mem::pages::{Dropped, PtMemory};
use crate::mem::tree::VaRange;

/// Names an address space to TLBs: 20 bits, 0 where the platform has no such ids (page-tables sheet §2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressSpace(u32);

impl AddressSpace {
    /// What platforms without ids use.
    pub const NONE: Self = Self(0);

    /// The id with this number; the low 20 bits count.
    #[must_use]
    pub const fn new(asid: u32) -> Self {
        Self(asid & 0xF_FFFF)
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// Something that empties TLBs.
pub trait Invalidate {
    /// Says when it is done.
    type Proof;

    /// Asks for an invalidation, beginning after this call, of at least `range` of `space`.
    fn invalidate(&mut self, space: AddressSpace, range: VaRange) -> Self::Proof;
}

/// What a change did to a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Something came where nothing was.
    Bound,
    /// Something else came where something was.
    Rebound,
    /// Something went.
    Unbound,
}

/// How far a VM's jobs take care of TLBs themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VmKind {
    /// Unmapped addresses read as zero: TLBs hold what was *not* mapped, too.
    pub scratch: bool,
    /// Jobs run on while mappings change, so none begins with a flush.
    pub long_running: bool,
}

/// What a change asks for (page-tables sheet §5.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Nothing that TLBs hold has become wrong, or every job flushes anyway.
    Nothing,
    /// The next job of each queue flushes first.
    InRing,
    /// An invalidation now, before the change counts as done and before anything is freed.
    Now,
}

/// What TLBs may still hold after changes of page tables, and the tables that were dropped.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "TLBs may still hold what was changed, and dropped tables are freed only after they do not"]
pub struct Stale {
    cause: Option<Cause>,
    /// From the first address that changed to the last; empty without a cause.
    start: u64,
    end: u64,
    dropped: Dropped,
}

impl Default for Stale {
    fn default() -> Self {
        Self::NONE
    }
}

impl Stale {
    /// Nothing.
    pub const NONE: Self = Self { cause: None, start: u64::MAX, end: 0, dropped: Dropped::NONE };

    /// Adds a change of `range`.
    #[inline]
    pub(crate) fn note(&mut self, range: VaRange, cause: Cause) {
        // Mostly nothing changes, and what does not change need not be stored.
        if self.cause < Some(cause) {
            self.cause = Some(cause);
        }
        if range.start < self.start {
            self.start = range.start;
        }
        if range.end > self.end {
            self.end = range.end;
        }
    }

    /// Where dropped tables go.
    pub(crate) const fn dropped_mut(&mut self) -> &mut Dropped {
        &mut self.dropped
    }

    /// The addresses that changed, from the first to the last.
    #[must_use]
    pub fn range(&self) -> Option<VaRange> {
        self.cause.map(|_| VaRange { start: self.start, end: self.end })
    }

    /// Adds what another change left.
    pub fn absorb(&mut self, pages: &mut PtMemory<'_>, other: Self) {
        if let (Some(cause), Some(range)) = (other.cause, other.range()) {
            self.note(range, cause);
        }
        pages.join(&mut self.dropped, other.dropped);
    }

    /// What it asks for in a VM of that kind: page-tables sheet §5.7, and an invalidation wherever tables are to be
    /// freed. For a rebind under long-running jobs the sheet names moments that this core does not have; it
    /// invalidates at once.
    #[must_use]
    pub const fn remedy(&self, vm: VmKind) -> Remedy {
        match self.cause {
            _ if !self.dropped.is_empty() => Remedy::Now,
            None => Remedy::Nothing,
            Some(Cause::Bound) if vm.scratch && vm.long_running => Remedy::Now,
            Some(Cause::Bound) => Remedy::Nothing,
            Some(Cause::Rebound) if !vm.long_running => Remedy::InRing,
            Some(Cause::Rebound | Cause::Unbound) => Remedy::Now,
        }
    }

    /// Asks for the invalidation.
    pub fn invalidate<I: Invalidate>(self, by: &mut I, space: AddressSpace) -> Retired<I::Proof> {
        Retired { proof: self.also(by, space), dropped: self.dropped }
    }

    /// Asks for an invalidation that proves nothing about dropped tables; the receipt stays.
    pub fn also<I: Invalidate>(&self, by: &mut I, space: AddressSpace) -> I::Proof {
        by.invalidate(space, self.range().unwrap_or(VaRange { start: 0, end: 0 }))
    }

    /// Gives the receipt up where nothing has to be invalidated.
    ///
    /// # Errors
    /// The receipt, if tables were dropped: they may be freed only after an invalidation.
    pub const fn is_settled(self) -> Result<(), Self> {
        if self.dropped.is_empty() { Ok(()) } else { Err(self) }
    }
}

/// Dropped tables and the invalidation after which they can be freed.
#[derive(Debug)]
#[must_use = "dropped tables are lost unless they are released"]
pub struct Retired<P> {
    /// Says when it is done.
    pub proof: P,
    /// To be released then.
    pub dropped: Dropped,
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: VaRange = VaRange { start: 0x1000, end: 0x3000 };

    fn stale(causes: &[Cause]) -> Stale {
        let mut stale = Stale::NONE;
        for cause in causes {
            stale.note(RANGE, *cause);
        }
        stale
    }

    /// Page-tables sheet §5.7, row by row.
    #[test]
    fn remedies_are_those_of_the_sheet() {
        use Cause::{Bound, Rebound, Unbound};
        let remedy = |causes: &[Cause], scratch, long_running| stale(causes).remedy(VmKind { scratch, long_running });
        assert_eq!(remedy(&[], true, true), Remedy::Nothing);
        assert_eq!(remedy(&[Bound], false, false), Remedy::Nothing);
        assert_eq!(remedy(&[Bound], true, false), Remedy::Nothing, "every batch of a scratch VM flushes");
        assert_eq!(remedy(&[Bound], true, true), Remedy::Now);
        assert_eq!(remedy(&[Rebound], false, false), Remedy::InRing);
        assert_eq!(remedy(&[Rebound], false, true), Remedy::Now);
        for kind in [(false, false), (true, false), (false, true), (true, true)] {
            assert_eq!(remedy(&[Unbound], kind.0, kind.1), Remedy::Now);
            assert_eq!(remedy(&[Unbound, Bound, Rebound], kind.0, kind.1), Remedy::Now);
        }
    }

    #[test]
    fn ranges_of_several_changes_become_one() {
        let mut all = stale(&[Cause::Bound]);
        all.note(VaRange { start: 0x9000, end: 0xA000 }, Cause::Rebound);
        assert_eq!(all.range(), Some(VaRange { start: 0x1000, end: 0xA000 }));
        assert_eq!(all.is_settled(), Ok(()));
    }
}
