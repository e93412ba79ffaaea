//! A recording: what one client asked of a driver, event by event, and what it got.
//!
//! JSON Lines; the first line is the header, every other line an event with its line number. Nothing of a recording
//! is trusted: whatever does not hold together is a [`ReadError`] that names the line.
//!
//! | module | holds |
//! |---|---|
//! | [`layout`] | tables of the interface's calls: names, fields, pointers |
//! | [`describe`] | a call as the format tells it, from its bytes |
//! | [`hex`] | bytes as recordings write them |
//! | `event`, `header` | the lines, for reader and writer |
//! | `read` | from text to a [`Recording`], and what must hold together in one |
#![expect(
    clippy::arithmetic_side_effects,
    reason = "sums of lengths and counts of things that are in memory; addresses of recordings saturate or are checked"
)]

pub mod describe;
mod event;
mod header;
pub mod hex;
pub mod layout;
mod read;

pub use event::{Addr, Body, Call, Event, Length, MapCall, Payload, Place, Runs};
pub use header::{Client, DeviceId, FORMAT, Header, VENDOR, VERSION};
pub use read::ReadError;

/// A recording that was read and holds together.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The first line.
    pub header: Header,
    /// The other lines, in order.
    pub events: Vec<Event>,
}

impl Recording {
    /// The call an event makes: its own, or the one it repeats.
    #[must_use]
    pub fn call_of<'r>(&'r self, event: &'r Event) -> Option<&'r Call> {
        let event = if let Body::Repeat { of } = event.body { self.events.get(of.checked_sub(1)?)? } else { event };
        if let Body::Call(call) = &event.body { Some(call) } else { None }
    }

    /// The part's configuration table as the client got it; none if it did not ask, or there was none. It comes with the
    /// part's firmware: a device set up like the recorded one has it from outside.
    #[must_use]
    pub fn hwconfig(&self) -> Option<&[u8]> {
        let calls = self.events.iter().filter_map(|event| self.call_of(event));
        let mut queries = calls.filter(|call| call.name == "XE_DEVICE_QUERY" && query_of(call) == Some(HWCONFIG));
        queries.find_map(|call| Some(call.out_payloads.first()?.data.as_ref()?.0.as_slice()))
    }
}

/// `XE_DEVICE_QUERY`: the number of the query for the configuration table (bind-and-exec sheet §2.5).
const HWCONFIG: u32 = 4;

fn query_of(call: &Call) -> Option<u32> {
    Some(u32::from_le_bytes(*call.input.0.get(8..)?.first_chunk()?))
}
