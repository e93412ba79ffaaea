//! From recorded ids to own ones.

use super::calls::{CallKind, IdAt, IdKind, When};
use crate::recording::Call;
use std::collections::BTreeMap;

/// The ids of one open file.
#[derive(Clone, Debug, Default)]
pub struct Ids {
    live: BTreeMap<(IdKind, u32), u32>,
}

impl Ids {
    /// Notes that the recorded id names the object with the own id from now on.
    pub fn insert(&mut self, kind: IdKind, recorded: u32, own: u32) {
        self.live.insert((kind, recorded), own);
    }

    /// Forgets an object.
    pub fn remove(&mut self, kind: IdKind, recorded: u32) {
        self.live.remove(&(kind, recorded));
    }

    /// Whether an own id names a live object.
    #[must_use]
    pub fn is_live(&self, kind: IdKind, own: u32) -> bool {
        self.live.iter().any(|((of, _), live)| *of == kind && *live == own)
    }

    /// The live objects of a kind: recorded ids and own ones.
    pub fn all(&self, kind: IdKind) -> impl Iterator<Item = (u32, u32)> {
        self.live.iter().filter(move |((of, _), _)| *of == kind).map(|((_, recorded), own)| (*recorded, *own))
    }

    /// The own id of a recorded one. 0 is nobody. One that is in no map is a deliberate mistake of the client and
    /// becomes something that names nothing here either.
    #[must_use]
    pub fn own(&self, kind: IdKind, recorded: u32) -> u32 {
        match self.live.get(&(kind, recorded)) {
            Some(own) => *own,
            None if recorded == 0 || !self.is_live(kind, recorded) => recorded,
            None => (1..=u32::MAX).rev().find(|id| !self.is_live(kind, *id)).unwrap_or(0),
        }
    }

    /// The argument struct and the payloads of a call with own ids in place of recorded ones.
    #[must_use]
    pub fn translate(&self, kind: &CallKind, call: &Call) -> (Vec<u8>, Vec<(u64, Vec<u8>)>) {
        let mut arg = call.input.0.clone();
        for id in kind.ids {
            self.replace(&mut arg, id);
        }
        let payload = |payload: &crate::recording::Payload| {
            let mut data = payload.data.as_ref()?.0.clone();
            for array in kind.arrays.iter().filter(|array| array.field == payload.field) {
                data.chunks_mut(array.stride).for_each(|entry| self.replace(entry, &array.id));
            }
            Some((payload.addr.0, data))
        };
        (arg, call.payloads.iter().filter_map(payload).collect())
    }

    fn replace(&self, bytes: &mut [u8], id: &IdAt) {
        let stands = match id.when {
            When::Always => true,
            When::UpTo(offset, last) => dword(bytes, offset).is_some_and(|value| value <= last),
            When::Is(offset, wanted) => dword(bytes, offset) == Some(wanted),
        };
        if let (true, Some(recorded)) = (stands, dword(bytes, id.offset)) {
            let own = self.own(id.kind, recorded).to_le_bytes();
            if let Some(place) = bytes.get_mut(id.offset..).and_then(<[u8]>::first_chunk_mut) {
                *place = own;
            }
        }
    }
}

/// The dword at an offset.
#[must_use]
pub fn dword(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().copied().map(u32::from_le_bytes)
}

/// The 64-bit word at an offset.
#[must_use]
pub fn qword(bytes: &[u8], offset: usize) -> Option<u64> {
    bytes.get(offset..)?.first_chunk().copied().map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::super::calls::kind_of;
    use super::*;

    fn call(line: &str) -> Call {
        serde_json::from_str(line).unwrap()
    }

    const BIND: &str = r#"{"name":"XE_VM_BIND","request":"0x40886445","file":1,"in":"00*8 07000000 00000000 00*4 01000000
        00*8 03000000 00*72 00*4 03000000 0010000000000000 00*16","ret":0,"payloads":[{"field":"syncs","addr":"0x1000",
        "data":"00*16 05 00*31 00*8 01 00*7 06 00*31 00*8 02 00*7 0500*1 00*30"}]}"#;

    fn bind() -> Call {
        call(&BIND.replace(['\n'], " ").replace("        ", ""))
    }

    #[test]
    fn ids_are_replaced_in_struct_and_payload_but_not_in_user_fences() {
        let mut ids = Ids::default();
        ids.insert(IdKind::Vm, 7, 70);
        ids.insert(IdKind::Gem, 3, 30);
        ids.insert(IdKind::Syncobj, 5, 50);
        ids.insert(IdKind::Syncobj, 6, 60);
        let (arg, payloads) = ids.translate(&kind_of(0x4088_6445), &bind());
        assert_eq!((dword(&arg, 8), dword(&arg, 12), dword(&arg, 32)), (Some(70), Some(0), Some(30)));
        let (addr, syncs) = &payloads[0];
        let handles = [16, 64, 112].map(|offset| dword(syncs, offset).unwrap());
        assert_eq!((*addr, handles), (0x1000, [50, 60, 5]));
    }

    #[test]
    fn an_operation_inside_the_struct_counts_only_if_it_is_the_only_one() {
        let mut ids = Ids::default();
        ids.insert(IdKind::Gem, 3, 30);
        let mut call = bind();
        call.input.0[20] = 2;
        let (arg, _) = ids.translate(&kind_of(0x4088_6445), &call);
        assert_eq!(dword(&arg, 32), Some(3));
    }

    #[test]
    fn a_mistaken_id_names_nothing_here_either() {
        let mut ids = Ids::default();
        ids.insert(IdKind::Vm, 1, 9);
        assert_eq!(ids.own(IdKind::Vm, 4), 4);
        assert_eq!(ids.own(IdKind::Vm, 0), 0);
        let wrong = ids.own(IdKind::Vm, 9);
        assert!(wrong != 9 && !ids.is_live(IdKind::Vm, wrong));
        assert_eq!(ids.own(IdKind::Queue, 9), 9);
    }
}
