//! A driver of a few lines, written against the HAL with numbers from the sheets: enough to make the device work.

use barexe_hal::{
    BusAddr, ConfigSpace as _, DmaBuffer, DmaCaching, DmaMemory as _, DmaOwner, DmaRequest, InterruptLine as _,
    Mmio as _, RegOffset,
};
use barexe_sim::{Platform, Sim, SimConfig, SimHal};

/// GGTT addresses of what a context needs.
pub(crate) const RING: u32 = 0x100_0000;
pub(crate) const LRCA: u32 = 0x101_0000;
pub(crate) const FENCE: u32 = 0x102_0000;
pub(crate) const STATUS: u32 = 0x103_0000;
/// GPU address of the client's page.
pub(crate) const VA: u64 = 0x10_0000;
/// A second page of the client's.
pub(crate) const SECOND_VA: u64 = VA + 0x1000;

/// Bases of the engines used here.
pub(crate) const BCS: u32 = 0x2_2000;
pub(crate) const VCS: u32 = 0x1C_0000;
pub(crate) const CCS: u32 = 0x1_A000;
pub(crate) const GSC: u32 = 0x11_A000;

/// The driver, and all the memory it has.
pub(crate) struct Mini {
    pub(crate) sim: Sim,
    pub(crate) hal: SimHal,
    pub(crate) lnl: bool,
    ring: DmaBuffer,
    image: DmaBuffer,
    fence: DmaBuffer,
    status: DmaBuffer,
    tables: DmaBuffer,
    /// What the client sees at [`VA`] and [`SECOND_VA`].
    pub(crate) pages: [DmaBuffer; 2],
    tail: u32,
}

pub(crate) fn buffer(hal: &mut SimHal, len_bytes: u64, owner: DmaOwner) -> DmaBuffer {
    let last_addr = BusAddr::new((1 << 39) - 1).unwrap();
    let caching = DmaCaching::WriteBack;
    hal.alloc(DmaRequest { len_bytes, align_bytes: 4096, last_addr, caching, owner }).unwrap()
}

impl Mini {
    /// A device that is on, with all its domains awake and every engine of `bases` ready for contexts.
    pub(crate) fn new(config: &SimConfig, bases: &[u32]) -> Self {
        let sim = Sim::new(config).unwrap();
        let mut hal = sim.hal();
        hal.config_write32(4, 6).unwrap();
        hal.irq_enable().unwrap();
        let memory = |hal: &mut SimHal, pages: u64| buffer(hal, pages * 4096, DmaOwner::Driver);
        let mut mini = Self {
            lnl: config.platform.name == "lnl",
            ring: memory(&mut hal, 1),
            image: memory(&mut hal, 3),
            fence: memory(&mut hal, 1),
            status: memory(&mut hal, 1),
            tables: memory(&mut hal, 5),
            pages: [0, 1].map(|_| buffer(&mut hal, 4096, DmaOwner::Client)),
            tail: 0,
            sim,
            hal,
        };
        let wake: &[u32] = if mini.lnl {
            &[0xA188, 0xA278, 0x38_A188, 0x38_A540, 0x38_A560, 0x38_A618]
        } else {
            &[0xA188, 0xA278, 0xA540, 0xA548, 0xA560]
        };
        for request in wake {
            mini.write(*request, 0x0001_0001);
        }
        mini.sim.advance(barexe_hal::Nanos::from_micros(10));
        for base in bases {
            mini.write(base + 0x29C, 0x0008_0008);
            mini.write(base + 0x80, STATUS);
            if mini.lnl {
                mini.write(base + 0xD4, 0x8000_8000);
            }
        }
        mini.map_global();
        mini.map_pages();
        mini
    }

    pub(crate) fn tgl() -> Self {
        Self::new(&SimConfig::new(Platform::tgl()), &[BCS, VCS])
    }

    pub(crate) fn lnl() -> Self {
        Self::new(&SimConfig::new(Platform::lnl()), &[BCS, VCS, CCS, GSC])
    }

    pub(crate) fn write(&mut self, offset: u32, value: u32) {
        self.hal.write32(RegOffset::at(offset), value);
    }

    pub(crate) fn read(&mut self, offset: u32) -> u32 {
        if self.lnl {
            for _ in 0..4 {
                self.write(0x13_0030, 0);
            }
        }
        self.hal.read32(RegOffset::at(offset))
    }

    fn map_global(&mut self) {
        let places = [(RING, self.ring.bus(), 1), (LRCA, self.image.bus(), 3), (FENCE, self.fence.bus(), 1)];
        for (addr, bus, pages) in places.into_iter().chain([(STATUS, self.status.bus(), 1)]) {
            let entry = RegOffset::ggtt_entry(addr >> 12).unwrap();
            self.hal.write64_steps(entry, bus.get() | 1, 4096, pages);
            if self.lnl {
                self.write(0x38_0D8C, 0);
            }
        }
    }

    /// Levels below the root.
    const fn levels(&self) -> u64 {
        if self.lnl { 4 } else { 3 }
    }

    fn map_pages(&mut self) {
        let (levels, bus) = (self.levels(), self.tables.bus().get());
        for level in 0..levels {
            self.tables.write_u64((level * 4096) as usize, (bus + (level + 1) * 4096) | 3).unwrap();
        }
        self.hal.publish(&self.tables, 0..5 * 4096);
        for (index, page) in [0, 1].map(|index| (index, self.pages[index].bus().get())) {
            self.set_leaf(index, page | if self.lnl { 0x403 } else { 3 });
        }
    }

    /// Replaces the leaf of one of the client's pages.
    pub(crate) fn set_leaf(&mut self, index: usize, entry: u64) {
        let at = (self.levels() * 4096) as usize + ((VA >> 12) as usize + index) * 8;
        self.tables.write_u64(at, entry).unwrap();
        self.hal.publish(&self.tables, at..at + 8);
    }

    /// Replaces any entry of any table.
    pub(crate) fn set_table(&mut self, index: usize, entry: u64) {
        self.tables.write_u64(index * 8, entry).unwrap();
        self.hal.publish(&self.tables, index * 8..index * 8 + 8);
    }

    /// Replaces a dword of the context's register page.
    pub(crate) fn set_image(&mut self, dword: usize, value: u32) {
        let at = 4096 + dword * 4;
        self.image.write_u32(at, value).unwrap();
        self.hal.publish(&self.image, at..at + 4);
    }

    /// A fresh context for an engine without a table of its own, or for the copy engine.
    pub(crate) fn context(&mut self, base: u32) {
        let mut page = [0u32; 0x60];
        let first: &[u32] =
            &[0x244, 0x34, 0x30, 0x38, 0x3C, 0x168, 0x140, 0x110, 0x1C0, 0x1C4, 0x1C8, 0x180, 0x2B4, 0x120, 0x124];
        let second: &[u32] = if self.lnl {
            &[0x3A8, 0x3AC, 0x108, 0x284, 0x280, 0x27C, 0x278, 0x274, 0x270]
        } else {
            &[0x3A8, 0x28C, 0x288, 0x284, 0x280, 0x27C, 0x278, 0x274, 0x270]
        };
        let first = if self.lnl { first } else { &first[..13] };
        (page[1], page[0x21]) = (if self.lnl { 0x1108_101D } else { 0x1108_1019 }, 0x1108_1011);
        for (slot, register) in (2..).step_by(2).zip(first).chain((0x22..).step_by(2).zip(second)) {
            page[slot] = base + register;
        }
        page[0x34] = 0x0500_0001;
        if self.lnl && base == BCS {
            (page[0x34], page[0x41], page[0x42], page[0x44], page[0x46]) =
                (0, 0x1108_1003, base + 0x200, base + 0x204, 0x0500_0001);
        }
        (page[3], page[9], page[0xB], page[0x2F]) = (0x0009_0009, RING, 1, 1);
        let root = self.tables.bus().get() | 3;
        (page[0x31], page[0x33]) = ((root >> 32) as u32, root as u32);
        self.image.copy_u32(4096, &page).unwrap();
        self.hal.publish(&self.image, 0..3 * 4096);
        self.tail = 0;
    }

    /// Appends dwords to the ring.
    pub(crate) fn emit(&mut self, dwords: &[u32]) {
        for dword in dwords {
            self.ring.write_u32(self.tail as usize, *dword).unwrap();
            self.tail = (self.tail + 4) % 4096;
        }
        self.tail = self.tail.next_multiple_of(8) % 4096;
        self.hal.publish(&self.ring, 0..4096);
    }

    pub(crate) fn descriptor(&self, base: u32) -> u64 {
        let names = match (self.lnl, base) {
            (true, _) => 2 << 39,
            (false, VCS) => 1 << 61 | 2 << 37,
            (false, _) => 3 << 61 | 2 << 37,
        };
        names | u64::from(LRCA) | 0x119
    }

    /// Publishes the tail and loads the context.
    pub(crate) fn submit(&mut self, base: u32) {
        self.image.write_u32(4096 + 7 * 4, self.tail).unwrap();
        self.hal.publish(&self.image, 4096 + 7 * 4..4096 + 8 * 4);
        let descriptor = self.descriptor(base);
        self.load(base, descriptor);
    }

    pub(crate) fn load(&mut self, base: u32, descriptor: u64) {
        self.write(base + 0x510, descriptor as u32);
        self.write(base + 0x514, (descriptor >> 32) as u32);
        self.write(base + 0x550, 1);
    }

    /// Runs the client's batch on an engine: a ring that calls it and then stores `fence`.
    pub(crate) fn run(&mut self, base: u32, batch: &[u32], fence: u32) {
        self.pages[0].copy_u32(0, batch).unwrap();
        self.emit(&[0x1880_0101, VA as u32, 0, 0x1040_0002, FENCE, 0, fence, 0x0100_0000]);
        self.submit(base);
        let _ = self.sim.run(10_000);
    }

    pub(crate) fn fence(&mut self) -> u32 {
        self.hal.observe(&self.fence, 0..4);
        self.fence.read_u32(0).unwrap()
    }

    /// Gives every buffer back.
    pub(crate) fn close(mut self) -> Sim {
        let Self { ring, image, fence, status, tables, pages, .. } = self;
        for buffer in [ring, image, fence, status, tables].into_iter().chain(pages) {
            self.hal.free(buffer);
        }
        self.sim
    }
}

/// `MI_STORE_DATA_IMM` of one dword in the client's address space, and the end.
pub(crate) const fn store(va: u64, value: u32) -> [u32; 5] {
    [0x1000_0002, va as u32, (va >> 32) as u32, value, 0x0500_0000]
}
