//! What a program does is recorded, and what is recorded replays: VM, buffer, client memory, batch, wait.
//!
//! The test starts itself again with the library preloaded and a file to record in. What runs there speaks the interface
//! with numbers of its own.
#![expect(
    clippy::multiple_unsafe_ops_per_block,
    clippy::wildcard_enum_match_arm,
    unsafe_code,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test that speaks to a system by raw calls, in words cut on purpose; what fails there fails the test"
)]

use barexe_cli::recording::{Body, Place, Recording};
use barexe_cli::replay::{Options, replay_file};
use std::fs::OpenOptions;
use std::os::fd::{AsRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Says that this process is the client.
const CLIENT: &str = "BAREXE_TEST_CLIENT";
const RECORD: &str = "BAREXE_RECORD";
/// The cached entry of each platform's table.
const PLATFORMS: [(&str, u32); 2] = [("tgl", 0), ("lnl", 2)];

/// Runs a test of this program again as a client that is recorded; whether it ended well, and what it printed.
fn client(test: &str, platform: &str, file: &Path) -> (bool, String) {
    let program = std::env::current_exe().unwrap();
    let library = program.with_file_name("libbarexe_drm_shim.so");
    assert!(library.exists(), "the library is built with the package: {}", library.display());
    let mut command = Command::new(program);
    command.args([test, "--exact", "--nocapture"]).env(CLIENT, test).env("LD_PRELOAD", library);
    let output = command.env("BAREXE_PLATFORM", platform).env(RECORD, file).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

fn is_client() -> bool {
    std::env::var_os(CLIENT).is_some()
}

/// A folder of a test's own, which is gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("barexe-recorded-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn call(fd: RawFd, request: u32, arg: &mut [u64]) {
    // SAFETY: the struct is as long as the request says, or longer.
    let answer = unsafe { libc::ioctl(fd, libc::c_ulong::from(request), arg.as_mut_ptr()) };
    assert!(answer >= 0, "{request:#x}: {}", std::io::Error::last_os_error());
}

const fn pair(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}

const fn high(word: u64) -> u32 {
    (word >> 32) as u32
}

/// Pages of memory at a place of the system's choice.
fn map(len: usize, flags: i32, fd: RawFd, offset: u64) -> *mut u32 {
    let (prot, at) = (libc::PROT_READ | libc::PROT_WRITE, i64::try_from(offset).unwrap());
    // SAFETY: a new mapping, at a place of the system's choice.
    let place = unsafe { libc::mmap(core::ptr::null_mut(), len, prot, flags, fd, at) };
    assert_ne!(place, libc::MAP_FAILED);
    place.cast()
}

/// Stores dwords from one on.
fn put(page: *mut u32, at: usize, dwords: &[u32]) {
    for (at, dword) in (at..).zip(dwords) {
        // SAFETY: inside of a mapped page.
        unsafe { page.add(at).write_volatile(*dword) };
    }
}

struct Client {
    file: std::fs::File,
    vm: u32,
    syncobj: u32,
    pat_index: u32,
}

const BATCH: u64 = 0x10_0000;
const OWN: u64 = 0x20_0000;

impl Client {
    fn new() -> Self {
        let file = OpenOptions::new().read(true).write(true).open("/dev/dri/renderD128").unwrap();
        let (mut vm, mut syncobj) = ([0; 4], [0; 1]);
        call(file.as_raw_fd(), 0xC020_6443, &mut vm);
        call(file.as_raw_fd(), 0xC008_64BF, &mut syncobj);
        let platform = std::env::var("BAREXE_PLATFORM").unwrap();
        let (_, pat_index) = *PLATFORMS.iter().find(|(name, _)| *name == platform).unwrap();
        Self { vm: high(vm[1]), syncobj: syncobj[0] as u32, file, pat_index }
    }

    fn fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// A page, and where it is mapped.
    fn page(&self) -> (u32, *mut u32) {
        let mut create = [0, 4096, pair(1, 0), 0, 1, 0, 0];
        call(self.fd(), 0xC038_6441, &mut create);
        let mut offset = [0, u64::from(high(create[3])), 0, 0, 0];
        call(self.fd(), 0xC028_6442, &mut offset);
        (high(create[3]), map(4096, libc::MAP_SHARED, self.fd(), offset[2]))
    }

    /// One sync entry: the sync object, to be signalled.
    fn sync(&self) -> [u64; 6] {
        [0, pair(0, 1), u64::from(self.syncobj), 0, 0, 0]
    }

    /// Maps a page of an object, or of the client's own memory (operation 2), for the GPU.
    fn bind(&self, (operation, object, offset): (u32, u32, u64), va: u64) {
        let sync = self.sync();
        let mut bind = [0; 17];
        bind[1] = u64::from(self.vm);
        bind[2] = pair(0, 1);
        (bind[4], bind[5], bind[6], bind[7]) = (pair(object, self.pat_index), offset, 4096, va);
        bind[8] = u64::from(operation);
        (bind[13], bind[14]) = (pair(0, 1), sync.as_ptr().addr() as u64);
        call(self.fd(), 0x4088_6445, &mut bind);
        self.wait();
    }

    fn queue(&self) -> u32 {
        let engine = [0u64; 1];
        let mut queue = [0, pair(0x1_0001, self.vm), 0, engine.as_ptr().addr() as u64, 0, 0];
        call(self.fd(), 0xC030_6446, &mut queue);
        high(queue[2])
    }

    fn exec(&self, queue: u32) {
        let sync = self.sync();
        call(self.fd(), 0x4038_6449, &mut [0, pair(queue, 1), sync.as_ptr().addr() as u64, BATCH, 1, 0, 0]);
    }

    fn wait(&self) {
        let handle = [self.syncobj];
        let never = i64::MAX.cast_unsigned();
        call(self.fd(), 0xC028_64C3, &mut [handle.as_ptr().addr() as u64, never, pair(1, 1), 0, 0]);
    }

    /// Two stores, into the batch's own page and into memory of the client, which is then replaced and written again.
    fn store_twice(&self) {
        let (handle, batch) = self.page();
        self.bind((0, handle, 0), BATCH);
        let own = map(4096, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0);
        put(own, 0, &[5, 6]);
        self.bind((2, 0, own.addr() as u64), OWN);
        let queue = self.queue();
        put(batch, 0, &[0x1000_0002, (BATCH + 0x100) as u32, 0, 0xC0_FFEE]);
        put(batch, 4, &[0x1000_0002, (OWN + 8) as u32, 0, 0xBEEF, 0x0500_0000]);
        self.exec(queue);
        self.wait();
        // SAFETY: inside of mapped pages.
        assert_eq!(unsafe { own.add(2).read_volatile() }, 0xBEEF);
        let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a page of the client is replaced by a fresh one.
        let again = unsafe { libc::mmap(own.cast(), 4096, prot, flags | libc::MAP_FIXED, -1, 0) };
        assert_eq!(again, own.cast());
        put(batch, 7, &[0xF00D]);
        self.exec(queue);
        self.wait();
        // SAFETY: inside of a mapped page.
        assert_eq!(unsafe { own.add(2).read_volatile() }, 0xF00D);
        // SAFETY: what was mapped above.
        assert_eq!(unsafe { libc::munmap(batch.cast(), 4096) }, 0);
    }
}

/// The bytes at an offset that events of one kind tell of, one after the other.
fn told(recording: &Recording, results: bool, at: impl Fn(Place) -> bool, offset: u64) -> Vec<Vec<u8>> {
    let runs = recording.events.iter().filter_map(|event| match &event.body {
        Body::GpuResult { place, runs } if results && at(*place) => Some(runs),
        Body::CpuWrite { place, runs } if !results && at(*place) => Some(runs),
        _ => None,
    });
    runs.flatten().filter(|(start, _)| *start == offset).map(|(_, bytes)| bytes.0.clone()).collect()
}

fn count(recording: &Recording, is: impl Fn(&Body) -> bool) -> usize {
    recording.events.iter().filter(|event| is(&event.body)).count()
}

#[test]
fn what_a_program_does_is_recorded_and_replays_without_a_difference() {
    const TEST: &str = "what_a_program_does_is_recorded_and_replays_without_a_difference";
    if is_client() {
        return Client::new().store_twice();
    }
    let folder = Folder::new("store");
    for (platform, _) in PLATFORMS {
        let file = folder.0.join(platform).with_extension("jsonl");
        let (fine, said) = client(TEST, platform, &file);
        assert!(fine, "{said}");
        let recording: Recording = std::fs::read_to_string(&file).unwrap().parse().unwrap();
        assert_eq!((recording.header.platform.as_str(), recording.header.has_tag("userptr")), (platform, true));
        let is_user = |place| matches!(place, Place::User(_));
        let is_bo = |place| place == Place::Bo(1);
        assert_eq!(told(&recording, true, is_bo, 0x100), [[0xEE, 0xFF, 0xC0, 0], [0xEE, 0xFF, 0xC0, 0]]);
        assert_eq!(told(&recording, true, is_user, 8), [[0xEF, 0xBE, 0, 0], [0x0D, 0xF0, 0, 0]]);
        assert_eq!(told(&recording, false, is_user, 0), [[5, 0, 0, 0, 6, 0, 0, 0]], "what was there before the bind");
        let changed = told(&recording, false, is_bo, 0x1C);
        assert_eq!(changed.last().unwrap(), &[0x0D, 0xF0, 0, 0], "what was changed in the batch");
        assert_eq!(count(&recording, |body| matches!(body, Body::Remap { .. })), 1);
        assert_eq!(count(&recording, |body| matches!(body, Body::Munmap { .. })), 1);
        assert_eq!(count(&recording, |body| matches!(body, Body::Close { .. })), 1);
        let report = replay_file(&file, &Options::default()).unwrap();
        assert_eq!(report.differences, 0, "{report}");
        let without = replay_file(&file, &Options { execution: false }).unwrap();
        assert!(without.differences > 0, "results are compared");
    }
}

#[test]
fn a_program_that_does_not_exit_leaves_a_recording_without_an_end_and_the_reader_says_so() {
    const TEST: &str = "a_program_that_does_not_exit_leaves_a_recording_without_an_end_and_the_reader_says_so";
    if is_client() {
        Client::new().store_twice();
        // SAFETY: ends the client here.
        unsafe { libc::_exit(0) };
    }
    let folder = Folder::new("killed");
    let file = folder.0.join("killed.jsonl");
    let (fine, said) = client(TEST, "tgl", &file);
    assert!(fine, "{said}");
    let error = replay_file(&file, &Options::default()).unwrap_err().to_string();
    assert!(error.contains("no `end`"), "{error}");
}

#[test]
fn a_file_that_cannot_be_written_is_named_and_the_program_runs_as_without() {
    const TEST: &str = "a_file_that_cannot_be_written_is_named_and_the_program_runs_as_without";
    if is_client() {
        return Client::new().store_twice();
    }
    let (fine, said) = client(TEST, "tgl", Path::new("/no/such/folder/file"));
    assert!(fine && said.contains("nothing is recorded: /no/such/folder/file: No such file or directory"), "{said}");
}

/// What the client is told of a call whose struct lies where it cannot be written; the object is made nevertheless.
fn refused_outputs(client: &Client) {
    let page = map(4096, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0);
    let structs: [(u32, [u64; 7]); 3] = [
        (0xC038_6441, [0, 4096, pair(1, 0), 0, 1, 0, 0]),
        (0xC020_6443, [0; 7]),
        (0xC020_6443, [0, 1 << 20, 0, 0, 0, 0, 0]),
    ];
    for (request, arg) in structs {
        let prot = |prot| {
            // SAFETY: the page that was mapped above.
            assert_eq!(unsafe { libc::mprotect(page.cast(), 4096, prot) }, 0);
        };
        prot(libc::PROT_READ | libc::PROT_WRITE);
        for (at, word) in (0..).step_by(2).zip(arg) {
            put(page, at, &[word as u32, high(word)]);
        }
        prot(libc::PROT_READ);
        // SAFETY: the struct is as long as the request says.
        let answer = unsafe { libc::ioctl(client.fd(), libc::c_ulong::from(request), page) };
        let error = std::io::Error::last_os_error().raw_os_error();
        assert_eq!((answer, error), (-1, Some(libc::EFAULT)), "{request:#x}");
    }
}

#[test]
fn a_call_whose_struct_cannot_be_written_is_recorded_as_the_client_saw_it() {
    const TEST: &str = "a_call_whose_struct_cannot_be_written_is_recorded_as_the_client_saw_it";
    if is_client() {
        let client = Client::new();
        refused_outputs(&client);
        return client.store_twice();
    }
    let folder = Folder::new("fault");
    let file = folder.0.join("fault.jsonl");
    let (fine, said) = client(TEST, "tgl", &file);
    assert!(fine, "{said}");
    let recording: Recording = std::fs::read_to_string(&file).unwrap().parse().unwrap();
    let calls = recording.events.iter().filter_map(|event| recording.call_of(event));
    let refused: Vec<_> = calls.filter(|call| call.unwritable).collect();
    let told = refused.iter().map(|call| (call.name.as_str(), call.ret, call.errno.as_deref(), call.bo));
    let fault = Some("EFAULT");
    let expected = [
        ("XE_GEM_CREATE", -14, fault, Some(1)),
        ("XE_VM_CREATE", -14, fault, None),
        ("XE_VM_CREATE", -14, fault, None),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    assert!(refused.iter().all(|call| call.out.is_none() && call.out_fields.is_empty()), "{refused:?}");
    assert!(recording.header.has_tag("error_returns"));
    let report = replay_file(&file, &Options::default()).unwrap();
    assert_eq!(report.differences, 0, "{report}");
}

#[test]
fn a_child_has_a_file_of_its_own() {
    const TEST: &str = "a_child_has_a_file_of_its_own";
    if is_client() {
        let client = Client::new();
        // SAFETY: the child opens a device of its own and exits.
        let child = unsafe { libc::fork() };
        if child == 0 {
            drop(Client::new());
            // SAFETY: ends the child here, as a program ends.
            unsafe { libc::exit(0) };
        }
        let mut status = 0;
        // SAFETY: the test's own child.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
        return client.store_twice();
    }
    let folder = Folder::new("fork");
    let (fine, said) = client(TEST, "tgl", &folder.0.join("%p.jsonl"));
    assert!(fine, "{said}");
    let files: Vec<_> = std::fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 2, "{files:?}");
    for file in files {
        let report = replay_file(&file, &Options::default()).unwrap();
        assert_eq!(report.differences, 0, "{report}");
    }
}
