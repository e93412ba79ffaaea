//! The timeline: everything that happened in the device, in order.

pub(crate) mod timeline;

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
    /// The driver published what it wrote to a buffer.
    Published {
        /// Bus address of the first byte.
        bus: u64,
        /// GGTT address that leads there, if one does.
        ggtt: Option<u32>,
        /// Bytes.
        bytes: u64,
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
        /// GGTT address of its ring.
        ring: u32,
        /// Byte offsets in the ring between which commands wait.
        waiting: (u32, u32),
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
    /// The driver read or wrote a register, a GGTT entry or configuration space.
    Access {
        /// Where: `register`, `entry`, `config`.
        space: &'static str,
        /// Byte offset.
        offset: u32,
        /// What was read or written.
        value: u64,
        /// It was written.
        written: bool,
    },
    /// The device read or wrote memory.
    Dma {
        /// Bus address.
        addr: u64,
        /// Bytes.
        bytes: u64,
        /// They were written.
        written: bool,
    },
    /// Memory was mapped for the device, or taken away.
    Mapping {
        /// Bus address.
        addr: u64,
        /// Bytes.
        bytes: u64,
        /// It was mapped.
        mapped: bool,
    },
    /// The device was reset as a whole.
    PowerOn,
    /// Something hardware would complain about: a fault, a bad command, a rule of the bus that was broken.
    Fault {
        /// What, where, with addresses.
        text: String,
    },
}

/// An event in the columns of the timeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Who did it: `call`, `driver`, an engine.
    pub who: String,
    /// What kind of thing it is, in a word; empty where `what` says all.
    pub verb: &'static str,
    /// Where: an address in the space that the verb is about.
    pub at: Option<u64>,
    /// What.
    pub what: String,
}

impl Event {
    /// The columns of the timeline.
    #[must_use]
    pub fn line(&self) -> Line {
        let engine = |engine: &(EngineClass, u8)| format!("{}{}", engine.0.short_name(), engine.1);
        let line = |who: String, verb, at, what| Line { who, verb, at, what };
        match self {
            Self::Mark(text) => line(String::from("call"), "", None, text.clone()),
            Self::Note { who, what } => line(String::from(*who), "", None, what.clone()),
            Self::Published { bus, ggtt, bytes } => {
                let through = ggtt.map_or_else(String::new, |ggtt| format!(", GGTT {ggtt:#x}"));
                line(String::from("driver"), "publish", Some(*bus), format!("{bytes} bytes{through}"))
            }
            Self::Doorbell { engine: of, descriptor } => {
                line(engine(of), "submit", Some(image(*descriptor)), format!("context descriptor {descriptor:#x}"))
            }
            Self::SwitchIn { engine: of, descriptor, ring, waiting: (from, to) } => {
                let what = format!("ring {ring:#x} holds {from:#x}..{to:#x}");
                line(engine(of), "restore", Some(image(*descriptor)), what)
            }
            Self::SwitchOut { engine: of, descriptor, head } => {
                line(engine(of), "save", Some(image(*descriptor)), format!("ring head {head:#x}"))
            }
            Self::Command { engine: of, text, from, at, .. } => line(engine(of), from, Some(*at), text.clone()),
            Self::Interrupt { engine: of, vector } => line(engine(of), "interrupt", None, vector_names(*vector)),
            Self::Msi => line(String::from("device"), "MSI", None, String::new()),
            Self::Access { space, offset, value, written } => {
                let verb = if *written { "write" } else { "read" };
                line(String::from("driver"), verb, Some(u64::from(*offset)), format!("{space} {value:#x}"))
            }
            Self::Dma { addr, bytes, written } => {
                let verb = if *written { "DMA write" } else { "DMA read" };
                line(String::from("device"), verb, Some(*addr), format!("{bytes} bytes"))
            }
            Self::Mapping { addr, bytes, mapped } => {
                let verb = if *mapped { "map" } else { "unmap" };
                line(String::from("bus"), verb, Some(*addr), format!("{bytes} bytes"))
            }
            Self::PowerOn => line(String::from("bus"), "reset", None, String::new()),
            Self::Fault { text } => line(String::from("fault"), "", None, text.clone()),
        }
    }
}

/// GGTT address of a descriptor's context image.
const fn image(descriptor: u64) -> u64 {
    descriptor & 0xFFFF_F000
}

impl core::fmt::Display for Line {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { who, verb, at, what } = self;
        if verb.is_empty() {
            return write!(f, "{who:<6}  {what}");
        }
        let at = at.map_or_else(String::new, |at| format!("{at:#x}"));
        f.write_str(format!("{who:<6}  {verb:<9} {at:>11}  {what}").trim_end())
    }
}

/// Names of the bits of an interrupt vector (engines sheet §9.2).
fn vector_names(vector: u16) -> String {
    let names = [(0, "user"), (3, "error"), (4, "flush complete"), (8, "context switch"), (11, "semaphore wait")];
    let known: Vec<_> = names.iter().filter(|(bit, _)| vector >> bit & 1 != 0).map(|(_, name)| *name).collect();
    if known.is_empty() { format!("{vector:#x}") } else { known.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BCS0: (EngineClass, u8) = (EngineClass::Copy, 0);

    #[test]
    fn lines_are_aligned_by_column() {
        let text = String::from("MI_NOOP");
        let rows = [
            (Event::Mark(String::from("vm_bind")), "call    vm_bind"),
            (
                Event::Published { bus: 0x1_0000_2008, ggtt: Some(0x20_1008), bytes: 112 },
                "driver  publish   0x100002008  112 bytes, GGTT 0x201008",
            ),
            (
                Event::Doorbell { engine: BCS0, descriptor: 0x6000_0040_0024_1119 },
                "bcs0    submit       0x241000  context descriptor 0x6000004000241119",
            ),
            (
                Event::SwitchIn { engine: BCS0, descriptor: 0x24_1119, ring: 0x23_D000, waiting: (0, 0x78) },
                "bcs0    restore      0x241000  ring 0x23d000 holds 0x0..0x78",
            ),
            (
                Event::Command { engine: BCS0, text, from: "ring", at: 0x1C, took_ns: 0 },
                "bcs0    ring             0x1c  MI_NOOP",
            ),
            (
                Event::Interrupt { engine: BCS0, vector: 1 << 8 | 1 },
                "bcs0    interrupt              user, context switch",
            ),
            (Event::Msi, "device  MSI"),
        ];
        for (event, line) in rows {
            assert_eq!(event.line().to_string(), line);
        }
    }
}
