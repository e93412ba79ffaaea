//! A device that fails below its server: clients get what can be had, or an error, and none of them hangs.
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
    clippy::multiple_unsafe_ops_per_block,
    reason = "a test that speaks to a system by raw calls, in words cut on purpose; what fails there fails the test"
)]

mod common;

use common::served::{FAILED_CALLS, Served, fault_rows, role};
use common::{call, high, pair, store};
use core::time::Duration;
use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Instant;

const BATCH: u64 = 0x10_0000;
const RESULT: u64 = 0x20_0000;
/// Results of a client, one after the other.
const ROUNDS: u32 = 6;
/// A job's own time limit is five seconds; what comes after it takes no time to speak of.
const LONGEST: Duration = Duration::from_secs(40);
/// What a client may be told by a device that does not work: refused memory, a lost queue, a lost device.
const ERRORS: [i32; 4] = [libc::ENOMEM, libc::ECANCELED, libc::EIO, libc::ENODEV];

/// A client of which each step may be refused.
struct Client {
    file: File,
    vm: u32,
    syncobj: u32,
    queue: u32,
    pages: [*mut u32; 2],
}

fn page(fd: RawFd) -> Result<(u32, *mut u32), i32> {
    let mut create = [0, 4096, pair(1, 0), 0, 1, 0, 0];
    call(fd, 0xC038_6441, &mut create)?;
    let mut offset = [0, u64::from(high(create[3])), 0, 0, 0];
    call(fd, 0xC028_6442, &mut offset)?;
    let (prot, at) = (libc::PROT_READ | libc::PROT_WRITE, i64::try_from(offset[2]).unwrap());
    // SAFETY: a new mapping, at a place of the system's choice.
    let page = unsafe { libc::mmap(core::ptr::null_mut(), 4096, prot, libc::MAP_SHARED, fd, at) };
    let failed = page == libc::MAP_FAILED;
    if failed {
        Err(std::io::Error::last_os_error().raw_os_error().unwrap())
    } else {
        Ok((high(create[3]), page.cast()))
    }
}

impl Client {
    fn new() -> Result<Self, i32> {
        let file = File::options().read(true).write(true).open("/dev/dri/renderD128");
        let file = file.map_err(|error| error.raw_os_error().unwrap())?;
        let (fd, mut vm, mut syncobj, engine) = (file.as_raw_fd(), [0; 4], [0; 1], [0u64; 1]);
        call(fd, 0xC020_6443, &mut vm)?;
        call(fd, 0xC008_64BF, &mut syncobj)?;
        let vm = high(vm[1]);
        let mut queue = [0, pair(0x1_0001, vm), 0, engine.as_ptr().addr() as u64, 0, 0];
        call(fd, 0xC030_6446, &mut queue)?;
        let pages = [page(fd)?, page(fd)?];
        let client =
            Self { file, vm, syncobj: syncobj[0] as u32, queue: high(queue[2]), pages: pages.map(|page| page.1) };
        client.bind(pages[0].0, BATCH)?;
        client.bind(pages[1].0, RESULT)?;
        Ok(client)
    }

    fn sync(&self) -> [u64; 6] {
        [0, pair(0, 1), u64::from(self.syncobj), 0, 0, 0]
    }

    fn bind(&self, object: u32, va: u64) -> Result<(), i32> {
        let (sync, mut bind) = (self.sync(), [0; 17]);
        (bind[1], bind[2], bind[4], bind[6], bind[7]) = (u64::from(self.vm), pair(0, 1), u64::from(object), 4096, va);
        (bind[13], bind[14]) = (pair(0, 1), sync.as_ptr().addr() as u64);
        call(self.file.as_raw_fd(), 0x4088_6445, &mut bind)?;
        self.wait()
    }

    /// Waits without a limit: what ends it is the device, or its end.
    fn wait(&self) -> Result<(), i32> {
        let handle = [self.syncobj];
        let mut wait = [handle.as_ptr().addr() as u64, i64::MAX as u64, pair(1, 1), 0, 0];
        call(self.file.as_raw_fd(), 0xC028_64C3, &mut wait).map(|_| ())
    }

    /// Lets the GPU store a number; what is there afterwards.
    fn store(&self, value: u32) -> Result<u32, i32> {
        store(self.pages[0], RESULT, value);
        let sync = self.sync();
        let mut exec = [0, pair(self.queue, 1), sync.as_ptr().addr() as u64, BATCH, 1, 0, 0];
        call(self.file.as_raw_fd(), 0x4038_6449, &mut exec)?;
        self.wait()?;
        // SAFETY: inside of a mapped page.
        Ok(unsafe { self.pages[1].read_volatile() })
    }
}

/// What a client is told, round by round. A job whose queue was banned is over, too, and has stored nothing: so it is with
/// a kernel. The queue takes no more then.
fn live() {
    let began = Instant::now();
    let stored = Client::new().and_then(|client| {
        let mut lost = false;
        for round in 1..=ROUNDS {
            let found = client.store(round)?;
            assert!(!lost, "a queue goes on after it has lost a job");
            lost = found != round;
        }
        if lost { client.store(ROUNDS + 1).map(|_| panic!("a queue goes on after it has lost a job")) } else { Ok(()) }
    });
    println!("outcome: {}", stored.map_or_else(|errno| errno.to_string(), |()| "all".into()));
    assert!(stored.is_ok() || stored.is_err_and(|errno| ERRORS.contains(&errno)), "{stored:?}");
    assert!(began.elapsed() < LONGEST, "{:?}", began.elapsed());
}

/// Two clients of a server below which a row goes wrong; what they were told. Their files are closed in any case. Their
/// buffers are given back by a device that still answers; of one that does not, nobody knows what it reaches.
fn outcomes(test: &'static str, row: usize) -> [String; 2] {
    let served = Served::start_with(test, Some(row));
    let clients = [served.client("one"), served.client("other")];
    let told = clients.map(|client| {
        let said = client.wait();
        said.lines().find_map(|line| line.split_once("outcome: ")).unwrap().1.to_owned()
    });
    let answers = told.iter().all(|told| ["all", "12", "125"].contains(&told.as_str()));
    let state = if answers { served.settled() } else { served.state() };
    assert_eq!((state.clients, state.buffers > 0 && answers), (0, false), "row {row}: {state}");
    told
}

#[test]
fn clients_of_a_device_that_fails_are_told_and_do_not_hang() {
    const TEST: &str = "clients_of_a_device_that_fails_are_told_and_do_not_hang";
    if role().is_some() {
        return live();
    }
    let kinds = fault_rows().len() - FAILED_CALLS as usize;
    let told: Vec<_> = (0..kinds).map(|row| outcomes(TEST, row)).collect();
    println!("{told:?}");
    assert_eq!(told[0], ["all", "all"], "messages that are lost cost time only");
    for (row, told) in told.iter().enumerate().skip(1) {
        assert!(told.iter().any(|told| told != "all"), "row {row} has harmed nobody: {told:?}");
    }
}

#[test]
fn clients_are_refused_memory_that_there_is_none_of_and_others_go_on() {
    const TEST: &str = "clients_are_refused_memory_that_there_is_none_of_and_others_go_on";
    if role().is_some() {
        return live();
    }
    let all = fault_rows().len();
    let mut refused = 0;
    for row in all - FAILED_CALLS as usize..all {
        let told = outcomes(TEST, row);
        assert!(told.iter().all(|told| ["all", "12"].contains(&told.as_str())), "row {row}: {told:?}");
        assert!(told.iter().any(|told| told == "all"), "row {row}: one refused call harms one client: {told:?}");
        refused += told.iter().filter(|told| *told == "12").count();
    }
    assert!(refused > 2, "{refused} clients were refused memory");
}
