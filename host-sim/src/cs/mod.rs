//! A command streamer: fetches a context image, runs its ring and batches, saves it again.
//!
//! One [`Streamer`] is one engine. It works against a [`Bus`](crate::bus::Bus) and knows the command encodings, the
//! image layout and the page-table format from tables of its own.
//!
//! | file | concept |
//! |---|---|
//! | `decode`, `table` | families and lengths of commands; which exist where, and what becomes of them |
//! | `disasm` | commands as text |
//! | `spec` | what differs between platforms |
//! | `streamer` | the engine: what it holds, and when it goes on |
//! | `fetch`, `execute` | commands from ring and batches, one after the other |
//! | `switch`, `csb` | submit queue, preemption, completion, and their reports |
//! | `image`, `layout`, `kept` | context restore and save, the image's layout, the engine state in it |
//! | `access` | memory through GGTT and page tables |
//! | `registers`, `window`, `open` | register commands, the engine's own registers, what client batches may touch |
//! | `store`, `atomic`, `math` | stores, copies, atomics and the ALU of the MI family |
//! | `flow` | batches, predicates, semaphores |
//! | `flush` | `PIPE_CONTROL`, `MI_FLUSH_DW` and interrupts |
//! | `blit`, `transfer` | copy and fill: their fields, and moving the bytes |

mod access;
mod atomic;
mod blit;
mod csb;
pub mod decode;
pub mod disasm;
mod execute;
mod fetch;
mod flow;
mod flush;
mod image;
mod kept;
mod layout;
mod math;
mod open;
mod registers;
mod spec;
mod store;
mod streamer;
mod switch;
pub mod table;
#[cfg(test)]
mod tests;
mod transfer;
mod window;

pub use spec::CsSpec;
pub(crate) use spec::TIMESTAMP_HZ;
pub use streamer::{Progress, State, Streamer};

/// What the parser does after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    /// Goes to the next command.
    Next,
    /// Goes where the command said.
    Jumped,
    /// Tries the same command again later.
    Wait,
}

/// Why an engine stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// An address that does not translate: catastrophic error (engines sheet §11.3).
    Memory {
        /// What happened, with addresses.
        text: String,
        /// GPU address.
        va: u64,
        /// Through the GGTT.
        ggtt: bool,
    },
    /// A command or a context image that hardware would not execute: instruction error.
    Instruction(String),
}

impl Stop {
    /// The reason in words.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Memory { text, .. } | Self::Instruction(text) => text,
        }
    }

    /// The same, with the command that met it.
    fn at(self, command: &str, place: &str, at: u64) -> Self {
        let with = |text: String| format!("{command} at {place} {at:#x}: {text}");
        match self {
            Self::Memory { text, va, ggtt } => Self::Memory { text: with(text), va, ggtt },
            Self::Instruction(text) => Self::Instruction(with(text)),
        }
    }
}
