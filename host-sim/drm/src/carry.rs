//! Calls whose argument struct has a descriptor: what stands there for the node is a token.

use crate::node::{FileId, Idle, Node, Refusal};
use crate::process::Caller;
use crate::shared::{SharedKind, Token};

/// The type byte of DRM's calls.
const DRM: u32 = 0x64;

/// Calls whose struct has a descriptor: number, where it stands, and whether it comes out.
const CARRIERS: [(u32, usize, bool); 4] = [(0x2D, 8, true), (0x2E, 8, false), (0xC1, 8, true), (0xC2, 8, false)];

/// A descriptor in an argument struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    at: usize,
    /// It comes out of the call, rather than going in.
    pub comes_out: bool,
}

impl Carried {
    /// The descriptor of this call, if it has one.
    #[must_use]
    pub fn of(request: u32) -> Option<Self> {
        let carrier = CARRIERS.iter().find(|(number, ..)| request & 0xFF == *number && request >> 8 & 0xFF == DRM);
        carrier.map(|(_, at, comes_out)| Self { at: *at, comes_out: *comes_out })
    }

    /// What stands there.
    #[must_use]
    pub fn get(self, arg: &[u8]) -> i32 {
        arg.get(self.at..).and_then(<[u8]>::first_chunk).map_or(0, |word| i32::from_le_bytes(*word))
    }

    /// Puts something there.
    pub fn put(self, arg: &mut [u8], value: i32) {
        if let Some(place) = arg.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut) {
            *place = value.to_le_bytes();
        }
    }
}

/// Stands for a descriptor behind which there is nothing of the device's.
pub const NOTHING: Token = Token(-1);

/// Return value of a call, and what left the device by it.
pub type Answer = (u32, Option<(Token, SharedKind)>);

impl Node {
    /// As [`call`](Self::call), with descriptors of the client in `arg`: `given` is what the one in it leads to.
    ///
    /// # Errors
    /// As there.
    pub fn call_with(
        &self,
        caller: (FileId, Caller),
        request: u32,
        arg: &mut [u8],
        given: Token,
        idle: Idle<'_>,
    ) -> Result<Answer, Refusal> {
        let Some(carried) = Carried::of(request) else {
            return self.call(caller, request, arg, idle).map(|value| (value, None));
        };
        let descriptor = carried.get(arg);
        if !carried.comes_out {
            carried.put(arg, given.0);
        }
        let answer = self.call(caller, request, arg, idle);
        let token = Token(carried.get(arg));
        carried.put(arg, descriptor);
        let value = answer?;
        if !carried.comes_out {
            return Ok((value, None));
        }
        let kind = self.shared_kind(token).ok_or(Refusal::BAD_FILE)?;
        Ok((value, Some((token, kind))))
    }
}
