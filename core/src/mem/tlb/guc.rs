//! TLB invalidation by messages to the GuC firmware: encoding and range rounding (page-tables sheet §8.1, §8.2).
//!
//! No submission through the firmware exists here yet; these are the pure functions a backend for it needs.

use super::AddressSpace;
use crate::num::{high32, low32, u32_capped};
use heapless::Vec;

/// Most dwords of a message: the action and six more.
const MAX_DWORDS: usize = 7;
/// Dwords of a message with its transport header.
const MAX_FRAMED: usize = MAX_DWORDS + 1;

const ACTION_INVALIDATE: u32 = 0x7000;
const ACTION_INVALIDATE_ALL: u32 = 0x7002;
/// Operation dword: caches are flushed too, and accesses in flight are waited for (mode 0, heavy).
const FLUSH_CACHES: u32 = 1 << 31;
const TYPE_FULL: u32 = 0;
const TYPE_SELECTIVE: u32 = 1;
const TYPE_GUC: u32 = 3;

const KIB_4: u64 = 4 << 10;
const MIB_2: u64 = 2 << 20;
const MIB_16: u64 = 16 << 20;

/// What the platform's firmware interface can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GucTlbFormat {
    /// Ranges can be named (graphics 12.55 and later); without it every request is full.
    pub ranges: bool,
}

/// Number of an invalidation: 1 to 0xFFFFF, then 1 again. The firmware completes them in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GucSeqno(u32);

const SEQNO_LIMIT: u32 = 0x10_0000;

impl GucSeqno {
    /// The first.
    pub const FIRST: Self = Self(1);

    /// The seqno with this number, `None` for 0 and past the last.
    #[must_use]
    pub const fn new(raw: u32) -> Option<Self> {
        if raw == 0 || raw >= SEQNO_LIMIT { None } else { Some(Self(raw)) }
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        let next = self.0.wrapping_add(1);
        Self(if next >= SEQNO_LIMIT { 1 } else { next })
    }

    /// Whether it is complete once `received` is, the last one the firmware named (page-tables sheet §8.3). The
    /// farther of two numbers is half the circle away at most.
    #[must_use]
    pub const fn is_past(self, received: Self) -> bool {
        let half = SEQNO_LIMIT / 2;
        if self.0.wrapping_add(half) < received.0 {
            // The circle closed between them: this one is the newer.
            return false;
        }
        if self.0 > received.0.wrapping_add(half) {
            return true;
        }
        received.0 >= self.0
    }
}

/// A request: what is to be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Everything.
    All,
    /// What the firmware's own address space, the GGTT, had.
    Ggtt,
    /// A range of a VM. `end` is used as it is: update jobs pass the last byte, others the first one past it.
    Ppgtt {
        /// Address space.
        space: AddressSpace,
        /// First byte.
        start: u64,
        /// Where it ends.
        end: u64,
    },
}

/// A range the firmware accepts: a power of two long, and aligned to its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rounded {
    /// First byte.
    pub start: u64,
    /// Length in bytes: 4 KiB to 1 MiB, or 16 MiB and more.
    pub len_bytes: u64,
}

/// The smallest range the firmware accepts that has `start..end` in it; `None` if there is none, so that everything
/// must be invalidated (page-tables sheet §8.2).
#[must_use]
pub fn round(start: u64, end: u64) -> Option<Rounded> {
    let mut len = end.wrapping_sub(start).max(KIB_4).checked_next_power_of_two()?;
    let down = |len: u64| start & !len.wrapping_sub(1);
    let last = end.checked_next_multiple_of(len)?;
    while down(len).checked_add(len).is_some_and(|covered| covered < last) {
        len = len.checked_mul(2)?;
    }
    if len >= MIB_2 {
        len = len.max(MIB_16);
    }
    Some(Rounded { start: down(len), len_bytes: len })
}

/// A message: dwords in order, the action first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    dwords: Vec<u32, MAX_DWORDS>,
}

impl Message {
    fn of(dwords: &[u32]) -> Self {
        Self { dwords: dwords.iter().copied().take(MAX_DWORDS).collect() }
    }

    /// The message for a request.
    #[must_use]
    pub fn new(format: GucTlbFormat, request: Request, seqno: GucSeqno) -> Self {
        let invalidate = |kind| [ACTION_INVALIDATE, seqno.0, FLUSH_CACHES | kind];
        match request {
            Request::All => Self::of(&[ACTION_INVALIDATE_ALL, seqno.0, FLUSH_CACHES]),
            Request::Ggtt => Self::of(&invalidate(TYPE_GUC)),
            Request::Ppgtt { space, start, end } => match format.range(start, end) {
                None => Self::of(&invalidate(TYPE_FULL)),
                Some(Rounded { start, len_bytes }) => {
                    let [action, seqno, operation] = invalidate(TYPE_SELECTIVE);
                    let size = len_bytes.trailing_zeros().saturating_sub(12);
                    Self::of(&[action, seqno, operation, space.get(), low32(start), high32(start), size])
                }
            },
        }
    }

    /// Its dwords, without transport headers.
    #[must_use]
    pub fn dwords(&self) -> &[u32] {
        &self.dwords
    }

    /// Its dwords as they go into the command transport buffer: the header with `fence` and length, then the action
    /// as a fast request, then the rest.
    #[must_use]
    pub fn framed(&self, fence: u16) -> Vec<u32, MAX_FRAMED> {
        const FAST_REQUEST: u32 = 0x2000_0000;
        let header = u32::from(fence) << 16 | u32_capped(self.dwords.len());
        let action = self.dwords.first().map(|action| FAST_REQUEST | action);
        let rest = self.dwords.iter().skip(1).copied();
        core::iter::once(header).chain(action).chain(rest).take(MAX_FRAMED).collect()
    }
}

impl GucTlbFormat {
    /// The range to name, `None` if the request has to be full.
    #[must_use]
    pub fn range(self, start: u64, end: u64) -> Option<Rounded> {
        if self.ranges { round(start, end) } else { None }
    }
}

#[cfg(test)]
#[path = "guc_tests.rs"]
mod tests;
