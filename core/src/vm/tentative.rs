//! Changes that stand or fall together: the operations of one call.
//!
//! Each operation is planned against what the earlier ones left, so they are carried out one by one; a later one may
//! still be refused. Until then the index as it was is kept whole beside the new one, and going back is putting its root
//! back: nodes, their numbers and the free ones are then as before, bit for bit.

use super::apply::Step;
use super::index::VmaIndex;
use super::store::VmaStore;

/// A tentative change of one index. While it is going on no other index of the same store may change.
#[derive(Debug)]
#[must_use = "a change is accepted or refused"]
pub struct Tentative {
    before: VmaIndex,
}

impl Tentative {
    /// From here on, changes of `index` are tentative.
    pub fn begin(index: &VmaIndex, store: &mut VmaStore<'_>) -> Self {
        // What was put off would not know a cell that is empty for good from one that is tentatively.
        store.settle();
        store.nodes.begin();
        Self { before: *index }
    }

    /// They stay. `steps` are all that were made, in any order.
    pub fn accept<'s>(self, store: &mut VmaStore<'_>, steps: impl Iterator<Item = &'s Step>) {
        store.nodes.accept();
        for step in steps {
            step.tidy_left(&mut store.vm_bos);
        }
    }

    /// They never were. `newest_first` gives all steps that were made, the last one first.
    pub fn refuse<'s, I: Iterator<Item = &'s Step>>(
        self,
        index: &mut VmaIndex,
        store: &mut VmaStore<'_>,
        newest_first: impl Fn() -> I,
    ) {
        store.nodes.refuse();
        *index = self.before;
        for step in newest_first() {
            step.undo(&mut store.vm_bos);
        }
        // Only now is it known which cells are empty.
        for step in newest_first() {
            step.tidy_made(&mut store.vm_bos);
        }
    }
}
