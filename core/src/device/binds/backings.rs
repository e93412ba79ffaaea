//! The memory behind mappings: where it is looked up, and how it comes into page tables.

use crate::device::Pools;
use crate::mem::Defect;
use crate::mem::bo::{BlockPool, Bo};
use crate::mem::format::PtFormat;
use crate::mem::pages::Need;
use crate::mem::tree::{Backing, Bound, Mapping, PageTree, Segment, Sink, Stage, need as tables_needed};
use crate::mem::user::{ClientRange, PinCursor, PinPool, UserRange, UserRanges};
use crate::pool::{Handle, Pool};
use crate::vm::store::VmaStore;
use crate::vm::vm_bo::VmBoId;
use crate::vm::vma::{VaRange, Vma, VmaBacking};
use barexe_hal::BusAddr;

/// Everything that can lie behind a mapping.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backings<'p, 'a> {
    pub(in crate::device) bos: &'p Pool<'a, Bo>,
    pub(in crate::device) blocks: &'p BlockPool<'a>,
    pub(in crate::device) user_ranges: &'p UserRanges<'a>,
    pub(in crate::device) user_pins: &'p PinPool<'a>,
}

/// The backings among a device's pools, whose other fields stay free to be borrowed.
macro_rules! backings {
    ($pools:expr) => {
        $crate::device::binds::backings::Backings {
            bos: &$pools.bos,
            blocks: &$pools.bo_blocks,
            user_ranges: &$pools.user_ranges,
            user_pins: &$pools.user_pins,
        }
    };
}
pub(in crate::device) use backings;

/// Client addresses that a mapping of client memory shows.
pub(super) const fn client_range(vma: &Vma, addr: u64) -> ClientRange {
    ClientRange::new(addr, vma.range().len_bytes())
}

impl<'p, 'a> Backings<'p, 'a> {
    /// Tables that binding a mapping can take. Of client memory nobody knows what pieces it will be in by then.
    pub(in crate::device) fn need(&self, format: &PtFormat, store: &VmaStore<'_>, vma: &Vma) -> Need {
        let range = vma.range();
        match vma.backing() {
            VmaBacking::Null => tables_needed(format, range, core::iter::once(Segment::Null)),
            VmaBacking::User { .. } => tables_needed(format, range, core::iter::once(worst(range))),
            VmaBacking::Bo { object, offset_bytes } => {
                let bo = self.bos.handle_at(store.bo_of(object)).and_then(|bo| self.bos.get(bo));
                bo.map_or(Need::default(), |bo| tables_needed(format, range, bo.cursor(self.blocks, offset_bytes)))
            }
        }
    }

    /// The range of client memory that a part names.
    pub(super) fn user_range(&self, store: &VmaStore<'_>, part: VmBoId) -> Option<&'p UserRange> {
        self.user_ranges.get(self.user_ranges.handle_at(store.bo_of(part))?)
    }

    /// Pinned pieces behind a mapping of client memory; none if its pages are not there to be used.
    pub(super) fn pieces(&self, store: &VmaStore<'_>, vma: &Vma) -> Option<PinCursor<'p, 'a>> {
        let VmaBacking::User { object, addr } = vma.backing() else { return None };
        self.user_range(store, object)?.pieces(self.user_pins, client_range(vma, addr))
    }

    /// Stages the entries of a mapping, which replace its own in a rebind.
    ///
    /// # Errors
    /// [`Defect`].
    pub(in crate::device) fn bind<S: Sink>(
        &self,
        tree: &PageTree,
        stage: &mut Stage<'_, '_, S>,
        store: &VmaStore<'_>,
        (vma, rebind): (&Vma, bool),
    ) -> Result<Bound, Defect> {
        match vma.backing() {
            VmaBacking::Null => stage_with(tree, stage, (vma, rebind), core::iter::once(Segment::Null)),
            VmaBacking::Bo { object, offset_bytes } => {
                let bo = self.bos.handle_at(store.bo_of(object)).and_then(|bo| self.bos.get(bo));
                let bo = bo.ok_or(Defect::Backing { va: vma.start() })?;
                stage_with(tree, stage, (vma, rebind), bo.cursor(self.blocks, offset_bytes))
            }
            VmaBacking::User { .. } => match self.pieces(store, vma) {
                Some(pieces) => stage_with(tree, stage, (vma, rebind), pieces),
                None => {
                    // Memory that the client took away: as if nothing were mapped. Nothing reads as zero in a scratch VM
                    // and faults in any other.
                    let bound = stage_with(tree, stage, (vma, rebind), core::iter::once(Segment::Null))?;
                    if !tree.has_scratch() {
                        tree.zap(stage, vma.range())?;
                    }
                    Ok(bound)
                }
            },
        }
    }
}

/// Stages the entries of a mapping of a backing.
///
/// # Errors
/// [`Defect`].
pub(super) fn stage_with<'p, S: Sink>(
    tree: &PageTree,
    stage: &mut Stage<'_, '_, S>,
    (vma, rebind): (&Vma, bool),
    backing: impl Backing<'p>,
) -> Result<Bound, Defect> {
    tree.bind(stage, Mapping { range: vma.range(), backing, attributes: vma.attributes(), rebind })
}

/// Memory that no large leaf fits, wherever it is.
pub(super) fn worst(range: VaRange) -> Segment<'static> {
    const IN_SLOT: u64 = (2 << 20) - 1;
    let askew = (range.start & IN_SLOT) ^ 0x1000;
    Segment::Run { addr: BusAddr::new(askew).unwrap_or(BusAddr::ZERO), bytes: range.len_bytes() }
}

impl<'a> Pools<'a> {
    /// The range of client memory that a part names.
    pub(super) fn user_range_of(&self, part: VmBoId) -> Option<Handle<UserRange>> {
        self.user_ranges.handle_at(self.vmas.bo_of(part))
    }
}
