//! What one bind call does to the mappings of a VM, before it is certain to happen.
//!
//! Every operation is planned against what the earlier ones of the call left. All but the newest are carried out
//! tentatively; the newest is only planned, so that a call with one operation never changes what it might have to undo.
//! Until the call is accepted all of it can be refused, and everything is as it was (bind-and-exec sheet §4.6).

use super::index::VmaIndex;
use super::plan::{Plan, Request, SubOp, TableChange};
use super::steps::{StepPool, Steps};
use super::store::VmaStore;
use super::tentative::Tentative;
use super::vma::{VaRange, Vma};
use crate::mem::pages::Need;
use crate::{Capacity, Error};

/// What a change is made to.
#[derive(Debug)]
pub struct Mappings<'p, 'a> {
    /// The VM's mappings.
    pub index: &'p mut VmaIndex,
    /// What indexes are made of.
    pub store: &'p mut VmaStore<'a>,
    /// All steps.
    pub steps: &'p mut StepPool<'a>,
}

/// What the operations of a call come to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Tables to reserve.
    pub need: Need,
    /// Remnants of a mapping that was cut are written again, so the change is ordered against everything in the VM.
    pub rebinds: bool,
    /// Something is mapped.
    pub maps: bool,
    /// Something goes from the page tables.
    pub unbinds: bool,
    /// Addresses whose entries the call changes: from the lowest to the highest.
    pub span: Option<VaRange>,
    /// A range that the call maps in one piece and does not unmap again.
    mapped: Option<VaRange>,
}

impl Totals {
    /// Adds a sub-operation. `tables` says what binding a mapping takes if something else that was bound just before
    /// is still there.
    fn add(&mut self, op: &SubOp, tables: impl Fn(&Vma, Option<VaRange>) -> Need) {
        for change in op.table_changes().into_iter().flatten() {
            let range = match change {
                TableChange::Unbind(range) => {
                    self.unbinds = true;
                    self.mapped = self.mapped.filter(|mapped| !mapped.overlaps(range));
                    range
                }
                TableChange::Bind(vma) => {
                    let beside = self.mapped.filter(|mapped| !mapped.overlaps(vma.range()));
                    self.need = self.need.plus(tables(&vma, beside));
                    let joined = beside.filter(|beside| beside.adjoins(vma.range()));
                    self.mapped = Some(joined.map_or(vma.range(), |beside| beside.union(vma.range())));
                    vma.range()
                }
            };
            self.span = Some(self.span.map_or(range, |span| span.union(range)));
        }
        self.maps |= matches!(op, SubOp::Map { .. });
        self.rebinds |= op.rewritten().into_iter().flatten().next().is_some();
    }
}

/// The change that a call makes.
#[derive(Debug, Default)]
#[must_use = "a change is accepted or refused"]
pub struct Change {
    tentative: Option<Tentative>,
    /// The newest operation, not carried out yet. There is room for it.
    newest: Option<Plan>,
    steps: Steps,
    /// What the operations so far come to.
    pub totals: Totals,
}

impl Change {
    /// Adds a request. `check` looks at each sub-operation and may refuse it; `tables` says what binding a mapping takes
    /// if a range beside it is bound already.
    ///
    /// # Errors
    /// [`Error::Exhausted`], or what `check` gives. The change is then to be refused.
    pub fn add(
        &mut self,
        on: &mut Mappings<'_, '_>,
        request: Request,
        check: impl Fn(&SubOp) -> Result<(), Error>,
        tables: impl Fn(&VmaStore<'_>, &Vma, Option<VaRange>) -> Need,
    ) -> Result<(), Error> {
        self.carry_on(on)?;
        let plan = on.index.plan(on.store, request);
        let mut count = 0u32;
        for op in plan.sub_ops(on.store) {
            check(&op)?;
            self.totals.add(&op, |vma, beside| tables(on.store, vma, beside));
            count = count.saturating_add(1);
        }
        if count > on.steps.room_for(on.store.owner()) {
            return Err(Error::Exhausted(Capacity::BindSteps));
        }
        on.index.check_room(on.store, &plan).map_err(Error::Exhausted)?;
        self.newest = Some(plan);
        Ok(())
    }

    /// Carries out what is only planned so far, so that it can be looked at; it still can be refused.
    ///
    /// # Errors
    /// [`Error::Exhausted`]. The change is then to be refused.
    pub fn carry_on(&mut self, on: &mut Mappings<'_, '_>) -> Result<(), Error> {
        let Some(plan) = self.newest.take() else { return Ok(()) };
        if self.tentative.is_none() {
            self.tentative = Some(Tentative::begin(on.index, on.store));
        }
        self.apply(on, &plan).map_err(Error::Exhausted)
    }

    fn apply(&mut self, on: &mut Mappings<'_, '_>, plan: &Plan) -> Result<(), Capacity> {
        let owner = on.store.owner();
        on.index.apply(on.store, plan, |step| {
            // There is room for it: its plan was counted.
            let _ = self.steps.push_for(on.steps, owner, step);
        })
    }

    /// The change has happened; its steps, in order.
    pub fn accept(mut self, on: &mut Mappings<'_, '_>) -> Steps {
        if let Some(tentative) = self.tentative.take() {
            tentative.accept(on.store, self.steps.iter(on.steps));
        }
        if let Some(plan) = self.newest.take() {
            let applied = self.apply(on, &plan);
            debug_assert_eq!(applied, Ok(()), "room was made sure of");
        }
        self.steps
    }

    /// The change never was.
    pub fn refuse(mut self, on: &mut Mappings<'_, '_>) {
        if let Some(tentative) = self.tentative.take() {
            self.steps.reverse(on.steps);
            tentative.refuse(on.index, on.store, || self.steps.iter(on.steps));
        }
        self.steps.clear(on.steps);
    }
}
