//! What is on the bus.

use super::access::{ALL_ONES, BUSES, CLASS, HEADER, ID};
use super::{ConfigAccess, Function, PciError};
use crate::num::{low8, low16};

/// Intel's vendor id.
pub const INTEL: u16 = 0x8086;
/// Base class of display controllers.
pub const DISPLAY: u8 = 0x03;

/// A function that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Found {
    /// Where.
    pub function: Function,
    /// Vendor id.
    pub vendor: u16,
    /// Device id.
    pub device: u16,
    /// Base class.
    pub base_class: u8,
    /// Class below it.
    pub sub_class: u8,
    /// Revision id.
    pub revision: u8,
}

/// The functions of a segment, from root buses down, as an iterator.
///
/// Every bus is looked at once, so a scan ends after 256 buses whatever bridges say of what is below them. A function
/// that answers to its address and not to a second look is left out. A bus that the access does not reach is an error
/// of its own and the scan goes on behind it.
#[derive(Debug)]
pub struct Scan<C> {
    access: C,
    segment: u16,
    /// Buses that are known and were not looked at.
    pending: Buses,
    /// Buses that are known.
    known: Buses,
    /// The bus that is looked at, and the next place on it.
    at: Option<(u8, u8)>,
}

/// A set of buses, a bit each.
#[derive(Clone, Copy, Debug, Default)]
struct Buses([u64; 4]);

impl Buses {
    fn insert(&mut self, bus: u8) {
        if let Some(word) = self.0.get_mut(usize::from(bus >> 6)) {
            *word |= 1 << (bus & 63);
        }
    }

    fn has(&self, bus: u8) -> bool {
        self.0.get(usize::from(bus >> 6)).is_some_and(|word| word >> (bus & 63) & 1 != 0)
    }

    /// Takes the lowest out.
    fn take(&mut self) -> Option<u8> {
        for (word, base) in self.0.iter_mut().zip([0, 64, 128, 192]) {
            if *word != 0 {
                let bit = low8(word.trailing_zeros());
                *word &= word.wrapping_sub(1);
                return Some(bit | base);
            }
        }
        None
    }
}

impl<C: ConfigAccess> Scan<C> {
    /// A scan of segment 0 from bus 0 on.
    pub fn new(access: C) -> Self {
        Self::of_segment(access, 0, &[0])
    }

    /// A scan of a segment from these root buses on.
    pub fn of_segment(access: C, segment: u16, roots: &[u8]) -> Self {
        let mut known = Buses::default();
        for bus in roots {
            known.insert(*bus);
        }
        Self { access, segment, pending: known, known, at: None }
    }

    /// The place to look at next: bus, and device and function in one.
    fn advance(&mut self) -> Option<(u8, u8)> {
        let place = match self.at {
            Some(place) => place,
            None => (self.pending.take()?, 0),
        };
        let (bus, slot) = place;
        self.at = slot.checked_add(1).map(|next| (bus, next));
        Some(place)
    }

    /// Goes on at the next device of the bus.
    fn skip_device(&mut self, (bus, slot): (u8, u8)) {
        self.at = (slot | 7).checked_add(1).map(|next| (bus, next));
    }

    /// Looks at one place.
    fn look(&mut self, place: (u8, u8)) -> Result<Option<Found>, PciError> {
        let (bus, slot) = place;
        let Some(function) = Function::new(self.segment, bus, slot >> 3, slot & 7) else { return Ok(None) };
        let id = self.access.read32(function, ID)?;
        if id == ALL_ONES {
            // Without its first function a device has none.
            if slot & 7 == 0 {
                self.skip_device(place);
            }
            return Ok(None);
        }
        let header = self.access.read32(function, HEADER)?;
        let class = self.access.read32(function, CLASS)?;
        if slot & 7 == 0 && header >> 23 & 1 == 0 {
            self.skip_device(place);
        }
        if header == ALL_ONES || class == ALL_ONES {
            return Ok(None);
        }
        if header >> 16 & 0x7F == 1 {
            self.note_bridge(function)?;
        }
        Ok(Some(Found {
            function,
            vendor: low16(id),
            device: low16(id >> 16),
            base_class: low8(class >> 24),
            sub_class: low8(class >> 16),
            revision: low8(class),
        }))
    }

    /// Remembers the bus below a bridge, unless it is known.
    fn note_bridge(&mut self, bridge: Function) -> Result<(), PciError> {
        let buses = self.access.read32(bridge, BUSES)?;
        let below = low8(buses >> 8);
        // Bus 0 below a bridge: firmware has not numbered it.
        if buses != ALL_ONES && below != 0 && !self.known.has(below) {
            self.known.insert(below);
            self.pending.insert(below);
        }
        Ok(())
    }
}

impl<C: ConfigAccess> Iterator for Scan<C> {
    type Item = Result<Found, PciError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let place = self.advance()?;
            match self.look(place) {
                Ok(None) => {}
                Ok(Some(found)) => return Some(Ok(found)),
                Err(error) => {
                    self.at = None;
                    return Some(Err(error));
                }
            }
        }
    }
}

/// The first function of a vendor in segment 0 that belongs to a base class; `None` if there is none.
///
/// # Errors
/// Only if nothing was found: the first error of the scan.
pub fn find<C: ConfigAccess>(access: C, vendor: u16, base_class: u8) -> Result<Option<Found>, PciError> {
    let mut first_error = None;
    for found in Scan::new(access) {
        match found {
            Ok(found) if found.vendor == vendor && found.base_class == base_class => return Ok(Some(found)),
            Ok(_) => {}
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    first_error.map_or(Ok(None), Err)
}
