//! Everything a driver knows, for "a refused call has changed nothing".

use barexe_core::device::Device;
use barexe_hal::Hal;
use core::fmt::Debug;

/// A driver's own description of itself. The scratch memory in which the operations of a call are checked is left out.
#[must_use]
pub fn core_state<H: Hal + Debug>(device: &Device<'_, H>) -> String {
    let core = format!("{device:?}");
    let (before, rest) = core.split_once("bind_ops: [").unwrap_or((&core, ""));
    let after = rest.split_once(']').map_or("", |(_, after)| after);
    [before, after].concat()
}
