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
    ran: Nanos,
    /// When it was last looked at on its engine.
    seen: Option<Nanos>,
}

impl Watch {
    /// Of a queue that has not run.
    pub const NEW: Self = Self { job: Seqno::initial_memory(), ran: Nanos::ZERO, seen: None };

    /// The context has its engine, and `job` is its oldest that is not over; how long that has run.
    pub fn running(&mut self, job: Seqno, now: Nanos) -> Nanos {
        if job != self.job {
            *self = Self { job, ran: Nanos::ZERO, seen: Some(now) };
        }
        let since = self.seen.replace(now).unwrap_or(now);
        self.ran = self.ran.saturating_add(Nanos::new(now.get().saturating_sub(since.get())));
        self.ran
    }

    /// The context has left its engine.
    pub const fn stopped(&mut self) {
        self.seen = None;
    }
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
        watch.stopped();
        assert_eq!(watch.running(job, ms(100)), ms(2));
        assert_eq!(watch.running(job, ms(101)), ms(3));
        assert_eq!(watch.running(job.next(), ms(110)), ms(0), "another job");
        assert_eq!(watch.running(job.next(), ms(109)), ms(0), "a clock that goes backwards counts as standing still");
    }
}
