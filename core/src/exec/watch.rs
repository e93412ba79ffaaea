//! How long a job has run.
//!
//! Time counts while the job's context has its engine, not while it waits for a turn. What a turn was worth says the context's
//! own clock (commands-and-fences sheet §4.6), which an engine shows when the context leaves it: between a driver that gives an
//! engine away and an engine that takes a context over time passes that no job had. Until then the machine's clock counts.

use crate::sync::seqno::Seqno;
use barexe_hal::Nanos;

/// Measures the oldest job of a queue.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    job: Seqno,
    /// Up to when its context last got its engine.
    ran: Nanos,
    /// When that was, while it has it.
    since: Option<Nanos>,
    /// What the context's own clock showed when it left its engine last, in ticks.
    clock: u32,
}

impl Watch {
    /// Of a queue that has not run.
    pub const NEW: Self = Self { job: Seqno::initial_memory(), ran: Nanos::ZERO, since: None, clock: 0 };

    /// The context has its engine, and `job` is its oldest that is not over; how long that has run.
    pub fn running(&mut self, job: Seqno, now: Nanos) -> Nanos {
        if job != self.job {
            *self = Self { job, ran: Nanos::ZERO, since: None, clock: self.clock };
        }
        let since = *self.since.get_or_insert(now);
        self.ran.saturating_add(elapsed(since, now))
    }

    /// The context has left its engine, with its own clock at `ticks` of `hz` a second.
    pub fn left(&mut self, now: Nanos, (ticks, hz): (u32, u32)) {
        let own = u64::from(ticks.wrapping_sub(self.clock)).saturating_mul(1_000_000_000).checked_div(u64::from(hz));
        self.clock = ticks;
        if let Some(since) = self.since.take() {
            // The job may be younger than the turn, and a clock that shows more than there was is wrong.
            let turn = elapsed(since, now);
            self.ran = self.ran.saturating_add(own.map_or(turn, |own| turn.min(Nanos::new(own))));
        }
    }

    /// The context was taken off its engine, which shows nothing.
    pub const fn stopped(&mut self, now: Nanos) {
        if let Some(since) = self.since.take() {
            self.ran = self.ran.saturating_add(elapsed(since, now));
        }
    }
}

/// A clock that goes backwards counts as standing still.
const fn elapsed(since: Nanos, now: Nanos) -> Nanos {
    Nanos::new(now.get().saturating_sub(since.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_worth_what_the_contexts_own_clock_says() {
        let (mut watch, job, hz) = (Watch::NEW, Seqno::FIRST, 1000);
        let ms = Nanos::from_millis;
        let _ = watch.running(job, ms(10));
        watch.left(ms(20), (6, hz));
        assert_eq!(watch.running(job, ms(30)), ms(6), "of ten milliseconds six");
        watch.left(ms(40), (100, hz));
        assert_eq!(watch.running(job, ms(50)), ms(16), "a turn has no more than there was");
        watch.left(ms(55), (2, hz));
        assert_eq!(watch.running(job, ms(60)), ms(21), "the clock wrapped");
        watch.left(ms(61), (3, 0));
        assert_eq!(watch.running(job, ms(70)), ms(22), "the clock's rate is not known");
    }

    #[test]
    fn time_counts_while_the_context_has_its_engine() {
        let (mut watch, job) = (Watch::NEW, Seqno::FIRST);
        let ms = Nanos::from_millis;
        assert_eq!(watch.running(job, ms(5)), ms(0));
        assert_eq!(watch.running(job, ms(7)), ms(2));
        watch.stopped(ms(8));
        assert_eq!(watch.running(job, ms(100)), ms(3));
        assert_eq!(watch.running(job, ms(101)), ms(4));
        assert_eq!(watch.running(job.next(), ms(110)), ms(0), "another job");
        assert_eq!(watch.running(job.next(), ms(109)), ms(0), "the clock went backwards");
    }
}
