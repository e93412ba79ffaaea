//! Registration of contexts (engines sheet §12.5).
//!
//! The host chooses the index of a context, and gives the address of its image as a descriptor without one; the GuC
//! puts its own in. What a context has to do is in the tail of its ring in the image.

use super::field::Field;

/// Indices are below.
pub const INDICES: u32 = 65_535;

/// Payload of a registration.
pub mod register {
    /// [`super::FLAG_KERNEL`], [`super::FLAG_KIND`].
    pub const FLAGS: usize = 0;
    /// Index; of the first, where there are several. The others have those after it.
    pub const CONTEXT: usize = 1;
    /// One of [`super::class`].
    pub const CLASS: usize = 2;
    /// Engines it may run on: a bit for each, counted through the class's engines that exist.
    pub const ENGINES: usize = 3;
    /// Descriptor of the work queue, low and high: see [`super::super::work_queue`]. 0 with one context.
    pub const QUEUE_DESCRIPTOR: usize = 4;
    /// The work queue, low and high.
    pub const QUEUE_BASE: usize = 6;
    /// Its bytes.
    pub const QUEUE_BYTES: usize = 8;
    /// Of one context: descriptor of its image, low and high. Then the message ends.
    pub const IMAGE: usize = 9;
    /// Of several: how many.
    pub const COUNT: usize = 9;
    /// Of several: descriptors of their images, low and high in turns.
    pub const IMAGES: usize = 10;
}

/// The host's own, not a client's.
pub const FLAG_KERNEL: Field = Field::bit(0);
/// 0 normal, 1 saves compressed memory, 2 restores it.
pub const FLAG_KIND: Field = Field::bits(2, 1);

/// The context may not run.
pub const DISABLE: u32 = 0;
/// The context may run.
pub const ENABLE: u32 = 1;

/// Classes of engines, as this interface counts them.
pub mod class {
    /// RCS.
    pub const RENDER: u32 = 0;
    /// VCS.
    pub const VIDEO_DECODE: u32 = 1;
    /// VECS.
    pub const VIDEO_ENHANCE: u32 = 2;
    /// BCS.
    pub const COPY: u32 = 3;
    /// CCS.
    pub const COMPUTE: u32 = 4;
    /// GSCCS.
    pub const OTHER: u32 = 5;
    /// Room for classes in tables.
    pub const ROOM: usize = 16;
}

/// Room for engines of a class in tables.
pub const INSTANCE_ROOM: usize = 32;

/// Priorities: the lower number goes first.
pub mod priority {
    /// The host's own, before all.
    pub const KERNEL_HIGH: u32 = 0;
    /// A client's, before others.
    pub const HIGH: u32 = 1;
    /// What clients have.
    pub const KERNEL_NORMAL: u32 = 2;
    /// After all.
    pub const NORMAL: u32 = 3;
}
