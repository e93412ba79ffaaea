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
