//! Files that act, as a program finds them: scheduling of engine classes and resets, on a device of its own and on a server's.
#![expect(
    unsafe_code,
    dead_code,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::multiple_unsafe_ops_per_block,
    reason = "a test that speaks to a system by raw calls, in words cut on purpose; what fails there fails the test"
)]

mod common;

use common::served::{Served, role};
use common::{Client, client, is_a_client, spin};
use core::time::Duration;
use std::fs;
use std::io::{Error, Read as _, Write as _};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::Instant;

/// Where a program finds the engine classes, by the number of the node that it opened.
const ENGINES: &str = "/sys/dev/char/226:128/device/tile0/gt0/engines";
const RESET: &str = "/sys/kernel/debug/dri/128/gt0/force_reset_sync";

/// A user that may nothing.
const NOBODY: libc::uid_t = 65_534;

/// A folder for the generated files, gone with the value.
struct Tree(PathBuf);

impl Tree {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("barexe-acting-{name}-{}", std::process::id())))
    }

    fn variable(&self) -> (&str, &str) {
        ("BAREXE_TREE", self.0.to_str().unwrap())
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn read(file: &str) -> String {
    fs::read_to_string(format!("{ENGINES}/{file}")).unwrap()
}

/// Writes a text with one call; the error number if that or the opening is refused.
fn write(path: &str, text: &str) -> Result<usize, i32> {
    let number = |error: Error| error.raw_os_error().unwrap();
    fs::OpenOptions::new().write(true).open(path).and_then(|mut file| file.write(text.as_bytes())).map_err(number)
}

fn set(file: &str, text: &str) -> Result<usize, i32> {
    write(&format!("{ENGINES}/{file}"), text)
}

/// How long a job that does not end is let run.
fn ends_after() -> Duration {
    let (client, began) = (Client::new(), Instant::now());
    spin(&client);
    let _ = client.wait(20_000);
    began.elapsed()
}

/// What a program sees and does.
fn steps() {
    assert_eq!(read("rcs/job_timeout_ms"), "5000\n");
    assert_eq!(set("rcs/job_timeout_ms", "200"), Ok(3));
    assert_eq!((read("rcs/job_timeout_ms"), read("bcs/job_timeout_ms")), ("200\n".into(), "5000\n".into()));
    assert_eq!(read("bcs/.defaults/job_timeout_ms"), "5000\n");
    assert_eq!(set("rcs/.defaults/job_timeout_ms", "200"), Err(libc::EACCES));
    for (text, errno) in [("0", libc::EINVAL), ("10001", libc::EINVAL), ("999abc", libc::EINVAL), ("-1", libc::EINVAL)]
    {
        assert_eq!(set("rcs/job_timeout_ms", text), Err(errno), "{text}");
    }
    assert_eq!(set("rcs/job_timeout_ms", "4294967296"), Err(libc::ERANGE));
    assert_eq!(set("rcs/job_timeout_ms", &"9".repeat(10_000)), Err(libc::ERANGE));
    assert_eq!(set("rcs/job_timeout_max", "300\n"), Ok(4));
    assert_eq!(set("rcs/job_timeout_ms", "301"), Err(libc::EINVAL));
    assert_eq!((read("rcs/job_timeout_ms"), read("rcs/job_timeout_max")), ("200\n".into(), "300\n".into()));
    let took = ends_after();
    assert!(took >= Duration::from_millis(150) && took < Duration::from_secs(4), "{took:?}");
}

#[test]
fn what_a_program_writes_steers_its_own_device() {
    const TEST: &str = "what_a_program_writes_steers_its_own_device";
    if is_a_client() {
        return steps();
    }
    let tree = Tree::new("own");
    let (fine, said) = client(TEST, &[tree.variable()]);
    assert!(fine, "{said}");
}

/// Finds the files by an open folder, as libraries do.
#[test]
fn a_folder_and_a_stream_lead_to_the_same_files() {
    const TEST: &str = "a_folder_and_a_stream_lead_to_the_same_files";
    if !is_a_client() {
        let tree = Tree::new("ways");
        let (fine, said) = client(TEST, &[tree.variable()]);
        assert!(fine, "{said}");
        return;
    }
    let folder = fs::File::open(format!("{ENGINES}/bcs")).unwrap();
    let name = c"timeslice_duration_us".as_ptr();
    // SAFETY: a C string and an open folder.
    let fd = unsafe { libc::openat(folder.as_raw_fd(), name, libc::O_WRONLY) };
    // SAFETY: three bytes.
    assert_eq!(unsafe { libc::write(fd, c"123".as_ptr().cast(), 3) }, 3);
    // SAFETY: the test's own descriptor.
    assert_eq!(unsafe { libc::close(fd) }, 0);
    // SAFETY: as above.
    let fd = unsafe { libc::openat(folder.as_raw_fd(), name, libc::O_RDONLY) };
    let mut text = [0u8; 8];
    // SAFETY: room for eight bytes.
    let len = unsafe { libc::read(fd, text.as_mut_ptr().cast(), text.len()) };
    assert_eq!(text.get(..len.cast_unsigned()).unwrap(), b"123\n");
    let path = std::ffi::CString::new(format!("{ENGINES}/bcs/timeslice_duration_us")).unwrap();
    // SAFETY: C strings.
    let stream = unsafe { libc::fopen(path.as_ptr(), c"r+".as_ptr()) };
    assert!(!stream.is_null());
    let mut found = 0;
    // SAFETY: an open stream, and a place for the number.
    assert_eq!(unsafe { libc::fscanf(stream, c"%d".as_ptr(), &raw mut found) }, 1);
    assert_eq!(found, 123);
    // What a stream has taken is written when it is flushed; a refusal is told then.
    // SAFETY: an open stream and C strings.
    let written =
        |text: &core::ffi::CStr| unsafe { libc::fputs(text.as_ptr(), stream) >= 0 && libc::fflush(stream) == 0 };
    assert!(written(c"77"));
    assert_eq!(read("bcs/timeslice_duration_us"), "77\n");
    assert_eq!((written(c"0"), Error::last_os_error().raw_os_error()), (false, Some(libc::EINVAL)));
    // SAFETY: an open stream.
    unsafe { libc::fclose(stream) };
    assert_eq!(read("bcs/timeslice_duration_us"), "77\n");
    streams_are_closed_with_what_they_took(&path);
}

/// `fopen` or `fdopen`, then `fprintf`, then `fclose`, which writes: what that answers.
fn put(path: &core::ffi::CStr, opens: bool, number: i32) -> Result<(), i32> {
    let stream = if opens {
        // SAFETY: C strings.
        unsafe { libc::fopen(path.as_ptr(), c"w".as_ptr()) }
    } else {
        // SAFETY: a C string.
        let fd = unsafe { libc::open(path.as_ptr(), libc::O_WRONLY) };
        // SAFETY: the descriptor is the stream's from here on.
        unsafe { libc::fdopen(fd, c"w".as_ptr()) }
    };
    assert!(!stream.is_null());
    // SAFETY: an open stream, a C string and what it asks for.
    assert!(unsafe { libc::fprintf(stream, c"%d\n".as_ptr(), number) } > 0);
    // SAFETY: an open stream.
    if unsafe { libc::fclose(stream) } == 0 { Ok(()) } else { Err(Error::last_os_error().raw_os_error().unwrap()) }
}

fn streams_are_closed_with_what_they_took(path: &core::ffi::CStr) {
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    let before = descriptors();
    for opens in [true, false] {
        assert_eq!(put(path, opens, 321), Ok(()));
        assert_eq!(read("bcs/timeslice_duration_us"), "321\n");
        assert_eq!(put(path, opens, 0), Err(libc::EINVAL));
        assert_eq!(read("bcs/timeslice_duration_us"), "321\n");
    }
    assert_eq!(descriptors(), before);
}

#[test]
fn what_a_program_writes_steers_the_device_of_all() {
    const TEST: &str = "what_a_program_writes_steers_the_device_of_all";
    match role().as_deref() {
        Some("first") => return steps(),
        Some(_) => {
            assert_eq!(read("rcs/job_timeout_ms"), "200\n");
            assert_eq!(set("rcs/job_timeout_ms", "301"), Err(libc::EINVAL), "limits are shared, too");
            assert_eq!(write(RESET, "1"), Ok(1));
            assert_eq!(write(RESET, "perhaps"), Err(libc::EINVAL));
            // SAFETY: only numbers.
            if unsafe { libc::geteuid() == 0 && libc::setresuid(NOBODY, NOBODY, NOBODY) == 0 } {
                assert_eq!(write(RESET, "1"), Err(libc::EACCES), "it is for root, and for the user of the server");
                assert_eq!(set("rcs/job_timeout_ms", "200"), Err(libc::EACCES));
                let read = fs::File::open(RESET).and_then(|mut file| file.read(&mut [0]));
                assert_eq!(read.map_err(|error| error.raw_os_error()), Err(Some(libc::EACCES)), "reading resets, too");
            }
            return;
        }
        None => {}
    }
    let (tree, served) = (Tree::new("served"), Served::start(TEST));
    let (name, folder) = tree.variable();
    // SAFETY: tests of this program that run beside this one give their clients variables of their own.
    unsafe { std::env::set_var(name, folder) };
    drop(served.client("first").wait());
    drop(served.client("second").wait());
}

/// A reset throws a job off its engine and is over when the write returns; the job begins anew and nobody is blamed.
#[test]
fn a_program_resets_a_gt() {
    const TEST: &str = "a_program_resets_a_gt";
    if !is_a_client() {
        let tree = Tree::new("reset");
        let (fine, said) = client(TEST, &[tree.variable()]);
        assert!(fine, "{said}");
        return;
    }
    let client = Client::new();
    spin(&client);
    assert_eq!(write(RESET, "1"), Ok(1));
    let mut text = String::new();
    fs::File::open(RESET).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "", "reading resets as well, and says nothing");
    assert_eq!(write(RESET, "no"), Ok(2));
    assert_eq!(write(&RESET.replace("gt0", "gt7"), "1"), Err(libc::ENOENT));
}
