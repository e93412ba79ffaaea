//! The simulator's walk against the map.

use super::space::{Cell, ZONES};
use super::vm::{CODE, CODE_BYTES, Vm};
use super::world::World;
use barexe_sim::ppgtt::{PageTables, Run};
use std::collections::BTreeSet;

impl World<'_, '_> {
    /// Looks at every address space; how many tables can be reached.
    pub(crate) fn check(&self) -> u32 {
        let mut reached = BTreeSet::new();
        let mut count = 0;
        for (at, vm) in self.vms.iter().enumerate() {
            for root in vm.roots(self.rig) {
                let tables = self.rig.sim.page_tables(root).unwrap();
                assert_eq!(tables.faults, [], "VM {at}");
                self.check_zones(at, vm, &tables);
                self.check_rest(at, vm, &tables);
                count += tables.tables.len();
                reached.extend(tables.tables.iter().map(|seen| seen.table.addr));
            }
        }
        assert_eq!(reached.len(), count, "a table is reached from two places");
        count as u32
    }

    fn check_zones(&self, at: usize, vm: &Vm, tables: &PageTables) {
        let mut runs = tables.runs.iter().peekable();
        for zone in &ZONES {
            for va in zone.cells() {
                while runs.next_if(|run| run.end() <= va).is_some() {}
                let run = runs.peek().copied().filter(|run| run.va <= va);
                let whole = run.is_none_or(|run| va + zone.unit <= run.end());
                let shows = |cell| whole && self.shows(vm, run, va, cell);
                if !shows(vm.base.get(va)) && !self.may_show(vm, va, shows) {
                    let calls: Vec<_> = vm.calls.iter().filter(|call| call.effect.touches(va)).collect();
                    let base = vm.base.get(va);
                    panic!("VM {at} at {va:#x}: {run:x?} instead of {base:x?}, behind {calls:?}");
                }
            }
        }
    }

    /// Whether a call that is under way may have left the unit like this.
    fn may_show(&self, vm: &Vm, va: u64, shows: impl Fn(Option<Cell>) -> bool) -> bool {
        let mut touching = vm.calls.iter().enumerate().filter(|(_, call)| call.effect.touches(va));
        touching.any(|(index, call)| {
            let held = call.waits.iter().any(|wait| self.is_signalled(wait) == Some(false));
            // A later call that changes the unit too does not start before this one is over.
            let behind = vm.calls[..index].iter().any(|other| other.queue == call.queue || other.meets(call));
            !held && !behind && call.may_show(va, &shows)
        })
    }

    /// Whether a unit looks as the map says.
    fn shows(&self, vm: &Vm, run: Option<&Run>, va: u64, cell: Option<Cell>) -> bool {
        match (run, cell) {
            (None, None) => !vm.scratch,
            (None, Some(_)) => false,
            (Some(run), None) => vm.scratch && self.is_scratch(run),
            (Some(run), Some(cell)) => {
                let memory = run.page_at(va).map(|page| self.frames.get(&page).copied().unwrap_or((usize::MAX, page)));
                memory == cell.memory && run.leaf.writable != cell.read_only && run.leaf.pat == cell.pat
            }
        }
    }

    /// Page-tables sheet §2.5 and §3: null leaves with the index of write-back memory.
    fn is_scratch(&self, run: &Run) -> bool {
        let pat = if self.rig.name().starts_with("tgl") { 0 } else { 2 };
        run.leaf.page.is_none() && run.leaf.writable && run.leaf.pat == pat
    }

    /// Outside the zones there is the VM's own object, and scratch if it has that.
    fn check_rest(&self, at: usize, vm: &Vm, tables: &PageTables) {
        let known = ZONES.iter().map(|zone| (zone.base, zone.end())).chain([(CODE, CODE + CODE_BYTES)]);
        let known: Vec<(u64, u64)> = known.collect();
        for run in &tables.runs {
            let inside = |(start, end): &(u64, u64)| run.end().min(*end).saturating_sub(run.va.max(*start));
            let rest = run.bytes - known.iter().map(inside).sum::<u64>();
            assert!(rest == 0 || vm.scratch && self.is_scratch(run), "VM {at}: {rest:#x} bytes too many in {run:x?}");
        }
    }
}
