//! The block of addresses and tables that the host prepares: byte offsets from its start. Addresses are of the GGTT.

use super::context::{INSTANCE_ROOM, class};

/// Lists of registers to save and restore, 8 bytes each (address, count), by class and instance.
pub const REGISTER_LISTS: u64 = 0;
/// Bytes of a list's row.
pub const REGISTER_LIST_BYTES: u64 = 8;
const AFTER_LISTS: u64 = REGISTER_LISTS + (class::ROOM * INSTANCE_ROOM) as u64 * REGISTER_LIST_BYTES;

/// Address of the policies for all.
pub const POLICIES: u64 = AFTER_LISTS + 4;
/// Address of the table of engines.
pub const SYSTEM_INFO: u64 = AFTER_LISTS + 8;
/// Address of golden contexts, by class.
pub const GOLDEN_CONTEXTS: u64 = AFTER_LISTS + 20;
/// Bytes of engine state in them, by class.
pub const GOLDEN_BYTES: u64 = GOLDEN_CONTEXTS + 4 * class::ROOM as u64;
/// Address of the firmware's own memory.
pub const PRIVATE_DATA: u64 = GOLDEN_BYTES + 4 * class::ROOM as u64;

/// Table of engines: for each class and instance of the hardware, one byte: its number in the class, counted through
/// those that exist.
pub const INFO_INSTANCES: u64 = 0;
/// Table of engines: for each class a dword, a bit for each instance that exists.
pub const INFO_ENABLED: u64 = (class::ROOM * INSTANCE_ROOM) as u64;

/// Policies: bytes up to "valid", a dword.
pub const POLICIES_VALID: u64 = 4 * class::ROOM as u64 + 4;
/// Policies: dword of flags.
pub const POLICIES_FLAGS: u64 = 4 * class::ROOM as u64 + 12;
/// Flag: an engine on which a context does not yield is not reset.
pub const POLICY_NO_ENGINE_RESET: u32 = 1;
