//! Where a function is on the bus.

use core::fmt;

/// Address of a PCI function: segment, bus, device, function.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Function {
    segment: u16,
    /// Bus in 15:8, device in 7:3, function in 2:0.
    requester: u16,
}

impl Function {
    /// Segment 0, bus 0, device 2, function 0: where every integrated Intel GPU is.
    pub const INTEGRATED_GPU: Self = Self { segment: 0, requester: 2 << 3 };

    /// The function with these numbers; `None` if there are no such ones: devices go to 31, functions to 7.
    #[must_use]
    pub const fn new(segment: u16, bus: u8, device: u8, function: u8) -> Option<Self> {
        if device < 32 && function < 8 {
            // Lossless.
            Some(Self { segment, requester: (bus as u16) << 8 | (device as u16) << 3 | function as u16 })
        } else {
            None
        }
    }

    /// Group of buses it belongs to; 0 on most machines.
    #[must_use]
    pub const fn segment(self) -> u16 {
        self.segment
    }

    /// Bus.
    #[must_use]
    pub const fn bus(self) -> u8 {
        (self.requester >> 8) as u8
    }

    /// Device on the bus, below 32.
    #[must_use]
    pub const fn device(self) -> u8 {
        (self.requester >> 3 & 0x1F) as u8
    }

    /// Function of the device, below 8.
    #[must_use]
    pub const fn function(self) -> u8 {
        (self.requester & 7) as u8
    }

    /// Its id in the messages it sends: bus in 15:8, device in 7:3, function in 2:0.
    #[must_use]
    pub const fn requester(self) -> u16 {
        self.requester
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bus, device, function) = (self.bus(), self.device(), self.function());
        write!(f, "{:04x}:{bus:02x}:{device:02x}.{function}", self.segment)
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pci:{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn every_number_keeps_its_place() {
        let function = Function::new(0x1234, 0xAB, 0x1F, 7).unwrap();
        assert_eq!((function.segment(), function.bus(), function.device(), function.function()), (0x1234, 0xAB, 31, 7));
        assert_eq!((function.requester(), function.to_string().as_str()), (0xABFF, "1234:ab:1f.7"));
        assert_eq!(Function::INTEGRATED_GPU, Function::new(0, 0, 2, 0).unwrap());
        assert!(Function::new(0, 0, 32, 0).is_none() && Function::new(0, 0, 0, 8).is_none());
    }
}
