//! The device as its PCI bus sees it: configuration space, BAR 0, the memory it may reach, reset.
//!
//! A driver on the other side of the bus has a clock of its own. Every call says what it shows: the device's time
//! follows, and is ahead by what its engines have done since. Messages are handed to the caller, who alone knows where
//! they go.

use crate::blocks::config_space::CONFIG_BYTES;
use crate::gpu::{BLOCK, Gpu};
use crate::memory::{Backing, MapError, Mapping};
use crate::sim::Inner;
use crate::trace::Event;
use barexe_hal::Nanos;
use core::sync::atomic::Ordering;
use std::sync::Arc;

/// First byte of the GGTT in a tile's block.
const GGTT: u32 = 8 << 20;

/// What a call made the device do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "messages that are not passed on are lost"]
pub struct Reaction {
    /// Interrupt messages to be delivered.
    pub messages: u32,
    /// Engines have something to do: [`PciFunction::run`] is wanted.
    pub stirred: bool,
    /// The answer is not to be given before so much time has passed: a fault that was asked for.
    pub late: Nanos,
}

/// One simulated device behind a bus. Cheap to clone; all clones are the same device.
#[derive(Clone, Debug)]
pub struct PciFunction {
    inner: Arc<Inner>,
}

impl PciFunction {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        inner.with(|gpu| {
            gpu.shared.irq_line = true;
            gpu.shared.mapped.get_or_insert_default();
        });
        Self { inner }
    }

    /// Does something with the device at an instant of the bus.
    fn at(&self, now: Nanos, work: impl FnOnce(&mut Gpu)) -> Reaction {
        self.inner.callers.fetch_add(1, Ordering::Relaxed);
        let (reaction, _) = self.inner.with_messages(|gpu| {
            gpu.pass_to(now.get());
            work(gpu);
            // A message may be delayed, and is something to be done then.
            let messages = gpu.take_messages();
            Reaction { messages, stirred: gpu.is_busy(), late: Nanos::new(gpu.shared.plan.take_owed_ns()) }
        });
        self.inner.callers.fetch_sub(1, Ordering::Relaxed);
        reaction
    }

    /// Whether somebody waits for the device. Whoever calls [`run`](Self::run) again and again lets others go first.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.inner.callers.load(Ordering::Relaxed) != 0
    }

    /// Reads configuration space from a byte offset on. What lies behind its end reads as all ones.
    pub fn config_read(&self, now: Nanos, offset: u64, into: &mut [u8]) -> Reaction {
        self.at(now, |gpu| {
            for (at, part) in dwords(offset, into) {
                let value = if at < u64::from(CONFIG_BYTES) { gpu.config_read(at as u16) } else { u32::MAX };
                copy_cut(&value.to_le_bytes(), part.skip, part.bytes);
            }
        })
    }

    /// Writes configuration space from a byte offset on.
    pub fn config_write(&self, now: Nanos, offset: u64, from: &[u8]) -> Reaction {
        self.at(now, |gpu| {
            let mut from = from.to_vec();
            for (at, part) in dwords(offset, &mut from) {
                if at < u64::from(CONFIG_BYTES) {
                    let mut bytes = gpu.shared.config.read(at as u16).unwrap_or(0).to_le_bytes();
                    put_cut(&mut bytes, part.skip, part.bytes);
                    gpu.config_write(at as u16, u32::from_le_bytes(bytes));
                }
            }
        })
    }

    /// Reads BAR 0 from a byte offset on: registers dword by dword, GGTT entries whole. All ones behind its end.
    pub fn bar_read(&self, now: Nanos, offset: u64, into: &mut [u8]) -> Reaction {
        self.at(now, |gpu| {
            let mut cursor = Cursor { offset, left: into.len() };
            let mut rest = into;
            while let Some(step) = cursor.step() {
                let (part, later) = core::mem::take(&mut rest).split_at_mut(step.len);
                let bytes = match step.what {
                    Access::Entry => gpu.read_entry(step.at).to_le_bytes(),
                    Access::Register => u64::from(gpu.read_register(step.at)).to_le_bytes(),
                    Access::Outside => [0xFF; 8],
                };
                copy_cut(&bytes, step.skip, part);
                rest = later;
            }
        })
    }

    /// Writes BAR 0 from a byte offset on. A write that covers no whole register or entry breaks a rule and is lost.
    pub fn bar_write(&self, now: Nanos, offset: u64, from: &[u8]) -> Reaction {
        self.at(now, |gpu| {
            let mut cursor = Cursor { offset, left: from.len() };
            let mut rest = from;
            while let Some(step) = cursor.step() {
                let (part, later) = rest.split_at(step.len);
                let mut bytes = [0; 8];
                put_cut(&mut bytes, step.skip, part);
                match step.what {
                    Access::Entry if step.len == 8 => gpu.write64_steps(step.at, u64::from_le_bytes(bytes), 0, 1),
                    Access::Register if step.len == 4 => gpu.write_register(step.at, u64::from_le_bytes(bytes) as u32),
                    Access::Entry | Access::Register => {
                        gpu.shared.violation(format!(
                            "write of {} bytes at {:#x}",
                            step.len,
                            step.at + step.skip as u32
                        ));
                    }
                    Access::Outside => {}
                }
                rest = later;
            }
        })
    }

    /// Maps memory for the device.
    ///
    /// # Errors
    /// [`MapError`]; nothing is mapped then.
    pub fn map(&self, now: Nanos, mapping: Mapping) -> Result<(), MapError> {
        let (addr, bytes) = (mapping.addr, mapping.len_bytes);
        self.inner.with(|gpu| {
            gpu.pass_to(now.get());
            gpu.shared.mapped.get_or_insert_default().map(mapping)?;
            gpu.shared.trace_access(|| Event::Mapping { addr, bytes, mapped: true });
            Ok(())
        })
    }

    /// Takes all mappings of a range away.
    ///
    /// # Errors
    /// [`MapError`]; nothing has changed then.
    pub fn unmap(&self, now: Nanos, addr: u64, len_bytes: u64) -> Result<(), MapError> {
        self.inner.with(|gpu| {
            gpu.pass_to(now.get());
            gpu.shared.mapped.get_or_insert_default().unmap(addr, len_bytes)?;
            gpu.shared.trace_access(|| Event::Mapping { addr, bytes: len_bytes, mapped: false });
            Ok(())
        })
    }

    /// Takes all mappings away.
    pub fn unmap_all(&self) {
        self.inner.with(|gpu| gpu.shared.mapped.get_or_insert_default().unmap_all());
    }

    /// Back to the state after power-on. Memory stays mapped, faults stay set, what happened stays noted.
    pub fn reset(&self, now: Nanos) -> Reaction {
        self.at(now, Gpu::power_on)
    }

    /// Keeps the GGTT of a tile in other memory, from byte `from_bytes` of it, so that a driver may have it mapped. The
    /// device does not see accesses to it then, and holds nobody to the rules about them.
    pub fn keep_ggtt_in(&self, tile: usize, backing: Box<dyn Backing>, from_bytes: u64) {
        self.inner.with(|gpu| {
            if gpu.shared.tiles.select(tile) {
                gpu.shared.tiles.one_mut().ggtt.keep_in(backing, from_bytes);
            }
        });
    }

    /// Lets engines execute, at most so many commands and not far ahead of `now`. When it is to be called again: none
    /// if not before something happens.
    pub fn run(&self, now: Nanos, most_commands: u64) -> (Option<Nanos>, Reaction) {
        let ((due, messages), _) = self.inner.with_messages(|gpu| gpu.slice(now.get(), most_commands));
        (due.map(Nanos::new), Reaction { messages, stirred: due.is_some(), late: Nanos::ZERO })
    }
}

/// What lies at an offset in BAR 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Register,
    Entry,
    Outside,
}

/// One access of the device: where its word begins, how many bytes of the word are skipped, how many are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    what: Access,
    at: u32,
    skip: usize,
    len: usize,
}

/// Cuts a run of bytes in BAR 0 into accesses of the device.
struct Cursor {
    offset: u64,
    left: usize,
}

impl Cursor {
    fn step(&mut self) -> Option<Step> {
        if self.left == 0 {
            return None;
        }
        let (what, word) = match u32::try_from(self.offset) {
            Ok(offset) if offset % BLOCK >= GGTT => (Access::Entry, 8),
            Ok(_) => (Access::Register, 4),
            Err(_) => (Access::Outside, 8),
        };
        let at = self.offset & !(word - 1);
        let skip = (self.offset - at) as usize;
        let len = (word as usize - skip).min(self.left);
        (self.offset, self.left) = (self.offset.saturating_add(len as u64), self.left - len);
        Some(Step { what, at: at as u32, skip, len })
    }
}

/// Bytes of an access that lie in one dword.
struct Part<'b> {
    skip: usize,
    bytes: &'b mut [u8],
}

/// Cuts an access into dwords: offset of each, and its part of the bytes.
fn dwords(offset: u64, bytes: &mut [u8]) -> impl Iterator<Item = (u64, Part<'_>)> {
    let mut rest = bytes;
    let mut at = offset;
    core::iter::from_fn(move || {
        let skip = (at & 3) as usize;
        let len = (4 - skip).min(rest.len());
        let (bytes, later) = core::mem::take(&mut rest).split_at_mut(len);
        rest = later;
        let dword = at & !3;
        at = dword.saturating_add(4);
        (len > 0).then_some((dword, Part { skip, bytes }))
    })
}

/// Copies from a word, from a byte of it on.
fn copy_cut(word: &[u8], skip: usize, into: &mut [u8]) {
    for (byte, value) in into.iter_mut().zip(word.iter().skip(skip)) {
        *byte = *value;
    }
}

/// Copies into a word, from a byte of it on.
fn put_cut(word: &mut [u8], skip: usize, from: &[u8]) {
    for (byte, value) in word.iter_mut().skip(skip).zip(from) {
        *byte = *value;
    }
}

#[cfg(test)]
mod tests;
