//! Runs Linux's own driver on the simulated GPU, and IGT in that guest (see the README of this folder).
//!
//! Builds the guest's root, starts server and QEMU, reads what the guest told, prints a table, and compares with a file of
//! expected results. Exit status: 0 if all is as expected, 1 if not, 2 if something could not be run.
//!
//! How a result is judged and what is expected is told by the library of `tests/clients`: they are the same programs.
//!
//! | module | holds |
//! |---|---|
//! | `args` | command line |
//! | `run` | a run: one guest after the other, until the plan is done |
//! | `faults`, `scenario` | runs with a fault in the device, and what must come of each |
//! | `plan`, `log` | what a guest is to do, what it told of it; warnings in the kernel's log |
//! | `machine` | the server with the simulated GPU, and QEMU |
//! | `initramfs`, `cpio`, `firmware` | the guest's root: what is in it, its format, a firmware container with nothing in it |
//! | `platform` | what depends on the part that is simulated |

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
