//! Command line and exit status: 0 for success, 1 for a check that failed, 2 for bad usage or a bad file.

use crate::decode;
use crate::demo::{self, Check, Demo};
#[cfg(target_os = "linux")]
use crate::drm::{self, args::DrmArgs};
use crate::replay::{Options, Report};
use crate::replays::{Sum, Unusable, recordings, replay_all};
#[cfg(target_os = "linux")]
use crate::serve::{self, args::ServeArgs};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::io::Write;
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
    /// Replay recordings of real clients and compare every answer and every byte the GPU wrote
    Replay(ReplayArgs),
    /// Be a simulated GPU on a PCI bus: a vfio-user server for QEMU or another peer
    #[cfg(target_os = "linux")]
    Serve(ServeArgs),
    /// Be a device node: the driver on a simulated GPU, shared by client programs through a socket
    #[cfg(target_os = "linux")]
    Drm(DrmArgs),
    /// Show what the driver made for the GPU in a form that people can read
    Decode(DecodeArgs),
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
    /// Recordings: JSON Lines, one client process each; of a folder, all its .jsonl files
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Print a line of JSON for each recording, and one for the sum of several; differences go to standard error
    #[arg(long)]
    json: bool,
    /// Engines of the simulated GPU take work and never run it: for tests of the comparison
    #[arg(long, hide = true)]
    no_execution: bool,
}

#[derive(Args)]
struct DecodeArgs {
    /// The page tables of every VM: which addresses lead where
    #[arg(long, required = true)]
    page_tables: bool,
    /// A recording to replay, instead of the demo
    file: Option<PathBuf>,
    /// Which GPU to simulate for the demo
    #[arg(long, value_enum, default_value_t, conflicts_with = "file")]
    platform: PlatformName,
    /// Show them behind this event, named by its `n` [default: the last exec call, or the last bind if there is none]
    #[arg(long, value_name = "N", requires = "file")]
    at: Option<usize>,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

/// A GPU that is simulated.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum PlatformName {
    /// Tiger Lake
    #[default]
    Tgl,
    /// Lunar Lake
    Lnl,
}

impl PlatformName {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tgl => "tgl",
            Self::Lnl => "lnl",
        }
    }
}

/// What a command came to.
#[derive(Default)]
struct Outcome {
    out: Vec<u8>,
    err: String,
    status: u8,
}

/// Does what the command line asks.
#[must_use]
pub fn run(out: &mut dyn Write, err: &mut dyn Write) -> ExitCode {
    let command = Command::parse();
    let outcome = match command.what.unwrap_or_else(|| What::Demo(DemoArgs::default())) {
        What::Demo(args) => run_demo(&args),
        What::Replay(args) => run_replay(&args),
        What::Decode(args) => run_decode(&args),
        #[cfg(target_os = "linux")]
        What::Serve(args) => served(args.options().and_then(|options| serve::run(&options, out))),
        #[cfg(target_os = "linux")]
        What::Drm(args) => served(args.options().and_then(|options| drm::run(&options, out))),
    };
    // A reader that has seen enough changes nothing about how it went.
    let _ = out.write_all(&outcome.out).and_then(|()| out.flush());
    let _ = err.write_all(outcome.err.as_bytes());
    ExitCode::from(outcome.status)
}

fn run_demo(args: &DemoArgs) -> Outcome {
    let demo = Demo { platform: args.platform.name(), execution: !args.no_execution };
    let mut out = Vec::new();
    match demo::run(&demo, &mut out) {
        Ok(failed) => {
            Outcome { out, err: failed.iter().map(complaint).collect(), status: failed_if(!failed.is_empty()) }
        }
        Err(error) => Outcome { out, err: format!("barexe: {error}\n"), status: FAILED },
    }
}

fn complaint(check: &Check) -> String {
    let Check { what, expected, found, .. } = check;
    format!("barexe: {what}: expected {expected}, found {found}\n")
}

const fn failed_if(failed: bool) -> u8 {
    if failed { FAILED } else { 0 }
}

fn run_replay(args: &ReplayArgs) -> Outcome {
    let results = replay_all(recordings(&args.paths), &Options { execution: !args.no_execution });
    let sum = Sum::of(&results);
    let mut outcome = Outcome { status: failed_if(sum.differences > 0), ..Outcome::default() };
    for result in &results {
        show(result, args.json, &mut outcome);
    }
    // One recording is its own sum.
    if results.len() > 1 {
        let text = if args.json { format!("{}\n", sum.json()) } else { format!("\n{sum}") };
        outcome.out.extend(text.into_bytes());
    }
    outcome
}

fn show(result: &Result<Report, Unusable>, json: bool, outcome: &mut Outcome) {
    match result {
        Err(unusable) => {
            outcome.err.push_str(&format!("barexe: {unusable}\n"));
            outcome.status = UNUSABLE;
        }
        Ok(report) if json => {
            outcome.out.extend(format!("{}\n", report.json()).into_bytes());
            if report.differences > 0 {
                outcome.err.push_str(&format!("{} on {}\n{}", report.client, report.platform, report.table()));
            }
        }
        Ok(report) => outcome.out.extend(report.to_string().into_bytes()),
    }
}

#[cfg(target_os = "linux")]
fn served(end: Result<(), serve::Failure>) -> Outcome {
    let (err, status) = match end {
        Ok(()) => return Outcome::default(),
        Err(serve::Failure::Unusable(why)) => (why, UNUSABLE),
        Err(serve::Failure::Failed(why)) => (why, FAILED),
    };
    Outcome { err: format!("barexe: {err}\n"), status, ..Outcome::default() }
}

fn run_decode(args: &DecodeArgs) -> Outcome {
    let dump = match &args.file {
        None => decode::of_demo(args.platform.name()).map_err(|error| (FAILED, error)),
        Some(file) => {
            let dump = decode::of_recording(file, args.at);
            dump.map_err(|error| (UNUSABLE, format!("{}: {error}", file.display())))
        }
    };
    match dump {
        Ok(dump) if args.json => Outcome { out: format!("{}\n", dump.json()).into_bytes(), ..Outcome::default() },
        Ok(dump) => Outcome { out: dump.to_string().into_bytes(), ..Outcome::default() },
        Err((status, error)) => Outcome { err: format!("barexe: {error}\n"), status, ..Outcome::default() },
    }
}
