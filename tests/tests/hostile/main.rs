//! Contract 4, tried by somebody who means harm: a hostile client beside a neighbour on the same engine.
//!
//! The neighbour runs a steady stream of jobs and binds, each with a checked result. Meanwhile the hostile client does
//! its worst, one attack a test, on every platform and with both ways to write page tables. Nothing may panic, no rule
//! of the hardware may be broken, all of the neighbour's results are right, the hostile client gets the codes of the
//! specification, and the neighbour never waits longer than a bound that follows from the device's limits of time.
//! `cargo test -p barexe-tests --test hostile -- --nocapture` prints the worst wait of each attack, in virtual time.
//!
//! What real hardware does with a batch that asks for more than it may is taken from the sheets (engines §11.3: a
//! command that is not allowed does nothing; commands §1.10). Three things are not determined there, and only held here
//! as the simulator has them: at how many more points hardware can preempt, what a third level of batches does, and
//! what the two low bits of a batch's address do.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "tests: numbers are small, addresses are cut in halves, a table is printed"
)]

#[cfg(test)]
mod faults;
#[cfg(test)]
mod handles;
#[cfg(test)]
mod hogs;
#[cfg(test)]
mod middle;
#[cfg(test)]
mod neighbour;
#[cfg(test)]
mod pools;
#[cfg(test)]
mod privilege;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod syncs;
