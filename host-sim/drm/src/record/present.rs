//! Which pages of a client's memory hold anything: it may lend far more than it ever writes.

use crate::process::Process;
use core::ops::Range;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

const PAGE: u64 = 4096;
/// Bytes of memory below which asking costs more than looking.
const FEW: u64 = 1 << 20;
/// Entries of the list of pages that are read in one go.
const ENTRIES: u64 = 8192;
const ENTRY: usize = 8;
/// Bits of an entry: the page is in memory, or was put aside.
const HELD: u64 = 3 << 62;

/// The parts of a range that may hold something other than zero: of memory that is nobody else's, the pages that were ever
/// touched; of all else, everything. A range that cannot be asked about may hold anything.
pub(super) fn present(process: Process, range: &Range<u64>) -> Vec<Range<u64>> {
    let length = range.end.saturating_sub(range.start);
    let list = if length < FEW || !is_private(process, range) { None } else { list(process) };
    let pages = list.and_then(|list| held(&list, range));
    pages.unwrap_or_else(|| vec![range.clone()])
}

fn list(process: Process) -> Option<File> {
    File::open(format!("/proc/{}/pagemap", process.0)).ok()
}

/// Whether all of a range is memory without a file that no other process has: pages that nobody touched read as zero.
fn is_private(process: Process, range: &Range<u64>) -> bool {
    let Ok(maps) = std::fs::read_to_string(format!("/proc/{}/maps", process.0)) else { return false };
    let mut at = range.start;
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (Some(place), Some(may), inode) = (words.next(), words.next(), words.nth(2)) else { continue };
        let Some((start, end)) = place.split_once('-') else { continue };
        let [start, end] = [start, end].map(|text| u64::from_str_radix(text, 16).unwrap_or(0));
        if end <= at || start >= range.end {
            continue;
        }
        if start > at || !may.ends_with('p') || inode != Some("0") {
            return false;
        }
        at = end;
    }
    at >= range.end
}

/// The pages of a range that are held somewhere.
fn held(list: &File, range: &Range<u64>) -> Option<Vec<Range<u64>>> {
    let (first, end) = (range.start / PAGE, range.end.div_ceil(PAGE));
    let (mut found, mut at): (Vec<Range<u64>>, u64) = (Vec::new(), first);
    while at < end {
        let count = ENTRIES.min(end.saturating_sub(at));
        let mut entries = vec![0u8; usize::try_from(count).ok()?.checked_mul(ENTRY)?];
        list.read_exact_at(&mut entries, at.checked_mul(ENTRY as u64)?).ok()?;
        for (page, entry) in (at..).zip(entries.as_chunks::<ENTRY>().0) {
            if u64::from_le_bytes(*entry) & HELD == 0 {
                continue;
            }
            let start = page.saturating_mul(PAGE);
            let (from, to) = (start.max(range.start), start.saturating_add(PAGE).min(range.end));
            match found.last_mut().filter(|last| last.end == from) {
                Some(last) => last.end = to,
                None => found.push(from..to),
            }
        }
        at = at.saturating_add(count);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pages of memory at a place of the system's choice.
    #[expect(unsafe_code, reason = "memory is asked for")]
    fn pages(len: usize) -> u64 {
        let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping, at a place of the system's choice.
        let place = unsafe { libc::mmap(core::ptr::null_mut(), len, prot, flags | libc::MAP_NORESERVE, -1, 0) };
        assert_ne!(place, libc::MAP_FAILED);
        place.addr() as u64
    }

    #[test]
    fn of_much_memory_only_what_was_touched_is_looked_at() {
        let (start, own) = (pages(1 << 30), Process::own());
        let range = start..start.saturating_add(1 << 30);
        let touched = start.saturating_add(1 << 29);
        assert!(own.write(touched.saturating_add(8), &[1; 8]));
        let found = present(own, &range);
        let looked: u64 = found.iter().map(|part| part.end.saturating_sub(part.start)).sum();
        assert!(found.iter().any(|part| part.contains(&touched)), "{found:?}");
        // The system may give more than a page at a time.
        assert!(looked <= 4 << 20, "{looked}");
        assert!(matches!(&*present(own, &(8..16)), [only] if *only == (8..16)), "little is looked at without asking");
    }
}
