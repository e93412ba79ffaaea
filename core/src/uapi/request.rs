//! Request codes: which call, and how large its argument struct is (bind-and-exec sheet §2.8).
//!
//! A request code is direction (bits 31:30), size of the argument struct (29:16), type byte (15:8) and call number
//! (7:0). Calls are told apart by number only; the direction bits are not looked at.

use crate::Error;
use crate::num::usize_of;

/// The type byte of DRM ioctls.
pub const DRM_TYPE: u32 = 0x64;

/// Size in bytes that a request gives for the argument struct.
#[must_use]
pub const fn size_bytes(request: u32) -> usize {
    usize_of(request >> 16 & 0x3FFF)
}

/// Whether the argument struct is copied back to the client, when a call failed too: bit 31 of the request.
#[must_use]
pub const fn copies_back(request: u32) -> bool {
    request >> 31 != 0
}

/// The type byte of a request.
const fn type_byte(request: u32) -> u32 {
    request >> 8 & 0xFF
}

/// The call number of a request.
const fn number(request: u32) -> u32 {
    request & 0xFF
}

macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident, $code:ident = $request:literal;)+) => {
        /// The calls that are served.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Call {
            $($(#[$doc])* $name,)+
        }

        impl Call {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The request code of the driver's own argument struct, in dialect U.
            #[must_use]
            pub const fn request(self) -> u32 {
                match self { $(Self::$name => $code,)+ }
            }
        }

        $($(#[$doc])* pub const $code: u32 = $request;)+
    };
}

calls! {
    /// Which driver this is.
    Version, VERSION = 0xC040_6400;
    /// The device's name on its bus.
    GetUnique, GET_UNIQUE = 0xC010_6401;
    /// A number that stands for the client.
    GetMagic, GET_MAGIC = 0x8004_6402;
    /// Agree on a version of the interface.
    SetVersion, SET_VERSION = 0xC010_6407;
    /// Close a buffer-object handle.
    GemClose, GEM_CLOSE = 0x4008_6409;
    /// A name for a buffer object that any client can use.
    GemFlink, GEM_FLINK = 0xC008_640A;
    /// A handle to the buffer object of a name.
    GemOpen, GEM_OPEN = 0xC010_640B;
    /// What the driver can.
    GetCap, GET_CAP = 0xC010_640C;
    /// What the client can.
    SetClientCap, SET_CLIENT_CAP = 0x4010_640D;
    /// Trust the client that a number stands for.
    AuthMagic, AUTH_MAGIC = 0x4004_6411;
    /// Become the one who sets modes.
    SetMaster, SET_MASTER = 0x0000_641E;
    /// Cease to be.
    DropMaster, DROP_MASTER = 0x0000_641F;
    /// A file descriptor for a buffer object.
    PrimeHandleToFd, PRIME_HANDLE_TO_FD = 0xC00C_642D;
    /// A handle to the buffer object of a file descriptor.
    PrimeFdToHandle, PRIME_FD_TO_HANDLE = 0xC00C_642E;
    /// What displays are made of.
    ModeGetResources, MODE_GETRESOURCES = 0xC040_64A0;
    /// Planes of displays.
    ModeGetPlaneResources, MODE_GETPLANERESOURCES = 0xC010_64B5;
    /// Ask for facts about the device.
    DeviceQuery, XE_DEVICE_QUERY = 0xC028_6440;
    /// Create a buffer object.
    GemCreate, XE_GEM_CREATE = 0xC038_6441;
    /// Where to mmap a buffer object.
    GemMmapOffset, XE_GEM_MMAP_OFFSET = 0xC028_6442;
    /// Create an address space.
    VmCreate, XE_VM_CREATE = 0xC020_6443;
    /// Destroy an address space.
    VmDestroy, XE_VM_DESTROY = 0x4018_6444;
    /// Change mappings.
    VmBind, XE_VM_BIND = 0x4088_6445;
    /// Create an exec queue or bind queue.
    ExecQueueCreate, XE_EXEC_QUEUE_CREATE = 0xC030_6446;
    /// Destroy a queue.
    ExecQueueDestroy, XE_EXEC_QUEUE_DESTROY = 0x4018_6447;
    /// Ask about a queue.
    ExecQueueGetProperty, XE_EXEC_QUEUE_GET_PROPERTY = 0xC028_6448;
    /// Run a batch.
    Exec, XE_EXEC = 0x4038_6449;
    /// Wait for a word in client memory.
    WaitUserFence, XE_WAIT_USER_FENCE = 0xC048_644A;
    /// Change a queue.
    ExecQueueSetProperty, XE_EXEC_QUEUE_SET_PROPERTY = 0x4028_644E;
    /// Ask about an address space.
    VmGetProperty, XE_VM_GET_PROPERTY = 0xC038_644F;
    /// Create a sync object.
    SyncobjCreate, SYNCOBJ_CREATE = 0xC008_64BF;
    /// Destroy a sync object.
    SyncobjDestroy, SYNCOBJ_DESTROY = 0xC008_64C0;
    /// A file descriptor for a sync object, or for its fence.
    SyncobjHandleToFd, SYNCOBJ_HANDLE_TO_FD = 0xC018_64C1;
    /// A handle to the sync object of a file descriptor; or its fence into an object.
    SyncobjFdToHandle, SYNCOBJ_FD_TO_HANDLE = 0xC018_64C2;
    /// Wait for sync objects.
    SyncobjWait, SYNCOBJ_WAIT = 0xC028_64C3;
    /// Empty sync objects.
    SyncobjReset, SYNCOBJ_RESET = 0xC010_64C4;
    /// Signal sync objects.
    SyncobjSignal, SYNCOBJ_SIGNAL = 0xC010_64C5;
    /// Wait for points of timelines.
    SyncobjTimelineWait, SYNCOBJ_TIMELINE_WAIT = 0xC030_64CA;
    /// Ask how far timelines are.
    SyncobjQuery, SYNCOBJ_QUERY = 0xC018_64CB;
    /// Give one sync object what another holds.
    SyncobjTransfer, SYNCOBJ_TRANSFER = 0xC020_64CC;
    /// Add signalled points to timelines.
    SyncobjTimelineSignal, SYNCOBJ_TIMELINE_SIGNAL = 0xC018_64CD;
}

/// Change mappings, with the argument struct of dialect A.
pub const XE_VM_BIND_A: u32 = 0x40A0_6445;
/// Run a batch, with the argument struct of dialect A.
pub const XE_EXEC_A: u32 = 0x4058_6449;

impl Call {
    /// The call a request names.
    ///
    /// # Errors
    /// [`Error::UnknownRequest`] for another type byte, [`Error::Invalid`] for a number that is none, or one of a newer
    /// interface: clients ask an older driver like this what it has.
    pub fn of(request: u32) -> Result<Self, Error> {
        if type_byte(request) != DRM_TYPE {
            return Err(Error::UnknownRequest(request));
        }
        let wanted = number(request);
        let found = Self::ALL.iter().find(|call| number(call.request()) == wanted);
        found.copied().ok_or(Error::invalid("ioctl number", u64::from(wanted)))
    }

    /// Whether only clients at the primary node may make it: on a render node there are no modes to set, nobody to be
    /// trusted by, and no names that everybody knows.
    #[must_use]
    pub const fn needs_primary_node(self) -> bool {
        use Call::{
            AuthMagic, DropMaster, GemFlink, GemOpen, GetMagic, GetUnique, ModeGetPlaneResources, ModeGetResources,
            SetClientCap, SetMaster, SetVersion,
        };
        matches!(
            self,
            GetUnique
                | GetMagic
                | SetVersion
                | SetClientCap
                | AuthMagic
                | SetMaster
                | DropMaster
                | ModeGetResources
                | ModeGetPlaneResources
                | GemFlink
                | GemOpen
        )
    }

    /// Size of the driver's argument struct, in dialect U.
    #[must_use]
    pub const fn size_bytes(self) -> usize {
        size_bytes(self.request())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Errno;

    #[test]
    fn struct_sizes_are_those_of_the_sheet() {
        // Bind-and-exec sheet §2.5, behind those of the generic calls.
        let sizes = [
            64, 16, 4, 16, 8, 8, 16, 16, 16, 4, 0, 0, 12, 12, 64, 16, 40, 56, 40, 32, 24, 136, 48, 24, 40, 56, 72, 40,
            56, 8, 8, 24, 24, 40, 16, 16, 48, 24, 32, 24,
        ];
        assert!(Call::ALL.iter().map(|call| call.size_bytes()).eq(sizes));
    }

    #[test]
    fn a_call_is_found_by_number_whatever_size_and_direction_say() {
        for call in Call::ALL {
            assert_eq!(Call::of(call.request()), Ok(*call));
            assert_eq!(Call::of(call.request() & 0xFFFF), Ok(*call));
            assert_eq!(Call::of(call.request() | 0xFFFF_0000), Ok(*call));
        }
    }

    #[test]
    fn a_number_of_a_newer_interface_is_none_of_this_one() {
        let errno = |request| Call::of(request).unwrap_err().errno();
        assert_eq!(errno(0xC028_6540), Errno::ENOTTY);
        assert_eq!(errno(0xC028_0040), Errno::ENOTTY);
        assert_eq!(errno(0xC028_6450), Errno::EINVAL);
        // XE_OBSERVATION, XE_MADVISE, XE_VM_QUERY_MEM_RANGE_ATTRS.
        for newer in [0x4020_644B, 0x4040_644C, 0xC040_644D] {
            assert_eq!(errno(newer), Errno::EINVAL, "{newer:#x}");
        }
    }

    #[test]
    fn no_number_stands_for_two_calls() {
        let all: std::vec::Vec<u32> = Call::ALL.iter().map(|call| number(call.request())).collect();
        for one in &all {
            assert_eq!(all.iter().filter(|other| *other == one).count(), 1, "{one:#x}");
        }
    }
}
