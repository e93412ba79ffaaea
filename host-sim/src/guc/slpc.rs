//! Frequencies: nothing here runs faster or slower, but the host is told what it asked for.

use super::memory::Memory;
use super::messages::{slpc, status};
use super::requests::{Payload, Refusal};
use crate::shared::Shared;

/// Lowest and highest frequency a GT may have: the register of a part before 12.70, in units of 50 MHz (engines sheet
/// §13); those of the two GTs of later ones, in units of 50/3 MHz.
const LEGACY_LIMITS: u32 = 0x14_5998;
const MAIN_LIMITS: u32 = 0x13_8000;
const MEDIA_LIMITS: u32 = 0x13_8020;

/// A range of frequencies, in MHz.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Range {
    lowest: u32,
    highest: u32,
}

/// What the host set.
#[derive(Debug, Default)]
pub(super) struct Slpc {
    /// What is in force, once it runs.
    wanted: Range,
    running: bool,
}

/// What the part can do.
fn limits(shared: &Shared, media: bool) -> Range {
    let registers = &shared.tiles.one().registers;
    if shared.platform.version < 1270 {
        let value = registers.peek(LEGACY_LIMITS);
        return Range { lowest: (value >> 16 & 0xFF) * 50, highest: (value & 0xFF) * 50 };
    }
    let value = registers.peek(if media { MEDIA_LIMITS } else { MAIN_LIMITS });
    Range { lowest: (value >> 16 & 0x1FF) * 50 / 3, highest: (value & 0x1FF) * 50 / 3 }
}

impl Slpc {
    /// Takes a request.
    pub(super) fn request(&mut self, payload: Payload<'_>, shared: &mut Shared, media: bool) -> Result<(), Refusal> {
        let head = payload.dword(0)?;
        if payload.0.len() <= slpc::ARGUMENTS.of(head) as usize {
            return Err(status::INVALID_SIZE);
        }
        match slpc::EVENT.of(head) {
            slpc::event::RESET => {
                *self = Self { wanted: limits(shared, media), running: true };
                self.tell(payload.dword(1)?, shared, media)
            }
            slpc::event::QUERY if self.running => self.tell(payload.dword(1)?, shared, media),
            slpc::event::SET if self.running => self.set(payload.dword(1)?, Some(payload.dword(2)?), shared, media),
            slpc::event::UNSET if self.running => self.set(payload.dword(1)?, None, shared, media),
            slpc::event::SHUTDOWN => {
                *self = Self::default();
                Ok(())
            }
            slpc::event::QUERY | slpc::event::SET | slpc::event::UNSET => Err(status::INVALID_STATE),
            _ => Err(status::NOT_SUPPORTED),
        }
    }

    /// A parameter changes; none: it has its default again. Those that nothing here follows are taken all the same.
    fn set(&mut self, number: u32, value: Option<u32>, shared: &Shared, media: bool) -> Result<(), Refusal> {
        let limits = limits(shared, media);
        match number {
            slpc::parameter::LOWEST_MHZ => self.wanted.lowest = value.unwrap_or(limits.lowest),
            slpc::parameter::HIGHEST_MHZ => self.wanted.highest = value.unwrap_or(limits.highest),
            _ if number >= slpc::parameter::ROOM => return Err(status::INVALID_PARAMS),
            _ => {}
        }
        Ok(())
    }

    /// Brings the block up to date.
    fn tell(&self, block: u32, shared: &mut Shared, media: bool) -> Result<(), Refusal> {
        let mut memory = Memory::new(shared, media);
        let (lowest, highest) = (slpc::ratio(self.wanted.lowest), slpc::ratio(self.wanted.highest));
        let frequencies = slpc::HIGHEST.put(highest)
            | slpc::LOWEST.put(lowest)
            | slpc::SLICE_HIGHEST.put(highest)
            | slpc::SLICE_LOWEST.put(lowest);
        let mut put = |offset: u64, value: u32| {
            let at = block.checked_add(offset as u32).ok_or(status::INVALID_GGTT_ADDRESS)?;
            memory.write_dwords(at, &[value]).map_err(|_| status::INVALID_GGTT_ADDRESS)
        };
        put(slpc::BLOCK_TASKS, 0)?;
        put(slpc::BLOCK_FREQUENCIES, frequencies)?;
        put(slpc::BLOCK_STATE, slpc::state::RUNNING)
    }
}
