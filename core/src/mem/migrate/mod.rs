//! The migration VM: an address space of the driver's own, in which a copy engine writes page tables.
//!
//! A page table is no part of any VM, so a batch cannot reach it by itself. The migration VM has a few *slots*: leaf
//! tables that are also mapped as memory. The first half of a job writes the addresses of the tables to change into a
//! slot; the second half, after a TLB invalidation in the ring, writes through the addresses that the slot now maps
//! (page-tables sheet §6).
//!
//! ```text
//!  VA 0            128 KiB        384 KiB     2 MiB (i + 1)
//!  | the 32 pages  | job batches  |   ...     | what slot i maps, 4 KiB an entry
//!    slot i at i * 4 KiB
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `layout` | which page is what, and where it appears: plain numbers |
//! | `tables` | the pages' initial content |
//! | `batch` | the two halves of one job |

mod batch;
mod layout;
mod tables;

pub use batch::{BATCH_BYTES, BatchError, Halves, TableBatch};
pub use layout::{MigrateLayout, PAGES, TABLE_BYTES};
pub use tables::write_tables;
