//! Handing contexts to engines.
//!
//! [`Submission`] is what a back end does: say whether the engine takes another context, and give it one. Execlists
//! are the back end here; one over GuC messages has its room beside it. A [`Port`] is one engine's side of it: which
//! context was given last, and which one may still be on its way out.

mod execlist;
mod port;

pub use execlist::Execlist;
pub use port::{Holder, Port, Ports};

use crate::Error;
use crate::context::descriptor::Descriptor;
use crate::gt::Registers;
use barexe_hal::{GgttAddr, Mmio};

/// A way to make an engine run a context.
pub trait Submission {
    /// Whether the engine takes another context now.
    ///
    /// # Errors
    /// [`Error::DeviceGone`] if it does not answer.
    fn is_ready<H: Mmio>(&self, regs: &mut Registers<'_, H>) -> Result<bool, Error>;

    /// Whether the engine runs the context whose PPHWSP is at `context`: it has then accepted the last submission if
    /// that was of another context before.
    ///
    /// # Errors
    /// [`Error::DeviceGone`] if it does not answer.
    fn runs<H: Mmio>(&self, regs: &mut Registers<'_, H>, context: GgttAddr) -> Result<bool, Error>;

    /// Makes the engine run the context of `descriptor`, or pick up its new tail if it runs already.
    ///
    /// The context image and the ring are published before. `status_page` is the engine's own status page.
    fn submit<H: Mmio>(&self, regs: &mut Registers<'_, H>, status_page: GgttAddr, descriptor: Descriptor);
}
