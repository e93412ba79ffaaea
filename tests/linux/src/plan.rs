//! What the guest is to do, and what it told of it.

use barexe_clients::outcome::End;

/// One step of the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Load the driver.
    Probe,
    /// Unload it.
    Unload,
    /// From here on a subtest that fails is the guest's last step.
    Fragile,
    /// Run a subtest; its name is empty if the program has none.
    Run { program: String, subtest: String, seconds: u64 },
    /// Run a command of the shell.
    Shell(String),
}

impl Step {
    /// Its line of the plan.
    pub(crate) fn line(&self) -> String {
        match self {
            Self::Probe => "probe".into(),
            Self::Unload => "unload".into(),
            Self::Fragile => "fragile".into(),
            Self::Run { program, subtest, seconds } => {
                let subtest = if subtest.is_empty() { "-" } else { subtest };
                format!("run {program} {subtest} {seconds}")
            }
            Self::Shell(command) => format!("shell {command}"),
        }
    }
}

/// What came of a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// What the program said.
    pub(crate) output: String,
    /// How the step ended; none if it did not.
    pub(crate) status: Option<i32>,
    /// The words behind the status.
    pub(crate) words: String,
    /// The kernel's log meanwhile, with levels.
    pub(crate) log: String,
}

impl Told {
    /// How the program ended. `late`: the status of one that was given no more time.
    pub(crate) fn end(&self) -> End {
        /// A shell's status for a program that a signal ended is so much more than its number.
        const BY_SIGNAL: i32 = 128;
        /// The signal of a program that ran out of time.
        const KILL: i32 = 9;
        match self.status.map(|status| (status, status.saturating_sub(BY_SIGNAL))) {
            None | Some((_, KILL)) => End::Late,
            Some((_, signal @ 1..=64)) => End::Signal(signal),
            Some((status, _)) => End::Status(status),
        }
    }
}

/// What a guest told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Of its steps, in order; fewer than the plan has if it did not come to its end.
    pub(crate) steps: Vec<Told>,
    /// It came to the end of its plan.
    pub(crate) done: bool,
    /// Modules that could not be loaded.
    pub(crate) failed: Vec<String>,
}

const MARK: &str = "@barexe ";

impl Report {
    /// Reads what the guest told so far.
    pub(crate) fn parse(text: &str) -> Self {
        let mut report = Self::default();
        let mut in_log = false;
        let mut open = false;
        for line in text.split_inclusive('\n') {
            // What a program leaves without the end of a line stands before the mark.
            let (before, mark) = match line.find(MARK) {
                Some(at) => line.split_at(at),
                None => (line, ""),
            };
            if let Some(step) = report.steps.last_mut() {
                let to = if in_log { &mut step.log } else { &mut step.output };
                to.push_str(before);
            }
            let mut words = mark.strip_prefix(MARK).unwrap_or_default().trim_end().splitn(2, ' ');
            match (words.next().unwrap_or_default(), words.next().unwrap_or_default()) {
                ("up" | "begin", _) => {
                    report.steps.push(Told::default());
                    open = true;
                }
                ("log", _) => in_log = true,
                ("end", _) => in_log = false,
                ("failed", what) => report.failed.push(what.into()),
                ("done", _) => report.done = true,
                ("ended" | "probed" | "unloaded", rest) => {
                    if !open {
                        report.steps.push(Told::default());
                    }
                    open = false;
                    if let Some(step) = report.steps.last_mut() {
                        let (status, words) = rest.split_once(' ').unwrap_or((rest, ""));
                        (step.status, step.words) = (status.parse().ok(), words.into());
                    }
                }
                _ => {}
            }
            // The first section is of the boot itself.
            if mark.starts_with("@barexe up") {
                open = false;
            }
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = "@barexe up 7.2 1\n@barexe log\n<4>boot\n@barexe end\n@barexe probed 0 card0 renderD128\n\
        @barexe log\n<6>xe\n@barexe end\n@barexe begin xe_vm one\nhello\nno end@barexe ended 139\n@barexe log\n\
        @barexe end\n@barexe begin xe_vm two\nhalf";

    #[test]
    fn steps_are_told_in_order() {
        let report = Report::parse(TOLD);
        let [boot, probe, one, two] = report.steps.as_slice() else { panic!("{report:?}") };
        assert_eq!(boot.log, "<4>boot\n");
        assert_eq!((probe.status, probe.words.as_str(), probe.log.as_str()), (Some(0), "card0 renderD128", "<6>xe\n"));
        assert_eq!((one.output.as_str(), one.end()), ("hello\nno end", End::Signal(11)));
        assert_eq!((two.output.as_str(), two.end(), report.done), ("half", End::Late, false));
    }

    #[test]
    fn a_step_is_one_line() {
        let step = Step::Run { program: "xe_vm".into(), subtest: String::new(), seconds: 5 };
        assert_eq!(step.line(), "run xe_vm - 5");
    }
}
