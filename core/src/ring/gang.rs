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
    #[inline(always)]
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
    #[inline(always)]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::{GEN12, XE2};
    use crate::gt::EngineClass;
    use crate::ring::command::BatchAddr;
    use crate::ring::emitter::Emitter;
    use crate::ring::job::{JOB_DWORDS_MAX, JobRequest, emit_part};
    use barexe_hal::GpuVa;
    use std::vec::Vec;

    fn context(number: u32) -> LrcAddrs {
        let at = |base: u32| GgttAddr::new(base | number << 20).unwrap();
        let layout = GEN12.lrc.layout(EngineClass::VideoDecode, 0x4000).unwrap();
        layout.addrs(at(0x0100_0000), at(0x0200_0000)).unwrap()
    }

    fn emitted(emit: impl FnOnce(&mut Emitter<'_>) -> Result<(), NoRoom>) -> Vec<u32> {
        let mut room = [0; JOB_DWORDS_MAX + GANG_DWORDS_MAX];
        let mut out = Emitter::new(&mut room);
        emit(&mut out).unwrap();
        out.dwords().to_vec()
    }

    #[test]
    fn the_lead_waits_for_all_starts_lets_go_and_waits_for_all_ends() {
        let (lead, members) = (context(0), [context(1), context(2)]);
        let go = lead.parallel.get() + 0x80;
        let start = emitted(|out| Part::Lead(&members).wait_for_start(&lead, Seqno::new(0), out));
        let [one, two] = members.map(|member| member.start_seqno.get());
        let want = [0x0E40_D003, u32::MAX, one, 0, 0, 0x0E40_D003, u32::MAX, two, 0, 0, 0x1040_0002, go, 0, 0];
        assert_eq!(start, want);
        let end = emitted(|out| Part::Lead(&members).wait_for_end(Seqno::new(0), out));
        let [one, two] = members.map(|member| member.seqno.get());
        assert_eq!(end, [0x0E40_C003, 0, one, 0, 0, 0x0E40_C003, 0, two, 0, 0]);
    }

    #[test]
    fn a_member_waits_for_the_lead_and_for_nothing_at_its_end() {
        let (lead, own) = (context(0), context(1));
        let start = emitted(|out| Part::Member(&lead).wait_for_start(&own, Seqno::new(5), out));
        assert_eq!(start, [0x0E40_C003, 5, lead.parallel.get() + 0x80, 0, 0]);
        assert!(emitted(|out| Part::Member(&lead).wait_for_end(Seqno::new(5), out)).is_empty());
    }

    #[test]
    fn a_whole_job_waits_for_nobody() {
        let own = context(0);
        assert!(emitted(|out| Part::Whole.wait_for_start(&own, Seqno::new(5), out)).is_empty());
        assert!(emitted(|out| Part::Whole.wait_for_end(Seqno::new(5), out)).is_empty());
    }

    #[test]
    fn the_longest_part_fits_where_it_must() {
        let members: [_; MEMBERS_MAX] = core::array::from_fn(|number| context(crate::num::u32_capped(number) + 1));
        let job = JobRequest {
            batch: BatchAddr::Ppgtt(GpuVa::ZERO),
            seqno: Seqno::FIRST,
            flush_tlb: true,
            user_fence: Some((GpuVa::ZERO, 1)),
            virtual_function: false,
        };
        for format in [&GEN12.ring, &XE2.ring] {
            for class in [EngineClass::VideoDecode, EngineClass::VideoEnhance] {
                let part = (&context(0), Part::Lead(&members));
                let len = emitted(|out| emit_part(format, class, part, &job, out)).len();
                assert!(len <= JOB_DWORDS_MAX + GANG_DWORDS_MAX && len > GANG_DWORDS_MAX, "{len}");
            }
        }
    }
}
