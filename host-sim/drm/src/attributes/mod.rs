//! Files beside the node that act: the numbers by which engine classes are scheduled (bind-and-exec sheet §3.10), and
//! resets of a GT.
//!
//! [`Attribute`] says which of a kernel's files one is, by its path; [`Node::show`] and [`Node::store`] are what reading
//! and writing it mean. Where such files lie, and how clients get to them, is for others.

mod code;
mod number;
mod scheduling;

pub(crate) use scheduling::Classes;
pub use scheduling::{Field, PROPERTIES, Property};

use crate::node::{Node, Refusal};
use barexe_core::Error;
use barexe_core::gt::EngineClass;
use core::time::Duration;

/// A file that acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// A number that steers scheduling of an engine class on a GT.
    Scheduling {
        /// GT, as clients name it.
        gt: u8,
        /// Class.
        class: EngineClass,
        /// Which number.
        property: Property,
        /// It, or one of its limits.
        field: Field,
        /// What it was at the start, which nobody changes.
        start: bool,
    },
    /// A GT is reset by reading it, or by writing a yes.
    Reset {
        /// GT, as clients name it.
        gt: u8,
        /// It is over when that returns.
        wait: bool,
    },
}

/// Engine classes that clients may use, by their short names.
pub const CLASSES: [(EngineClass, &str); 5] = [
    (EngineClass::Render, "rcs"),
    (EngineClass::Copy, "bcs"),
    (EngineClass::VideoDecode, "vcs"),
    (EngineClass::VideoEnhance, "vecs"),
    (EngineClass::Compute, "ccs"),
];

/// The folder of what the numbers were at the start.
pub const START: &str = ".defaults";
/// Files by which a GT is reset, and whether that is over when they are written.
pub const RESETS: [(&str, bool); 2] = [("force_reset", false), ("force_reset_sync", true)];
/// Time between two looks at a reset that goes on.
const LOOK: Duration = Duration::from_micros(50);

impl Attribute {
    /// The file with this path, which is absolute and leads through no symbolic link.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        let (folder, name) = path.rsplit_once('/')?;
        if let Some((_, wait)) = RESETS.iter().find(|(known, _)| *known == name) {
            return Some(Self::Reset { gt: gt_of(folder)?, wait: *wait });
        }
        let (gt, class) = folder.split_once("/engines/")?;
        let (class, start) = match class.strip_suffix(START) {
            Some(class) => (class.strip_suffix('/')?, true),
            None => (class, false),
        };
        let class = CLASSES.iter().find(|(_, known)| *known == class)?.0;
        let (property, field) = Property::named(name)?;
        Some(Self::Scheduling { gt: gt_of(gt)?, class, property, field, start })
    }

    /// Nobody may write it, whoever it is.
    #[must_use]
    pub const fn is_read_only(self) -> bool {
        matches!(self, Self::Scheduling { start: true, .. })
    }
}

fn gt_of(folder: &str) -> Option<u8> {
    folder.rsplit_once("/gt")?.1.parse().ok()
}

impl Node {
    /// What is read in it.
    ///
    /// # Errors
    /// ENOENT: the device has no such class or GT; those of a reset.
    pub fn show(&self, attribute: Attribute) -> Result<String, Refusal> {
        match attribute {
            Attribute::Scheduling { gt, class, property, field, start } => {
                let state = self.lock();
                let value = state.classes.show(&state.device, (gt, class), (property, field), start);
                Ok(format!("{}\n", value.ok_or(Refusal(libc::ENOENT))?))
            }
            Attribute::Reset { gt, wait } => self.reset(gt, wait).map(|()| String::new()),
        }
    }

    /// Somebody writes to it.
    ///
    /// # Errors
    /// EINVAL: that is no number, or out of its limits; ERANGE: no 32 bits hold it; EACCES: nobody may write here;
    /// ENOENT as in [`show`](Self::show); those of a reset.
    pub fn store(&self, attribute: Attribute, text: &[u8]) -> Result<(), Refusal> {
        match attribute {
            Attribute::Scheduling { start: true, .. } => Err(Refusal(libc::EACCES)),
            Attribute::Scheduling { gt, class, property, field, start: false } => {
                let value = number::parse(text)?;
                let mut state = self.lock();
                let crate::node::State { classes, device, .. } = &mut *state;
                classes.store(device, (gt, class), (property, field), value)
            }
            Attribute::Reset { gt, wait } if number::is_yes(text)? => self.reset(gt, wait),
            Attribute::Reset { .. } => Ok(()),
        }
    }

    /// Resets a GT. One that goes on already is as good.
    fn reset(&self, gt: u8, wait: bool) -> Result<(), Refusal> {
        let begun = self.lock().device.reset_gt(gt.into());
        match begun {
            Ok(()) | Err(Error::Again) => {}
            Err(error) => return Err(error.into()),
        }
        self.doorbell.ring();
        while wait && self.lock().device.is_resetting() {
            if !self.step().moved {
                std::thread::sleep(LOOK);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
