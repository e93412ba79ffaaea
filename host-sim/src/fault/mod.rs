//! Faults on demand: what goes wrong, and when.

mod rule;

pub use rule::{Action, EngineName, Occasion, Rule};

use barexe_hal::HalErrorKind;
use rule::Rules;

/// One thing that goes wrong. Numbers count from the moment the plan is set, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The n-th HAL call that can fail does: allocation, configuration access, relax, switching interrupts on.
    FailCall(u64),
    /// The n-th of these calls is interrupted by the environment.
    InterruptCall(u64),
    /// From the n-th register access on the device is gone: reads are all ones, writes are lost.
    GoneFromAccess(u64),
    /// This register reads as all ones.
    ReadsAllOnes(u32),
    /// Writes to this register are lost.
    DropsWrites(u32),
    /// This register always reads as this value: a bit that never clears, or never sets.
    Reads(u32, u32),
    /// This dword of configuration space reads as this value.
    ConfigReads(u16, u32),
    /// As the rule says.
    On(Rule),
}

/// Faults that are set, and what they count.
#[derive(Clone, Debug, Default)]
pub(crate) struct FaultPlan {
    faults: Vec<Fault>,
    pub(crate) calls: u64,
    pub(crate) accesses: u64,
    rules: Rules,
    /// A rule made the device go.
    gone: bool,
    /// By how much accesses were delayed and nobody has waited for yet.
    owed_ns: u64,
}

impl FaultPlan {
    pub(crate) fn new(faults: &[Fault]) -> Self {
        let by_rule = faults.iter().filter_map(|fault| if let Fault::On(rule) = fault { Some(*rule) } else { None });
        Self { faults: faults.to_vec(), rules: Rules::new(by_rule), ..Self::default() }
    }

    /// Something happens; what goes wrong with it. Whoever it happens to does the rest: of an access, what is delayed
    /// is noted here.
    pub(crate) fn meet(&mut self, happened: &Occasion) -> Option<Action> {
        let action = self.rules.meet(happened);
        self.gone |= action == Some(Action::Gone);
        action
    }

    /// An access is answered so much later.
    pub(crate) const fn owe(&mut self, ns: u64) {
        self.owed_ns = self.owed_ns.saturating_add(ns);
    }

    /// By how much accesses were delayed since the last call.
    pub(crate) fn take_owed_ns(&mut self) -> u64 {
        core::mem::take(&mut self.owed_ns)
    }

    /// Counts a HAL call that can fail; what this one fails with, if it does: with `usual`, or interrupted.
    pub(crate) fn call_failure(&mut self, usual: HalErrorKind) -> Option<HalErrorKind> {
        let number = self.calls;
        self.calls += 1;
        if self.faults.contains(&Fault::InterruptCall(number)) {
            return Some(HalErrorKind::Interrupted);
        }
        self.faults.contains(&Fault::FailCall(number)).then_some(usual)
    }

    /// Counts a register access; whether the device still answers it.
    pub(crate) fn answers_access(&mut self) -> bool {
        let number = self.accesses;
        self.accesses += 1;
        !self.gone && !self.faults.iter().any(|fault| matches!(fault, Fault::GoneFromAccess(from) if number >= *from))
    }

    /// Whether the device has gone: it does nothing on its own either.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone
            || self.faults.iter().any(|fault| matches!(fault, Fault::GoneFromAccess(from) if self.accesses > *from))
    }

    /// What a read of the register gives instead of the truth.
    pub(crate) fn read(&self, offset: u32) -> Option<u32> {
        self.faults.iter().find_map(|fault| match fault {
            Fault::ReadsAllOnes(at) if *at == offset => Some(u32::MAX),
            Fault::Reads(at, value) if *at == offset => Some(*value),
            Fault::FailCall(_)
            | Fault::InterruptCall(_)
            | Fault::GoneFromAccess(_)
            | Fault::ReadsAllOnes(_)
            | Fault::DropsWrites(_)
            | Fault::Reads(..)
            | Fault::ConfigReads(..)
            | Fault::On(_) => None,
        })
    }

    /// Whether some register does not read as the truth. A driver that was told of engines which are not there is not
    /// to blame for reaching for them.
    pub(crate) fn lies(&self) -> bool {
        self.rules.lie() || self.faults.iter().any(|fault| matches!(fault, Fault::ReadsAllOnes(_) | Fault::Reads(..)))
    }

    /// What a read of configuration space gives instead of the truth.
    pub(crate) fn config_read(&self, offset: u16) -> Option<u32> {
        self.faults.iter().find_map(|fault| match fault {
            Fault::ConfigReads(at, value) if *at == offset => Some(*value),
            Fault::ConfigReads(..)
            | Fault::FailCall(_)
            | Fault::InterruptCall(_)
            | Fault::GoneFromAccess(_)
            | Fault::ReadsAllOnes(_)
            | Fault::DropsWrites(_)
            | Fault::Reads(..)
            | Fault::On(_) => None,
        })
    }

    pub(crate) fn drops_write(&self, offset: u32) -> bool {
        self.faults.contains(&Fault::DropsWrites(offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_numbered_call_fails_and_everything_after_the_numbered_access_is_gone() {
        let mut plan = FaultPlan::new(&[Fault::FailCall(1), Fault::InterruptCall(3), Fault::GoneFromAccess(2)]);
        let usual = HalErrorKind::NoMemory;
        let failures = [(); 5].map(|()| plan.call_failure(usual));
        assert_eq!(failures, [None, Some(usual), None, Some(HalErrorKind::Interrupted), None]);
        assert_eq!([(); 2].map(|()| plan.answers_access()), [true, true]);
        assert!(!plan.is_gone());
        assert_eq!([(); 2].map(|()| plan.answers_access()), [false, false]);
        assert!(plan.is_gone());
    }

    #[test]
    fn registers_can_lie() {
        let plan = [Fault::ReadsAllOnes(8), Fault::Reads(12, 1), Fault::DropsWrites(16), Fault::ConfigReads(12, 2)];
        let plan = FaultPlan::new(&plan);
        assert_eq!((plan.read(8), plan.read(12), plan.read(16)), (Some(u32::MAX), Some(1), None));
        assert_eq!((plan.config_read(8), plan.config_read(12)), (None, Some(2)));
        assert!(plan.drops_write(16) && !plan.drops_write(8));
        assert!(plan.lies() && !FaultPlan::new(&[Fault::DropsWrites(16), Fault::FailCall(0)]).lies());
    }
}
