//! The timeline: everything that happened in the device, in order.

use crate::spec::EngineClass;

/// One thing that happened. The device stamps it with virtual time when it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A marker from outside: the embedder's call, a phase of a test.
    Mark(String),
    /// What somebody outside did or saw: the client, whoever looks at fences.
    Note {
        /// Who.
        who: &'static str,
        /// What.
        what: String,
    },
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

impl Event {
    /// Who did what: the two text columns of the timeline.
    #[must_use]
    pub fn line(&self) -> (String, String) {
        let name = |engine: &(EngineClass, u8)| format!("{}{}", engine.0.short_name(), engine.1);
        match self {
            Self::Mark(text) => (String::from("call"), text.clone()),
            Self::Note { who, what } => (String::from(*who), what.clone()),
            Self::Doorbell { engine, descriptor } => (name(engine), format!("submitted context {descriptor:#018x}")),
            Self::SwitchIn { engine, descriptor } => (name(engine), format!("context {descriptor:#018x} restored")),
            Self::SwitchOut { engine, descriptor, head } => {
                (name(engine), format!("context {descriptor:#018x} saved, ring head {head:#x}"))
            }
            Self::Command { engine, text, from, at, .. } => (name(engine), format!("{from:<7} {at:#010x}  {text}")),
            Self::Interrupt { engine, vector } => (name(engine), format!("interrupt: {}", vector_names(*vector))),
            Self::Msi => (String::from("device"), String::from("MSI")),
            Self::Fault { text } => (String::from("fault"), text.clone()),
        }
    }
}

/// Names of the bits of an interrupt vector (engines sheet §9.2).
fn vector_names(vector: u16) -> String {
    let names = [(0, "user"), (3, "error"), (4, "flush complete"), (8, "context switch"), (11, "semaphore wait")];
    let known: Vec<_> = names.iter().filter(|(bit, _)| vector >> bit & 1 != 0).map(|(_, name)| *name).collect();
    if known.is_empty() { format!("{vector:#x}") } else { known.join(", ") }
}
