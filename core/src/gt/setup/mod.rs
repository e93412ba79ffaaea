//! What engines and caches are programmed with before the first work, and again after a reset.
//!
//! | module | holds |
//! |---|---|
//! | [`engine`] | registers of engines |
//! | [`workaround`] | workarounds and tunings, as rows |
//! | [`register_list`] | changes of both, merged and applied in order |
//! | [`cache_policy`] | PAT and MOCS |

pub mod cache_policy;
pub mod engine;
pub mod register_list;
pub mod workaround;
