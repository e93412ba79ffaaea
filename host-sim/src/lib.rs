//! A simulated Intel Xe GPU: the device's side of the barexe HAL.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "bit fields are cut on purpose; sums are of fields narrower than their type, and what a guest chooses wraps explicitly"
)]

pub mod bus;
pub mod cs;
pub mod ppgtt;
pub mod spec;
#[cfg(test)]
mod testing;
pub mod tlb;
pub mod trace;
