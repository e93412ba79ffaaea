//! A client that speaks the interface with numbers of its own, and tests that start themselves again as clients.

pub(crate) mod children;
pub(crate) mod served;

use std::fs::OpenOptions;
use std::os::fd::{AsRawFd, RawFd};
use std::path::PathBuf;
use std::process::Command;

/// Says that this process is the client, and which part of it.
const PART: &str = "BAREXE_TEST_CLIENT";

/// The library, which is built into the folder of the test programs: no other will do, it may be an old one.
pub(crate) fn library() -> PathBuf {
    let library = std::env::current_exe().unwrap().with_file_name("libbarexe_drm_shim.so");
    assert!(library.exists(), "the library is built with the package: {}", library.display());
    library
}

/// Runs a test of this program again as a client; its exit status and what it printed.
pub(crate) fn client(test: &str, variables: &[(&str, &str)]) -> (bool, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture"]).env(PART, test).env("LD_PRELOAD", library());
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// Whether this process is a client.
pub(crate) fn is_a_client() -> bool {
    std::env::var_os(PART).is_some()
}

/// Whether this process is the client; otherwise the client was run, and went well.
pub(crate) fn is_client(test: &str, variables: &[(&str, &str)]) -> bool {
    if is_a_client() {
        return true;
    }
    let (fine, said) = client(test, variables);
    assert!(fine, "{said}");
    false
}

pub(crate) fn open(node: &str) -> std::fs::File {
    OpenOptions::new().read(true).write(true).open(node).unwrap()
}

/// A call; the error number if it was refused.
pub(crate) fn call(fd: RawFd, request: u32, arg: &mut [u64]) -> Result<i32, i32> {
    // SAFETY: the struct is as long as the request says, or longer.
    let answer = unsafe { libc::ioctl(fd, libc::c_ulong::from(request), arg.as_mut_ptr()) };
    if answer < 0 { Err(std::io::Error::last_os_error().raw_os_error().unwrap()) } else { Ok(answer) }
}

pub(crate) const fn pair(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}

pub(crate) const fn high(word: u64) -> u32 {
    (word >> 32) as u32
}

pub(crate) struct Client {
    pub(crate) file: std::fs::File,
    pub(crate) vm: u32,
    pub(crate) syncobj: u32,
}

impl Client {
    pub(crate) fn new() -> Self {
        let file = open("/dev/dri/renderD128");
        let (mut vm, mut syncobj) = ([0; 4], [0; 1]);
        call(file.as_raw_fd(), 0xC020_6443, &mut vm).unwrap();
        call(file.as_raw_fd(), 0xC008_64BF, &mut syncobj).unwrap();
        Self { vm: high(vm[1]), syncobj: syncobj[0] as u32, file }
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// A page, and where it is mapped.
    pub(crate) fn page(&self) -> (u32, *mut u32) {
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
    pub(crate) fn sync(&self) -> [u64; 6] {
        [0, pair(0, 1), u64::from(self.syncobj), 0, 0, 0]
    }

    /// Maps a page of an object, or of the client's own memory (operation 2), for the GPU.
    pub(crate) fn bind(&self, (operation, object, offset): (u32, u32, u64), va: u64) {
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

    pub(crate) fn queue(&self) -> u32 {
        let engine = [0u64; 1];
        let mut queue = [0, pair(0x1_0001, self.vm), 0, engine.as_ptr().addr() as u64, 0, 0];
        call(self.fd(), 0xC030_6446, &mut queue).unwrap();
        high(queue[2])
    }

    pub(crate) fn exec(&self, queue: u32, batch: u64) -> Result<i32, i32> {
        let sync = self.sync();
        let mut exec = [0, pair(queue, 1), sync.as_ptr().addr() as u64, batch, 1, 0, 0];
        call(self.fd(), 0x4038_6449, &mut exec)
    }

    pub(crate) fn wait(&self, millis: u64) -> Result<i32, i32> {
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
pub(crate) fn store(batch: *mut u32, va: u64, value: u32) {
    let commands = [0x1000_0002, va as u32, high(va), value, 0x0500_0000];
    for (at, command) in commands.into_iter().enumerate() {
        // SAFETY: inside of a mapped page.
        unsafe { batch.add(at).write_volatile(command) };
    }
}

/// Starts a batch on the first engine that jumps to itself until it is told to [`end`]; where it is.
pub(crate) fn spin(client: &Client) -> *mut u32 {
    let (handle, batch) = client.page();
    client.bind((0, handle, 0), 0x10_0000);
    for (at, command) in [0x0280_0000, 0x1880_0101, 0x10_0000, 0].into_iter().enumerate() {
        // SAFETY: inside of a mapped page.
        unsafe { batch.add(at).write_volatile(command) };
    }
    client.exec(client.queue(), 0x10_0000).unwrap();
    batch
}

/// Lets a batch end that [`spin`] has started.
pub(crate) fn end(batch: *mut u32) {
    // SAFETY: inside of a mapped page.
    unsafe { batch.add(1).write_volatile(0x0500_0000) };
}

/// The cached entry of each platform's table, in the upper half of the word.
pub(crate) const PAT_INDEX: [u32; 2] = [0, 2];

/// `ETIME`.
pub(crate) const TIME_IS_UP: i32 = 62;
