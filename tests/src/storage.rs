//! Lent storage of chosen capacities.

use barexe_core::gt::MAX_TILES;
use barexe_core::mem::pages::{Directory, TableNote};
use barexe_core::{Capacities, Capacity, DefaultStorage, Storage};
use barexe_hal::DmaBuffer;

/// One capacity of the storage.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its field.
    pub name: &'static str,
    /// What an error calls it.
    pub capacity: Capacity,
    get: fn(&Capacities) -> usize,
    set: fn(&mut Capacities, usize),
}

impl Field {
    /// This field of a choice.
    #[must_use]
    pub fn of(&self, capacities: &Capacities) -> usize {
        (self.get)(capacities)
    }

    /// The default choice with `len` slots in this field.
    #[must_use]
    pub fn only(&self, len: usize) -> Capacities {
        self.of_choice(Capacities::DEFAULT, len)
    }

    /// A choice with `len` slots in this field.
    #[must_use]
    pub fn of_choice(&self, mut capacities: Capacities, len: usize) -> Capacities {
        (self.set)(&mut capacities, len);
        capacities
    }
}

macro_rules! fields {
    ($($field:ident: $capacity:ident),+ $(,)?) => {
        /// Every capacity there is: the compiler refuses this table if one is missing.
        pub const FIELDS: &[Field] = &[$(Field {
            name: stringify!($field),
            capacity: Capacity::$capacity,
            get: |capacities| capacities.$field,
            set: |capacities, len| capacities.$field = len,
        }),+];

        /// The storage with its slices shortened to the given lengths.
        #[must_use]
        pub fn cut<'a>(storage: Storage<'a>, to: &Capacities) -> Storage<'a> {
            let Storage { $($field,)+ accounts } = storage;
            Storage { $($field: shortened($field, to.$field),)+ accounts: accounts.first(to.clients) }
        }
    };
}

fields! {
    clients: Clients,
    vms: Vms,
    vma_nodes: VmaNodes,
    vm_bos: VmBos,
    steps: BindSteps,
    bind_ops: BindOps,
    bos: Bos,
    bo_blocks: BoBlocks,
    bo_mappings: BoMappings,
    bo_imports: BoImports,
    queues: Queues,
    timelines: Timelines,
    jobs: Jobs,
    dependencies: Dependencies,
    out_syncs: OutSyncs,
    syncobjs: Syncobjs,
    sync_points: SyncPoints,
    sleepers: Sleepers,
    user_fences: UserFences,
    user_ranges: UserRanges,
    user_pins: UserPins,
    ports: Ports,
    pt_blocks: PtBlocks,
    pt_notes: PtNodes,
    pt_directories: PtDirectories,
    ggtt_nodes: GgttNodes,
}

fn shortened<T>(slice: &mut [T], len: usize) -> &mut [T] {
    let len = len.min(slice.len());
    slice.get_mut(..len).unwrap_or_default()
}

/// Storage on the heap: the default capacities, and of what page tables take as much for each tile.
#[derive(Debug)]
pub struct Boxed {
    most: Box<DefaultStorage>,
    blocks: Vec<Option<DmaBuffer>>,
    notes: Vec<TableNote>,
    directories: Vec<Directory>,
}

impl Boxed {
    /// Lends all of it.
    pub fn lend(&mut self) -> Storage<'_> {
        Storage {
            pt_blocks: &mut self.blocks,
            pt_notes: &mut self.notes,
            pt_directories: &mut self.directories,
            ..self.most.lend()
        }
    }
}

/// Storage for a device with as many tiles as there can be. It is large and stacks of tests are not: it comes from a
/// constant, in a frame of its own.
#[inline(never)]
#[must_use]
pub fn boxed() -> Boxed {
    let most = Capacities::DEFAULT.on_tiles(MAX_TILES);
    let filled = |len| core::iter::repeat_with(|| None).take(len).collect();
    Boxed {
        most: Box::new(const { DefaultStorage::new() }),
        blocks: filled(most.pt_blocks),
        notes: core::iter::repeat_with(|| TableNote::EMPTY).take(most.pt_notes).collect(),
        directories: core::iter::repeat_with(|| Directory::EMPTY).take(most.pt_directories).collect(),
    }
}
