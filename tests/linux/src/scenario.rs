//! A fault in the device, what the guest does meanwhile, and what must come of it: a file beside the plan of the fault.
//!
//! ```text
//! on tgl guc
//! probe
//! run xe_exec_basic@once-basic passed
//! run xe_exec_basic@twice-basic failed
//!   log Timedout job
//! unload
//! ```
//!
//! Steps are done in order. A subtest has `passed`, `failed` or `skipped`, or has `ended`, with or without success.
//! Loading and unloading must succeed, and a `shell` command, too. `log` names a piece of what the kernel must say
//! during the step above, and it may warn then; where there is none it may not, but for `may-warn`. What follows `#` at
//! the start of a line is for readers.

use crate::log::{WARNINGS, crashes, warnings};
use crate::plan::{Step, Told};
use crate::platform::{Mode, PlatformName};
use barexe_clients::outcome::{End, Kind, of_igt};
use clap::ValueEnum as _;

/// The whole of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scenario {
    /// Where.
    pub(crate) platform: PlatformName,
    /// How the driver gives work to the device.
    pub(crate) mode: Mode,
    /// What happens, in order.
    pub(crate) stages: Vec<Stage>,
}

/// A step and what must come of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stage {
    /// The step.
    pub(crate) step: Step,
    /// How a subtest must end: none if it must only end.
    outcome: Option<Kind>,
    /// Pieces of what the kernel must say.
    says: Vec<String>,
    /// The kernel may warn.
    may_warn: bool,
}

impl Scenario {
    /// Reads a file. `seconds`: longest time of a subtest.
    pub(crate) fn parse(text: &str, seconds: u64) -> Result<Self, String> {
        let mut place = None;
        let mut stages: Vec<Stage> = Vec::new();
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            let wrong = || format!("line {number}: {line:?}");
            let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
            match (verb, stages.last_mut()) {
                ("" | "#", _) => {}
                ("on", _) => place = Some(self::place(rest).ok_or_else(wrong)?),
                ("may-warn", Some(stage)) if rest.is_empty() => stage.may_warn = true,
                ("log", Some(stage)) if !rest.is_empty() => stage.says.push(rest.trim().into()),
                _ => stages.push(Stage::parse(verb, rest.trim(), seconds).ok_or_else(wrong)?),
            }
        }
        let (platform, mode) = place.ok_or("no line says \"on PLATFORM MODE\"")?;
        Ok(Self { platform, mode, stages })
    }
}

fn place(text: &str) -> Option<(PlatformName, Mode)> {
    let (platform, mode) = text.split_once(' ')?;
    Some((PlatformName::from_str(platform, false).ok()?, Mode::from_str(mode.trim(), false).ok()?))
}

impl Stage {
    fn parse(verb: &str, rest: &str, seconds: u64) -> Option<Self> {
        let stage = |step, outcome| Some(Self { step, outcome, says: Vec::new(), may_warn: false });
        match (verb, rest) {
            ("probe", "") => stage(Step::Probe, None),
            ("unload", "") => stage(Step::Unload, None),
            ("shell", command) if !command.is_empty() => stage(Step::Shell(command.into()), None),
            ("run", what) => {
                let (name, outcome) = what.split_once(' ')?;
                let (program, subtest) = name.split_once('@')?;
                let outcome = match outcome.trim() {
                    "passed" => Some(Kind::Passed),
                    "failed" => Some(Kind::Failed),
                    "skipped" => Some(Kind::Skipped),
                    "ended" => None,
                    _ => return None,
                };
                stage(Step::Run { program: program.into(), subtest: subtest.into(), seconds }, outcome)
            }
            _ => None,
        }
    }

    /// What is not as it must be.
    pub(crate) fn objections(&self, told: &Told) -> Vec<String> {
        let mut all: Vec<String> = self.ended_wrong(told).into_iter().collect();
        let unsaid = self.says.iter().filter(|piece| !told.log.contains(piece.as_str()));
        all.extend(unsaid.map(|piece| format!("the kernel does not say {piece:?}")));
        let bad = if self.says.is_empty() && !self.may_warn { warnings(&told.log) } else { crashes(&told.log) };
        all.extend(bad.into_iter().take(WARNINGS).map(|text| format!("the kernel's log: {text}")));
        all
    }

    fn ended_wrong(&self, told: &Told) -> Option<String> {
        let Step::Run { subtest, .. } = &self.step else {
            let no_node = self.step == Step::Probe && !told.words.contains("renderD");
            return match told.status {
                Some(0) if no_node => Some("no node appeared".into()),
                Some(0) => None,
                Some(status) => Some(format!("status {status}")),
                None => Some("it did not end".into()),
            };
        };
        let outcome = of_igt(Some(subtest), told.end(), &told.output);
        let said = format!("{:?} {}", outcome.kind(), outcome.reason());
        match self.outcome {
            _ if told.end() == End::Late => Some(said),
            Some(kind) => (outcome.kind() != kind).then_some(said),
            None => (outcome.kind() == Kind::Skipped).then_some(said),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# why\non tgl guc\nprobe\nrun xe_vm@a failed\n  log Engine reset\n  log ban\n\
        run xe_vm@b ended\nshell echo hello\nunload\n";

    fn told(status: i32, output: &str, log: &str) -> Told {
        Told { status: Some(status), output: output.into(), log: log.into(), words: "renderD128".into() }
    }

    #[test]
    fn a_file_is_steps_and_what_must_come_of_them() {
        let scenario = Scenario::parse(FILE, 7).unwrap();
        assert_eq!((scenario.platform, scenario.mode), (PlatformName::Tgl, Mode::Guc));
        let lines: Vec<String> = scenario.stages.iter().map(|stage| stage.step.line()).collect();
        assert_eq!(lines, ["probe", "run xe_vm a 7", "run xe_vm b 7", "shell echo hello", "unload"]);
        assert_eq!(scenario.stages[1].says, ["Engine reset", "ban"]);
    }

    #[test]
    fn what_makes_no_sense_is_named_with_its_line() {
        for (text, part) in [
            ("probe\n", "on PLATFORM MODE"),
            ("on tgl guc\nrun xe_vm@a\n", "line 2"),
            ("on tgl guc\nrun xe_vm@a maybe\n", "line 2"),
            ("on hsw guc\n", "line 1"),
            ("on tgl guc\n\nlog x\n", "line 3"),
            ("on tgl guc\nprobe twice\n", "line 2"),
        ] {
            let error = Scenario::parse(text, 1).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_step_is_held_to_its_end_and_to_what_the_kernel_says() {
        let stages = Scenario::parse(FILE, 7).unwrap().stages;
        let passed = "Subtest a: SUCCESS (0s)\nSubtest b: SUCCESS (0s)\n";
        let count = |stage: usize, told: &Told| stages[stage].objections(told).len();
        assert_eq!(count(1, &told(98, "", "<5>Engine reset\n<4>ban\n")), 0, "a warning among what must be said");
        assert_eq!(count(1, &told(98, "", "<5>Engine reset\n<4>ban\n<1>BUG: kernel NULL pointer\n")), 1);
        assert_eq!(count(1, &told(0, passed, "<5>Engine reset\n")), 2, "it passed, and one piece is missing");
        assert_eq!(count(1, &told(137, "", "<5>Engine reset\n<4>ban\n")), 1, "out of time is no failure");
        assert_eq!((count(2, &told(98, "", "")), count(2, &told(0, passed, ""))), (0, 0), "it has ended");
        assert_eq!(count(2, &told(77, "Subtest b: SKIP (0s)\n", "")), 1, "it was not tried");
        assert_eq!(count(2, &told(0, passed, "<4>careful\n")), 1);
        let lenient = Scenario::parse("on tgl guc\nunload\n  may-warn\n", 7).unwrap().stages.remove(0);
        assert!(lenient.objections(&told(0, "", "<4>careful\n")).is_empty());
        assert_eq!(lenient.objections(&told(0, "", "<1>Oops: 0002\n")).len(), 1);
        assert_eq!((count(4, &told(0, "", "")), count(4, &told(1, "", ""))), (0, 1));
        let bare = Told { words: "card0".into(), ..told(0, "", "") };
        assert_eq!((count(0, &told(0, "", "")), count(0, &bare)), (0, 1));
    }
}
