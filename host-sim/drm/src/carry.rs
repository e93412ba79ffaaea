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

    /// Whether a struct has room for it. In one that is cut short there would be what nobody put there.
    #[must_use]
    pub const fn fits(self, arg: &[u8]) -> bool {
        arg.len() >= self.at.saturating_add(4)
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
    /// As there; EINVAL: the struct ends before its descriptor does.
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
        if !carried.fits(arg) {
            return Err(Refusal::INVALID);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Process;
    use crate::settings::Settings;

    /// `PRIME_FD_TO_HANDLE` and `SYNCOBJ_HANDLE_TO_FD` without their sizes.
    const IMPORT: u32 = 0xC000_642E;
    const EXPORT: u32 = 0xC000_64C1;

    #[test]
    fn a_struct_that_ends_in_its_descriptor_names_nothing_of_others_and_lets_nothing_leave() {
        let node = Node::open(&Settings::parse("tgl", ["on", "on"]).unwrap()).unwrap();
        let call = |file, request: u32, arg: &mut [u8]| {
            let request = request | u32::try_from(arg.len()).unwrap() << 16;
            node.call_with((file, Caller::own()), request, arg, NOTHING, &mut |_| true)
        };
        let [owner, other] = [(); 2].map(|()| node.open_file(Process::own(), false).unwrap());
        let mut create = [0u8; 56];
        create[8..16].copy_from_slice(&4096u64.to_le_bytes());
        (create[16], create[32]) = (1, 1);
        node.call((owner, Caller::own()), 0xC038_6441, &mut create, &mut |_| true).unwrap();
        let mut export = [0u8; 12];
        (export[0], export[4]) = (create[28], 2);
        let (_, left) = call(owner, 0xC000_642D, &mut export).unwrap();
        let (token, _) = left.unwrap();
        // The lowest bytes of the token, in a struct too short for a whole one.
        for len in 8..12 {
            let mut import = vec![0; len];
            let low = token.0.to_le_bytes();
            import[8..].copy_from_slice(&low[..len - 8]);
            assert_eq!(call(other, IMPORT, &mut import), Err(Refusal::INVALID), "{len} bytes");
        }
        let mut syncobj = [0u8; 8];
        node.call((owner, Caller::own()), 0xC008_64BF, &mut syncobj, &mut |_| true).unwrap();
        let before = node.shared().count();
        for len in 4..12 {
            let mut arg = vec![0; len];
            arg[..4].copy_from_slice(&syncobj[..4]);
            assert_eq!(call(owner, EXPORT, &mut arg), Err(Refusal::INVALID), "{len} bytes");
        }
        assert_eq!(node.shared().count(), before, "nothing has left without its descriptor");
        node.close_shared(token);
        [owner, other].into_iter().for_each(|file| node.close_file(file));
        assert_eq!(node.state().buffers, 0);
    }
}
