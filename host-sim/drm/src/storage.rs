//! The driver's storage, as large as programs of a desktop need it.

use barexe_core::device::request::BindOp;
use barexe_core::mem::pages::{Directory, TableNote};
use barexe_core::{Slot, Storage};

/// Slots that are never given back: a device node lasts as long as its process.
fn slots<T>(count: usize, empty: impl Fn() -> T) -> &'static mut [T] {
    (0..count).map(|_| empty()).collect::<Vec<T>>().leak()
}

macro_rules! storage {
    ($($field:ident: $count:expr, $empty:expr;)+) => {
        /// Lends storage of the same size for a while: what a client could do at a node can be done again.
        pub fn with_storage<R>(work: impl FnOnce(Storage<'_>) -> R) -> R {
            $(let mut $field: Vec<_> = (0..$count).map(|_| $empty).collect();)+
            work(Storage { $($field: &mut $field,)+ accounts: barexe_core::shares::Accounts::NONE })
        }

        /// Storage for one device node.
        pub(crate) fn storage() -> Storage<'static> {
            Storage { $($field: slots($count, || $empty),)+ accounts: barexe_core::shares::Accounts::NONE }
        }
    };
}

storage! {
    clients: 256, Slot::EMPTY;
    vms: 512, Slot::EMPTY;
    vma_nodes: 96 << 10, barexe_core::vm::index::VmaNode::EMPTY;
    vm_bos: 60 << 10, barexe_core::vm::vm_bo::VmBoCell::EMPTY;
    steps: 64 << 10, Slot::EMPTY;
    bind_ops: 16 << 10, BindOp::EMPTY;
    bos: 40 << 10, Slot::EMPTY;
    bo_blocks: 50 << 10, Slot::EMPTY;
    bo_mappings: 40 << 10, Slot::EMPTY;
    bo_imports: 1 << 10, Slot::EMPTY;
    queues: 20 << 10, Slot::EMPTY;
    timelines: 20 << 10, Slot::EMPTY;
    jobs: 16 << 10, Slot::EMPTY;
    dependencies: 32 << 10, Slot::EMPTY;
    out_syncs: 16 << 10, Slot::EMPTY;
    syncobjs: 8 << 10, Slot::EMPTY;
    sync_points: 16 << 10, Slot::EMPTY;
    sleepers: 64, Slot::EMPTY;
    user_fences: 8 << 10, Slot::EMPTY;
    user_ranges: 4 << 10, Slot::EMPTY;
    user_pins: 64 << 10, Slot::EMPTY;
    ports: 27, None;
    pt_blocks: 16 << 10, None;
    pt_notes: 128 << 10, TableNote::EMPTY;
    pt_directories: 64 << 10, Directory::EMPTY;
    ggtt_nodes: 60 << 10, Slot::EMPTY;
}
