//! Pinned client memory, piece by piece.

use crate::chain::{Chain, LinkHandle, LinkPool};
use crate::mem::tree::Segment;
use crate::shares::Owner;
use crate::{Capacity, Error};
use barexe_hal::{BusAddr, ClientAddr, ClientFault, HalErrorKind, PinRequest, PinnedRun, UserPages};

/// A pinned piece, and the client's address of its first byte.
#[derive(Debug)]
pub struct Pin {
    addr: u64,
    run: PinnedRun,
}

/// The pinned pieces of all ranges.
pub type PinPool<'a> = LinkPool<'a, Pin>;

impl Pin {
    const fn end(&self) -> u64 {
        self.addr.saturating_add(self.run.len_bytes)
    }
}

/// Pinned pieces, ascending by the client's address, each address in one of them at most.
#[derive(Debug, Default)]
pub struct Pins(Chain<Pin>);

/// Client addresses, from the first to one past the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientRange {
    /// First address.
    pub start: u64,
    /// One past the last.
    pub end: u64,
}

impl ClientRange {
    /// `len_bytes` from `start` on, as far as there are addresses.
    #[must_use]
    pub const fn new(start: u64, len_bytes: u64) -> Self {
        Self { start, end: start.saturating_add(len_bytes) }
    }

    /// Whether both have an address in common.
    #[must_use]
    pub const fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

impl Pins {
    /// Nothing.
    pub const NONE: Self = Self(Chain::new());

    /// Whether nothing is pinned.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Pins a range that lies above everything that is pinned so far; the pieces are charged to `owner`.
    ///
    /// # Errors
    /// [`Error::ClientFault`], [`Error::Exhausted`], the HAL's. What was pinned for the range is let go.
    pub fn add<H: UserPages>(
        &mut self,
        (pool, owner): (&mut PinPool<'_>, Owner),
        hal: &mut H,
        request: PinRequest,
    ) -> Result<(), Error> {
        let mut new = Self::NONE;
        match new.fill((&mut *pool, owner), hal, request) {
            Ok(()) => self.0.append(pool, new.0),
            Err(error) => {
                new.unpin(pool, hal);
                return Err(error);
            }
        }
        Ok(())
    }

    fn fill<H: UserPages>(
        &mut self,
        (pool, owner): (&mut PinPool<'_>, Owner),
        hal: &mut H,
        request: PinRequest,
    ) -> Result<(), Error> {
        let mut rest = request;
        while rest.len_bytes > 0 {
            if pool.room_for(owner) == 0 {
                return Err(Error::Exhausted(Capacity::UserPins));
            }
            let run = hal.pin(rest).map_err(|error| {
                let is_fault = error.kind() == HalErrorKind::ClientFault;
                if is_fault { Error::ClientFault(fault(&rest)) } else { Error::Hal(error) }
            })?;
            if run.len_bytes == 0 || run.len_bytes > rest.len_bytes {
                hal.unpin(run);
                return Err(Error::Hal(HalErrorKind::BadRequest.into()));
            }
            let len = run.len_bytes;
            let _ = self.0.push_for(pool, owner, Pin { addr: rest.addr.get(), run });
            rest.len_bytes = rest.len_bytes.saturating_sub(len);
            rest.addr = match rest.addr.get().checked_add(len).and_then(ClientAddr::new) {
                Some(next) => next,
                None if rest.len_bytes == 0 => return Ok(()),
                None => return Err(Error::ClientFault(fault(&rest))),
            };
        }
        Ok(())
    }

    /// Whether anything of a range is pinned.
    #[must_use]
    pub fn overlap(&self, pool: &PinPool<'_>, range: ClientRange) -> bool {
        self.0.iter(pool).any(|pin| range.overlaps(&ClientRange { start: pin.addr, end: pin.end() }))
    }

    /// Lets everything go.
    pub fn unpin<H: UserPages>(&mut self, pool: &mut PinPool<'_>, hal: &mut H) {
        while let Some(pin) = self.0.pop(pool) {
            hal.unpin(pin.run);
        }
    }

    /// Lets the pages of a range go. A piece that would become two stays whole if there is no place for the second.
    pub fn unpin_range<H: UserPages>(
        &mut self,
        (pool, owner): (&mut PinPool<'_>, Owner),
        hal: &mut H,
        range: ClientRange,
    ) {
        let mut kept = Self::NONE;
        while let Some(pin) = self.0.pop(pool) {
            let (addr, end) = (pin.addr, pin.end());
            if !range.overlaps(&ClientRange { start: addr, end }) {
                let _ = kept.0.push_for(pool, owner, pin);
                continue;
            }
            // The place of the piece that was just taken is free; two parts need another.
            if addr < range.start && range.end < end && pool.room_for(owner) < 2 {
                let _ = kept.0.push_for(pool, owner, pin);
                continue;
            }
            let (below, rest) = cut(pin, range.start);
            let (gone, above) = rest.map_or((None, None), |rest| cut(rest, range.end));
            for pin in [below, above].into_iter().flatten() {
                let _ = kept.0.push_for(pool, owner, pin);
            }
            if let Some(gone) = gone {
                hal.unpin(gone.run);
            }
        }
        *self = kept;
    }

    /// Puts others among them; the two have no address in common.
    pub fn merge(&mut self, (pool, owner): (&mut PinPool<'_>, Owner), mut others: Self) {
        if self.is_empty() || others.is_empty() {
            self.0.append(pool, others.0);
            return;
        }
        let mut merged = Self::NONE;
        loop {
            let first = |pins: &Self, pool: &PinPool<'_>| pins.0.iter(pool).next().map(|pin| pin.addr);
            let from = match (first(self, pool), first(&others, pool)) {
                (Some(ours), Some(theirs)) if theirs < ours => &mut others,
                (Some(_), _) => &mut *self,
                (None, _) => &mut others,
            };
            let Some(pin) = from.0.pop(pool) else { break };
            let _ = merged.0.push_for(pool, owner, pin);
        }
        *self = merged;
    }

    /// The pieces behind a range, if all of it is pinned.
    #[must_use]
    pub fn pieces<'p, 'a>(&self, pool: &'p PinPool<'a>, range: ClientRange) -> Option<PinCursor<'p, 'a>> {
        let mut at = self.0.first();
        let mut first = None;
        let mut from = range.start;
        while from < range.end {
            let handle = at?;
            let pin = &pool.get(handle)?.value;
            if pin.end() > from {
                if pin.addr > from {
                    return None;
                }
                first = first.or(at);
                from = pin.end();
            }
            at = Chain::after(pool, handle);
        }
        Some(PinCursor { pool, at: first, addr: range.start })
    }
}

/// Cuts a piece at an address: what lies below, what lies above.
fn cut(pin: Pin, addr: u64) -> (Option<Pin>, Option<Pin>) {
    if pin.end() <= addr {
        return (Some(pin), None);
    }
    let below = addr.saturating_sub(pin.addr);
    let Pin { addr: start, run } = pin;
    if below == 0 {
        return (None, Some(Pin { addr: start, run }));
    }
    match run.split(below) {
        Some((low, high)) => (Some(Pin { addr: start, run: low }), Some(Pin { addr, run: high })),
        None => (None, None),
    }
}

const fn fault(request: &PinRequest) -> ClientFault {
    ClientFault { addr: request.addr, len_bytes: crate::num::usize_capped(request.len_bytes) }
}

/// Pinned pieces from an address on, for page tables: neighbours that continue each other are one.
#[derive(Debug)]
pub struct PinCursor<'p, 'a> {
    pool: &'p PinPool<'a>,
    at: Option<LinkHandle<Pin>>,
    addr: u64,
}

impl Clone for PinCursor<'_, '_> {
    fn clone(&self) -> Self {
        Self { pool: self.pool, at: self.at, addr: self.addr }
    }
}

impl PinCursor<'_, '_> {
    /// The next piece: bus address and length.
    fn step(&mut self) -> Option<(BusAddr, u64)> {
        let handle = self.at?;
        let pin = &self.pool.get(handle)?.value;
        let skipped = self.addr.checked_sub(pin.addr)?;
        self.at = Chain::after(self.pool, handle);
        self.addr = pin.end();
        Some((pin.run.bus.checked_add(skipped)?, pin.run.len_bytes.saturating_sub(skipped)))
    }
}

impl<'p> Iterator for PinCursor<'p, '_> {
    type Item = Segment<'p>;

    fn next(&mut self) -> Option<Segment<'p>> {
        let (addr, mut bytes) = self.step()?;
        loop {
            let mut further = self.clone();
            match further.step() {
                Some((next, more)) if Some(next) == addr.checked_add(bytes) => {
                    bytes = bytes.saturating_add(more);
                    *self = further;
                }
                _ => return Some(Segment::Run { addr, bytes }),
            }
        }
    }
}

#[cfg(test)]
#[path = "pins_tests.rs"]
mod tests;
