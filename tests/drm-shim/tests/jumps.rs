//! A program that leaves a waiting call out of a signal handler, and one that makes calls in the handler.
//!
//! IGT leaves by `siglongjmp`. Here the waiting part has a stack and a context of its own, and the handler goes back to the
//! main one for good: the same to the library, without a function that returns twice.
#![expect(
    unsafe_code,
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::arithmetic_side_effects,
    clippy::multiple_unsafe_ops_per_block,
    reason = "a test that speaks to a system by raw calls, in words cut on purpose; what fails there fails the test"
)]

mod common;

use common::children::in_child;
use common::served::{Served, role};
use common::{Client, call, is_client, pair};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicI32, AtomicU64, Ordering};

/// Contexts that only the main thread of a client uses.
struct Contexts(UnsafeCell<MaybeUninit<[libc::ucontext_t; 2]>>);

// SAFETY: the one thread that is left to a test uses it.
unsafe impl Sync for Contexts {}

static CONTEXTS: Contexts = Contexts(UnsafeCell::new(MaybeUninit::zeroed()));
/// The file of the client, and its sync object.
static FILE: AtomicI32 = AtomicI32::new(-1);
static SYNCOBJ: AtomicU64 = AtomicU64::new(0);
/// What the handler's own call was answered.
static IN_HANDLER: AtomicI32 = AtomicI32::new(i32::MIN);

fn context(which: usize) -> *mut libc::ucontext_t {
    CONTEXTS.0.get().cast::<libc::ucontext_t>().wrapping_add(which)
}

/// Waits for a fence that nobody brings.
fn wait() -> Result<i32, i32> {
    let handle = [SYNCOBJ.load(Ordering::Relaxed)];
    let mut wait = [handle.as_ptr().addr() as u64, i64::MAX as u64, pair(1, 3), 0, 0];
    call(FILE.load(Ordering::Relaxed), 0xC028_64C3, &mut wait)
}

extern "C" fn wait_for_good() {
    let _ = wait();
}

/// Leaves the wait for good.
extern "C" fn leave(_: i32) {
    // SAFETY: the context was saved when the wait was begun.
    unsafe { libc::setcontext(context(0)) };
}

/// Makes a call of its own, and comes back.
extern "C" fn ask(_: i32) {
    let answer = call(FILE.load(Ordering::Relaxed), 0xC020_6443, &mut [0; 4]);
    IN_HANDLER.store(answer.unwrap_or_else(|errno| -errno), Ordering::Relaxed);
}

/// A signal with this handler comes in a while.
fn signal_soon(handler: extern "C" fn(i32)) {
    // SAFETY: all of it are numbers, for which zero will do.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    action.sa_sigaction = handler as *const () as libc::sighandler_t;
    // SAFETY: the handler is there for good.
    assert_eq!(unsafe { libc::sigaction(libc::SIGALRM, &raw const action, core::ptr::null_mut()) }, 0);
    let timer = libc::itimerval {
        it_interval: libc::timeval { tv_sec: 0, tv_usec: 0 },
        it_value: libc::timeval { tv_sec: 0, tv_usec: 30_000 },
    };
    // SAFETY: the struct is there to be read.
    assert_eq!(unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, core::ptr::null_mut()) }, 0);
}

/// Waits on a stack of its own, and is back when the handler has left that.
fn leave_a_wait(stack: &mut [u8]) {
    signal_soon(leave);
    let (main, waiting) = (context(0), context(1));
    // SAFETY: both contexts are this thread's, and the stack lives until the next one is begun.
    unsafe {
        assert_eq!(libc::getcontext(waiting), 0);
        (*waiting).uc_stack.ss_sp = stack.as_mut_ptr().cast();
        (*waiting).uc_stack.ss_size = stack.len();
        (*waiting).uc_link = main;
        libc::makecontext(waiting, wait_for_good, 0);
        assert_eq!(libc::swapcontext(main, waiting), 0);
    }
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// What waits leave behind is gone at the thread's next call. All in a process that has no other thread: signals of the
/// process come to it then.
fn live() {
    let status = in_child(|| {
        let client = Client::new();
        FILE.store(client.fd(), Ordering::Relaxed);
        SYNCOBJ.store(client.syncobj.into(), Ordering::Relaxed);
        let mut stack = vec![0; 256 << 10];
        leave_a_wait(&mut stack);
        assert_eq!(call(client.fd(), 0xC020_6443, &mut [0; 4]), Ok(0));
        let before = descriptors();
        const TIMES: usize = 20;
        for _ in 0..TIMES {
            leave_a_wait(&mut stack);
            assert_eq!(call(client.fd(), 0xC020_6443, &mut [0; 4]), Ok(0));
        }
        assert_eq!(descriptors(), before);
        signal_soon(ask);
        assert_eq!((wait(), IN_HANDLER.load(Ordering::Relaxed)), (Err(libc::EINTR), 0));
        assert_eq!(call(client.fd(), 0xC020_6443, &mut [0; 4]), Ok(0));
    });
    assert_eq!(status, 0);
}

#[test]
fn a_wait_may_be_left_for_good() {
    if is_client("a_wait_may_be_left_for_good", &[]) {
        live();
    }
}

#[test]
fn a_wait_at_a_server_may_be_left_for_good() {
    if role().is_some() {
        return live();
    }
    let served = Served::start("a_wait_at_a_server_may_be_left_for_good");
    served.client("client").wait();
    let state = served.settled();
    assert_eq!((state.clients, state.quiet), (0, true), "{state}");
}
