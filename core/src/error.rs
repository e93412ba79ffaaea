//! Why a call was refused.
//!
//! Every variant is one cause and carries what was wrong; [`Error::errno`] gives the code of the specification
//! (bind-and-exec sheet §3). A refused call has changed nothing.

use crate::gt::reset::engine_error::{EngineError, EngineErrorKind};
use crate::mem::Defect;
use barexe_hal::{ClientFault, HalError, HalErrorKind};
use core::fmt;

/// A capacity of the lent storage, by the name of its field in `Storage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Capacity {
    /// Open clients.
    Clients,
    /// Address spaces.
    Vms,
    /// Nodes of the indexes of all address spaces, which hold the mappings.
    VmaNodes,
    /// Cells that list mappings by buffer object.
    VmBos,
    /// Buffer objects.
    Bos,
    /// Contiguous pieces that back buffer objects.
    BoBlocks,
    /// CPU mappings of buffer objects.
    BoMappings,
    /// Handles to buffer objects of other clients.
    BoImports,
    /// Exec queues and bind queues.
    Queues,
    /// Timelines of queues.
    Timelines,
    /// Jobs and binds accepted and not finished.
    Jobs,
    /// Fences that accepted work waits for.
    Dependencies,
    /// Sync objects.
    Syncobjs,
    /// Points of timeline sync objects.
    SyncPoints,
    /// Wakers of futures.
    Sleepers,
    /// Out-syncs and user fences of accepted work.
    OutSyncs,
    /// Bind user fences that are not delivered.
    UserFences,
    /// Engines of the part.
    Ports,
    /// Blocks of page-table memory.
    PtBlocks,
    /// Page tables that hold leaves only.
    PtNodes,
    /// Page directories.
    PtDirectories,
    /// Ranges of the global GTT, firmware's own included.
    GgttNodes,
    /// GGTT address space.
    GgttSpace,
    /// Mapping changes that accepted binds still have to carry out.
    BindSteps,
    /// Operations of one bind call.
    BindOps,
    /// Ranges of client memory that are mapped.
    UserRanges,
    /// Pinned pieces of client memory.
    UserPins,
    /// Batch ring space of one queue.
    Ring,
}

/// Kinds of object a client names by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ObjectKind {
    /// A client of the device.
    Client,
    /// Address space.
    Vm,
    /// Mapping of an address space.
    Vma,
    /// Exec or bind queue.
    Queue,
    /// Buffer object (GEM handle).
    Bo,
    /// Sync object.
    Syncobj,
    /// CPU mapping of a buffer object.
    BoMapping,
    /// Accepted work named by a ticket.
    Work,
}

/// A refused call, or accepted work that ended badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// An argument is outside what the call accepts.
    Invalid {
        /// The argument.
        what: &'static str,
        /// Its value.
        value: u64,
    },
    /// No object of that kind has this id, for this client.
    NotFound {
        /// Kind of object.
        kind: ObjectKind,
        /// The id given.
        id: u32,
    },
    /// A capacity of the lent storage is used up, or what of it the client may have.
    Exhausted(Capacity),
    /// The lent storage has less of the capacity than clients are promised.
    Overpromised(Capacity),
    /// Bookkeeping memory for an array call is used up; a shorter array may pass.
    ArrayExhausted(Capacity),
    /// More than there is memory for objects.
    NoSpace {
        /// What was asked for.
        size_bytes: u64,
    },
    /// Client memory cannot be reached.
    ClientFault(ClientFault),
    /// The combination is legal but not supported.
    Unsupported {
        /// What is not supported.
        what: &'static str,
    },
    /// The facility does not exist on this device.
    NoFacility {
        /// Which.
        what: &'static str,
    },
    /// The queue, VM or device was banned, killed or wedged.
    Canceled,
    /// The object is in use.
    Busy {
        /// Kind of object.
        kind: ObjectKind,
        /// Its id.
        id: u32,
    },
    /// A limit of work in flight is reached; repeat later.
    Again,
    /// The device is without power; repeat when it is resumed.
    Suspended,
    /// Nothing more comes from the queue that was waited for: it was banned or destroyed.
    QueueBanned {
        /// Its id.
        id: u32,
    },
    /// The caller lacks the privilege.
    NotPermitted {
        /// What it asked for.
        what: &'static str,
        /// The value.
        value: u64,
    },
    /// Not from where the caller came in.
    NoAccess {
        /// What it asked for.
        what: &'static str,
        /// The value.
        value: u64,
    },
    /// Client extension chain too long, in links.
    ChainTooLong(u32),
    /// Not a request of this interface.
    UnknownRequest(u32),
    /// A deadline passed.
    TimedOut,
    /// The wait was interrupted; repeat the call.
    Interrupted,
    /// A HAL call failed.
    Hal(HalError),
    /// The HAL has no memory for an array call; a shorter array may pass.
    ArrayNoMemory(HalError),
    /// The device does not answer (all ones).
    DeviceGone,
    /// The device answered with something it must not.
    DeviceBroken {
        /// What was read.
        what: &'static str,
        /// The value.
        value: u64,
    },
    /// The device is of a kind that nobody has tried on silicon, and the embedder did not allow that
    /// ([`Config::allow_unverified`](crate::device::Config::allow_unverified)).
    Unverified {
        /// Graphics version as one number: 20.04 is 2004.
        graphics: u32,
        /// What is assumed.
        what: &'static str,
    },
    /// The work did not end by itself: it was taken off its engine.
    Engine(EngineError),
    /// One part of the driver broke its promise to another.
    Defect(Defect),
}

impl Error {
    /// An argument error.
    #[must_use]
    pub const fn invalid(what: &'static str, value: u64) -> Self {
        Self::Invalid { what, value }
    }

    /// The code of the specification.
    #[must_use]
    pub const fn errno(&self) -> Errno {
        match self {
            Self::Invalid { .. } | Self::Overpromised(_) => Errno::EINVAL,
            Self::NotFound { .. } => Errno::ENOENT,
            Self::Exhausted(_) => Errno::ENOMEM,
            Self::ArrayExhausted(_) | Self::ArrayNoMemory(_) => Errno::ENOBUFS,
            Self::NoSpace { .. } => Errno::ENOSPC,
            Self::ClientFault(_) => Errno::EFAULT,
            Self::Unsupported { .. } => Errno::EOPNOTSUPP,
            Self::NoFacility { .. } => Errno::ENODEV,
            Self::Canceled => Errno::ECANCELED,
            Self::Busy { .. } => Errno::EBUSY,
            Self::Again | Self::Suspended => Errno::EAGAIN,
            Self::NotPermitted { .. } => Errno::EPERM,
            Self::NoAccess { .. } => Errno::EACCES,
            Self::ChainTooLong(_) => Errno::E2BIG,
            Self::UnknownRequest(_) => Errno::ENOTTY,
            Self::TimedOut => Errno::ETIME,
            Self::Interrupted => Errno::EINTR,
            Self::Hal(error) => hal_errno(error.kind()),
            Self::DeviceGone | Self::Unverified { .. } => Errno::ENODEV,
            Self::Engine(EngineError { kind: EngineErrorKind::TimedOut, .. }) => Errno::ETIME,
            Self::DeviceBroken { .. } | Self::Engine(_) | Self::Defect(_) | Self::QueueBanned { .. } => Errno::EIO,
        }
    }
}

const fn hal_errno(kind: HalErrorKind) -> Errno {
    match kind {
        HalErrorKind::NoMemory => Errno::ENOMEM,
        HalErrorKind::Interrupted => Errno::EINTR,
        HalErrorKind::DeviceGone => Errno::ENODEV,
        HalErrorKind::Unsupported => Errno::EOPNOTSUPP,
        HalErrorKind::ClientFault => Errno::EFAULT,
        HalErrorKind::BadRequest | _ => Errno::EIO,
    }
}

impl From<HalError> for Error {
    fn from(error: HalError) -> Self {
        Self::Hal(error)
    }
}

impl From<Defect> for Error {
    fn from(defect: Defect) -> Self {
        Self::Defect(defect)
    }
}

impl From<ClientFault> for Error {
    fn from(fault: ClientFault) -> Self {
        Self::ClientFault(fault)
    }
}

impl From<barexe_hal::Interrupted> for Error {
    fn from(_: barexe_hal::Interrupted) -> Self {
        Self::Interrupted
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { what, value } => write!(f, "{what} {value:#x} is not valid"),
            Self::NotFound { kind, id } => write!(f, "no {kind:?} with id {id:#x}"),
            Self::Exhausted(capacity) | Self::ArrayExhausted(capacity) => write!(f, "capacity {capacity:?} used up"),
            Self::Overpromised(capacity) => write!(f, "capacity {capacity:?} has less than clients are promised"),
            Self::NoSpace { size_bytes } => write!(f, "no space for {size_bytes:#x} more bytes of objects"),
            Self::ClientFault(fault) => write!(f, "{fault}"),
            Self::Unsupported { what } => write!(f, "{what} is not supported"),
            Self::NoFacility { what } => write!(f, "the device has no {what}"),
            Self::Canceled => f.write_str("canceled: queue, VM or device is banned"),
            Self::Busy { kind, id } => write!(f, "{kind:?} {id:#x} is in use"),
            Self::Again => f.write_str("too much work in flight, try again"),
            Self::Suspended => f.write_str("the device is suspended"),
            Self::QueueBanned { id } => write!(f, "nothing more comes from queue {id:#x}"),
            Self::NotPermitted { what, value } => write!(f, "{what} {value:#x} needs more privilege"),
            Self::NoAccess { what, value } => write!(f, "{what} {value:#x} is not for callers from here"),
            Self::ChainTooLong(links) => write!(f, "extension chain of more than {links} links"),
            Self::UnknownRequest(request) => write!(f, "request {request:#x} is not known"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Interrupted => f.write_str("interrupted"),
            Self::Hal(error) | Self::ArrayNoMemory(error) => write!(f, "{error}"),
            Self::DeviceGone => f.write_str("the device does not answer"),
            Self::DeviceBroken { what, value } => write!(f, "the device gave {what} {value:#x}"),
            Self::Unverified { graphics, what } => {
                let (major, minor) = (graphics / 100, graphics % 100);
                write!(f, "graphics {major}.{minor:02} is not verified on hardware: {what}")
            }
            Self::Engine(error) => write!(f, "{error}"),
            Self::Defect(defect) => write!(f, "defect of the driver: {defect}"),
        }
    }
}

impl core::error::Error for Error {}

macro_rules! errnos {
    ($($(#[$doc:meta])* $name:ident = $value:literal),+ $(,)?) => {
        /// Error numbers of the client interface.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Errno {
            $($(#[$doc])* $name = $value),+
        }

        impl Errno {
            /// The positive number.
            #[must_use]
            pub const fn code(self) -> i32 {
                match self { $(Self::$name => $value),+ }
            }

            /// The symbolic name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }
        }
    };
}

errnos! {
    /// Not permitted.
    EPERM = 1,
    /// No such object.
    ENOENT = 2,
    /// Interrupted; repeat.
    EINTR = 4,
    /// Device error.
    EIO = 5,
    /// Chain or list too long.
    E2BIG = 7,
    /// Try again.
    EAGAIN = 11,
    /// Out of memory.
    ENOMEM = 12,
    /// Not from here.
    EACCES = 13,
    /// Client memory cannot be reached.
    EFAULT = 14,
    /// In use.
    EBUSY = 16,
    /// No such device or facility.
    ENODEV = 19,
    /// Bad argument.
    EINVAL = 22,
    /// Not an ioctl of this device.
    ENOTTY = 25,
    /// No space.
    ENOSPC = 28,
    /// Timed out.
    ETIME = 62,
    /// Not supported.
    EOPNOTSUPP = 95,
    /// No buffer space: shorten the array.
    ENOBUFS = 105,
    /// Canceled.
    ECANCELED = 125,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_map_to_the_codes_of_the_specification() {
        let not_found = Error::NotFound { kind: ObjectKind::Vm, id: 7 };
        assert_eq!(not_found.errno().code(), 2);
        assert_eq!(Error::Exhausted(Capacity::Vms).errno(), Errno::ENOMEM);
        assert_eq!(Error::ArrayExhausted(Capacity::VmaNodes).errno(), Errno::ENOBUFS);
        assert_eq!(Error::Hal(HalErrorKind::Interrupted.into()).errno(), Errno::EINTR);
        assert_eq!(Error::Canceled.errno().code(), 125);
    }
}
