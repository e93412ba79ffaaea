//! Calls that are not over, and what page tables may show of them.

use super::space::{Cell, Effect};
use barexe_core::device::Ticket;

/// What a call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// A fence that the test holds, by its number.
    Fence(u64),
    /// Another call, by its number.
    Call(u64),
}

/// A bind call that was accepted.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) number: u64,
    /// Position of its queue among those of the VM.
    pub(crate) queue: usize,
    pub(crate) ticket: Ticket,
    pub(crate) waits: Vec<Wait>,
    pub(crate) effect: Effect,
    /// Its out-sync.
    pub(crate) out: u32,
}

impl Call {
    /// Whether both give one unit a value: call order decides then. One that only may write a unit again does so where
    /// entries have to become smaller; where they need not it has nothing to do with the unit, and nobody waits for it.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        other.effect.values.keys().any(|va| self.effect.values.contains_key(va))
    }

    /// Whether their blocks of 512 GiB meet: one may then wait for the other.
    pub(crate) fn may_wait_for(&self, other: &Self) -> bool {
        match (self.effect.blocks(), other.effect.blocks()) {
            (Some((first, last)), Some((other_first, other_last))) => first <= other_last && other_first <= last,
            _ => false,
        }
    }

    /// Whether a unit may look like this while the call is under way.
    pub(crate) fn may_show(&self, va: u64, matches: impl Fn(Option<Cell>) -> bool) -> bool {
        let values = self.effect.values.get(&va).into_iter().flatten();
        matches(None) || values.copied().any(matches)
    }
}

/// Object, offset in it, and what has to stand there afterwards.
pub(crate) type Stores = Vec<(usize, u64, u32)>;
/// Offset in the VM's own object, and what has to stand there afterwards.
pub(crate) type Loads = Vec<(u64, u32)>;

/// A batch that was handed in.
#[derive(Debug)]
pub(crate) struct Exec {
    pub(crate) ticket: Ticket,
    /// Which of the places for batches it has.
    pub(crate) place: u64,
    /// Units that it uses, and that nobody may take from it.
    pub(crate) pins: Vec<u64>,
    pub(crate) stores: Stores,
    pub(crate) loads: Loads,
}
