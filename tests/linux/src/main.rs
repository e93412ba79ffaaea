//! Runs Linux's own driver on the simulated GPU, and IGT in that guest (see the README of this folder).
//!
//! Builds the guest's root, starts server and QEMU, reads what the guest told, prints a table, and compares with a file of
//! expected results. Exit status: 0 if all is as expected, 1 if not, 2 if something could not be run.
//!
//! How a result is judged and what is expected is told by the library of `tests/clients`: they are the same programs.

mod args;
mod cpio;
mod faults;
mod firmware;
mod initramfs;
mod log;
mod machine;
mod plan;
mod platform;
mod run;
mod scenario;

use clap::Parser as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

fn main() -> ExitCode {
    match run::run(&args::Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            drop(writeln!(io::stderr(), "linux: {error}"));
            ExitCode::from(2)
        }
    }
}
