//! The programs: where they are, what subtests they have, how one is started and judged.

use barexe_clients::outcome::{End, Outcome, of_igt};

/// Folder of IGT's test programs.
const IGT: &str = "/usr/libexec/igt-gpu-tools";

/// A program that is no test of IGT: it has one subtest, which passes if it ends with 0 and shows the device.
#[derive(Debug)]
struct Application {
    name: &'static str,
    /// What it does, as the name of its one subtest.
    subtest: &'static str,
    command: &'static [&'static str],
    /// What it prints if it found an Intel GPU; not told apart by case. `{id}` stands for the device id, four digits.
    shows: &'static str,
}

const APPLICATIONS: [Application; 3] = [
    Application {
        name: "vulkaninfo",
        subtest: "summary",
        command: &["/usr/bin/vulkaninfo", "--summary"],
        shows: "deviceID           = 0x{id}",
    },
    Application { name: "clinfo", subtest: "list", command: &["/usr/bin/clinfo", "-l"], shows: "Device #0: Intel" },
    Application {
        name: "level-zero",
        subtest: "enumerate",
        command: &["/run/barexe/bin/level-zero"],
        shows: "device 8086:{id}",
    },
];

/// A program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program<'n> {
    name: &'n str,
    application: Option<&'static Application>,
}

/// A command line.
pub(crate) type Command = Vec<String>;

impl<'n> Program<'n> {
    /// The program of a name.
    pub(crate) fn named(name: &'n str) -> Self {
        Self { name, application: APPLICATIONS.iter().find(|application| application.name == name) }
    }

    /// The command that lists its subtests, or what they are. The command ends with 0.
    pub(crate) fn list(&self) -> Result<Command, Vec<String>> {
        match self.application {
            Some(application) => Err(vec![application.subtest.into()]),
            None => Ok(vec![format!("{IGT}/{}", self.name), "--list-subtests".into()]),
        }
    }

    /// The command that runs one of them; the empty name is that of a program without subtests.
    pub(crate) fn run(&self, subtest: &str) -> Command {
        match self.application {
            Some(application) => application.command.iter().map(ToString::to_string).collect(),
            None if subtest.is_empty() => vec![format!("{IGT}/{}", self.name)],
            None => vec![format!("{IGT}/{}", self.name), "--run-subtest".into(), subtest.into()],
        }
    }

    /// How it went. `device`: device id, four digits.
    pub(crate) fn judge(&self, subtest: &str, device: &str, end: End, output: &str) -> Outcome {
        let Some(application) = self.application else {
            return of_igt((!subtest.is_empty()).then_some(subtest), end, output);
        };
        let shows = application.shows.replace("{id}", device).to_lowercase();
        match end {
            End::Status(0) if output.to_lowercase().contains(&shows) => Outcome::Passed,
            End::Status(0) => Outcome::Failed(format!("ended well, but does not show {shows:?}")),
            End::Status(status) => Outcome::Failed(format!("status {status}")),
            End::Signal(signal) => Outcome::Failed(format!("ended by signal {signal}")),
            End::Late => Outcome::Failed("out of time".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_must_end_well_and_show_the_device() {
        let vulkan = Program::named("vulkaninfo");
        assert_eq!(vulkan.list(), Err(vec!["summary".to_string()]));
        let output = "\tdeviceID           = 0x9A49\n";
        assert_eq!(vulkan.judge("summary", "9a49", End::Status(0), output), Outcome::Passed);
        assert_ne!(vulkan.judge("summary", "64a0", End::Status(0), output), Outcome::Passed);
        assert_ne!(vulkan.judge("summary", "9a49", End::Status(1), output), Outcome::Passed);
        assert_ne!(vulkan.judge("summary", "9a49", End::Signal(11), output), Outcome::Passed);
    }

    #[test]
    fn a_test_program_is_told_which_subtest() {
        let vm = Program::named("xe_vm");
        let list = vm.list().unwrap();
        assert_eq!(list, ["/usr/libexec/igt-gpu-tools/xe_vm", "--list-subtests"]);
        assert_eq!(vm.run("bind-once").last().unwrap(), "bind-once");
        assert_eq!(vm.run("").len(), 1);
    }
}
