//! The simulated device from outside: through its HAL, as a driver sees it.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::arithmetic_side_effects,
    reason = "tests and their helpers may end"
)]

mod conformance;
mod independence;
mod mini;
mod noise;
mod rules;
mod same_calls;
mod tiles;
