//! The memory a device works in: lent by the embedder, all of it, before the start.
//!
//! [`Storage`] is one struct of slices, each of a length the embedder chooses; [`Capacities::bytes`] says what a choice
//! costs. [`DefaultStorage`] owns arrays of the default lengths. What of it each client is promised is said in
//! [`Config::shares`](crate::device::Config::shares).

use crate::chain::LinkSlot;
use crate::device::request::BindOp;
use crate::device::{BoImport, BoMapping, Client, PendingUserFence};
use crate::exec::{Job, Queue};
use crate::mem::bo::{Block, Bo};
use crate::mem::ggtt::GgttNode;
use crate::mem::pages::{Directory, TableNote};
use crate::mem::user::{Pin, UserRange};
use crate::pool::Slot;
use crate::shares::{Account, Accounts};
use crate::submit::Port;
use crate::sync::fence::{Fence, Timeline};
use crate::sync::sleepers::Sleeper;
use crate::sync::syncobj::{OutSync, SyncPoint, Syncobj};
use crate::vm::Vm;
use crate::vm::apply::Step;
use crate::vm::index::VmaNode;
use crate::vm::vm_bo::VmBoCell;
use barexe_hal::DmaBuffer;

macro_rules! storage_fields {
    ($($(#[$doc:meta])* $field:ident: $ty:ty = $empty:expr, default $count:literal;)+) => {
        /// Storage lent to a device. Every slice is one named capacity: see
        /// [`Capacity`](crate::Capacity).
        #[derive(Debug)]
        pub struct Storage<'a> {
            $($(#[$doc])* pub $field: &'a mut [$ty],)+
            /// What each client has taken: one for each place among the clients, none if there are no
            /// [`Shares`](crate::Shares).
            pub accounts: Accounts<'a>,
        }

        impl Storage<'_> {
            /// The lengths of its slices.
            #[must_use]
            pub const fn capacities(&self) -> Capacities {
                Capacities { $($field: self.$field.len(),)+ }
            }
        }

        /// Default capacities.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Capacities {
            $($(#[$doc])* pub $field: usize,)+
        }

        impl Capacities {
            /// What [`DefaultStorage`] has.
            pub const DEFAULT: Self = Self { $($field: $count,)+ };

            /// Bytes that slices of these lengths take together, with an account for each client.
            #[must_use]
            pub const fn bytes(&self) -> usize {
                let mut sum = self.clients.saturating_mul(size_of::<Account>());
                $(sum = sum.saturating_add(self.$field.saturating_mul(size_of::<$ty>()));)+
                sum
            }
        }

        /// Storage with the default capacities, about 1 MiB: for a `static`, a box, or a large stack.
        #[derive(Debug)]
        pub struct DefaultStorage {
            $($field: [$ty; $count],)+
            accounts: [Account; Capacities::DEFAULT.clients],
        }

        impl DefaultStorage {
            /// Empty storage.
            #[must_use]
            pub const fn new() -> Self {
                Self {
                    $($field: [const { $empty }; $count],)+
                    accounts: [const { Account::new() }; Capacities::DEFAULT.clients],
                }
            }

            /// Lends all of it.
            pub const fn lend(&mut self) -> Storage<'_> {
                Storage { $($field: &mut self.$field,)+ accounts: Accounts::new(&mut self.accounts) }
            }
        }

        impl Default for DefaultStorage {
            fn default() -> Self {
                Self::new()
            }
        }
    };
}

storage_fields! {
    /// Open clients.
    clients: Slot<Client> = Slot::EMPTY, default 8;
    /// Address spaces.
    vms: Slot<Vm> = Slot::EMPTY, default 16;
    /// Nodes of the indexes of all address spaces: each has a few at least, and one takes up to 60 mappings, no fewer than
    /// 26 on average when there are many. A call with several operations takes a few more for as long as it lasts.
    vma_nodes: VmaNode = VmaNode::EMPTY, default 64;
    /// Cells that list mappings by buffer object: one for each object in each VM that maps it, and more for objects with
    /// more than four mappings, at most one for each of these.
    vm_bos: VmBoCell = VmBoCell::EMPTY, default 512;
    /// Mapping changes of binds that are not over.
    steps: LinkSlot<Step> = Slot::EMPTY, default 1024;
    /// Operations of one bind call.
    bind_ops: BindOp = BindOp::EMPTY, default 1024;
    /// Buffer objects.
    bos: Slot<Bo> = Slot::EMPTY, default 256;
    /// Contiguous pieces that back buffer objects.
    bo_blocks: LinkSlot<Block> = Slot::EMPTY, default 1024;
    /// CPU mappings of buffer objects.
    bo_mappings: Slot<BoMapping> = Slot::EMPTY, default 256;
    /// Handles to buffer objects of other clients.
    bo_imports: Slot<BoImport> = Slot::EMPTY, default 64;
    /// Exec queues, bind queues, and one hidden bind queue for each VM.
    queues: Slot<Queue> = Slot::EMPTY, default 64;
    /// Timelines: one for each queue.
    timelines: Slot<Timeline> = Slot::EMPTY, default 64;
    /// Calls accepted and not over.
    jobs: LinkSlot<Job> = Slot::EMPTY, default 1024;
    /// Fences that accepted calls wait for.
    dependencies: LinkSlot<Fence> = Slot::EMPTY, default 2048;
    /// Out-syncs of the call that is being accepted.
    out_syncs: LinkSlot<OutSync> = Slot::EMPTY, default 1024;
    /// Sync objects.
    syncobjs: Slot<Syncobj> = Slot::EMPTY, default 256;
    /// Points of timeline sync objects.
    sync_points: Slot<SyncPoint> = Slot::EMPTY, default 1024;
    /// Wakers of futures that wait for work or for sync objects: one for each that sleeps.
    sleepers: Slot<Sleeper> = Slot::EMPTY, default 64;
    /// Bind user fences that are due and not yet delivered.
    user_fences: LinkSlot<PendingUserFence> = Slot::EMPTY, default 256;
    /// Ranges of client memory that are mapped.
    user_ranges: Slot<UserRange> = Slot::EMPTY, default 64;
    /// Pinned pieces of client memory.
    user_pins: LinkSlot<Pin> = Slot::EMPTY, default 1024;
    /// The part's engines, those that clients may not use included. No part has more than the default.
    ports: Option<Port> = None, default 27;
    /// Blocks of page-table memory. What page tables take they take on each tile: see [`Capacities::on_tiles`].
    pt_blocks: Option<DmaBuffer> = None, default 32;
    /// Notes about page tables, one for each table.
    pt_notes: TableNote = TableNote::EMPTY, default 1024;
    /// Notes about page directories.
    pt_directories: Directory = Directory::EMPTY, default 128;
    /// Ranges of the global GTT, firmware's own included.
    ggtt_nodes: Slot<GgttNode> = Slot::EMPTY, default 256;
}

impl Capacities {
    /// The same for a device with so many tiles: each has page tables of its own.
    #[must_use]
    pub const fn on_tiles(self, tiles: usize) -> Self {
        Self {
            pt_blocks: self.pt_blocks.saturating_mul(tiles),
            pt_notes: self.pt_notes.saturating_mul(tiles),
            pt_directories: self.pt_directories.saturating_mul(tiles),
            ..self
        }
    }
}
