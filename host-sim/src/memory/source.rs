//! Buffers whose bytes are somebody else's: a file that other processes map, a guest's memory.

use core::alloc::Layout;
use core::fmt;
use core::ptr::NonNull;

/// Gives out the bytes of buffers.
///
/// # Safety
/// What [`alloc`](Self::alloc) gives is zeroed memory of the layout's length and alignment, mapped for reading and
/// writing, apart from every other live piece, and stays so until it is given to [`free`](Self::free).
pub unsafe trait BufferSource: Send + Sync + fmt::Debug {
    /// A piece of memory; none if there is not enough.
    fn alloc(&self, layout: Layout) -> Option<NonNull<u64>>;

    /// Takes a piece back. Neither CPU nor device reach it any more.
    fn free(&self, start: NonNull<u64>, layout: Layout);
}
