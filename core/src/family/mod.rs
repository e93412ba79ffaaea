//! What differs between hardware families: one file each, one table of values, no `if generation` in logic.
//!
//! A [`Family`] is plain data. Each room defines the type of its own part and the code that reads it; the files here
//! only fill the tables. A new family is a new file and a row in the platform table.

mod gen12;
mod gen12_gt;
mod xe2;
mod xe2_gt;
pub mod xe2_unverified;

pub use gen12::GEN12;
pub use xe2::XE2;

use crate::context::LrcFormat;
use crate::gt::GtFormat;
use crate::mem::format::PtFormat;
use crate::mem::pat::PatTable;
use crate::ring::RingFormat;

/// A hardware family.
#[derive(Debug)]
pub struct Family {
    /// Name for people: `Gen12`, `Xe2`.
    pub name: &'static str,
    /// Page-table and GGTT entries.
    pub pt: PtFormat,
    /// Page attribute table.
    pub pat: &'static PatTable,
    /// Contents of rings.
    pub ring: RingFormat,
    /// Context buffers, images and descriptors.
    pub lrc: LrcFormat,
    /// GT bring-up, interrupts, GGTT, TLB invalidation.
    pub gt: GtFormat,
    /// What of this is an assumption that no source and no hardware has confirmed.
    pub unverified: Option<&'static str>,
}
