//! Failures on demand, for tests of those who embed the driver (feature `inject`).
//!
//! What the HAL refuses is for the HAL to inject. Here is what no HAL can bring about: a page-table change that fails
//! after its call was accepted. Without the feature nothing ever does.

use crate::Error;
use crate::mem::Defect;

#[cfg(feature = "inject")]
use super::Device;
#[cfg(feature = "inject")]
use barexe_hal::Hal;

/// What is to fail.
#[derive(Clone, Copy, Debug)]
pub(super) struct Injection {
    #[cfg(feature = "inject")]
    next_change: bool,
    #[cfg(feature = "inject")]
    tile: Option<u8>,
}

#[cfg(not(feature = "inject"))]
impl Injection {
    pub(super) const NONE: Self = Self {};

    pub(super) const fn take_failure(&mut self) -> Option<Error> {
        None
    }

    pub(super) const fn tile_defect(&self, _: u8) -> Option<Defect> {
        None
    }
}

#[cfg(feature = "inject")]
impl Injection {
    pub(super) const NONE: Self = Self { next_change: false, tile: None };

    /// The failure of the change that is being carried out.
    pub(super) fn take_failure(&mut self) -> Option<Error> {
        core::mem::take(&mut self.next_change).then_some(Error::Defect(Defect::Injected))
    }

    /// The failure of changes on a tile.
    pub(super) fn tile_defect(&self, tile: u8) -> Option<Defect> {
        (self.tile == Some(tile)).then_some(Defect::Injected)
    }
}

#[cfg(feature = "inject")]
impl<H: Hal> Device<'_, H> {
    /// Makes the next page-table change fail when it is carried out, after it was accepted (R56).
    pub const fn fail_next_table_change(&mut self) {
        self.injection.next_change = true;
    }

    /// Makes every page-table change of a tile fail from now on, or none.
    pub const fn break_tables(&mut self, of_tile: Option<u8>) {
        self.injection.tile = of_tile;
    }
}
