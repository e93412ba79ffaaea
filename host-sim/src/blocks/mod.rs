//! Hardware blocks, one file each.
//!
//! | file | concept |
//! |---|---|
//! | `registers` | plain registers: storage, masked writes, fuses |
//! | `unknown` | registers that mean nothing here, and how often a driver used them |
//! | `self_clearing` | registers that clear when what they ask for is done: resets, TLB invalidation |
//! | `forcewake` | power domains |
//! | `interrupts` | the interrupt tree |
//! | `pcode` | the power controller's mailbox |
//! | `hwconfig` | configuration tables that a part's firmware tells |
//! | `config_space` | PCI configuration space |
//! | `function_reset` | reset of the whole function |

pub(crate) mod config_space;
pub(crate) mod forcewake;
pub(crate) mod function_reset;
pub(crate) mod hwconfig;
pub(crate) mod interrupts;
pub(crate) mod pcode;
pub(crate) mod registers;
pub(crate) mod self_clearing;
pub(crate) mod unknown;
