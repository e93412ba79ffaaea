//! Command types, emitters and the bounded ring writer.
//!
//! | module | holds |
//! |---|---|
//! | [`job`] | what one job puts into its ring, step by step |
//! | [`gang`] | what holds the parts of a job on several engines together |
//! | [`writer`] | room in a ring, and the copy into it |
//! | [`format`] | what differs between families |
//! | [`pipe`] | flags of PIPE_CONTROL |
//! | `hang` | a job that hangs its engine on demand, with the feature `inject` |
//! | [`emitter`], [`command`] | a bounded list of dwords, and the commands; leaf modules, used by `context` too |
//!
//! Knows nothing of fences' meaning: a sequence number is a number to be stored.

pub mod command;
pub mod emitter;
pub mod format;
pub mod gang;
#[cfg(any(test, feature = "inject"))]
pub mod hang;
pub mod job;
pub mod pipe;
pub mod writer;

pub use format::{FlushQuirks, RingFormat};
