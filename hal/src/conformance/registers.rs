//! Rules of register and GGTT access, at the places the caller named.

use super::{Broken, HOLE_ENTRIES, Trial};
use crate::{Hal, RegOffset};

/// Bits of a GGTT entry that every device keeps: the address, up to the narrowest bus (39 bits).
const KEPT: u64 = 0x7F_FFFF_F000;
/// First address of the runs; bit 0 stays clear, so that nothing is ever mapped.
const FIRST: u64 = 0x12_3000;

pub(super) fn a_register_reads_back_what_was_written<H: Hal>(s: &mut Trial<'_, H>) -> Result<(), Broken> {
    let (reg, bits) = (s.setup.scratch_register, s.setup.scratch_bits);
    s.check(bits != 0, "no bits to check were named", 0)?;
    let saved = s.hal.read32(reg);
    let result = [0, u32::MAX, 0x5AA5_0FF0, 0xA55A_F00F].into_iter().try_for_each(|value| {
        s.hal.write32(reg, value & bits | saved & !bits);
        for _ in 0..2 {
            let read = s.hal.read32(reg);
            s.check(read & bits == value & bits, "read back", u64::from(read))?;
        }
        Ok(())
    });
    s.hal.write32(reg, saved);
    result?;
    let restored = s.hal.read32(reg);
    s.check(restored & bits == saved & bits, "not restored", u64::from(restored))
}

/// The hole, cut to what the suite uses.
struct Hole {
    first: u32,
    entries: usize,
}

impl Hole {
    fn at(&self, entry: usize) -> RegOffset {
        let offset = u32::try_from(entry).unwrap_or(0);
        RegOffset::ggtt_entry(self.first.saturating_add(offset)).unwrap_or(RegOffset::GGTT_BASE)
    }
}

pub(super) fn ggtt_entries_take_runs_and_no_more<H: Hal>(s: &mut Trial<'_, H>) -> Result<(), Broken> {
    let entries = usize::try_from(s.setup.ggtt_hole_entries).unwrap_or(HOLE_ENTRIES).min(HOLE_ENTRIES);
    let hole = Hole { first: s.setup.ggtt_hole_first, entries };
    let end = s.setup.ggtt_hole_first.saturating_add(s.setup.ggtt_hole_entries);
    s.check(entries >= 4 && end <= RegOffset::GGTT_ENTRIES, "the hole is too small or outside", u64::from(end))?;
    let mut saved = [0; HOLE_ENTRIES];
    let (saved, _) = saved.split_at_mut_checked(entries).unwrap_or_default();
    s.hal.read64_run(hole.at(0), saved);
    let result = runs(s, &hole);
    for (at, entry) in saved.iter().enumerate() {
        s.hal.write64_steps(hole.at(at), *entry, 0, 1);
    }
    result?;
    expect(s, &hole, |at| saved.get(at).copied().unwrap_or(0))
}

/// A run over everything, one over the middle, one of nothing, one that goes backwards.
fn runs<H: Hal>(s: &mut Trial<'_, H>, hole: &Hole) -> Result<(), Broken> {
    let count = u32::try_from(hole.entries).unwrap_or(0);
    let last = hole.entries.saturating_sub(1);
    s.hal.write64_steps(hole.at(0), 0, 0, count);
    expect(s, hole, |_| 0)?;
    s.hal.write64_steps(hole.at(1), FIRST, 0x1000, count.saturating_sub(2));
    s.hal.write64_steps(hole.at(0), FIRST, 0x1000, 0);
    let inner = |at: usize| FIRST.saturating_add(step(at.saturating_sub(1)));
    expect(s, hole, |at| if at == 0 || at == last { 0 } else { inner(at) })?;
    s.hal.write64_steps(hole.at(0), KEPT, 0x1000u64.wrapping_neg(), count);
    expect(s, hole, |at| KEPT.saturating_sub(step(at)))
}

fn step(entries: usize) -> u64 {
    u64::try_from(entries).unwrap_or(0) << 12
}

/// Compares the hole, read as one run and entry by entry.
fn expect<H: Hal>(s: &mut Trial<'_, H>, hole: &Hole, want: impl Fn(usize) -> u64) -> Result<(), Broken> {
    let mut found = [0; HOLE_ENTRIES];
    let (found, _) = found.split_at_mut_checked(hole.entries).unwrap_or_default();
    s.hal.read64_run(hole.at(0), found);
    for (at, entry) in found.iter().enumerate() {
        let mut alone = [0];
        s.hal.read64_run(hole.at(at), &mut alone);
        let place = u64::from(hole.at(at).get());
        s.check(entry & KEPT == want(at) & KEPT, "another entry than written, at", place)?;
        s.check(alone == [*entry], "an entry differs when read alone, at", place)?;
    }
    Ok(())
}
