//! The microcontroller that schedules contexts, if a driver loads it: without that it does nothing.
//!
//! | file | concept |
//! |---|---|
//! | [`messages`] | what host and firmware say to each other: layouts and numbers |
//! | `requests` | the same for the scheduler, decoded |
//! | `machine` | what the firmware has hold of |

// Between the two: `Scheduler` in `schedule` (default: nothing registered, nothing runs) is
//
// - `request(&mut self, request: Request, machine: &mut Machine<'_>) -> Result<(), Refusal>`: takes a request at once;
// - `look(&mut self, machine: &mut Machine<'_>)`: after each turn of the engines, and whenever the clock went on;
// - `next_look_ns(&self) -> Option<u64>`: the instant at which something falls due that no engine brings about;
// - `take_event(&mut self) -> Option<Event>`: what happened, oldest first;
// - replaced by a new one when the GuC or the whole GT is reset, or the host says so (`CLIENT_SOFT_RESET`).
#[allow(dead_code, reason = "for the scheduler")]
mod machine;
pub mod messages;
#[allow(dead_code, reason = "for the scheduler")]
mod requests;
