//! What the program works in, and how much that is: storage for the driver, pages for the device.

use barexe_core::chain::LinkSlot;
use barexe_core::device::request::BindOp;
use barexe_core::device::{BoImport, BoMapping, Client, PendingUserFence};
use barexe_core::exec::{Job, Queue};
use barexe_core::mem::bo::{Block, Bo};
use barexe_core::mem::ggtt::GgttNode;
use barexe_core::mem::pages::{Directory, TableNote};
use barexe_core::mem::user::{Pin, UserRange};
use barexe_core::submit::Port;
use barexe_core::sync::fence::{Fence, Timeline};
use barexe_core::sync::sleepers::Sleeper;
use barexe_core::sync::syncobj::{OutSync, SyncPoint, Syncobj};
use barexe_core::vm::Vm;
use barexe_core::vm::apply::Step;
use barexe_core::vm::index::VmaNode;
use barexe_core::vm::vm_bo::VmBoCell;
use barexe_core::{Accounts, Capacities, Slot, Storage};
use barexe_hal::DmaBuffer;

/// Room for one client with one VM, one buffer object and one exec queue with four jobs, and some more of what costs
/// little.
pub const CAPACITIES: Capacities = Capacities {
    clients: 1,
    vms: 1,
    // Takes 60 mappings.
    vma_nodes: 1,
    vm_bos: 2,
    steps: 4,
    bind_ops: 1,
    bos: 1,
    bo_blocks: 2,
    bo_mappings: 1,
    bo_imports: 0,
    // The exec queue, and the VM's own bind queue.
    queues: 2,
    timelines: 2,
    jobs: 4,
    dependencies: 8,
    out_syncs: 1,
    syncobjs: 1,
    sync_points: 1,
    sleepers: 0,
    user_fences: 1,
    user_ranges: 0,
    user_pins: 0,
    // As many engines as the bigger of the parts has.
    ports: 8,
    pt_blocks: 1,
    pt_notes: 32,
    pt_directories: 16,
    // Firmware's own ranges, the holes between them, and three ranges for each engine.
    ggtt_nodes: 64,
};

/// DMA memory, in pages of 4 KiB, a multiple of 64: contexts of every engine, page tables, one buffer object.
pub const ARENA_PAGES: usize = 512;

macro_rules! memory {
    ($($field:ident: $ty:ty = $empty:expr;)+) => {
        /// The driver's storage, for one static.
        #[derive(Debug)]
        pub struct Memory {
            $($field: [$ty; CAPACITIES.$field],)+
        }

        impl Memory {
            /// Memory that nothing was lent from.
            #[must_use]
            pub const fn new() -> Self {
                Self { $($field: [const { $empty }; CAPACITIES.$field],)+ }
            }

            /// Lends all of it.
            pub const fn lend(&mut self) -> Storage<'_> {
                // One client has everything: there is nothing to share.
                Storage { $($field: &mut self.$field,)+ accounts: Accounts::NONE }
            }
        }
    };
}

memory! {
    clients: Slot<Client> = Slot::EMPTY;
    vms: Slot<Vm> = Slot::EMPTY;
    vma_nodes: VmaNode = VmaNode::EMPTY;
    vm_bos: VmBoCell = VmBoCell::EMPTY;
    steps: LinkSlot<Step> = Slot::EMPTY;
    bind_ops: BindOp = BindOp::EMPTY;
    bos: Slot<Bo> = Slot::EMPTY;
    bo_blocks: LinkSlot<Block> = Slot::EMPTY;
    bo_mappings: Slot<BoMapping> = Slot::EMPTY;
    bo_imports: Slot<BoImport> = Slot::EMPTY;
    queues: Slot<Queue> = Slot::EMPTY;
    timelines: Slot<Timeline> = Slot::EMPTY;
    jobs: LinkSlot<Job> = Slot::EMPTY;
    dependencies: LinkSlot<Fence> = Slot::EMPTY;
    out_syncs: LinkSlot<OutSync> = Slot::EMPTY;
    syncobjs: Slot<Syncobj> = Slot::EMPTY;
    sync_points: Slot<SyncPoint> = Slot::EMPTY;
    sleepers: Slot<Sleeper> = Slot::EMPTY;
    user_fences: LinkSlot<PendingUserFence> = Slot::EMPTY;
    user_ranges: Slot<UserRange> = Slot::EMPTY;
    user_pins: LinkSlot<Pin> = Slot::EMPTY;
    ports: Option<Port> = None;
    pt_blocks: Option<DmaBuffer> = None;
    pt_notes: TableNote = TableNote::EMPTY;
    pt_directories: Directory = Directory::EMPTY;
    ggtt_nodes: Slot<GgttNode> = Slot::EMPTY;
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}
