//! What a HAL call may report.

use core::fmt;

/// Cause of a failed HAL call: the part the core decides on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum HalErrorKind {
    /// No memory of the wanted kind is left; the same call may succeed later.
    NoMemory,
    /// The request can never be met (length 0, alignment not a power of two, unknown config offset).
    BadRequest,
    /// The platform lacks the facility.
    Unsupported,
    /// The device or its bus does not answer.
    DeviceGone,
    /// The caller's environment interrupted the call; nothing happened.
    Interrupted,
    /// The client has no such memory, or not with that access.
    ClientFault,
}

/// A failed HAL call: its cause and a number of the implementation's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct HalError {
    kind: HalErrorKind,
    code: u32,
}

impl HalError {
    /// An error of `kind`, with `code` as the implementation's own detail.
    #[must_use]
    pub const fn new(kind: HalErrorKind, code: u32) -> Self {
        Self { kind, code }
    }

    /// The cause.
    #[must_use]
    pub const fn kind(self) -> HalErrorKind {
        self.kind
    }

    /// The implementation's own detail; the core only passes it on.
    #[must_use]
    pub const fn code(self) -> u32 {
        self.code
    }
}

impl From<HalErrorKind> for HalError {
    fn from(kind: HalErrorKind) -> Self {
        Self::new(kind, 0)
    }
}

impl fmt::Display for HalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause = match self.kind {
            HalErrorKind::NoMemory => "out of memory",
            HalErrorKind::BadRequest => "request cannot be met",
            HalErrorKind::Unsupported => "not supported by the platform",
            HalErrorKind::DeviceGone => "device gone",
            HalErrorKind::Interrupted => "interrupted",
            HalErrorKind::ClientFault => "client memory cannot be reached",
        };
        write!(f, "HAL: {cause} (code {:#x})", self.code)
    }
}

impl core::error::Error for HalError {}
