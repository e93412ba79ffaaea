//! TLB invalidation by registers, asynchronously (engines sheet §13.8).
//!
//! Page-table memory may be reused only after an invalidation that *began* after the tables changed has finished.
//! [`TlbInvalidator`] turns that into tickets and rounds: one round is in flight at most; requests made meanwhile
//! share the next one. No call waits.
//!
//! ```text
//!   request ──► ticket n+1        round n in flight        round n+1
//!                      └────────────────────────────────────► done
//! ```

use crate::Error;
use crate::gt::access::{ALL_ONES, on_gt};
use crate::gt::{DeviceInfo, Engine, EngineClass, GtFormat, Registers};
use barexe_hal::{Mmio, Nanos, RegOffset};

/// What an invalidation register serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlbTarget {
    /// One bit per instance of a class; plain, or masked with the bits repeated in the upper half.
    Engines {
        /// The class.
        class: EngineClass,
        /// The register takes masked writes.
        masked: bool,
    },
    /// The performance counters' TLB: written after the engines', never polled (2207587034).
    PerformanceCounters,
}

/// A register that starts an invalidation and shows, by a bit that clears, that it has finished.
#[derive(Clone, Copy, Debug)]
pub struct TlbRegister {
    /// Whom it serves.
    pub target: TlbTarget,
    /// The register, as its GT sees it.
    pub register: RegOffset,
}

/// The part that knows the hardware. Both calls return at once.
pub trait TlbBackend {
    /// Starts an invalidation of everything.
    fn start<H: Mmio>(&mut self, hal: &mut H);

    /// Whether the invalidation that was started last has finished.
    ///
    /// # Errors
    /// [`Error::DeviceGone`].
    fn finished<H: Mmio>(&mut self, hal: &mut H) -> Result<bool, Error>;
}

/// One register of a round: what is written and which bits must clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Trigger {
    register: RegOffset,
    write: u32,
    wait: u32,
}

/// Most registers of a round: five classes, and the performance counters.
const MAX_TRIGGERS: usize = 8;

/// Invalidation through the registers of every engine that exists.
///
/// Their power domains must be awake.
#[derive(Debug)]
pub struct EngineTlb {
    format: &'static GtFormat,
    triggers: heapless::Vec<Trigger, MAX_TRIGGERS>,
    /// Positions of triggers that have not answered yet.
    pending: u8,
}

impl EngineTlb {
    /// The backend for a device.
    #[must_use]
    pub fn new(info: &DeviceInfo) -> Self {
        let rows = info.format().tlb.iter();
        let triggers = rows.filter_map(|row| trigger(row, &info.engines)).take(MAX_TRIGGERS).collect();
        Self { format: info.format(), triggers, pending: 0 }
    }

    /// Registers that have not answered, with the bits still set when they were last looked at.
    pub fn unanswered(&self) -> impl Iterator<Item = RegOffset> + '_ {
        (0u32..).zip(&self.triggers).filter(|(n, _)| self.pending >> (n & 7) & 1 != 0).map(|(_, t)| t.register)
    }
}

/// What a row means for these engines, `None` if it serves none of them.
fn trigger(row: &TlbRegister, engines: &[Engine]) -> Option<Trigger> {
    match row.target {
        TlbTarget::PerformanceCounters => Some(Trigger { register: row.register, write: 1, wait: 0 }),
        TlbTarget::Engines { class, masked } => {
            let of_class = || engines.iter().filter(|engine| engine.class == class);
            let gt = of_class().next()?.gt;
            let bits = of_class().fold(0u32, |bits, engine| bits | 1 << (engine.instance & 15));
            let write = if masked { bits << 16 | bits } else { bits };
            Some(Trigger { register: on_gt(gt, row.register), write, wait: bits })
        }
    }
}

impl TlbBackend for EngineTlb {
    fn start<H: Mmio>(&mut self, hal: &mut H) {
        let mut regs = Registers::new(hal, self.format);
        self.pending = 0;
        for (position, trigger) in (0u32..).zip(&self.triggers) {
            regs.write(trigger.register, trigger.write);
            if trigger.wait != 0 {
                self.pending |= 1 << (position & 7);
            }
        }
    }

    fn finished<H: Mmio>(&mut self, hal: &mut H) -> Result<bool, Error> {
        let mut regs = Registers::new(hal, self.format);
        for (position, trigger) in (0u32..).zip(&self.triggers) {
            let bit = 1 << (position & 7);
            if self.pending & bit == 0 {
                continue;
            }
            match regs.read(trigger.register) {
                ALL_ONES => return Err(Error::DeviceGone),
                value if value & trigger.wait == 0 => self.pending &= !bit,
                _ => {}
            }
        }
        Ok(self.pending == 0)
    }
}

/// A round's number; order is by wrapping distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Round(u32);

impl Round {
    /// Just below the wrap, so that every run crosses it.
    const FIRST: Self = Self(u32::MAX - 3);

    const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// Whether `self` is `other` or came after it.
    const fn has_reached(self, other: Self) -> bool {
        self.0.wrapping_sub(other.0) < 1 << 31
    }
}

/// Names an invalidation that was asked for. Holds nothing; dropping it leaks nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "memory may be reused only after the ticket is done"]
pub struct TlbTicket(Round);

/// Longest time one round may take (engines sheet §13.8).
pub const ROUND_TIMEOUT: Nanos = Nanos::from_millis(4);

/// Rounds of invalidation over a backend.
#[derive(Debug)]
pub struct TlbInvalidator<B> {
    backend: B,
    started: Round,
    finished: Round,
    /// Deadline of the round in flight.
    in_flight: Option<Nanos>,
    /// Somebody waits for the next round.
    wanted: bool,
}

impl<B: TlbBackend> TlbInvalidator<B> {
    /// An invalidator with nothing in flight.
    #[must_use]
    pub const fn new(backend: B) -> Self {
        Self { backend, started: Round::FIRST, finished: Round::FIRST, in_flight: None, wanted: false }
    }

    /// Asks for an invalidation that begins after this call. It starts at the next [`poll`](Self::poll) that finds
    /// no round in flight; a round that runs already began too early to serve.
    pub const fn request(&mut self) -> TlbTicket {
        self.wanted = true;
        TlbTicket(self.started.next())
    }

    /// Whether the invalidation has finished.
    #[must_use]
    pub const fn is_done(&self, ticket: TlbTicket) -> bool {
        self.finished.has_reached(ticket.0)
    }

    /// Nothing is in flight and nobody waits.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.in_flight.is_none() && !self.wanted
    }

    /// When the round in flight is overdue.
    #[must_use]
    pub const fn deadline(&self) -> Option<Nanos> {
        self.in_flight
    }

    /// The part that knows the hardware, for reports.
    #[must_use]
    pub const fn backend(&self) -> &B {
        &self.backend
    }

    /// Looks whether the round in flight has finished, and starts the next one if somebody waits for it.
    ///
    /// # Errors
    /// [`Error::TimedOut`] at every call once the round is overdue ([`backend`](Self::backend) knows who did not
    /// answer): the GT needs a reset, see [`flushed_by_reset`](Self::flushed_by_reset). An answer that comes late
    /// still counts. [`Error::DeviceGone`].
    pub fn poll<H: Mmio>(&mut self, hal: &mut H, now: Nanos) -> Result<(), Error> {
        if let Some(deadline) = self.in_flight {
            if !self.backend.finished(hal)? {
                return if now >= deadline { Err(Error::TimedOut) } else { Ok(()) };
            }
            self.finished = self.started;
            self.in_flight = None;
        }
        if self.wanted {
            self.wanted = false;
            self.started = self.started.next();
            self.in_flight = Some(now.saturating_add(ROUND_TIMEOUT));
            self.backend.start(hal);
        }
        Ok(())
    }

    /// A GT reset, or the loss of the device, has emptied every TLB: all tickets so far are done.
    pub const fn flushed_by_reset(&mut self) {
        if self.wanted {
            self.started = self.started.next();
        }
        self.wanted = false;
        self.in_flight = None;
        self.finished = self.started;
    }
}
