//! What clients change by files that show the device, not by calls.

use crate::node::{Caller, Idle, Node, Refusal};
use barexe_core::Error;
use barexe_core::device::wait::Lend;
use barexe_core::gt::EngineClass;
use barexe_hal::Nanos;

/// A number that queues of an engine class are given when they are created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassNumber {
    /// How long a job may run, in milliseconds.
    JobTimeoutMs,
    /// Time slice, in microseconds.
    TimesliceUs,
    /// How long a context may take to leave its engine, in microseconds.
    PreemptTimeoutUs,
}

/// Longest time between two looks at a reset.
const LOOK_EVERY: Nanos = Nanos::from_micros(100);

impl Node {
    /// Sets a number of an engine class on a GT; queues that are there keep theirs.
    ///
    /// # Errors
    /// EINVAL if the GT has no such engine, or for zero.
    pub fn set_class_number(&self, gt: u8, class: EngineClass, number: ClassNumber, to: u32) -> Result<(), Refusal> {
        let mut state = self.lock();
        let mut scheduling = state.device.scheduling(gt.into(), class)?;
        match number {
            ClassNumber::JobTimeoutMs => scheduling.job_timeout = Nanos::from_millis(to.into()),
            ClassNumber::TimesliceUs => scheduling.timeslice_us = to,
            ClassNumber::PreemptTimeoutUs => scheduling.preempt_timeout = Nanos::from_micros(to.into()),
        }
        Ok(state.device.set_scheduling(gt.into(), class, scheduling)?)
    }

    /// Resets the engines of a GT; `wait`: returns when that is over. One that goes on is waited for.
    ///
    /// # Errors
    /// EINVAL if there is no such GT; EINTR.
    pub fn reset_gt(&self, gt: u8, wait: bool, idle: Idle<'_>) -> Result<(), Refusal> {
        let mut lend = Caller { node: self, idle };
        let mut until = |done: &mut dyn FnMut(&mut crate::node::NodeDevice) -> Result<bool, Refusal>| loop {
            if lend.with(&mut *done)? {
                return Ok(());
            }
            let next_look = crate::wall::now().saturating_add(LOOK_EVERY);
            lend.idle(next_look).map_err(|_| Refusal(libc::EINTR))?;
        };
        until(&mut |device| match device.reset_gt(gt.into()) {
            Err(Error::Again) => Ok(false),
            begun => Ok(begun.map(|()| true)?),
        })?;
        self.doorbell.ring();
        if wait { until(&mut |device| Ok(!device.is_resetting())) } else { Ok(()) }
    }
}
