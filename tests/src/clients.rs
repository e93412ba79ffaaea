//! Recordings of real clients, and ways to alter them.
#![expect(clippy::panic, reason = "a helper of tests ends the test that it cannot help")]

use barexe_cli::recording::Recording;
use serde_json::Value;
use std::path::PathBuf;

/// The recordings that must replay without a difference.
pub const CLEAN: [&str; 4] = [
    "tgl-xe_exec_basic-once-basic",
    "tgl-xe_vm-bind-once",
    "tgl-xe_exec_store-basic-store",
    "lnl-xe_exec_store-cachelines",
];

/// Recordings about binding, client memory among it, that must replay without a difference as well.
pub const BINDS: [&str; 5] = [
    "tgl-xe_vm-unbind-all-2-vmas",
    "tgl-xe_vm-compact-64k-pages",
    "tgl-xe_vm-munmap-style-unbind-userptr-one-partial",
    "tgl-xe_vm-userptr-invalid",
    "tgl-xe_exec_basic-twice-userptr",
];

/// Recordings that do not replay yet, and what they need that is not there. Whoever builds it takes them out.
pub const NOT_YET: [(&str, &str); 0] = [];

/// Names of all recordings, in order.
///
/// # Panics
/// If they cannot be listed.
#[must_use]
pub fn all() -> Vec<String> {
    let folder = folder();
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let names = entries.map(|entry| entry.unwrap_or_else(|error| panic!("{error}")).file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter_map(|name| Some(name.strip_suffix(".jsonl")?.to_owned())).collect();
    names.sort();
    names
}

/// Where a recording lies.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    folder().join(name).with_extension("jsonl")
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/clients")
}

/// A recording, read as the replayer reads it. It stays for the rest of the test, so that a device can be lent parts
/// of it.
///
/// # Panics
/// If it cannot be read.
#[must_use]
pub fn load(name: &str) -> &'static Recording {
    let text = std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    Box::leak(Box::new(text.parse().unwrap_or_else(|error| panic!("{name}: {error}"))))
}

/// A recording, line by line, that can be changed.
#[derive(Clone, Debug)]
pub struct Lines {
    lines: Vec<Value>,
}

impl Lines {
    /// Reads a recording.
    ///
    /// # Panics
    /// If it cannot be read.
    #[must_use]
    pub fn read(name: &str) -> Self {
        let path = path(name);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { lines: text.lines().map(parse).collect() }
    }

    /// The first line from `from` on that `fits`.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn find(&self, from: usize, fits: impl Fn(&Value) -> bool) -> usize {
        let found = self.lines.iter().enumerate().skip(from).find(|(_, line)| fits(line));
        found.map_or_else(|| panic!("no such line"), |(at, _)| at)
    }

    /// The first event of a type.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn first(&self, of_type: &str) -> usize {
        self.find(1, |line| line["type"] == of_type)
    }

    /// The first call of a name.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn call(&self, name: &str) -> usize {
        self.find(1, |line| line["name"] == name)
    }

    /// A line.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn line(&self, at: usize) -> &Value {
        self.lines.get(at).unwrap_or_else(|| panic!("no line {at}"))
    }

    /// The recording with one line changed.
    ///
    /// # Panics
    /// If there is no such line.
    #[must_use]
    pub fn with(&self, at: usize, change: impl FnOnce(&mut Value)) -> Self {
        let mut changed = self.clone();
        change(changed.lines.get_mut(at).unwrap_or_else(|| panic!("no line {at}")));
        changed
    }

    /// The recording with more events before a line; what comes after is numbered anew.
    ///
    /// # Panics
    /// Past the end.
    #[must_use]
    pub fn with_more(&self, at: usize, events: &[Value]) -> Self {
        let moved = |number: &Value| {
            let number = number.as_u64().unwrap_or(0);
            let by = if number < as_number(at) { 0 } else { as_number(events.len()) };
            Value::from(number.wrapping_add(by))
        };
        let (before, after) = self.lines.split_at(at);
        let renumbered = after.iter().cloned().map(|mut line| {
            for key in ["n", "of"] {
                if let Some(number) = line.get_mut(key) {
                    *number = moved(number);
                }
            }
            line
        });
        let numbered = (at..).zip(events).map(|(n, event)| {
            let mut event = event.clone();
            if let Some(event) = event.as_object_mut() {
                event.insert(String::from("n"), Value::from(n));
            }
            event
        });
        Self { lines: before.iter().cloned().chain(numbered).chain(renumbered).collect() }
    }

    /// As text again.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// All events of a type.
    pub fn all(&self, of_type: &'static str) -> impl Iterator<Item = &Value> {
        self.lines.iter().filter(move |line| line["type"] == of_type)
    }
}

fn as_number(at: usize) -> u64 {
    u64::try_from(at).unwrap_or(u64::MAX)
}
