//! The panic handler, which nothing calls.
#![expect(unsafe_code, reason = "a name that the check of the linked image looks for")]

use barexe_firmware::machine::exit;
use core::panic::PanicInfo;

/// Exit code of a panic.
const PANICKED: u8 = 0x21;

/// Nothing in the image refers to this: the check of the linked image looks for the name.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn barexe_panic_path_is_linked() -> ! {
    exit::exit(PANICKED)
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    barexe_panic_path_is_linked()
}
