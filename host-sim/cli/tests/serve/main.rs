//! `barexe serve` itself, with a peer that speaks the protocol: what QEMU would do, and what a driver does on top.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "helpers of these tests fail by panicking; sums are of lengths of things in memory"
)]

mod bus;
mod driver;
mod ends;
mod faults;
mod hal;
mod ram;
mod server;
mod time;
mod turns;

/// The driver of the GuC's own protocol that the simulator's tests have.
#[expect(dead_code, reason = "the simulator's own tests use the rest")]
#[path = "../../../tests/guc"]
mod guc {
    pub(crate) mod host;
    pub(crate) mod port;
    pub(crate) mod queue;
}
