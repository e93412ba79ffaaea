//! Page tables without a device: memory with a device's side, a tree in it, and ways to look at both.

mod arena;
mod commands;
mod recorder;
mod rig;
mod walk;

pub use arena::Arena;
pub use commands::CommandSink;
pub use recorder::{Recorder, Update};
pub use rig::{Done, Rig, Room, with_tables};
pub use walk::{Kind, Leaf, walk};
