//! The timeline as a record, as text a person reads, and as a trace file.

use crate::blocks::unknown::UnknownRegister;
use crate::trace::{Event, Line};
use core::fmt::Write as _;
use serde_json::json;
use std::collections::VecDeque;
use std::io::{self, Write};

/// What happened, in order; the oldest entries make room for new ones.
#[derive(Clone, Debug)]
pub struct Timeline {
    entries: VecDeque<(u64, Event)>,
    capacity: usize,
    dropped: u64,
}

impl Timeline {
    /// A timeline that keeps `capacity` events; 0 keeps none and costs nothing.
    #[must_use]
    pub const fn new(capacity: usize) -> Self {
        Self { entries: VecDeque::new(), capacity, dropped: 0 }
    }

    /// Whether events are kept.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.capacity != 0
    }

    /// Adds an event at a virtual instant in nanoseconds, behind all that happened before or at the same time: engines
    /// take turns, and each runs a little ahead of the others.
    pub fn push(&mut self, at_ns: u64, event: Event) {
        if self.capacity == 0 {
            return;
        }
        if self.entries.len() >= self.capacity {
            self.entries.pop_front();
            self.dropped += 1;
        }
        let later = self.entries.iter().rev().take_while(|(at, _)| *at > at_ns).count();
        self.entries.insert(self.entries.len() - later, (at_ns, event));
    }

    /// The kept events with their instants in nanoseconds, oldest first.
    pub fn events(&self) -> impl Iterator<Item = &(u64, Event)> {
        self.entries.iter()
    }

    /// Events that no longer fit.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// One line per event: time in microseconds since the first, where, what.
    #[must_use]
    pub fn text(&self) -> String {
        let start = self.entries.front().map_or(0, |(at, _)| *at);
        let mut out = String::new();
        if self.dropped != 0 {
            let _ = writeln!(out, "({} earlier events were dropped)", self.dropped);
        }
        for (at, event) in &self.entries {
            let since = at.saturating_sub(start);
            let _ = writeln!(out, "{:>9}.{:03} us  {}", since / 1000, since % 1000, event.line());
        }
        out
    }

    /// The timeline in the trace-event format of Chrome and Perfetto, one track per engine.
    #[must_use]
    pub fn perfetto(&self) -> serde_json::Value {
        let events: Vec<_> = self.entries.iter().map(|(at, event)| trace_event(*at, event)).collect();
        json!({ "displayTimeUnit": "ns", "traceEvents": events })
    }
}

impl Timeline {
    /// Writes [`perfetto`](Self::perfetto), event by event, with a list of registers that mean nothing to the device.
    ///
    /// # Errors
    /// What writing met.
    pub fn write_perfetto(&self, unknown: &[UnknownRegister], out: &mut dyn Write) -> io::Result<()> {
        let unknown: Vec<_> = unknown.iter().map(unknown_register).collect();
        let other = json!({ "dropped": self.dropped, "unknownRegisters": unknown });
        write!(out, r#"{{"displayTimeUnit":"ns","otherData":{other},"traceEvents":["#)?;
        for (number, (at, event)) in self.entries.iter().enumerate() {
            write!(out, "{}\n{}", if number == 0 { "" } else { "," }, trace_event(*at, event))?;
        }
        writeln!(out, "\n]}}")
    }
}

/// Nanoseconds as the decimal microseconds that the format wants.
fn micros(ns: u64) -> serde_json::Value {
    let text = format!("{}.{:03}", ns / 1000, ns % 1000);
    serde_json::from_str(&text).unwrap_or(serde_json::Value::Null)
}

fn unknown_register(register: &UnknownRegister) -> serde_json::Value {
    let UnknownRegister { offset, reads, writes } = register;
    json!({ "offset": format!("{offset:#x}"), "reads": reads, "writes": writes })
}

fn trace_event(at_ns: u64, event: &Event) -> serde_json::Value {
    let Line { who, verb, at, what } = event.line();
    let name = format!("{verb} {what}");
    let (phase, took_ns) = if let Event::Command { took_ns, .. } = event { ("X", *took_ns) } else { ("i", 0) };
    let args = at.map_or_else(|| json!({}), |at| json!({ "at": format!("{at:#x}") }));
    json!({
        "name": name.trim(), "ph": phase, "ts": micros(at_ns), "dur": micros(took_ns), "pid": 1, "tid": who, "s": "t",
        "args": args,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::EngineClass;

    #[test]
    fn the_oldest_events_make_room_and_the_text_says_so() {
        let mut timeline = Timeline::new(2);
        for (at, name) in [(1000, "a"), (2500, "b"), (4501, "c")] {
            timeline.push(at, Event::Mark(String::from(name)));
        }
        let text = timeline.text();
        assert!(text.starts_with("(1 earlier"), "{text}");
        assert!(text.contains("0.000 us  call    b") && text.contains("2.001 us  call    c"), "{text}");
    }

    #[test]
    fn a_command_has_a_duration_in_the_trace() {
        let mut timeline = Timeline::new(8);
        let text = String::from("MI_NOOP");
        let engine = (EngineClass::Copy, 0);
        timeline.push(5_040, Event::Command { engine, text, from: "ring", at: 24, took_ns: 40 });
        let trace = timeline.perfetto();
        let event = &trace["traceEvents"][0];
        assert_eq!(event["args"]["at"], "0x18");
        assert_eq!((event["ph"].as_str(), event["dur"].to_string()), (Some("X"), String::from("0.04")));
        assert_eq!(event["tid"], "bcs0");
    }

    #[test]
    fn a_trace_that_is_written_is_the_trace() {
        let mut timeline = Timeline::new(2);
        for at in 0..3 {
            timeline.push(at, Event::Dma { addr: at << 12, bytes: 8, written: at == 1 });
        }
        let mut text = Vec::new();
        timeline.write_perfetto(&[UnknownRegister { offset: 0x9424, reads: 1, writes: 2 }], &mut text).unwrap();
        let written: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(written["traceEvents"], timeline.perfetto()["traceEvents"]);
        let unknown = json!([{ "offset": "0x9424", "reads": 1, "writes": 2 }]);
        assert_eq!(written["otherData"], json!({ "dropped": 1, "unknownRegisters": unknown }));
        let mut empty = Vec::new();
        Timeline::new(0).write_perfetto(&[], &mut empty).unwrap();
        assert!(serde_json::from_slice::<serde_json::Value>(&empty).is_ok());
    }

    #[test]
    fn events_stand_in_the_order_of_their_time() {
        let mut timeline = Timeline::new(8);
        for (at, name) in [(10, "a"), (30, "c"), (20, "b"), (30, "d"), (40, "e")] {
            timeline.push(at, Event::Mark(String::from(name)));
        }
        let names: String = timeline.events().map(|(_, event)| event.line().what).collect();
        assert_eq!(names, "abcde");
    }

    #[test]
    fn a_timeline_that_is_off_keeps_nothing() {
        let mut timeline = Timeline::new(0);
        timeline.push(1, Event::Msi);
        assert_eq!((timeline.events().count(), timeline.is_on()), (0, false));
    }
}
