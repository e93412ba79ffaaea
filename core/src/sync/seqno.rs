//! Sequence numbers: a type with wrapping order.
//!
//! The hardware writes the number of the last finished job into memory as a plain `u32`. It wraps, and by design it
//! wraps early, so no two numbers are ever compared as integers: order is the sign of their distance.

use core::fmt;

/// Number of a job in its context: 32 bits, ordered by wrapping distance (commands sheet §5.2, §5.3).
///
/// It has no `Ord` on purpose: the order is not transitive over the whole circle and only has a meaning inside one
/// context.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Seqno(u32);

impl Seqno {
    /// Number of the first job of every context: 127 before the wrap, so that each run soon crosses it (engines
    /// sheet §8.1).
    pub const FIRST: Self = Self(0xFFFF_FF81);

    /// The number with these bits, as read from memory.
    #[must_use]
    pub const fn new(raw: u32) -> Self {
        Self(raw)
    }

    /// The bits, for a command or a memory word.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// What both words of the seqno page hold before the first job: one before [`FIRST`](Self::FIRST).
    #[must_use]
    pub const fn initial_memory() -> Self {
        Self::FIRST.previous()
    }

    /// The number of the following job.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// The number of the preceding job.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.wrapping_sub(1))
    }

    /// How many jobs lie from `earlier` to `self`, wrapping: 0 for equal numbers.
    #[must_use]
    pub const fn jobs_since(self, earlier: Self) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }

    /// Whether `self` comes after `other`: their distance, read as signed, is positive. At exactly half the circle
    /// neither is later.
    #[must_use]
    pub const fn is_later_than(self, other: Self) -> bool {
        matches!(self.jobs_since(other), 1..=0x7FFF_FFFF)
    }

    /// Whether a fence with this number is signalled when the seqno word holds `memory`: unless it is later.
    #[must_use]
    pub const fn reached_by(self, memory: Self) -> bool {
        !self.is_later_than(memory)
    }
}

impl fmt::Debug for Seqno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seqno:{:#010x}", self.0)
    }
}

impl fmt::Display for Seqno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

/// Number of a chain node (a timeline point): 64 bits, never wraps, plain unsigned order (commands sheet §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ChainSeqno(u64);

impl ChainSeqno {
    /// The number with these bits.
    #[must_use]
    pub const fn new(raw: u64) -> Self {
        Self(raw)
    }

    /// The bits.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whether `self` comes after `other`.
    #[must_use]
    pub const fn is_later_than(self, other: Self) -> bool {
        self.0 > other.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(fence: u32, memory: u32) -> bool {
        Seqno::new(fence).reached_by(Seqno::new(memory))
    }

    /// Engines sheet §8, Checks.
    #[test]
    fn a_fence_is_reached_by_the_rule_of_the_sheet() {
        assert!(!reached(0xFFFF_FF81, 0xFFFF_FF80));
        assert!(reached(0xFFFF_FF81, 0xFFFF_FF81));
        assert!(!reached(0, 0xFFFF_FFFF));
        assert!(reached(0xFFFF_FFFF, 0));
        assert!(reached(1, 0x8000_0000));
        assert!(!reached(0, 0x8000_0001));
        assert!(reached(0, 0x8000_0000), "the exact half range counts as signalled");
    }

    #[test]
    fn the_128th_job_carries_seqno_zero() {
        let mut seqno = Seqno::FIRST;
        for _ in 1..128 {
            seqno = seqno.next();
        }
        assert_eq!(seqno.get(), 0);
        assert!(seqno.is_later_than(Seqno::FIRST));
        assert_eq!(seqno.jobs_since(Seqno::FIRST), 127);
    }

    #[test]
    fn memory_starts_one_before_the_first_job() {
        assert_eq!(Seqno::initial_memory().get(), 0xFFFF_FF80);
        assert!(!Seqno::FIRST.reached_by(Seqno::initial_memory()));
        assert!(Seqno::FIRST.reached_by(Seqno::FIRST));
    }

    #[test]
    fn the_successor_is_later_and_the_predecessor_is_not_everywhere_on_the_circle() {
        for raw in (0..=u32::MAX).step_by(0x0001_0001).chain([0x7FFF_FFFF, 0x8000_0000, u32::MAX]) {
            let s = Seqno::new(raw);
            assert!(s.next().is_later_than(s) && !s.is_later_than(s.next()), "{s}");
            assert!(s.reached_by(s) && s.reached_by(s.next()) && !s.next().reached_by(s), "{s}");
            assert_eq!(s.next().previous(), s);
        }
    }

    /// All 2^32 distances, around the wrap. The rule of the sheet: later if the difference, read as signed, is positive
    /// (commands sheet §5.2). Two threads, as it takes a while.
    #[test]
    fn every_distance_is_ordered_by_its_sign() {
        let wrong = |first: u32, last: u32, base: Seqno| {
            (first..=last).find(|distance| {
                let there = Seqno::new(base.get().wrapping_add(*distance));
                there.is_later_than(base) != distance.cast_signed().is_positive()
            })
        };
        std::thread::scope(|scope| {
            let near = scope.spawn(|| wrong(0, 0x7FFF_FFFF, Seqno::FIRST));
            let far = scope.spawn(|| wrong(0x8000_0000, u32::MAX, Seqno::new(3)));
            assert_eq!((near.join().unwrap(), far.join().unwrap()), (None, None));
        });
    }

    /// The other way round it is earlier, but for the exact half of the circle, where neither is later.
    #[test]
    fn of_two_different_numbers_one_is_later_everywhere_but_at_the_half() {
        let edges = (0..64).chain(0x7FFF_FFC0..0x8000_0040).chain(0xFFFF_FFC0..=u32::MAX);
        for distance in edges.chain((0..=u32::MAX).step_by(0x0000_FFF1)) {
            for base in [0, 3, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FF81, u32::MAX].map(Seqno::new) {
                let there = Seqno::new(base.get().wrapping_add(distance));
                let (later, earlier) = (there.is_later_than(base), base.is_later_than(there));
                assert_eq!(later ^ earlier, distance != 0 && distance != 0x8000_0000, "{base} and {there}");
                assert_eq!((there.reached_by(base), there.jobs_since(base)), (!later, distance));
            }
        }
    }

    #[test]
    fn chain_numbers_order_without_wrapping() {
        assert!(ChainSeqno::new(u64::MAX).is_later_than(ChainSeqno::new(0)));
        assert!(!ChainSeqno::new(0).is_later_than(ChainSeqno::new(u64::MAX)));
        assert!(!ChainSeqno::new(7).is_later_than(ChainSeqno::new(7)));
    }
}
