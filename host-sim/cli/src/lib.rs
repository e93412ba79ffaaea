//! The `barexe` command: the driver core on a simulated GPU.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "sums of lengths and counts of things that are in memory; addresses of recordings saturate or are checked"
)]

pub mod args;
pub mod demo;
pub mod hex;
pub mod machine;
pub mod recording;
pub mod replay;
