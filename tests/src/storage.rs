//! Lent storage of chosen capacities.

use barexe_core::{Capacities, Capacity, DefaultStorage, Storage};

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
        let mut capacities = Capacities::DEFAULT;
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
            let Storage { $($field),+ } = storage;
            Storage { $($field: shortened($field, to.$field)),+ }
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
    user_fences: UserFences,
    user_ranges: UserRanges,
    user_pins: UserPins,
    pt_blocks: PtBlocks,
    pt_notes: PtNodes,
    pt_directories: PtDirectories,
    ggtt_nodes: GgttNodes,
}

fn shortened<T>(slice: &mut [T], len: usize) -> &mut [T] {
    let len = len.min(slice.len());
    slice.get_mut(..len).unwrap_or_default()
}

/// Storage with the default capacities, on the heap. It is large and stacks of tests are not: it comes from a constant,
/// in a frame of its own.
#[inline(never)]
#[must_use]
pub fn boxed() -> Box<DefaultStorage> {
    const EMPTY: DefaultStorage = DefaultStorage::new();
    Box::new(EMPTY)
}
