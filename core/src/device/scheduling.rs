//! What engine classes give to their queues, where an embedder wants it otherwise, and resets that nobody is to blame for.

use super::request::{EngineRef, QueueProperties};
use super::{Config, Device};
use crate::Error;
use crate::gt::reset::engine::EngineReset;
use crate::gt::{DeviceInfo, EngineClass};
use barexe_hal::{Hal, Nanos};

/// How queues of an engine class on a GT are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheduling {
    /// How long a job may run; long-running VMs know no such limit.
    pub job_timeout: Nanos,
    /// Time slice of queues that ask for none, in microseconds.
    pub timeslice_us: u32,
    /// Shortest and longest time slice that a client may ask for which is not privileged, in microseconds.
    pub timeslice_limits_us: [u32; 2],
    /// How long a context may take to leave its engine.
    pub preempt_timeout: Nanos,
}

/// That of each engine, in the order of [`DeviceInfo::engines`].
pub(super) type OfEngines = heapless::Vec<Scheduling, 27>;

impl Scheduling {
    fn new(config: &Config) -> Self {
        let timeslice_us = QueueProperties::default().timeslice_us;
        let timeslice_limits_us = QueueProperties::TIMESLICE_LIMITS_US;
        let Config { job_timeout, preempt_timeout, .. } = *config;
        Self { job_timeout, timeslice_us, timeslice_limits_us, preempt_timeout }
    }

    pub(super) fn of_engines(info: &DeviceInfo, config: &Config) -> OfEngines {
        let mut all = OfEngines::new();
        for _ in &info.engines {
            // There are no more engines than places.
            let _ = all.push(Self::new(config));
        }
        all
    }

    fn check(&self) -> Result<(), Error> {
        if self.timeslice_us == 0 || self.timeslice_us > QueueProperties::MAX_TIMESLICE_US {
            return Err(Error::invalid("time slice in microseconds", u64::from(self.timeslice_us)));
        }
        let [shortest, longest] = self.timeslice_limits_us;
        if shortest == 0 || shortest > longest || longest > QueueProperties::MAX_TIMESLICE_US {
            return Err(Error::invalid("shortest time slice in microseconds", u64::from(shortest)));
        }
        if self.job_timeout == Nanos::ZERO || self.preempt_timeout == Nanos::ZERO {
            return Err(Error::invalid("time limit in nanoseconds", 0));
        }
        Ok(())
    }
}

impl<H: Hal> Device<'_, H> {
    /// What queues of an engine class get that are created from here on.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the GT has no engine of the class.
    pub fn scheduling(&self, gt: u16, class: EngineClass) -> Result<Scheduling, Error> {
        let mut engines = self.info.engines.iter().zip(&self.scheduling);
        let found = engines.find(|(engine, _)| (u16::from(engine.gt), engine.class) == (gt, class));
        found.map(|(_, scheduling)| *scheduling).ok_or(Error::invalid("GT of an engine class", u64::from(gt)))
    }

    /// Changes that. Queues that are there keep what they have.
    ///
    /// # Errors
    /// [`Error::Invalid`] for limits or a time slice that are none, or as [`scheduling`](Self::scheduling).
    pub fn set_scheduling(&mut self, gt: u16, class: EngineClass, to: Scheduling) -> Result<(), Error> {
        to.check()?;
        self.scheduling(gt, class)?;
        for (engine, scheduling) in self.info.engines.iter().zip(&mut self.scheduling) {
            if (u16::from(engine.gt), engine.class) == (gt, class) {
                *scheduling = to;
            }
        }
        Ok(())
    }

    /// The properties of a queue on an engine that asks for none.
    ///
    /// # Errors
    /// As [`scheduling`](Self::scheduling).
    pub fn new_queue(&self, engine: &EngineRef) -> Result<QueueProperties, Error> {
        let timeslice_us = self.scheduling(engine.gt, engine.class)?.timeslice_us;
        Ok(QueueProperties { timeslice_us, ..QueueProperties::default() })
    }

    /// Shortest and longest time slice that a client may ask for on an engine, in microseconds.
    ///
    /// # Errors
    /// As [`scheduling`](Self::scheduling).
    pub fn timeslice_limits(&self, engine: &EngineRef, privileged: bool) -> Result<[u32; 2], Error> {
        let of_class = self.scheduling(engine.gt, engine.class)?.timeslice_limits_us;
        Ok(if privileged { QueueProperties::TIMESLICE_LIMITS_US } else { of_class })
    }

    /// Begins to reset all engines of a GT. What runs there begins its oldest job anew, and no queue is blamed for it.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is no such GT; [`Error::Again`] while another reset [goes on](Self::is_resetting).
    pub fn reset_gt(&mut self, gt: u16) -> Result<(), Error> {
        self.check_live()?;
        let found = self.info.gts().find(|found| u16::from(found.id) == gt);
        let found = found.ok_or(Error::invalid("GT id", u64::from(gt)))?;
        if self.reset.is_some() {
            return Err(Error::Again);
        }
        self.reset = Some(EngineReset::begin_wanted(&mut self.hal, &self.info, found));
        Ok(())
    }

    /// Whether engines are being reset.
    #[must_use]
    pub const fn is_resetting(&self) -> bool {
        self.reset.is_some()
    }

    pub(super) fn scheduling_of(&self, engine: u8) -> Scheduling {
        self.scheduling.get(usize::from(engine)).copied().unwrap_or_else(|| Scheduling::new(&self.config))
    }
}
