//! Jobs that run on several engines at once: what holds their parts together.
//!
//! Each part lies in the ring of its own context. One of them leads:
//!
//! ```text
//! lead    started ─► waits until all have started ─► go ─► batch ─► waits until all are over ─► user fence, seqno
//! member  started ─► waits for go ────────────────────► batch ─► seqno
//! ```
//!
//! All parts of a job have one number. The lead passes job n only when every member has, and a member starts job n+1
//! only after the lead does: so a word that is compared with n holds n-1, n or n+1 and no other number, and no
//! comparison needs an order. A part that is run again after a reset finds the words as they were or later ones, and
//! does not wait for what has happened already.
//!
//! Parts wait where arbitration is on: a context that waits for others gives its engine up like any other.

use super::command;
use super::emitter::{Emit, NoRoom};
use crate::context::layout::LrcAddrs;
use crate::sync::seqno::Seqno;
use barexe_hal::GgttAddr;

/// Most contexts beside the lead: a queue names at most nine engines (bind-and-exec sheet §3.6).
pub const MEMBERS_MAX: usize = 8;

/// Room that a lead's part needs beyond a whole job's, in dwords: two waits for each member, and the go.
pub const GANG_DWORDS_MAX: usize = MEMBERS_MAX * 10 + 4;

/// Where the lead stores the number of the job that may start, in its scratch of parallel submission (engines sheet
/// §6.2 keeps the word for this use by firmware, which is not running here).
const GO_BYTES: u32 = 128;

/// Which part of a job a context runs.
#[derive(Clone, Copy, Debug)]
pub enum Part<'m> {
    /// All of it.
    Whole,
    /// The one that lets the members start and ends last. The members' contexts.
    Lead(&'m [LrcAddrs]),
    /// One that waits for the lead, whose context this is.
    Member(&'m LrcAddrs),
}

impl Part<'_> {
    /// Emits what comes between "started" and the batch.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn wait_for_start(self, own: &LrcAddrs, seqno: Seqno, out: &mut impl Emit) -> Result<(), NoRoom> {
        match self {
            Self::Whole => Ok(()),
            Self::Lead(members) => {
                for member in members {
                    out.emit(command::wait_dword_differs(member.start_seqno, seqno.previous().get()))?;
                }
                out.emit(command::store_dword(go(own)?, seqno.get()))
            }
            Self::Member(lead) => out.emit(command::wait_dword_equals(go(lead)?, seqno.get())),
        }
    }

    /// Emits what comes between the batch and the job's end.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn wait_for_end(self, seqno: Seqno, out: &mut impl Emit) -> Result<(), NoRoom> {
        let Self::Lead(members) = self else { return Ok(()) };
        for member in members {
            out.emit(command::wait_dword_equals(member.seqno, seqno.get()))?;
        }
        Ok(())
    }
}

/// The lead's word. A context's buffer never ends at the last GGTT address.
fn go(lead: &LrcAddrs) -> Result<GgttAddr, NoRoom> {
    lead.parallel.checked_add(GO_BYTES).ok_or(NoRoom)
}
