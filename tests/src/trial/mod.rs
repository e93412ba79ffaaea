//! Scenarios of the specification as tests.
//!
//! A chapter is a file with a table of its scenarios at the head ([`scenarios!`](crate::scenarios)) and a function for
//! each below. The table says what a scenario holds (requirements and defects of bind-and-exec sheet §1 and §3.14), how
//! many sub-cases it checks, and what a platform must have for it. [`run`] plays it on every [`Board`] that has that,
//! with each writer of page tables and in each dialect, and fails if it ran nowhere or checked another number of
//! sub-cases.
//!
//! Whatever a scenario asks of the driver goes through [`Trial::attempt`]: a sweep that fails calls one by one hooks in
//! there.

mod batch;
mod board;
mod calls;
mod dialect;
mod look;
mod make;
mod run;
mod scenario;
mod stage;
mod table;

pub use batch::{Spin, copy_dword, wait_equal};
pub use board::{Board, Need, boards};
pub use calls::{Bind, Exec, FENCES, NOWHERE, OPS, SYNCS, op, sync};
pub use dialect::{DIALECTS, Dialect, requests};
pub use look::Mapping;
pub use make::{Blocked, Bo};
pub use run::{JOB_TIMEOUT, Played, WRITERS, play, run};
pub use scenario::Scenario;
pub use stage::Trial;
pub use table::{ISSUE_3, missing_scenarios, table};
