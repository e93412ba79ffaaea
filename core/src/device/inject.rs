//! Failures on demand, for tests of those who embed the driver (feature `inject`).
//!
//! What the HAL refuses is for the HAL to inject. Here is what no HAL can bring about: a page-table change that fails
//! after its call was accepted.

use super::Device;
use crate::Error;
use crate::mem::Defect;
use barexe_hal::Hal;

impl<H: Hal> Device<'_, H> {
    /// Makes the next page-table change fail when it is carried out, after it was accepted (R56).
    pub const fn fail_next_table_change(&mut self) {
        self.fails_table_change = true;
    }

    /// Whether this change is to fail.
    pub(super) fn injected_failure(&mut self) -> Option<Error> {
        core::mem::take(&mut self.fails_table_change).then_some(Error::Defect(Defect::Injected))
    }
}
