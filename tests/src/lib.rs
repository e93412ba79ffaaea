//! Shared helpers of the specification tests. For dev-dependencies only.

pub mod clients;
pub mod memory;
pub mod recording;
pub mod rig;
pub mod state;
pub mod tables;
pub mod vectors;
pub mod wire;
