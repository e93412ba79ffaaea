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
//! | `context` | context restore and save, the image's layout, the engine state in it |
//! | `access` | memory through GGTT and page tables |
//! | `window`, `open` | the engine's own registers, what client batches may touch |
//! | `commands` | what commands do, a file for each family below |
//! | `commands::{store, atomic, math, registers}` | stores, copies, atomics, the ALU, registers of the MI family |
//! | `commands::flow` | batches, predicates, semaphores |
//! | `commands::flush` | `PIPE_CONTROL`, `MI_FLUSH_DW` and interrupts |
//! | `commands::{blit, transfer}` | copy and fill: their fields, and moving the bytes |

mod access;
mod commands;
mod context;
mod csb;
pub mod decode;
pub mod disasm;
mod execute;
mod fetch;
mod open;
mod spec;
mod streamer;
mod switch;
pub mod table;
#[cfg(test)]
mod tests;
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
