//! The calls of dialect U as a replayer sees them: where ids stand, what is created, what is answered.
//!
//! Tables of this program's own, after the layouts of the bind-and-exec sheet §2.5: a wrong offset in the driver
//! cannot agree with itself here.

/// Objects that clients name by ids of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdKind {
    /// Buffer object handle.
    Gem,
    /// Address space.
    Vm,
    /// Exec or bind queue.
    Queue,
    /// Sync object handle.
    Syncobj,
}

impl IdKind {
    /// For messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gem => "GEM handle",
            Self::Vm => "VM id",
            Self::Queue => "exec queue id",
            Self::Syncobj => "syncobj handle",
        }
    }
}

/// When an id stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// If the dword at this offset of the same struct has one of the values `0..=last`.
    UpTo(usize, u32),
    /// If the dword at this offset of the same struct is this.
    Is(usize, u32),
}

/// A 32-bit id in the argument struct, or in each entry of an array.
#[derive(Clone, Copy, Debug)]
pub struct IdAt {
    /// Offset in bytes.
    pub offset: usize,
    /// What it names.
    pub kind: IdKind,
    /// When it does.
    pub when: When,
}

const fn id(offset: usize, kind: IdKind) -> IdAt {
    IdAt { offset, kind, when: When::Always }
}

/// An array of entries in client memory that hold ids.
#[derive(Clone, Copy, Debug)]
pub struct IdArray {
    /// Which payload.
    pub field: &'static str,
    /// Bytes of an entry.
    pub stride: usize,
    /// The id in each.
    pub id: IdAt,
}

/// How an output field is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Byte for byte.
    Equal,
    /// A fresh id.
    FreshId(IdKind),
    /// An offset for mmap, consistent for the object.
    MmapOffset,
    /// Byte for byte, if the bit of the flag word is clear.
    EqualUnless {
        /// Offset of the flag word.
        flags: usize,
        /// The bit.
        bit: u32,
    },
    /// Size of a query's answer: see the query.
    QuerySize,
    /// What is left of a time limit.
    TimeLeft,
}

/// An output field of the argument struct.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// Name of the field.
    pub field: &'static str,
    /// Offset in bytes.
    pub offset: usize,
    /// Bytes.
    pub len: usize,
    /// How it is judged.
    pub rule: Rule,
}

/// A field with a time on the client's clock.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    /// Offset in bytes.
    pub offset: usize,
    /// It is absolute only if this flag bit is set in the 16-bit word at this offset.
    pub if_flag: Option<(usize, u16)>,
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub struct CallKind {
    /// Call number: bits 7:0 of the request.
    pub nr: u8,
    /// Ids in the struct.
    pub ids: &'static [IdAt],
    /// Ids in client memory.
    pub arrays: &'static [IdArray],
    /// The one output field.
    pub output: Option<Output>,
    /// The id whose object is gone after success.
    pub destroys: Option<IdAt>,
    /// An absolute deadline.
    pub deadline: Option<Deadline>,
}

impl CallKind {
    const fn new(nr: u8) -> Self {
        Self { nr, ids: &[], arrays: &[], output: None, destroys: None, deadline: None }
    }

    const fn with_ids(self, ids: &'static [IdAt], arrays: &'static [IdArray]) -> Self {
        Self { ids, arrays, ..self }
    }

    const fn with_output(self, field: &'static str, offset: usize, len: usize, rule: Rule) -> Self {
        Self { output: Some(Output { field, offset, len, rule }), ..self }
    }

    const fn destroying(self, id: IdAt) -> Self {
        Self { destroys: Some(id), ..self }
    }

    const fn with_deadline(self, offset: usize, if_flag: Option<(usize, u16)>) -> Self {
        Self { deadline: Some(Deadline { offset, if_flag }), ..self }
    }
}

/// Entries of a sync array name a sync object unless they are user fences (type 2).
const SYNCS: IdArray =
    IdArray { field: "syncs", stride: 48, id: IdAt { offset: 16, kind: IdKind::Syncobj, when: When::UpTo(8, 1) } };
const BIND_OPS: IdArray = IdArray { field: "vector_of_binds", stride: 80, id: id(8, IdKind::Gem) };
const HANDLES: IdArray = IdArray { field: "handles", stride: 4, id: id(0, IdKind::Syncobj) };
/// The operation inside the struct is one only if there is exactly one.
const INLINE_BIND: IdAt = IdAt { offset: 32, kind: IdKind::Gem, when: When::Is(20, 1) };

/// The call numbers that the replayer asks for by name.
pub mod nr {
    /// `XE_DEVICE_QUERY`.
    pub const DEVICE_QUERY: u8 = 0x40;
    /// `XE_GEM_CREATE`.
    pub const GEM_CREATE: u8 = 0x41;
    /// `XE_VM_BIND`.
    pub const VM_BIND: u8 = 0x45;
    /// `XE_EXEC`.
    pub const EXEC: u8 = 0x49;
}

/// Every call of dialect U that has ids or outputs.
pub const CALLS: &[CallKind] = &[
    CallKind::new(0x09).destroying(id(0, IdKind::Gem)).with_ids(&[id(0, IdKind::Gem)], &[]),
    CallKind::new(nr::DEVICE_QUERY).with_output("size", 12, 4, Rule::QuerySize),
    CallKind::new(nr::GEM_CREATE).with_ids(&[id(24, IdKind::Vm)], &[]).with_output(
        "handle",
        28,
        4,
        Rule::FreshId(IdKind::Gem),
    ),
    CallKind::new(0x42).with_ids(&[id(8, IdKind::Gem)], &[]).with_output("offset", 16, 8, Rule::MmapOffset),
    CallKind::new(0x43).with_output("vm_id", 12, 4, Rule::FreshId(IdKind::Vm)),
    CallKind::new(0x44).destroying(id(0, IdKind::Vm)).with_ids(&[id(0, IdKind::Vm)], &[]),
    CallKind::new(nr::VM_BIND).with_ids(&[id(8, IdKind::Vm), id(12, IdKind::Queue), INLINE_BIND], &[BIND_OPS, SYNCS]),
    CallKind::new(0x46).with_ids(&[id(12, IdKind::Vm)], &[]).with_output(
        "exec_queue_id",
        20,
        4,
        Rule::FreshId(IdKind::Queue),
    ),
    CallKind::new(0x47).destroying(id(0, IdKind::Queue)).with_ids(&[id(0, IdKind::Queue)], &[]),
    CallKind::new(0x48).with_ids(&[id(8, IdKind::Queue)], &[]).with_output("value", 16, 8, Rule::Equal),
    CallKind::new(nr::EXEC).with_ids(&[id(8, IdKind::Queue)], &[SYNCS]),
    CallKind::new(0x4A)
        .with_ids(&[id(48, IdKind::Queue)], &[])
        .with_output("timeout", 40, 8, Rule::TimeLeft)
        .with_deadline(40, Some((18, 1))),
    CallKind::new(0x4E).with_ids(&[id(8, IdKind::Queue)], &[]),
    CallKind::new(0xBF).with_output("handle", 0, 4, Rule::FreshId(IdKind::Syncobj)),
    CallKind::new(0xC0).destroying(id(0, IdKind::Syncobj)).with_ids(&[id(0, IdKind::Syncobj)], &[]),
    CallKind::new(0xC3)
        .with_ids(&[], &[HANDLES])
        .with_output("first_signaled", 24, 4, Rule::EqualUnless { flags: 20, bit: 1 })
        .with_deadline(8, None),
    CallKind::new(0xC4).with_ids(&[], &[HANDLES]),
    CallKind::new(0xC5).with_ids(&[], &[HANDLES]),
    CallKind::new(0xCA)
        .with_ids(&[], &[HANDLES])
        .with_output("first_signaled", 32, 4, Rule::EqualUnless { flags: 28, bit: 1 })
        .with_deadline(16, None),
    CallKind::new(0xCB).with_ids(&[], &[HANDLES]),
    CallKind::new(0xCC).with_ids(&[id(0, IdKind::Syncobj), id(4, IdKind::Syncobj)], &[]),
    CallKind::new(0xCD).with_ids(&[], &[HANDLES]),
];

/// The call of a request; a request that is in no table has neither ids nor outputs.
#[must_use]
pub fn kind_of(request: u32) -> CallKind {
    let [nr, ..] = request.to_le_bytes();
    CALLS.iter().find(|call| call.nr == nr).copied().unwrap_or_else(|| CallKind::new(nr))
}

/// Calls of the DRM layer around a driver core; a core has no part in them.
const DRM_LAYER: [&str; 9] = [
    "VERSION",
    "GET_UNIQUE",
    "GET_MAGIC",
    "AUTH_MAGIC",
    "SET_VERSION",
    "GET_CAP",
    "SET_CLIENT_CAP",
    "SET_MASTER",
    "DROP_MASTER",
];

/// Whether the call belongs to the layer around the core.
#[must_use]
pub fn is_drm_layer(name: &str) -> bool {
    DRM_LAYER.contains(&name) || name.starts_with("MODE_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_one_row() {
        for call in CALLS {
            assert_eq!(CALLS.iter().filter(|other| other.nr == call.nr).count(), 1, "{:#x}", call.nr);
        }
    }

    #[test]
    fn requests_are_told_apart_by_number_only() {
        assert_eq!(kind_of(0xC028_6440).output.unwrap().field, "size");
        assert_eq!(kind_of(0xC008_6440).nr, 0x40);
        assert!(kind_of(0xC0FF_64FF).output.is_none());
    }

    #[test]
    fn mode_calls_belong_to_the_layer_around() {
        assert!(is_drm_layer("MODE_GETRESOURCES") && is_drm_layer("VERSION"));
        assert!(!is_drm_layer("XE_EXEC") && !is_drm_layer("GEM_CLOSE"));
    }
}
