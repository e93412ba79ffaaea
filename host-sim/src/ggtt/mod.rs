//! The GGTT array in the upper half of a tile's block of BAR 0.

pub(crate) mod table;

use crate::bus::Bus as _;
use crate::fault::Occasion;
use crate::gpu::{BLOCK, Gpu};
use crate::trace::Event;

const ARRAY: u32 = 8 << 20;
/// Entries the array has room for.
const ENTRIES: u32 = (BLOCK - ARRAY) / 8;

impl Gpu {
    /// First entry of an access, if it is one of the array.
    fn ggtt_index(&mut self, offset: u32) -> Option<u32> {
        let inside = (ARRAY..BLOCK).contains(&offset) && offset.is_multiple_of(8);
        if !inside {
            self.shared.violation(format!("64-bit access to {offset:#x}"));
        }
        inside.then(|| (offset - ARRAY) / 8)
    }

    /// One entry; all ones where the device does not answer.
    pub(crate) fn read_entry(&mut self, in_bar: u32) -> u64 {
        let mut entry = [0];
        self.read64_run(in_bar, &mut entry);
        let [value] = entry;
        self.shared.trace_access(|| Event::Access { space: "entry", offset: in_bar, value, written: false });
        value
    }

    pub(crate) fn read64_run(&mut self, in_bar: u32, out: &mut [u64]) {
        let Some(offset) = self.access(in_bar) else {
            out.fill(u64::MAX);
            return;
        };
        let Some(first) = self.ggtt_index(offset) else {
            out.fill(0);
            return;
        };
        for ((page, at), entry) in (first..).zip((in_bar..).step_by(8)).zip(out) {
            let wrong = self.read_goes_wrong(&Occasion::Read(Some(at)));
            *entry = wrong.unwrap_or_else(|| self.shared.ggtt_entry(page).unwrap_or(0));
        }
    }

    /// Entries past the end of the block are not written.
    pub(crate) fn write64_steps(&mut self, in_bar: u32, first: u64, step: u64, count: u32) {
        let Some(offset) = self.access(in_bar) else { return };
        let Some(page) = self.ggtt_index(offset) else { return };
        self.shared.trace_access(|| Event::Access { space: "entry", offset: in_bar, value: first, written: true });
        let mut entry = first;
        for (page, at) in (page..ENTRIES).zip((in_bar..).step_by(8)).take(count as usize) {
            if let Some(entry) = self.write_goes_wrong(&Occasion::Write(Some(at)), entry) {
                self.shared.write_ggtt(page, entry);
            }
            entry = entry.wrapping_add(step);
        }
    }
}
