//! A command streamer: fetches a context image, runs its ring and batches, saves it again.
//!
//! One [`Streamer`] is one engine. It works against a [`Bus`](crate::bus::Bus) and knows the command encodings, the image layout
//! and the page-table format from tables of its own.
//!
//! | file | concept |
//! |---|---|
//! | `decode` | command lengths, names, disassembly |
//! | `spec` | what differs between platforms |
//! | `streamer` | the engine: fetch, execute, switch |
//! | `image` | context restore and save |
//! | `access` | memory through GGTT and page tables |
//! | `registers` | the engine's own register window, register commands |
//! | `store` | stores, copies and atomics of the MI family |
//! | `math` | the ALU |
//! | `flow` | batches, predicates, semaphores |
//! | `flush` | `PIPE_CONTROL`, `MI_FLUSH_DW` and interrupts |
//! | `blit` | copy and fill |
//! | `csb` | the context status buffer |

mod access;
mod blit;
mod csb;
pub mod decode;
mod flow;
mod flush;
mod image;
mod math;
mod registers;
mod spec;
mod store;
mod streamer;
#[cfg(test)]
mod tests;

pub use spec::CsSpec;
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
}
