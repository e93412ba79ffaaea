//! Address spaces: mappings, bind operations, what they do to page tables.
//!
//! Knows nothing of register offsets.

pub mod apply;
pub mod bind;
pub mod change;
pub mod index;
pub mod plan;
pub mod slab;
pub mod steps;
pub mod store;
pub mod tentative;
pub mod vm_bo;
pub mod vma;

use crate::device::Client;
use crate::device::request::VmFlags;
use crate::exec::queue::Queue;
use crate::gt::MAX_TILES;
use crate::mem::Defect;
use crate::mem::pages::Dropped;
use crate::mem::tlb::{RingFlush, TlbTicket};
use crate::mem::tree::PageTree;
use crate::pool::{Handle, Pool};
use index::VmaIndex;

/// What a VM still accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VmState {
    /// Everything.
    Live,
    /// Destroyed by its client; lives on until its work is over.
    Closed,
    /// A page-table change failed after it was accepted (R56): destroy only.
    Banned,
}

/// What a VM keeps for the client memory that it maps.
#[derive(Debug, Default)]
pub struct VmUsers {
    /// Ranges whose pages have changed and that are not bound anew yet.
    pub unready: u32,
    /// Tables that zapping and binding anew has dropped.
    pub dropped: Dropped,
    /// The invalidation after which they can be freed.
    pub dropped_after: Option<TlbTicket>,
}

/// An address space.
#[derive(Debug)]
pub struct Vm {
    /// The client it belongs to.
    pub client: Handle<Client>,
    /// Modes it was made with.
    pub flags: VmFlags,
    /// Whether it still works.
    pub state: VmState,
    /// Address space id for the hardware's TLBs, not 0.
    pub asid: u32,
    /// Its mappings, as the newest accepted call left them.
    pub vmas: VmaIndex,
    /// Its page tables on each tile. All of them say the same.
    pub trees: heapless::Vec<PageTree, MAX_TILES>,
    /// Bind queue for calls that name none.
    pub default_queue: Option<Handle<Queue>>,
    /// Queues that refer to it; it is freed after the last of them.
    pub queues: u32,
    /// What the next job of each queue flushes its TLB for.
    pub ring_flush: RingFlush,
    /// What is kept for client memory.
    pub users: VmUsers,
    /// Binds under way that keep the queues of a long-running VM from the engines.
    pub rebinds: u32,
    /// Some bind has rewritten mappings that work may be using: execs look whether one is still at it.
    pub was_rebound: bool,
    /// Once closed and without queues: the invalidation after which its tables go.
    pub teardown: Option<TlbTicket>,
}

impl Vm {
    /// Its page tables on a tile.
    ///
    /// # Errors
    /// [`Defect::Tile`] if there is no such tile.
    pub fn tree(&self, tile: u8) -> Result<&PageTree, Defect> {
        self.trees.get(usize::from(tile)).ok_or(Defect::Tile { tile })
    }

    /// Whether unmapped addresses read as zero.
    #[must_use]
    pub const fn has_scratch(&self) -> bool {
        self.flags.contains(VmFlags::SCRATCH_PAGE)
    }
}

/// All address spaces of a device.
pub type Vms<'a> = Pool<'a, Vm>;
