//! The timeline: everything that happened in the device, in order.

use crate::spec::EngineClass;

/// One thing that happened. The device stamps it with virtual time when it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A marker from outside: the embedder's call, a phase of a test.
    Mark(String),
    /// A register write by the driver that means something beyond storage.
    Doorbell {
        /// Engine.
        engine: (EngineClass, u8),
        /// Context descriptor that was submitted.
        descriptor: u64,
    },
    /// A context became the running one.
    SwitchIn {
        /// Engine.
        engine: (EngineClass, u8),
        /// Context descriptor.
        descriptor: u64,
    },
    /// A context was saved.
    SwitchOut {
        /// Engine.
        engine: (EngineClass, u8),
        /// Context descriptor.
        descriptor: u64,
        /// Ring head at that moment, in bytes.
        head: u32,
    },
    /// A command was executed.
    Command {
        /// Engine.
        engine: (EngineClass, u8),
        /// Disassembled form.
        text: String,
        /// Where it was fetched: `ring`, `batch`, `context`.
        from: &'static str,
        /// Address it was fetched from: ring byte offset, or GPU address.
        at: u64,
        /// Virtual time it took, in nanoseconds.
        took_ns: u64,
    },
    /// An engine raised bits of its interrupt vector.
    Interrupt {
        /// Engine.
        engine: (EngineClass, u8),
        /// Vector bits.
        vector: u16,
    },
    /// A message-signalled interrupt left the device.
    Msi,
    /// Something hardware would complain about: a fault, a bad command, a rule of the bus that was broken.
    Fault {
        /// What, where, with addresses.
        text: String,
    },
}
