//! Fences, sequence numbers, sync objects.

pub mod compare;
pub mod fence;
pub mod seqno;
pub mod sleepers;
pub mod syncobj;
