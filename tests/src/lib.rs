//! Shared helpers of the specification tests. For dev-dependencies only.

pub mod client;
pub mod clients;
pub mod commands;
pub mod fill;
pub mod found;
pub mod memory;
pub mod random;
pub mod rig;
pub mod scenario;
pub mod storage;
pub mod tables;
pub mod trial;
pub mod vectors;
pub mod wire;
pub mod world;

/// The example of the README, compiled and run with the tests of this crate.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
