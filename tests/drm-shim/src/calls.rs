//! ioctl: calls go to the node as they are, but for those that carry descriptors.

use crate::open::empty_descriptor;
use crate::real::{self, fail};
use crate::signals::Blocked;
use crate::sync_files;
use crate::table::{self, Kind, Object};
use barexe_drm::{FileId, Node, Process, Refusal, SharedKind, Token};
use core::ffi::{c_int, c_void};

/// The type byte of DRM's calls.
const DRM: u32 = 0x64;

/// Calls whose struct has a descriptor: number, where it stands, and whether it comes out.
const CARRIERS: [(u32, usize, bool); 4] = [(0x2D, 8, true), (0x2E, 8, false), (0xC1, 8, true), (0xC2, 8, false)];

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ioctl(fd: c_int, request: libc::c_ulong, arg: *mut c_void) -> c_int {
    if !table::is_ours(fd) {
        // SAFETY: what the caller gave.
        return unsafe { real::ioctl(fd, request, arg) };
    }
    let blocked = Blocked::new();
    // The system looks at 32 bits.
    let request = (request & 0xFFFF_FFFF) as u32;
    let Some(object) = table::get(fd) else { return fail(libc::EBADF) };
    let Some(node) = object.node() else { return fail(libc::ENODEV) };
    let answer = match object.kind {
        Kind::File { id, .. } => call(node, id, request, arg.addr() as u64, &blocked),
        Kind::Shared(token, kind) => {
            drop(object);
            sync_files::call(node, (token, kind), request, arg.addr() as u64)
        }
    };
    match answer {
        Ok(value) => value.cast_signed(),
        Err(refusal) => fail(refusal.0),
    }
}

fn call(node: &'static Node, id: FileId, request: u32, addr: u64, blocked: &Blocked) -> Result<u32, Refusal> {
    let carrier = CARRIERS.iter().find(|(number, ..)| request & 0xFF == *number && request >> 8 & 0xFF == DRM);
    match carrier {
        Some((_, at, comes_out)) => carry(node, id, (request, addr), (*at, *comes_out)),
        None => node.ioctl(id, request, addr, &mut |length| blocked.nap(length)),
    }
}

/// A call with a descriptor: the node knows tokens.
fn carry(
    node: &'static Node,
    id: FileId,
    (request, addr): (u32, u64),
    (at, comes_out): (usize, bool),
) -> Result<u32, Refusal> {
    let own = Process::own();
    let mut arg = [0u8; 64];
    let len = ((request >> 16 & 0x3FFF) as usize).min(arg.len());
    let given = arg.get_mut(..len).unwrap_or_default();
    if !own.read(addr, given) {
        return Err(Refusal::FAULT);
    }
    if !comes_out {
        let token = token_of(get(&arg, at));
        put(&mut arg, at, token);
    }
    let answer = node.ioctl(id, request, arg.as_mut_ptr().addr() as u64, &mut |_| true)?;
    if comes_out {
        let token = Token(get(&arg, at));
        let kind = node.shared_kind(token).ok_or(Refusal::BAD_FILE)?;
        put(&mut arg, at, descriptor(node, token, kind)?);
    } else {
        let mut given = [0; 4];
        if own.read(addr.saturating_add(at as u64), &mut given) {
            put(&mut arg, at, c_int::from_le_bytes(given));
        }
    }
    if own.write(addr, arg.get(..len).unwrap_or_default()) { Ok(answer) } else { Err(Refusal::FAULT) }
}

/// The word at an offset.
fn get(arg: &[u8; 64], at: usize) -> c_int {
    arg.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| c_int::from_le_bytes(*word))
}

fn put(arg: &mut [u8; 64], at: usize, value: c_int) {
    if let Some(place) = arg.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *place = value.to_le_bytes();
    }
}

/// The token behind a descriptor; one that nothing has if there is none.
fn token_of(fd: c_int) -> c_int {
    match table::get(fd).map(|object| object.kind) {
        Some(Kind::Shared(token, _)) => token.0,
        Some(Kind::File { .. }) | None => -1,
    }
}

/// A new descriptor for a thing that left the device.
pub(crate) fn descriptor(node: &'static Node, token: Token, kind: SharedKind) -> Result<c_int, Refusal> {
    let object = Object::new(node, Kind::Shared(token, kind));
    let fd = match kind {
        SharedKind::Syncobj => empty_descriptor(libc::O_CLOEXEC),
        SharedKind::SyncFile => sync_files::fence_descriptor(),
        SharedKind::Bo(size) => sized_descriptor(size),
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
