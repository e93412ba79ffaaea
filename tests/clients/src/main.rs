//! Runs unmodified client programs on the core and the simulated GPU (see the README of this folder).
//!
//! Starts each subtest of each program as a process that has the preloaded library, reads from what it says how that went,
//! prints a table, and compares with a file of expected results. Exit status: 0 if all is as expected, 1 if not, 2 if
//! something could not be run.
//!
//! | module | holds |
//! |---|---|
//! | `args` | command line |
//! | `program` | the programs: where they are, what subtests they have, how each is started and judged |
//! | `runner`, `process` | many subtests, several at a time; one of them as a process, with an end to its time |
//! | `server` | one server for all programs of a platform |
//!
//! What it shares with the runner of `tests/linux` is in the library.

mod args;
mod process;
mod program;
mod runner;
mod server;

use args::{Args, PlatformName};
use barexe_clients::expected::Expected;
use barexe_clients::report::{Results, Sum, table};
use barexe_clients::selection::Selection;
use clap::Parser;
use process::Setting;
use program::Program;
use runner::{Job, run_all, subtests};
use server::Server;
use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            drop(writeln!(io::stderr(), "clients: {error}"));
            ExitCode::from(2)
        }
    }
}

/// All platforms; whether all results were the expected ones.
fn run(args: &Args) -> io::Result<bool> {
    args.check()?;
    let mut sum = Sum::default();
    let mut objections = Vec::new();
    for platform in args.platforms() {
        let expected = args.read(&format!("{}.txt", platform.name()), Expected::parse)?;
        let chosen = args.chosen(&expected)?;
        let server = args.server(platform)?;
        let setting = args.setting(platform, server.as_ref());
        let results = run_platform(&chosen, &setting, platform, args)?;
        let left = server.map(Server::end).transpose()?;
        write!(io::stdout(), "{}\n{}", platform.title(), table(&results))?;
        if let Some(left) = left {
            writeln!(io::stdout(), "the server, at its end: {}\n", left.text)?;
            objections.extend(left.objection(platform.name()));
        }
        results.iter().for_each(|program| sum.add(program.sum()));
        if args.execution {
            let all = results.iter().flat_map(|program| program.objections(&expected));
            objections.extend(all.map(|objection| format!("{} {objection}", platform.name())));
        }
    }
    verdict(args, &objections)?;
    writeln!(io::stdout(), "{sum}")?;
    Ok(objections.is_empty())
}

fn run_platform<'n>(
    chosen: &'n [Selection],
    setting: &Setting,
    platform: PlatformName,
    args: &Args,
) -> io::Result<Vec<Results<'n>>> {
    let mut results: Vec<Results<'n>> = Vec::new();
    for selection in chosen {
        let name = selection.program.as_str();
        if results.iter().any(|result| result.program == name) {
            continue;
        }
        let listed = subtests(Program::named(name), name, setting)?;
        results.push(Results { program: name, listed, ran: Vec::new() });
    }
    let wanted = |name: &str, subtest: &str| chosen.iter().any(|one| one.program == name && one.has(subtest));
    let jobs: Vec<Job<'n>> = results
        .iter()
        .flat_map(|result| result.listed.iter().map(|subtest| (result.program, subtest)))
        .filter(|(name, subtest)| wanted(name, subtest))
        .map(|(name, subtest)| Job { program: Program::named(name), name, subtest: subtest.clone() })
        .collect();
    if jobs.is_empty() {
        return Err(io::Error::other("no subtest is called so"));
    }
    let outcomes = run_all(&jobs, setting, platform.device(), args.jobs)?;
    for (job, outcome) in jobs.into_iter().zip(outcomes) {
        if let Some(result) = results.iter_mut().find(|result| result.program == job.name) {
            result.ran.push((job.subtest, outcome));
        }
    }
    Ok(results)
}

/// What differs, and in which packages the reason may lie.
fn verdict(args: &Args, objections: &[String]) -> io::Result<()> {
    let mut out = io::stdout();
    if !args.execution {
        return writeln!(out, "engines did not execute: nothing is compared");
    }
    if objections.is_empty() {
        return writeln!(out, "all results are as expected");
    }
    for objection in objections {
        writeln!(out, "{objection}")?;
    }
    let versions = fs::read_to_string("/versions").unwrap_or_default();
    let of_clients =
        versions.lines().filter(|line| args::CLIENTS.iter().any(|name| line.split(' ').next() == Some(*name)));
    writeln!(
        out,
        "{} results are not as expected; programs: {}",
        objections.len(),
        of_clients.collect::<Vec<_>>().join(", ")
    )
}
