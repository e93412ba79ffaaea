//! Queues and jobs: what was accepted, in which order, and how far it is.
//!
//! Knows nothing of page tables, but for [`migration`], whose jobs carry their entries.

pub mod job;
pub mod lrc;
pub mod migration;
pub mod queue;
pub mod watch;

pub use job::Job;
pub use queue::Queue;
