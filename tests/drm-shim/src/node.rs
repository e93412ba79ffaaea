//! The device of this process: its own, or that of a server.

use crate::signals::Blocked;
use crate::{heirs, memory, table};
use barexe_drm::locked::Locked;
use barexe_drm::{Access, Node, Remote, Settings};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::path::Path;
use std::sync::Once;

/// The device, once a file was opened; asked without a lock, for those who change memory while it is switched on. A child
/// of fork begins without, unless a server has it.
static DEVICE: AtomicPtr<Access> = AtomicPtr::new(null_mut());
/// Held while it is switched on.
static OPENING: Locked<()> = Locked::new(());
/// Signals of the thread that forks are held back until it has; one thread at a time does.
static FORKING: Locked<Option<Blocked>> = Locked::new(None);
/// How many forks this process is away from the first.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// The variable that names a server's socket.
const SOCKET: &str = "BAREXE_SOCKET";

/// Which process of a line of forks this is.
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Acquire)
}

/// The device, switched on if need be; why not, on standard error. Signals are held back by the caller.
pub(crate) fn node() -> Option<Access> {
    static FORKS: Once = Once::new();
    // SAFETY: the three functions are for exactly this.
    FORKS.call_once(|| unsafe {
        libc::pthread_atfork(Some(before_fork), Some(in_parent), Some(in_child));
    });
    let _opening = OPENING.lock();
    if current().is_none() {
        match open() {
            Ok(device) => DEVICE.store(Box::into_raw(Box::new(device)), Ordering::Release),
            Err(error) => eprintln!("barexe: {error}"),
        }
    }
    current()
}

fn open() -> Result<Access, String> {
    let Some(path) = std::env::var_os(SOCKET) else {
        return Settings::from_environment().and_then(|settings| Node::open(&settings)).map(Access::Here);
    };
    let path = Path::new(&path);
    let remote =
        Remote::connect(path).map_err(|error| format!("{}: no server there: {error} ({SOCKET})", path.display()))?;
    if Settings::recording().is_some() {
        eprintln!(
            "barexe: nothing is recorded: the device is a server's, not this process's own (BAREXE_RECORD, {SOCKET})"
        );
    }
    Ok(Access::There(Box::leak(Box::new(remote))))
}

/// The device, if it is on.
pub(crate) fn current() -> Option<Access> {
    // SAFETY: what was stored is never given back.
    unsafe { DEVICE.load(Ordering::Acquire).as_ref() }.copied()
}

/// The process ends by itself: so does what is recorded of it. Runs after all that the program does at its end.
extern "C" fn at_end() {
    let _blocked = Blocked::new();
    if let Some(device) = current() {
        device.end_recording();
    }
}

#[used]
#[unsafe(link_section = ".fini_array")]
static AT_END: extern "C" fn() = at_end;

extern "C" fn before_fork() {
    let blocked = Blocked::new();
    heirs::before_fork(current(), memory::has_pieces());
    memory::before_fork();
    if let Some(Access::There(remote)) = current() {
        remote.before_fork(memory::has_pieces());
    }
    OPENING.take();
    table::before_fork();
    *FORKING.lock() = Some(blocked);
}

/// Lets everything go, and last the signals in.
fn after_fork() {
    let blocked = FORKING.lock().take();
    table::after_fork();
    OPENING.release();
    memory::after_fork();
    drop(blocked);
}

extern "C" fn in_parent() {
    heirs::in_parent();
    if let Some(Access::There(remote)) = current() {
        remote.in_parent();
    }
    after_fork();
}

extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::AcqRel);
    match current() {
        Some(Access::There(remote)) => remote.in_child(),
        // What the device's own locks are like nobody knows, and its thread is not here: it is left alone.
        Some(Access::Here(_)) => DEVICE.store(null_mut(), Ordering::Release),
        None => {}
    }
    heirs::in_child();
    after_fork();
}
