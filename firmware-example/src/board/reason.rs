//! Errors of the bus as words, for lines that are put together without `core::fmt`.

use crate::say::{Digits, Hex, Show, Sink, pieces};
use barexe_hal::HalError;
use barexe_hal::pci::{Function, PciError};

impl Show for Function {
    fn show(&self, out: &mut dyn Sink) {
        let [bus, device] = [self.bus(), self.device()].map(|part| Digits(u64::from(part), 2));
        pieces(out, &[&bus, &":", &device, &".", &self.function()]);
    }
}

impl Show for PciError {
    /// What can happen to a working machine in words; what only a broken device does by the HAL's number of it.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all that has no words of its own")]
    fn show(&self, out: &mut dyn Sink) {
        match self {
            Self::Gone { function } => pieces(out, &[&"nothing answers at ", function]),
            Self::NoCapability { id } => pieces(out, &[&"the device has no capability ", &Hex(u64::from(*id))]),
            Self::NotMapped { address, .. } => pieces(out, &[&"registers at ", &Hex(*address), &" cannot be mapped"]),
            Self::Bar { index, .. } => pieces(out, &[&"BAR ", index, &" cannot be used"]),
            other => {
                let code = u64::from(HalError::from(*other).code());
                pieces(out, &[&"the device cannot be taken over, reason ", &code]);
            }
        }
    }
}
