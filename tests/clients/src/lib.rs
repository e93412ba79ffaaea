//! What the runners of test programs share: which subtests to run, how a result is judged, what is expected, the table.
//!
//! Two use it: the one of this package, whose programs are processes on the core, and that of `tests/linux`, whose programs
//! run in a guest.

pub mod bound;
pub mod expected;
pub mod outcome;
pub mod report;
pub mod selection;
