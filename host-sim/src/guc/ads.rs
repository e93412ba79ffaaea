//! What the host prepared before the start: read once, and policies again when the host says so.

use super::memory::{Memory, NoMemory};
use super::messages::ads;

/// What the firmware keeps of the block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tables {
    /// The block itself.
    pub(super) addr: u32,
    /// Policies for all, if there are any.
    pub(super) policies: Option<u32>,
}

/// Reads the block; its table of engines must be there.
pub(super) fn read(memory: &mut Memory<'_>, addr: u32) -> Result<Tables, NoMemory> {
    let at = |offset: u64| addr.saturating_add(offset as u32);
    let [policies] = memory.dwords(at(ads::POLICIES))?;
    let [info] = memory.dwords(at(ads::SYSTEM_INFO))?;
    memory.dwords::<16>(info.saturating_add(ads::INFO_ENABLED as u32))?;
    Ok(Tables { addr, policies: (policies != 0).then_some(policies) })
}

/// Whether policies say that an engine is reset on which a context does not yield; none if they say nothing.
pub(super) fn resets_engines(memory: &mut Memory<'_>, policies: u32) -> Result<Option<bool>, NoMemory> {
    let [valid] = memory.dwords(policies.saturating_add(ads::POLICIES_VALID as u32))?;
    let [flags] = memory.dwords(policies.saturating_add(ads::POLICIES_FLAGS as u32))?;
    Ok((valid != 0).then_some(flags & ads::POLICY_NO_ENGINE_RESET == 0))
}
