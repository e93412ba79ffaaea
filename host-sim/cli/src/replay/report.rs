//! What a replay found.

use crate::hex;
use core::fmt;
use serde::Serialize;

/// Differences that are listed; all are counted.
const LISTED: usize = 40;

/// One thing that is not as recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Line of the event.
    pub event: usize,
    /// What differs: `BO 3`, `XE_EXEC return value`.
    pub object: String,
    /// Where in it, in bytes, if it is a place.
    pub offset: Option<u64>,
    /// What the recording has.
    pub expected: String,
    /// What there is.
    pub found: String,
}

/// The result of one replay.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Program and subtest.
    pub client: String,
    /// Platform.
    pub platform: String,
    /// Calls of the recording, repeats included.
    pub calls: u64,
    /// Those of them that belong to the layer around the core and were passed over.
    pub passed_over: u64,
    /// Bytes that had to be equal: of GPU results and of outputs.
    pub compared_bytes: u64,
    /// Things that differ.
    pub differences: u64,
    /// The first of them.
    pub listed: Vec<Difference>,
}

/// The line for programs.
#[derive(Serialize)]
struct Line<'a> {
    client: &'a str,
    calls: u64,
    compared_bytes: u64,
    differences: u64,
}

impl Report {
    /// Notes a difference.
    pub fn add(&mut self, difference: Difference) {
        self.differences += 1;
        if self.listed.len() < LISTED {
            self.listed.push(difference);
        }
    }

    /// Notes that something that is no place differs.
    pub fn differs(
        &mut self,
        event: usize,
        object: impl Into<String>,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) {
        let (expected, found) = (expected.to_string(), found.to_string());
        self.add(Difference { event, object: object.into(), offset: None, expected, found });
    }

    /// Compares bytes, those that `counts` is true for; each contiguous stretch that differs is one difference.
    /// `offset` is that of the first byte.
    pub fn compare(
        &mut self,
        event: usize,
        object: &str,
        offset: u64,
        (expected, found): (&[u8], &[u8]),
        counts: impl Fn(usize) -> bool,
    ) {
        let differs = |at: usize| counts(at) && expected.get(at) != found.get(at);
        self.compared_bytes += (0..expected.len()).filter(|at| counts(*at)).count() as u64;
        let mut at = 0;
        while at < expected.len() {
            let len = (at..expected.len()).take_while(|at| differs(*at)).count();
            if len > 0 {
                let there = found.get(at..found.len().min(at + len)).unwrap_or_default();
                let nothing = String::from("nothing");
                self.add(Difference {
                    event,
                    object: String::from(object),
                    offset: Some(offset + at as u64),
                    expected: hex::show(expected.get(at..at + len).unwrap_or_default()),
                    found: if there.is_empty() { nothing } else { hex::show(there) },
                });
            }
            at += len.max(1);
        }
    }

    /// One line of JSON, without spaces.
    #[must_use]
    pub fn json(&self) -> String {
        let Self { client, calls, compared_bytes, differences, .. } = self;
        let (calls, compared_bytes, differences) = (*calls, *compared_bytes, *differences);
        // A struct of a string and numbers always has a JSON form.
        serde_json::to_string(&Line { client, calls, compared_bytes, differences }).unwrap_or_default()
    }

    /// The differences as a table.
    #[must_use]
    pub fn table(&self) -> String {
        let offset = |difference: &Difference| difference.offset.map_or_else(|| String::from("-"), |at| at.to_string());
        let mut rows = vec![["event", "object", "offset", "expected", "found"].map(String::from)];
        rows.extend(self.listed.iter().map(|difference| {
            let Difference { event, object, expected, found, .. } = difference.clone();
            [event.to_string(), object, offset(difference), expected, found]
        }));
        let mut text = columns(&rows);
        let more = self.differences.saturating_sub(self.listed.len() as u64);
        if more > 0 {
            text.push_str(&format!("and {more} more\n"));
        }
        text
    }
}

/// Rows of text, aligned by column.
fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; N]| {
        let cells: Vec<_> = widths.iter().zip(row).map(|(width, cell)| format!("{cell:<width$}")).collect();
        format!("  {}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} on a simulated {}", self.client, self.platform)?;
        let made = self.calls.saturating_sub(self.passed_over);
        write!(f, "  {} calls: {made} made", self.calls)?;
        if self.passed_over > 0 {
            write!(f, ", {} of the DRM layer passed over", self.passed_over)?;
        }
        let plural = if self.differences == 1 { "" } else { "s" };
        writeln!(f, "\n  {} bytes compared, {} difference{plural}", self.compared_bytes, self.differences)?;
        if self.differences > 0 {
            f.write_str(&self.table())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stretch_of_wrong_bytes_is_one_difference_and_masked_ones_are_none() {
        let mut report = Report::default();
        report.compare(7, "BO 1", 100, (&[1, 2, 3, 4, 5, 6], &[1, 9, 9, 4, 9, 6]), |at| at != 4);
        assert_eq!((report.compared_bytes, report.differences), (5, 1));
        let difference = &report.listed[0];
        assert_eq!((difference.event, difference.offset), (7, Some(101)));
        assert_eq!((difference.expected.as_str(), difference.found.as_str()), ("0203", "0909"));
    }

    #[test]
    fn bytes_that_are_not_there_differ() {
        let mut report = Report::default();
        report.compare(1, "BO 1", 0, (&[1, 2, 3], &[1]), |_| true);
        assert_eq!((report.differences, report.listed[0].found.as_str()), (1, "nothing"));
    }

    #[test]
    fn the_line_for_programs_has_no_spaces() {
        let report = Report { client: String::from("a/b"), calls: 3, ..Report::default() };
        assert_eq!(report.json(), r#"{"client":"a/b","calls":3,"compared_bytes":0,"differences":0}"#);
    }

    #[test]
    fn all_are_counted_and_the_first_are_listed() {
        let mut report = Report::default();
        for event in 0..100 {
            report.differs(event, "XE_EXEC return value", 0, -22);
        }
        assert_eq!((report.differences, report.listed.len()), (100, LISTED));
        assert!(report.to_string().contains("and 60 more"), "{report}");
    }
}
