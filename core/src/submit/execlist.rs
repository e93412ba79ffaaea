//! Execlists: two dwords of descriptor and a load bit (engines sheet §7.1).
//!
//! Only entry 0 of the submit queue is used. Whether a second entry is honoured on graphics 20 and later is not
//! determined, and the scheduling here does not need one.

use super::Submission;
use crate::Error;
use crate::context::descriptor::Descriptor;
use crate::context::execlist;
use crate::gt::Registers;
use crate::gt::registers::access::ALL_ONES;
use crate::gt::regs::CURRENT_LRCA_OFFSET;
use barexe_hal::{GgttAddr, Mmio, RegOffset};

/// The submit port of one engine.
#[derive(Clone, Copy, Debug)]
pub struct Execlist {
    base: RegOffset,
}

/// Offset of the lower status dword from the engine's base (engines sheet §4.3).
const STATUS_LO: u32 = 0x234;
/// Set while the engine has not taken over the last submission: the one status bit that is known on every platform
/// here (engines sheet §7.3).
const STATUS_BUSY: u32 = 1 << 7;
/// The bits of an address that name a page.
const PAGE: u32 = !0xFFF;

impl Execlist {
    /// The port of the engine whose ring registers begin at `base`.
    #[must_use]
    pub const fn new(base: RegOffset) -> Self {
        Self { base }
    }
}

impl Submission for Execlist {
    fn is_ready<H: Mmio>(&self, regs: &mut Registers<'_, H>) -> Result<bool, Error> {
        let status = regs.read(self.base.offset(STATUS_LO));
        if status == ALL_ONES { Err(Error::DeviceGone) } else { Ok(status & STATUS_BUSY == 0) }
    }

    fn runs<H: Mmio>(&self, regs: &mut Registers<'_, H>, context: GgttAddr) -> Result<bool, Error> {
        match regs.read(self.base.offset(CURRENT_LRCA_OFFSET)) {
            ALL_ONES => Err(Error::DeviceGone),
            word => Ok(word & PAGE == context.get()),
        }
    }

    fn submit<H: Mmio>(&self, regs: &mut Registers<'_, H>, status_page: GgttAddr, descriptor: Descriptor) {
        let [page, rest @ ..] = execlist::submission(self.base.get(), status_page, descriptor);
        regs.write(page.0, page.1);
        // The page must be in force before the engine is told to use it; reading back makes it so.
        let _ = regs.read(page.0);
        for (register, value) in rest {
            regs.write(register, value);
        }
    }
}
