//! Bind operations as steps: what is linked, what is unlinked, and how it is undone.
//!
//! An operation becomes a list of steps against the mappings as earlier operations of the call left them. Each step
//! is carried out on the list of mappings at once, so that the next operation sees it, and on the page tables later,
//! when the call's turn on its bind queue has come. Until the call is accepted the steps are also the way back: undone
//! in reverse they restore every mapping (bind-and-exec sheet §4.6).

use super::vma::{Vma, VmaBacking, VmaList, Vmas};
use crate::chain::{Chain, LinkPool};
use crate::device::request::CpuCaching;
use crate::device::request::{BindKind, BindOp};
use crate::gt::DeviceInfo;
use crate::mem::bo::Bo;
use crate::mem::pages::Need;
use crate::mem::pat::{Coherence, PatIndex};
use crate::mem::tree::VaRange;
use crate::pool::{Handle, Pool};
use crate::{Capacity, Error, ObjectKind};

/// One change of the mappings.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// The mapping's entries go; afterwards the mapping itself.
    Remove(Handle<Vma>),
    /// The mapping's entries come, out of `need` reserved tables.
    Insert(Handle<Vma>, Need),
}

/// The steps of all accepted binds.
pub type StepPool<'a> = LinkPool<'a, Step>;
/// The steps of one bind.
pub type Steps = Chain<Step>;

/// What expanding a call's operations produced beside the steps.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    /// Tables to reserve.
    pub need: Need,
    /// Some mapping was cut: its remnants are rewritten, so the change is ordered against everything in the VM.
    pub rebinds: bool,
    /// Something was unmapped: the call is over only after a TLB invalidation.
    pub removes: bool,
    /// Addresses the call changes: from the lowest to the highest.
    pub span: Option<VaRange>,
}

/// What expansion works on.
#[derive(Debug)]
pub struct Planner<'p, 'a> {
    /// All mappings.
    pub vmas: &'p mut Vmas<'a>,
    /// The VM's list of them.
    pub list: &'p mut VmaList,
    /// All steps.
    pub steps: &'p mut StepPool<'a>,
    /// All buffer objects, for counting their uses.
    pub bos: &'p mut Pool<'a, Bo>,
    /// The call so far.
    pub plan: Plan,
    /// Its steps so far.
    pub done: Steps,
}

/// Checks one operation by itself: bind-and-exec sheet §3.2, row 10.
///
/// # Errors
/// [`Error::Invalid`] with the argument that is wrong.
pub fn check_op(op: &BindOp, info: &DeviceInfo) -> Result<(), Error> {
    info.platform.family.pat.check(op.pat_index)?;
    if let BindKind::Map { offset_bytes, .. } = op.kind {
        aligned("object offset", offset_bytes)?;
    }
    aligned("bind address", op.va)?;
    aligned("bind range", op.range_bytes)?;
    if op.range_bytes == 0 { Err(Error::invalid("bind range", 0)) } else { Ok(()) }
}

/// Checks that an operation stays in a VM of `va_bytes`: row 18.
///
/// # Errors
/// [`Error::Invalid`] with the address.
pub const fn check_range(op: &BindOp, va_bytes: u64) -> Result<(), Error> {
    if op.range_bytes > va_bytes || op.va > va_bytes.saturating_sub(op.range_bytes) {
        return Err(Error::invalid("bind address", op.va));
    }
    Ok(())
}

const fn aligned(what: &'static str, value: u64) -> Result<(), Error> {
    if value & 0xFFF == 0 { Ok(()) } else { Err(Error::invalid(what, value)) }
}

/// Checks a buffer object against the operation that maps it: bind-and-exec sheet §3.3.
///
/// # Errors
/// [`Error::Invalid`] with the argument that is wrong.
pub fn check_bo(op: &BindOp, bo: &Bo, vm: Handle<super::Vm>, info: &DeviceInfo) -> Result<(), Error> {
    let BindKind::Map { offset_bytes, .. } = op.kind else { return Ok(()) };
    let (_, entry) = info.platform.family.pat.check(op.pat_index)?;
    let pat = Error::invalid("PAT index", u64::from(op.pat_index));
    if bo.no_compression && entry.compressed {
        return Err(pat);
    }
    if op.range_bytes > bo.size_bytes || offset_bytes > bo.size_bytes.saturating_sub(op.range_bytes) {
        return Err(Error::invalid("object offset", offset_bytes));
    }
    if bo.caching == CpuCaching::WriteBack && entry.coherence == Coherence::None {
        return Err(pat);
    }
    if bo.vm.is_some_and(|owner| owner != vm) {
        return Err(Error::invalid("object private to another VM, id", u64::from(vm.id())));
    }
    Ok(())
}

impl<'a> Planner<'_, 'a> {
    /// Expands one operation; `bo` is the object a MAP names, `need` what mapping a range of a backing takes.
    ///
    /// # Errors
    /// [`Error::Exhausted`]; the steps done so far are still to be undone by [`Self::undo`].
    pub fn expand(
        &mut self,
        op: &BindOp,
        bo: Option<Handle<Bo>>,
        need: &dyn Fn(&Pool<'a, Bo>, &Vma) -> Need,
    ) -> Result<(), Error> {
        let range = VaRange { start: op.va, end: op.va.saturating_add(op.range_bytes) };
        self.clear(range, need)?;
        let backing = match (op.kind, bo) {
            (BindKind::Map { offset_bytes, .. }, Some(bo)) => VmaBacking::Bo { bo, offset_bytes },
            (BindKind::Map { bo, .. }, None) => return Err(Error::NotFound { kind: ObjectKind::Bo, id: bo }),
            (BindKind::MapNull, _) => VmaBacking::Null,
            (BindKind::Unmap, _) => return Ok(()),
        };
        let index = u64::from(op.pat_index);
        let pat = u8::try_from(op.pat_index).ok().and_then(PatIndex::new).ok_or(Error::invalid("PAT index", index))?;
        self.insert(Vma::new(range, backing, pat, op.flags), need)
    }

    /// Removes every mapping in `range`, keeping what reaches out of it (bind-and-exec sheet §4.2, §4.3).
    fn clear(&mut self, range: VaRange, need: &dyn Fn(&Pool<'a, Bo>, &Vma) -> Need) -> Result<(), Error> {
        while let Some(old) = self.list.first_overlap(self.vmas, range) {
            let Some(vma) = self.vmas.get(old) else { break };
            let whole = vma.range;
            let before = (whole.start < range.start).then(|| vma.part(whole.start, range.start));
            let after = (whole.end > range.end).then(|| vma.part(range.end, whole.end));
            self.remove(old, whole)?;
            self.plan.rebinds |= before.is_some() || after.is_some();
            for remnant in [before, after].into_iter().flatten() {
                self.insert(remnant, need)?;
            }
        }
        Ok(())
    }

    fn remove(&mut self, vma: Handle<Vma>, range: VaRange) -> Result<(), Error> {
        let pushed = self.done.push(self.steps, Step::Remove(vma));
        pushed.map_err(|_| Error::Exhausted(Capacity::BindSteps))?;
        self.list.unlink(self.vmas, vma);
        self.plan.removes = true;
        self.widen(range);
        Ok(())
    }

    fn insert(&mut self, vma: Vma, need: &dyn Fn(&Pool<'a, Bo>, &Vma) -> Need) -> Result<(), Error> {
        let (range, backing) = (vma.range, vma.backing);
        let tables = need(self.bos, &vma);
        let handle = self.vmas.insert(vma).map_err(|_| Error::Exhausted(Capacity::Vmas))?;
        if self.done.push(self.steps, Step::Insert(handle, tables)).is_err() {
            self.vmas.remove(handle);
            return Err(Error::Exhausted(Capacity::BindSteps));
        }
        self.list.link(self.vmas, handle);
        use_backing(self.bos, backing, 1);
        self.plan.need = self.plan.need.plus(tables);
        self.widen(range);
        Ok(())
    }

    fn widen(&mut self, range: VaRange) {
        let span = self.plan.span.unwrap_or(range);
        self.plan.span = Some(VaRange { start: span.start.min(range.start), end: span.end.max(range.end) });
    }

    /// Undoes every step, last to first, so that the mappings are as before the call.
    pub fn undo(mut self) {
        self.done.reverse(self.steps);
        while let Some(step) = self.done.pop(self.steps) {
            self.undo_step(step);
        }
    }

    fn undo_step(&mut self, step: Step) {
        match step {
            Step::Remove(vma) => self.list.link(self.vmas, vma),
            Step::Insert(vma, _) => {
                self.list.unlink(self.vmas, vma);
                if let Some(vma) = self.vmas.remove(vma) {
                    use_backing(self.bos, vma.backing, -1);
                }
            }
        }
    }
}

/// Counts a mapping's use of its object up or down.
pub fn use_backing(bos: &mut Pool<'_, Bo>, backing: VmaBacking, change: i32) {
    if let VmaBacking::Bo { bo, .. } = backing
        && let Some(bo) = bos.get_mut(bo)
    {
        bo.uses = bo.uses.saturating_add_signed(change);
    }
}
