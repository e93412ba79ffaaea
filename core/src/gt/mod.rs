//! The graphics technology block: probe, registers, forcewake, engines, interrupts, workarounds.
//!
//! Knows nothing of clients, jobs or mappings.

mod engine;

pub use engine::EngineClass;
