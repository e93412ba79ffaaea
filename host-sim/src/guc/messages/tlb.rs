//! Invalidation of translations (engines sheet §12.5).

use super::field::Field;

/// Payload: the number that comes back when it is done.
pub const NUMBER: usize = 0;
/// Payload: operation, made of the fields below.
pub const OPERATION: usize = 1;
/// Payload, page selective: address space, or context index with [`kind::PAGES_OF_CONTEXT`].
pub const SPACE: usize = 2;
/// Payload, page selective: first address, low and high.
pub const ADDRESS: usize = 3;
/// Payload, page selective: binary logarithm of the length in pages of 4 KiB.
pub const LENGTH: usize = 5;
/// Dwords of a page selective payload.
pub const PAGES_DWORDS: usize = 6;

/// One of [`kind`].
pub const KIND: Field = Field::bits(7, 0);
/// 0: waits until what is under way is done. 1: does not.
pub const LITE: Field = Field::bit(8);
/// Caches of memory are flushed too.
pub const FLUSH_CACHE: Field = Field::bit(31);

/// What is forgotten.
pub mod kind {
    /// Everything.
    pub const FULL: u32 = 0;
    /// A range of an address space.
    pub const PAGES: u32 = 1;
    /// A range of a context's address space.
    pub const PAGES_OF_CONTEXT: u32 = 2;
    /// What the GuC itself keeps of the GGTT.
    pub const GUC: u32 = 3;
}

/// The number of an invalidation that nobody waits for. Its event comes all the same.
pub const NUMBER_UNUSED: u32 = 0;
