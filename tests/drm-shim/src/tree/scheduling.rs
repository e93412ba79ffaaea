//! The numbers by which an engine class is scheduled, and between what they may be set (bind-and-exec sheet §3.10).

use super::Entry;

/// One number, its limits, and the names under which clients find the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Name of the number.
    pub name: &'static str,
    /// Name of its lower limit.
    pub lower_name: &'static str,
    /// Name of its upper limit.
    pub upper_name: &'static str,
    /// What it is at the start.
    pub value: u64,
    /// Lower limit.
    pub lower: u64,
    /// Upper limit.
    pub upper: u64,
}

/// What each engine class has. Units are part of the names.
pub const SCHEDULING: [Limits; 3] = [
    Limits {
        name: "job_timeout_ms",
        lower_name: "job_timeout_min",
        upper_name: "job_timeout_max",
        value: 5_000,
        lower: 1,
        upper: 10_000,
    },
    Limits {
        name: "timeslice_duration_us",
        lower_name: "timeslice_duration_min",
        upper_name: "timeslice_duration_max",
        value: 1_000,
        lower: 1,
        upper: 10_000_000,
    },
    Limits {
        name: "preempt_timeout_us",
        lower_name: "preempt_timeout_min",
        upper_name: "preempt_timeout_max",
        value: 640_000,
        lower: 1,
        upper: 10_000_000,
    },
];

impl Limits {
    /// Names and values at the start.
    #[must_use]
    pub const fn files(&self) -> [(&'static str, u64); 3] {
        [(self.name, self.value), (self.lower_name, self.lower), (self.upper_name, self.upper)]
    }
}

/// The files of one engine class below `folder`, and those that keep what they were at the start.
pub(super) fn entries(folder: &str) -> impl Iterator<Item = Entry> + '_ {
    let files = SCHEDULING.iter().flat_map(Limits::files);
    files.flat_map(move |(name, value)| {
        [Entry::line(format!("{folder}/{name}"), value), Entry::line(format!("{folder}/.defaults/{name}"), value)]
    })
}
