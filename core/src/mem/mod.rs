//! Memory: page-table formats, page-table memory, the global GTT, buffer objects, TLB invalidation.
//!
//! Knows nothing of VMAs: it maps ranges, not mappings.

pub mod format;
pub mod pat;
