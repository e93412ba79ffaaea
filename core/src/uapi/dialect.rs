//! The two forms of the interface, told apart per call by the size of the argument struct.
//!
//! Dialect U is the interface as merged; dialect A is the posted series with what its review agreed on (bind-and-exec
//! sheet §2). Only `XE_VM_BIND` and `XE_EXEC` have a struct in each. All other calls follow U.

use super::request::{Call, XE_EXEC_A, XE_VM_BIND_A, size_bytes};
use crate::Error;
use crate::num::u64_of;

/// A form of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The request for comments, corrected by its review: calls carry a sync struct, a bind can wait.
    A,
    /// As merged.
    U,
}

/// The calls that have a struct in each dialect, with their requests in dialect A.
const TWO_FORMS: [(Call, u32); 2] = [(Call::VmBind, XE_VM_BIND_A), (Call::Exec, XE_EXEC_A)];

impl Dialect {
    /// The dialect of a call, by the size its request gives (bind-and-exec sheet §2.8 rule 3).
    ///
    /// # Errors
    /// [`Error::Invalid`] for a size that neither dialect has, those of the posted series among them.
    pub fn of(call: Call, request: u32) -> Result<Self, Error> {
        let size = size_bytes(request);
        let Some(of_a) = call.size_bytes_of_a() else { return Ok(Self::U) };
        if size == call.size_bytes() {
            Ok(Self::U)
        } else if size == of_a {
            Ok(Self::A)
        } else {
            Err(Error::invalid("size of the argument struct", u64_of(size)))
        }
    }

    /// Bytes of a call's argument struct, as the driver has it.
    #[must_use]
    pub fn size_bytes(self, call: Call) -> usize {
        match self {
            Self::A => call.size_bytes_of_a().unwrap_or(call.size_bytes()),
            Self::U => call.size_bytes(),
        }
    }
}

impl Call {
    /// Size of its struct in dialect A, for calls that have one of their own there.
    fn size_bytes_of_a(self) -> Option<usize> {
        TWO_FORMS.iter().find(|(call, _)| *call == self).map(|(_, request)| size_bytes(*request))
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::{XE_EXEC, XE_VM_BIND};
    use super::*;
    use crate::Errno;

    const fn sized(request: u32, len: u32) -> u32 {
        request & !(0x3FFF << 16) | len << 16
    }

    #[test]
    fn bind_and_exec_are_told_apart_by_size_alone() {
        assert_eq!(Dialect::of(Call::VmBind, 0x4088_6445), Ok(Dialect::U));
        assert_eq!(Dialect::of(Call::VmBind, 0x40A0_6445), Ok(Dialect::A));
        assert_eq!(Dialect::of(Call::Exec, 0x4038_6449), Ok(Dialect::U));
        assert_eq!(Dialect::of(Call::Exec, 0x4058_6449), Ok(Dialect::A));
        assert_eq!(Dialect::A.size_bytes(Call::VmBind), 160);
        assert_eq!(Dialect::U.size_bytes(Call::VmBind), 136);
        assert_eq!(Dialect::A.size_bytes(Call::Exec), 88);
        assert_eq!(Dialect::U.size_bytes(Call::Exec), 56);
        for (call, request) in [(Call::VmBind, XE_VM_BIND), (Call::Exec, XE_EXEC)] {
            for size in (0..0x4000).filter(|size| ![136, 160, 56, 88].contains(size)) {
                assert_eq!(Dialect::of(call, sized(request, size)).unwrap_err().errno(), Errno::EINVAL, "{size}");
            }
        }
        assert!(Dialect::of(Call::VmBind, sized(XE_VM_BIND, 56)).is_err(), "another call's size");
        assert!(Dialect::of(Call::Exec, sized(XE_EXEC, 160)).is_err(), "another call's size");
    }

    #[test]
    fn other_calls_have_one_form_whatever_their_size() {
        for call in Call::ALL.iter().filter(|call| !matches!(call, Call::VmBind | Call::Exec)) {
            for size in [0, 8, 136, 160, 0x3FFF] {
                assert_eq!(Dialect::of(*call, sized(call.request(), size)), Ok(Dialect::U));
            }
        }
    }
}
