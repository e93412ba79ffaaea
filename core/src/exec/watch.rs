//! How long a job has run.
//!
//! Time counts while the job's context has its engine, not while it waits for a turn (commands-and-fences sheet §4.6
//! takes the context's own clock for that, which an engine shows only when the context leaves it).

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
}

impl Watch {
    /// Of a queue that has not run.
    pub const NEW: Self = Self { job: Seqno::initial_memory(), ran: Nanos::ZERO, since: None };

    /// The context has its engine, and `job` is its oldest that is not over; how long that has run.
    pub fn running(&mut self, job: Seqno, now: Nanos) -> Nanos {
        if job != self.job {
            *self = Self { job, ran: Nanos::ZERO, since: None };
        }
        let since = *self.since.get_or_insert(now);
        self.ran.saturating_add(elapsed(since, now))
    }

    /// The context has left its engine.
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
