//! Fences on shared buffers: what somebody who reads or writes one by other means has to wait for.
//!
//! They are put there, and asked for, by sync files on a buffer's descriptor. They are the buffer's, whichever of its
//! descriptors they come by, and go with the last of those. This driver's own work neither adds to them nor waits for
//! them: its clients say with each call what it waits for.

use crate::node::{FileId, Node, NodeDevice, Refusal};
use crate::shared::{Table, Token};
use barexe_core::device::{ClientId, SyncFile, TicketState};
use barexe_core::uapi::Shared;
use std::sync::Arc;

/// What a fence is about, or whom it is asked for: reading.
pub const READS: u32 = 1;
/// Writing.
pub const WRITES: u32 = 2;

/// A fence on a buffer: a sync file, and whether it is about writing.
#[derive(Clone, Debug)]
pub(crate) struct BufferFence {
    file: Arc<Shared>,
    writes: bool,
}

impl Table {
    /// Puts a fence on a buffer and takes off those that leave; what is let go. One that is there already is there once. It
    /// comes back if the buffer has gone meanwhile: nobody would take it off any more.
    fn put_fence(
        &mut self,
        (buffer, id): (Token, u32),
        fence: BufferFence,
        leaves: impl Fn(&BufferFence) -> bool,
    ) -> Result<Vec<BufferFence>, BufferFence> {
        if !self.has(buffer) {
            return Err(fence);
        }
        let fences = self.fences.entry(id).or_default();
        let again = |one: &BufferFence| Arc::ptr_eq(&one.file, &fence.file);
        let writes = fence.writes || fences.iter().any(|one| again(one) && one.writes);
        let (gone, kept): (Vec<_>, Vec<_>) =
            core::mem::take(fences).into_iter().partition(|one| again(one) || leaves(one));
        *fences = kept;
        fences.push(BufferFence { writes, ..fence });
        Ok(gone)
    }
}

impl Node {
    /// Puts the fence of a sync file on a buffer. `about`: [`READS`], [`WRITES`] or both, which is as writing alone.
    ///
    /// # Errors
    /// EINVAL: neither, or one of the two is no such thing.
    pub fn add_fence(&self, buffer: Token, about: u32, file: Token) -> Result<(), Refusal> {
        check(about)?;
        let id = self.buffer_id(buffer)?;
        let file = self.kept(file).ok_or(Refusal::INVALID)?;
        if !matches!(&*file, Shared::SyncFile(_)) {
            self.let_go(file);
            return Err(Refusal::INVALID);
        }
        let all = self.fences_of(id);
        // Nobody has to wait any more for what is over.
        let over: Vec<&BufferFence> = all.iter().filter(|fence| self.is_over(fence)).collect();
        let leaves = |one: &BufferFence| over.iter().any(|over| Arc::ptr_eq(&over.file, &one.file));
        let put = self.shared().put_fence((buffer, id), BufferFence { file, writes: about & WRITES != 0 }, leaves);
        self.let_fences_go(all);
        let is_there = put.is_ok();
        self.let_fences_go(put.unwrap_or_else(|refused| vec![refused]));
        if is_there { Ok(()) } else { Err(Refusal::BAD_FILE) }
    }

    /// A sync file of what somebody has to wait for who wants to read a buffer, or to write it: writers wait for all,
    /// readers for writers.
    ///
    /// # Errors
    /// EINVAL: neither, or it is no buffer; no room.
    pub fn fence_of(&self, buffer: Token, wants: u32) -> Result<Token, Refusal> {
        check(wants)?;
        let all = self.fences_of(self.buffer_id(buffer)?);
        let files: Vec<&SyncFile> =
            all.iter().filter(|fence| wants & WRITES != 0 || fence.writes).filter_map(file).collect();
        let merged = {
            let mut state = self.lock();
            let own = state.files.get(&FileId::NODE).ok_or(Refusal::NO_DEVICE)?.client;
            merge(&mut state.device, own, &files)
        };
        self.let_fences_go(all);
        Ok(self.shared().insert(Shared::SyncFile(merged?)))
    }

    fn buffer_id(&self, buffer: Token) -> Result<u32, Refusal> {
        let found = self.kept(buffer).ok_or(Refusal::BAD_FILE)?;
        let id = match &*found {
            Shared::Bo(exported) => self.lock().device.bo_export_id(exported),
            Shared::Syncobj(_) | Shared::SyncFile(_) => None,
        };
        self.let_go(found);
        id.ok_or(Refusal::INVALID)
    }

    /// The fences on a buffer, kept.
    fn fences_of(&self, id: u32) -> Vec<BufferFence> {
        self.shared().fences.get(&id).cloned().unwrap_or_default()
    }

    fn is_over(&self, fence: &BufferFence) -> bool {
        file(fence).is_none_or(|file| self.lock().device.sync_file_state(file) != Ok(TicketState::Pending))
    }

    pub(crate) fn let_fences_go(&self, fences: Vec<BufferFence>) {
        fences.into_iter().for_each(|fence| self.let_go(fence.file));
    }

    /// A descriptor of a buffer is gone: with the last one go its fences.
    pub(crate) fn left(&self, gone: &Shared) {
        let Shared::Bo(exported) = gone else { return };
        let Some(id) = self.lock().device.bo_export_id(exported) else { return };
        let others = self.shared().buffers();
        let is_left = others.iter().any(|other| match &**other {
            Shared::Bo(other) => self.lock().device.bo_export_id(other) == Some(id),
            Shared::Syncobj(_) | Shared::SyncFile(_) => false,
        });
        others.into_iter().for_each(|other| self.let_go(other));
        if !is_left {
            let fences = self.shared().fences.remove(&id);
            self.let_fences_go(fences.unwrap_or_default());
        }
    }
}

const fn check(about: u32) -> Result<(), Refusal> {
    if about == 0 || about & !(READS | WRITES) != 0 { Err(Refusal::INVALID) } else { Ok(()) }
}

fn file(fence: &BufferFence) -> Option<&SyncFile> {
    match &*fence.file {
        Shared::SyncFile(file) => Some(file),
        Shared::Syncobj(_) | Shared::Bo(_) => None,
    }
}

/// One sync file for several; a signalled one for none.
fn merge(device: &mut NodeDevice, own: ClientId, files: &[&SyncFile]) -> Result<SyncFile, Refusal> {
    let Some((first, others)) = files.split_first() else {
        let signalled = device.syncobj_create(own, true)?;
        let file = device.sync_file_create(own, signalled, 0);
        let _ = device.syncobj_destroy(own, signalled);
        return Ok(file?);
    };
    let mut merged = device.sync_file_merge(first, first)?;
    for other in others {
        let more = device.sync_file_merge(&merged, other);
        let _ = device.sync_file_close(merged);
        merged = more?;
    }
    Ok(merged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{Caller, Process};
    use crate::settings::Settings;

    /// A node with a client, two tokens of one buffer, and a sync object that is signalled by hand.
    fn scene() -> (&'static Node, FileId, [Token; 2], u32) {
        let node = Node::open(&Settings::parse("tgl", ["on", "on"]).unwrap()).unwrap();
        let file = node.open_file(Process::own(), true).unwrap();
        let call = |request, arg: &mut [u32]| {
            let mut bytes: Vec<u8> = arg.iter().flat_map(|word| word.to_le_bytes()).collect();
            node.call((file, Caller::own()), request, &mut bytes, &mut |_| false).unwrap();
            let words = bytes.chunks_exact(4).filter_map(<[u8]>::first_chunk);
            arg.iter_mut().zip(words).for_each(|(place, word)| *place = u32::from_le_bytes(*word));
        };
        let mut create = [0, 0, 4096, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0];
        call(0xC038_6441, &mut create);
        let export = || {
            let mut arg = [create[7], 2, 0];
            call(0xC00C_642D, &mut arg);
            Token(arg[2].cast_signed())
        };
        let tokens = [export(), export()];
        let mut syncobj = [0, 0];
        call(0xC008_64BF, &mut syncobj);
        (node, file, tokens, syncobj[0])
    }

    /// A sync file whose fence the test signals.
    fn outside(node: &Node) -> (Token, barexe_core::device::OutsideFence) {
        let mut state = node.lock();
        let fence = state.device.outside_fence_create().unwrap();
        let file = state.device.sync_file_of_outside(fence).unwrap();
        drop(state);
        (node.shared().insert(Shared::SyncFile(file)), fence)
    }

    #[test]
    fn readers_wait_for_writers_and_writers_for_all() {
        let (node, file, [buffer, other], _) = scene();
        let is_free = |token, wants| {
            let fence = node.fence_of(token, wants).unwrap();
            let free = node.is_signaled(fence);
            node.close_shared(fence);
            free
        };
        assert!(is_free(buffer, READS) && is_free(buffer, WRITES), "nobody uses it");
        let ((reading, reads), (writing, writes)) = (outside(node), outside(node));
        for _ in 0..5 {
            node.add_fence(buffer, READS, reading).unwrap();
        }
        assert_eq!(node.fences_of(node.buffer_id(other).unwrap()).len(), 1, "the same one is there once");
        assert_eq!([READS, WRITES].map(|wants| is_free(other, wants)), [true, false], "by any of its descriptors");
        node.add_fence(other, READS | WRITES, writing).unwrap();
        assert_eq!([READS, WRITES].map(|wants| is_free(buffer, wants)), [false, false]);
        [reading, writing].into_iter().for_each(|token| node.close_shared(token));
        node.lock().device.outside_fence_signal(writes).unwrap();
        assert_eq!([READS, WRITES].map(|wants| is_free(buffer, wants)), [true, false]);
        node.lock().device.outside_fence_signal(reads).unwrap();
        assert!(is_free(buffer, WRITES));
        node.close_file(file);
        [buffer, other].into_iter().for_each(|token| node.close_shared(token));
        assert!(node.shared().fences.is_empty());
        assert_eq!(node.state().buffers, 0);
    }

    #[test]
    fn what_is_no_buffer_or_no_fence_is_refused() {
        let (node, _, [buffer, _], _) = scene();
        let (fence, _) = outside(node);
        for wrong in [0, 4, 7] {
            assert_eq!(node.fence_of(buffer, wrong), Err(Refusal::INVALID));
            assert_eq!(node.add_fence(buffer, wrong, fence), Err(Refusal::INVALID));
        }
        assert_eq!(node.add_fence(buffer, READS, buffer), Err(Refusal::INVALID));
        assert_eq!(node.fence_of(fence, READS), Err(Refusal::INVALID));
        assert_eq!(node.fence_of(Token(9999), READS), Err(Refusal::BAD_FILE));
    }
}
