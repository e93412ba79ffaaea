//! The image: entry point, the one static, panic handler. On a host target there is nothing to boot.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod entry;
#[cfg(all(target_os = "none", any(feature = "planted-panic", feature = "planted-alloc")))]
mod planted;
#[cfg(all(target_os = "none", feature = "surface"))]
mod surface;

#[cfg(not(target_os = "none"))]
const fn main() {}
