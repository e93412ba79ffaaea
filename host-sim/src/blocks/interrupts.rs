//! The interrupt tree (engines sheet §9): vectors of units, pending dwords, identities, master, message.
//!
//! The summary registers are levels here: a bit stays set while something below it is pending. Acknowledging a summary
//! therefore loses nothing, as on hardware. A message leaves when "something is pending and the top is enabled" becomes
//! true: what comes after it before the driver has looked sends no second one.
//!
//! An identity takes the unit's vector with it: what the unit raises after that is news, even before the driver has written
//! the identity back. That write is posted. It may arrive when the driver has already looked at what the interrupt was
//! for, and drivers differ in what they write: the whole identity, or its valid bit alone.

use crate::engines::ENGINES;
use crate::spec::{EngineClass, EngineSpec, Platform};

const TILE_MASTER: u32 = 0x19_0008;
const MASTER: u32 = 0x19_0010;
const PENDING: [u32; 2] = [0x19_0018, 0x19_001C];
const IDENTITY: [u32; 2] = [0x19_0060, 0x19_0064];
const SELECTOR: [u32; 2] = [0x19_0070, 0x19_0074];
const ENABLE: u32 = 1 << 31;
const VALID: u32 = 1 << 31;

/// Time from selecting a unit to its identity being valid.
const IDENTITY_DELAY_NS: u64 = 1_000;

/// Something that raises interrupts: an engine, or a microcontroller.
#[derive(Clone, Debug)]
struct Unit {
    name: (EngineClass, u8),
    /// Bank and bit.
    irq: (u8, u8),
    vector: u16,
}

/// Microcontroller of the primary GT, or of the only one, and of the media GT: instances of class "other".
const GUC: u8 = 0;
const MEDIA_GUC: u8 = 16;

#[derive(Clone, Copy, Debug, Default)]
struct Bank {
    pending: u32,
    selected: u32,
    selected_at_ns: u64,
    /// What the identity register shows, once valid. Its vector is no longer the unit's.
    identity: u32,
}

/// All interrupt state.
#[derive(Clone, Debug)]
pub(crate) struct Interrupts {
    units: Vec<Unit>,
    banks: [Bank; 2],
    /// The switch at the top: the tile register from 12.10 on, the master before.
    enabled: bool,
    tile_level: bool,
    /// Something was pending and the top was enabled at the last look.
    asserted: bool,
    /// Messages not delivered yet, and what to do with later ones.
    pub(crate) messages: u32,
    pub(crate) lose_messages: u32,
}

/// Offsets of the enable and mask halves of an engine: register, and whether it is the upper half.
const fn gates(class: EngineClass, instance: u8) -> ((u32, bool), (u32, bool)) {
    let even = instance & 1 == 0;
    let pair = (instance >> 1) as u32 * 4;
    match class {
        EngineClass::Render => ((0x19_0030, true), (0x19_0090, true)),
        EngineClass::Copy if instance == 0 => ((0x19_0030, false), (0x19_00A0, true)),
        // BCS1 and 2 share a register, BCS1 in the upper half.
        EngineClass::Copy => ((0x19_0030, false), (0x19_0110 + ((instance - 1) >> 1) as u32 * 4, !even)),
        EngineClass::VideoDecode => ((0x19_0034, true), (0x19_00A8 + pair, even)),
        EngineClass::VideoEnhance => ((0x19_0034, false), (0x19_00D0 + pair, even)),
        EngineClass::Compute => ((0x19_0048, true), (0x19_0100 + pair, even)),
        // One bit enables both; each has its half of the mask.
        EngineClass::Other if instance == GUC => ((0x19_0038, true), (0x19_00E8, true)),
        EngineClass::Other if instance == MEDIA_GUC => ((0x19_0038, true), (0x19_00E8, false)),
        EngineClass::Other => ((0x19_0044, false), (0x19_00F4, false)),
    }
}

/// Whether a register enables or masks the interrupts of some unit.
pub(crate) fn is_gate(offset: u32) -> bool {
    let others = [GUC, MEDIA_GUC].map(|guc| (EngineClass::Other, guc));
    let engines = ENGINES.iter().map(|engine| (engine.class, engine.instance));
    engines.chain(others).map(|(class, instance)| gates(class, instance)).any(|(enable, mask)| {
        // The register, whichever half of it.
        enable.0 == offset || mask.0 == offset
    })
}

const fn half(value: u32, upper: bool) -> u16 {
    if upper { (value >> 16) as u16 } else { value as u16 }
}

fn bank_of(registers: &[u32; 2], offset: u32) -> Option<usize> {
    registers.iter().position(|register| *register == offset)
}

impl Interrupts {
    pub(crate) fn new(platform: &Platform) -> Self {
        let engine = |spec: &EngineSpec| ((spec.class, spec.instance), spec.irq);
        let media = platform.media_gt.then_some(((EngineClass::Other, MEDIA_GUC), (0, 24)));
        let others = [((EngineClass::Other, GUC), (0, 25))].into_iter().chain(media);
        let units = platform.engines.iter().map(engine).chain(others);
        let units = units.map(|(name, irq)| Unit { name, irq, vector: 0 }).collect();
        Self {
            units,
            banks: [Bank::default(); 2],
            enabled: false,
            tile_level: platform.version >= 1210,
            asserted: false,
            messages: 0,
            lose_messages: 0,
        }
    }

    /// A unit raises vector bits; `stored` looks registers up.
    pub(crate) fn raise(&mut self, engine: (EngineClass, u8), bits: u16, stored: impl Fn(u32) -> u32) {
        let (enable, mask) = gates(engine.0, engine.1);
        let open = half(stored(enable.0), enable.1) & !half(stored(mask.0), mask.1);
        let same = |unit: &&mut Unit| unit.name == engine;
        let Some(unit) = self.units.iter_mut().find(same) else { return };
        if bits & open == 0 {
            return;
        }
        unit.vector |= bits & open;
        let (bank, bit) = unit.irq;
        if let Some(bank) = self.banks.get_mut(usize::from(bank)) {
            bank.pending |= 1 << bit;
        }
        self.look();
    }

    const fn any_pending(&self) -> bool {
        self.banks[0].pending != 0 || self.banks[1].pending != 0
    }

    /// Sends a message if there is reason for one that there was not before.
    const fn look(&mut self) {
        let asserted = self.enabled && self.any_pending();
        if asserted && !self.asserted {
            if self.lose_messages == 0 {
                self.messages = self.messages.saturating_add(1);
            } else {
                self.lose_messages -= 1;
            }
        }
        self.asserted = asserted;
    }

    fn master(&self) -> u32 {
        let banks = u32::from(self.banks[0].pending != 0) | u32::from(self.banks[1].pending != 0) << 1;
        let enable = if self.tile_level || !self.enabled { 0 } else { ENABLE };
        banks | enable
    }

    /// A register of the tree.
    pub(crate) fn read(&mut self, offset: u32, now_ns: u64) -> Option<u32> {
        if let Some(bank) = bank_of(&PENDING, offset) {
            return self.banks.get(bank).map(|bank| bank.pending);
        }
        if let Some(bank) = bank_of(&IDENTITY, offset) {
            return self.identity(bank, now_ns);
        }
        match offset {
            MASTER => Some(self.master()),
            TILE_MASTER if self.tile_level => {
                Some(u32::from(self.any_pending()) | if self.enabled { ENABLE } else { 0 })
            }
            _ => None,
        }
    }

    /// The unit that is selected in a bank.
    fn selected(&mut self, number: usize) -> Option<&mut Unit> {
        let selected = self.banks.get(number)?.selected;
        self.units.iter_mut().find(|unit| usize::from(unit.irq.0) == number && selected == 1 << unit.irq.1)
    }

    /// The identity of the selected unit: it takes the unit's vector when it becomes valid.
    fn identity(&mut self, number: usize, now_ns: u64) -> Option<u32> {
        let bank = *self.banks.get(number)?;
        let in_time = now_ns >= bank.selected_at_ns.saturating_add(IDENTITY_DELAY_NS);
        if bank.identity & VALID != 0 || !in_time {
            return Some(bank.identity);
        }
        let Some(unit) = self.selected(number) else { return Some(bank.identity) };
        let (class, instance) = unit.name;
        let vector = core::mem::take(&mut unit.vector);
        let identity = VALID | u32::from(instance) << 20 | (class.code() as u32) << 16 | u32::from(vector);
        self.banks.get_mut(number)?.identity = identity;
        Some(identity)
    }

    /// Writes a register of the tree; whether it was one.
    pub(crate) fn write(&mut self, offset: u32, value: u32, now_ns: u64) -> bool {
        if let Some(bank) = bank_of(&PENDING, offset) {
            self.acknowledge_units(bank, value);
        } else if let Some(bank) = bank_of(&IDENTITY, offset) {
            self.acknowledge_identity(bank, value);
        } else if let Some(bank) = bank_of(&SELECTOR, offset) {
            self.select(bank, value, now_ns);
        } else if offset == TILE_MASTER && self.tile_level || offset == MASTER && !self.tile_level {
            self.switch(value & ENABLE != 0);
        } else {
            return offset == MASTER;
        }
        true
    }

    const fn switch(&mut self, on: bool) {
        self.enabled = on;
        self.look();
    }

    /// Another unit's identity is wanted. One that was not written back is still to be reported.
    fn select(&mut self, number: usize, value: u32, now_ns: u64) {
        let Some(identity) = self.banks.get(number).map(|bank| bank.identity) else { return };
        if identity & VALID != 0
            && let Some(unit) = self.selected(number)
        {
            unit.vector |= identity as u16;
        }
        if let Some(bank) = self.banks.get_mut(number) {
            (bank.selected, bank.selected_at_ns, bank.identity) = (value, now_ns, 0);
        }
    }

    /// Writing the identity back, or only its valid bit, ends the report.
    fn acknowledge_identity(&mut self, number: usize, value: u32) {
        if let Some(bank) = self.banks.get_mut(number)
            && value & bank.identity & VALID != 0
        {
            (bank.selected, bank.identity) = (0, 0);
        }
    }

    /// Clears pending bits; a unit with more to say, or with an identity that was not written back, sets its bit again.
    fn acknowledge_units(&mut self, number: usize, value: u32) {
        let Some(bank) = self.banks.get_mut(number) else { return };
        let reported = if bank.identity & VALID != 0 { bank.selected } else { 0 };
        let more = |unit: &&Unit| usize::from(unit.irq.0) == number && unit.vector != 0;
        let again = self.units.iter().filter(more).fold(reported, |bits, unit| bits | 1 << unit.irq.1);
        bank.pending = bank.pending & !value | value & again;
        self.look();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything enabled, nothing masked.
    fn open(offset: u32) -> u32 {
        if offset < 0x19_0090 { 0x0909_0909 } else { 0 }
    }

    #[test]
    fn a_user_interrupt_travels_to_its_identity_and_back() {
        let mut tree = Interrupts::new(&Platform::lnl());
        tree.write(TILE_MASTER, ENABLE, 0);
        tree.raise((EngineClass::Copy, 8), 1 << 8, open);
        assert_eq!(tree.messages, 1);
        tree.write(TILE_MASTER, 0, 0);
        // engines sheet §9 checks: BCS8 switch.
        assert_eq!((tree.read(TILE_MASTER, 0), tree.read(MASTER, 0)), (Some(1), Some(1)));
        assert_eq!(tree.read(0x19_0018, 0), Some(0x0080_0000));
        tree.write(SELECTOR[0], 0x0080_0000, 0);
        assert_eq!((tree.read(IDENTITY[0], 0), tree.read(IDENTITY[0], 1000)), (Some(0), Some(0x8083_0100)));
        tree.write(IDENTITY[0], 0x8083_0100, 1000);
        tree.write(PENDING[0], 0x0080_0000, 1000);
        assert_eq!(tree.read(TILE_MASTER, 1000), Some(0));
        tree.write(TILE_MASTER, ENABLE, 1000);
        assert_eq!(tree.messages, 1, "nothing is left to report");
    }

    #[test]
    fn events_between_identity_and_acknowledge_are_not_lost() {
        let mut tree = Interrupts::new(&Platform::tgl());
        tree.raise((EngineClass::Render, 0), 1, open);
        tree.write(SELECTOR[0], 1, 0);
        let identity = tree.read(IDENTITY[0], 2000).unwrap();
        tree.raise((EngineClass::Render, 0), 1 << 8, open);
        tree.write(IDENTITY[0], identity, 2000);
        tree.write(PENDING[0], 1, 2000);
        assert_eq!(tree.read(PENDING[0], 2000), Some(1));
        tree.write(MASTER, ENABLE, 2000);
        assert_eq!(tree.messages, 1, "enabling with something pending reports it");
    }

    /// The write that acknowledges an identity is posted: a driver may have looked at its fences before it arrives.
    #[test]
    fn the_same_event_again_before_the_identity_is_written_back_is_reported() {
        for whole in [true, false] {
            let mut tree = Interrupts::new(&Platform::tgl());
            tree.write(MASTER, ENABLE, 0);
            tree.raise((EngineClass::Render, 0), 1, open);
            tree.write(MASTER, 0, 0);
            tree.write(SELECTOR[0], 1, 0);
            let identity = tree.read(IDENTITY[0], 2000).unwrap();
            tree.raise((EngineClass::Render, 0), 1, open);
            assert_eq!(tree.read(IDENTITY[0], 2000), Some(identity), "it shows what it took");
            tree.write(IDENTITY[0], if whole { identity } else { VALID }, 2000);
            tree.write(PENDING[0], 1, 2000);
            assert_eq!(tree.read(PENDING[0], 2000), Some(1));
            tree.write(MASTER, ENABLE, 2000);
            assert_eq!(tree.messages, 2);
            tree.write(SELECTOR[0], 1, 2000);
            assert_eq!(tree.read(IDENTITY[0], 4000), Some(identity));
            tree.write(IDENTITY[0], identity, 4000);
            tree.write(PENDING[0], 1, 4000);
            assert_eq!(tree.read(PENDING[0], 4000), Some(0), "all was reported");
        }
    }

    #[test]
    fn an_identity_that_is_not_written_back_is_reported_again() {
        let mut tree = Interrupts::new(&Platform::tgl());
        for engine in [(EngineClass::Render, 0), (EngineClass::Copy, 0)] {
            tree.raise(engine, 1, open);
        }
        tree.write(SELECTOR[0], 1, 0);
        let identity = tree.read(IDENTITY[0], 2000);
        tree.write(IDENTITY[0], 1, 2000);
        tree.write(PENDING[0], 1, 2000);
        assert_eq!(tree.read(PENDING[0], 2000), Some(1 << 15 | 1));
        for (bit, expected) in [(1 << 15, Some(0x8003_0001)), (1, identity)] {
            tree.write(SELECTOR[0], bit, 2000);
            assert_eq!(tree.read(IDENTITY[0], 4000), expected);
        }
    }

    #[test]
    fn disabled_and_masked_bits_are_not_reported() {
        let mut tree = Interrupts::new(&Platform::tgl());
        tree.write(MASTER, ENABLE, 0);
        tree.raise((EngineClass::Copy, 0), 1, |offset| if offset == 0x19_00A0 { 0x0001_0000 } else { 0x0909_0909 });
        tree.raise((EngineClass::Copy, 0), 1, |_| 0);
        assert_eq!((tree.messages, tree.read(MASTER, 0)), (0, Some(ENABLE)));
    }

    #[test]
    fn one_message_leaves_until_the_driver_has_looked() {
        let mut tree = Interrupts::new(&Platform::tgl());
        tree.write(MASTER, ENABLE, 0);
        for engine in [(EngineClass::Copy, 0), (EngineClass::Copy, 0), (EngineClass::Render, 0)] {
            tree.raise(engine, 1, open);
        }
        assert_eq!(tree.messages, 1);
        tree.write(MASTER, 0, 0);
        tree.write(MASTER, ENABLE, 0);
        assert_eq!(tree.messages, 2, "switched on again with work left");
        for (bank, bit) in [(0, 1 << 15), (0, 1)] {
            tree.write(SELECTOR[bank], bit, 0);
            let identity = tree.read(IDENTITY[bank], 5000).unwrap();
            tree.write(IDENTITY[bank], identity, 5000);
        }
        tree.write(PENDING[0], 1 << 15 | 1, 5000);
        tree.raise((EngineClass::Copy, 0), 1, open);
        assert_eq!(tree.messages, 3, "new after all was acknowledged");
    }

    #[test]
    fn the_gsc_engine_has_its_own_gates() {
        let mut tree = Interrupts::new(&Platform::lnl());
        tree.write(TILE_MASTER, ENABLE, 0);
        tree.raise((EngineClass::Other, 6), 1, |offset| if offset == 0x19_0044 { 0x0909 } else { 0 });
        assert_eq!(tree.read(PENDING[0], 0), Some(1 << 31));
        tree.write(SELECTOR[0], 1 << 31, 0);
        assert_eq!(tree.read(IDENTITY[0], 5000), Some(0x8064_0001));
        let mut masked = Interrupts::new(&Platform::lnl());
        masked.raise((EngineClass::Other, 6), 1, |offset| if offset == 0x19_00F4 { 1 } else { 0x0909 });
        assert_eq!(masked.read(PENDING[0], 0), Some(0));
    }

    #[test]
    fn both_microcontrollers_are_enabled_by_one_bit_and_masked_apart() {
        let mut tree = Interrupts::new(&Platform::lnl());
        let gates = |offset: u32| if offset == 0x19_0038 { 0x8000_0000 } else { 0x8000 };
        for guc in [GUC, MEDIA_GUC] {
            tree.raise((EngineClass::Other, guc), 1 << 15, gates);
        }
        assert_eq!(tree.read(PENDING[0], 0), Some(1 << 25), "the media GT's is masked");
        tree.raise(
            (EngineClass::Other, MEDIA_GUC),
            1 << 15,
            |offset| if offset == 0x19_0038 { 0x8000_0000 } else { 0 },
        );
        assert_eq!(tree.read(PENDING[0], 0), Some(3 << 24));
        // engines sheet §9, checks.
        for (bit, identity) in [(25, 0x8004_8000), (24, 0x8104_8000)] {
            tree.write(SELECTOR[0], 1 << bit, 0);
            assert_eq!(tree.read(IDENTITY[0], 5000), Some(identity));
        }
    }

    #[test]
    fn a_lost_message_stays_pending() {
        let mut tree = Interrupts::new(&Platform::tgl());
        tree.write(MASTER, ENABLE, 0);
        tree.lose_messages = 1;
        tree.raise((EngineClass::VideoEnhance, 0), 1, open);
        assert_eq!((tree.messages, tree.read(MASTER, 0)), (0, Some(ENABLE | 2)));
    }
}
