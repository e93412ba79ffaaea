//! Bind operations: 80 bytes each (bind-and-exec sheet §2.4), and the checks of one operation by itself (§3.2,
//! table "per op").

use crate::Error;
use crate::device::request::{BindFlags, BindKind, BindOp};
use crate::mem::pat::{Coherence, PatEntry, PatTable};
use crate::uapi::Dialect;
use crate::uapi::wire::{Field, part, read};

/// Bytes of one operation.
pub(super) const LEN: usize = 80;
const OBJ: Field<u32> = Field::at(8);
const PAT_INDEX: Field<u16> = Field::at(12);
/// Offset in the object, or the address of client memory.
const OFFSET: Field<u64> = Field::at(16);
const RANGE: Field<u64> = Field::at(24);
const ADDR: Field<u64> = Field::at(32);
const OP: Field<u32> = Field::at(40);
const FLAGS: Field<u32> = Field::at(44);
const REGION: Field<u32> = Field::at(48);

const MAP: u32 = 0;
const UNMAP: u32 = 1;
const MAP_USERPTR: u32 = 2;
const UNMAP_ALL: u32 = 3;
const PREFETCH: u32 = 4;

const NULL: u32 = 4;
const CPU_ADDR_MIRROR: u32 = 32;
const MADVISE_AUTORESET: u32 = 64;
const DECOMPRESS: u32 = 128;
/// Eight flags; READONLY, IMMEDIATE, DUMPABLE and CHECK_PXP are legal on every operation. The last means nothing:
/// objects are never protected.
const FLAGS_OF_U: u32 = 0xFF;
/// READONLY, IMMEDIATE and NULL, and nothing else (D13).
const FLAGS_OF_A: u32 = 7;

/// An operation, field by field.
struct RawOp {
    dialect: Dialect,
    /// A byte of extensions, padding or reserved words that is not zero, if there is one; dialect U does not look.
    spare: u8,
    obj: u32,
    pat_index: u16,
    offset: u64,
    range: u64,
    addr: u64,
    op: u32,
    flags: u32,
    region: u32,
}

impl RawOp {
    fn read(bytes: &[u8; LEN], dialect: Dialect) -> Self {
        Self {
            dialect,
            spare: if dialect == Dialect::A { spare(bytes) } else { 0 },
            obj: read(bytes, OBJ),
            pat_index: read(bytes, PAT_INDEX),
            offset: read(bytes, OFFSET),
            range: read(bytes, RANGE),
            addr: read(bytes, ADDR),
            op: read(bytes, OP),
            flags: read(bytes, FLAGS),
            region: read(bytes, REGION),
        }
    }

    const fn has(&self, flags: u32) -> bool {
        self.flags & flags != 0
    }

    const fn is(&self, op: u32) -> bool {
        self.op == op
    }

    const fn has_unknown_flag(&self) -> bool {
        let known = match self.dialect {
            Dialect::A => FLAGS_OF_A,
            Dialect::U => FLAGS_OF_U,
        };
        self.has(!known)
    }

    /// The region mask has no such bit. Ranges have attributes in dialect U alone.
    const fn names_no_region(&self) -> bool {
        let preferred = matches!(self.dialect, Dialect::A) && self.region == BindKind::PREFERRED_REGION;
        preferred || !BindKind::is_region(self.region)
    }
}

/// The first byte that is not zero of extensions, padding and reserved words.
fn spare(bytes: &[u8; LEN]) -> u8 {
    let (extensions, pad, rest) = (part::<8>(bytes, 0), part::<2>(bytes, 14), part::<28>(bytes, 52));
    let mut all = extensions.iter().chain(&pad).chain(&rest);
    all.find(|byte| **byte != 0).copied().unwrap_or(0)
}

/// A row of the table: what is wrong, the value that is, and when.
struct Row {
    what: &'static str,
    value: fn(&RawOp) -> u64,
    applies: fn(&RawOp, &PatEntry) -> bool,
}

const fn row(what: &'static str, value: fn(&RawOp) -> u64, applies: fn(&RawOp, &PatEntry) -> bool) -> Row {
    Row { what, value, applies }
}

const OP_OF: fn(&RawOp) -> u64 = |raw| u64::from(raw.op);
const FLAGS_OF: fn(&RawOp) -> u64 = |raw| u64::from(raw.flags);
const OBJ_OF: fn(&RawOp) -> u64 = |raw| u64::from(raw.obj);
const PAT_OF: fn(&RawOp) -> u64 = |raw| u64::from(raw.pat_index);
const REGION_OF: fn(&RawOp) -> u64 = |raw| u64::from(raw.region);
const OFFSET_OF: fn(&RawOp) -> u64 = |raw| raw.offset;
const ADDR_OF: fn(&RawOp) -> u64 = |raw| raw.addr;
const SPARE_OF: fn(&RawOp) -> u64 = |raw| u64::from(raw.spare);
const RANGE_OF: fn(&RawOp) -> u64 = |raw| raw.range;

/// Rows 10b1 to 10b17, in the sheet's order. Whether the client has user pointers at all, the rest of 10b10, the core
/// knows; 10b11 is about mirrors, which earlier rows refuse, and 10b12 about parts that this core does not drive.
const ROWS: [Row; 18] = [
    row("bind operation", OP_OF, |raw, _| raw.op > PREFETCH),
    row("bind flags", FLAGS_OF, |raw, _| raw.has_unknown_flag()),
    row("extension, padding or reserved word", SPARE_OF, |raw, _| raw.spare != 0),
    row("object of a null mapping", OBJ_OF, |raw, _| raw.has(NULL | CPU_ADDR_MIRROR) && raw.obj != 0),
    row("offset of a null mapping", OFFSET_OF, |raw, _| raw.has(NULL | CPU_ADDR_MIRROR) && raw.offset != 0),
    row("map flags on another operation", FLAGS_OF, |raw, _| {
        raw.has(NULL | CPU_ADDR_MIRROR | DECOMPRESS) && !raw.is(MAP)
    }),
    row("pat_index for decompression", PAT_OF, |raw, pat| raw.has(DECOMPRESS) && pat.compressed),
    row("object to map", OBJ_OF, |raw, _| raw.is(MAP) && raw.obj == 0 && !raw.has(NULL | CPU_ADDR_MIRROR)),
    row("object to unmap everywhere", OBJ_OF, |raw, _| raw.is(UNMAP_ALL) && raw.obj == 0),
    row("address to unmap everywhere", ADDR_OF, |raw, _| raw.is(UNMAP_ALL) && raw.addr != 0),
    row("range to unmap everywhere", RANGE_OF, |raw, _| raw.is(UNMAP_ALL) && raw.range != 0),
    row("object of a user pointer", OBJ_OF, |raw, _| raw.is(MAP_USERPTR) && raw.obj != 0),
    row("pat_index of a user pointer", PAT_OF, |raw, pat| {
        raw.is(MAP_USERPTR) && (pat.coherence == Coherence::None || pat.compressed)
    }),
    row("object to prefetch", OBJ_OF, |raw, _| raw.is(PREFETCH) && raw.obj != 0),
    row("object to unmap", OBJ_OF, |raw, _| raw.is(UNMAP) && raw.obj != 0),
    row("prefetch region on another operation", REGION_OF, |raw, _| !raw.is(PREFETCH) && raw.region != 0),
    row("prefetch region", REGION_OF, |raw, _| raw.names_no_region()),
    row("flag MADVISE_AUTORESET", FLAGS_OF, |raw, _| {
        raw.has(MADVISE_AUTORESET) && !(raw.is(MAP) && raw.has(CPU_ADDR_MIRROR))
    }),
];

/// Decodes an operation and checks it by itself.
///
/// # Errors
/// The first row that applies: [`Error::Invalid`] for 10a to 10c; then [`Error::Unsupported`] for what is right but not
/// there.
pub(super) fn decode(bytes: &[u8; LEN], dialect: Dialect, pat: &PatTable) -> Result<BindOp, Error> {
    let raw = RawOp::read(bytes, dialect);
    if dialect == Dialect::U && raw.has(CPU_ADDR_MIRROR) {
        // 10a1. No VM of this core takes device page faults.
        return Err(Error::invalid("flag CPU_ADDR_MIRROR", u64::from(raw.flags)));
    }
    let (_, entry) = pat.check(raw.pat_index)?;
    if let Some(row) = ROWS.iter().find(|row| (row.applies)(&raw, entry)) {
        return Err(Error::invalid(row.what, (row.value)(&raw)));
    }
    check_range(&raw)?;
    let kind = kind(&raw)?;
    let flags = BindFlags::from_bits_truncate(raw.flags);
    Ok(BindOp { kind, va: raw.addr, range_bytes: raw.range, pat_index: raw.pat_index, flags })
}

/// Rows 10c1 and 10c2.
fn check_range(raw: &RawOp) -> Result<(), Error> {
    let fields = [("object offset", raw.offset), ("bind address", raw.addr), ("bind range", raw.range)];
    for (what, value) in fields {
        if value & 0xFFF != 0 {
            return Err(Error::invalid(what, value));
        }
    }
    if raw.range == 0 && !raw.is(UNMAP_ALL) { Err(Error::invalid("bind range", 0)) } else { Ok(()) }
}

/// What a well-formed operation does. Row 10d, and operations that are legal but that this core does not have.
const fn kind(raw: &RawOp) -> Result<BindKind, Error> {
    let unsupported = match raw.op {
        _ if raw.has(DECOMPRESS) => "decompression in place",
        MAP if raw.has(NULL) => return Ok(BindKind::MapNull),
        MAP => return Ok(BindKind::Map { bo: raw.obj, offset_bytes: raw.offset }),
        UNMAP => return Ok(BindKind::Unmap),
        MAP_USERPTR => return Ok(BindKind::MapUserptr { addr: raw.offset }),
        UNMAP_ALL => return Ok(BindKind::UnmapAll { bo: raw.obj }),
        PREFETCH => return Ok(BindKind::Prefetch { region: raw.region }),
        _ => "this bind operation",
    };
    Err(Error::Unsupported { what: unsupported })
}

#[cfg(test)]
#[path = "bind_op_tests.rs"]
mod tests;
