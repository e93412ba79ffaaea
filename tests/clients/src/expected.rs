//! What results are expected, from a file for each platform.
//!
//! A line `PROGRAM N` says that a program has N subtests, and that all of them pass, but for those that lines below it
//! name: `skip SUBTEST: REASON` with a piece of what the program itself says, `fail SUBTEST: REASON` with the cause and how
//! it was found, and `time SUBTEST: REASON` of one that a busy machine can make fail: it may pass or fail, but not be skipped.
//! `*` and `?` may stand in the name of a subtest; the first line that fits counts. What follows `#` at the
//! start of a line is for readers.

use crate::outcome::{Kind, Outcome};
use std::collections::BTreeMap;
use wildmatch::WildMatch;

/// What is expected of all programs on one platform.
#[derive(Debug, Default)]
pub struct Expected {
    programs: BTreeMap<String, Program>,
}

/// What is expected of one program.
#[derive(Debug)]
pub struct Program {
    /// How many subtests it has.
    pub subtests: usize,
    exceptions: Vec<Exception>,
}

/// Subtests that do not pass.
#[derive(Debug)]
struct Exception {
    /// What is expected; `None`: a pass or a failure, whichever the machine's load allows.
    kind: Option<Kind>,
    subtests: WildMatch,
    reason: String,
}

impl Expected {
    /// Reads a file.
    ///
    /// # Errors
    /// The first line that says nothing, with its number.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut programs: Vec<(String, Program)> = Vec::new();
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = || format!("line {number}: {line:?}");
            match (Exception::parse(line), programs.last_mut()) {
                (Some(exception), Some((_, program))) => program.exceptions.push(exception),
                (Some(_), None) => return Err(wrong()),
                (None, _) => programs.push(heading(line).ok_or_else(wrong)?),
            }
        }
        Ok(Self { programs: programs.into_iter().collect() })
    }

    /// The programs in the file.
    pub fn programs(&self) -> impl Iterator<Item = &str> {
        self.programs.keys().map(String::as_str)
    }

    /// What is said about one of them.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<&Program> {
        self.programs.get(name)
    }
}

fn heading(line: &str) -> Option<(String, Program)> {
    let (name, count) = line.split_once(' ')?;
    let subtests = count.trim().parse().ok()?;
    Some((name.into(), Program { subtests, exceptions: Vec::new() }))
}

impl Exception {
    fn parse(line: &str) -> Option<Self> {
        let (kind, rest) = line.split_once(' ')?;
        let kind = match kind {
            "skip" => Some(Kind::Skipped),
            "fail" => Some(Kind::Failed),
            "time" => None,
            _ => return None,
        };
        let (subtests, reason) = rest.trim().split_once(": ")?;
        Some(Self { kind, subtests: WildMatch::new(subtests), reason: reason.trim().into() })
    }

    fn fits(&self, outcome: &Outcome) -> bool {
        match self.kind {
            None => outcome.kind() != Kind::Skipped,
            Some(Kind::Skipped) => outcome.kind() == Kind::Skipped && outcome.reason().contains(&self.reason),
            // Of a failure the reason is ours, not the program's.
            Some(kind) => outcome.kind() == kind,
        }
    }
}

impl Program {
    /// What is wrong with an outcome; `None`: it is the expected one.
    #[must_use]
    pub fn objection(&self, subtest: &str, outcome: &Outcome) -> Option<String> {
        let exception = self.exceptions.iter().find(|exception| exception.subtests.matches(subtest));
        match exception {
            None if outcome.kind() == Kind::Passed => None,
            None => Some(format!("expected to pass: {}", outcome.reason())),
            Some(exception) if exception.fits(outcome) => None,
            Some(exception) => {
                let told = if outcome.kind() == Kind::Passed { "passed" } else { outcome.reason() };
                Some(format!("{told}; expected: {}", exception.reason))
            }
        }
    }

    /// Exceptions that fit none of these subtests.
    pub fn idle<'p>(&'p self, subtests: &'p [String]) -> impl Iterator<Item = String> + 'p {
        let idle = |exception: &&Exception| !subtests.iter().any(|name| exception.subtests.matches(name));
        self.exceptions.iter().filter(idle).map(|exception| exception.subtests.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# tgl\nxe_vm 3\n  skip large-*: Not enough memory\n  fail odd: a known defect\nxe_query 1\n";

    fn skipped(reason: &str) -> Outcome {
        Outcome::Skipped(reason.into())
    }

    #[test]
    fn what_is_not_named_must_pass() {
        let expected = Expected::parse(FILE).unwrap();
        let vm = expected.program("xe_vm").unwrap();
        assert_eq!(vm.objection("bind", &Outcome::Passed), None);
        assert!(vm.objection("bind", &skipped("no")).is_some());
        assert!(vm.objection("bind", &Outcome::Failed("x".into())).unwrap().contains("expected to pass: x"));
        assert!(expected.program("xe_mmap").is_none());
        assert_eq!(expected.programs().collect::<Vec<_>>(), ["xe_query", "xe_vm"]);
    }

    #[test]
    fn an_exception_must_happen_and_for_its_reason() {
        let expected = Expected::parse(FILE).unwrap();
        let vm = expected.program("xe_vm").unwrap();
        assert_eq!(vm.objection("large-8", &skipped("n; Not enough memory: 5")), None);
        assert!(vm.objection("large-8", &skipped("No device")).is_some());
        assert!(vm.objection("large-8", &Outcome::Passed).is_some());
        assert!(vm.objection("large-8", &Outcome::Failed("Not enough memory".into())).is_some());
        assert_eq!(vm.objection("odd", &Outcome::Failed("whatever it says".into())), None);
        assert!(vm.objection("odd", &Outcome::Passed).unwrap().starts_with("passed; "));
    }

    #[test]
    fn what_depends_on_time_may_fail_but_must_be_tried() {
        let expected = Expected::parse("xe_vm 1\n time slow: a busy machine\n").unwrap();
        let vm = expected.program("xe_vm").unwrap();
        assert_eq!(vm.objection("slow", &Outcome::Passed), None);
        assert_eq!(vm.objection("slow", &Outcome::Failed("late".into())), None);
        assert!(vm.objection("slow", &skipped("a busy machine")).is_some());
    }

    #[test]
    fn an_exception_for_nothing_is_found() {
        let expected = Expected::parse(FILE).unwrap();
        let vm = expected.program("xe_vm").unwrap();
        let names = ["bind".to_string(), "odd".to_string()];
        assert_eq!(vm.idle(&names).collect::<Vec<_>>(), ["large-*"]);
    }

    #[test]
    fn a_line_that_says_nothing_is_refused_with_its_number() {
        assert!(Expected::parse("skip a: b\n").unwrap_err().starts_with("line 1"));
        assert!(Expected::parse("xe_vm 1\nxe_vm\n").unwrap_err().starts_with("line 2"));
        assert!(Expected::parse("xe_vm 1\n  skip a\n").unwrap_err().starts_with("line 2"));
    }
}
