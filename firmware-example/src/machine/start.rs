//! What a PVH loader tells a program.
#![expect(unsafe_code, reason = "reads what the loader left in memory")]

/// First word of the start information.
const MAGIC: u32 = 0x336E_C578;
/// Offset of the address of the command line.
const COMMAND_LINE: usize = 24;
/// Longest command line that is read, in bytes.
const MOST: usize = 1024;

/// The command line; empty if there is none, or it is not text.
///
/// # Safety
/// `info` is what a PVH loader left in `ebx`, and nothing has written to memory outside the program since.
#[must_use]
pub unsafe fn command_line(info: usize) -> &'static str {
    let words: *const u32 = core::ptr::with_exposed_provenance(info);
    // SAFETY: the caller's promise: the information begins there.
    if info == 0 || unsafe { words.read_unaligned() } != MAGIC {
        return "";
    }
    let place: *const u64 = core::ptr::with_exposed_provenance(info.wrapping_add(COMMAND_LINE));
    // SAFETY: the field is one of the information's.
    let text = barexe_core::num::usize_capped(unsafe { place.read_unaligned() });
    if text == 0 {
        return "";
    }
    let byte = |at: &usize| {
        let at: *const u8 = core::ptr::with_exposed_provenance(text.wrapping_add(*at));
        // SAFETY: the text ends with a zero, and nothing behind that is read.
        unsafe { at.read() }
    };
    let len = (0..MOST).take_while(|at| byte(at) != 0).count();
    // SAFETY: these bytes were read just now.
    let bytes = unsafe { core::slice::from_raw_parts(core::ptr::with_exposed_provenance(text), len) };
    core::str::from_utf8(bytes).unwrap_or_default()
}
