//! Shared helpers of the specification tests. For dev-dependencies only.

pub mod clients;
pub mod memory;
pub mod rig;
pub mod vectors;
