//! Binds that wait, of dialect A: interrupted, with and without a cookie, and made again.

use super::binds::Change;
use super::client::Words;
use super::syncs::Syncs;
use super::trace::Node;
use super::world::{State, World};
use barexe_core::device::request::{BindKind, BindOp};
use barexe_core::device::wait::Lend;
use barexe_core::device::{ClientId, Device};
use barexe_core::uapi::ioctl_blocking;
use barexe_core::{Error, ObjectKind};
use barexe_hal::Interrupted as GivenUp;
use barexe_hal::Nanos;
use barexe_sim::SimHal;
use barexe_tests::wire::Bytes;

/// `VM_BIND` of dialect A (bind-and-exec sheet §2.4).
const VM_BIND: u32 = 0x40A0_6445;
const COOKIE: u64 = 0x8000;

/// A wait that was interrupted: the call is to be made again.
#[derive(Debug)]
pub(crate) struct Interrupted {
    client: ClientId,
    node: Node,
    arg: Vec<u8>,
    cookie: u64,
}

/// Lends the device to a call that waits; the others go on while it sleeps.
struct Sleeper<'s, 'w, 'a> {
    world: &'s mut World<'w, 'a>,
    /// The bind, until it was noted: client, VM and queue; what it changes.
    bind: Option<((usize, usize, usize), Change)>,
    node: Option<Node>,
    /// Interrupts it in so many sleeps.
    patience: u64,
    sleeps: u64,
}

impl Sleeper<'_, '_, '_> {
    /// Notes the bind, as soon as it was accepted.
    fn note(&mut self) {
        let Some((at, change)) = self.bind.take() else { return };
        let world = &mut *self.world;
        let call = world.bind_call(at.0, at.1, at.2);
        let client = world.clients[at.0].id;
        let ticket = world.rig.device.bind_ticket(client, &call, None).unwrap();
        let state = State { ticket: Some(ticket), client: Some(client), ..State::default() };
        self.node = Some(world.bound(at, &change, &Syncs::default(), state));
        world.look_at_fences();
    }
}

impl<'a> Lend<'a, SimHal> for Sleeper<'_, '_, 'a> {
    fn with<T>(&mut self, work: impl FnOnce(&mut Device<'a, SimHal>) -> T) -> T {
        work(&mut self.world.rig.device)
    }

    fn idle(&mut self, _until: Nanos) -> Result<(), GivenUp> {
        self.note();
        self.sleeps += 1;
        assert!(self.sleeps < 5000, "the wait of {:?} does not end", self.node);
        if self.sleeps > 10 {
            // What it waits for comes at last.
            self.world.signal_one();
        } else {
            self.world.step();
        }
        self.world.work(50);
        if self.sleeps.is_multiple_of(self.patience) { Err(GivenUp) } else { Ok(()) }
    }
}

impl World<'_, '_> {
    /// A bind that waits, or one that did, made again.
    pub(crate) fn wait(&mut self) {
        if !self.interrupted.is_empty() && self.random.one_in(2) {
            let at = self.below(self.interrupted.len());
            let again = self.interrupted.swap_remove(at);
            return self.resume(again);
        }
        let (at, vm, queue) = self.any_bind_queue();
        let change = self.some_change(at, vm, 1);
        if !self.users(at, vm, &change).is_empty() {
            // It cannot wait for them: a call that waits has no in-syncs.
            return;
        }
        let (has_cookie, call) = (self.random.one_in(2), self.bind_call(at, vm, queue));
        let client = self.clients[at].id;
        let bytes = Bytes::new(160).u32(8, call.vm).u32(12, call.queue).u32(20, change.ops.len() as u32).u32(108, 1);
        let bytes = change.ops.first().map_or(bytes.clone(), |op| put_op(bytes, op));
        let arg = bytes.u64(112, if has_cookie { COOKIE } else { 0 }).0;
        let bind = Some(((at, vm, queue), change));
        self.trace.look += 1;
        self.wait_in((client, arg), bind, None, 0);
    }

    fn resume(&mut self, again: Interrupted) {
        self.count("resumed waits");
        self.trace.look += 1;
        let Interrupted { client, node, arg, cookie } = again;
        if self.clients.iter().any(|other| other.id == client) {
            self.wait_in((client, arg), None, Some(node), cookie);
        }
    }

    fn wait_in(
        &mut self,
        (client, arg): (ClientId, Vec<u8>),
        bind: Option<((usize, usize, usize), Change)>,
        node: Option<Node>,
        cookie: u64,
    ) {
        let mut memory = Words([(COOKIE, cookie)].into());
        let (patience, mut given) = (1 + self.random.below(6), arg.clone());
        let place = bind.as_ref().map(|(at, _)| *at);
        self.waiting = true;
        let mut sleeper = Sleeper { world: self, bind, node, patience, sleeps: 0 };
        let result = ioctl_blocking(&mut sleeper, client, VM_BIND, &mut given, &mut memory);
        let was_refused = matches!(result, Err(Error::Busy { .. }));
        if !was_refused {
            sleeper.note();
        }
        let (node, unnoted) = (sleeper.node, sleeper.bind.take());
        self.waiting = false;
        self.look_at_fences();
        let after = memory.0[&COOKIE];
        assert_eq!(given, arg, "the argument struct is never written (R47)");
        match result {
            Ok(_) => {
                assert!(self.is_over(node.unwrap()), "the wait for {node:?} ended before its bind");
                assert_eq!(after, cookie, "a cookie is written only when a wait is interrupted (R49)");
                self.count("waits to the end");
            }
            Err(Error::Interrupted) => {
                assert!(after != 0, "interrupted, and the client cannot know that its bind was accepted (R53)");
                assert!(cookie == 0 || cookie == after, "the cookie of one commit is one value");
                self.count("interrupted waits");
                self.interrupted.push(Interrupted { client, node: node.unwrap(), arg, cookie: after });
            }
            Err(Error::Busy { .. }) => {
                let ((at, vm, _), _) = unnoted.unwrap();
                self.is_busy(at, vm);
            }
            // A wait is resumed on its queue (K6), which may be gone by then.
            Err(Error::NotFound { kind: ObjectKind::Queue, .. }) if place.is_none() => {
                assert_eq!(after, cookie, "a cookie is written only when a wait is interrupted (R49)");
                self.count("waits resumed too late");
            }
            Err(error) => panic!("a bind that waits on {place:?}: {error}"),
        }
        let text = format!("a wait for {node:?}: {:?}, cookie {after:#x}", result.map_err(|error| error.errno()));
        self.say(text);
    }
}

/// The operation in the struct.
fn put_op(bytes: Bytes, op: &BindOp) -> Bytes {
    let (code, bo, offset) = match op.kind {
        BindKind::Map { bo, offset_bytes } => (0, bo, offset_bytes),
        BindKind::Unmap => (1, 0, 0),
        BindKind::MapUserptr { .. } | BindKind::MapNull | BindKind::UnmapAll { .. } | BindKind::Prefetch { .. } => {
            (4, 0, 0)
        }
    };
    let bytes = bytes.u32(32, bo).u16(36, op.pat_index).u64(40, offset).u64(48, op.range_bytes).u64(56, op.va);
    bytes.u32(64, code)
}
