//! Faults by rule: what has to happen, at which time it goes wrong, and how.

use crate::spec::EngineClass;
use barexe_hal::Nanos;

/// Class and instance of an engine.
pub type EngineName = (EngineClass, u8);

/// Something that happens in a device. In a rule, what is none may be anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// A register or GGTT entry is read, by offset in BAR 0.
    Read(Option<u32>),
    /// A register or GGTT entry is written, by offset in BAR 0.
    Write(Option<u32>),
    /// A dword of configuration space is read, by its offset.
    ConfigRead(Option<u16>),
    /// A dword of configuration space is written, by its offset.
    ConfigWrite(Option<u16>),
    /// The device reads memory, by the page of the bus address.
    DmaRead(Option<u64>),
    /// The device writes memory, by the page of the bus address.
    DmaWrite(Option<u64>),
    /// A message-signalled interrupt leaves the device.
    Msi,
    /// Contexts are loaded on an engine.
    Submission(Option<EngineName>),
    /// Firmware resets an engine that a context does not leave.
    Reset(Option<EngineName>),
    /// An engine executes a command of this name.
    Command(Option<EngineName>, Option<&'static str>),
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A read gives all ones.
    AllOnes,
    /// A read gives this instead, and a write stores it; memory is read or written as repetitions of its eight bytes.
    Value(u64),
    /// A write, message, submission or command is lost. Memory that is read refuses.
    Drop,
    /// It takes so much longer.
    Delay(Nanos),
    /// The engine does nothing any more, until it is reset.
    Hang,
    /// The device is gone from here on: it answers all ones and does nothing.
    Gone,
}

/// A fault: the occasions it waits for, and what it does to some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What must have happened before it waits for anything: whoever drives the device can say when.
    pub after: Option<Occasion>,
    /// What it waits for.
    pub occasion: Occasion,
    /// Matching occasions that are let pass before the first that goes wrong.
    pub skip: u64,
    /// How many go wrong then.
    pub times: u64,
    /// How.
    pub action: Action,
}

/// Whether something meets what a rule asks for.
fn meets<T: PartialEq>(asked: Option<T>, given: Option<T>) -> bool {
    asked.is_none() || asked == given
}

fn page(addr: Option<u64>) -> Option<u64> {
    addr.map(|addr| addr >> 12)
}

impl Occasion {
    /// Whether something that happened is one of these.
    fn includes(&self, happened: &Self) -> bool {
        match (*self, *happened) {
            (Self::Read(asked), Self::Read(given)) | (Self::Write(asked), Self::Write(given)) => meets(asked, given),
            (Self::ConfigRead(asked), Self::ConfigRead(given))
            | (Self::ConfigWrite(asked), Self::ConfigWrite(given)) => meets(asked, given),
            (Self::DmaRead(asked), Self::DmaRead(given)) | (Self::DmaWrite(asked), Self::DmaWrite(given)) => {
                meets(page(asked), page(given))
            }
            (Self::Msi, Self::Msi) => true,
            (Self::Submission(asked), Self::Submission(given)) | (Self::Reset(asked), Self::Reset(given)) => {
                meets(asked, given)
            }
            (Self::Command(asked, name), Self::Command(given, given_name)) => {
                meets(asked, given) && meets(name, given_name)
            }
            _ => false,
        }
    }
}

impl Action {
    /// Whether this can happen to that.
    #[must_use]
    pub const fn fits(&self, occasion: &Occasion) -> bool {
        use Occasion::{Command, ConfigRead, DmaRead, DmaWrite, Msi, Read, Reset, Submission};
        match self {
            Self::AllOnes => matches!(occasion, Read(_) | ConfigRead(_) | DmaRead(_)),
            Self::Value(_) => !matches!(occasion, Msi | Submission(_) | Reset(_) | Command(..)),
            Self::Drop => !matches!(occasion, Read(_) | ConfigRead(_)),
            Self::Delay(_) => !matches!(occasion, DmaRead(_) | DmaWrite(_) | Reset(_)),
            Self::Hang => matches!(occasion, Submission(_) | Command(..)),
            Self::Gone => true,
        }
    }
}

/// A rule, and how far it is.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    rule: Rule,
    /// It waits: what must come before it has happened.
    armed: bool,
    /// Matching occasions so far.
    met: u64,
}

impl Waiting {
    /// Something happens; what goes wrong with it.
    fn meet(&mut self, happened: &Occasion) -> Option<Action> {
        if !self.armed {
            self.armed = self.rule.after.is_some_and(|after| after.includes(happened));
            return None;
        }
        if !self.rule.occasion.includes(happened) {
            return None;
        }
        let acts = (self.rule.skip..self.rule.skip.saturating_add(self.rule.times)).contains(&self.met);
        self.met = self.met.saturating_add(1);
        acts.then_some(self.rule.action)
    }
}

/// All rules.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    rules: Vec<Waiting>,
}

impl Rules {
    pub(crate) fn new(rules: impl Iterator<Item = Rule>) -> Self {
        Self { rules: rules.map(|rule| Waiting { rule, armed: rule.after.is_none(), met: 0 }).collect() }
    }

    /// Something happens; what goes wrong with it. Every rule that waits for it counts it, the first one acts.
    pub(crate) fn meet(&mut self, happened: &Occasion) -> Option<Action> {
        self.rules.iter_mut().fold(None, |action, rule| action.or(rule.meet(happened)))
    }

    /// Whether some register may read as something else than the truth.
    pub(crate) fn lie(&self) -> bool {
        let lies = |Waiting { rule, .. }: &Waiting| {
            matches!(rule.occasion, Occasion::Read(_)) && matches!(rule.action, Action::AllOnes | Action::Value(_))
        };
        self.rules.iter().any(lies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn rule(occasion: Occasion, skip: u64, times: u64, action: Action) -> Rule {
        Rule { after: None, occasion, skip, times, action }
    }

    #[test]
    fn a_rule_may_wait_for_something_else_first() {
        let after = Some(Occasion::ConfigWrite(Some(0xFC)));
        let mut rules = Rules::new([Rule { after, ..rule(Occasion::Msi, 1, 1, Action::Drop) }].into_iter());
        let msi = |rules: &mut Rules| rules.meet(&Occasion::Msi);
        assert_eq!([(); 3].map(|()| msi(&mut rules)), [None; 3]);
        assert_eq!(rules.meet(&Occasion::ConfigWrite(Some(0xF8))), None);
        assert_eq!(msi(&mut rules), None);
        assert_eq!(rules.meet(&Occasion::ConfigWrite(Some(0xFC))), None);
        assert_eq!([(); 3].map(|()| msi(&mut rules)), [None, Some(Action::Drop), None]);
    }

    /// Every rule counts each of its matches, also those with which another one acts.
    #[test]
    fn rules_count_apart() {
        let first = rule(Occasion::Read(None), 0, 1, Action::AllOnes);
        let second = rule(Occasion::Read(None), 1, 1, Action::Value(1));
        let mut rules = Rules::new([first, second].into_iter());
        let met = [(); 3].map(|()| rules.meet(&Occasion::Read(Some(4))));
        assert_eq!(met, [Some(Action::AllOnes), Some(Action::Value(1)), None]);
    }

    #[test]
    fn a_rule_acts_on_as_many_matches_as_it_says_and_the_first_rule_goes_first() {
        let rules = [
            rule(Occasion::Read(Some(8)), 1, 2, Action::Value(5)),
            rule(Occasion::Read(None), 2, u64::MAX, Action::AllOnes),
        ];
        let mut rules = Rules::new(rules.into_iter());
        let met = [8, 8, 4, 8, 8, 4].map(|at| rules.meet(&Occasion::Read(Some(at))));
        let (value, ones) = (Some(Action::Value(5)), Some(Action::AllOnes));
        assert_eq!(met, [None, value, ones, value, ones, ones]);
        assert_eq!(rules.meet(&Occasion::Write(Some(8))), None);
        assert!(rules.lie() && !Rules::new([rule(Occasion::Msi, 0, 1, Action::Drop)].into_iter()).lie());
    }

    #[test]
    fn memory_is_matched_by_page_and_commands_by_engine_and_name() {
        let bcs0 = Some((EngineClass::Copy, 0));
        assert!(Occasion::DmaRead(Some(0x1000)).includes(&Occasion::DmaRead(Some(0x1FF8))));
        assert!(!Occasion::DmaRead(Some(0x1000)).includes(&Occasion::DmaWrite(Some(0x1000))));
        let happened = Occasion::Command(bcs0, Some("MI_NOOP"));
        assert!(Occasion::Command(None, Some("MI_NOOP")).includes(&happened));
        assert!(Occasion::Command(bcs0, None).includes(&happened));
        assert!(!Occasion::Command(bcs0, Some("MI_STORE_DATA_IMM")).includes(&happened));
        assert!(!Occasion::Submission(None).includes(&happened));
    }

    #[test]
    fn not_everything_can_go_wrong_everywhere() {
        assert!(Action::Hang.fits(&Occasion::Submission(None)) && !Action::Hang.fits(&Occasion::Msi));
        assert!(Action::Drop.fits(&Occasion::Msi) && !Action::Drop.fits(&Occasion::Read(None)));
        assert!(!Action::AllOnes.fits(&Occasion::Write(None)) && !Action::Value(0).fits(&Occasion::Msi));
        assert!(!Action::Delay(Nanos::ZERO).fits(&Occasion::DmaRead(None)));
    }
}
