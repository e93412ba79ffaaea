//! The device of this process.

use crate::locked::Locked;
use crate::signals::Blocked;
use crate::{memory, table};
use barexe_drm::{Node, Settings};
use core::sync::atomic::{AtomicU32, Ordering};
use std::sync::Once;

/// The device, once a file was opened. A child of fork begins without.
static NODE: Locked<Option<&'static Node>> = Locked::new(None);
/// How many forks this process is away from the first.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Which process of a line of forks this is.
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Acquire)
}

/// The device, switched on if need be; why not, on standard error. Signals are held back by the caller.
pub(crate) fn node() -> Option<&'static Node> {
    static FORKS: Once = Once::new();
    // SAFETY: the three functions are for exactly this.
    FORKS.call_once(|| unsafe {
        libc::pthread_atfork(Some(before_fork), Some(in_parent), Some(in_child));
    });
    let mut node = NODE.lock();
    if node.is_none() {
        match Settings::from_environment().and_then(|settings| Node::open(&settings)) {
            Ok(opened) => *node = Some(opened),
            Err(error) => eprintln!("barexe: {error}"),
        }
    }
    *node
}

/// The device, if it is on. Signals are held back by the caller.
pub(crate) fn current() -> Option<&'static Node> {
    *NODE.lock()
}

/// The process ends by itself: so does what is recorded of it. Runs after all that the program does at its end.
extern "C" fn at_end() {
    let _blocked = Blocked::new();
    if let Some(node) = current() {
        node.end_recording();
    }
}

#[used]
#[unsafe(link_section = ".fini_array")]
static AT_END: extern "C" fn() = at_end;

extern "C" fn before_fork() {
    NODE.take();
    table::before_fork();
    memory::before_fork();
}

extern "C" fn in_parent() {
    memory::after_fork();
    table::after_fork();
    NODE.release();
}

extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::AcqRel);
    in_parent();
    // What the device's own locks are like nobody knows, and its thread is not here: it is left alone.
    *NODE.lock() = None;
}
