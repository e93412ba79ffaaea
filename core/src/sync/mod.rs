//! Fences, sequence numbers, sync objects.

pub mod compare;
pub mod seqno;
