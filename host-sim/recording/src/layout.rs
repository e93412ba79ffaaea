//! Tables of the interface's calls (dialect U): what they are called, their fields, and where they point.
//!
//! For people who read recordings, and for a recorder that must know what a call reads and writes. They are this package's
//! own, after the bind-and-exec sheet §2.5; what a driver does with a call is in none of them.

/// How a field is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A decimal number.
    Number,
    /// A decimal number with a sign.
    Signed,
    /// An address, in hex.
    Address,
}

/// One field of a struct.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Where it is, in bytes.
    pub offset: usize,
    /// How long, in bytes: at most 8.
    pub len: usize,
    /// How it is told.
    pub form: Form,
    /// It is given by the client.
    pub input: bool,
    /// It is written by the call.
    pub output: bool,
    /// It is told even if it is zero.
    pub always: bool,
}

impl Field {
    const fn new(name: &'static str, offset: usize, len: usize, form: Form) -> Self {
        Self { name, offset, len, form, input: true, output: false, always: false }
    }

    /// Written by the call only.
    const fn out(self) -> Self {
        Self { input: false, output: true, ..self }
    }

    /// Written by the call, too.
    const fn both(self) -> Self {
        Self { output: true, ..self }
    }

    const fn always(self) -> Self {
        Self { always: true, ..self }
    }
}

const fn half(name: &'static str, offset: usize) -> Field {
    Field::new(name, offset, 2, Form::Number)
}

const fn word(name: &'static str, offset: usize) -> Field {
    Field::new(name, offset, 4, Form::Number)
}

const fn long(name: &'static str, offset: usize) -> Field {
    Field::new(name, offset, 8, Form::Number)
}

const fn time(name: &'static str, offset: usize) -> Field {
    Field::new(name, offset, 8, Form::Signed)
}

const fn addr(name: &'static str, offset: usize) -> Field {
    Field::new(name, offset, 8, Form::Address)
}

/// How many entries a pointer leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// As the field at this offset, of so many bytes, says.
    Of(usize, usize),
    /// As it says, if it says more than one; else there is no pointer.
    IfSeveral(usize, usize),
    /// The product of two 16-bit fields.
    Product(usize, usize),
}

/// What is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Bytes.
    Bytes,
    /// A text.
    Text,
    /// A number of 4 bytes.
    Word,
    /// A number of 8 bytes.
    Long,
    /// An address of 8 bytes.
    Address,
    /// An engine's name.
    Instance,
    /// A sync entry.
    Sync,
    /// A bind operation.
    Bind,
}

impl Entry {
    /// Bytes of one.
    #[must_use]
    pub const fn len_bytes(self) -> usize {
        match self {
            Self::Bytes | Self::Text => 1,
            Self::Word => 4,
            Self::Long | Self::Address | Self::Instance => 8,
            Self::Sync => 48,
            Self::Bind => 80,
        }
    }

    /// Its fields, if it is a struct.
    #[must_use]
    pub const fn fields(self) -> &'static [Field] {
        match self {
            Self::Instance => INSTANCE,
            Self::Sync => SYNC,
            Self::Bind => BIND,
            Self::Bytes | Self::Text | Self::Word | Self::Long | Self::Address => &[],
        }
    }
}

/// Which way the bytes behind a pointer go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The call reads them.
    In,
    /// The call writes them.
    Out,
    /// Out, and in as well if the word at an offset is one of these.
    OutAndInIf(usize, &'static [u32]),
}

/// A pointer in a struct.
#[derive(Clone, Copy, Debug)]
pub struct Pointer {
    /// Name of the field.
    pub field: &'static str,
    /// Where it is, in bytes.
    pub offset: usize,
    /// How many entries.
    pub count: Count,
    /// Of what.
    pub entry: Entry,
    /// Which way.
    pub way: Way,
}

const fn reads(field: &'static str, offset: usize, count: Count, entry: Entry) -> Pointer {
    Pointer { field, offset, count, entry, way: Way::In }
}

const fn writes(field: &'static str, offset: usize, count: Count, entry: Entry) -> Pointer {
    Pointer { field, offset, count, entry, way: Way::Out }
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Its number.
    pub nr: u8,
    /// Its name.
    pub name: &'static str,
    /// Fields of its struct.
    pub fields: &'static [Field],
    /// Pointers in it.
    pub pointers: &'static [Pointer],
    /// Where a chain of extensions begins.
    pub extensions: Option<usize>,
}

/// Fields of an engine's name.
const INSTANCE: &[Field] =
    &[half("engine_class", 0).always(), half("engine_instance", 2).always(), half("gt_id", 4).always()];
/// Fields of an entry of a sync array.
const SYNC: &[Field] = &[
    addr("extensions", 0),
    word("type", 8).always(),
    word("flags", 12),
    addr("addr_or_handle", 16),
    long("timeline_value", 24),
];
/// Fields of a bind operation.
const BIND: &[Field] = &[
    addr("extensions", 0),
    word("obj", 8),
    half("pat_index", 12),
    half("pad", 14),
    addr("obj_offset", 16),
    addr("range", 24),
    addr("addr", 32),
    word("op", 40).always(),
    word("flags", 44),
    word("prefetch_mem_region_instance", 48),
    word("pad2", 52),
];
/// Fields of an extension that sets a property.
pub const EXTENSION: &[Field] = &[word("name", 8), word("property", 16), long("value", 24)];
/// Bytes of an extension.
pub const EXTENSION_BYTES: usize = 48;
/// Where the only bind operation of a call lies in its struct.
pub const INLINE_BIND: usize = 24;

/// Queries that read their buffer before they write it: cycles of an engine, version of a unit's firmware.
const ASKED_IN_THE_BUFFER: &[u32] = &[6, 7];

macro_rules! layouts {
    ($($nr:literal $name:literal $(ext $ext:literal)? [$($field:expr),* $(,)?] [$($pointer:expr),* $(,)?];)+) => {
        /// Every call that has a name here.
        pub const CALLS: &[Layout] = &[$(Layout {
            nr: $nr,
            name: $name,
            fields: &[$($field),*],
            pointers: &[$($pointer),*],
            extensions: layouts!(@ext $($ext)?),
        }),+];
    };
    (@ext) => { None };
    (@ext $at:literal) => { Some($at) };
}

const fn handles(count: usize) -> Pointer {
    reads("handles", 0, Count::Of(count, 4), Entry::Word)
}

layouts! {
    0x00 "VERSION" [
        word("version_major", 0).out(), word("version_minor", 4).out(), word("version_patchlevel", 8).out(),
        long("name_len", 16).both(), addr("name", 24), long("date_len", 32).both(), addr("date", 40),
        long("desc_len", 48).both(), addr("desc", 56),
    ] [
        writes("name", 24, Count::Of(16, 8), Entry::Text), writes("date", 40, Count::Of(32, 8), Entry::Text),
        writes("desc", 56, Count::Of(48, 8), Entry::Text),
    ];
    0x01 "GET_UNIQUE" [long("unique_len", 0).both(), addr("unique", 8)]
        [writes("unique", 8, Count::Of(0, 8), Entry::Text)];
    0x02 "GET_MAGIC" [word("magic", 0).out()] [];
    0x07 "SET_VERSION" [
        word("di_major", 0).both(), word("di_minor", 4).both(), word("dd_major", 8).both(), word("dd_minor", 12).both(),
    ] [];
    0x09 "GEM_CLOSE" [word("handle", 0), word("pad", 4)] [];
    0x0A "GEM_FLINK" [word("handle", 0), word("name", 4).out()] [];
    0x0B "GEM_OPEN" [word("name", 0), word("handle", 4).out(), long("size", 8).out()] [];
    0x0C "GET_CAP" [long("capability", 0), long("value", 8).out()] [];
    0x0D "SET_CLIENT_CAP" [long("capability", 0), long("value", 8)] [];
    0x11 "AUTH_MAGIC" [word("magic", 0)] [];
    0x1E "SET_MASTER" [] [];
    0x1F "DROP_MASTER" [] [];
    0x2D "PRIME_HANDLE_TO_FD" [word("handle", 0), word("flags", 4), word("fd", 8).out()] [];
    0x2E "PRIME_FD_TO_HANDLE" [word("handle", 0).out(), word("flags", 4), word("fd", 8)] [];
    0x40 "XE_DEVICE_QUERY" ext 0 [
        addr("extensions", 0), word("query", 8).always(), word("size", 12).both(), addr("data", 16),
    ] [Pointer {
        field: "data", offset: 16, count: Count::Of(12, 4), entry: Entry::Bytes,
        way: Way::OutAndInIf(8, ASKED_IN_THE_BUFFER),
    }];
    0x41 "XE_GEM_CREATE" ext 0 [
        addr("extensions", 0), long("size", 8), word("placement", 16), word("flags", 20), word("vm_id", 24),
        word("handle", 28).out(), half("cpu_caching", 32), half("pad0", 34), half("pad1", 36), half("pad2", 38),
        long("reserved0", 40), long("reserved1", 48),
    ] [];
    0x42 "XE_GEM_MMAP_OFFSET" ext 0
        [addr("extensions", 0), word("handle", 8), word("flags", 12), addr("offset", 16).out()] [];
    0x43 "XE_VM_CREATE" ext 0 [
        addr("extensions", 0), word("flags", 8), word("vm_id", 12).out(), long("reserved0", 16), long("reserved1", 24),
    ] [];
    0x44 "XE_VM_DESTROY" [word("vm_id", 0), word("pad", 4), long("reserved0", 8), long("reserved1", 16)] [];
    0x45 "XE_VM_BIND" ext 0 [
        addr("extensions", 0), word("vm_id", 8), word("exec_queue_id", 12), word("pad", 16), word("num_binds", 20),
        word("pad2", 104), word("num_syncs", 108), addr("syncs", 112), long("reserved0", 120), long("reserved1", 128),
    ] [
        reads("vector_of_binds", 24, Count::IfSeveral(20, 4), Entry::Bind),
        reads("syncs", 112, Count::Of(108, 4), Entry::Sync),
    ];
    0x46 "XE_EXEC_QUEUE_CREATE" ext 0 [
        addr("extensions", 0), half("width", 8), half("num_placements", 10), word("vm_id", 12), word("flags", 16),
        word("exec_queue_id", 20).out(), addr("instances", 24), long("reserved0", 32), long("reserved1", 40),
    ] [reads("instances", 24, Count::Product(8, 10), Entry::Instance)];
    0x47 "XE_EXEC_QUEUE_DESTROY" [word("exec_queue_id", 0), word("pad", 4)] [];
    0x48 "XE_EXEC_QUEUE_GET_PROPERTY" ext 0
        [addr("extensions", 0), word("exec_queue_id", 8), word("property", 12), long("value", 16).out()] [];
    0x49 "XE_EXEC" ext 0 [
        addr("extensions", 0), word("exec_queue_id", 8), word("num_syncs", 12), addr("syncs", 16), addr("address", 24),
        half("num_batch_buffer", 32),
    ] [
        reads("syncs", 16, Count::Of(12, 4), Entry::Sync),
        reads("address", 24, Count::IfSeveral(32, 2), Entry::Address),
    ];
    0x4A "XE_WAIT_USER_FENCE" ext 0 [
        addr("extensions", 0), addr("addr", 8), half("op", 16), half("flags", 18), word("pad", 20), addr("value", 24),
        addr("mask", 32), time("timeout", 40).both(), word("exec_queue_id", 48), word("pad2", 52),
    ] [];
    0x4B "XE_OBSERVATION" ext 0 [addr("extensions", 0), long("type", 8), long("op", 16), addr("param", 24)] [];
    0x4E "XE_EXEC_QUEUE_SET_PROPERTY" ext 0
        [addr("extensions", 0), word("exec_queue_id", 8), word("property", 12), long("value", 16)] [];
    0xA0 "MODE_GETRESOURCES" [
        word("count_fbs", 32).out(), word("count_crtcs", 36).out(), word("count_connectors", 40).out(),
        word("count_encoders", 44).out(),
    ] [];
    0xB5 "MODE_GETPLANERESOURCES" [addr("plane_id_ptr", 0), word("count_planes", 8).both()] [];
    0xBF "SYNCOBJ_CREATE" [word("handle", 0).out(), word("flags", 4)] [];
    0xC0 "SYNCOBJ_DESTROY" [word("handle", 0), word("pad", 4)] [];
    0xC1 "SYNCOBJ_HANDLE_TO_FD" [word("handle", 0), word("flags", 4), word("fd", 8).out(), long("point", 16)] [];
    0xC2 "SYNCOBJ_FD_TO_HANDLE" [word("handle", 0).both(), word("flags", 4), word("fd", 8), long("point", 16)] [];
    0xC3 "SYNCOBJ_WAIT" [
        addr("handles", 0), time("timeout_nsec", 8), word("count_handles", 16), word("flags", 20),
        word("first_signaled", 24).out(), time("deadline_nsec", 32),
    ] [handles(16)];
    0xC4 "SYNCOBJ_RESET" [addr("handles", 0), word("count_handles", 8), word("pad", 12)] [handles(8)];
    0xC5 "SYNCOBJ_SIGNAL" [addr("handles", 0), word("count_handles", 8), word("pad", 12)] [handles(8)];
    0xCA "SYNCOBJ_TIMELINE_WAIT" [
        addr("handles", 0), addr("points", 8), time("timeout_nsec", 16), word("count_handles", 24), word("flags", 28),
        word("first_signaled", 32).out(), time("deadline_nsec", 40),
    ] [handles(24), reads("points", 8, Count::Of(24, 4), Entry::Long)];
    0xCB "SYNCOBJ_QUERY"
        [addr("handles", 0), addr("points", 8), word("count_handles", 16), word("flags", 20)]
        [handles(16), writes("points", 8, Count::Of(16, 4), Entry::Long)];
    0xCC "SYNCOBJ_TRANSFER" [
        word("src_handle", 0), word("dst_handle", 4), long("src_point", 8), long("dst_point", 16), word("flags", 24),
        word("pad", 28),
    ] [];
    0xCD "SYNCOBJ_TIMELINE_SIGNAL"
        [addr("handles", 0), addr("points", 8), word("count_handles", 16), word("flags", 20)]
        [handles(16), reads("points", 8, Count::Of(16, 4), Entry::Long)];
    0xCF "SYNCOBJ_EVENTFD" [word("handle", 0), word("flags", 4), long("point", 8), word("fd", 16)] [];
}

/// The type byte of DRM's calls.
const DRM: u32 = 0x64;

/// The call of a request, if it has a name.
#[must_use]
pub fn layout(request: u32) -> Option<&'static Layout> {
    let [nr, kind, ..] = request.to_le_bytes();
    CALLS.iter().find(|call| call.nr == nr && u32::from(kind) == DRM)
}

/// Names of queries, by number.
pub const QUERIES: [&str; 11] = [
    "ENGINES",
    "MEM_REGIONS",
    "CONFIG",
    "GT_LIST",
    "HWCONFIG",
    "GT_TOPOLOGY",
    "ENGINE_CYCLES",
    "UC_FW_VERSION",
    "OA_UNITS",
    "PXP_STATUS",
    "EU_STALL",
];
/// Names of bind operations, by number.
pub const OPERATIONS: [&str; 5] = ["MAP", "UNMAP", "MAP_USERPTR", "UNMAP_ALL", "PREFETCH"];
/// Names of kinds of sync entries, by number.
pub const SYNC_TYPES: [&str; 3] = ["SYNCOBJ", "TIMELINE_SYNCOBJ", "USER_FENCE"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_one_row_and_fields_are_inside_of_words() {
        for call in CALLS {
            assert_eq!(CALLS.iter().filter(|other| other.nr == call.nr).count(), 1, "{}", call.name);
            for field in call.fields {
                assert!(field.offset.is_multiple_of(field.len), "{} {}", call.name, field.name);
            }
        }
    }

    #[test]
    fn calls_of_others_have_no_name() {
        assert_eq!(layout(0xC028_6440).map(|call| call.name), Some("XE_DEVICE_QUERY"));
        assert!(layout(0x5400).is_none() && layout(0xC028_6450).is_none());
    }
}
