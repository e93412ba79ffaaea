//! The `barexe` command.

use std::io::{stderr, stdout};
use std::process::ExitCode;

fn main() -> ExitCode {
    // Not locked: a server has threads that speak too.
    barexe_cli::args::run(&mut stdout(), &mut stderr())
}
