//! Registers: where they are, how they are reached, and what must be awake meanwhile.
//!
//! | module | holds |
//! |---|---|
//! | [`regs`] | offsets, named as the manuals name them |
//! | [`access`] | reads and writes, with the family's quirks |
//! | [`mcr`] | steering of registers that there are several copies of |
//! | [`forcewake`] | keeping power domains awake |

pub mod access;
pub mod forcewake;
pub mod mcr;
pub mod regs;
