//! Command line and exit status: 0 for success, 1 for a check that failed, 2 for bad usage or a bad file.

use crate::demo::{self, Check, Demo};
use crate::replay::{Options, replay_file};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Exit status of a check that failed.
const FAILED: u8 = 1;
/// Exit status of bad usage, and of a file that cannot be used.
const UNUSABLE: u8 = 2;

/// Runs the barexe driver core for Intel Xe GPUs on a simulated GPU.
#[derive(Parser)]
#[command(name = "barexe", version, arg_required_else_help = false)]
struct Command {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    /// Probe a simulated GPU, bind memory, run a batch, see its fence signal, check every result (the default)
    Demo(DemoArgs),
    /// Replay the recording of a real client and compare every answer and every byte the GPU wrote
    Replay(ReplayArgs),
}

#[derive(Args, Default)]
struct DemoArgs {
    /// Which GPU to simulate
    #[arg(long, value_enum, default_value_t)]
    platform: PlatformName,
    /// Engines of the simulated GPU take work and never run it: for tests of the checks
    #[arg(long, hide = true)]
    no_execution: bool,
}

#[derive(Args)]
struct ReplayArgs {
    /// The recording: JSON Lines, one client process
    file: PathBuf,
    /// Print one line of JSON; differences go to standard error
    #[arg(long)]
    json: bool,
    /// Engines of the simulated GPU take work and never run it: for tests of the comparison
    #[arg(long, hide = true)]
    no_execution: bool,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum PlatformName {
    /// Tiger Lake
    #[default]
    Tgl,
    /// Lunar Lake
    Lnl,
}

impl PlatformName {
    const fn name(self) -> &'static str {
        match self {
            Self::Tgl => "tgl",
            Self::Lnl => "lnl",
        }
    }
}

/// Does what the command line asks.
#[must_use]
pub fn run(out: &mut dyn Write, err: &mut dyn Write) -> ExitCode {
    let command = Command::parse();
    let status = match command.what.unwrap_or_else(|| What::Demo(DemoArgs::default())) {
        What::Demo(args) => run_demo(&args, out, err),
        What::Replay(args) => run_replay(&args, out, err),
    };
    match status {
        Ok(status) => ExitCode::from(status),
        // A reader that has seen enough is no failure of ours.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(err, "barexe: {error}");
            ExitCode::from(FAILED)
        }
    }
}

fn run_demo(args: &DemoArgs, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let demo = Demo { platform: args.platform.name(), execution: !args.no_execution };
    let failed = demo::run(&demo, out)?;
    for Check { what, expected, found, .. } in &failed {
        writeln!(err, "barexe: {what}: expected {expected}, found {found}")?;
    }
    Ok(if failed.is_empty() { 0 } else { FAILED })
}

fn run_replay(args: &ReplayArgs, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let report = match replay_file(&args.file, &Options { execution: !args.no_execution }) {
        Ok(report) => report,
        Err(error) => {
            writeln!(err, "barexe: {}: {error}", args.file.display())?;
            return Ok(UNUSABLE);
        }
    };
    if args.json {
        writeln!(out, "{}", report.json())?;
        if report.differences > 0 {
            write!(err, "{}", report.table())?;
        }
    } else {
        write!(out, "{report}")?;
    }
    Ok(if report.differences == 0 { 0 } else { FAILED })
}
