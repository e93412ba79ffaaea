//! A file that acts as one number, for messages.

use super::scheduling::FIELDS;
use super::{Attribute, CLASSES, PROPERTIES};

/// Bytes from the lowest on: 0, GT, class, number, which of its files, of the start; or 1, GT, wait.
const SCHEDULING: u8 = 0;
const RESET: u8 = 1;

impl Attribute {
    /// Its number.
    #[must_use]
    pub fn code(self) -> u64 {
        u64::from_le_bytes(match self {
            Self::Scheduling { gt, class, property, field, start } => {
                let class = place(CLASSES.iter().position(|(known, _)| *known == class));
                let property = place(PROPERTIES.iter().position(|(known, ..)| *known == property));
                let field = place(FIELDS.iter().position(|known| *known == field));
                [SCHEDULING, gt, class, property, field, u8::from(start), 0, 0]
            }
            Self::Reset { gt, wait } => [RESET, gt, u8::from(wait), 0, 0, 0, 0, 0],
        })
    }

    /// The file of a number, if it is that of one.
    #[must_use]
    pub fn of_code(code: u64) -> Option<Self> {
        match code.to_le_bytes() {
            [SCHEDULING, gt, class, property, field, start, 0, 0] => {
                let (class, _) = *CLASSES.get(usize::from(class))?;
                let (property, ..) = *PROPERTIES.get(usize::from(property))?;
                let field = *FIELDS.get(usize::from(field))?;
                Some(Self::Scheduling { gt, class, property, field, start: flag(start)? })
            }
            [RESET, gt, wait, 0, 0, 0, 0, 0] => Some(Self::Reset { gt, wait: flag(wait)? }),
            _ => None,
        }
    }
}

/// Where it stands in its table; none stands at the last number.
fn place(found: Option<usize>) -> u8 {
    found.and_then(|found| u8::try_from(found).ok()).unwrap_or(u8::MAX)
}

const fn flag(byte: u8) -> Option<bool> {
    match byte {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}
