//! Lists of capabilities.

use super::access::{ALL_ONES, CAPABILITIES, COMMAND, read_live};
use super::{ConfigAccess, Function, PciError};
use crate::num::{low8, low16};

/// Status bit, seen from the dword with the command register: there is a list.
const HAS_LIST: u32 = 1 << 20;
/// First byte behind the header.
const FIRST: u16 = 0x40;
/// First byte of extended configuration space, where its list begins.
const FIRST_EXTENDED: u16 = 0x100;
/// Capabilities that have room in extended configuration space.
const MOST_EXTENDED: u16 = (4096 - FIRST_EXTENDED) / 4;

/// Offset in bytes of the function's capability with this id; `None` if it has none.
///
/// The walk ends after as many steps as the list has room for.
///
/// # Errors
/// [`PciError::CapabilityPointer`], [`PciError::CapabilityLoop`], [`PciError::Gone`], and what the access says.
pub fn capability<C: ConfigAccess>(access: &mut C, function: Function, id: u8) -> Result<Option<u16>, PciError> {
    if read_live(access, function, COMMAND)? & HAS_LIST == 0 {
        return Ok(None);
    }
    // A bit for each dword in which a capability can begin.
    let mut seen = 0u64;
    let mut pointer_at = CAPABILITIES;
    let mut target = u16::from(low8(read_live(access, function, CAPABILITIES)?));
    while target != 0 {
        // The two lowest bits are reserved, and read as anything.
        let at = target & 0xFC;
        if at < FIRST {
            return Err(PciError::CapabilityPointer { at: pointer_at, target });
        }
        if seen >> (at >> 2) & 1 != 0 {
            return Err(PciError::CapabilityLoop { at });
        }
        seen |= 1 << (at >> 2);
        let [found, next, ..] = read_live(access, function, at)?.to_le_bytes();
        if found == id {
            return Ok(Some(at));
        }
        (pointer_at, target) = (at, u16::from(next));
    }
    Ok(None)
}

/// Offset in bytes of the function's extended capability with this id; `None` if it has none.
///
/// # Errors
/// As [`capability`]; [`PciError::OutOfReach`] where the access does not go beyond byte 255.
pub fn extended_capability<C: ConfigAccess>(
    access: &mut C,
    function: Function,
    id: u16,
) -> Result<Option<u16>, PciError> {
    let mut at = FIRST_EXTENDED;
    for _ in 0..MOST_EXTENDED {
        let header = match access.read32(function, at)? {
            // Conventional functions have nothing there and may answer so.
            0 | ALL_ONES if at == FIRST_EXTENDED => return absent_or_gone(access, function),
            ALL_ONES => return Err(PciError::Gone { function }),
            header => header,
        };
        if low16(header) == id {
            return Ok(Some(at));
        }
        let target = low16(header >> 20);
        match target & !3 {
            0 => return Ok(None),
            next if next < FIRST_EXTENDED => return Err(PciError::CapabilityPointer { at, target }),
            next => at = next,
        }
    }
    Err(PciError::CapabilityLoop { at })
}

fn absent_or_gone<C: ConfigAccess>(access: &mut C, function: Function) -> Result<Option<u16>, PciError> {
    super::access::check_present(access, function).map(|()| None)
}
