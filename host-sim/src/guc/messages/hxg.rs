//! The first dword of every message (engines sheet §12.4). Parameters follow it, a dword each.

use super::field::Field;

/// 1: the GuC speaks. 0: the host.
pub const ORIGIN: Field = Field::bit(31);
/// One of [`Kind`].
pub const KIND: Field = Field::bits(30, 28);
/// Parameter in the first dword of requests and events; hint of a failure.
pub const DATA0: Field = Field::bits(27, 16);
/// Action of requests and events; reason of a failure.
pub const ACTION: Field = Field::bits(15, 0);
/// Parameter in the first dword of successes; counter of "busy", reason of "retry".
pub const AUX: Field = Field::bits(27, 0);

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Wants an answer: success or failure, "busy" as often as needed before it, or "retry" instead.
    Request,
    /// Tells something. No answer.
    Event,
    /// A request that is answered only if it fails.
    FastRequest,
    /// It takes longer.
    Busy,
    /// Say it again later.
    Retry,
    /// It did not work: hint and reason.
    Failure,
    /// It is done.
    Success,
}

impl Kind {
    /// The number in [`KIND`].
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::Request => 0,
            Self::Event => 1,
            Self::FastRequest => 2,
            Self::Busy => 3,
            Self::Retry => 5,
            Self::Failure => 6,
            Self::Success => 7,
        }
    }

    /// The kind of a first dword; none for the number that means nothing.
    #[must_use]
    pub const fn of(header: u32) -> Option<Self> {
        Some(match KIND.of(header) {
            0 => Self::Request,
            1 => Self::Event,
            2 => Self::FastRequest,
            3 => Self::Busy,
            5 => Self::Retry,
            6 => Self::Failure,
            7 => Self::Success,
            _ => return None,
        })
    }
}

/// First dword of what the host says about an action.
#[must_use]
pub const fn from_host(kind: Kind, action: u16) -> u32 {
    KIND.put(kind.code()) | ACTION.put(action as u32)
}

/// First dword of an event of the GuC.
#[must_use]
pub const fn event(action: u16) -> u32 {
    ORIGIN.put(1) | KIND.put(Kind::Event.code()) | ACTION.put(action as u32)
}

/// The only dword, or the first, of a success.
#[must_use]
pub const fn success(data0: u32) -> u32 {
    ORIGIN.put(1) | KIND.put(Kind::Success.code()) | AUX.put(data0)
}

/// The only dword of a failure.
#[must_use]
pub const fn failure(reason: u16, hint: u16) -> u32 {
    ORIGIN.put(1) | KIND.put(Kind::Failure.code()) | DATA0.put(hint as u32) | ACTION.put(reason as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Engines sheet §12, checks.
    #[test]
    fn headers_are_those_of_the_sheet() {
        assert_eq!(from_host(Kind::FastRequest, 0x1000), 0x2000_1000);
        assert_eq!(from_host(Kind::Request, 0x4509), 0x0000_4509);
        assert_eq!((event(0x1002), event(0x7001)), (0x9000_1002, 0x9000_7001));
        assert_eq!((success(0), success(1)), (0xF000_0000, 0xF000_0001));
        assert_eq!(failure(0x30, 2), 0xE002_0030);
    }

    #[test]
    fn kinds_and_numbers_belong_together() {
        for code in 0..8 {
            let kind = Kind::of(code << 28);
            assert_eq!(kind.map(Kind::code), (code != 4).then_some(code));
        }
    }
}
