//! Binds: what changes an address space.
//!
//! | module | holds |
//! |---|---|
//! | `bind`, `plan`, `commit` | a call checked and accepted; what it changes; carried out |
//! | `conflicts` | binds of different queues that keep their order |
//! | `user`, `user_units`, `backings` | client memory that is mapped |
//! | `invalidate`, `repin` | that memory taken back, and bound anew |
//! | `page_fault` | mappings that get their entries when they are touched |

pub(super) mod backings;
pub(super) mod bind;
pub(super) mod commit;
mod conflicts;
pub(super) mod invalidate;
pub(super) mod page_fault;
pub(super) mod plan;
pub(super) mod repin;
pub(super) mod user;
pub(super) mod user_units;
