//! The index of mappings: split and merge rule by rule, room, refusal, shape, and a naive model.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::missing_const_for_fn,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests: numbers are small, an overflow is a failed test, helpers fail by panicking"
)]

mod attributes;
mod calls;
mod model;
mod objects;
mod random_calls;
mod refusal;
mod remnants;
mod room;
mod rules;
mod shape;
mod space;
mod twins;

use barexe_core::vm::vma::VaRange;

const PAGE: u64 = 4096;

/// A range in pages.
fn pages(start: u64, end: u64) -> VaRange {
    VaRange { start: start * PAGE, end: end * PAGE }
}
