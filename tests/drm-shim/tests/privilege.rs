//! What a call may is what its caller may at that moment: at a device of the same process, of the parent's, of a server.
//!
//! Each test starts itself again: as the server, and as clients with the library preloaded.
#![expect(
    unsafe_code,
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::multiple_unsafe_ops_per_block,
    reason = "a test that speaks to a system by raw calls, in words cut on purpose; what fails there fails the test"
)]

mod common;

use common::children::{self, in_child};
use common::served::{Served, role};
use common::{Client, call, is_client, pair};

/// Priorities: of everybody's queues, and of those that take a right.
const NORMAL: u64 = 1;
const HIGH: u64 = 2;
/// A user that may nothing.
const NOBODY: libc::uid_t = 65_534;

/// Creates a queue of a priority, and destroys it again.
fn queue(client: &Client, priority: u64) -> Result<(), i32> {
    let (engine, extension) = ([0u64; 1], [0, 0, 0, priority, 0, 0]);
    let mut queue =
        [extension.as_ptr().addr() as u64, pair(0x1_0001, client.vm), 0, engine.as_ptr().addr() as u64, 0, 0];
    call(client.fd(), 0xC030_6446, &mut queue)?;
    call(client.fd(), 0x4018_6447, &mut [queue[2] >> 32, 0, 0]).map(|_| ())
}

fn is_root() -> bool {
    // SAFETY: nothing is passed.
    unsafe { libc::geteuid() == 0 }
}

/// Gives up what root may, and can take it back or not.
fn be(real: libc::uid_t, effective: libc::uid_t, saved: libc::uid_t) {
    // SAFETY: only numbers.
    assert_eq!(unsafe { libc::setresuid(real, effective, saved) }, 0);
}

/// Whoever opened the file, and what was allowed before, does not matter.
fn live() {
    let client = Client::new();
    if !is_root() {
        assert_eq!([NORMAL, HIGH].map(|priority| queue(&client, priority)), [Ok(()), Err(libc::EPERM)]);
        return;
    }
    let both = || [HIGH, NORMAL].map(|priority| queue(&client, priority));
    assert_eq!(both(), [Ok(()); 2]);
    let status = in_child(|| {
        assert_eq!(both(), [Ok(()); 2], "the child is as its parent is");
        be(NOBODY, NOBODY, NOBODY);
        assert_eq!(both(), [Err(libc::EPERM), Ok(())]);
        assert_eq!(in_child(|| assert_eq!(both(), [Err(libc::EPERM), Ok(())])), 0, "its own child is as it is");
    });
    assert_eq!((status, both()), (0, [Ok(()); 2]), "that was about the child");
    be(0, NOBODY, 0);
    assert_eq!(both(), [Err(libc::EPERM), Ok(())]);
    be(0, 0, 0);
    assert_eq!(both(), [Ok(()); 2]);
    be(NOBODY, NOBODY, NOBODY);
    assert_eq!(both(), [Err(libc::EPERM), Ok(())]);
}

#[test]
fn a_process_that_gave_root_up_may_no_more_what_it_takes() {
    if is_client("a_process_that_gave_root_up_may_no_more_what_it_takes", &[]) {
        live();
    }
}

#[test]
fn so_it_is_with_a_server() {
    if role().is_some() {
        return live();
    }
    let served = Served::start("so_it_is_with_a_server");
    served.client("client").wait();
    let state = served.settled();
    assert_eq!((state.clients, state.buffers), (0, 0), "{state}");
}

#[test]
fn a_file_stays_open_as_long_as_a_child_has_it() {
    const TEST: &str = "a_file_stays_open_as_long_as_a_child_has_it";
    if !is_client(TEST, &[]) {
        return;
    }
    let (client, pipe) = (Client::new(), std::os::unix::net::UnixStream::pair().unwrap());
    let closed = client.fd();
    let child = children::start(|| {
        std::io::Read::read_exact(&mut &pipe.1, &mut [0]).unwrap();
        queue(&client, NORMAL).unwrap();
        let (handle, page) = client.page();
        // SAFETY: inside of a mapped page.
        unsafe { page.write_volatile(7) };
        assert_ne!(handle, 0);
    });
    drop(client);
    assert_eq!(call(closed, 0xC020_6443, &mut [0; 4]), Err(libc::EBADF));
    std::io::Write::write_all(&mut &pipe.0, &[1]).unwrap();
    assert_eq!(child.status(), 0);
    assert_eq!(queue(&Client::new(), NORMAL), Ok(()), "the parent goes on");
}
