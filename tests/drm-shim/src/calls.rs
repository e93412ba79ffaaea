//! ioctl: calls go to the device as they are, but for those that carry descriptors.

use crate::open::{empty_descriptor, with_flags};
use crate::real::{self, fail};
use crate::signals::Blocked;
use crate::sync_files;
use crate::table::{self, Kind, Object};
use barexe_core::uapi::request;
use barexe_drm::access::{New, Shared};
use barexe_drm::carry::Carried;
use barexe_drm::remote::Found;
use barexe_drm::{Access, FileId, Process, Refusal, SharedId, SharedKind};
use core::ffi::{c_int, c_void};
use std::os::fd::BorrowedFd;

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ioctl(fd: c_int, request: libc::c_ulong, arg: *mut c_void) -> c_int {
    // The system looks at 32 bits.
    let code = (request & 0xFFFF_FFFF) as u32;
    if !table::is_ours(fd) && !came_from_elsewhere(fd, code) {
        // SAFETY: what the caller gave.
        return unsafe { real::ioctl(fd, request, arg) };
    }
    let blocked = Blocked::new();
    let Some(object) = table::get(fd) else { return fail(libc::EBADF) };
    let Some(device) = object.device() else { return fail(libc::ENODEV) };
    let answer = match object.kind {
        Kind::File { id, .. } => call(device, id, code, arg.addr() as u64, &blocked),
        Kind::Shared(id, kind) => {
            drop(object);
            sync_files::call(device, (id, kind), code, arg.addr() as u64)
        }
        Kind::Acts(_) => Err(Refusal(libc::ENOTTY)),
    };
    match answer {
        Ok(value) => value.cast_signed(),
        Err(refusal) => fail(refusal.0),
    }
}

/// A call on a file, whose argument struct lies at an address.
fn call(device: Access, id: FileId, request: u32, addr: u64, blocked: &Blocked) -> Result<u32, Refusal> {
    let own = Process::own();
    let mut arg = vec![0; request::size_bytes(request)];
    if !own.read(addr, &mut arg) {
        return Err(Refusal::FAULT);
    }
    let carried = Carried::of(request);
    let given = carried.filter(|carried| !carried.comes_out).and_then(|carried| shared_behind(carried.get(&arg)));
    let answer = device.call(id, request, (&mut arg, addr), given, &mut &*blocked);
    // What left the device has a descriptor before the caller is told of it.
    let answer = answer.and_then(|(value, left)| {
        if let (Some(carried), Some(left)) = (carried, left) {
            carried.put(&mut arg, descriptor(device, left)?);
        }
        Ok(value)
    });
    let told = !request::copies_back(request) || own.write(addr, &arg);
    // Whatever became of it: so it is with a kernel.
    if told { answer } else { Err(Refusal::FAULT) }
}

/// What left the device and has this descriptor.
pub(crate) fn shared_behind(fd: c_int) -> Option<SharedId> {
    came_from_elsewhere(fd, 0);
    match table::get(fd)?.kind {
        Kind::Shared(id, _) => Some(id),
        Kind::File { .. } | Kind::Acts(_) => None,
    }
}

/// The type bytes of calls on files of the device, on sync files, on shared buffers; 0 asks for any.
const TYPES: [u32; 4] = [0x64, 0x3E, 0x62, 0];

/// Whether an unknown descriptor leads to something of a server's: another process may have handed it over.
fn came_from_elsewhere(fd: c_int, request: u32) -> bool {
    let Some(device @ Access::There(_)) = crate::node::current() else { return false };
    if fd < 0 || table::is_ours(fd) || !TYPES.contains(&(request >> 8 & 0xFF)) {
        return false;
    }
    let _blocked = Blocked::new();
    // SAFETY: it is borrowed for the look only; whether there is such a descriptor the system says.
    let found = device.adopt(unsafe { BorrowedFd::borrow_raw(fd) });
    let kind = match found {
        Some(Found::File(key, primary)) => Kind::File { id: FileId(key.0), primary },
        Some(Found::Shared(key, kind)) => Kind::Shared(SharedId(key.0), kind),
        None => return false,
    };
    table::insert(fd, Object::new(device, kind))
}

/// A new descriptor for a thing that left the device.
pub(crate) fn descriptor(device: Access, new: New<Shared>) -> Result<c_int, Refusal> {
    let (id, kind) = new.what;
    let object = Object::new(device, Kind::Shared(id, kind));
    let fd = match (new.descriptor, kind) {
        (Some(descriptor), _) => with_flags(descriptor, libc::O_CLOEXEC),
        (None, SharedKind::Syncobj) => empty_descriptor(libc::O_CLOEXEC),
        (None, SharedKind::SyncFile) => sync_files::fence_descriptor(),
        (None, SharedKind::Bo(size)) => sized_descriptor(size),
    };
    if fd < 0 || !table::insert(fd, object) {
        return Err(Refusal(libc::EMFILE));
    }
    Ok(fd)
}

/// A descriptor whose end can be sought: that is how clients ask for an object's size.
fn sized_descriptor(size: u64) -> c_int {
    // SAFETY: a C string and a number.
    let fd = unsafe { libc::memfd_create(c"dmabuf".as_ptr(), libc::MFD_CLOEXEC) };
    if fd >= 0 {
        // SAFETY: only numbers.
        unsafe { libc::ftruncate(fd, libc::off_t::try_from(size).unwrap_or(libc::off_t::MAX)) };
    }
    fd
}
