//! What differs between hardware families: one file each, one table of values, no `if generation` in logic.
//!
//! A [`Family`] is plain data. Each room defines the type of its own part and the code that reads it; the files here
//! only fill the tables. A new family is a new file and a row in the platform table.

mod gen12;
mod xe2;

pub use gen12::GEN12;
pub use xe2::XE2;

/// A hardware family.
#[derive(Debug)]
pub struct Family {
    /// Name for people: `Gen12`, `Xe2`.
    pub name: &'static str,
}
