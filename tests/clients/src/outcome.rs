//! How a subtest ended, as its program told.

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The program is content.
    Passed,
    /// It is not, or did not come so far: why, as far as it said.
    Failed(String),
    /// The program itself would not run it: its reason.
    Skipped(String),
}

/// The three kinds, as words and for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// [`Outcome::Passed`].
    Passed,
    /// [`Outcome::Failed`].
    Failed,
    /// [`Outcome::Skipped`].
    Skipped,
}

impl Outcome {
    /// Which of the three.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Passed => Kind::Passed,
            Self::Failed(_) => Kind::Failed,
            Self::Skipped(_) => Kind::Skipped,
        }
    }

    /// Why it did not pass.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Passed => "",
            Self::Failed(reason) | Self::Skipped(reason) => reason,
        }
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With this status.
    Status(i32),
    /// By this signal.
    Signal(i32),
    /// It did not, within its time.
    Late,
}

/// Status of an IGT program that passed.
const PASSED: i32 = 0;
/// Status of an IGT program that skipped.
const SKIPPED: i32 = 77;

/// The outcome of one subtest of an IGT program, from its end and all that it printed. The status alone is not believed:
/// the program must also have said the same about this very subtest.
#[must_use]
pub fn of_igt(subtest: Option<&str>, end: End, output: &str) -> Outcome {
    let said = verdict(subtest, output);
    match (end, said) {
        (End::Status(PASSED), Some("SUCCESS")) => Outcome::Passed,
        (End::Status(SKIPPED), Some("SKIP") | None) => Outcome::Skipped(skip_reason(output)),
        (End::Late, _) => Outcome::Failed(format!("out of time; {}", failure(output))),
        (End::Signal(signal), _) => Outcome::Failed(format!("ended by signal {signal}; {}", failure(output))),
        (End::Status(status), _) => Outcome::Failed(format!("status {status}; {}", failure(output))),
    }
}

/// The word the program put behind the subtest's name, or behind nothing if it has no subtests.
fn verdict<'o>(subtest: Option<&str>, output: &'o str) -> Option<&'o str> {
    let start = subtest.map_or_else(String::new, |name| format!("Subtest {name}: "));
    let mut lines = output.lines().filter_map(|line| plain(line).strip_prefix(&start));
    lines.rfind(|rest| subtest.is_some() || rest.starts_with("SUCCESS (")).and_then(|rest| rest.split(' ').next())
}

/// A line without the marks that make it bold on a terminal.
fn plain(line: &str) -> &str {
    line.trim_start_matches("\u{1b}[1m").trim_end_matches("\u{1b}[0m")
}

/// Lines that belong to every run and explain nothing.
const CUSTOMARY: [&str; 9] = [
    "IGT-Version",
    "Using IGT_SRANDOM",
    "Opened device",
    "Starting subtest",
    "Starting dynamic subtest",
    "Dynamic subtest",
    "Subtest",
    "Last errno",
    "Test requirement not met in function",
];

/// What the program said before it skipped.
fn skip_reason(output: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in output.lines().map(|line| plain(line).trim()) {
        if !line.is_empty() && !CUSTOMARY.iter().any(|start| line.starts_with(start)) && !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.join("; ")
}

/// The complaint of a program that says most, or its last line if it made none.
fn failure(output: &str) -> String {
    const COMPLAINTS: [&str; 3] = ["Failed assertion", "Received signal", "CRITICAL"];
    let complaint = COMPLAINTS.iter().find_map(|word| output.lines().find(|line| line.contains(word)));
    let line = complaint.or_else(|| output.lines().rfind(|line| !line.trim().is_empty()));
    let text = line.unwrap_or("it said nothing").trim();
    // The number of the process is another one each time.
    text.split_once("CRITICAL: ").map_or(text, |(_, rest)| rest).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "IGT-Version: 2.5-NO-GIT (x86_64)\nOpened device: /dev/dri/card0\nStarting subtest: once\n";

    #[test]
    fn a_pass_needs_both_the_status_and_the_word() {
        let said = format!("{HEAD}\u{1b}[1mSubtest once: SUCCESS (0.001s)\u{1b}[0m\n");
        assert_eq!(of_igt(Some("once"), End::Status(0), &said), Outcome::Passed);
        assert_eq!(of_igt(Some("once"), End::Status(0), HEAD).kind(), Kind::Failed);
        assert_eq!(of_igt(Some("on"), End::Status(0), &said).kind(), Kind::Failed);
        assert_eq!(of_igt(Some("once"), End::Status(98), &said).kind(), Kind::Failed);
        assert_eq!(of_igt(None, End::Status(0), "IGT-Version: 1\nSUCCESS (0.1s)\n"), Outcome::Passed);
    }

    #[test]
    fn a_skip_keeps_the_programs_words() {
        let said = format!(
            "{HEAD}Test requirement not met in function f, file a.c:3:\nTest requirement: n > 1\nNot enough engines\n\
             Last errno: 2, No such file\nSubtest once: SKIP (0.000s)\n"
        );
        let reason = "Test requirement: n > 1; Not enough engines".to_string();
        assert_eq!(of_igt(Some("once"), End::Status(77), &said), Outcome::Skipped(reason));
    }

    #[test]
    fn a_failure_says_what_was_asserted_or_how_it_ended() {
        let said = format!("{HEAD}(xe_vm:12) CRITICAL: Failed assertion: a == b\nSubtest once: FAIL (0.1s)\n");
        let failed = Outcome::Failed("status 98; Failed assertion: a == b".into());
        assert_eq!(of_igt(Some("once"), End::Status(98), &said), failed);
        assert!(of_igt(Some("once"), End::Late, "").reason().starts_with("out of time; it said nothing"));
        assert!(of_igt(Some("once"), End::Signal(11), HEAD).reason().starts_with("ended by signal 11; "));
    }
}
