//! TLB invalidation.
//!
//! A change of page tables leaves a [`Stale`] behind: what TLBs may still hold of it, and the tables it dropped. Who
//! empties TLBs implements [`Invalidate`]: the engines' registers in rounds ([`TlbInvalidator`] over [`EngineTlb`]),
//! a flush in the ring at the head of the next job ([`RingFlush`]), or a firmware that is sent messages
//! ([`guc`]).

pub mod guc;
mod receipt;
mod registers;
mod ring;
mod rounds;

pub use receipt::{AddressSpace, Cause, Invalidate, Remedy, Retired, Stale, VmKind};
pub use registers::{EngineTlb, TlbRegister, TlbTarget};
pub use ring::{RingFlush, RingMark};
pub use rounds::{ROUND_TIMEOUT, TlbBackend, TlbInvalidator, TlbTicket};
