//! Base address registers: where, how long, of what kind.

use super::access::{BARS, IO_DECODE, MEMORY_DECODE, check_device, check_present, read_command, write_command};
use super::error::BarProblem;
use super::{ConfigAccess, Function, PciError};
use crate::num::joined;

/// Base address registers of a device.
const BAR_COUNT: usize = 6;
/// Number of the last.
const LAST_BAR: u8 = 5;
/// Flags below the address of a memory BAR.
const FLAGS: u32 = 0xF;
/// Flag: of I/O ports.
const IO: u32 = 1;
/// Flag: may be read ahead and merged.
const PREFETCHABLE: u32 = 1 << 3;
/// Bits of a physical address.
const ADDRESS_BITS: u32 = 52;

/// Physical addresses at which a function answers. The address is 0 if nobody assigned one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Bar {
    /// Number of its register, or of the lower of its two.
    pub index: u8,
    /// First physical address, a multiple of the size; 0 if unassigned.
    pub address: u64,
    /// Length in bytes: a power of two.
    pub size_bytes: u64,
    /// Reads have no effects and writes may be merged.
    pub prefetchable: bool,
    /// Takes two registers, and may lie anywhere.
    pub wide: bool,
}

/// The memory BARs of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Bars([Option<Bar>; BAR_COUNT]);

impl Bars {
    /// Finds out where a function answers and how long each piece is.
    ///
    /// Sizes are found by writing ones: meanwhile the function decodes nothing. The registers and the command register
    /// are as before when this returns, whatever it returns, as far as the function takes them back.
    ///
    /// # Errors
    /// [`PciError::HeaderType`] for a bridge, [`PciError::Bar`] with the register that is wrong,
    /// [`PciError::BarsOverlap`], [`PciError::Gone`], [`PciError::CommandStuck`] if decode cannot be switched off, and
    /// what the access says.
    pub fn read<C: ConfigAccess>(access: &mut C, function: Function) -> Result<Self, PciError> {
        check_device(access, function)?;
        let command = read_command(access, function)?;
        let found = read_undecoded(access, function, command & !(IO_DECODE | MEMORY_DECODE));
        write_command(access, function, command)?;
        // A function that went away answers like one with tiny BARs.
        check_present(access, function)?;
        let bars = Self(found?);
        bars.check_apart()?;
        Ok(bars)
    }

    /// The memory BAR with this number, with an address or without.
    #[must_use]
    pub fn get(&self, index: u8) -> Option<&Bar> {
        self.0.get(usize::from(index)).and_then(Option::as_ref)
    }

    /// The memory BAR with this number, if it can be used.
    ///
    /// # Errors
    /// [`PciError::Bar`]: it does not exist, or has no address.
    pub fn assigned(&self, index: u8) -> Result<&Bar, PciError> {
        match self.get(index) {
            Some(bar) if bar.address == 0 => {
                Err(PciError::bar(index, BarProblem::Unassigned { size_bytes: bar.size_bytes }))
            }
            Some(bar) => Ok(bar),
            None => Err(PciError::bar(index, BarProblem::Absent)),
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Bar> {
        self.0.iter().flatten()
    }

    /// No two claim the same address.
    fn check_apart(&self) -> Result<(), PciError> {
        for first in self.iter().filter(|bar| bar.address != 0) {
            for second in self.iter().filter(|bar| bar.address != 0 && bar.index > first.index) {
                // No sum overflows: every piece ends within the physical addresses.
                let end = |bar: &Bar| bar.address.saturating_add(bar.size_bytes);
                if first.address < end(second) && second.address < end(first) {
                    let address = first.address.max(second.address);
                    return Err(PciError::BarsOverlap { first: first.index, second: second.index, address });
                }
            }
        }
        Ok(())
    }
}

/// All BARs, with the function's decoders off.
fn read_undecoded<C: ConfigAccess>(
    access: &mut C,
    function: Function,
    quiet: u16,
) -> Result<[Option<Bar>; BAR_COUNT], PciError> {
    write_command(access, function, quiet)?;
    match read_command(access, function)? {
        found if found & (IO_DECODE | MEMORY_DECODE) == 0 => read_all(access, function),
        found => Err(PciError::CommandStuck { wanted: quiet, found }),
    }
}

fn read_all<C: ConfigAccess>(access: &mut C, function: Function) -> Result<[Option<Bar>; BAR_COUNT], PciError> {
    let mut bars = [None; BAR_COUNT];
    let mut upper_half = false;
    for (index, place) in (0u8..).zip(&mut bars) {
        if core::mem::take(&mut upper_half) {
            continue;
        }
        (*place, upper_half) = read_one(access, function, index)?;
    }
    Ok(bars)
}

/// One BAR, `None` if it has no size or is of I/O ports; and whether the register behind it belongs to it.
fn read_one<C: ConfigAccess>(access: &mut C, function: Function, index: u8) -> Result<(Option<Bar>, bool), PciError> {
    let (low, low_mask) = probe(access, function, index)?;
    if low & IO != 0 {
        return Ok((None, false));
    }
    let wide = match low >> 1 & 3 {
        0 => false,
        2 if index < LAST_BAR => true,
        _ => return Err(PciError::bar(index, BarProblem::Kind { value: low })),
    };
    let (high, high_mask) = if wide { probe(access, function, index.saturating_add(1))? } else { (0, 0) };
    let mask = joined(low_mask & !FLAGS, high_mask);
    if mask == 0 {
        return Ok((None, wide));
    }
    let size_bytes = size_of_mask(mask).ok_or(PciError::bar(index, BarProblem::Mask { mask }))?;
    let address = joined(low & !FLAGS, high);
    check_place(index, address, size_bytes)?;
    Ok((Some(Bar { index, address, size_bytes, prefetchable: low & PREFETCHABLE != 0, wide }), wide))
}

/// The register, and which of its bits can be written. It is as before afterwards.
fn probe<C: ConfigAccess>(access: &mut C, function: Function, index: u8) -> Result<(u32, u32), PciError> {
    let offset = BARS.saturating_add(u16::from(index) << 2);
    let before = access.read32(function, offset)?;
    access.write32(function, offset, u32::MAX)?;
    let ones = access.read32(function, offset)?;
    access.write32(function, offset, before)?;
    match access.read32(function, offset)? {
        after if after == before => Ok((before, ones)),
        found => Err(PciError::bar(index, BarProblem::NotRestored { wanted: before, found })),
    }
}

/// The lowest bit that can be written, if all above it can, too. Of a wide one the highest may be missing: devices need
/// not have more address bits than the machine.
fn size_of_mask(mask: u64) -> Option<u64> {
    let size = mask & mask.wrapping_neg();
    let above = mask.wrapping_add(size);
    let whole = above == 0 || above.is_power_of_two() && above >> 32 != 0;
    whole.then_some(size)
}

const fn check_place(index: u8, address: u64, size_bytes: u64) -> Result<(), PciError> {
    let problem = match address.checked_add(size_bytes) {
        Some(end) if end <= 1 << ADDRESS_BITS && address & size_bytes.wrapping_sub(1) == 0 => return Ok(()),
        Some(end) if end <= 1 << ADDRESS_BITS => BarProblem::Misaligned { address, size_bytes },
        _ => BarProblem::Beyond { address, size_bytes },
    };
    Err(PciError::bar(index, problem))
}
