//! Translations that the engines of a GT forget because the host says so (engines sheet §12.5).

use super::machine::Machine;
use super::messages::{status, tlb};
use super::requests::{Payload, Refusal};

/// Largest page-selective range, as a shift of its pages.
const MOST_SHIFT: u32 = 51;

/// What is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Everything.
    All,
    /// What the firmware itself keeps of the GGTT, which is nothing.
    Own,
    /// A range, in bytes, of an address space; of all, where the part has no numbers for them.
    Range { space: u32, start: u64, bytes: u64 },
}

impl What {
    /// Decodes an invalidation.
    pub(super) fn decode(payload: Payload<'_>) -> Result<Self, Refusal> {
        match tlb::KIND.of(payload.dword(tlb::OPERATION)?) {
            tlb::kind::FULL => Ok(Self::All),
            tlb::kind::GUC => Ok(Self::Own),
            tlb::kind::PAGES => {
                let (start, shift) = (payload.wide(tlb::ADDRESS)?, payload.dword(tlb::LENGTH)?);
                let bytes =
                    4096_u64.checked_shl(shift).filter(|_| shift <= MOST_SHIFT).ok_or(status::INVALID_PARAMS)?;
                if start & (bytes - 1) != 0 {
                    return Err(status::INVALID_PARAMS);
                }
                Ok(Self::Range { space: payload.dword(tlb::SPACE)?, start, bytes })
            }
            tlb::kind::PAGES_OF_CONTEXT => Err(status::NOT_SUPPORTED),
            _ => Err(status::INVALID_PARAMS),
        }
    }

    /// Forgets it.
    pub(super) fn forget(&self, machine: &mut Machine<'_>) {
        let numbered = machine.shared.platform.version >= 1250;
        match *self {
            Self::All => machine.engines().for_each(|engine| engine.invalidate_tlb()),
            Self::Own => {}
            Self::Range { space, start, bytes } => {
                let space = numbered.then_some(u64::from(space));
                machine.engines().for_each(|engine| engine.invalidate_range(space, start, bytes));
            }
        }
    }
}
