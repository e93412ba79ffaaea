//! What differs between processors: one file each, behind the same few functions.
//!
//! | function | does |
//! |---|---|
//! | `read32`, `write32`, `read64`, `write64` | one access to a device register, of that width and no other |
//! | `flush` | memory order towards the device, with the caches written back |
//! | `prefetch` | a hint to the caches |
//! | `ticks`, `ticks_hz` | the processor's free-running counter and its frequency |
//!
//! Public are only the parts of a processor's world that have no counterpart elsewhere: `x86_64` has configuration
//! ports, interrupt messages to a local APIC, and a timer to measure the counter by.

#[cfg(target_arch = "x86_64")]
#[cfg_attr(miri, expect(dead_code, reason = "an interpreter has no processor to ask"))]
pub mod x86_64;

#[cfg(target_arch = "aarch64")]
mod aarch64;

#[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod portable;

#[cfg(all(target_arch = "aarch64", not(miri)))]
pub(crate) use aarch64::*;
#[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub(crate) use portable::*;
#[cfg(all(target_arch = "x86_64", not(miri)))]
pub(crate) use x86_64::this::*;
