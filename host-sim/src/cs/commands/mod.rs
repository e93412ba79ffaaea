//! What commands do, a family in each file.

pub(super) mod atomic;
pub(super) mod blit;
pub(super) mod flow;
pub(super) mod flush;
pub(super) mod math;
pub(super) mod registers;
pub(super) mod store;
pub(super) mod transfer;
