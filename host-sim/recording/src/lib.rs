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
}
