//! What a text that is written to a file of numbers means, and which numbers it may hold.

use crate::tree::{Limits, SCHEDULING};

/// Which of three files of [`SCHEDULING`] is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// The number.
    Value,
    /// Its lower limit.
    Lower,
    /// Its upper limit.
    Upper,
}

/// The file of this name.
pub(crate) fn scheduling(name: &str) -> Option<(&'static Limits, Which)> {
    SCHEDULING.iter().find_map(|limits| {
        let names = [(limits.name, Which::Value), (limits.lower_name, Which::Lower), (limits.upper_name, Which::Upper)];
        names.into_iter().find(|(other, _)| *other == name).map(|(_, which)| (limits, which))
    })
}

/// The number that a text is, in any of the three notations of C, with or without a line end; why not, as an error number.
pub(crate) fn number(text: &[u8]) -> Result<u32, i32> {
    let text = core::str::from_utf8(text).map_err(|_| libc::EINVAL)?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_prefix('+').unwrap_or(text);
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (text.get(2..).unwrap_or_default(), 16),
        [b'0', _, ..] => (text.get(1..).unwrap_or_default(), 8),
        _ => (text, 10),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err(libc::EINVAL);
    }
    u32::from_str_radix(digits, radix).map_err(|_| libc::ERANGE)
}

impl Limits {
    /// Whether one of the three may become `to`, with the limits that are set now.
    pub(crate) fn allow(&self, which: Which, to: u64, (lower, upper): (u64, u64)) -> bool {
        let hardware = self.lower..=self.upper;
        match which {
            Which::Value => (lower..=upper).contains(&to),
            Which::Lower => to <= upper && hardware.contains(&to),
            Which::Upper => to >= lower && hardware.contains(&to),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_system_reads_them() {
        for (text, want) in [("5", 5), ("5000\n", 5000), ("0x10\n", 16), ("010", 8), ("0", 0), ("+7", 7)] {
            assert_eq!(number(text.as_bytes()), Ok(want), "{text:?}");
        }
        for text in ["", "\n", "-1", "5 ", "five", "0x", "08", "5\n\n", "++1"] {
            assert_eq!(number(text.as_bytes()), Err(libc::EINVAL), "{text:?}");
        }
        assert_eq!(number(b"4294967296"), Err(libc::ERANGE));
        assert_eq!(number(&[0xFF, 0xFE]), Err(libc::EINVAL));
    }

    #[test]
    fn each_of_the_three_stays_on_its_side_of_the_others() {
        let (limits, which) = scheduling("timeslice_duration_us").unwrap();
        assert_eq!(which, Which::Value);
        assert_eq!(scheduling("timeslice_duration_max").map(|found| found.1), Some(Which::Upper));
        assert!(scheduling("uevent").is_none());
        let allow = |which, to| limits.allow(which, to, (10, 20));
        assert_eq!([9, 10, 20, 21].map(|to| allow(Which::Value, to)), [false, true, true, false]);
        assert_eq!([0, 1, 20, 21].map(|to| allow(Which::Lower, to)), [false, true, true, false]);
        assert_eq!([9, 10, 10_000_000, 10_000_001].map(|to| allow(Which::Upper, to)), [false, true, true, false]);
    }
}
