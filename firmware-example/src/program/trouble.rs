//! How a run may end that does not pass.

use crate::say::{Hex, Show, Sink, pieces};
use barexe_core::Error;
use barexe_hal::conformance::Failure;

/// Why the program did not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A call was refused, or work failed.
    Refused(Error),
    /// Work did not end in time.
    TimedOut,
    /// Something else lies where the GPU should have stored, or where it should not.
    Differs {
        /// Offset in the buffer object.
        offset: u64,
        /// What lies there.
        found: u8,
        /// What should.
        wanted: u8,
    },
    /// The HAL does not keep its contract.
    Rule(Failure),
    /// Not one interrupt message came.
    NoMessages,
    /// Firmware's entries of the GGTT are not what they were.
    FirmwareEntries {
        /// The first that changed.
        entry: u32,
    },
}

impl Trouble {
    /// The program's exit code. 0 is for passing.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(_) => 1,
            Self::TimedOut => 2,
            Self::Differs { .. } => 3,
            Self::Rule(_) => 4,
            Self::NoMessages => 5,
            Self::FirmwareEntries { .. } => 6,
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl Show for Trouble {
    fn show(&self, out: &mut dyn Sink) {
        match self {
            Self::Refused(error) => error.show(out),
            Self::TimedOut => out.text("the work did not end in time"),
            Self::Differs { offset, found, wanted } => {
                let [offset, found, wanted] = [*offset, u64::from(*found), u64::from(*wanted)].map(Hex);
                pieces(out, &[&"wrong byte at offset ", &offset, &": ", &found, &" instead of ", &wanted]);
            }
            Self::Rule(Failure { rule, detail, value }) => {
                pieces(out, &[&"rule ", rule, &": ", detail, &" ", &Hex(*value)]);
            }
            Self::NoMessages => out.text("no interrupt message came"),
            Self::FirmwareEntries { entry } => pieces(out, &[&"firmware's GGTT entry ", entry, &" has changed"]),
        }
    }
}
