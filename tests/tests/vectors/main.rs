//! The core against what the reference driver's own functions give, vector by vector.

mod bind_plan;
mod gpuvm;
mod lrc;
mod pte;
mod ring;
mod seqno;
mod tlb;
