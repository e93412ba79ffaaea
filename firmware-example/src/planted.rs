//! Faults planted on purpose, which the check of the linked image must find.

/// Plants what the features ask for.
pub(crate) fn plant() {
    #[cfg(feature = "planted-panic")]
    panic_path();
    #[cfg(feature = "planted-alloc")]
    allocation::use_heap();
}

/// An `unwrap` that no optimiser can prove away.
#[cfg(feature = "planted-panic")]
#[expect(clippy::unwrap_used, reason = "the fault that is planted")]
const fn panic_path() {
    let nothing: Option<u32> = core::hint::black_box(None);
    core::hint::black_box(nothing.unwrap());
}

#[cfg(feature = "planted-alloc")]
mod allocation {
    #![expect(unsafe_code, reason = "an allocator is unsafe to write")]

    extern crate alloc;

    use alloc::boxed::Box;
    use core::alloc::{GlobalAlloc, Layout};

    /// A heap that is always full.
    struct Full;

    // SAFETY: it never gives memory out, which an allocator may always do.
    unsafe impl GlobalAlloc for Full {
        unsafe fn alloc(&self, _: Layout) -> *mut u8 {
            core::ptr::null_mut()
        }

        unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
    }

    #[global_allocator]
    static HEAP: Full = Full;

    pub(super) fn use_heap() {
        core::hint::black_box(Box::new(core::hint::black_box(7u32)));
    }
}
