//! Steps that bind.

use super::calls::{Call, Wait};
use super::ops::{Choice, operation};
use super::space::{Effect, Op};
use super::vm::bind_op;
use super::world::World;
use barexe_core::Error;
use barexe_core::device::request::{BindKind, BindOp, SyncEntry};
use barexe_tests::found::core_state;
use barexe_tests::rig::binary;

/// Fences that are held at one time at most.
const HELD: usize = 4;

impl World<'_, '_> {
    /// A call with random operations, on a random queue, behind random fences.
    pub(crate) fn bind(&mut self) {
        let at = self.any_vm();
        let count = match self.random.below(8) {
            0 => 1 + self.random.below(24),
            1 | 2 => 2 + self.random.below(3),
            _ => 1,
        };
        self.call(at, count);
    }

    /// A call without operations.
    pub(crate) fn barrier(&mut self) {
        self.done.barriers += 1;
        let at = self.any_vm();
        self.call(at, 0);
    }

    fn call(&mut self, at: usize, count: u64) {
        let (mut newest, mut effect) = (self.vms[at].newest.clone(), Effect::default());
        let mut ops = Vec::new();
        for _ in 0..count {
            let choice = Choice {
                bo_pages: &self.bo_pages,
                bos: &self.vms[at].bos,
                pats: self.pats(),
                null_pats: &[0, 1, 2, 3],
            };
            let op = operation(&mut self.random, &newest, &choice);
            let serial = self.number();
            newest.apply(&op, serial, &mut effect);
            ops.push(self.bind_op(&op));
        }
        if self.vms[at].pins(effect.values.keys().copied()) {
            return;
        }
        let waits = self.some_waits();
        if self.accept(at, &ops, waits, effect) {
            self.vms[at].newest = newest;
        }
    }

    /// PAT indices that write-back memory may have.
    fn pats(&self) -> &'static [u8] {
        if self.rig.name().starts_with("tgl") { &[0] } else { &[1, 2] }
    }

    /// An operation as the device takes it.
    pub(crate) fn bind_op(&self, op: &Op) -> BindOp {
        let any_pat = self.pats()[0];
        match *op {
            Op::Map { bo, page, at } => {
                let kind = BindKind::Map { bo: self.bos[bo].bo, offset_bytes: page * 4096 };
                bind_op(kind, at.va, at.bytes, at.pat, at.read_only)
            }
            Op::Null { at } => bind_op(BindKind::MapNull, at.va, at.bytes, at.pat, at.read_only),
            Op::Unmap { va, bytes } => bind_op(BindKind::Unmap, va, bytes, any_pat, false),
            Op::Prefetch { va, bytes } => bind_op(BindKind::Prefetch { region: 0 }, va, bytes, any_pat, false),
            Op::UnmapAll { bo } => bind_op(BindKind::UnmapAll { bo: self.bos[bo].bo }, 0, 0, any_pat, false),
        }
    }

    fn some_waits(&mut self) -> Vec<Wait> {
        let mut waits = Vec::new();
        if self.random.one_in(4) {
            let new = self.fences.len() < HELD && self.random.one_in(2);
            let fence = if new { Some(self.hold()) } else { self.any_fence() };
            waits.extend(fence.map(Wait::Fence));
        }
        let pending: Vec<u64> = self.vms.iter().flat_map(|vm| &vm.calls).map(|call| call.number).collect();
        if !pending.is_empty() && self.random.one_in(6) {
            waits.push(Wait::Call(pending[self.random.below(pending.len() as u64) as usize]));
        }
        waits
    }

    /// The sync object that holds what is waited for.
    pub(crate) fn handle_of(&self, wait: &Wait) -> u32 {
        match wait {
            Wait::Fence(number) => self.fences[number].1,
            Wait::Call(number) => {
                let mut calls = self.vms.iter().flat_map(|vm| &vm.calls);
                calls.find(|call| call.number == *number).unwrap().out
            }
        }
    }

    /// Hands a call in; whether it was accepted.
    pub(crate) fn accept(&mut self, at: usize, ops: &[BindOp], waits: Vec<Wait>, effect: Effect) -> bool {
        let queue = self.random.below(self.vms[at].queues.len() as u64) as usize;
        let (out, number) = (self.rig.syncobj(), self.number());
        let mut syncs: Vec<SyncEntry> = waits.iter().map(|wait| binary(self.handle_of(wait), false)).collect();
        syncs.push(binary(out, true));
        let (vm, id) = (self.vms[at].id, self.vms[at].queues[queue]);
        match self.rig.bind(vm, id, ops, &syncs) {
            Ok(ticket) => {
                self.done.binds += u32::from(!ops.is_empty());
                self.done.operations += ops.len() as u32;
                self.done.held += u32::from(waits.iter().any(|wait| matches!(wait, Wait::Fence(_))));
                self.done.chained += u32::from(waits.iter().any(|wait| matches!(wait, Wait::Call(_))));
                self.vms[at].calls.push(Call { number, queue, ticket, waits, effect, out });
                true
            }
            Err(Error::Exhausted(_) | Error::ArrayExhausted(_)) => {
                self.done.full += 1;
                self.rig.device.syncobj_destroy(self.rig.client, out).unwrap();
                false
            }
            Err(error) => panic!("VM {at}, {ops:?}: {error}"),
        }
    }

    /// A call of which one operation, or one sync entry, is wrong: nothing changes.
    pub(crate) fn refused_bind(&mut self) {
        self.done.refused += 1;
        let at = self.any_vm();
        let (mut newest, mut ops) = (self.vms[at].newest.clone(), Vec::new());
        for _ in 0..=self.random.below(6) {
            let choice =
                Choice { bo_pages: &self.bo_pages, bos: &self.vms[at].bos, pats: self.pats(), null_pats: &[0] };
            let op = operation(&mut self.random, &newest, &choice);
            newest.apply(&op, 0, &mut Effect::default());
            ops.push(self.bind_op(&op));
        }
        let mut syncs = Vec::new();
        let last = ops.last_mut().unwrap();
        match self.random.below(5) {
            0 => last.va += 1,
            1 => last.pat_index = 999,
            2 => last.kind = BindKind::UnmapAll { bo: 0xDEAD },
            3 => (last.kind, last.va) = (BindKind::Unmap, (1 << 48) - 4096),
            _ => syncs.push(binary(0xDEAD, false)),
        }
        if last.kind == BindKind::Unmap && last.va == (1 << 48) - 4096 {
            last.range_bytes = 0x2000;
        }
        let (vm, before) = (self.vms[at].id, core_state(&self.rig.device));
        let refused = self.rig.bind(vm, 0, &ops, &syncs);
        assert!(refused.is_err(), "{ops:?} {syncs:?}");
        assert!(before == core_state(&self.rig.device), "a refused call has changed something");
    }
}
