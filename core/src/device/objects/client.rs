//! Clients: whoever opened the device. One client's objects do not exist for another.

use crate::device::Device;
use crate::device::jobs::ready::Turns;
use crate::device::ticket::OwnFailures;
use crate::device::usage::EngineTicks;
use crate::exec::queue::{Queue, Queues};
use crate::pool::Handle;
use crate::shares::Owner;
use crate::vm::{Vm, VmState, Vms};
use crate::{Capacity, Error, ObjectKind, Shares};
use barexe_hal::{Hal, UserSpace};

/// An open client.
#[derive(Debug)]
pub struct Client {
    /// May use what only privileged callers may: by what was said last of whoever calls.
    pub privileged: bool,
    /// Where its ordinary memory is, if it may be mapped.
    pub space: Option<UserSpace>,
    /// Came in at the primary node, not at the render node.
    pub primary: bool,
    /// It was closed; its place stays taken until everything charged to it has come back.
    pub(in crate::device) closed: bool,
    /// The turn that its next queue gets, of each class of engines.
    pub(in crate::device) turns: Turns,
    /// How long engines have worked for it, as far as that was counted.
    pub(in crate::device) ticks: EngineTicks,
    /// How queues of it ended that are gone.
    pub(in crate::device) failures: OwnFailures,
}

impl Client {
    /// A client that has nothing.
    pub(in crate::device) fn new(privileged: bool, space: Option<UserSpace>) -> Self {
        let (turns, failures) = (Turns::default(), OwnFailures::default());
        Self { privileged, space, primary: false, closed: false, turns, ticks: EngineTicks::default(), failures }
    }
}

/// Names a client.
pub type ClientId = Handle<Client>;

impl<H: Hal> Device<'_, H> {
    /// Opens a client. A privileged one may ask for high priority.
    ///
    /// # Errors
    /// [`Error::Exhausted`].
    pub fn client_open(&mut self, privileged: bool) -> Result<ClientId, Error> {
        self.open_as(Client::new(privileged, None))
    }

    /// As [`client_open`](Self::client_open), for a client whose ordinary memory can be mapped: `space` says to the HAL
    /// whose it is. The embedder tells the core of changes in it with [`user_invalidate`](Self::user_invalidate).
    ///
    /// # Errors
    /// [`Error::Exhausted`]; [`Error::Unsupported`] on a HAL that cannot pin client memory.
    pub fn client_open_in(&mut self, privileged: bool, space: UserSpace) -> Result<ClientId, Error> {
        if !self.hal.has_user_pages() {
            return Err(Error::Unsupported { what: "client memory in place on this HAL" });
        }
        self.open_as(Client::new(privileged, Some(space)))
    }

    fn open_as(&mut self, client: Client) -> Result<ClientId, Error> {
        self.check_live()?;
        self.forget_clients();
        self.pools.clients.insert(client).map_err(|_| Error::Exhausted(Capacity::Clients))
    }

    /// Whether the client is privileged.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn client_is_privileged(&self, client: ClientId) -> Result<bool, Error> {
        Ok(self.check_client(client)?.privileged)
    }

    /// Says with which right the client's calls are made from now on. A file may be used by several processes, and a process
    /// may give rights up: an embedder says this under the same borrow as each call, as a kernel asks who calls.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn client_acts_as(&mut self, client: ClientId, privileged: bool) -> Result<(), Error> {
        self.check_client(client)?;
        if let Some(client) = self.pools.clients.get_mut(client) {
            client.privileged = privileged;
        }
        Ok(())
    }

    /// Whether the client came in at the primary node, as [`client_at_primary`](Self::client_at_primary) says.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn client_is_primary(&self, client: ClientId) -> Result<bool, Error> {
        Ok(self.check_client(client)?.primary)
    }

    /// Notes that the client came in at the primary node, where modes are set and masters are.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn client_at_primary(&mut self, client: ClientId) -> Result<(), Error> {
        self.check_client(client)?;
        if let Some(client) = self.pools.clients.get_mut(client) {
            client.primary = true;
        }
        Ok(())
    }

    /// Whether a client has this id.
    #[must_use]
    pub fn has_client(&self, id: u32) -> bool {
        self.pools.clients.by_id(id).is_some()
    }

    /// Closes a client and lets go of everything it has, also in the middle of work: what is not in a ring is
    /// cancelled, what is runs to its end, memory goes when nothing can reach it any more. With
    /// [`Shares`] its place among the clients is free again when all that was charged to it has come back.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn client_close(&mut self, client: ClientId) -> Result<(), Error> {
        self.check_client(client)?;
        for position in 0..self.pools.queues.positions() {
            if let Some(queue) = self.pools.queues.handle_at(position)
                && self.pools.queues.get(queue).is_some_and(|q| q.client == client)
            {
                self.kill_queue(queue);
            }
        }
        for (_, vm) in self.pools.vms.iter_mut().filter(|(_, vm)| vm.client == client) {
            vm.state = VmState::Closed;
        }
        self.drop_syncobjs_of(client);
        self.drop_bos_of(client);
        self.drop_user_fences_of(client);
        if let Some(client) = self.pools.clients.get_mut(client) {
            client.closed = true;
        }
        self.clients_closing = true;
        self.poll();
        self.forget_clients();
        Ok(())
    }

    /// Frees the places of closed clients to whom nothing is charged any more. Without shares nobody who comes next needs
    /// an account that is clear.
    pub(in crate::device) fn forget_clients(&mut self) {
        if !core::mem::take(&mut self.clients_closing) {
            return;
        }
        for position in 0..self.pools.clients.positions() {
            let Some(client) = self.pools.clients.handle_at(position) else { continue };
            if self.pools.clients.get(client).is_none_or(|client| !client.closed) {
                continue;
            }
            if self.config.shares == Shares::NONE || self.pools.accounts.is_clear(Owner::of(client)) {
                self.pools.remove_client(client);
            } else {
                self.clients_closing = true;
            }
        }
    }

    /// The client, if it is open.
    pub(in crate::device) fn check_client(&self, client: ClientId) -> Result<&Client, Error> {
        let missing = Error::NotFound { kind: ObjectKind::Client, id: client.id() };
        self.pools.clients.get(client).filter(|client| !client.closed).ok_or(missing)
    }

    /// The client's VM of this id, unless it was destroyed.
    pub(in crate::device) fn vm_of(&self, client: ClientId, id: u32) -> Result<Handle<Vm>, Error> {
        find_vm(&self.pools.vms, client, id)
    }

    /// The client's queue of this id, unless it was destroyed.
    pub(in crate::device) fn queue_of(&self, client: ClientId, id: u32) -> Result<Handle<Queue>, Error> {
        find_queue(&self.pools.queues, client, id)
    }
}

fn find_vm(vms: &Vms<'_>, client: ClientId, id: u32) -> Result<Handle<Vm>, Error> {
    let visible = |vm: &Vm| vm.client == client && vm.state != VmState::Closed;
    let handle = vms.by_id(id).filter(|handle| vms.get(*handle).is_some_and(visible));
    handle.ok_or(Error::NotFound { kind: ObjectKind::Vm, id })
}

fn find_queue(queues: &Queues<'_>, client: ClientId, id: u32) -> Result<Handle<Queue>, Error> {
    let visible = |queue: &Queue| {
        queue.client == client && !queue.hidden && queue.state != crate::exec::queue::QueueState::Destroyed
    };
    let handle = queues.by_id(id).filter(|handle| queues.get(*handle).is_some_and(visible));
    handle.ok_or(Error::NotFound { kind: ObjectKind::Queue, id })
}
