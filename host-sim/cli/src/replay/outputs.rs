//! Comparing what a call gave with what it gave when it was recorded.

use super::calls::{CallKind, Output, Rule, nr};
use super::ids::{dword, qword};
use super::queries;
use super::report::Report;
use crate::recording::Call;

/// One call that was made and succeeded both times.
#[derive(Debug)]
pub struct Made<'c> {
    /// Line.
    pub event: usize,
    /// As recorded.
    pub call: &'c Call,
    /// What the tables say about it.
    pub kind: CallKind,
    /// The struct that was given, with own ids.
    pub given: &'c [u8],
    /// The struct after the call.
    pub got: &'c [u8],
}

/// Whether a request's struct is copied back to the client.
const fn copies_back(request: u32) -> bool {
    request >> 31 != 0
}

impl Made<'_> {
    /// Judges the argument struct: its output field by the rule, everything else by whether it changed.
    pub fn judge_struct(&self, report: &mut Report) {
        if !copies_back(self.call.request_code()) {
            return;
        }
        self.judge_rest(report);
        if let Some(output) = &self.kind.output {
            self.judge_output(output, report);
        }
    }

    /// Bytes that are no output are as they were given, or as the recording has them changed.
    fn judge_rest(&self, report: &mut Report) {
        let is_output =
            |at: usize| self.kind.output.is_some_and(|out| (out.offset..out.offset + out.len).contains(&at));
        let (before, after) = (&self.call.input.0, self.call.output());
        let changed = |at: usize| before.get(at) != after.get(at);
        let expected: Vec<u8> = (0..after.len())
            .map(|at| if changed(at) { after.get(at) } else { self.given.get(at) })
            .map(|byte| byte.copied().unwrap_or_default())
            .collect();
        let object = format!("{} struct", self.call.name);
        let counted = report.compared_bytes;
        report.compare(self.event, &object, 0, (&expected, self.got), |at| !is_output(at));
        // They are no outputs, so they do not count as compared.
        report.compared_bytes = counted;
    }

    fn judge_output(&self, output: &Output, report: &mut Report) {
        if self.call.volatile.iter().any(|field| field == output.field) && output.rule != Rule::TimeLeft {
            return;
        }
        match output.rule {
            Rule::Equal => self.judge_equal(output, report),
            Rule::EqualUnless { flags, bit } => {
                if dword(self.given, flags).is_some_and(|flags| flags & bit == 0) {
                    self.judge_equal(output, report);
                }
            }
            Rule::QuerySize => {
                let query = dword(self.given, queries::QUERY).unwrap_or(u32::MAX);
                let asked = dword(self.given, queries::SIZE) == Some(0);
                if !asked || queries::size_is_fixed(query) {
                    self.judge_equal(output, report);
                }
            }
            Rule::TimeLeft => self.judge_time(output, report),
            // Judged where ids and objects are kept.
            Rule::FreshId(_) | Rule::MmapOffset => self.judge_agreement(output, report),
        }
    }

    fn field<'b>(&self, output: &Output, bytes: &'b [u8]) -> &'b [u8] {
        bytes.get(output.offset..output.offset + output.len).unwrap_or_default()
    }

    fn object(&self, field: &str) -> String {
        format!("{} {field}", self.call.name)
    }

    fn judge_equal(&self, output: &Output, report: &mut Report) {
        let (expected, found) = (self.field(output, self.call.output()), self.field(output, self.got));
        let object = self.object(output.field);
        report.compare(self.event, &object, output.offset as u64, (expected, found), |_| true);
        self.judge_agreement(output, report);
    }

    /// The recording gives outputs twice, as bytes and decoded; both are its word.
    fn judge_agreement(&self, output: &Output, report: &mut Report) {
        let number = |bytes: &[u8]| {
            let mut wide = [0; 8];
            wide.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            u64::from_le_bytes(wide)
        };
        let bytes = number(self.field(output, self.call.output()));
        if let Some(decoded) = self.call.out_number(output.field).filter(|decoded| *decoded != bytes) {
            report.differs(self.event, self.object(&format!("{} (decoded)", output.field)), decoded, bytes);
        }
    }

    /// Time that is left lies between nothing and what was given.
    fn judge_time(&self, output: &Output, report: &mut Report) {
        let absolute =
            self.kind.deadline.and_then(|deadline| deadline.if_flag).is_some_and(|(offset, bit)| {
                dword(self.given, offset).is_some_and(|flags| flags & u32::from(bit) != 0)
            });
        let signed = |bytes: &[u8]| qword(bytes, output.offset).unwrap_or(0).cast_signed();
        let (given, left) = (signed(self.given), signed(self.got));
        let expected = match (absolute, given < 0) {
            (true, _) => given..=given,
            (false, true) => 0..=i64::MAX,
            (false, false) => 0..=given,
        };
        if !expected.contains(&left) {
            let (from, to) = (expected.start(), expected.end());
            report.differs(self.event, self.object(output.field), format!("{from}..={to}"), left);
        }
    }

    /// Judges client memory that the call wrote, `memory` being what is there now.
    pub fn judge_payloads(&self, memory: &[(u64, Vec<u8>)], report: &mut Report) {
        for payload in &self.call.out_payloads {
            let recorded = payload.data.as_ref().map_or(&[][..], |data| &data.0);
            let found = memory.iter().find(|(addr, _)| *addr == payload.addr.0).map_or(&[][..], |(_, bytes)| bytes);
            let query = dword(self.given, queries::QUERY).unwrap_or(u32::MAX);
            let is_query = self.kind.nr == nr::DEVICE_QUERY;
            let fixed = if is_query { queries::fixed_bytes(query, recorded) } else { queries::all(recorded) };
            let what = if is_query { queries::name(query) } else { payload.field.clone() };
            let object = format!("{} {what}", self.call.name);
            let counts = |at: usize| fixed.iter().any(|range| range.contains(&at));
            report.compare(self.event, &object, 0, (recorded, found), counts);
        }
    }
}
