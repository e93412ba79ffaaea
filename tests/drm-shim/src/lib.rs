//! A library that is loaded before others (`LD_PRELOAD`) and answers for the device files of an Intel Xe GPU.
//!
//! A program that nobody changed opens `/dev/dri/renderD128`, makes its ioctls and maps its buffers; what answers is
//! the driver core on a simulated GPU, in the same process or in a server's. This is the only place that stands in for
//! the C library. It knows nothing of the calls that go through it, but for the few whose arguments are file
//! descriptors.
//!
//! | module | stands in for |
//! |---|---|
//! | `open`, `descriptors` | open and its kin; close, dup, fcntl |
//! | `acting` | write and its kin, for files that act |
//! | `streams`, `cookie` | fopen, fdopen, fclose; the streams of files that act |
//! | `calls`, `sync_files` | ioctl; ioctl and poll of descriptors that came out of it |
//! | `memory` | mmap, munmap, mremap, madvise |
//! | `status`, `links`, `folders` | stat and its kin; readlink, realpath; opendir, access |
//!
//! | module | holds |
//! |---|---|
//! | `real` | the C library's own functions |
//! | `paths` | which paths are the device's, and where its generated files are |
//! | `table` | which descriptors are the device's |
//! | `node` | the device: of this process, or of a server |
//! | `heirs` | children of fork at the device of their parent's process |
//! | `signals` | signals held back while the device is held |
//! | [`tree`] | the generated files |
//!
//! # Environment
//!
//! | variable | meaning |
//! |---|---|
//! | `BAREXE_SOCKET` | socket of a server (`barexe drm`) whose device it is; unset: one in the same process |
//! | `BAREXE_PLATFORM` | `tgl` (default) or `lnl` |
//! | `BAREXE_EXECUTION` | `off`: engines take work and never run it |
//! | `BAREXE_RECORD` | a file: what the program does is recorded there (see [`barexe_drm::record`]); not with a server |
//! | `BAREXE_TREE` | folder for the generated files that stand in for those of sysfs, debugfs and `/dev/dri` |
//!
//! # Rules
//!
//! - A caller may leave a waiting call by `longjmp` out of a signal handler. So signals are held back whenever something
//!   is locked, and let in only while a call sleeps and holds nothing.
//! - A child of `fork` has its parent's files and mapped memory. A device in the parent's process serves the child's calls
//!   on them, as long as that process lives (ENODEV afterwards), for one thread of the child at a time. A file that the
//!   child opens itself is of a device of its own. With a server the child's calls work as the parent's do.
//! - A call may what its thread may at that moment: `CAP_SYS_NICE` for high priority, as a kernel asks.
#![cfg_attr(not(test), expect(unsafe_code, reason = "functions of the C library are replaced and called"))]

// In a test program these would stand in for the C library's, too.
#[cfg(not(test))]
mod acting;
#[cfg(not(test))]
mod calls;
#[cfg(not(test))]
mod cookie;
#[cfg(not(test))]
mod descriptors;
#[cfg(not(test))]
mod folders;
#[cfg(not(test))]
mod heirs;
#[cfg(not(test))]
mod links;
#[cfg(not(test))]
mod memory;
#[cfg(not(test))]
mod node;
#[cfg(not(test))]
mod open;
#[cfg(not(test))]
mod paths;
#[cfg(not(test))]
mod real;
#[cfg(not(test))]
mod signals;
#[cfg(not(test))]
mod status;
#[cfg(not(test))]
mod streams;
#[cfg(not(test))]
mod sync_files;
#[cfg(not(test))]
mod table;
pub mod tree;
