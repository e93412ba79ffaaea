//! The GT room, the GGTT and TLB invalidation against a HAL that records what is done to it.
//!
//! The recorder lives here and not in the crate, because buffers for the device cannot be made without `unsafe`.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    reason = "tests: an overflow is a failed test, events of no interest are many, failure points are counted aloud"
)]

#[cfg(test)]
mod bring_up;
#[cfg(test)]
mod engine_reset;
#[cfg(test)]
mod failure;
#[cfg(test)]
mod ggtt;
#[cfg(test)]
mod irq;
#[cfg(test)]
mod recorder;
#[cfg(test)]
mod tables;
#[cfg(test)]
mod tlb;
#[cfg(test)]
mod unverified;
