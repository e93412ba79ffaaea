//! From text to a recording, and what must hold together in one.

use super::{Body, Call, Event, FORMAT, Header, Recording};
use core::fmt;

/// Why a file is no recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// Line, from 0: the header is 0.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl core::error::Error for ReadError {}

impl core::str::FromStr for Recording {
    type Err = ReadError;

    fn from_str(text: &str) -> Result<Self, ReadError> {
        let mut lines = text.lines();
        let header = header(lines.next().unwrap_or_default()).map_err(|what| ReadError { line: 0, what })?;
        let mut counts = Counts::default();
        let mut recording = Self { header, events: Vec::new() };
        for (line, text) in (1..).zip(lines) {
            let event = event(line, text, &recording, &mut counts).map_err(|what| ReadError { line, what })?;
            recording.events.push(event);
        }
        if counts.ended {
            return Ok(recording);
        }
        let what =
            String::from("the last line is no `end`: the file is cut short, or the client did not exit by itself");
        Err(ReadError { line: recording.events.len(), what })
    }
}

fn header(line: &str) -> Result<Header, String> {
    // A file that is something else entirely gets a plain word, not a parser's.
    let value: serde_json::Value =
        serde_json::from_str(line).map_err(|_| String::from("this is no client recording"))?;
    if value.get("format").and_then(serde_json::Value::as_str) != Some(FORMAT) {
        return Err(String::from("this is no client recording: the header has no format `xe-client-recording`"));
    }
    let header: Header = serde_json::from_value(value).map_err(|error| format!("header: {error}"))?;
    header.check()?;
    Ok(header)
}

/// Most bytes of client memory one range may have: more than any client lends, less than hurts.
const LONGEST_RANGE: u64 = 256 << 20;

/// What the `end` line must agree with.
#[derive(Default)]
struct Counts {
    calls: u64,
    cpu_writes: u64,
    gpu_results: u64,
    bos: u64,
    ended: bool,
}

fn event(line: usize, text: &str, before: &Recording, counts: &mut Counts) -> Result<Event, String> {
    if counts.ended {
        return Err(String::from("there is something after the `end` line"));
    }
    let event: Event = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if event.n != line {
        return Err(format!("the line says it is number {}", event.n));
    }
    match &event.body {
        Body::Call(call) => {
            check_call(call)?;
            counts.calls += 1;
            check_bo(call, counts)?;
        }
        Body::Repeat { of } => {
            let call = before.call_of(&event).ok_or_else(|| format!("line {of}, which is repeated, is no call"))?;
            if call.bo.is_some() {
                return Err(format!("line {of}, which is repeated, created a numbered object"));
            }
            counts.calls += 1;
        }
        Body::Mmap(map) if map.ret == 0 && map.addr.is_none() => return Err(String::from("a mapping without address")),
        Body::UserRange { length, .. } if *length > LONGEST_RANGE => {
            return Err(format!("a range of {length} bytes of client memory"));
        }
        Body::CpuWrite { .. } => counts.cpu_writes += 1,
        Body::GpuResult { .. } => counts.gpu_results += 1,
        Body::End { calls, cpu_writes, gpu_results } => {
            counts.ended = true;
            let rows = [
                ("calls", *calls, counts.calls),
                ("cpu_writes", *cpu_writes, counts.cpu_writes),
                ("gpu_results", *gpu_results, counts.gpu_results),
            ];
            for (what, said, there) in rows {
                if said != there {
                    return Err(format!("`end` counts {said} {what}, the file has {there}"));
                }
            }
        }
        Body::Open { .. }
        | Body::Close { .. }
        | Body::Mmap(_)
        | Body::Munmap { .. }
        | Body::Remap { .. }
        | Body::UserRange { .. }
        | Body::UserRangeEnd { .. } => {}
    }
    Ok(event)
}

fn check_call(call: &Call) -> Result<(), String> {
    let name = &call.name;
    let request = u32::try_from(call.request.0).map_err(|_| format!("{name}: {} is no request code", call.request))?;
    let size = (request >> 16 & 0x3FFF) as usize;
    for (what, bytes) in [("in", Some(&call.input)), ("out", call.out.as_ref())] {
        let len = bytes.map_or(size, |bytes| bytes.0.len());
        if len != size {
            return Err(format!("{name}: `{what}` has {len} bytes, the request says {size}"));
        }
    }
    Ok(())
}

fn check_bo(call: &Call, counts: &mut Counts) -> Result<(), String> {
    let Some(bo) = call.bo else { return Ok(()) };
    counts.bos += 1;
    if bo != counts.bos {
        return Err(format!("{}: object {bo} is the {}th that was created", call.name, counts.bos));
    }
    Ok(())
}
