//! Request codes: which call, and how large its argument struct is (bind-and-exec sheet §2.8).
//!
//! A request code is direction (bits 31:30; 1 the client writes, 2 it reads), size of the argument struct (29:16),
//! type byte (15:8) and call number (7:0). Calls are told apart by number only.

/// The type byte of DRM ioctls.
pub const DRM_TYPE: u32 = 0x64;

/// Size in bytes that the request's size field gives for the argument struct.
#[must_use]
pub const fn size_bytes(request: u32) -> u32 {
    request >> 16 & 0x3FFF
}

macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident = $request:literal;)+) => {
        $($(#[$doc])* pub const $name: u32 = $request;)+
    };
}

calls! {
    /// Close a buffer-object handle.
    GEM_CLOSE = 0x4008_6409;
    /// Ask for facts about the device.
    XE_DEVICE_QUERY = 0xC028_6440;
    /// Create a buffer object.
    XE_GEM_CREATE = 0xC038_6441;
    /// Where to mmap a buffer object.
    XE_GEM_MMAP_OFFSET = 0xC028_6442;
    /// Create an address space.
    XE_VM_CREATE = 0xC020_6443;
    /// Destroy an address space.
    XE_VM_DESTROY = 0x4018_6444;
    /// Change mappings.
    XE_VM_BIND = 0x4088_6445;
    /// Create an exec queue or bind queue.
    XE_EXEC_QUEUE_CREATE = 0xC030_6446;
    /// Destroy a queue.
    XE_EXEC_QUEUE_DESTROY = 0x4018_6447;
    /// Run a batch.
    XE_EXEC = 0x4038_6449;
    /// Create a sync object.
    SYNCOBJ_CREATE = 0xC008_64BF;
    /// Destroy a sync object.
    SYNCOBJ_DESTROY = 0xC008_64C0;
    /// Wait for sync objects.
    SYNCOBJ_WAIT = 0xC028_64C3;
    /// Empty sync objects.
    SYNCOBJ_RESET = 0xC010_64C4;
}
