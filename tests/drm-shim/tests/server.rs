//! Programs that know nothing but ioctls, with the library loaded before them, at the device of a server.
//!
//! Each test starts itself again: as the server, and as clients with the library preloaded.
#![expect(
    unsafe_code,
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::arithmetic_side_effects,
    clippy::multiple_unsafe_ops_per_block,
    reason = "a test that speaks to a system by raw calls, in words cut on purpose; what fails there fails the test"
)]

mod common;

use common::children::{self, in_child};
use common::served::{Served, is_told_to_end, role};
use common::{Client, call, client, is_a_client, open, pair, store};
use core::mem::MaybeUninit;
use core::time::Duration;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Instant;

/// Where a batch is, and what it writes to.
const BATCH: u64 = 0x10_0000;
const RESULT: u64 = 0x20_0000;

/// A client with a batch and a place for its result.
struct Stores {
    client: Client,
    batch: *mut u32,
    result: *mut u32,
    queue: u32,
}

impl Stores {
    fn new() -> Self {
        let client = Client::new();
        let [(batch, batch_at), (result, result_at)] = [client.page(), client.page()];
        client.bind((0, batch, 0), BATCH);
        client.bind((0, result, 0), RESULT);
        let queue = client.queue();
        Self { client, batch: batch_at, result: result_at, queue }
    }

    /// Lets the GPU store a number, and reads it.
    fn store(&self, value: u32) -> u32 {
        store(self.batch, RESULT, value);
        self.client.exec(self.queue, BATCH).unwrap();
        self.client.wait(20_000).unwrap();
        // SAFETY: inside of a mapped page.
        unsafe { self.result.read_volatile() }
    }

    /// Starts a batch that jumps to itself for good.
    fn spin(&self) {
        for (at, command) in [0x1880_0101, BATCH as u32, 0].into_iter().enumerate() {
            // SAFETY: inside of a mapped page.
            unsafe { self.batch.add(at).write_volatile(command) };
        }
        self.client.exec(self.queue, BATCH).unwrap();
    }

    fn unmap(&self) {
        for page in [self.batch, self.result] {
            // SAFETY: a page of this client, which nobody uses any more.
            assert_eq!(unsafe { libc::munmap(page.cast(), 4096) }, 0);
        }
    }
}

#[test]
fn what_a_client_of_a_server_does_is_not_recorded_and_that_is_said() {
    const TEST: &str = "what_a_client_of_a_server_does_is_not_recorded_and_that_is_said";
    if is_a_client() {
        assert_eq!(Stores::new().store(5), 5);
        return;
    }
    if role().is_some() {
        return;
    }
    let served = Served::start(TEST);
    let file = std::env::temp_dir().join(format!("barexe-not-recorded-{}", std::process::id()));
    let variables = [("BAREXE_SOCKET", served.socket()), ("BAREXE_RECORD", file.as_path())];
    let (fine, said) = client(TEST, &variables.map(|(name, path)| (name, path.to_str().unwrap())));
    assert!(fine && said.contains("barexe: nothing is recorded: the device is a server's"), "{said}");
    assert!(!file.exists());
    assert_nothing_left(&served);
}

fn assert_nothing_left(served: &Served) {
    let state = served.settled();
    assert_eq!((state.clients, state.buffers, state.buffer_bytes, state.quiet), (0, 0, 0, true), "{state}");
}

#[test]
fn two_clients_share_the_gpu() {
    if let Some(role) = role() {
        let (stores, first): (Stores, u32) = (Stores::new(), role.parse().unwrap());
        for value in first..first + 50 {
            assert_eq!(stores.store(value), value);
        }
        return;
    }
    let served = Served::start("two_clients_share_the_gpu");
    let clients = [served.client("1000"), served.client("2000")];
    clients.into_iter().for_each(|client| drop(client.wait()));
    assert_nothing_left(&served);
}

#[test]
fn memory_of_a_client_is_reached_and_let_go_before_it_changes() {
    if role().is_some() {
        let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        let stores = Stores::new();
        // SAFETY: a new mapping, at a place of the system's choice.
        let page = unsafe { libc::mmap(core::ptr::null_mut(), 4096, prot, flags, -1, 0) };
        stores.client.bind((2, 0, page.addr() as u64), 0x30_0000);
        store(stores.batch, 0x30_0008, 77);
        stores.client.exec(stores.queue, BATCH).unwrap();
        stores.client.wait(20_000).unwrap();
        // SAFETY: inside of that page.
        assert_eq!(unsafe { page.cast::<u32>().add(2).read_volatile() }, 77);
        stores.spin();
        let began = Instant::now();
        // SAFETY: the page is the test's own.
        assert_eq!(unsafe { libc::munmap(page, 4096) }, 0);
        // The spinner's VM has the page: its time limit lets it go.
        assert!(began.elapsed() > Duration::from_secs(1), "{:?}", began.elapsed());
        return;
    }
    let served = Served::start("memory_of_a_client_is_reached_and_let_go_before_it_changes");
    served.client("client").wait();
    assert_nothing_left(&served);
}

#[test]
fn a_child_uses_its_parents_file_also_when_the_parent_has_closed_it() {
    if role().is_some() {
        let (parents, (closed, told)) = (Stores::new(), UnixStream::pair().unwrap());
        assert_eq!(parents.store(1), 1);
        let fd = parents.client.fd();
        let child = children::start(|| {
            let mut vm = [0; 4];
            call(fd, 0xC020_6443, &mut vm).unwrap();
            call(fd, 0x4018_6444, &mut [vm[1] >> 32, 0, 0]).unwrap();
            assert_eq!(parents.store(2), 2);
            std::io::Read::read_exact(&mut &told, &mut [0]).unwrap();
            assert_eq!(parents.store(3), 3);
        });
        let result = parents.result;
        parents.unmap();
        drop(parents);
        std::io::Write::write_all(&mut &closed, &[1]).unwrap();
        assert_eq!((child.status(), result.is_null()), (0, false));
        assert_eq!(Stores::new().store(4), 4, "the parent goes on");
        return;
    }
    let served = Served::start("a_child_uses_its_parents_file_also_when_the_parent_has_closed_it");
    served.client("client").wait();
    assert_nothing_left(&served);
}

fn send(socket: &UnixStream, descriptor: RawFd) {
    // SAFETY: the descriptor is open for as long as this takes.
    let lent = [unsafe { BorrowedFd::borrow_raw(descriptor) }];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&lent)));
    assert_eq!(sendmsg(socket, &[IoSlice::new(&[1])], &mut control, SendFlags::empty()), Ok(1));
}

fn receive(socket: &UnixStream) -> OwnedFd {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    recvmsg(socket, &mut [IoSliceMut::new(&mut [0])], &mut control, RecvFlags::empty()).unwrap();
    let Some(RecvAncillaryMessage::ScmRights(mut came)) = control.drain().next() else { panic!("nothing came") };
    came.next().unwrap()
}

#[test]
fn a_buffer_is_handed_to_another_process() {
    if role().is_some() {
        let (here, there) = UnixStream::pair().unwrap();
        // The child has a device of its own, and no part in its parent's.
        let child = children::start(|| {
            let (client, buffer) = (Client::new(), receive(&there));
            let mut import = [0, u64::from(buffer.as_raw_fd().unsigned_abs())];
            call(client.fd(), 0xC00C_642E, &mut import).unwrap();
            // SAFETY: only numbers.
            let size = unsafe { libc::lseek(buffer.as_raw_fd(), 0, libc::SEEK_END) };
            client.bind((0, import[0] as u32, 0), RESULT);
            let (batch, at) = client.page();
            client.bind((0, batch, 0), BATCH);
            store(at, RESULT, 0xCAFE);
            client.exec(client.queue(), BATCH).unwrap();
            client.wait(20_000).unwrap();
            assert_eq!(size, 4096);
        });
        let client = Client::new();
        let (handle, page) = client.page();
        let mut export = [pair(handle, 2), 0];
        call(client.fd(), 0xC00C_642D, &mut export).unwrap();
        // SAFETY: the descriptor is new and nobody else's.
        let exported = unsafe { OwnedFd::from_raw_fd(export[1] as RawFd) };
        send(&here, exported.as_fd().as_raw_fd());
        assert_eq!(child.status(), 0);
        // SAFETY: inside of a mapped page.
        assert_eq!(unsafe { page.read_volatile() }, 0xCAFE);
        return;
    }
    let served = Served::start("a_buffer_is_handed_to_another_process");
    served.client("client").wait();
    assert_nothing_left(&served);
}

const extern "C" fn ignore(_: i32) {}

/// Sends this thread a signal whose handler does nothing, after a while.
fn signal_soon(length: Duration) {
    // SAFETY: all of it are numbers, for which zero will do.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    action.sa_sigaction = ignore as *const () as libc::sighandler_t;
    // SAFETY: the handler does nothing; what is interrupted is not begun anew.
    assert_eq!(unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, core::ptr::null_mut()) }, 0);
    // SAFETY: nothing is passed.
    let own = unsafe { libc::pthread_self() };
    std::thread::spawn(move || {
        std::thread::sleep(length);
        // SAFETY: that thread waits until this has happened.
        unsafe { libc::pthread_kill(own, libc::SIGUSR1) }
    });
}

#[test]
fn a_signal_interrupts_a_wait_and_what_comes_after_goes_on() {
    if role().is_some() {
        let client = Client::new();
        signal_soon(Duration::from_millis(300));
        let handle = [client.syncobj];
        // For a fence that is not there yet.
        let mut wait = [handle.as_ptr().addr() as u64, i64::MAX as u64, pair(1, 3), 0, 0];
        assert_eq!(call(client.fd(), 0xC028_64C3, &mut wait), Err(libc::EINTR));
        assert_eq!(call(client.fd(), 0xC020_6443, &mut [0; 4]), Ok(0));
        return;
    }
    let served = Served::start("a_signal_interrupts_a_wait_and_what_comes_after_goes_on");
    served.client("client").wait();
    assert_nothing_left(&served);
}

#[test]
fn without_its_server_a_client_is_refused_and_does_not_hang() {
    if role().is_some() {
        let client = Client::new();
        // Two files: all is ready.
        let _second = open("/dev/dri/card0");
        while !is_told_to_end() {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(call(client.fd(), 0xC020_6443, &mut [0; 4]), Err(libc::ENODEV));
        let again = std::fs::File::open("/dev/dri/renderD128").map_err(|error| error.raw_os_error());
        assert_eq!(again.err(), Some(Some(libc::ENODEV)));
        return;
    }
    let mut served = Served::start("without_its_server_a_client_is_refused_and_does_not_hang");
    let client = served.client("client");
    let began = Instant::now();
    while served.state().clients < 2 && began.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(5));
    }
    served.kill();
    client.end();
}

/// So many clients are killed.
const KILLS: u32 = 500;

/// What a client does until it is killed, each time something else.
fn live(number: u32) -> ! {
    loop {
        let stores = Stores::new();
        let _ = stores.store(number);
        match number % 8 {
            0 => stores.spin(),
            1 => {
                let own = vec![0u8; 3 << 12];
                let page = own.as_ptr().addr().next_multiple_of(4096) as u64;
                stores.client.bind((2, 0, page), 0x30_0000);
            }
            2 => {
                let (handle, _) = stores.client.page();
                call(stores.client.fd(), 0xC00C_642D, &mut [pair(handle, 2), 0]).unwrap();
            }
            3 => {
                call(stores.client.fd(), 0xC018_64C1, &mut [u64::from(stores.client.syncobj), 0, 0]).unwrap();
            }
            4 => drop((0..16).map(|_| stores.client.page()).collect::<Vec<_>>()),
            5 => {
                let _ = in_child(|| assert_eq!(stores.store(5), 5));
            }
            _ => stores.unmap(),
        }
    }
}

/// Starts and kills clients, one after the other; how many.
fn kill_clients() -> u32 {
    // One that lives through all of them, and that they all have from their parent.
    let parents = Stores::new();
    let mut random = 0x2545_F491u32;
    let mut killed = 0;
    for number in 0..KILLS {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        let child = children::start(|| live(number));
        std::thread::sleep(Duration::from_micros(u64::from(random % 24_000)));
        child.kill();
        killed += u32::from(libc::WTERMSIG(child.status()) == libc::SIGKILL);
    }
    assert_eq!(parents.store(9), 9);
    killed
}

#[test]
fn clients_killed_at_any_moment_harm_nobody_and_leave_nothing() {
    match role().as_deref() {
        Some("neighbour") => {
            let (stores, mut rounds) = (Stores::new(), 0);
            while !is_told_to_end() {
                rounds += 1;
                assert_eq!(stores.store(rounds), rounds);
                let passing = Stores::new();
                assert_eq!(passing.store(!rounds), !rounds);
                passing.unmap();
            }
            println!("rounds: {rounds}");
            return;
        }
        Some(_) => {
            println!("killed: {}", kill_clients());
            return;
        }
        None => {}
    }
    let served = Served::start("clients_killed_at_any_moment_harm_nobody_and_leave_nothing");
    let (neighbour, killer) = (served.client("neighbour"), served.client("killer"));
    let killed = killer.wait();
    assert!(killed.contains(&format!("killed: {KILLS}")), "{killed}");
    let rounds = neighbour.end();
    println!("{}, {}", killed.lines().nth(2).unwrap_or_default(), rounds.lines().nth(2).unwrap_or_default());
    assert_nothing_left(&served);
    let (fresh, left) = (served.fresh.arena_bytes, served.state().arena_bytes);
    println!("bytes in use: {fresh} before, {left} after");
    assert!(left <= fresh + (1 << 20), "{fresh} bytes in use before, {left} after");
}
