//! Several recordings in one go: which they are, how far it is, and the sum.

use crate::replay::{Options, Report, replay_file};
use core::fmt;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// How the names of recordings in a folder end.
const ENDING: &str = "jsonl";

/// A path that nothing can be done with, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// The path as it was given.
    pub path: PathBuf,
    /// Why.
    pub why: String,
}

impl Unusable {
    fn new(path: &Path, why: impl fmt::Display) -> Self {
        Self { path: path.to_path_buf(), why: why.to_string() }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.why)
    }
}

/// The recordings that paths name: a file is one, of a folder all its `.jsonl` files in the order of their names.
#[must_use]
pub fn recordings(paths: &[PathBuf]) -> Vec<Result<PathBuf, Unusable>> {
    paths.iter().flat_map(|path| if path.is_dir() { in_folder(path) } else { vec![Ok(path.clone())] }).collect()
}

fn in_folder(folder: &Path) -> Vec<Result<PathBuf, Unusable>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return vec![Err(Unusable::new(folder, error))],
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut found: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|ending| ending == ENDING) && path.is_file()).collect();
    found.sort();
    if found.is_empty() {
        return vec![Err(Unusable::new(folder, format!("no .{ENDING} file in this folder")))];
    }
    found.into_iter().map(Ok).collect()
}

/// Replays them one after the other. If they are several, a bar on standard error says how far it is, where that is a
/// terminal.
#[must_use]
pub fn replay_all(recordings: Vec<Result<PathBuf, Unusable>>, options: &Options) -> Vec<Result<Report, Unusable>> {
    let bar = if recordings.len() > 1 { bar(recordings.len()) } else { ProgressBar::hidden() };
    let replayed = recordings.into_iter().map(|recording| {
        let path = recording?;
        bar.set_message(path.file_stem().unwrap_or_default().to_string_lossy().into_owned());
        let report = replay_file(&path, options).map_err(|error| Unusable::new(&path, error));
        bar.inc(1);
        report
    });
    let replayed = replayed.collect();
    bar.finish_and_clear();
    replayed
}

/// Hidden by itself where standard error is no terminal.
fn bar(len: usize) -> ProgressBar {
    let bar = ProgressBar::new(len as u64);
    // The template is right; were it not, the default would do.
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    bar
}

/// What several replays came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// Recordings that were replayed.
    pub recordings: u64,
    /// Those of them without a difference.
    pub clean: u64,
    /// Paths that could not be used.
    pub unusable: u64,
    /// Calls of all recordings, repeats included.
    pub calls: u64,
    /// Bytes that had to be equal.
    pub compared_bytes: u64,
    /// Things that differ.
    pub differences: u64,
}

impl Sum {
    /// Of these results.
    #[must_use]
    pub fn of(results: &[Result<Report, Unusable>]) -> Self {
        results.iter().fold(Self::default(), |sum, result| match result {
            Err(_) => Self { unusable: sum.unusable + 1, ..sum },
            Ok(report) => Self {
                recordings: sum.recordings + 1,
                clean: sum.clean + u64::from(report.differences == 0),
                unusable: sum.unusable,
                calls: sum.calls + report.calls,
                compared_bytes: sum.compared_bytes + report.compared_bytes,
                differences: sum.differences + report.differences,
            },
        })
    }

    /// One line of JSON, without spaces.
    #[must_use]
    pub fn json(&self) -> String {
        // A struct of numbers always has a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { recordings, clean, unusable, calls, compared_bytes, differences } = self;
        writeln!(f, "{clean} of {recordings} recordings without a difference")?;
        if *unusable > 0 {
            writeln!(f, "  {unusable} could not be used")?;
        }
        writeln!(f, "  {calls} calls, {compared_bytes} bytes compared, differences: {differences}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_counts_what_there_is_and_what_there_is_not() {
        let report = |differences| Report { calls: 3, compared_bytes: 10, differences, ..Report::default() };
        let results = [Ok(report(0)), Err(Unusable::new(Path::new("a"), "no")), Ok(report(2)), Ok(report(0))];
        let sum = Sum::of(&results);
        let want = Sum { recordings: 3, clean: 2, unusable: 1, calls: 9, compared_bytes: 30, differences: 2 };
        assert_eq!(sum, want);
        let line = r#"{"recordings":3,"clean":2,"unusable":1,"calls":9,"compared_bytes":30,"differences":2}"#;
        assert_eq!(sum.json(), line);
        assert!(
            sum.to_string().starts_with("2 of 3 recordings without a difference\n  1 could not be used\n"),
            "{sum}"
        );
    }

    #[test]
    fn a_path_that_is_no_folder_is_a_recording_whatever_it_is() {
        let path = PathBuf::from("/no/such/file");
        assert_eq!(recordings(core::slice::from_ref(&path)), [Ok(path)]);
    }
}
