//! Shared helpers of the specification tests. For dev-dependencies only.

pub mod client;
pub mod found;
pub mod memory;
pub mod rig;
pub mod scenario;
pub mod storage;
pub mod vectors;
pub mod world;
