//! Rings in memory between host and GuC (engines sheet §12.4).

use super::memory::{Memory, NoMemory};
use super::messages::klv::self_config as key;
use super::messages::{ctb, status};
use super::requests::Refusal;
use std::collections::VecDeque;

/// Bytes of a ring: no more than this, and whole pages.
const MOST_BYTES: u32 = 4 << 20;
const PAGE: u32 = 4096;

/// Messages that may wait for room. What comes after them is lost, and the ring out of order.
const MOST_WAITING: usize = 4096;

/// One direction: where the host put it. Addresses are of the GGTT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    ring: u32,
    descriptor: u32,
    bytes: u32,
}

impl Place {
    fn check(&self) -> Result<(), Refusal> {
        let sized = (PAGE..=MOST_BYTES).contains(&self.bytes) && self.bytes.is_multiple_of(PAGE);
        match () {
            () if self.ring == 0 || self.descriptor == 0 || self.bytes == 0 => Err(status::CTB_NOT_REGISTERED),
            () if !sized => Err(status::INVALID_BUFFER_RANGE),
            () if !self.descriptor.is_multiple_of(4) || !self.ring.is_multiple_of(4) => {
                Err(status::CTB_INVALID_DESCRIPTOR)
            }
            () if self.ring.checked_add(self.bytes).is_none() => Err(status::INVALID_GGTT_ADDRESS),
            () if self.descriptor.checked_add(ctb::DESCRIPTOR_BYTES).is_none() => Err(status::INVALID_GGTT_ADDRESS),
            () => Ok(()),
        }
    }

    const fn dwords(&self) -> u32 {
        self.bytes / 4
    }

    /// Head, tail and state.
    fn descriptor(&self, memory: &mut Memory<'_>) -> Result<[u32; 3], NoMemory> {
        memory.dwords(self.descriptor)
    }

    fn put(&self, memory: &mut Memory<'_>, dword: usize, value: u32) -> Result<(), NoMemory> {
        memory.write_dwords(self.descriptor + 4 * dword as u32, &[value])
    }

    /// Says that the ring is out of order.
    fn blame(&self, memory: &mut Memory<'_>, bits: u32) {
        // Where the descriptor is gone, nobody can be told.
        let _ = self.put(memory, ctb::STATUS, bits);
    }

    /// Head and tail that can be used; none if the ring is out of order.
    fn ends(&self, memory: &mut Memory<'_>) -> Option<(u32, u32)> {
        let [head, tail, state] = self.descriptor(memory).ok()?;
        if state != 0 {
            return None;
        }
        if head >= self.dwords() || tail >= self.dwords() {
            self.blame(memory, ctb::status::OVERFLOW);
            return None;
        }
        Some((head, tail))
    }
}

/// A message of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) fence: u16,
    pub(super) dwords: Vec<u32>,
}

/// Both directions.
#[derive(Debug, Default)]
pub(super) struct Rings {
    to_guc: Place,
    to_host: Place,
    pub(super) on: bool,
    /// What has no room in the ring yet.
    outbox: VecDeque<Vec<u32>>,
}

impl Rings {
    /// A setting of a ring; whether it was one.
    pub(super) const fn set(&mut self, name: u16, value: u32) -> bool {
        let place = match name {
            key::TO_GUC_ADDRESS | key::TO_GUC_DESCRIPTOR | key::TO_GUC_SIZE => &mut self.to_guc,
            _ => &mut self.to_host,
        };
        match name {
            key::TO_GUC_ADDRESS | key::TO_HOST_ADDRESS => place.ring = value,
            key::TO_GUC_DESCRIPTOR | key::TO_HOST_DESCRIPTOR => place.descriptor = value,
            key::TO_GUC_SIZE | key::TO_HOST_SIZE => place.bytes = value,
            _ => return false,
        }
        true
    }

    /// Switches the rings on or off.
    pub(super) fn control(&mut self, on: bool) -> Result<(), Refusal> {
        if on {
            self.to_guc.check()?;
            self.to_host.check()?;
        }
        self.on = on;
        self.outbox.clear();
        Ok(())
    }

    /// The next message of the host, taken out of its ring.
    pub(super) fn take(&self, memory: &mut Memory<'_>) -> Option<Message> {
        let place = self.to_guc;
        let (mut head, tail) = if self.on { place.ends(memory)? } else { return None };
        let size = place.dwords();
        while head != tail {
            let queued = if tail > head { tail - head } else { tail + size - head };
            let [header] = memory.dwords(place.ring + 4 * head).ok()?;
            let length = ctb::DWORDS.of(header);
            if length >= queued || ctb::FORMAT.of(header) != 0 {
                place.blame(memory, ctb::status::UNDERFLOW);
                return None;
            }
            head = (head + 1) % size;
            let dwords = self.copy_out(memory, head, length).ok()?;
            head = (head + length) % size;
            place.put(memory, ctb::HEAD, head).ok()?;
            if !dwords.is_empty() {
                return Some(Message { fence: ctb::FENCE.of(header) as u16, dwords });
            }
        }
        None
    }

    /// Dwords of the host's ring, around its end.
    fn copy_out(&self, memory: &mut Memory<'_>, from: u32, count: u32) -> Result<Vec<u32>, NoMemory> {
        let before_end = count.min(self.to_guc.dwords() - from);
        let mut dwords = memory.read_dwords(self.to_guc.ring + 4 * from, before_end as usize)?;
        dwords.extend(memory.read_dwords(self.to_guc.ring, (count - before_end) as usize)?);
        Ok(dwords)
    }

    /// Queues a message for the host: its number and dwords.
    pub(super) fn post(&mut self, memory: &mut Memory<'_>, fence: u16, dwords: &[u32]) {
        if self.outbox.len() >= MOST_WAITING {
            self.to_host.blame(memory, ctb::status::OVERFLOW);
            return;
        }
        let header = ctb::header(fence, dwords.len().min(ctb::MOST_DWORDS) as u8);
        self.outbox.push_back(core::iter::once(header).chain(dwords.iter().copied().take(ctb::MOST_DWORDS)).collect());
    }

    /// Puts what is queued into the ring, as far as there is room; whether anything went in.
    pub(super) fn flush(&mut self, memory: &mut Memory<'_>) -> bool {
        let mut any = false;
        while self.on
            && let Some(message) = self.outbox.front()
            && self.append(memory, message).is_some()
        {
            self.outbox.pop_front();
            any = true;
        }
        any
    }

    /// Appends a message, if there is room.
    fn append(&self, memory: &mut Memory<'_>, message: &[u32]) -> Option<()> {
        let place = self.to_host;
        let (head, tail) = place.ends(memory)?;
        let size = place.dwords();
        let used = if tail >= head { tail - head } else { tail + size - head };
        // One dword stays free: a full ring would look empty.
        if used as usize + message.len() >= size as usize {
            return None;
        }
        let before_end = ((size - tail) as usize).min(message.len());
        let (first, rest) = message.split_at(before_end);
        memory.write_dwords(place.ring + 4 * tail, first).ok()?;
        memory.write_dwords(place.ring, rest).ok()?;
        place.put(memory, ctb::TAIL, (tail + message.len() as u32) % size).ok()
    }

    /// Whether something waits for room.
    pub(super) fn is_waiting(&self) -> bool {
        !self.outbox.is_empty()
    }
}
