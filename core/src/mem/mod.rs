//! Memory: page-table formats, page-table memory, the global GTT, buffer objects, client memory in place, TLB
//! invalidation.
//!
//! Knows nothing of VMAs: it maps ranges, not mappings.

pub mod bo;
mod defect;
pub mod format;
pub mod ggtt;
pub mod migrate;
pub mod pages;
pub mod pat;
pub mod tlb;
pub mod tree;
pub mod user;

pub use defect::Defect;
