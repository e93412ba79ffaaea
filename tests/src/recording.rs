//! Recordings of real clients, as far as tests of single calls need them: which calls were made, with what, and what
//! came back.

use crate::vectors::Hex;
use serde::{Deserialize, Deserializer, de::Error as _};
use std::path::Path;

/// Bytes written as packed hex: tokens of hex digits, each maybe with a number of repetitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed(pub Vec<u8>);

impl<'de> Deserialize<'de> for Packed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let tokens: Option<Vec<Vec<u8>>> = text.split_whitespace().map(unpack).collect();
        tokens.map(|tokens| Self(tokens.concat())).ok_or_else(|| D::Error::custom(format!("packed hex: {text}")))
    }
}

fn unpack(token: &str) -> Option<Vec<u8>> {
    let (digits, count) = token.split_once('*').unwrap_or((token, "1"));
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(byte).collect();
    Some(bytes?.repeat(count.parse().ok()?))
}

/// A piece of client memory that a call read or wrote.
#[derive(Clone, Debug, Deserialize)]
pub struct Payload {
    /// Which pointer of the call leads to it.
    pub field: String,
    /// Its address.
    pub addr: Hex,
    /// Its bytes, unless it cannot be read.
    pub data: Option<Packed>,
}

/// One call.
#[derive(Clone, Debug, Deserialize)]
pub struct Call {
    /// Line in the file.
    pub n: u64,
    /// Symbolic name.
    pub name: String,
    /// Request code.
    pub request: Hex,
    /// Argument struct before the call.
    #[serde(rename = "in")]
    pub before: Packed,
    /// Argument struct after it, if it changed.
    pub out: Option<Packed>,
    /// Return value, or the negative error number.
    pub ret: i64,
    /// Client memory it reads.
    #[serde(default)]
    pub payloads: Vec<Payload>,
    /// Client memory it wrote.
    #[serde(default)]
    pub out_payloads: Vec<Payload>,
}

impl Call {
    /// Argument struct after the call.
    #[must_use]
    pub fn after(&self) -> &[u8] {
        &self.out.as_ref().unwrap_or(&self.before).0
    }
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Event {
    Call(Box<Call>),
    Repeat {
        of: u64,
    },
    #[serde(other)]
    Other,
}

/// What the recording was made on.
#[derive(Clone, Debug, Deserialize)]
pub struct Header {
    /// Short name of the platform.
    pub platform: String,
    /// Bytes of system memory.
    pub system_memory: u64,
    /// The client ran with full privilege.
    pub privileged: bool,
}

/// A recording: its header, and every call in the order in which it was made, repetitions included.
#[derive(Clone, Debug)]
pub struct Recording {
    /// What it was made on.
    pub header: Header,
    /// The calls.
    pub calls: Vec<Call>,
}

impl Recording {
    /// Reads a recording of `tests/data/clients`.
    ///
    /// # Panics
    /// If it is not there or not a recording.
    #[must_use]
    pub fn load(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/clients").join(name).with_extension("jsonl");
        let read = std::fs::read_to_string(&path).map_err(|error| error.to_string());
        read.and_then(|text| parse(&text)).unwrap_or_else(|error| fail(&format!("{}: {error}", path.display())))
    }

    /// The calls of one name.
    pub fn calls_of(&self, name: &'static str) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(move |call| call.name == name)
    }
}

fn parse(text: &str) -> Result<Recording, String> {
    let mut lines = text.lines();
    let header = serde_json::from_str(lines.next().unwrap_or_default()).map_err(|error| error.to_string())?;
    let mut calls: Vec<Call> = Vec::new();
    for line in lines {
        match serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))? {
            Event::Call(call) => calls.push(*call),
            Event::Repeat { of } => {
                let again = calls.iter().find(|call| call.n == of).cloned();
                calls.push(again.ok_or_else(|| format!("repeats {of}, which is no call"))?);
            }
            Event::Other => {}
        }
    }
    Ok(Recording { header, calls })
}

#[expect(clippy::panic, reason = "a test without its data ends here")]
fn fail(why: &str) -> ! {
    panic!("{why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_hex_unpacks() {
        let packed = |text: &str| serde_json::from_value::<Packed>(text.into()).map(|packed| packed.0);
        assert_eq!(packed("02 00*3 ff00 0102*2").unwrap(), [2, 0, 0, 0, 0xFF, 0, 1, 2, 1, 2]);
        assert!(packed("").unwrap().is_empty());
        assert!(packed("0g").is_err() && packed("00*x").is_err());
    }

    #[test]
    fn a_recording_has_as_many_calls_as_its_end_says() {
        // The last lines of the files.
        assert_eq!(Recording::load("tgl-xe_vm-bind-once").calls.len(), 87);
        assert_eq!(Recording::load("lnl-xe_exec_store-cachelines").calls.len(), 164);
    }
}
