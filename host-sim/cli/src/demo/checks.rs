//! What had to come of it.

use super::batch::{self, COPIED, offset};
use super::script::Seen;
use crate::hex;
use crate::machine::Leftover;
use barexe_core::device::TicketState;
use std::io::{self, Write};

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub what: String,
    /// What had to be.
    pub expected: String,
    /// What is.
    pub found: String,
    /// They are the same.
    pub passed: bool,
}

impl Check {
    fn equal(what: &str, expected: impl Into<String>, found: impl Into<String>) -> Self {
        let (expected, found) = (expected.into(), found.into());
        Self { what: String::from(what), passed: expected == found, expected, found }
    }

    /// A check that could not even be made.
    #[must_use]
    pub fn failed(what: &str, expected: &str, found: String) -> Self {
        Self { what: String::from(what), expected: String::from(expected), found, passed: false }
    }

    /// Bytes of the data object. The first that differs is shown with its offset.
    fn bytes(what: &str, at: u64, expected: &[u8], data: &[u8]) -> Self {
        let start = usize::try_from(at).unwrap_or(usize::MAX);
        let found = data.get(start..).unwrap_or_default();
        let wrong = expected.iter().enumerate().find(|(index, byte)| found.get(*index) != Some(byte));
        let shown = |bytes: &[u8], from: usize| hex::show(bytes.get(from..expected.len()).unwrap_or_default());
        match wrong {
            None => Self::equal(what, shown(expected, 0), shown(expected, 0)),
            Some((index, _)) => Self {
                what: format!("{what}, at offset {:#x} of the data", start + index),
                expected: shown(expected, index),
                found: shown(found, index),
                passed: false,
            },
        }
    }
}

/// A number in the data object.
fn number<const N: usize>(what: &str, at: u64, expected: u64, data: &[u8]) -> Check {
    let bytes = data.get(usize::try_from(at).unwrap_or(usize::MAX)..).and_then(<[u8]>::first_chunk::<N>);
    let mut wide = [0; 8];
    wide.iter_mut().zip(bytes.into_iter().flatten()).for_each(|(to, from)| *to = *from);
    Check::equal(what, format!("{expected:#x}"), format!("{:#x}", u64::from_le_bytes(wide)))
}

/// All checks.
#[must_use]
pub fn all(seen: &Seen, leftover: &Leftover) -> Vec<Check> {
    let [bound, ran] = seen.signalled.map(|signalled| if signalled { "signalled" } else { "not signalled" });
    let guard = [0; 8];
    let after_copy = offset::COPY + u64::from(COPIED);
    let data = |what: &str, at: u64, expected: &[u8]| Check::bytes(what, at, expected, &seen.data);
    let mut checks = vec![
        Check::equal("bind", "done", state(seen.bind)),
        Check::equal("bind's sync object", "signalled", bound),
        Check::equal("exec", "done", state(seen.exec)),
        Check::equal("exec's sync object", "signalled", ran),
        number::<8>("exec's user fence", offset::FENCE, batch::FENCE, &seen.data),
        number::<4>("32-bit store", offset::MARK, u64::from(batch::MARK), &seen.data),
        number::<8>("64-bit store", offset::WIDE, batch::WIDE, &seen.data),
        data("copied bytes", offset::COPY, &batch::copied()),
        data("bytes before the copy", offset::COPY - 8, &guard),
        data("bytes after the copy", after_copy, &guard),
    ];
    checks.extend(of_leftover(leftover));
    checks
}

/// What is checked once the device is closed.
#[must_use]
pub fn of_leftover(leftover: &Leftover) -> Vec<Check> {
    let none = |items: &[String]| if items.is_empty() { String::from("none") } else { items.join("; ") };
    let halted: Vec<_> = leftover.halted.iter().map(|(engine, why)| format!("{engine}: {why}")).collect();
    vec![
        Check::equal("hardware rules broken", "none", none(&leftover.violations)),
        Check::equal("engines stopped", "none", none(&halted)),
        Check::equal(
            "buffers that came back after close",
            format!("{0} of {0}", leftover.buffers_given),
            format!("{} of {}", leftover.buffers_returned, leftover.buffers_given),
        ),
    ]
}

fn state(state: TicketState) -> String {
    match state {
        TicketState::Pending => String::from("not over"),
        TicketState::Done => String::from("done"),
        TicketState::Failed(error) => format!("failed: {error}"),
    }
}

/// Prints checks, and how many passed.
///
/// # Errors
/// What printing met.
pub fn print(checks: &[Check], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "Checks")?;
    let width = checks.iter().map(|check| check.what.len()).max().unwrap_or(0);
    for Check { what, expected, found, passed } in checks {
        if *passed {
            writeln!(out, "  ok     {what:<width$}  {found}")?;
        } else {
            writeln!(out, "  WRONG  {what:<width$}  expected {expected}, found {found}")?;
        }
    }
    let passed = checks.iter().filter(|check| check.passed).count();
    writeln!(out, "\n{passed} of {} checks passed", checks.len())
}

#[cfg(test)]
mod tests {
    use super::super::batch::DATA_BYTES;
    use super::*;
    use barexe_core::Error;

    fn leftover() -> Leftover {
        Leftover { violations: vec![], halted: vec![], buffers_given: 7, buffers_returned: 7 }
    }

    type Change = fn(&mut Seen, &mut Leftover);

    /// What a run that went well leaves.
    fn seen() -> Seen {
        let mut data = vec![0; usize::try_from(DATA_BYTES).unwrap()];
        let mut put =
            |at: u64, bytes: &[u8]| data[usize::try_from(at).unwrap()..][..bytes.len()].copy_from_slice(bytes);
        put(offset::SOURCE, &batch::copied());
        put(offset::COPY, &batch::copied());
        put(offset::WIDE, &batch::WIDE.to_le_bytes());
        put(offset::FENCE, &batch::FENCE.to_le_bytes());
        Seen { bind: TicketState::Done, exec: TicketState::Done, signalled: [true; 2], data }
    }

    /// Names of the checks that fail once something was changed.
    fn failing(change: impl FnOnce(&mut Seen, &mut Leftover)) -> Vec<String> {
        let (mut seen, mut leftover) = (seen(), leftover());
        change(&mut seen, &mut leftover);
        all(&seen, &leftover).into_iter().filter(|check| !check.passed).map(|check| check.what).collect()
    }

    #[test]
    fn a_good_run_passes_and_every_byte_that_was_to_be_written_counts() {
        assert_eq!(failing(|_, _| {}), Vec::<String>::new());
        let copy = offset::COPY..offset::COPY + u64::from(COPIED);
        let written = copy.chain(offset::WIDE..offset::WIDE + 8).chain(offset::FENCE..offset::FENCE + 8);
        for at in written.chain(offset::MARK..offset::MARK + 4).chain([offset::COPY - 1, offset::COPY + 0x1000]) {
            let wrong = failing(|seen, _| seen.data[usize::try_from(at).unwrap()] ^= 1);
            assert_eq!(wrong.len(), 1, "{at:#x}: {wrong:?}");
        }
    }

    #[test]
    fn the_first_wrong_byte_of_a_copy_is_named() {
        let wrong = failing(|seen, _| seen.data[0x4123] = 0);
        assert_eq!(wrong, ["copied bytes, at offset 0x4123 of the data"]);
    }

    #[test]
    fn states_rules_and_buffers_count() {
        let rows: [(&str, Change); 6] = [
            ("bind", |seen, _| seen.bind = TicketState::Failed(Error::Canceled)),
            ("exec", |seen, _| seen.exec = TicketState::Pending),
            ("exec's sync object", |seen, _| seen.signalled[1] = false),
            ("hardware rules broken", |_, left| {
                left.violations = vec![String::from("a register while its domain sleeps")]
            }),
            ("engines stopped", |_, left| left.halted.push((String::from("bcs0"), String::from("fault")))),
            ("buffers that came back after close", |_, left| left.buffers_returned -= 1),
        ];
        for (what, change) in rows {
            assert_eq!(failing(change), [what]);
        }
    }
}
