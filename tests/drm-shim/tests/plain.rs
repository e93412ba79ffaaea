//! A program that knows nothing but ioctls, with the library loaded before it: VM, buffer, bind, batch, wait.
//!
//! The test starts itself again with the library preloaded. What runs there speaks the interface with numbers of its own.
#![expect(
    unsafe_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::multiple_unsafe_ops_per_block,
    reason = "a test that speaks to a system by raw calls, in words cut on purpose; what fails there fails the test"
)]

use std::fs::OpenOptions;
use std::os::fd::{AsRawFd, RawFd};
use std::path::PathBuf;
use std::process::Command;

/// Says that this process is the client, and which part of it.
const PART: &str = "BAREXE_TEST_CLIENT";

/// The library, which is built into the folder of the test programs: no other will do, it may be an old one.
fn library() -> PathBuf {
    let library = std::env::current_exe().unwrap().with_file_name("libbarexe_drm_shim.so");
    assert!(library.exists(), "the library is built with the package: {}", library.display());
    library
}

/// Runs a test of this program again as a client; its exit status and what it printed.
fn client(test: &str, variables: &[(&str, &str)]) -> (bool, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture"]).env(PART, test).env("LD_PRELOAD", library());
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// Whether this process is the client; otherwise the client was run, and went well.
fn is_client(test: &str, variables: &[(&str, &str)]) -> bool {
    if std::env::var_os(PART).is_some() {
        return true;
    }
    let (fine, said) = client(test, variables);
    assert!(fine, "{said}");
    false
}

fn open(node: &str) -> std::fs::File {
    OpenOptions::new().read(true).write(true).open(node).unwrap()
}

/// A call; the error number if it was refused.
fn call(fd: RawFd, request: u32, arg: &mut [u64]) -> Result<i32, i32> {
    // SAFETY: the struct is as long as the request says, or longer.
    let answer = unsafe { libc::ioctl(fd, libc::c_ulong::from(request), arg.as_mut_ptr()) };
    if answer < 0 { Err(std::io::Error::last_os_error().raw_os_error().unwrap()) } else { Ok(answer) }
}

const fn pair(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}

const fn high(word: u64) -> u32 {
    (word >> 32) as u32
}

struct Client {
    file: std::fs::File,
    vm: u32,
    syncobj: u32,
}

impl Client {
    fn new() -> Self {
        let file = open("/dev/dri/renderD128");
        let (mut vm, mut syncobj) = ([0; 4], [0; 1]);
        call(file.as_raw_fd(), 0xC020_6443, &mut vm).unwrap();
        call(file.as_raw_fd(), 0xC008_64BF, &mut syncobj).unwrap();
        Self { vm: high(vm[1]), syncobj: syncobj[0] as u32, file }
    }

    fn fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// A page, and where it is mapped.
    fn page(&self) -> (u32, *mut u32) {
        let mut create = [0, 4096, pair(1, 0), 0, 1, 0, 0];
        call(self.fd(), 0xC038_6441, &mut create).unwrap();
        let handle = high(create[3]);
        let mut offset = [0, u64::from(handle), 0, 0, 0];
        call(self.fd(), 0xC028_6442, &mut offset).unwrap();
        let (prot, at) = (libc::PROT_READ | libc::PROT_WRITE, i64::try_from(offset[2]).unwrap());
        // SAFETY: a new mapping, at a place of the system's choice.
        let page = unsafe { libc::mmap(core::ptr::null_mut(), 4096, prot, libc::MAP_SHARED, self.fd(), at) };
        assert_ne!(page, libc::MAP_FAILED);
        (handle, page.cast())
    }

    /// One sync entry: the sync object, to be signalled.
    fn sync(&self) -> [u64; 6] {
        [0, pair(0, 1), u64::from(self.syncobj), 0, 0, 0]
    }

    /// Maps a page of an object, or of the client's own memory (operation 2), for the GPU.
    fn bind(&self, (operation, object, offset): (u32, u32, u64), va: u64) {
        let is_lnl = std::env::var("BAREXE_PLATFORM").is_ok_and(|platform| platform == "lnl");
        let sync = self.sync();
        let mut bind = [0; 17];
        bind[1] = u64::from(self.vm);
        bind[2] = pair(0, 1);
        (bind[4], bind[5], bind[6], bind[7]) = (pair(object, PAT_INDEX[usize::from(is_lnl)]), offset, 4096, va);
        bind[8] = u64::from(operation);
        (bind[13], bind[14]) = (pair(0, 1), sync.as_ptr().addr() as u64);
        call(self.fd(), 0x4088_6445, &mut bind).unwrap();
        self.wait(5000).unwrap();
    }

    fn queue(&self) -> u32 {
        let engine = [0u64; 1];
        let mut queue = [0, pair(0x1_0001, self.vm), 0, engine.as_ptr().addr() as u64, 0, 0];
        call(self.fd(), 0xC030_6446, &mut queue).unwrap();
        high(queue[2])
    }

    fn exec(&self, queue: u32, batch: u64) -> Result<i32, i32> {
        let sync = self.sync();
        let mut exec = [0, pair(queue, 1), sync.as_ptr().addr() as u64, batch, 1, 0, 0];
        call(self.fd(), 0x4038_6449, &mut exec)
    }

    fn wait(&self, millis: u64) -> Result<i32, i32> {
        let handle = [self.syncobj];
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the struct is there to be written.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
        let nanos = now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec).cast_unsigned();
        let deadline = nanos.saturating_add(millis.saturating_mul(1_000_000));
        let mut wait = [handle.as_ptr().addr() as u64, deadline, pair(1, 1), 0, 0];
        call(self.fd(), 0xC028_64C3, &mut wait)
    }
}

/// Stores a dword and ends the batch.
fn store(batch: *mut u32, va: u64, value: u32) {
    let commands = [0x1000_0002, va as u32, high(va), value, 0x0500_0000];
    for (at, command) in commands.into_iter().enumerate() {
        // SAFETY: inside of a mapped page.
        unsafe { batch.add(at).write_volatile(command) };
    }
}

/// The cached entry of each platform's table, in the upper half of the word.
const PAT_INDEX: [u32; 2] = [0, 2];

/// `ETIME`.
const TIME_IS_UP: i32 = 62;

fn batch_stores(place: impl FnOnce(&Client) -> *mut u32) {
    let client = Client::new();
    let (handle, batch) = client.page();
    client.bind((0, handle, 0), 0x10_0000);
    let found = place(&client);
    store(batch, 0x20_0008, 0xC0FFEE);
    client.exec(client.queue(), 0x10_0000).unwrap();
    client.wait(5000).unwrap();
    // SAFETY: inside of a page of the client.
    assert_eq!(unsafe { found.add(2).read_volatile() }, 0xC0FFEE);
}

#[test]
fn a_batch_stores_into_a_buffer() {
    for platform in ["tgl", "lnl"] {
        if is_client("a_batch_stores_into_a_buffer", &[("BAREXE_PLATFORM", platform)]) {
            return batch_stores(|client| {
                let (handle, page) = client.page();
                client.bind((0, handle, 0), 0x20_0000);
                page
            });
        }
    }
}

#[test]
fn a_batch_stores_into_memory_of_the_client() {
    if is_client("a_batch_stores_into_memory_of_the_client", &[]) {
        batch_stores(|client| {
            let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            // SAFETY: a new mapping, at a place of the system's choice.
            let page = unsafe { libc::mmap(core::ptr::null_mut(), 4096, prot, flags, -1, 0) };
            client.bind((2, 0, page.addr() as u64), 0x20_0000);
            page.cast()
        });
    }
}

#[test]
fn with_execution_off_nothing_runs_and_nothing_is_stored() {
    if is_client("with_execution_off_nothing_runs_and_nothing_is_stored", &[("BAREXE_EXECUTION", "off")]) {
        let client = Client::new();
        let (handle, batch) = client.page();
        client.bind((0, handle, 0), 0x10_0000);
        store(batch, 0x10_0100, 1);
        client.exec(client.queue(), 0x10_0000).unwrap();
        assert_eq!(client.wait(200), Err(TIME_IS_UP));
        // SAFETY: inside of a mapped page.
        assert_eq!(unsafe { batch.add(0x40).read_volatile() }, 0);
    }
}

#[test]
fn what_is_wrong_is_refused_as_a_kernel_does() {
    if is_client("what_is_wrong_is_refused_as_a_kernel_does", &[]) {
        let (render, card) = (open("/dev/dri/renderD128"), open("/dev/dri/card0"));
        let fd = render.as_raw_fd();
        // SAFETY: the address leads nowhere; that is the test.
        let answer = unsafe { libc::ioctl(fd, 0xC020_6443, 8) };
        assert_eq!((answer, std::io::Error::last_os_error().raw_os_error()), (-1, Some(libc::EFAULT)));
        assert_eq!(call(fd, 0xC028_6450, &mut [0; 5]), Err(libc::EINVAL), "a call of a newer kernel");
        assert_eq!(call(fd, 0x5401, &mut [0; 8]), Err(libc::ENOTTY), "a call of terminals");
        assert_eq!(call(fd, 0xC040_64A0, &mut [0; 8]), Err(libc::EACCES), "displays, at a render node");
        let mut resources = [0, 0, 0, 0, 7, 7, 0, 0];
        assert_eq!(call(card.as_raw_fd(), 0xC040_64A0, &mut resources), Ok(0));
        assert_eq!(resources, [0; 8], "no display");
    }
}

#[test]
fn a_file_lives_until_its_last_descriptor_and_mapping_are_gone() {
    if is_client("a_file_lives_until_its_last_descriptor_and_mapping_are_gone", &[]) {
        let client = Client::new();
        let (_, page) = client.page();
        // SAFETY: the test's own descriptor.
        let copy = unsafe { libc::dup(client.fd()) };
        let (vm, mut query) = (client.vm, [0; 5]);
        drop(client);
        assert_eq!(call(copy, 0xC028_6440, &mut query), Ok(0));
        assert_eq!(call(copy, 0x4018_6444, &mut [u64::from(vm), 0, 0]), Ok(0), "its objects are there");
        // SAFETY: as above.
        assert_eq!(unsafe { libc::close(copy) }, 0);
        assert_eq!(call(copy, 0xC028_6440, &mut query), Err(libc::EBADF));
        // SAFETY: the page is mapped.
        unsafe { page.write_volatile(5) };
        // SAFETY: as above.
        assert_eq!(unsafe { page.read_volatile() }, 5);
        // SAFETY: as above, for the last time.
        assert_eq!(unsafe { libc::munmap(page.cast(), 4096) }, 0);
    }
}

#[test]
fn a_child_cannot_use_its_parents_device_and_has_one_of_its_own() {
    if is_client("a_child_cannot_use_its_parents_device_and_has_one_of_its_own", &[]) {
        let client = Client::new();
        // SAFETY: the child only makes calls and exits.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let refused = call(client.fd(), 0xC020_6443, &mut [0; 4]) == Err(libc::ENODEV);
            let own = std::panic::catch_unwind(Client::new).is_ok();
            // SAFETY: ends the child here.
            unsafe { libc::_exit(if refused && own { 0 } else { 1 }) };
        }
        let mut status = 0;
        // SAFETY: the test's own child.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
        assert_eq!(call(client.fd(), 0xC020_6443, &mut [0; 4]), Ok(0), "the parent goes on");
    }
}
