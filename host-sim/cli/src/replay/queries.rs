//! Which bytes of a query's answer must be equal (recordings' section 3; layouts: bind-and-exec sheet §2.5).
#![expect(clippy::single_range_in_vec_init, reason = "the ranges are the elements")]

use super::ids::{dword, qword};
use crate::recording::layout::QUERIES;
use core::ops::Range;

/// `XE_DEVICE_QUERY`: where the query's number and the buffer's size stand.
pub const QUERY: usize = 8;
/// Size of the buffer, 0 to ask for it.
pub const SIZE: usize = 12;

mod number {
    pub(super) const MEM_REGIONS: u32 = 1;
    pub(super) const HWCONFIG: u32 = 4;
    pub(super) const GT_TOPOLOGY: u32 = 5;
    pub(super) const ENGINE_CYCLES: u32 = 6;
    pub(super) const UC_FW_VERSION: u32 = 7;
    pub(super) const OA_UNITS: u32 = 8;
}

/// For messages.
#[must_use]
pub fn name(query: u32) -> String {
    QUERIES.get(query as usize).map_or_else(|| query.to_string(), |name| String::from(*name))
}

/// Whether the size that a query without buffer gives must be equal; for the others it depends on tables that are
/// no facts about the device.
#[must_use]
pub const fn size_is_fixed(query: u32) -> bool {
    matches!(query, 0..=3 | number::GT_TOPOLOGY | number::ENGINE_CYCLES | number::UC_FW_VERSION | 9)
}

/// The bytes of an answer that must be equal; `recorded` is the answer of the recording.
#[must_use]
pub fn fixed_bytes(query: u32, recorded: &[u8]) -> Vec<Range<usize>> {
    let len = recorded.len();
    match query {
        // All but the counters of used memory.
        number::MEM_REGIONS => regions(len),
        number::HWCONFIG => hwconfig(recorded),
        number::GT_TOPOLOGY => topology(recorded),
        // What was asked, and the width; the rest is time.
        number::ENGINE_CYCLES => vec![0..16],
        // The unit; which version it has is the unit's business.
        number::UC_FW_VERSION => vec![0..4],
        number::OA_UNITS => oa_units(recorded),
        _ => all(recorded),
    }
}

/// All bytes.
#[must_use]
pub fn all(recorded: &[u8]) -> Vec<Range<usize>> {
    vec![0..recorded.len()]
}

/// A header of 8 bytes, then 88 for each region: used counters at 16 and 32.
fn regions(len: usize) -> Vec<Range<usize>> {
    let (header, stride) = (8, 88);
    let mut fixed = vec![0..header];
    for at in (header..len).step_by(stride) {
        fixed.extend([at..at + 16, at + 24..at + 32, at + 40..at + stride]);
    }
    fixed
}

/// Attributes: key, length in dwords, values. Keys and lengths are the layout.
fn hwconfig(recorded: &[u8]) -> Vec<Range<usize>> {
    let (mut fixed, mut at) = (Vec::new(), 0);
    while let Some(dwords) = dword(recorded, at + 4) {
        fixed.push(at..at + 8);
        at = at.saturating_add(8).saturating_add((dwords as usize).saturating_mul(4));
    }
    fixed
}

/// Masks: GT, type, length in bytes, then the mask.
fn topology(recorded: &[u8]) -> Vec<Range<usize>> {
    let (mut fixed, mut at) = (Vec::new(), 0);
    while let Some(bytes) = dword(recorded, at + 4) {
        fixed.push(at..at + 8);
        at = at.saturating_add(8).saturating_add(bytes as usize);
    }
    fixed
}

/// A header of 16 bytes with the number of units at 8; units of 72 bytes, the number of engines last, and 8 bytes for
/// each engine.
fn oa_units(recorded: &[u8]) -> Vec<Range<usize>> {
    let (mut fixed, mut at) = (vec![8..16], 16usize);
    while let Some(engines) = qword(recorded, at.saturating_add(64)) {
        fixed.push(at + 64..at + 72);
        at = at.saturating_add(72).saturating_add(usize::try_from(engines).unwrap_or(usize::MAX).saturating_mul(8));
    }
    fixed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(query: u32, recorded: &[u8]) -> Vec<usize> {
        fixed_bytes(query, recorded).into_iter().flatten().collect()
    }

    #[test]
    fn counters_of_used_memory_are_left_out() {
        let fixed = fixed(number::MEM_REGIONS, &[0; 96]);
        let left_out: Vec<_> = (0..96).filter(|at| !fixed.contains(at)).collect();
        assert_eq!(left_out, (24..32).chain(40..48).collect::<Vec<_>>());
    }

    #[test]
    fn of_attributes_and_masks_only_the_layout_counts() {
        let mut bytes = [0; 28];
        bytes[4] = 2; // two dwords at 8, the next attribute at 16
        bytes[20] = 1;
        assert_eq!(fixed(number::HWCONFIG, &bytes), (0..8).chain(16..24).collect::<Vec<_>>());
        bytes[4] = 4; // four bytes at 8, the next mask at 12
        assert_eq!(fixed(number::GT_TOPOLOGY, &bytes)[8..16], (12..20).collect::<Vec<_>>());
    }

    #[test]
    fn of_units_the_numbers_of_units_and_engines_count() {
        let mut bytes = [0; 96];
        bytes[80] = 1;
        assert_eq!(fixed(number::OA_UNITS, &bytes), (8..16).chain(80..88).collect::<Vec<_>>());
    }

    #[test]
    fn lengths_that_lead_nowhere_end_the_walk() {
        let bytes = [0xFF; 16];
        for query in 0..12 {
            assert!(fixed_bytes(query, &bytes).len() < 8, "{query}");
        }
    }
}
