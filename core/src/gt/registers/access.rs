//! Register access with the family's quirks applied.
//!
//! Everything the core does to registers goes through [`Registers`], so that a quirk is stated once, in the family's
//! table, and cannot be forgotten at a call site.

use crate::Error;
use crate::gt::format::GtFormat;
use crate::gt::regs;
use barexe_hal::{Clock, Mmio, Nanos, RegOffset};

/// What the bus answers when nobody is there.
pub const ALL_ONES: u32 = u32::MAX;

/// First pause of a poll; each further one is twice as long (engines sheet §2.1).
const FIRST_PAUSE: Nanos = Nanos::from_micros(10);

/// Most looks of one poll, for clocks that stand still.
const MAX_LOOKS: u32 = 1 << 16;

/// Number of a GT in its tile: 0 main, 1 media.
pub type GtIndex = u8;

/// Most tiles of a device: real ones have two, and what goes wrong only from three on has to be testable.
pub const MAX_TILES: usize = 3;

/// GSI registers end here; below it the media GT's view is shifted (engines sheet §2.2).
const GSI_END: u32 = 0x4_0000;
/// How far the media GT's view is shifted.
const MEDIA_GT_SHIFT: u32 = 0x38_0000;

/// A register as GT `gt` sees it.
#[must_use]
pub const fn on_gt(gt: GtIndex, reg: RegOffset) -> RegOffset {
    if gt != 0 && reg.get() < GSI_END { reg.offset(MEDIA_GT_SHIFT) } else { reg }
}

/// The registers of one tile, under one family's rules.
#[derive(Debug)]
pub struct Registers<'h, H> {
    hal: &'h mut H,
    format: &'static GtFormat,
    tile: u8,
}

impl<'h, H: Mmio> Registers<'h, H> {
    /// The registers of tile 0.
    #[must_use]
    pub const fn new(hal: &'h mut H, format: &'static GtFormat) -> Self {
        Self::on_tile(hal, format, 0)
    }

    /// Those of any tile.
    #[must_use]
    pub const fn on_tile(hal: &'h mut H, format: &'static GtFormat, tile: u8) -> Self {
        Self { hal, format, tile }
    }

    /// Those of another tile.
    pub const fn of_tile(&mut self, tile: u8) -> Registers<'_, H> {
        Registers { hal: self.hal, format: self.format, tile }
    }

    /// Whose registers they are.
    #[must_use]
    pub const fn tile(&self) -> u8 {
        self.tile
    }

    /// The family's table.
    #[must_use]
    pub const fn format(&self) -> &'static GtFormat {
        self.format
    }

    /// The HAL behind it, for what is not a register.
    pub const fn hal(&mut self) -> &mut H {
        self.hal
    }

    /// Makes pending writes arrive first where a read could overtake them (15015404425, engines sheet §2.1).
    fn before_read(&mut self) {
        if self.format.read_needs_flush {
            for _ in 0..4 {
                self.hal.write32(regs::PENDING_WRITE_FLUSH.on_tile(self.tile), 0);
            }
        }
    }

    /// Reads a register.
    pub fn read(&mut self, reg: RegOffset) -> u32 {
        self.before_read();
        self.hal.read32(reg.on_tile(self.tile))
    }

    /// Writes a register.
    pub fn write(&mut self, reg: RegOffset, value: u32) {
        self.hal.write32(reg.on_tile(self.tile), value);
    }

    /// Reads a register of GT `gt`.
    pub fn read_gt(&mut self, gt: GtIndex, reg: RegOffset) -> u32 {
        self.read(on_gt(gt, reg))
    }

    /// Writes a register of GT `gt`.
    pub fn write_gt(&mut self, gt: GtIndex, reg: RegOffset, value: u32) {
        self.write(on_gt(gt, reg), value);
    }

    /// Reads a 64-bit counter that is split over two registers.
    ///
    /// Upper, lower, upper until two uppers agree. `None` if they never did, in at most five rounds, or if the
    /// device is gone (engines sheet §2.1).
    pub fn read_counter64(&mut self, low: RegOffset, high: RegOffset) -> Option<u64> {
        let mut upper = self.read(high);
        for _ in 0..5 {
            let lower = self.read(low);
            let again = self.read(high);
            if again == upper {
                let gone = upper == ALL_ONES && lower == ALL_ONES;
                return if gone { None } else { Some(u64::from(upper) << 32 | u64::from(lower)) };
            }
            upper = again;
        }
        None
    }

    /// Reads consecutive GGTT entries, the first of page `first_page`.
    ///
    /// The flush comes once per run: nothing is written between the entries of one.
    pub fn read_entries(&mut self, first_page: u32, out: &mut [u64]) {
        let Some(reg) = RegOffset::ggtt_entry(first_page) else { return };
        self.before_read();
        self.hal.read64_run(reg.on_tile(self.tile), out);
    }

    /// Writes `count` GGTT entries from page `first_page` on: `first`, `first + step`, ...
    ///
    /// Where the family limits how many may be under way (22019338487) the run is cut, and each piece is followed by
    /// a write to `GMD_ID`, which completes it (engines sheet §2.1).
    pub fn write_entries(&mut self, first_page: u32, first: u64, step: u64, count: u32) {
        let Some(fence) = self.format.ggtt.write_fence else {
            self.write_entry_run(first_page, first, step, count);
            return;
        };
        let (mut done, mut value) = (0u32, first);
        while done < count {
            let piece = count.wrapping_sub(done).min(fence.entries.get());
            self.write_entry_run(first_page.wrapping_add(done), value, step, piece);
            self.write(fence.register, 0);
            value = value.wrapping_add(step.wrapping_mul(u64::from(piece)));
            done = done.wrapping_add(piece);
        }
    }

    fn write_entry_run(&mut self, first_page: u32, first: u64, step: u64, count: u32) {
        if let Some(reg) = RegOffset::ggtt_entry(first_page) {
            self.hal.write64_steps(reg.on_tile(self.tile), first, step, count);
        }
    }

    /// Makes updates of the tile's GGTT visible to its GTs: the barrier read, then the family's invalidation
    /// (page-tables sheet §4.5, §8.4).
    pub fn invalidate_ggtt(&mut self, gt_count: u8) {
        self.read(regs::VF_CAP);
        for gt in 0..gt_count {
            for (reg, value) in self.format.ggtt.invalidate {
                self.write_gt(gt, *reg, *value);
            }
        }
    }
}

impl<H: Mmio + Clock> Registers<'_, H> {
    /// Waits until the bits `mask` of a register equal `want`.
    ///
    /// Bounded by `timeout`; looks once more after the deadline, so that a long pause is never taken for a silent
    /// device.
    ///
    /// # Errors
    /// [`Error::DeviceGone`] on an all-ones read, [`Error::Interrupted`], [`Error::TimedOut`].
    pub fn poll_until(&mut self, reg: RegOffset, mask: u32, want: u32, timeout: Nanos) -> Result<u32, Error> {
        let deadline = self.hal.now().saturating_add(timeout);
        let mut pause = FIRST_PAUSE;
        for _ in 0..MAX_LOOKS {
            let now = self.hal.now();
            match self.read(reg) {
                ALL_ONES => return Err(Error::DeviceGone),
                value if value & mask == want => return Ok(value),
                _ if now >= deadline => return Err(Error::TimedOut),
                _ => self.hal.relax(now.saturating_add(pause).min(deadline))?,
            }
            pause = pause.saturating_add(pause);
        }
        Err(Error::TimedOut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::GEN12;
    use barexe_hal::Interrupted;
    use std::collections::VecDeque;

    /// Registers that answer from a script; the last answer stays.
    #[derive(Default)]
    struct Script {
        answers: VecDeque<u32>,
        reads: u32,
        now: u64,
        relaxes_left: Option<u32>,
        clock_stands: bool,
    }

    fn script(answers: impl IntoIterator<Item = u32>) -> Script {
        Script { answers: answers.into_iter().collect(), ..Script::default() }
    }

    impl Mmio for Script {
        fn read32(&mut self, _: RegOffset) -> u32 {
            self.reads = self.reads.wrapping_add(1);
            if self.answers.len() > 1 { self.answers.pop_front().unwrap() } else { self.answers[0] }
        }
        fn write32(&mut self, _: RegOffset, _: u32) {}
        fn read64_run(&mut self, _: RegOffset, _: &mut [u64]) {}
        fn write64_steps(&mut self, _: RegOffset, _: u64, _: u64, _: u32) {}
    }

    impl Clock for Script {
        fn now(&mut self) -> Nanos {
            Nanos::new(self.now)
        }
        fn relax(&mut self, until: Nanos) -> Result<(), Interrupted> {
            if let Some(left) = &mut self.relaxes_left {
                *left = left.checked_sub(1).ok_or(Interrupted)?;
            }
            if !self.clock_stands {
                self.now = until.get();
            }
            Ok(())
        }
    }

    const REG: RegOffset = RegOffset::at(0xDFC);

    fn poll(hal: &mut Script) -> Result<u32, Error> {
        Registers::new(hal, &GEN12.gt).poll_until(REG, 1, 1, Nanos::from_millis(50))
    }

    #[test]
    fn a_counter_is_read_until_two_uppers_agree() {
        let read = |answers: &[u32]| {
            let mut hal = script(answers.iter().copied());
            let value = Registers::new(&mut hal, &GEN12.gt).read_counter64(REG, REG);
            (value, hal.reads)
        };
        assert_eq!(read(&[7, 0x10, 7]), (Some(0x7_0000_0010), 3));
        // The lower half wrapped in between: the second round is right.
        assert_eq!(read(&[7, 0x3, 8, 0x5, 8]), (Some(0x8_0000_0005), 5));
        assert_eq!(read(&[1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6]), (None, 11));
        assert_eq!(read(&[u32::MAX]), (None, 3));
    }

    #[test]
    fn a_poll_backs_off_and_looks_once_more_after_its_deadline() {
        let mut hal = script([0]);
        assert_eq!(poll(&mut hal), Err(Error::TimedOut));
        assert_eq!((hal.now, hal.reads), (50_000_000, 14), "10 us, then twice as long each time");
        // The answer that comes with the deadline still counts.
        let mut hal = script(core::iter::repeat_n(0, 13).chain([1]));
        assert_eq!(poll(&mut hal), Ok(1));
    }

    #[test]
    fn a_poll_ends_at_once_for_an_answer_an_interruption_or_a_device_that_is_gone() {
        let mut hal = script([0x8001]);
        assert_eq!((poll(&mut hal), hal.now), (Ok(0x8001), 0));
        let mut hal = script([u32::MAX]);
        assert_eq!((poll(&mut hal), hal.now), (Err(Error::DeviceGone), 0), "although the bit matches");
        let mut hal = Script { relaxes_left: Some(2), ..script([0]) };
        assert_eq!((poll(&mut hal), hal.reads), (Err(Error::Interrupted), 3));
    }

    #[test]
    fn a_poll_ends_even_when_the_clock_stands_still() {
        let mut hal = Script { clock_stands: true, ..script([0]) };
        assert_eq!((poll(&mut hal), hal.reads), (Err(Error::TimedOut), MAX_LOOKS));
    }
}
