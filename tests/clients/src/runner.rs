//! Runs many subtests, each in a process of its own, several at a time.

use crate::process::Setting;
use crate::program::Program;
use barexe_clients::outcome::{End, Outcome};
use core::sync::atomic::{AtomicUsize, Ordering};
use indicatif::{ProgressBar, ProgressStyle};
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;

/// One subtest to run.
#[derive(Clone, Debug)]
pub(crate) struct Job<'n> {
    /// Its program.
    pub(crate) program: Program<'n>,
    /// The program's name.
    pub(crate) name: &'n str,
    /// The subtest; empty if the program has none.
    pub(crate) subtest: String,
}

/// A program's subtests, in its own order; one without a name if it has none.
pub(crate) fn subtests(program: Program<'_>, name: &str, setting: &Setting) -> io::Result<Vec<String>> {
    let command = match program.list() {
        Ok(command) => command,
        Err(subtests) => return Ok(subtests),
    };
    let (end, output) = setting.ask(&command)?;
    match end {
        End::Status(0) => Ok(output.lines().map(String::from).collect()),
        // IGT's answer of a program that has none.
        End::Status(79) => Ok(vec![String::new()]),
        End::Status(_) | End::Signal(_) | End::Late => {
            Err(io::Error::other(format!("{name} --list-subtests: {end:?}")))
        }
    }
}

/// Runs all jobs, `workers` at a time; outcomes are in the order of the jobs. `device`: device id, four digits.
pub(crate) fn run_all(jobs: &[Job<'_>], setting: &Setting, device: &str, workers: usize) -> io::Result<Vec<Outcome>> {
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(vec![None; jobs.len()]);
    let bar = bar(jobs.len(), setting.platform);
    let work = |place: usize| -> io::Result<()> {
        // Ordering: the counter only hands out numbers; outcomes are published by the lock.
        while let Some((at, job)) = jobs.iter().enumerate().nth(next.fetch_add(1, Ordering::Relaxed)) {
            bar.set_message(format!("{}@{}", job.name, job.subtest));
            let outcome = run_one(job, setting, device, place)?;
            bar.inc(1);
            let mut outcomes = outcomes.lock().map_err(|_| io::Error::other("a worker panicked"))?;
            if let Some(mine) = outcomes.get_mut(at) {
                *mine = Some(outcome);
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..workers)
            .map(|place| {
                let work = &work;
                scope.spawn(move || work(place))
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| io::Error::other("a worker panicked"))?)
    })?;
    let outcomes = outcomes.into_inner().map_err(|_| io::Error::other("a worker panicked"))?;
    Ok(outcomes.into_iter().flatten().collect())
}

fn run_one(job: &Job<'_>, setting: &Setting, device: &str, place: usize) -> io::Result<Outcome> {
    let (end, output) = setting.run(&job.program.run(&job.subtest), place, &log(job, setting))?;
    Ok(job.program.judge(&job.subtest, device, end, &output))
}

fn log(job: &Job<'_>, setting: &Setting) -> PathBuf {
    setting.logs.join(setting.platform).join(format!("{}@{}.log", job.name, job.subtest))
}

/// How far it is, on standard error, where that is a terminal.
fn bar(jobs: usize, platform: &str) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(jobs).unwrap_or(u64::MAX));
    let style = ProgressStyle::with_template("{prefix} {bar:24} {pos}/{len} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.with_prefix(platform.to_string())
}
