//! Batches that store into mappings and load from them.

use super::calls::{Exec, Loads, Stores, Wait};
use super::vm::CODE;
use super::world::{TAG, World, tag};
use barexe_core::device::request::SyncEntry;
use barexe_tests::rig::{BATCH_END, binary, store};

/// Batches that are not over, at most; each has a place of its own for code, and for what it stores and loads.
const PLACES: u64 = 32;
const CODE_STRIDE: u64 = 0x100;
const LOADED: u64 = 0x3000;

/// `MI_COPY_MEM_MEM`: one dword.
pub(crate) const fn load(from: u64, to: u64) -> [u32; 5] {
    [0x1700_0003, to as u32, (to >> 32) as u32, from as u32, (from >> 32) as u32]
}

impl World<'_, '_> {
    /// Runs a batch on some of what is mapped, behind the calls that map it.
    pub(crate) fn exec(&mut self) {
        let at = self.any_vm();
        let pages: Vec<u64> = {
            let cells = &self.vms[at].newest.cells;
            let zone = |va: &u64| !super::space::zone_of(*va).null_only;
            cells.keys().copied().filter(zone).collect()
        };
        let used = |place: &u64| self.vms.iter().flat_map(|vm| &vm.execs).any(|exec| exec.place == *place);
        let Some(place) = (0..PLACES).find(|place| !used(place)) else { return };
        if pages.is_empty() {
            return;
        }
        let number = self.number();
        let pins: Vec<u64> = (0..3).map(|_| pages[self.random.below(pages.len() as u64) as usize]).collect();
        let (mut dwords, mut stores, mut loads) = (Vec::new(), Vec::new(), Vec::new());
        for (n, va) in (0u64..).zip(&pins) {
            let cell = self.vms[at].newest.cells[va];
            if let (Some((bo, page)), false) = (cell.memory, cell.read_only) {
                let (offset, value) = (0x100 + (place * 4 + n) * 4, number as u32 * 4 + n as u32);
                stores.retain(|(of, to, _)| (*of, *to) != (bo, page * 4096 + offset));
                stores.push((bo, page * 4096 + offset, value));
                dwords.extend(store(va + offset, value));
            } else if cell.memory.is_none() && !cell.read_only {
                // Goes nowhere.
                dwords.extend(store(va + 0x10, 7));
            }
            let to = LOADED + (place * 4 + n) * 4;
            loads.push((to, cell.memory.map_or(0, |(bo, page)| tag(bo, page))));
            dwords.extend(load(va + TAG, CODE + to));
        }
        dwords.extend([BATCH_END, 0]);
        let code = self.vms[at].code;
        self.rig.write(code, place * CODE_STRIDE, &dwords);
        self.hand_in(at, place, pins, (stores, loads));
    }

    fn hand_in(&mut self, at: usize, place: u64, pins: Vec<u64>, (stores, loads): (Stores, Loads)) {
        let vm = &self.vms[at];
        let newest = |va: &u64| vm.calls.iter().rfind(|call| call.effect.values.contains_key(va));
        let calls: Vec<u64> = pins.iter().filter_map(newest).map(|call| call.number).collect();
        let wait = |number: &u64| binary(self.handle_of(&Wait::Call(*number)), false);
        let syncs: Vec<SyncEntry> = calls.iter().map(wait).collect();
        let run = vm.run;
        let ticket = self.rig.exec(run, CODE + place * CODE_STRIDE, &syncs).unwrap();
        self.done.execs += 1;
        self.vms[at].execs.push(Exec { ticket, place, pins, stores, loads });
    }

    /// Looks at what batches that are over have done.
    pub(crate) fn observe_execs(&mut self, at: usize) {
        assert_eq!(self.rig.sim.halted(), [], "a batch met what it must not");
        let execs = core::mem::take(&mut self.vms[at].execs);
        for exec in execs {
            if !self.is_over(exec.ticket) {
                self.vms[at].execs.push(exec);
                continue;
            }
            for (bo, offset, value) in &exec.stores {
                assert_eq!(self.rig.read(self.bos[*bo], *offset), *value, "VM {at}: object {bo} at {offset:#x}");
            }
            for (offset, value) in &exec.loads {
                assert_eq!(self.rig.read(self.vms[at].code, *offset), *value, "VM {at}: loaded at {offset:#x}");
            }
        }
    }
}
