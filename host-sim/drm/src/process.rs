//! The memory of processes: read and written through the system, so that a bad address is an answer and not a crash.
#![expect(unsafe_code, reason = "the two calls of the system that copy between processes")]

use barexe_hal::{ClientAddr, ClientFault, ClientMemory, UserSpace};
use barexe_sim::ClientPages;
use core::ffi::c_void;
use core::sync::atomic::{AtomicBool, Ordering};
use rustix::thread::{CapabilitySet, capabilities};
use std::collections::BTreeSet;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

const PAGE: u64 = 4096;

/// A process, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(pub libc::pid_t);

/// Who makes a call: in whose memory all that it points to lies, and what it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The process.
    pub process: Process,
    /// It may do what takes `CAP_SYS_NICE`.
    pub privileged: bool,
    /// Where the argument struct lies, for whoever records what the caller gets back.
    pub back: Option<u64>,
}

impl Caller {
    /// This thread, as it is now.
    #[must_use]
    pub fn own() -> Self {
        let effective = capabilities(None).map(|sets| sets.effective);
        Self {
            process: Process::own(),
            privileged: effective.is_ok_and(|set| set.contains(CapabilitySet::SYS_NICE)),
            back: None,
        }
    }
}

/// One of the two calls.
type Copy = unsafe extern "C" fn(libc::pid_t, *const libc::iovec, u64, *const libc::iovec, u64, u64) -> libc::ssize_t;

impl Process {
    /// The one that this code runs in.
    #[must_use]
    pub fn own() -> Self {
        // SAFETY: nothing is passed.
        Self(unsafe { libc::getpid() })
    }

    /// The one at the other end of a socket, as the system has it; none that this one cannot see.
    #[must_use]
    pub fn at_other_end(socket: impl AsFd) -> Option<Self> {
        let mut peer = libc::ucred { pid: 0, uid: 0, gid: 0 };
        let mut len = libc::socklen_t::try_from(size_of::<libc::ucred>()).ok()?;
        let fd = socket.as_fd().as_raw_fd();
        // SAFETY: there is room for the answer, which is as long as is said.
        let done =
            unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEERCRED, (&raw mut peer).cast(), &raw mut len) };
        (done == 0 && peer.pid > 0).then_some(Self(peer.pid))
    }

    /// Lets another process read and write this one's memory, where the system asks for that.
    pub fn trust(self) {
        let other = libc::c_ulong::from(self.0.unsigned_abs());
        // SAFETY: only numbers. Systems that have no such rule refuse, which changes nothing.
        unsafe { libc::prctl(libc::PR_SET_PTRACER, other, 0, 0, 0) };
    }

    /// As the driver names it.
    #[must_use]
    pub fn space(self) -> UserSpace {
        UserSpace(u64::from(self.0.unsigned_abs()))
    }

    fn of_space(space: UserSpace) -> Self {
        Self(libc::pid_t::try_from(space.0).unwrap_or(0))
    }

    /// Copies `len` bytes between `here` and an address there; whether all of them could be copied.
    fn copy(self, copy: Copy, here: *mut c_void, there: u64, len: usize) -> bool {
        let Ok(address) = usize::try_from(there) else { return false };
        let own = libc::iovec { iov_base: here, iov_len: len };
        let other = libc::iovec { iov_base: core::ptr::without_provenance_mut(address), iov_len: len };
        // SAFETY: the own piece is a live buffer of that length, which the caller lends for this; whatever the other
        // piece is, the system checks.
        let done = unsafe { copy(self.0, &raw const own, 1, &raw const other, 1, 0) };
        usize::try_from(done) == Ok(len)
    }

    /// Reads bytes; false if they are not all there.
    #[must_use]
    pub fn read(self, addr: u64, into: &mut [u8]) -> bool {
        into.is_empty() || self.copy(libc::process_vm_readv, into.as_mut_ptr().cast(), addr, into.len())
    }

    /// Writes bytes; false, with nothing written, if they cannot all be written.
    #[must_use]
    pub fn write(self, addr: u64, from: &[u8]) -> bool {
        let len = from.len() as u64;
        // The system writes what it can: whether that is everything must be known before if there are several pages.
        let several = addr & !(PAGE - 1) != addr.saturating_add(len.saturating_sub(1)) & !(PAGE - 1);
        if from.is_empty() || (several && self.reachable(addr, len, true) < len) {
            return from.is_empty();
        }
        self.copy(libc::process_vm_writev, from.as_ptr().cast_mut().cast(), addr, from.len())
    }

    /// How many of `len_bytes` bytes from `addr` on are mapped for that access.
    #[must_use]
    pub fn reachable(self, addr: u64, len_bytes: u64, writes: bool) -> u64 {
        let Ok(maps) = std::fs::read_to_string(format!("/proc/{}/maps", self.0)) else { return 0 };
        let end = addr.saturating_add(len_bytes);
        let mut at = addr;
        for (start, stop, readable, writable) in maps.lines().filter_map(mapping) {
            if stop <= at {
                continue;
            }
            if start > at || at >= end || !readable || (writes && !writable) {
                break;
            }
            at = stop;
        }
        at.min(end).saturating_sub(addr)
    }
}

/// A line of the list of mappings: where, and whether it can be read and written.
fn mapping(line: &str) -> Option<(u64, u64, bool, bool)> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let [start, end] = [start, end].map(|text| u64::from_str_radix(text, 16).ok());
    Some((start?, end?, rest.starts_with('r'), rest.get(1..2) == Some("w")))
}

impl ClientMemory for Process {
    fn copy_in(&mut self, addr: ClientAddr, into: &mut [u8]) -> Result<(), ClientFault> {
        let len_bytes = into.len();
        if self.read(addr.get(), into) { Ok(()) } else { Err(ClientFault { addr, len_bytes }) }
    }

    fn copy_out(&mut self, addr: ClientAddr, from: &[u8]) -> Result<(), ClientFault> {
        if self.write(addr.get(), from) { Ok(()) } else { Err(ClientFault { addr, len_bytes: from.len() }) }
    }
}

/// All processes that the device may reach.
#[derive(Debug, Default)]
pub struct Processes {
    pinned: AtomicBool,
    /// Whose memory was ever pinned.
    spaces: Mutex<BTreeSet<u64>>,
}

impl Processes {
    /// Whether anything was ever pinned: as long as not, no change of a process's memory matters.
    #[must_use]
    pub fn ever_pinned(&self) -> bool {
        self.pinned.load(Ordering::Acquire)
    }

    /// The same of one process.
    #[must_use]
    pub fn ever_pinned_of(&self, process: Process) -> bool {
        self.ever_pinned() && self.spaces().contains(&process.space().0)
    }

    /// The process is gone.
    pub fn forget(&self, process: Process) {
        self.spaces().remove(&process.space().0);
    }

    fn spaces(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.spaces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientPages for Processes {
    fn reachable(&self, space: UserSpace, addr: u64, len_bytes: u64, writes: bool) -> u64 {
        // Before the look: whoever unmaps from here on waits for the device.
        self.spaces().insert(space.0);
        self.pinned.store(true, Ordering::Release);
        Process::of_space(space).reachable(addr, len_bytes, writes)
    }

    fn read(&self, space: UserSpace, addr: u64, into: &mut [u8]) -> bool {
        Process::of_space(space).read(addr, into)
    }

    fn write(&self, space: UserSpace, addr: u64, from: &[u8]) -> bool {
        let Ok(at) = usize::try_from(addr) else { return false };
        let process = Process::of_space(space);
        // The pages are pinned, so there is nothing to check first.
        process.copy(libc::process_vm_writev, from.as_ptr().cast_mut().cast(), at as u64, from.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_memory_is_read_and_written_and_other_addresses_fault() {
        let own = Process::own();
        let (mut word, mut back) = ([1u8, 2, 3, 4], [0; 4]);
        let at = word.as_mut_ptr().addr() as u64;
        assert!(own.read(at, &mut back) && back == [1, 2, 3, 4]);
        assert!(own.write(at, &[5, 6]));
        assert_eq!(word, [5, 6, 3, 4]);
        for bad in [0, 8, 1 << 60, u64::MAX - 1] {
            assert!(!own.read(bad, &mut back) && !own.write(bad, &back), "{bad:#x}");
        }
    }

    #[test]
    fn what_lies_in_a_range_is_known_up_to_the_first_hole() {
        let (own, text) = (Process::own(), what_lies_in_a_range_is_known_up_to_the_first_hole as fn());
        let code = text as usize as u64 & !(PAGE - 1);
        assert_eq!(own.reachable(code, 100, false), 100);
        assert_eq!(own.reachable(code, 100, true), 0, "code is not written");
        assert_eq!(own.reachable(0, PAGE, false), 0);
        let heap = vec![0u8; 1 << 20];
        let at = heap.as_ptr().addr() as u64;
        assert_eq!(own.reachable(at, 1 << 20, true), 1 << 20);
        assert!(own.reachable(at, 1 << 46, true) < 1 << 46);
    }

    #[test]
    fn a_write_that_leaves_what_is_mapped_writes_nothing() {
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: new mappings, at a place of the system's choice; the second page of them is taken away again.
        let at = unsafe { libc::mmap(core::ptr::null_mut(), 8192, prot, flags, -1, 0) };
        // SAFETY: the second page of what was just mapped.
        assert_eq!(unsafe { libc::munmap(at.wrapping_byte_add(4096), 4096) }, 0);
        let end = (at.addr() as u64).saturating_add(4096);
        assert!(!Process::own().write(end.saturating_sub(4), &[1; 8]));
        let mut back = [9; 4];
        assert!(Process::own().read(end.saturating_sub(4), &mut back) && back == [0; 4]);
    }
}
