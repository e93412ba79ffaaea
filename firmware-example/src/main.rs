//! The image: entry point, the one static, panic handler. On a host target there is nothing to boot.
#![cfg_attr(any(target_os = "none", target_os = "uefi"), no_std, no_main)]

#[cfg(target_os = "none")]
#[path = "entry/pvh.rs"]
mod entry;

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[cfg(not(any(target_os = "none", target_os = "uefi")))]
const fn main() {}
