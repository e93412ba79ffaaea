//! The microcontroller that schedules contexts, if a driver loads it: without that it does nothing.
//!
//! | file | concept |
//! |---|---|
//! | [`messages`] | what host and firmware say to each other: layouts and numbers |
//! | `firmware` | the firmware of one GT: what it holds, and its turns |
//! | `registers` | its registers, and how the device gets at it |
//! | `load`, `ads` | from reset to running; what the host prepared |
//! | `mailbox`, `ctb` | short messages in registers, long ones in rings |
//! | `act` | what is done for each message that is not the scheduler's |
//! | `tlb` | translations that the engines forget |
//! | `slpc` | frequencies, as far as the host looks |
//! | `memory` | memory as the firmware sees it |
//! | `requests` | messages for the scheduler, decoded |
//! | `schedule` | which context is on which engine |
//! | `machine` | what the scheduler has hold of |

mod act;
mod ads;
mod ctb;
mod firmware;
mod load;
mod machine;
mod mailbox;
mod memory;
pub mod messages;
mod registers;
mod requests;
mod schedule;
mod slpc;
#[cfg(test)]
mod tests;
mod tlb;

pub(crate) use firmware::Guc;
pub(crate) use registers::{gucs, is_register};
