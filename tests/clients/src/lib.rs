//! What the runners of test programs share: which subtests to run, how a result is judged, what is expected, the table.
//!
//! Two use it: the one of this package, whose programs are processes on the core, and that of `tests/linux`, whose programs
//! run in a guest.
//!
//! | module | holds |
//! |---|---|
//! | [`selection`] | which programs and subtests to run |
//! | [`outcome`] | how a subtest ended, as its program told |
//! | [`expected`] | what results are expected |
//! | [`report`] | the table, the reasons below it, what differs |
//! | [`bound`] | children that do not outlive the process that started them |

pub mod bound;
pub mod expected;
pub mod outcome;
pub mod report;
pub mod selection;
