//! Buffer objects by the numbers that recordings give them.

use super::report::Report;

/// One object that was created.
#[derive(Clone, Debug)]
pub(super) struct Object<C> {
    /// Its number.
    pub(super) bo: u64,
    /// Who created it.
    pub(super) client: C,
    /// Own handle while it has one.
    pub(super) handle: Option<u32>,
    /// Size in bytes.
    pub(super) size: u64,
    /// Own mmap offset, once it was asked for.
    pub(super) mmap_offset: Option<u64>,
}

/// All of them. `C` names a client.
#[derive(Debug)]
pub(super) struct Objects<C> {
    all: Vec<Object<C>>,
}

impl<C> Default for Objects<C> {
    fn default() -> Self {
        Self { all: Vec::new() }
    }
}

impl<C: Copy + PartialEq> Objects<C> {
    /// An object was created.
    pub(super) fn add(&mut self, object: Object<C>) {
        self.all.push(object);
    }

    /// The object of a number.
    pub(super) fn by_number(&self, bo: u64) -> Option<&Object<C>> {
        self.all.iter().find(|object| object.bo == bo)
    }

    /// Own handle `handle` of the client is gone.
    pub(super) fn closed(&mut self, client: C, handle: u32) {
        if let Some(object) = self.live(client, handle) {
            object.handle = None;
        }
    }

    fn live(&mut self, client: C, handle: u32) -> Option<&mut Object<C>> {
        self.all.iter_mut().find(|object| object.client == client && object.handle == Some(handle))
    }

    /// The device gave an mmap offset for a handle: aligned, always the same, apart from those of other objects.
    pub(super) fn judge_offset(&mut self, event: usize, (client, handle): (C, u32), offset: u64, report: &mut Report) {
        const OBJECT: &str = "XE_GEM_MMAP_OFFSET offset";
        if offset & 0xFFF != 0 {
            report.differs(event, OBJECT, "a multiple of 4096", format!("{offset:#x}"));
        }
        let Some(size) = self.live(client, handle).map(|object| object.size) else { return };
        let meets = |other: &&Object<C>| {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Objects<char> {
        let mut objects = Objects::default();
        for (bo, client, handle) in [(1, 'a', 1), (2, 'a', 2), (3, 'b', 1)] {
            objects.add(Object { bo, client, handle: Some(handle), size: 0x3000, mmap_offset: None });
        }
        objects
    }

    /// Differences that one more answer makes.
    fn differences(objects: &mut Objects<char>, of: (char, u32), offset: u64) -> u64 {
        let mut report = Report::default();
        objects.judge_offset(1, of, offset, &mut report);
        report.differences
    }

    #[test]
    fn offsets_are_aligned_the_same_each_time_and_apart() {
        let mut objects = three();
        assert_eq!(differences(&mut objects, ('a', 1), 0x10_0000), 0);
        assert_eq!(differences(&mut objects, ('a', 1), 0x10_0000), 0);
        assert_eq!(differences(&mut objects, ('a', 1), 0x20_0000), 1, "another offset");
        assert_eq!(differences(&mut objects, ('b', 1), 0x10_3000), 0, "just behind");
        assert_eq!(differences(&mut objects, ('a', 2), 0x10_2000), 1, "inside of another's");
        assert_eq!(differences(&mut three(), ('a', 1), 0x10_0001), 1, "not aligned");
    }

    #[test]
    fn an_object_whose_handle_is_closed_leaves_its_range_to_others() {
        let mut objects = three();
        assert_eq!(differences(&mut objects, ('a', 1), 0x10_0000), 0);
        objects.closed('a', 1);
        assert_eq!(differences(&mut objects, ('a', 2), 0x10_0000), 0);
        assert_eq!(objects.by_number(1).unwrap().mmap_offset, Some(0x10_0000), "it may still be mapped");
    }
}
