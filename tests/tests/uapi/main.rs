//! The byte interface on the simulated parts: every row of the decision tables, what calls read, and what recordings
//! of real clients got.
//!
//! Offsets, sizes and codes are those of bind-and-exec sheet §2, written down here a second time.
#![expect(clippy::arithmetic_side_effects, reason = "tests: an overflow is a failed test")]

#[cfg(test)]
mod form;
#[cfg(test)]
mod life;
#[cfg(test)]
mod prefetch;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod rows_bind;
#[cfg(test)]
mod rows_bind_ops;
#[cfg(test)]
mod rows_exec;
#[cfg(test)]
mod rows_exec_a;
#[cfg(test)]
mod rows_objects;
#[cfg(test)]
mod rows_pat;
#[cfg(test)]
mod rows_query;
#[cfg(test)]
mod rows_queue;
#[cfg(test)]
mod rows_sharing;
#[cfg(test)]
mod rows_sync;
#[cfg(test)]
mod rows_timeline;
#[cfg(test)]
mod rows_vm;
#[cfg(test)]
mod rows_wait;
#[cfg(test)]
mod shell;
#[cfg(test)]
mod table;
