//! Context buffers, images and descriptors: what the hardware needs to know of a context.
//!
//! | module | holds |
//! |---|---|
//! | [`create`] | the whole initial content of a context's buffer and seqno page |
//! | [`execlist`] | the register writes that submit a context |
//! | [`descriptor`] | the 64 bits that name a context to the hardware |
//! | [`batches`] | the small batches that run on each restore |
//! | [`image`], [`tables`], [`slot`] | the register image, its tables, and the places of its values |
//! | [`layout`] | where the parts of the buffer lie |
//! | [`format`] | what differs between families |
//!
//! Encodes commands with the leaf modules of `ring`; knows nothing of jobs or scheduling.

pub mod batches;
pub mod create;
pub mod descriptor;
pub mod execlist;
pub mod format;
pub mod image;
pub mod layout;
pub mod slot;
pub mod tables;

pub use create::ContextRequest;
pub use format::LrcFormat;
pub use layout::{LrcAddrs, LrcLayout};
