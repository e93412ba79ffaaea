//! Registers of the GuCs, and how the device gets at them.

use super::firmware::Guc;
use super::load::SIGNATURE_DWORDS;
use super::machine::Machine;
use super::messages::registers::{self, MAILBOX, MAILBOX_DWORDS, MEDIA_MAILBOX, Mailbox};
use crate::gpu::Gpu;
use crate::spec::{EngineClass, MEDIA_SHIFT, Platform};

/// The GuCs of a device: tile by tile, on each one for each GT.
pub(crate) fn gucs(platform: &Platform) -> Vec<Guc> {
    let of_tile = |_| [false, true].into_iter().take(gts(platform)).map(Guc::new);
    (0..platform.tiles.max(1)).flat_map(of_tile).collect()
}

const fn gts(platform: &Platform) -> usize {
    if platform.media_gt { 2 } else { 1 }
}

/// What a register of a GuC is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Register {
    Status,
    /// Written once.
    WopcmSize,
    WopcmOffset,
    /// A dword of the mailbox.
    Mailbox(usize),
    Doorbell,
    DmaControl,
}

/// The register at an offset, and whether it is the media GT's.
fn find(platform: &Platform, offset: u32) -> Option<(Register, bool)> {
    const BOTH: [(u32, Register); 4] = [
        (registers::STATUS, Register::Status),
        (registers::WOPCM_SIZE, Register::WopcmSize),
        (registers::WOPCM_OFFSET, Register::WopcmOffset),
        (registers::DMA_CONTROL, Register::DmaControl),
    ];
    let sides = [(0, MAILBOX, false), (MEDIA_SHIFT, MEDIA_MAILBOX, true)];
    sides.into_iter().take(gts(platform)).find_map(|(shift, mailbox, media)| {
        let shared = BOTH.iter().find(|(register, _)| register + shift == offset).map(|(_, register)| *register);
        Some((shared.or_else(|| in_mailbox(&mailbox, offset))?, media))
    })
}

/// Whether a register is a GuC's, or one that its boot ROM looks at.
pub(crate) fn is_register(platform: &Platform, offset: u32) -> bool {
    let shift = if platform.media_gt && offset >= MEDIA_SHIFT { MEDIA_SHIFT } else { 0 };
    let boot = [
        (registers::SOFT_SCRATCH, registers::SOFT_SCRATCHES),
        (registers::SIGNATURE, SIGNATURE_DWORDS),
        (registers::DMA_SOURCE_LOW, 5),
    ];
    let inside = |(first, dwords): (u32, u32)| (first..first + 4 * dwords).contains(&offset.saturating_sub(shift));
    find(platform, offset).is_some() || boot.into_iter().any(inside)
}

fn in_mailbox(mailbox: &Mailbox, offset: u32) -> Option<Register> {
    let end = mailbox.first + 4 * MAILBOX_DWORDS;
    match () {
        () if offset == mailbox.doorbell => Some(Register::Doorbell),
        () if (mailbox.first..end).contains(&offset) && offset.is_multiple_of(4) => {
            Some(Register::Mailbox(((offset - mailbox.first) / 4) as usize))
        }
        () => None,
    }
}

impl Gpu {
    /// Lets a GuC of the selected tile work on the tile's engines.
    fn with_guc<R>(&mut self, media: bool, work: impl FnOnce(&mut Guc, &mut Machine<'_>) -> R) -> Option<R> {
        let per_tile = self.shared.platform.engines.len();
        let tile = self.shared.tiles.selected();
        let engines = self.engines.get_mut(tile * per_tile..(tile + 1) * per_tile)?;
        let guc = self.gucs.get_mut(tile * gts(&self.shared.platform) + usize::from(media))?;
        Some(work(guc, &mut Machine::new(&mut self.shared, engines, media)))
    }

    /// Whether a GuC runs on the selected tile's GT that has engines of a class.
    pub(crate) fn has_guc(&self, class: EngineClass) -> bool {
        let media = self.shared.platform.media_gt && class.is_media();
        let index = self.shared.tiles.selected() * gts(&self.shared.platform) + usize::from(media);
        self.gucs.get(index).is_some_and(Guc::is_awake)
    }

    /// A register of a GuC of the selected tile.
    pub(crate) fn read_guc(&mut self, offset: u32) -> Option<u32> {
        let (register, media) = find(&self.shared.platform, offset)?;
        self.with_guc(media, |guc, machine| match register {
            Register::Status => {
                guc.settle(machine);
                Some(guc.boot.status())
            }
            Register::Mailbox(dword) => guc.mailbox.get(dword).copied(),
            Register::Doorbell => Some(0),
            Register::WopcmSize | Register::WopcmOffset | Register::DmaControl => None,
        })?
    }

    /// Writes a register of a GuC of the selected tile; whether that is all there is to it.
    pub(crate) fn write_guc(&mut self, offset: u32, value: u32) -> bool {
        let Some((register, media)) = find(&self.shared.platform, offset) else { return false };
        match register {
            Register::Status => {}
            Register::WopcmSize => {
                self.write_once(offset, value & registers::WOPCM_SIZE_MASK.mask(), registers::WOPCM_SIZE_LOCKED.mask());
            }
            Register::WopcmOffset => {
                let bits = registers::WOPCM_OFFSET_MASK.mask() | registers::WOPCM_OFFSET_HUC.mask();
                self.write_once(offset, value & bits, registers::WOPCM_OFFSET_VALID.mask());
            }
            Register::Mailbox(dword) => {
                self.with_guc(media, |guc, _| {
                    if let Some(kept) = guc.mailbox.get_mut(dword) {
                        *kept = value;
                    }
                });
            }
            Register::Doorbell => {
                self.with_guc(media, Guc::doorbell);
            }
            Register::DmaControl => {
                self.copy_firmware(offset, value, media);
            }
        }
        true
    }

    /// A register that takes one value.
    fn write_once(&mut self, offset: u32, value: u32, taken: u32) {
        let registers = &mut self.shared.tiles.one_mut().registers;
        if registers.peek(offset) & taken == 0 {
            registers.put(offset, value | taken);
        }
    }

    /// `DMA_CTRL`, a masked register: a copy is over before anyone can look.
    fn copy_firmware(&mut self, offset: u32, value: u32, media: bool) {
        let start = registers::DMA_START.mask();
        let tile = self.shared.tiles.one_mut();
        let set = tile.registers.peek(offset) & !(value >> 16) | value & value >> 16;
        tile.registers.put(offset, set & !start);
        if set & start != 0 && registers::DMA_MOVE_GUC.of(set) != 0 {
            self.with_guc(media, |guc, machine| guc.boot.copy(machine.shared, media));
        }
    }

    /// A reset holds the GuC of a GT of the selected tile.
    pub(crate) fn reset_guc(&mut self, media: bool) {
        self.with_guc(media, |guc, _| guc.reset());
    }

    /// A turn of all GuCs; whether something happened.
    pub(crate) fn gucs_look(&mut self) -> bool {
        let mut any = false;
        for tile in 0..usize::from(self.shared.platform.tiles.max(1)) {
            for media in [false, true].into_iter().take(gts(&self.shared.platform)) {
                self.shared.tiles.select(tile);
                any |= self.with_guc(media, Guc::look).unwrap_or(false);
            }
        }
        any
    }

    /// The next instant at which a GuC does something by itself.
    pub(crate) fn guc_due_ns(&self) -> Option<u64> {
        self.gucs.iter().filter_map(Guc::due_ns).min()
    }
}
