//! Bind operations: checks of one by itself, and what it asks for.

use super::plan::Request;
use super::vma::{VaRange, Vma, VmaBacking};
use crate::Error;
use crate::device::request::{BindKind, BindOp, CpuCaching};
use crate::gt::DeviceInfo;
use crate::mem::bo::Bo;
use crate::mem::pat::{Coherence, PatIndex};
use crate::pool::Handle;

/// Checks one operation by itself: bind-and-exec sheet §3.2, row 10. Whether the client's memory can be mapped is a part
/// of it.
///
/// # Errors
/// [`Error::Invalid`] with the argument that is wrong.
pub fn check_op(op: &BindOp, info: &DeviceInfo, has_user_pages: bool) -> Result<(), Error> {
    info.platform.family.pat.check(op.pat_index)?;
    if let BindKind::Map { offset_bytes, .. } = op.kind {
        aligned("object offset", offset_bytes)?;
    }
    if let BindKind::MapUserptr { addr } = op.kind {
        let (_, entry) = info.platform.family.pat.check(op.pat_index)?;
        if entry.coherence == Coherence::None || entry.compressed {
            return Err(Error::invalid("pat_index of a user pointer", u64::from(op.pat_index)));
        }
        if !has_user_pages {
            return Err(Error::invalid("user pointer of a client without a memory space", addr));
        }
        aligned("user pointer", addr)?;
    }
    if let BindKind::Prefetch { region } = op.kind
        && !BindKind::is_region(region)
    {
        return Err(Error::invalid("prefetch region", u64::from(region)));
    }
    aligned("bind address", op.va)?;
    aligned("bind range", op.range_bytes)?;
    let empty = op.range_bytes == 0 && !matches!(op.kind, BindKind::UnmapAll { .. });
    if empty { Err(Error::invalid("bind range", 0)) } else { Ok(()) }
}

/// Checks that an operation stays in a VM of `va_bytes`: row 18.
///
/// # Errors
/// [`Error::Invalid`] with the address.
pub const fn check_range(op: &BindOp, va_bytes: u64) -> Result<(), Error> {
    if op.range_bytes > va_bytes || op.va > va_bytes.saturating_sub(op.range_bytes) {
        return Err(Error::invalid("bind address", op.va));
    }
    Ok(())
}

const fn aligned(what: &'static str, value: u64) -> Result<(), Error> {
    if value & 0xFFF == 0 { Ok(()) } else { Err(Error::invalid(what, value)) }
}

/// Checks a buffer object against the operation that names it: bind-and-exec sheet §3.3.
///
/// # Errors
/// [`Error::Invalid`] with the argument that is wrong.
pub fn check_bo(op: &BindOp, bo: &Bo, vm: Handle<super::Vm>, info: &DeviceInfo) -> Result<(), Error> {
    let offset_bytes = match op.kind {
        BindKind::Map { offset_bytes, .. } => offset_bytes,
        BindKind::UnmapAll { .. } => 0,
        BindKind::MapNull | BindKind::MapUserptr { .. } | BindKind::Unmap | BindKind::Prefetch { .. } => return Ok(()),
    };
    let (_, entry) = info.platform.family.pat.check(op.pat_index)?;
    let pat = Error::invalid("PAT index", u64::from(op.pat_index));
    if bo.no_compression && entry.compressed {
        return Err(pat);
    }
    if op.range_bytes > bo.size_bytes || offset_bytes > bo.size_bytes.saturating_sub(op.range_bytes) {
        return Err(Error::invalid("object offset", offset_bytes));
    }
    if bo.caching == CpuCaching::WriteBack && entry.coherence == Coherence::None {
        return Err(pat);
    }
    if bo.vm.is_some_and(|owner| owner != vm) {
        return Err(Error::invalid("object private to another VM, id", u64::from(vm.id())));
    }
    Ok(())
}

/// The request of an operation on a range: to map `backing`, or to unmap.
///
/// # Errors
/// [`Error::Invalid`] with the PAT index, if that was not checked.
pub fn request(op: &BindOp, backing: Option<VmaBacking>) -> Result<Request, Error> {
    let range = VaRange { start: op.va, end: op.va.saturating_add(op.range_bytes) };
    let Some(backing) = backing else { return Ok(Request::unmap(range)) };
    let index = u64::from(op.pat_index);
    let pat = u8::try_from(op.pat_index).ok().and_then(PatIndex::new).ok_or(Error::invalid("PAT index", index))?;
    Ok(Request::map(Vma::new(range, backing, pat, op.flags)))
}
