//! What of the lent storage is charged to whom, for embedders that watch their guests, and for tests.

use super::Device;
use super::objects::client::ClientId;
use crate::pool::Pool;
use crate::shares::{Ledger, Owner};
use crate::{Capacity, Error, Shares};
use barexe_hal::Hal;

/// The places in use of a capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlacesInUse {
    /// The capacity.
    pub capacity: Capacity,
    /// All that are in use, or kept for accepted work, counted where they are.
    pub in_use: u32,
    /// Those of them that are charged to nobody.
    pub nobodys: u32,
    /// What is charged to all clients together, counted in their accounts.
    pub charged: u64,
    /// What all clients together were promised and have not taken.
    pub promised: u32,
}

/// A ledger, and what its capacity has in use: all, and nobody's.
type Counted<'p, 'a> = (&'p Ledger<'a>, u32, u32);

impl<'a, H: Hal> Device<'a, H> {
    /// Places charged to a client.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] for a capacity without shares.
    pub fn places_held(&self, client: ClientId, capacity: Capacity) -> Result<u32, Error> {
        self.check_client(client)?;
        let (ledger, ..) = self.counted(capacity).ok_or(Error::invalid("capacity without shares", 0))?;
        Ok(ledger.held(Owner::of(client)))
    }

    /// The places in use of every capacity that has shares. With an account for every client, what is in use is what is
    /// charged to somebody or nobody.
    pub fn places_in_use(&self) -> impl Iterator<Item = PlacesInUse> {
        Shares::CAPACITIES.iter().filter_map(|capacity| {
            let (ledger, in_use, nobodys) = self.counted(*capacity)?;
            let (charged, promised) = (ledger.charged(), ledger.promised());
            Some(PlacesInUse { capacity: *capacity, in_use, nobodys, charged, promised })
        })
    }

    fn counted(&self, capacity: Capacity) -> Option<Counted<'_, 'a>> {
        let pools = &self.pools;
        let [nodes, cells] = pools.vmas.ledgers();
        let [tables, directories] = self.pages.ledgers();
        let plain = |(ledger, in_use): (_, u32)| Some((ledger, in_use, 0));
        match capacity {
            Capacity::Vms => of_pool(&pools.vms),
            Capacity::VmaNodes => plain(nodes),
            Capacity::VmBos => plain(cells),
            Capacity::BindSteps => of_pool(&pools.steps),
            Capacity::Bos => of_pool(&pools.bos),
            Capacity::BoBlocks => of_pool(&pools.bo_blocks),
            Capacity::BoMappings => of_pool(&pools.bo_mappings),
            Capacity::BoImports => of_pool(&pools.bo_imports),
            Capacity::Queues => of_pool(&pools.queues),
            Capacity::Timelines => of_pool(&pools.timelines),
            Capacity::Jobs => of_pool(&pools.jobs),
            Capacity::Dependencies => of_pool(&pools.dependencies),
            Capacity::Syncobjs => of_pool(&pools.syncobjs),
            Capacity::SyncPoints => of_pool(&pools.sync_points),
            Capacity::Sleepers => of_pool(&pools.sleepers),
            Capacity::UserFences => of_pool(&pools.user_fences),
            Capacity::UserRanges => of_pool(&pools.user_ranges),
            Capacity::UserPins => of_pool(&pools.user_pins),
            Capacity::PtNodes => plain(tables),
            Capacity::PtDirectories => plain(directories),
            Capacity::GgttNodes => of_pool(self.ggtt.nodes()),
            Capacity::Clients
            | Capacity::OutSyncs
            | Capacity::Ports
            | Capacity::PtBlocks
            | Capacity::GgttSpace
            | Capacity::BindOps
            | Capacity::Ring => None,
        }
    }
}

fn of_pool<'p, 'a, T>(pool: &'p Pool<'a, T>) -> Option<Counted<'p, 'a>> {
    let of_nobody = pool.handles().filter(|handle| pool.owner_of(*handle) == Owner::NOBODY);
    let nobodys = crate::num::u32_capped(of_nobody.count());
    Some((pool.ledger(), pool.live().saturating_add(pool.reserved()), nobodys))
}
