//! The pages that all memory of all contenders lies on.
//!
//! Firmware, hypervisors and kernels have their memory on large pages, and that is where the driver's index will lie. A
//! process has 4 KiB pages unless it asks, and then a look into a million ranges is to a quarter a look for pages. So
//! the heap is asked to lie on large ones, of which every contender takes its memory.

/// What memory lies on, as the user chose: `BAREXE_PAGES=4K` leaves it where a process finds it.
pub(crate) fn choose() {
    if std::env::var("BAREXE_PAGES").as_deref() != Ok("4K") {
        ask_for_large();
    }
}

/// Makes the heap one piece, whatever is asked of it, and asks for large pages for the next half of a GiB of it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the heap's pages are the C library's business")]
fn ask_for_large() {
    const ROOM: usize = 512 << 20;
    const LARGE: usize = 2 << 20;
    // SAFETY: a setting of the heap; nobody else allocates yet.
    let in_one_piece = unsafe { libc::mallopt(libc::M_MMAP_MAX, 0) };
    // SAFETY: likewise.
    let ahead = unsafe { libc::mallopt(libc::M_TOP_PAD, ROOM as libc::c_int) };
    if (in_one_piece, ahead) != (1, 1) {
        return;
    }
    // More than the heap has left: it grows by the room, too.
    let first = core::hint::black_box(vec![0_u8; LARGE]);
    let begin = first.as_ptr().addr().next_multiple_of(LARGE);
    // SAFETY: asks where the heap ends.
    let end = unsafe { libc::sbrk(0) }.addr();
    let begin = first.as_ptr().with_addr(begin).cast_mut().cast();
    // SAFETY: says which pages are wanted for memory that is the heap's; its contents stay. If it is not to be, it is not.
    unsafe { libc::madvise(begin, end.saturating_sub(begin.addr()), libc::MADV_HUGEPAGE) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn ask_for_large() {}

/// What memory does lie on, in words.
pub(crate) fn in_words() -> String {
    let all = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let kib = |name: &str| -> Option<u64> {
        all.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
    };
    match (kib("AnonHugePages:"), kib("Anonymous:")) {
        (Some(large), Some(memory)) => format!("{} of {} MiB of memory on large pages", large >> 10, memory >> 10),
        _ => "pages of memory: unknown".to_owned(),
    }
}
