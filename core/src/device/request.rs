//! What callers pass in: plain values, checked by the rooms that use them.

use crate::Error;
use crate::gt::{EngineClass, REGION_MASK};
use barexe_hal::{ClientAddr, GpuVa};
use bitflags::bitflags;

/// An array a call reads once, front to back: a slice, or client memory that is decoded on the way.
///
/// A call never asks for an element twice, so a client that changes its memory meanwhile changes nothing.
pub trait Source<T> {
    /// Elements in the array.
    fn len(&self) -> u32;

    /// Element `index`; asked for in ascending order.
    ///
    /// # Errors
    /// [`Error::ClientFault`] where it cannot be read; whatever decoding it gives otherwise. The call then ends with
    /// an error and changes nothing. An array that cannot be read to its end counts as that, whatever its readable
    /// elements say, where the interface reads the array as a whole.
    fn get(&mut self, index: u32) -> Result<T, Error>;
}

impl<T: Copy> Source<T> for &[T] {
    fn len(&self) -> u32 {
        crate::num::u32_capped((**self).len())
    }

    fn get(&mut self, index: u32) -> Result<T, Error> {
        let element = (**self).get(crate::num::usize_of(index)).copied();
        element.ok_or(Error::invalid("array index", u64::from(index)))
    }
}

/// CPU caching of a buffer object (bind-and-exec sheet §2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuCaching {
    /// Write-back.
    WriteBack,
    /// Write-combining.
    WriteCombining,
}

/// A buffer object to create.
#[derive(Clone, Copy, Debug)]
pub struct BoRequest {
    /// Size in bytes: a multiple of 4096, at least 4096.
    pub size_bytes: u64,
    /// How CPU mappings are cached.
    pub caching: CpuCaching,
    /// Meant for display scan-out: not with write-back caching.
    pub scanout: bool,
    /// Never to be compressed.
    pub no_compression: bool,
    /// Private to this VM of the same client.
    pub vm: Option<u32>,
}

bitflags! {
    /// Modes of a VM (bind-and-exec sheet §2.6).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct VmFlags: u32 {
        /// Unmapped addresses read as zero and drop writes.
        const SCRATCH_PAGE = 1;
        /// Long-running: no completion fences for execs.
        const LR_MODE = 2;
        /// Device page faults.
        const FAULT_MODE = 4;
        /// With FAULT_MODE: refuse to over-commit.
        const NO_VM_OVERCOMMIT = 8;
    }

    /// Flags of one bind operation (bind-and-exec sheet §2.6, §4.5).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct BindFlags: u32 {
        /// GPU writes are not allowed.
        const READONLY = 1;
        /// Populate page tables in this call (fault VMs; others always do).
        const IMMEDIATE = 2;
        /// Include in error captures.
        const DUMPABLE = 8;
    }
}

/// What one bind operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindKind {
    /// Maps a buffer object from `offset_bytes` on.
    Map {
        /// GEM handle.
        bo: u32,
        /// Offset of the first byte in the object.
        offset_bytes: u64,
    },
    /// Maps client memory from `addr` on, a multiple of 4096.
    MapUserptr {
        /// Client address of the first byte.
        addr: u64,
    },
    /// Maps nothing: reads give zero, writes are dropped.
    MapNull,
    /// Removes whatever is mapped in the range.
    Unmap,
    /// Removes every mapping of a buffer object; address and range are 0.
    UnmapAll {
        /// GEM handle.
        bo: u32,
    },
    /// Brings the memory of every mapping that the range touches, each as a whole, to where the device reaches it.
    Prefetch {
        /// Memory region, [`PREFERRED_REGION`](Self::PREFERRED_REGION) for where the range's attributes prefer it.
        region: u32,
    },
}

impl BindKind {
    /// The prefetch region that leaves the choice to the driver.
    pub const PREFERRED_REGION: u32 = u32::MAX;

    /// Whether a prefetch may name this region (bind-and-exec sheet §3.2, row 10b16).
    #[must_use]
    pub const fn is_region(region: u32) -> bool {
        region == Self::PREFERRED_REGION || (region < u32::BITS && REGION_MASK >> region & 1 != 0)
    }

    /// The GEM handle it names, for another to be put in its place.
    pub(crate) const fn bo_mut(&mut self) -> Option<&mut u32> {
        match self {
            Self::Map { bo, .. } | Self::UnmapAll { bo } => Some(bo),
            Self::MapNull | Self::MapUserptr { .. } | Self::Unmap | Self::Prefetch { .. } => None,
        }
    }

    /// The GEM handle it names, if it names one.
    #[must_use]
    pub const fn bo(self) -> Option<u32> {
        match self {
            Self::Map { bo, .. } | Self::UnmapAll { bo } => Some(bo),
            Self::MapNull | Self::MapUserptr { .. } | Self::Unmap | Self::Prefetch { .. } => None,
        }
    }
}

/// One bind operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BindOp {
    /// What to do.
    pub kind: BindKind,
    /// First address, in the VM.
    pub va: u64,
    /// Length in bytes.
    pub range_bytes: u64,
    /// PAT index; validated for every kind.
    pub pat_index: u16,
    /// Flags.
    pub flags: BindFlags,
}

impl BindOp {
    /// Filler for lent arrays of operations.
    pub const EMPTY: Self =
        Self { kind: BindKind::Unmap, va: 0, range_bytes: 0, pat_index: 0, flags: BindFlags::empty() };
}

/// What a sync entry names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncTarget {
    /// A binary sync object.
    Syncobj {
        /// Handle.
        handle: u32,
    },
    /// A point of a timeline sync object.
    Timeline {
        /// Handle.
        handle: u32,
        /// The point, not 0.
        point: u64,
    },
    /// A 64-bit word: a GPU address for exec, a client address for bind.
    UserFence {
        /// Address, a multiple of 8.
        addr: u64,
        /// Value to store.
        value: u64,
    },
}

/// One entry of a sync array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncEntry {
    /// What it names.
    pub target: SyncTarget,
    /// Out-sync (to be signalled) rather than in-sync (to be waited for).
    pub signal: bool,
}

/// A bind call; operations and syncs come as [`Source`]s beside it.
#[derive(Clone, Copy, Debug)]
pub struct BindCall {
    /// VM id.
    pub vm: u32,
    /// Bind queue id, 0 for the VM's default bind queue.
    pub queue: u32,
}

/// An exec call; syncs come as a [`Source`] beside it.
#[derive(Clone, Copy, Debug)]
pub struct ExecCall<'c> {
    /// Exec queue id.
    pub queue: u32,
    /// GPU addresses of the batches: none for a barrier, else one for each of the queue's parallel positions. Not
    /// checked beyond the width of the address space.
    pub batches: &'c [GpuVa],
}

/// An engine as clients name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineRef {
    /// Class.
    pub class: EngineClass,
    /// Logical instance.
    pub instance: u16,
    /// GT id.
    pub gt: u16,
}

/// Scheduling properties of an exec queue (bind-and-exec sheet §3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueProperties {
    /// 0 low, 1 normal, 2 high (privileged clients).
    pub priority: u32,
    /// Time slice in microseconds.
    pub timeslice_us: u32,
}

impl Default for QueueProperties {
    fn default() -> Self {
        Self { priority: 1, timeslice_us: 1000 }
    }
}

impl QueueProperties {
    /// Highest priority a client may ask for.
    #[must_use]
    pub const fn max_priority(privileged: bool) -> u32 {
        if privileged { 2 } else { 1 }
    }

    /// Longest time slice a client may ask for, in microseconds; the shortest is 1.
    pub const MAX_TIMESLICE_US: u32 = 10_000_000;
    /// Both.
    pub const TIMESLICE_LIMITS_US: [u32; 2] = [1, Self::MAX_TIMESLICE_US];

    /// Checks both against what the client may ask for.
    ///
    /// # Errors
    /// [`Error::Invalid`]; [`Error::NotPermitted`] for a priority that needs a privileged client.
    pub fn check(&self, privileged: bool) -> Result<(), Error> {
        let priority = u64::from(self.priority);
        if self.priority > Self::max_priority(true) {
            return Err(Error::invalid("queue priority", priority));
        }
        if self.priority > Self::max_priority(privileged) {
            return Err(Error::NotPermitted { what: "queue priority", value: priority });
        }
        if self.timeslice_us == 0 || self.timeslice_us > Self::MAX_TIMESLICE_US {
            return Err(Error::invalid("time slice in microseconds", u64::from(self.timeslice_us)));
        }
        Ok(())
    }
}

/// An exec queue to create.
#[derive(Clone, Copy, Debug)]
pub struct QueueRequest<'c> {
    /// VM id.
    pub vm: u32,
    /// Engines, entry for parallel position i of placement j at j * width + i.
    pub placements: &'c [EngineRef],
    /// Parallel positions.
    pub width: u16,
    /// Scheduling properties.
    pub properties: QueueProperties,
}

/// A bind user fence that is due: the embedder's client memory gets `value` at `addr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserFenceWrite {
    /// Address in the client's memory.
    pub addr: ClientAddr,
    /// Value to store.
    pub value: u64,
}
