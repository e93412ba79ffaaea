//! Time, and waits that an interrupt message ends.

use crate::machine::apic::Timer;
use crate::machine::cpu;
use crate::messages::Messages;
use barexe_hal::clock::TickClock;
use barexe_hal::{Clock, Interrupted, Nanos};

/// A clock for a program that owns the processor: it halts, with interrupts on, and has a timer to end that.
#[derive(Debug)]
pub struct HaltingClock {
    /// What says the time.
    pub clock: TickClock,
    /// What ends a halt.
    pub timer: Timer,
}

impl Clock for HaltingClock {
    fn now(&mut self) -> Nanos {
        self.clock.now()
    }

    fn relax(&mut self, until: Nanos) -> Result<(), Interrupted> {
        let left = until.saturating_sub(self.clock.now());
        if left > Nanos::ZERO {
            self.timer.arm(left);
            cpu::halt_until_interrupt();
            self.timer.disarm();
        }
        Ok(())
    }
}

/// A clock for a program whose interrupts somebody else handles: it spins until a message has come.
#[derive(Debug)]
pub struct SpinningClock {
    /// What says the time.
    pub clock: TickClock,
    /// Where messages leave their mark.
    pub messages: &'static Messages,
}

impl Clock for SpinningClock {
    fn now(&mut self) -> Nanos {
        self.clock.now()
    }

    fn relax(&mut self, until: Nanos) -> Result<(), Interrupted> {
        let seen = self.messages.count();
        while self.messages.count() == seen && self.clock.now() < until {
            core::hint::spin_loop();
        }
        Ok(())
    }
}
