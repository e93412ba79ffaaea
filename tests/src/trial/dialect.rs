//! Where the dialects put what they have in common (bind-and-exec sheet §2.4, §2.5, §2.8).

/// Layout of the two calls that differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// Its letter in the sheet.
    pub name: &'static str,
    /// `VM_BIND`: request number; its size is in it.
    pub bind: u32,
    /// `VM_BIND`: offset of `num_syncs`, and of the address of the array.
    pub bind_syncs: (usize, usize),
    /// `EXEC`: request number.
    pub exec: u32,
    /// `EXEC`: offset of the queue id.
    pub exec_queue: usize,
    /// `EXEC`: offsets of `num_syncs` and of the address of the array.
    pub exec_syncs: (usize, usize),
    /// `EXEC`: offsets of the batch address and of the number of batches.
    pub exec_batch: (usize, usize),
}

impl Dialect {
    /// Bytes of the argument struct of a request.
    #[must_use]
    pub const fn size(request: u32) -> usize {
        (request >> 16 & 0x3FFF) as usize
    }

    /// The interface as posted and reviewed.
    pub const A: Self = Self {
        name: "A",
        bind: 0x40A0_6445,
        bind_syncs: (104, 120),
        exec: 0x4058_6449,
        exec_queue: 12,
        exec_syncs: (16, 32),
        exec_batch: (56, 64),
    };

    /// The merged interface.
    pub const U: Self = Self {
        name: "U",
        bind: 0x4088_6445,
        bind_syncs: (108, 112),
        exec: 0x4038_6449,
        exec_queue: 8,
        exec_syncs: (12, 16),
        exec_batch: (24, 32),
    };
}

/// Those the driver speaks.
pub const DIALECTS: &[Dialect] = &[Dialect::A, Dialect::U];

/// Request numbers of the calls that are the same in all of them.
pub mod requests {
    /// `GEM_CREATE`.
    pub const GEM_CREATE: u32 = 0xC038_6441;
    /// `GEM_MMAP_OFFSET`.
    pub const GEM_MMAP_OFFSET: u32 = 0xC028_6442;
    /// `GEM_CLOSE`.
    pub const GEM_CLOSE: u32 = 0x4008_6409;
    /// `VM_CREATE`.
    pub const VM_CREATE: u32 = 0xC020_6443;
    /// `VM_DESTROY`.
    pub const VM_DESTROY: u32 = 0x4018_6444;
    /// `EXEC_QUEUE_CREATE`.
    pub const QUEUE_CREATE: u32 = 0xC030_6446;
    /// `EXEC_QUEUE_DESTROY`.
    pub const QUEUE_DESTROY: u32 = 0x4018_6447;
    /// `SYNCOBJ_CREATE`.
    pub const SYNCOBJ_CREATE: u32 = 0xC008_64BF;
    /// `SYNCOBJ_DESTROY`.
    pub const SYNCOBJ_DESTROY: u32 = 0xC008_64C0;
    /// `SYNCOBJ_RESET`.
    pub const SYNCOBJ_RESET: u32 = 0xC010_64C4;
    /// `SYNCOBJ_QUERY`.
    pub const SYNCOBJ_QUERY: u32 = 0xC018_64CB;
}
