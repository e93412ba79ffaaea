//! Memory of somebody else that the device reaches over the bus: a guest's.
//!
//! Ranges come and go while the device works. An access may straddle two of them; one that is not allowed in full moves
//! nothing. One that is allowed may meet memory that its owner has taken away under the mapping: it is refused as well.

use crate::bus::BusError;
use core::fmt;
use core::ops::Range;
use std::collections::BTreeMap;

/// The bytes of a range, wherever they are.
///
/// Somebody else reads and writes them at the same time, and may take them away. **Implementor**: a word of 4 or 8 bytes at an
/// offset that is a multiple of its size is moved at once; what was written before is visible to whoever sees a later word.
pub trait Backing: Send + fmt::Debug {
    /// Reads from an offset on; false if not all of it is there any more. The caller stays inside.
    fn read(&self, at_bytes: u64, into: &mut [u8]) -> bool;

    /// Writes from an offset on; false if not all of it is there any more. The caller stays inside.
    fn write(&self, at_bytes: u64, from: &[u8]) -> bool;
}

/// A range of bus addresses to be mapped.
#[derive(Debug)]
pub struct Mapping {
    /// First bus address.
    pub addr: u64,
    /// Length in bytes, not 0.
    pub len_bytes: u64,
    /// The device may read.
    pub readable: bool,
    /// The device may write.
    pub writable: bool,
    /// The bytes; none where there is something that the device cannot reach.
    pub backing: Option<Box<dyn Backing>>,
}

impl Mapping {
    const fn end(&self) -> u64 {
        self.addr.saturating_add(self.len_bytes)
    }

    /// Why an access is refused, if it is.
    const fn refusal(&self, writes: bool) -> Option<&'static str> {
        match (&self.backing, writes) {
            (None, _) => Some("which is mapped without memory"),
            (Some(_), false) if !self.readable => Some("which the device may not read"),
            (Some(_), true) if !self.writable => Some("which the device may not write"),
            (Some(_), _) => None,
        }
    }
}

/// Why a change of the mappings is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// No bytes, or beyond the last address.
    Range,
    /// Something is mapped there.
    Overlap,
    /// Nothing is mapped there.
    Nothing,
    /// The range would cut a mapping in two.
    Cut,
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Range => "it has no bytes or leaves the address space",
            Self::Overlap => "something is mapped there",
            Self::Nothing => "nothing is mapped there",
            Self::Cut => "it would cut a mapping in two",
        })
    }
}

impl core::error::Error for MapError {}

/// All mapped ranges, by address.
#[derive(Debug, Default)]
pub(crate) struct Mapped {
    ranges: BTreeMap<u64, Mapping>,
}

impl Mapped {
    /// The range that an address lies in.
    fn at(&self, addr: u64) -> Option<&Mapping> {
        self.ranges.range(..=addr).next_back().map(|(_, range)| range).filter(|range| addr < range.end())
    }

    pub(crate) fn map(&mut self, mapping: Mapping) -> Result<(), MapError> {
        let end = mapping.addr.checked_add(mapping.len_bytes).filter(|_| mapping.len_bytes > 0);
        let end = end.ok_or(MapError::Range)?;
        let inside = self.ranges.range(mapping.addr..end).next().is_some();
        if inside || self.at(mapping.addr).is_some() {
            return Err(MapError::Overlap);
        }
        self.ranges.insert(mapping.addr, mapping);
        Ok(())
    }

    /// Takes away all mappings of a range.
    pub(crate) fn unmap(&mut self, addr: u64, len_bytes: u64) -> Result<(), MapError> {
        let end = addr.checked_add(len_bytes).filter(|_| len_bytes > 0).ok_or(MapError::Range)?;
        let found: Vec<u64> = self.ranges.range(addr..end).map(|(at, _)| *at).collect();
        let cut = |at: u64| self.at(at).is_some_and(|range| range.addr < at && at < range.end());
        if cut(addr) || cut(end) {
            return Err(MapError::Cut);
        }
        if found.is_empty() {
            return Err(MapError::Nothing);
        }
        self.ranges.retain(|at, _| !found.contains(at));
        Ok(())
    }

    pub(crate) fn unmap_all(&mut self) {
        self.ranges.clear();
    }

    /// Shows the pieces of an access to `each`: the memory, the offset in it, and which bytes of the access they are. It is
    /// refused where `each` says false.
    fn walk(
        &self,
        addr: u64,
        len: usize,
        writes: bool,
        mut each: impl FnMut(&dyn Backing, u64, Range<usize>) -> bool,
    ) -> Result<(), BusError> {
        let (mut addr, mut done) = (addr, 0);
        while done < len {
            let range = self.at(addr).filter(|range| range.refusal(writes).is_none()).ok_or(BusError { addr })?;
            let part = usize::try_from(range.end() - addr).unwrap_or(usize::MAX).min(len - done);
            if let Some(backing) = &range.backing
                && !each(backing.as_ref(), addr - range.addr, done..done + part)
            {
                return Err(BusError { addr });
            }
            (addr, done) = (addr.wrapping_add(part as u64), done + part);
        }
        Ok(())
    }

    pub(crate) fn read(&self, addr: u64, into: &mut [u8]) -> Result<(), BusError> {
        self.walk(addr, into.len(), false, |_, _, _| true)?;
        self.walk(addr, into.len(), false, |backing, at, part| backing.read(at, into.get_mut(part).unwrap_or_default()))
    }

    pub(crate) fn write(&self, addr: u64, from: &[u8]) -> Result<(), BusError> {
        self.walk(addr, from.len(), true, |_, _, _| true)?;
        self.walk(addr, from.len(), true, |backing, at, part| backing.write(at, from.get(part).unwrap_or_default()))
    }

    /// Why an address cannot be reached, in words.
    pub(crate) fn refusal(&self, addr: u64, writes: bool) -> &'static str {
        self.at(addr).map_or("where nothing is mapped", |range| {
            range.refusal(writes).unwrap_or("whose memory its owner has taken away")
        })
    }
}

#[cfg(test)]
#[path = "mapped_tests.rs"]
mod tests;
