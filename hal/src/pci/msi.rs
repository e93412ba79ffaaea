//! Message-signalled interrupts: one message, 32 or 64 bits of address, with masking if there is any.

use super::access::{check_present, read_live};
use super::{ConfigAccess, Function, PciError, capability};
use crate::num::{high32, joined, low16, low32};

/// Capability id.
const ID: u8 = 0x05;
/// Message control, in the upper half of the capability's first dword.
const ENABLE: u16 = 1 << 0;
/// How many messages may be sent, as a power of two.
const MESSAGES: u16 = 7 << 4;
const WIDE: u16 = 1 << 7;
const MASKABLE: u16 = 1 << 8;

/// What a function writes, and where, to interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct MsiMessage {
    /// Bus address, a multiple of 4.
    pub address: u64,
    /// The word written there.
    pub data: u16,
}

/// The MSI capability of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Msi {
    function: Function,
    at: u16,
    wide: bool,
    maskable: bool,
}

/// What was in the capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct MsiState {
    control: u16,
    message: MsiMessage,
    mask: u32,
}

impl Msi {
    /// The capability of a function.
    ///
    /// # Errors
    /// [`PciError::NoCapability`] if it has none, [`PciError::CapabilityPointer`] also for one that does not fit where it
    /// is, and as [`capability`].
    pub fn find<C: ConfigAccess>(access: &mut C, function: Function) -> Result<Self, PciError> {
        let none = PciError::NoCapability { id: u16::from(ID) };
        let at = capability(access, function, ID)?.ok_or(none)?;
        let control = low16(read_live(access, function, at)? >> 16);
        let msi = Self { function, at, wide: control & WIDE != 0, maskable: control & MASKABLE != 0 };
        let last = if msi.maskable { msi.mask_at() } else { msi.data_at() };
        if last < 0x100 { Ok(msi) } else { Err(PciError::CapabilityPointer { at, target: last }) }
    }

    /// Whether messages may go above 4 GiB.
    #[must_use]
    pub const fn is_wide(self) -> bool {
        self.wide
    }

    /// Whether messages can be masked.
    #[must_use]
    pub const fn is_maskable(self) -> bool {
        self.maskable
    }

    /// Refuses messages to where the function cannot write.
    pub(super) const fn check_reach(self, message: MsiMessage) -> Result<(), PciError> {
        if high32(message.address) != 0 && !self.wide {
            Err(PciError::MessageAddress { address: message.address })
        } else {
            Ok(())
        }
    }

    const fn address_at(self) -> u16 {
        self.at.saturating_add(4)
    }

    const fn data_at(self) -> u16 {
        self.at.saturating_add(if self.wide { 12 } else { 8 })
    }

    const fn mask_at(self) -> u16 {
        self.data_at().saturating_add(4)
    }

    /// Lets the function send one message, this one. It sends none while bus mastering is off.
    ///
    /// # Errors
    /// [`PciError::MessageAddress`], [`PciError::Gone`], and what the access says; messages are off then.
    pub fn enable<C: ConfigAccess>(self, access: &mut C, message: MsiMessage) -> Result<(), PciError> {
        self.check_reach(message)?;
        let before = self.control(access)?;
        let state = MsiState { control: before & !MESSAGES | ENABLE, message, mask: 0 };
        self.restore(access, &state)?;
        check_present(access, self.function)
    }

    /// Stops messages. After it returns none comes: the read behind the write pushes those before it.
    ///
    /// # Errors
    /// What the access says.
    pub fn disable<C: ConfigAccess>(self, access: &mut C) -> Result<(), PciError> {
        let control = self.control(access)?;
        self.write_control(access, control & !ENABLE)?;
        self.control(access).map(|_| ())
    }

    /// What is in the capability.
    ///
    /// # Errors
    /// [`PciError::Gone`], and what the access says.
    pub fn save<C: ConfigAccess>(self, access: &mut C) -> Result<MsiState, PciError> {
        let control = self.control(access)?;
        let low = access.read32(self.function, self.address_at())?;
        let high = if self.wide { access.read32(self.function, self.address_at().saturating_add(4))? } else { 0 };
        let data = low16(access.read32(self.function, self.data_at())?);
        let mask = if self.maskable { access.read32(self.function, self.mask_at())? } else { 0 };
        check_present(access, self.function)?;
        Ok(MsiState { control, message: MsiMessage { address: joined(low, high), data }, mask })
    }

    /// Puts back what was in the capability; messages are off in between.
    ///
    /// # Errors
    /// What the access says.
    pub fn restore<C: ConfigAccess>(self, access: &mut C, state: &MsiState) -> Result<(), PciError> {
        let MsiState { control, message, mask } = *state;
        self.write_control(access, control & !ENABLE)?;
        access.write32(self.function, self.address_at(), low32(message.address))?;
        if self.wide {
            access.write32(self.function, self.address_at().saturating_add(4), high32(message.address))?;
        }
        access.write32(self.function, self.data_at(), u32::from(message.data))?;
        if self.maskable {
            access.write32(self.function, self.mask_at(), mask)?;
        }
        self.write_control(access, control)
    }

    fn control<C: ConfigAccess>(self, access: &mut C) -> Result<u16, PciError> {
        Ok(low16(read_live(access, self.function, self.at)? >> 16))
    }

    /// Id and pointer in the lower half of the dword are read-only.
    fn write_control<C: ConfigAccess>(self, access: &mut C, control: u16) -> Result<(), PciError> {
        access.write32(self.function, self.at, u32::from(control) << 16)
    }
}
