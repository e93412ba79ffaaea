//! Buffer objects by the numbers that recordings give them.

use super::report::Report;
use barexe_core::device::ClientId;

/// One object that was created.
#[derive(Clone, Debug)]
pub(super) struct Object {
    /// Its number.
    pub(super) bo: u64,
    /// Who created it.
    pub(super) client: ClientId,
    /// Own handle while it has one.
    pub(super) handle: Option<u32>,
    /// Size in bytes.
    pub(super) size: u64,
    /// Own mmap offset, once it was asked for.
    pub(super) mmap_offset: Option<u64>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Objects {
    all: Vec<Object>,
}

impl Objects {
    /// An object was created.
    pub(super) fn add(&mut self, object: Object) {
        self.all.push(object);
    }

    /// The object of a number.
    pub(super) fn by_number(&self, bo: u64) -> Option<&Object> {
        self.all.iter().find(|object| object.bo == bo)
    }

    /// Own handle `handle` of the client is gone.
    pub(super) fn closed(&mut self, client: ClientId, handle: u32) {
        if let Some(object) = self.live(client, handle) {
            object.handle = None;
        }
    }

    fn live(&mut self, client: ClientId, handle: u32) -> Option<&mut Object> {
        self.all.iter_mut().find(|object| object.client == client && object.handle == Some(handle))
    }

    /// The device gave an mmap offset for a handle: aligned, always the same, apart from those of other objects.
    pub(super) fn judge_offset(
        &mut self,
        event: usize,
        (client, handle): (ClientId, u32),
        offset: u64,
        report: &mut Report,
    ) {
        const OBJECT: &str = "XE_GEM_MMAP_OFFSET offset";
        if offset & 0xFFF != 0 {
            report.differs(event, OBJECT, "a multiple of 4096", format!("{offset:#x}"));
        }
        let Some(size) = self.live(client, handle).map(|object| object.size) else { return };
        let meets = |other: &&Object| {
            let same = other.client == client && other.handle == Some(handle);
            let start = other.mmap_offset.filter(|_| !same && other.handle.is_some());
            start.is_some_and(|start| start < offset.saturating_add(size) && offset < start.saturating_add(other.size))
        };
        if let Some(other) = self.all.iter().find(meets) {
            report.differs(event, OBJECT, "a range of its own", format!("{offset:#x}, inside that of BO {}", other.bo));
        }
        let Some(object) = self.live(client, handle) else { return };
        match object.mmap_offset {
            Some(before) if before != offset => {
                report.differs(event, OBJECT, format!("{before:#x} as before"), format!("{offset:#x}"));
            }
            _ => object.mmap_offset = Some(offset),
        }
    }
}
