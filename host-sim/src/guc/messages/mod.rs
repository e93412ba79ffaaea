//! What host and GuC say to each other: layouts and numbers, without behaviour.
//!
//! A leaf: it uses nothing of this crate, allocates nothing and does not fail, so that a driver's side can be built on the
//! same words. Facts are those of the interface of firmware 70.x, submission interface 1.21, as Linux 7.2 uses them
//! (engines sheet §12); what that driver never says is left out.
//!
//! | module | holds |
//! |---|---|
//! | [`field`] | bits of a dword, from which all else is made |
//! | [`hxg`] | the first dword of every message: who, which kind, which action |
//! | [`registers`] | registers of the microcontroller: loading, short messages, doorbells |
//! | [`firmware`] | container of the firmware, parameters of its start, what it says about its start |
//! | [`ctb`] | rings in memory for long messages, and their descriptors |
//! | [`actions`] | codes of requests and events |
//! | [`status`] | why a request was refused |
//! | [`klv`] | keys, lengths, values: settings |
//! | [`context`] | registration of contexts, their modes, classes and priorities |
//! | [`work_queue`] | work of contexts that run side by side on several engines |
//! | [`tlb`] | invalidation of translations |
//! | [`page_fault`] | faults that can be served, and the answer |
//! | [`slpc`] | frequencies and idle states |
//! | [`ads`] | the block of addresses and tables that the host prepares before the start |
//! | [`activity`] | how busy engines are |
//! | [`log`] | the log, and what is kept of a hang |

pub mod actions;
pub mod activity;
pub mod ads;
pub mod context;
pub mod ctb;
pub mod field;
pub mod firmware;
pub mod hxg;
pub mod klv;
pub mod log;
pub mod page_fault;
pub mod registers;
pub mod slpc;
pub mod status;
pub mod tlb;
pub mod work_queue;
