//! A batch that reads one unit again and again while its mapping changes: what TLBs remember must not outlive the call.

use super::execs::load;
use super::space::{Cell, Effect, Op, Target, zone_of};
use super::vm::CODE;
use super::world::{TAG, World, tag};
use barexe_core::device::TicketState;
use barexe_tests::rig::{BATCH_END, JUMP};

/// Where its batch and what it has read lie in the VM's own object.
const READER: u64 = 0x2800;
const SEEN: u64 = 0x2C00;

impl World<'_, '_> {
    /// In a scratch VM, where what is not mapped may be read.
    pub(crate) fn read_on(&mut self) {
        let at = self.vms.iter().position(|vm| vm.scratch).unwrap();
        self.settle();
        if !self.vms[at].calls.is_empty() || self.vms.iter().any(|vm| !vm.execs.is_empty()) {
            return;
        }
        let is_page = |(va, _): &(&u64, &Cell)| !zone_of(**va).null_only;
        let cells: Vec<(u64, Cell)> =
            self.vms[at].newest.cells.iter().filter(is_page).map(|(va, cell)| (*va, *cell)).collect();
        if cells.is_empty() {
            return;
        }
        let (va, cell) = cells[self.random.below(cells.len() as u64) as usize];
        let (code, run) = (self.vms[at].code, self.vms[at].run);
        let mut dwords = load(va + TAG, CODE + SEEN).to_vec();
        dwords.extend([JUMP, (CODE + READER) as u32, ((CODE + READER) >> 32) as u32]);
        self.rig.write(code, READER, &dwords);
        let reader = self.rig.exec(run, CODE + READER, &[]).unwrap();
        self.work(3);
        self.settle();
        assert_eq!(self.rig.read(code, SEEN), content(Some(cell)), "what is mapped");
        self.change_under(at, va);
        self.rig.write(code, READER, &[BATCH_END]);
        assert_eq!(self.rig.wait(reader), TicketState::Done);
        self.settle();
    }

    /// Unmaps the unit, or maps something else there.
    fn change_under(&mut self, at: usize, va: u64) {
        let pat = if self.rig.name().starts_with("tgl") { 0 } else { 2 };
        let target = Target { va, bytes: 4096, pat, read_only: false };
        let op = match self.random.below(3) {
            0 => Op::Unmap { va, bytes: 4096 },
            1 => Op::Null { at: target },
            _ => Op::Map { bo: 1, page: self.random.below(64), at: target },
        };
        let (mut newest, mut effect, serial) = (self.vms[at].newest.clone(), Effect::default(), self.number());
        newest.apply(&op, serial, &mut effect);
        let ops = [self.bind_op(&op)];
        if !self.accept(at, &ops, Vec::new(), effect) {
            return;
        }
        self.vms[at].newest = newest;
        let ticket = self.vms[at].calls.last().unwrap().ticket;
        for _ in 0..8 {
            self.work(3);
        }
        // A cut through an entry waits for the reader; anything else does not.
        if self.is_over(ticket) {
            self.done.readers += 1;
            self.rig.settle();
            let code = self.vms[at].code;
            assert_eq!(self.rig.read(code, SEEN), content(self.vms[at].newest.get(va)), "{op:x?}: TLBs remember");
        }
    }
}

fn content(cell: Option<Cell>) -> u32 {
    cell.and_then(|cell| cell.memory).map_or(0, |(bo, page)| tag(bo, page))
}
