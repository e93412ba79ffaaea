//! Shares: places of the lent storage that each client is promised.
//!
//! All clients live in one storage. Without shares whoever comes first is served first, and one client can use up what
//! others want. With [`Shares`] each client is promised a number of places in every capacity. Beyond its share a client
//! may take places that nobody is promised; a call that needs more is refused as if the pool were full
//! ([`Error::Exhausted`](crate::Error::Exhausted) names the capacity), and changes nothing. Whatever others do, a client
//! that stays within its shares is never refused for want of room.
//!
//! ```
//! use barexe_core::{Capacities, Shares};
//!
//! // Four guests, two more places for clients on their way out.
//! const CAPACITIES: Capacities = Capacities { clients: 6, ..Capacities::DEFAULT };
//! // Everything in equal parts; but no guest is promised sleepers, they are for whoever comes first.
//! const SHARES: Shares = Shares { sleepers: 0, ..Shares::even(&CAPACITIES) };
//! const _: () = assert!(SHARES.misfit(&CAPACITIES).is_none());
//! assert_eq!((SHARES.jobs, SHARES.vms), (170, 2));
//! ```
//!
//! A place is charged when it is taken, to the client whose call takes it, and stays charged until it is given back: also
//! when the client is closed meanwhile, or another client keeps its object alive. Until all of it has come back a closed
//! client keeps its place among the clients, so that whoever comes next finds its share whole.
//!
//! | what | charged to |
//! |---|---|
//! | VMs, queues, jobs, what they wait for, binds, mappings, page tables, client memory | the client of the VM or queue |
//! | buffer objects, their pieces, sync objects | the client that made them, whoever imports them |
//! | imports, CPU mappings, points, wakers | the client whose call it is, on objects of others too |
//! | fences from outside, the driver's own contexts, firmware's GGTT ranges | nobody: they come out of what is not promised |
//!
//! Some capacities need no shares: nothing is taken between calls of operations of a bind call and out-syncs, and ports are the
//! device's.
//! Blocks of page-table memory are shared by table (`pt_notes`), GGTT space and rings by queue. Memory for the device is
//! the HAL's: who gets how much of that is for the HAL to say.

use crate::device::Client;
use crate::mem::pages::BLOCK_TABLES;
use crate::num::{u32_capped, usize_of};
use crate::pool::MAX_SLOTS;
use crate::{Capacities, Capacity, Handle};
use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

macro_rules! shares {
    ($($(#[$doc:meta])* $field:ident: $capacity:ident;)+) => {
        /// Places that each client is promised in each capacity. They count for every place among the clients, open or
        /// not: so many times this must fit into the storage, or the device is not opened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Shares {
            $($(#[$doc])* pub $field: u32,)+
        }

        impl Shares {
            /// Nobody is promised anything: first come, first served.
            pub const NONE: Self = Self { $($field: 0,)+ };

            /// Every capacity that has shares.
            pub const CAPACITIES: &[Capacity] = &[$(Capacity::$capacity,)+];

            /// The share of a capacity; 0 for one without shares.
            #[must_use]
            pub const fn of(&self, capacity: Capacity) -> u32 {
                match capacity {
                    $(Capacity::$capacity => self.$field,)+
                    _ => 0,
                }
            }

            /// The same with another share of a capacity; those without shares stay without.
            #[must_use]
            pub const fn with(mut self, capacity: Capacity, share: u32) -> Self {
                match capacity {
                    $(Capacity::$capacity => self.$field = share,)+
                    _ => {}
                }
                self
            }

            /// Everything in equal parts. Of the GGTT, a part of which is the driver's and firmware's, what the queues of
            /// a share take: two ranges each.
            #[must_use]
            pub const fn even(capacities: &Capacities) -> Self {
                let even = Self { $($field: part(places(Capacity::$capacity, capacities.$field), capacities.clients),)+ };
                let tables = part(capacities.pt_blocks.saturating_mul(usize_of(BLOCK_TABLES)), capacities.clients);
                Self {
                    pt_notes: if tables < even.pt_notes { tables } else { even.pt_notes },
                    ggtt_nodes: even.queues.saturating_mul(RANGES_OF_QUEUE),
                    ..even
                }
            }

            /// The first capacity that is too small for so many shares as there can be clients, if there is one.
            ///
            /// A part of the GGTT's ranges is the driver's and firmware's; whether the rest is enough only
            /// [`Device::open`](crate::device::Device::open) can tell.
            #[must_use]
            pub const fn misfit(&self, capacities: &Capacities) -> Option<Capacity> {
                $(if !fits(self.$field, capacities.clients, places(Capacity::$capacity, capacities.$field)) {
                    return Some(Capacity::$capacity);
                })+
                let tables = capacities.pt_blocks.saturating_mul(usize_of(BLOCK_TABLES));
                if fits(self.pt_notes, capacities.clients, tables) { None } else { Some(Capacity::PtBlocks) }
            }
        }
    };
}

shares! {
    /// Address spaces.
    vms: Vms;
    /// Nodes of the indexes of all its address spaces.
    vma_nodes: VmaNodes;
    /// Cells that list its mappings by buffer object.
    vm_bos: VmBos;
    /// Mapping changes of its binds that are not over.
    steps: BindSteps;
    /// Buffer objects.
    bos: Bos;
    /// Contiguous pieces of its buffer objects.
    bo_blocks: BoBlocks;
    /// CPU mappings.
    bo_mappings: BoMappings;
    /// Handles to buffer objects of others.
    bo_imports: BoImports;
    /// Exec queues, each counted once for each parallel position, bind queues, and a hidden one for each VM.
    queues: Queues;
    /// Timelines of its queues; of queues that are gone too, while a sync file has a fence of theirs.
    timelines: Timelines;
    /// Calls accepted and not over.
    jobs: Jobs;
    /// Fences that these wait for.
    dependencies: Dependencies;
    /// Sync objects, handles to those of others, sync files.
    syncobjs: Syncobjs;
    /// Points that it has added to timelines.
    sync_points: SyncPoints;
    /// Wakers of futures that wait for its work and sync objects.
    sleepers: Sleepers;
    /// User fences of its binds, from acceptance to delivery.
    user_fences: UserFences;
    /// Ranges of client memory that are mapped.
    user_ranges: UserRanges;
    /// Pinned pieces of client memory.
    user_pins: UserPins;
    /// Page tables of all levels, on all tiles.
    pt_notes: PtNodes;
    /// Those of the higher levels, on all tiles.
    pt_directories: PtDirectories;
    /// Ranges of the global GTT: two for each parallel position of each exec queue.
    ggtt_nodes: GgttNodes;
}

/// A context and the page of its number.
const RANGES_OF_QUEUE: u32 = 2;
/// Capacities with shares.
const COLUMNS: usize = Shares::CAPACITIES.len();

/// Places that so many slots make: of most a pool uses no more than it can name.
const fn places(capacity: Capacity, slots: usize) -> usize {
    let beyond = matches!(capacity, Capacity::VmaNodes | Capacity::VmBos | Capacity::PtNodes | Capacity::PtDirectories);
    if beyond || slots < MAX_SLOTS { slots } else { MAX_SLOTS }
}

const fn fits(share: u32, clients: usize, places: usize) -> bool {
    usize_of(share).saturating_mul(clients) <= places
}

const fn part(of: usize, clients: usize) -> u32 {
    match of.checked_div(clients) {
        Some(part) => u32_capped(part),
        None => 0,
    }
}

impl Default for Shares {
    fn default() -> Self {
        Self::NONE
    }
}

/// What one client has taken of each capacity: as many of these are lent as there can be clients.
#[derive(Debug)]
pub struct Account([AtomicU32; COLUMNS]);

impl Account {
    /// Nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self([const { AtomicU32::new(0) }; COLUMNS])
    }
}

impl Default for Account {
    fn default() -> Self {
        Self::new()
    }
}

/// The accounts of all clients, lent with the storage. Without shares none are needed.
///
/// Each pool keeps its own column of them, which is why they are lent shared; nothing else has them meanwhile.
#[derive(Default)]
pub struct Accounts<'a>(&'a [Account]);

impl<'a> Accounts<'a> {
    /// None: for a device without shares.
    pub const NONE: Accounts<'static> = Accounts(&[]);

    /// Lends them.
    #[must_use]
    pub const fn new(accounts: &'a mut [Account]) -> Self {
        Self(accounts)
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first `len` of them.
    #[must_use]
    pub fn first(self, len: usize) -> Self {
        Self(self.0.get(..len).unwrap_or(self.0))
    }

    /// Whatever an earlier device charged is forgotten.
    pub(crate) fn clear(&self) {
        for count in self.0.iter().flat_map(|account| &account.0) {
            count.store(0, Relaxed);
        }
    }

    /// The ledger of a capacity, of which each of so many clients is promised its share.
    pub(crate) fn ledger(&self, capacity: Capacity, clients: usize, shares: &Shares) -> Ledger<'a> {
        let column = Shares::CAPACITIES.iter().position(|shared| *shared == capacity);
        let share = shares.of(capacity);
        Ledger {
            accounts: if column.is_some() { self.0 } else { &[] },
            column: column.unwrap_or_default(),
            share,
            promised: share.saturating_mul(u32_capped(clients)),
        }
    }

    /// Whether nothing is charged to an owner.
    pub(crate) fn is_clear(&self, owner: Owner) -> bool {
        self.0.get(usize_of(owner.0)).is_none_or(|account| account.0.iter().all(|count| count.load(Relaxed) == 0))
    }
}

impl fmt::Debug for Accounts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |account: &&Account| account.0.iter().any(|count| count.load(Relaxed) > 0);
        f.debug_list().entries(self.0.iter().filter(shown)).finish()
    }
}

/// To whom a place is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner(u32);

impl Owner {
    /// The driver itself, and the embedder.
    pub const NOBODY: Self = Self(0xFFFF);

    /// A client.
    #[must_use]
    pub const fn of(client: Handle<Client>) -> Self {
        Self(client.index())
    }

    /// 16 bits that name it.
    pub(crate) const fn bits(self) -> u32 {
        self.0
    }

    /// From these bits.
    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits & 0xFFFF)
    }
}

/// One capacity's part of all accounts, and what of it is promised and not taken.
#[derive(Clone, Copy, Default)]
pub struct Ledger<'a> {
    accounts: &'a [Account],
    column: usize,
    /// Promised to each client.
    share: u32,
    /// What all clients together have not taken of their shares.
    promised: u32,
}

impl Ledger<'_> {
    /// Nobody is promised anything, and nothing is counted.
    pub const NONE: Self = Self { accounts: &[], column: 0, share: 0, promised: 0 };

    #[inline]
    fn count(&self, owner: Owner) -> Option<&AtomicU32> {
        self.accounts.get(usize_of(owner.0))?.0.get(self.column)
    }

    /// Places charged to an owner.
    #[must_use]
    #[inline]
    pub fn held(&self, owner: Owner) -> u32 {
        self.count(owner).map_or(0, |count| count.load(Relaxed))
    }

    /// How many of `free` places an owner may take: what it was promised, and what nobody was.
    #[must_use]
    #[inline]
    pub fn room(&self, free: u32, owner: Owner) -> u32 {
        if self.share == 0 {
            return free;
        }
        let own = self.count(owner).map_or(0, |count| self.share.saturating_sub(count.load(Relaxed)));
        free.saturating_sub(self.promised.saturating_sub(own))
    }

    /// Charges one of `free` places to an owner, if it may take one; whether it may.
    #[inline(never)]
    pub fn take(&mut self, free: u32, owner: Owner) -> bool {
        let may = self.room(free, owner) > 0;
        if may {
            self.charge(owner, 1);
        }
        may
    }

    /// Charges places that were taken.
    #[inline(never)]
    pub fn charge(&mut self, owner: Owner, places: u32) {
        let Some(count) = self.count(owner) else { return };
        let held = count.load(Relaxed);
        count.store(held.saturating_add(places), Relaxed);
        self.promised = self.promised.saturating_sub(self.share.saturating_sub(held).min(places));
    }

    /// The places were given back.
    #[inline(never)]
    pub fn credit(&mut self, owner: Owner, places: u32) {
        let Some(count) = self.count(owner) else { return };
        let held = count.load(Relaxed).saturating_sub(places);
        count.store(held, Relaxed);
        self.promised = self.promised.saturating_add(self.share.saturating_sub(held).min(places));
    }

    /// What all clients together have not taken of their shares.
    #[must_use]
    pub const fn promised(&self) -> u32 {
        self.promised
    }

    /// Places charged to all clients together.
    #[must_use]
    pub fn charged(&self) -> u64 {
        let counts = self.accounts.iter().filter_map(|account| account.0.get(self.column));
        counts.fold(0, |sum: u64, count| sum.saturating_add(count.load(Relaxed).into()))
    }
}

impl fmt::Debug for Ledger<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("share", &self.share).field("promised", &self.promised).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "shares_tests.rs"]
mod tests;
