//! A bus in memory.

use barexe_hal::pci::{ConfigAccess, Function, PciError};
use std::collections::BTreeMap;

pub(crate) const GPU: Function = Function::INTEGRATED_GPU;
pub(crate) const COMMAND: u16 = 0x04;
/// Where the GPU's MSI capability is.
pub(crate) const MSI: u16 = 0xAC;

/// Configuration space of one function: its dwords, and which of their bits can be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Config {
    words: BTreeMap<u16, u32>,
    writable: BTreeMap<u16, u32>,
}

impl Config {
    /// A device with this vendor and device id, class and header type, and a command register.
    pub(crate) fn new(id: u32, class: u32, header: u32) -> Self {
        Self::default().with(0, id, 0).with(COMMAND, 0, 0x0547).with(8, class << 8 | 1, 0).with(
            0x0C,
            header << 16,
            0xFF,
        )
    }

    /// The same with another dword.
    pub(crate) fn with(mut self, offset: u16, word: u32, writable: u32) -> Self {
        self.words.insert(offset, word);
        self.writable.insert(offset, writable);
        self
    }

    /// The same with other dwords that cannot be written.
    pub(crate) fn with_all(self, words: &[(u16, u32)]) -> Self {
        words.iter().fold(self, |config, (offset, word)| config.with(*offset, *word, 0))
    }

    /// The same with a 64-bit memory BAR.
    pub(crate) fn with_wide_bar(self, index: u16, address: u64, size: u64) -> Self {
        let (low, high) = halves(address);
        let (low_mask, high_mask) = halves(!(size - 1));
        let at = 0x10 + 4 * index;
        self.with(at, low | 4, low_mask & !0xF).with(at + 4, high, high_mask)
    }

    /// The same with an MSI capability of this kind at [`MSI`].
    pub(crate) fn with_msi(self, wide: bool, maskable: bool) -> Self {
        let control = u32::from(wide) << 7 | u32::from(maskable) << 8;
        let data_at = MSI + if wide { 12 } else { 8 };
        let mut config = self.with(COMMAND, 0x0010_0000, 0x0547).with(0x34, u32::from(MSI), 0);
        config = config.with(MSI, control << 16 | 5, 0x71_0000).with(MSI + 4, 0, 0xFFFF_FFFC);
        if wide {
            config = config.with(MSI + 8, 0, u32::MAX);
        }
        config = config.with(data_at, 0, 0xFFFF);
        if maskable { config.with(data_at + 4, 0, 1) } else { config }
    }

    pub(crate) fn word(&self, offset: u16) -> u32 {
        self.words.get(&offset).copied().unwrap_or(0)
    }

    /// Loses power: what can be written is zero.
    pub(crate) fn forget(&mut self) {
        for (offset, word) in &mut self.words {
            *word &= !self.writable[offset];
        }
    }

    fn write(&mut self, offset: u16, value: u32) {
        let writable = self.writable.get(&offset).copied().unwrap_or(0);
        if let Some(word) = self.words.get_mut(&offset) {
            *word = *word & !writable | value & writable;
        }
    }
}

fn halves(value: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}

/// A Tiger Lake as firmware leaves it, register BAR above 512 GiB: memory decode on, bus mastering off.
pub(crate) fn gpu() -> Config {
    let mut gpu = Config::new(0x9A49_8086, 0x03_0000, 0)
        .with_wide_bar(0, 0xC0_1000_0000, 16 << 20)
        .with_wide_bar(2, 0x80_0000_0000, 256 << 20)
        .with(0x20, 0x3001, 0xFFC0)
        .with_msi(true, true);
    gpu.write(COMMAND, 3);
    gpu
}

/// The bus.
#[derive(Debug, Default)]
pub(crate) struct Bus {
    pub(crate) functions: BTreeMap<Function, Config>,
    pub(crate) accesses: usize,
    /// From this access on, and for so many, nothing answers.
    pub(crate) gone: Option<(usize, usize)>,
    /// Buses that the access does not reach.
    pub(crate) unreachable: Option<u8>,
    /// What was written, in order.
    pub(crate) writes: Vec<(u16, u32)>,
    /// Writes that found the memory decoder on.
    pub(crate) decoded_bar_writes: usize,
}

impl Bus {
    pub(crate) fn with(config: Config) -> Self {
        Self { functions: [(GPU, config)].into(), ..Self::default() }
    }

    pub(crate) fn gpu(&self) -> &Config {
        &self.functions[&GPU]
    }

    pub(crate) fn command(&self) -> u32 {
        self.gpu().word(COMMAND) & 0xFFFF
    }

    fn answers(&mut self) -> bool {
        let now = self.accesses;
        self.accesses += 1;
        assert!(self.accesses < 1 << 20, "this never ends");
        !self.gone.is_some_and(|(from, count)| (from..from.saturating_add(count)).contains(&now))
    }

    fn check(&self, function: Function, offset_bytes: u16) -> Result<(), PciError> {
        PciError::check_offset(offset_bytes)?;
        if self.unreachable == Some(function.bus()) {
            return Err(PciError::OutOfReach { function, offset_bytes });
        }
        Ok(())
    }
}

impl ConfigAccess for Bus {
    fn read32(&mut self, function: Function, offset_bytes: u16) -> Result<u32, PciError> {
        self.check(function, offset_bytes)?;
        let answers = self.answers();
        let found = self.functions.get(&function).filter(|_| answers);
        Ok(found.map_or(u32::MAX, |config| config.word(offset_bytes)))
    }

    fn write32(&mut self, function: Function, offset_bytes: u16, value: u32) -> Result<(), PciError> {
        self.check(function, offset_bytes)?;
        if self.answers()
            && let Some(config) = self.functions.get_mut(&function)
        {
            self.writes.push((offset_bytes, value));
            let bar = (0x10..0x28).contains(&offset_bytes);
            self.decoded_bar_writes += usize::from(bar && config.word(COMMAND) & 3 != 0);
            config.write(offset_bytes, value);
        }
        Ok(())
    }
}
