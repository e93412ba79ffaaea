//! Sync files and shared buffers: the calls on their own descriptors, and waiting for fences with poll.

use crate::calls::{descriptor, shared_behind};
use crate::real;
use crate::signals::Blocked;
use crate::table::{self, Kind};
use barexe_drm::{Access, Process, Refusal, SharedId, SharedKind};
use core::ffi::c_int;
use core::time::Duration;
use std::time::Instant;

/// `SYNC_IOC_MERGE`: a name, the other descriptor at 32, the new one at 36.
const MERGE: u32 = 0xC030_3E03;
/// `SYNC_IOC_FILE_INFO`: a name, the state at 32, the number of fences at 40.
const FILE_INFO: u32 = 0xC038_3E04;
/// `DMA_BUF_IOCTL_EXPORT_SYNC_FILE`: what for, the new descriptor at 4.
const BUFFER_EXPORT: u32 = 0xC008_6202;
/// `DMA_BUF_IOCTL_IMPORT_SYNC_FILE`: what about, the descriptor at 4.
const BUFFER_IMPORT: u32 = 0x4008_6203;
/// `DMA_BUF_IOCTL_SYNC`: the CPU begins or ends an access. Memory is coherent here.
const BUFFER_SYNC: u32 = 0x4008_6200;

/// A call on a descriptor of something that left the device.
pub(crate) fn call(
    device: Access,
    (id, kind): (SharedId, SharedKind),
    request: u32,
    addr: u64,
) -> Result<u32, Refusal> {
    match (kind, request) {
        (SharedKind::SyncFile, MERGE) => merge(device, id, addr),
        (SharedKind::SyncFile, FILE_INFO) => {
            let signaled = u32::from(device.is_signaled(id));
            let (state, fences) = (signaled.to_le_bytes(), 1u32.to_le_bytes());
            let told = Process::own().write(addr.saturating_add(32), &state)
                && Process::own().write(addr.saturating_add(40), &fences);
            if told { Ok(0) } else { Err(Refusal::FAULT) }
        }
        (SharedKind::Bo(_), BUFFER_SYNC) => Ok(0),
        (SharedKind::Bo(_), BUFFER_EXPORT) => {
            let [wants, _] = two_words(addr)?;
            let fd = descriptor(device, device.fence_of(id, wants)?)?;
            if Process::own().write(addr.saturating_add(4), &fd.to_le_bytes()) { Ok(0) } else { Err(Refusal::FAULT) }
        }
        (SharedKind::Bo(_), BUFFER_IMPORT) => {
            let [about, fd] = two_words(addr)?;
            let file = shared_behind(fd.cast_signed()).ok_or(Refusal::INVALID)?;
            device.add_fence(id, about, file).map(|()| 0)
        }
        _ => Err(Refusal(libc::ENOTTY)),
    }
}

fn two_words(addr: u64) -> Result<[u32; 2], Refusal> {
    let mut words = [[0; 4]; 2];
    if Process::own().read(addr, words.as_flattened_mut()) {
        Ok(words.map(u32::from_le_bytes))
    } else {
        Err(Refusal::FAULT)
    }
}

fn merge(device: Access, one: SharedId, addr: u64) -> Result<u32, Refusal> {
    let mut word = [0; 4];
    if !Process::own().read(addr.saturating_add(32), &mut word) {
        return Err(Refusal::FAULT);
    }
    let other = table::get(c_int::from_le_bytes(word)).map(|object| object.kind);
    let Some(Kind::Shared(other, SharedKind::SyncFile)) = other else { return Err(Refusal(libc::ENOENT)) };
    let fd = descriptor(device, device.merge(one, other)?)?;
    if Process::own().write(addr.saturating_add(36), &fd.to_le_bytes()) { Ok(0) } else { Err(Refusal::FAULT) }
}

/// A descriptor that becomes readable when it is told to.
pub(crate) fn fence_descriptor() -> c_int {
    // SAFETY: only numbers.
    unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) }
}

/// Longest time between two looks at fences that are polled.
const LOOK_EVERY: Duration = Duration::from_micros(200);

/// Tells the descriptor of a sync file whose fence is signalled; whether it is one that is not yet.
fn tell(fd: c_int) -> bool {
    let _blocked = Blocked::new();
    let Some(object) = table::get(fd) else { return false };
    let (Kind::Shared(id, SharedKind::SyncFile), Some(device)) = (object.kind, object.device()) else { return false };
    if !device.is_signaled(id) {
        return true;
    }
    if matches!(device, Access::There(_)) {
        // The server did.
        return false;
    }
    let one = 1u64.to_ne_bytes();
    // SAFETY: eight bytes, as this kind of descriptor wants them.
    unsafe { libc::write(fd, one.as_ptr().cast(), one.len()) };
    false
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn poll(fds: *mut libc::pollfd, count: libc::nfds_t, timeout: c_int) -> c_int {
    let len = usize::try_from(count).unwrap_or(0);
    let entries = if fds.is_null() || len == 0 {
        &[]
    } else {
        // SAFETY: the caller's promise: so many entries lie there.
        unsafe { core::slice::from_raw_parts(fds, len) }
    };
    let ours: Vec<c_int> = entries.iter().map(|entry| entry.fd).filter(|fd| table::is_ours(*fd)).collect();
    if ours.is_empty() {
        // SAFETY: what the caller gave.
        return unsafe { real::poll(fds, count, timeout) };
    }
    let limit = u64::try_from(timeout).ok().map(|timeout| (Instant::now(), Duration::from_millis(timeout)));
    loop {
        let pending = ours.iter().filter(|fd| tell(**fd)).count() > 0;
        // SAFETY: what the caller gave.
        let ready = unsafe { real::poll(fds, count, if pending { 0 } else { timeout }) };
        let over = limit.is_some_and(|(began, limit)| began.elapsed() >= limit);
        if ready != 0 || !pending || over {
            return ready;
        }
        if Blocked::new().nap(LOOK_EVERY) {
            return real::fail(libc::EINTR);
        }
    }
}
