//! What the indexes of all address spaces of a device are made of.

use super::index::{LEVELS, Nodes, VmaNode};
use super::vm_bo::{VmBoCell, VmBoId, VmBoList, VmBos};
use super::vma::Vma;
use crate::shares::{Ledger, Owner};
use core::fmt;

/// Storage of the indexes of all address spaces: nodes with mappings, and cells that list them by object.
pub struct VmaStore<'a> {
    pub(super) nodes: Nodes<'a>,
    pub(super) vm_bos: VmBos<'a>,
}

impl<'a> VmaStore<'a> {
    /// Empty storage.
    #[must_use]
    pub const fn new(nodes: &'a mut [VmaNode], cells: &'a mut [VmBoCell]) -> Self {
        Self { nodes: Nodes::new(nodes), vm_bos: VmBos::new(cells) }
    }

    /// The same, with what is in use counted: nodes here, cells there. Nothing is in use.
    #[must_use]
    pub const fn counted(mut self, nodes: Ledger<'a>, cells: Ledger<'a>) -> Self {
        self.nodes.count_in(nodes);
        self.vm_bos.count_in(cells);
        self
    }

    /// From here on, until this is called again, address spaces of `owner` are changed: what they take is charged to it.
    /// While a change is tentative the owner stays.
    pub const fn on_behalf_of(&mut self, owner: Owner) {
        self.nodes.on_behalf_of(owner);
    }

    /// Whose address spaces are being changed.
    #[must_use]
    pub const fn owner(&self) -> Owner {
        self.nodes.owner()
    }

    /// Where nodes and cells are counted, and how many of them are taken.
    #[must_use]
    pub const fn ledgers(&self) -> [(&Ledger<'a>, u32); 2] {
        [(self.nodes.ledger(), self.nodes.live()), self.vm_bos.counted()]
    }

    /// The lent storage back.
    #[must_use]
    pub const fn into_parts(self) -> (&'a mut [VmaNode], &'a mut [VmBoCell]) {
        (self.nodes.into_cells(), self.vm_bos.into_cells())
    }

    /// Whether there is so much room that no request can need it all.
    #[inline]
    pub(super) fn has_plenty(&self) -> bool {
        // A node on each level and a new root; a cell for the new mapping, and one for the remnant of a cut one.
        self.nodes.room() > LEVELS && self.vm_bos.room(self.nodes.owner()) >= 2
    }

    /// Nodes in use.
    #[must_use]
    pub const fn nodes_live(&self) -> u32 {
        self.nodes.live()
    }

    /// Cells in use.
    #[must_use]
    pub fn cells_live(&self) -> u32 {
        self.vm_bos.live()
    }

    /// Finishes what was put off: cells of mappings that have gone go now. Nobody has to ask for it.
    pub fn settle(&mut self) {
        self.vm_bos.settle();
    }

    /// The part of a VM in an object, by the VM's position in its pool and the object's parts.
    #[must_use]
    pub fn object(&self, parts: VmBoList, vm: u32) -> Option<VmBoId> {
        self.vm_bos.find(parts, vm)
    }

    /// Adds a part of a VM in an object, by their positions in their pools; `None` if cells are used up.
    ///
    /// It has no uses until something is mapped.
    #[must_use]
    pub fn add_object(&mut self, parts: &mut VmBoList, vm: u32, bo: u32) -> Option<VmBoId> {
        self.vm_bos.add(parts, (vm, self.nodes.owner()), bo)
    }

    /// Ends a part without uses; whether it had none.
    pub fn end_object(&mut self, parts: &mut VmBoList, object: VmBoId) -> bool {
        let unused = self.vm_bos.count(object, 0) == 0;
        if unused {
            self.vm_bos.end(parts, object);
        }
        unused
    }

    /// The position of an object in its pool.
    #[must_use]
    pub fn bo_of(&self, object: VmBoId) -> u32 {
        self.vm_bos.bo_of(object)
    }

    /// A mapping that was unmapped is needed no more: its part in an object, if that has no uses left. It is then to
    /// be [ended](Self::end_object).
    #[inline]
    pub fn release(&mut self, vma: &Vma) -> Option<VmBoId> {
        vma.object().filter(|object| self.vm_bos.count(*object, -1) == 0)
    }
}

/// Shows what is in use; nothing of an empty one.
impl fmt::Debug for VmaStore<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [("nodes", self.nodes_live()), ("cells", self.cells_live())];
        f.debug_map().entries(counts.into_iter().filter(|(_, count)| *count > 0)).finish()
    }
}
