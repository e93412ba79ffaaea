//! The cookie of a bind that waits: how a client's repeated call is told from a new one (bind-and-exec sheet §2.2).
//!
//! A wait that is interrupted after its bind was accepted must not end like a call that did not happen: the client would
//! make it again, and it would happen twice. So a word of the client's memory, 0 until then, says that it happened. A call
//! that finds it set submits nothing and goes on waiting.

use crate::Error;
use crate::device::Ticket;
use barexe_hal::{ClientAddr, ClientMemory};

/// Set in every cookie, so that none is 0. Below it stands the commit's number on its bind queue.
const COMMITTED: u64 = 1 << 63;

/// A client's cookie, and what goes there if the wait of its call is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie {
    addr: ClientAddr,
    value: u64,
}

impl Cookie {
    /// The cookie at `addr`, for a call whose work the ticket names.
    pub(super) const fn new(addr: ClientAddr, ticket: Ticket) -> Self {
        Self { addr, value: ticket.sequence() | COMMITTED }
    }

    /// Notes in the client's memory that the call happened.
    ///
    /// # Errors
    /// [`Error::ClientFault`]: the client cannot be told, so the wait must go on to its end (K9).
    pub fn store(self, memory: &mut dyn ClientMemory) -> Result<(), Error> {
        Ok(memory.copy_out(self.addr, &self.value.to_le_bytes())?)
    }
}

/// The commit that a cookie's value names; none if no cookie has that value (K6).
pub(super) const fn commit_of(value: u64) -> Option<u64> {
    match value & !COMMITTED {
        0 => None,
        commit if value & COMMITTED != 0 => Some(commit),
        _ => None,
    }
}

/// A bind that was accepted and waits for its work. It is not to be made again unless its cookie was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The work. Once it is over the call's return value is 0, or the work's error.
    pub ticket: Ticket,
    /// The wait may be given up, with [`Error::Interrupted`] for the client, if this is there and could be
    /// [stored](Cookie::store). Otherwise it goes on whatever the environment wants (K8).
    pub cookie: Option<Cookie>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_names_a_commit_or_nothing() {
        assert_eq!(commit_of(COMMITTED | 1), Some(1));
        assert_eq!(commit_of(u64::MAX), Some(u64::MAX >> 1));
        for foreign in [1, COMMITTED, COMMITTED - 1] {
            assert_eq!(commit_of(foreign), None, "{foreign:#x}");
        }
    }
}
