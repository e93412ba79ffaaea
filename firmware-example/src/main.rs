//! The image: entry point, statics, panic handler. On a host target there is nothing to boot.
#![cfg_attr(any(target_os = "none", target_os = "uefi"), no_std, no_main)]

#[cfg(target_os = "uefi")]
#[path = "entry/console.rs"]
mod console;
#[cfg(target_os = "none")]
#[path = "entry/pvh.rs"]
mod entry;
#[cfg(all(target_os = "none", feature = "defmt"))]
#[path = "entry/frames.rs"]
mod frames;
#[cfg(any(target_os = "none", target_os = "uefi"))]
#[path = "entry/panic.rs"]
mod panic;
#[cfg(all(target_os = "none", any(feature = "planted-panic", feature = "planted-alloc")))]
mod planted;
#[cfg(target_os = "uefi")]
#[path = "entry/services.rs"]
mod services;
#[cfg(target_os = "uefi")]
#[path = "entry/uefi.rs"]
mod uefi;

#[cfg(not(any(target_os = "none", target_os = "uefi")))]
const fn main() {}
