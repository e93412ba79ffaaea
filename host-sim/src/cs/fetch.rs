//! Fetching commands from the ring and from batches.

use super::access::{Space, load};
use super::table::{self, Row};
use super::{Stop, Streamer};
use crate::bus::Bus;
use crate::ppgtt::Access;

/// Bytes loaded at once. A load never leaves the page that was translated, so what lies ahead cannot fault.
const AHEAD: usize = 64;

/// A command as fetched: its dwords are where the caller gave room.
#[derive(Clone, Copy)]
pub(super) struct Fetched {
    /// Ring offset or address of its header.
    pub(super) at: u64,
    pub(super) row: &'static Row,
}

fn push_dwords(cmd: &mut Vec<u32>, bytes: &[u8]) {
    cmd.extend(bytes.as_chunks().0.iter().map(|chunk| u32::from_le_bytes(*chunk)));
}

impl Streamer {
    /// The next command of the ring. None if only a part of it lies before the tail: the driver published a tail in the
    /// middle of a command, which breaks a rule; the ring is then as good as empty.
    pub(super) fn fetch_from_ring(&mut self, bus: &mut dyn Bus, cmd: &mut Vec<u32>) -> Result<Option<Fetched>, Stop> {
        let Some(running) = self.running else { return Err(Stop::Instruction(String::from("no context"))) };
        let (start, head) = (u64::from(running.ring_start), running.head);
        let until_end = (running.ring_bytes - head) as usize;
        let (row, dwords) = self.fetch_head(bus, Space::Ggtt, start + u64::from(head), until_end, cmd)?;
        let queued = running.tail.wrapping_sub(head) & (running.ring_bytes - 1);
        if dwords * 4 > queued {
            let (name, row, tail) = (self.name(), row.name, running.tail);
            bus.complain(format!("{name}: {row} at ring {head:#x} runs past the tail at {tail:#x}"));
            return Ok(None);
        }
        let before_end = (dwords as usize).min(until_end / 4);
        self.fetch_rest(bus, Space::Ggtt, start + u64::from(head), before_end, cmd)?;
        // A command may straddle the end of the ring.
        if before_end < dwords as usize {
            let mut rest = Vec::new();
            self.fetch_rest(bus, Space::Ggtt, start, dwords as usize - before_end, &mut rest)?;
            cmd.extend(rest);
        }
        Ok(Some(Fetched { at: u64::from(head), row }))
    }

    /// The command at an address.
    pub(super) fn fetch_from_batch(
        &mut self,
        bus: &mut dyn Bus,
        space: Space,
        addr: u64,
        cmd: &mut Vec<u32>,
    ) -> Result<Fetched, Stop> {
        let (row, dwords) = self.fetch_head(bus, space, addr, AHEAD, cmd)?;
        self.fetch_rest(bus, space, addr, dwords as usize, cmd)?;
        Ok(Fetched { at: addr, row })
    }

    /// Loads what one translation gives, at most `limit` bytes, and looks at the header.
    fn fetch_head(
        &mut self,
        bus: &mut dyn Bus,
        space: Space,
        va: u64,
        limit: usize,
        cmd: &mut Vec<u32>,
    ) -> Result<(&'static Row, u32), Stop> {
        let mut ahead = [0; AHEAD];
        let piece = self.translate(bus, space, va, AHEAD.min(limit), Access::Read)?;
        let got = ahead.get_mut(..piece.len).unwrap_or_default();
        load(bus, space, va, piece, got)?;
        cmd.clear();
        push_dwords(cmd, got);
        let header = cmd.first().copied().unwrap_or(0);
        self.ipehr = header;
        table::find(&self.spec, self.class, header)
            .map_err(|text| Stop::Instruction(format!("{header:#010x} at {va:#x}: {text}")))
    }

    /// Loads the dwords up to `dwords` that are not there yet, and drops those beyond.
    fn fetch_rest(
        &mut self,
        bus: &mut dyn Bus,
        space: Space,
        va: u64,
        dwords: usize,
        cmd: &mut Vec<u32>,
    ) -> Result<(), Stop> {
        while cmd.len() < dwords {
            let at = va.wrapping_add(cmd.len() as u64 * 4);
            let mut bytes = [0; AHEAD];
            let part = bytes.get_mut(..((dwords - cmd.len()) * 4).min(AHEAD)).unwrap_or_default();
            self.read(bus, space, at, part)?;
            push_dwords(cmd, part);
        }
        cmd.truncate(dwords);
        Ok(())
    }
}
