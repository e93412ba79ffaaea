//! The `barexe` command.

use std::io::{stderr, stdout};
use std::process::ExitCode;

fn main() -> ExitCode {
    barexe_cli::args::run(&mut stdout().lock(), &mut stderr().lock())
}
