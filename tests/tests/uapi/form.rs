//! The two forms of `drm_xe_vm_bind`, by the offsets of the bind-and-exec sheet §2.4 and §2.5.

use crate::table::{ARRAY, OTHER};
use barexe_tests::wire::Bytes;

/// A dialect's form of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// 160 bytes, with a sync struct.
    A,
    /// 136 bytes.
    U,
}

impl Form {
    pub(crate) const BOTH: [Self; 2] = [Self::A, Self::U];

    pub(crate) const fn request(self) -> u32 {
        match self {
            Self::A => 0x40A0_6445,
            Self::U => 0x4088_6445,
        }
    }

    const fn len(self) -> usize {
        match self {
            Self::A => 160,
            Self::U => 136,
        }
    }

    /// Offsets of the number of syncs, of their address, and of the last reserved words.
    pub(crate) const fn offsets(self) -> (usize, usize, usize) {
        match self {
            Self::A => (104, 120, 144),
            Self::U => (108, 112, 120),
        }
    }

    /// A call without operations.
    pub(crate) fn barrier(self, vm: u32) -> Bytes {
        Bytes::new(self.len()).u32(8, vm)
    }

    /// A call with one operation.
    pub(crate) fn bind(self, vm: u32, op: &Bytes) -> Bytes {
        self.barrier(vm).u32(20, 1).with(24, &op.0)
    }

    /// A call with several operations, at [`ARRAY`].
    pub(crate) fn bind_all(self, vm: u32, count: u32) -> Bytes {
        self.barrier(vm).u32(20, count).u64(24, ARRAY)
    }

    /// With syncs, at [`OTHER`].
    pub(crate) fn with_syncs(self, call: Bytes, count: u32) -> Bytes {
        let (number, addr, _) = self.offsets();
        call.u32(number, count).u64(addr, OTHER)
    }
}

/// The wait flag of dialect A.
pub(crate) fn waiting(call: Bytes) -> Bytes {
    call.u32(108, 1)
}

/// A waiting call with a cookie at an address.
pub(crate) fn with_cookie(call: Bytes, addr: u64) -> Bytes {
    waiting(call).u64(112, addr)
}

/// `drm_xe_vm_bind_op`: MAP of one page of an object at [`VA`].
pub(crate) fn op(obj: u32) -> Bytes {
    Bytes::new(80).u32(8, obj).u64(24, 0x1000).u64(32, VA)
}

/// UNMAP of one page at [`VA`].
pub(crate) fn unmap() -> Bytes {
    op(0).u32(40, 1)
}

/// Where tests map.
pub(crate) const VA: u64 = 0x1A_0000;
