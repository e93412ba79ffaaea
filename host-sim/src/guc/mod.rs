//! The microcontroller that schedules contexts, if a driver loads it: without that it does nothing.
//!
//! | file | concept |
//! |---|---|
//! | [`messages`] | what host and firmware say to each other: layouts and numbers |
//! | `requests` | the same for the scheduler, decoded |
//! | `schedule` | which context is on which engine |
//! | `machine` | what the firmware has hold of |

#[allow(dead_code, reason = "for the scheduler")]
mod machine;
pub mod messages;
#[allow(dead_code, reason = "for the scheduler")]
mod requests;
#[allow(dead_code, reason = "for the transport")]
mod schedule;
