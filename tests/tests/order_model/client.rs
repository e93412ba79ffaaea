//! What a client has.

use super::batch::{BOARD, BOARD_BYTES};
use super::trace::Node;
use super::world::World;
use barexe_core::device::ClientId;
use barexe_core::device::request::{BindFlags, BindKind, BindOp, EngineRef, QueueProperties, QueueRequest, VmFlags};
use barexe_hal::{ClientAddr, ClientFault, ClientMemory};
use barexe_tests::rig::SPACE;
use std::collections::{BTreeMap, BTreeSet};

/// Pages of the window of each VM in which binds and batches meet.
pub(crate) const WINDOW_PAGES: usize = 24;
pub(crate) const WINDOW: u64 = 0x4000_0000;

/// What is mapped at a page of a window.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// Page of the data object.
    pub(crate) of: u64,
    /// The bind that mapped it.
    pub(crate) bind: Node,
}

#[derive(Debug)]
pub(crate) struct Vm {
    pub(crate) id: u32,
    pub(crate) long_running: bool,
    pub(crate) pages: Vec<Option<Page>>,
    /// Binds that were accepted, with the pages to which they gave another value.
    pub(crate) binds: Vec<(Node, BTreeSet<usize>)>,
    /// The number of its own bind queue.
    pub(crate) default_queue: usize,
}

/// An exec queue or a bind queue that was created.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queue {
    pub(crate) id: u32,
    pub(crate) number: usize,
    pub(crate) vm: usize,
    pub(crate) binds: bool,
    /// A call was refused because nothing more runs on it.
    pub(crate) dead: bool,
}

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: ClientId,
    pub(crate) data: u32,
    pub(crate) vms: Vec<Vm>,
    pub(crate) queues: Vec<Queue>,
    /// Its handles to the objects.
    pub(crate) handles: Vec<u32>,
    pub(crate) memory: Words,
}

/// Client memory: words that are there when somebody asks for them.
#[derive(Debug, Default)]
pub(crate) struct Words(pub(crate) BTreeMap<u64, u64>);

impl ClientMemory for Words {
    fn copy_in(&mut self, addr: ClientAddr, into: &mut [u8]) -> Result<(), ClientFault> {
        let word = self.0.get(&addr.get()).copied().unwrap_or_default();
        let bytes = word.to_le_bytes();
        let len_bytes = into.len();
        into.copy_from_slice(bytes.get(..len_bytes).ok_or(ClientFault { addr, len_bytes })?);
        Ok(())
    }

    fn copy_out(&mut self, addr: ClientAddr, from: &[u8]) -> Result<(), ClientFault> {
        let bytes = from.first_chunk().ok_or(ClientFault { addr, len_bytes: from.len() })?;
        self.0.insert(addr.get(), u64::from_le_bytes(*bytes));
        Ok(())
    }
}

pub(crate) const fn op(kind: BindKind, va: u64, range_bytes: u64, pat_index: u16) -> BindOp {
    BindOp { kind, va, range_bytes, pat_index, flags: BindFlags::empty() }
}

impl World<'_, '_> {
    /// A client with a VM or two, some queues, and handles to all objects.
    pub(crate) fn add_client(&mut self) {
        let privileged = self.random.one_in(2);
        let device = &mut self.rig.device;
        let id = device.client_open_in(privileged, SPACE).unwrap();
        let board = device.bo_import(id, &self.exports.0).unwrap();
        let data = device.bo_import(id, &self.exports.1).unwrap();
        let handles = self.shares.iter().map(|share| device.syncobj_open(id, share).unwrap()).collect();
        let memory = Words::default();
        self.clients.push(Client { id, data, vms: Vec::new(), queues: Vec::new(), handles, memory });
        let at = self.clients.len() - 1;
        self.say(format!("client {id:?}"));
        self.add_vm(at, board, false);
        if self.random.one_in(2) {
            self.add_vm(at, board, true);
        }
        for _ in 0..3 + self.random.below(3) {
            self.add_queue(at, privileged);
        }
    }

    fn add_vm(&mut self, at: usize, board: u32, long_running: bool) {
        let (client, pat) = (self.clients[at].id, self.rig.coherent_pat());
        let flags = if long_running { VmFlags::LR_MODE } else { VmFlags::empty() };
        let id = self.rig.device.vm_create(client, flags).unwrap();
        let map = op(BindKind::Map { bo: board, offset_bytes: 0 }, BOARD, BOARD_BYTES, pat);
        let default_queue = self.next_queue();
        let pages = vec![None; WINDOW_PAGES];
        self.clients[at].vms.push(Vm { id, long_running, pages, binds: Vec::new(), default_queue });
        let vm = self.clients[at].vms.len() - 1;
        // No batch waits for the board: this does.
        self.map_board(at, vm, map);
    }

    /// One more queue of the client.
    pub(crate) fn add_queue(&mut self, at: usize, privileged: bool) {
        let vm = self.random.below(self.clients[at].vms.len() as u64) as usize;
        let (client, vm_id, binds) = (self.clients[at].id, self.clients[at].vms[vm].id, self.random.one_in(4));
        let engines = self.rig.engines();
        let engine = engines[self.random.below(engines.len() as u64) as usize];
        let place = EngineRef { class: engine.class, instance: engine.logical.into(), gt: engine.gt.into() };
        let priority = self.random.below(if privileged { 3 } else { 2 }) as u32;
        let timeslice_us = [100, 300, 1000][self.random.below(3) as usize];
        let properties = QueueProperties { priority, timeslice_us };
        let request = QueueRequest { vm: vm_id, placements: &[place], width: 1, properties };
        let made = if binds {
            self.rig.device.bind_queue_create(client, vm_id)
        } else {
            self.rig.device.exec_queue_create(client, &request)
        };
        let (id, number) = (made.unwrap(), self.next_queue());
        self.say(format!("queue {number} of {client:?}, VM {vm_id}, binds {binds}, {place:?} {properties:?}"));
        self.clients[at].queues.push(Queue { id, number, vm, binds, dead: false });
    }
}
