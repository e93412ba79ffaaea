//! Ranges of client memory that are mapped for the device.
//!
//! ```text
//!            invalidate                 jobs over, entries zapped
//!   Valid ───────────────► Stale ───────────────────────────────► Zapped
//!     ▲                                                              │
//!     └────────────── pinned and bound anew: next exec, PREFETCH ────┘
//! ```
//!
//! One range is what one MAP_USERPTR operation mapped; mappings that are left of it after cuts share it. Pages that
//! nothing maps any more are let go when the TLB invalidation that covers them is over; zapped ones too.

mod pins;

pub use pins::{ClientRange, Pin, PinCursor, PinPool, Pins};

use crate::mem::tlb::TlbTicket;
use crate::pool::{Handle, Pool};
use crate::shares::Owner;
use crate::vm::Vm;
use crate::vm::vm_bo::{VmBoId, VmBoList};
use barexe_hal::{BusAddr, ClientAddr, PinRequest, UserAccess, UserPages, UserSpace};

/// Whether page tables lead to a range's pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserState {
    /// They do, or will when the bind's turn comes; but for mappings whose memory the client took away.
    Valid,
    /// They do, and the client's pages have changed: they must go.
    Stale,
    /// They do not: the next exec changes that.
    Zapped,
}

/// A range of client memory that a VM maps.
#[derive(Debug)]
pub struct UserRange {
    /// The VM.
    pub vm: Handle<Vm>,
    /// Whose memory.
    pub space: UserSpace,
    /// What the device may do with it.
    pub access: UserAccess,
    /// Client addresses, as mapped first.
    pub range: ClientRange,
    /// The VM's part in it, which mappings name.
    pub part: VmBoId,
    /// The list of parts: this one.
    pub parts: VmBoList,
    /// Whether page tables lead to its pages.
    pub state: UserState,
    /// Its pages.
    pub pins: Pins,
    /// Pages that a call under way has pinned for it.
    pub fresh: Pins,
    /// Pages that were zapped and wait for the TLB invalidation.
    pub leaving: Pins,
    /// That invalidation.
    pub leaving_after: Option<TlbTicket>,
    /// Number of the oldest invalidation of the client that waits for the range to be zapped.
    pub stale_since: Option<u64>,
    /// The same for pages that are zapped.
    pub leaving_since: Option<u64>,
    /// Invalidations that there had been when it was made.
    pub made_after: u64,
    /// Invalidations of it whose pages have not changed yet, as far as the device was told.
    pub changing: u32,
    /// The call under way wants its pages.
    pub wanted: bool,
    /// The next range of the call that made it.
    pub next: Option<Handle<Self>>,
}

/// All ranges of a device.
pub type UserRanges<'a> = Pool<'a, UserRange>;

impl UserRange {
    /// Pins pages of it into `into`; the pieces are charged to `owner`.
    ///
    /// # Errors
    /// As [`Pins::add`].
    pub fn pin<H: UserPages>(
        &self,
        range: ClientRange,
        last_addr: BusAddr,
        into: &mut Pins,
        (pool, owner, hal): (&mut PinPool<'_>, Owner, &mut H),
    ) -> Result<(), crate::Error> {
        let Some(addr) = ClientAddr::new(range.start) else { return Ok(()) };
        let len_bytes = range.end.saturating_sub(range.start);
        let request = PinRequest { space: self.space, addr, len_bytes, access: self.access, last_addr };
        into.add((pool, owner), hal, request)
    }

    /// The pieces behind a part of it, if its pages can be used and all of them are pinned.
    #[must_use]
    pub fn pieces<'p, 'a>(&self, pool: &'p PinPool<'a>, range: ClientRange) -> Option<PinCursor<'p, 'a>> {
        if self.state == UserState::Valid { self.pins.pieces(pool, range) } else { None }
    }

    /// Whether page tables do not lead to its pages as they are now.
    #[must_use]
    pub const fn is_unready(&self) -> bool {
        !matches!(self.state, UserState::Valid)
    }

    /// Lets every page go.
    pub fn unpin<H: UserPages>(&mut self, pool: &mut PinPool<'_>, hal: &mut H) {
        self.pins.unpin(pool, hal);
        self.fresh.unpin(pool, hal);
        self.leaving.unpin(pool, hal);
    }
}
