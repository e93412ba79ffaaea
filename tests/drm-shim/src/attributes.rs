//! write, to files that show the device: what is written has its effect there, and stands in the file if it was accepted.

use crate::real::{self, fail};
use crate::signals::Blocked;
use crate::tree::{Live, live};
use crate::values::{Which, number, scheduling};
use crate::{node, paths};
use barexe_core::gt::EngineClass;
use barexe_drm::ClassNumber;
use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicU64, Ordering};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Descriptors that may lead to such a file: asked without a lock, as most of a program's writes go elsewhere.
static WRITABLE: [AtomicU64; 1024] = [const { AtomicU64::new(0) }; 1024];

fn place(fd: c_int) -> Option<(&'static AtomicU64, u64)> {
    let fd = usize::try_from(fd).ok()?;
    Some((WRITABLE.get(fd / 64)?, 1 << (fd % 64)))
}

/// Where a descriptor leads, as clients see it, if that is in the tree.
fn file_of(fd: c_int) -> Option<PathBuf> {
    let path = std::fs::read_link(format!("/proc/self/fd/{fd}")).ok()?;
    paths::rewritten(path.as_os_str().as_bytes()).is_some().then_some(path)
}

fn meaning(path: &Path) -> Option<Live<'_>> {
    live(path.to_str()?)
}

/// A file was opened for writing that may be in the tree; the descriptor, or why it cannot be written.
pub(crate) fn opened(fd: c_int) -> c_int {
    let Some(path) = (fd >= 0).then(|| file_of(fd)).flatten() else { return fd };
    match (meaning(&path), place(fd)) {
        (Some(Live::ReadOnly), _) => {
            // SAFETY: the descriptor is new and nobody else's.
            unsafe { real::close(fd) };
            return fail(libc::EACCES);
        }
        (Some(_), Some((word, bit))) => drop(word.fetch_or(bit, Ordering::AcqRel)),
        _ => {}
    }
    fd
}

/// The number that a neighbour of a file holds.
fn neighbour(path: &Path, name: &str) -> Option<u64> {
    std::fs::read_to_string(path.with_file_name(name)).ok()?.trim().parse().ok()
}

fn class_of(name: &str) -> Option<EngineClass> {
    match name {
        "rcs" => Some(EngineClass::Render),
        "bcs" => Some(EngineClass::Copy),
        "vcs" => Some(EngineClass::VideoDecode),
        "vecs" => Some(EngineClass::VideoEnhance),
        "ccs" => Some(EngineClass::Compute),
        _ => None,
    }
}

/// Gives a number of an engine class to the device.
fn schedule(path: &Path, (gt, class, attribute): (u8, &str, &str), text: &[u8]) -> Result<u32, i32> {
    let (limits, which) = scheduling(attribute).ok_or(libc::EIO)?;
    let class = class_of(class).ok_or(libc::EIO)?;
    let to = number(text)?;
    let now = |name, unset| neighbour(path, name).unwrap_or(unset);
    let set = (now(limits.lower_name, limits.lower), now(limits.upper_name, limits.upper));
    if !limits.allow(which, to.into(), set) {
        return Err(libc::EINVAL);
    }
    if which == Which::Value {
        let number = match attribute {
            "job_timeout_ms" => ClassNumber::JobTimeoutMs,
            "timeslice_duration_us" => ClassNumber::TimesliceUs,
            _ => ClassNumber::PreemptTimeoutUs,
        };
        let node = node::node().ok_or(libc::ENODEV)?;
        node.set_class_number(gt, class, number, to).map_err(|refusal| refusal.0)?;
    }
    Ok(to)
}

/// A limit of the frequency; the clock of the simulated part does not follow it, what is asked of it does.
fn limit_frequency(path: &Path, attribute: &str, text: &[u8]) -> Result<u32, i32> {
    let to = number(text)?;
    let file = |name| neighbour(path, name).ok_or(libc::EIO);
    let (lowest, highest) = (file("rpn_freq")?, file("rp0_freq")?);
    let (least, most) =
        if attribute == "min_freq" { (u64::from(to), file("max_freq")?) } else { (file("min_freq")?, u64::from(to)) };
    if !(lowest..=highest).contains(&to.into()) || least > most {
        return Err(libc::EINVAL);
    }
    std::fs::write(path.with_file_name("cur_freq"), format!("{least}\n")).map_err(|_| libc::EIO)?;
    Ok(to)
}

/// What is written is carried out; what the file says from now on, if it says anything.
fn carry_out(path: &Path, meaning: Live<'_>, text: &[u8], blocked: &Blocked) -> Result<Option<u32>, i32> {
    match meaning {
        Live::Scheduling { gt, class, attribute } => schedule(path, (gt, class, attribute), text).map(Some),
        Live::Frequency { attribute, .. } => limit_frequency(path, attribute, text).map(Some),
        Live::ReadOnly => Err(libc::EACCES),
        Live::Reset { gt, wait } => {
            // As the system reads a truth value.
            match text.first() {
                Some(b'1' | b'y' | b'Y' | b't' | b'T') => {}
                Some(b'0' | b'n' | b'N' | b'f' | b'F') => return Ok(None),
                _ => return Err(libc::EINVAL),
            }
            let node = node::node().ok_or(libc::ENODEV)?;
            node.reset_gt(gt, wait, &mut |length| blocked.nap(length)).map_err(|refusal| refusal.0)?;
            Ok(None)
        }
    }
}

/// What a write comes to, if it goes to a file with a meaning.
fn written(fd: c_int, text: &[u8]) -> Option<Result<(), i32>> {
    let (word, bit) = place(fd)?;
    if word.load(Ordering::Acquire) & bit == 0 {
        return None;
    }
    let path = file_of(fd);
    let Some((path, meaning)) = path.as_deref().and_then(|path| Some((path, meaning(path)?))) else {
        // The number leads elsewhere by now.
        word.fetch_and(!bit, Ordering::AcqRel);
        return None;
    };
    let blocked = Blocked::new();
    let says = match carry_out(path, meaning, text, &blocked) {
        Ok(says) => says,
        Err(errno) => return Some(Err(errno)),
    };
    if let Some(number) = says {
        let line = format!("{number}\n");
        // SAFETY: only numbers; the descriptor can be written.
        unsafe { libc::ftruncate(fd, 0) };
        // SAFETY: so many bytes lie there.
        unsafe { libc::pwrite(fd, line.as_ptr().cast(), line.len(), 0) };
    }
    Some(Ok(()))
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn write(fd: c_int, bytes: *const c_void, len: usize) -> isize {
    let marked = place(fd).is_some_and(|(word, bit)| word.load(Ordering::Acquire) & bit != 0);
    if marked && !bytes.is_null() {
        // SAFETY: the caller's promise: so many bytes lie there.
        let text = unsafe { core::slice::from_raw_parts(bytes.cast::<u8>(), len) };
        match written(fd, text) {
            Some(Ok(())) => return len.cast_signed(),
            Some(Err(errno)) => return fail(errno) as isize,
            None => {}
        }
    }
    // SAFETY: what the caller gave.
    unsafe { real::write(fd, bytes, len) }
}
