//! The command streamer's ALU (commands sheet §1.4, `MI_MATH`).

use crate::cs::Stop;

/// Registers the ALU works on: general purpose registers 0 to 15.
pub(in crate::cs) type Gprs = [u64; 16];

#[derive(Default)]
struct Alu {
    a: u64,
    b: u64,
    accu: u64,
    zero: bool,
    carry: bool,
}

const fn flag(value: bool) -> u64 {
    if value { u64::MAX } else { 0 }
}

impl Alu {
    fn source(&self, gprs: &Gprs, operand: u32) -> Option<u64> {
        match operand {
            0x00..=0x0F => gprs.get(operand as usize).copied(),
            0x20 => Some(self.a),
            0x21 => Some(self.b),
            0x31 => Some(self.accu),
            0x32 => Some(flag(self.zero)),
            0x33 => Some(flag(self.carry)),
            _ => None,
        }
    }

    const fn load(&mut self, operand: u32, value: u64) -> Option<()> {
        match operand {
            0x20 => self.a = value,
            0x21 => self.b = value,
            _ => return None,
        }
        Some(())
    }

    const fn set(&mut self, value: u64, carry: bool) {
        self.accu = value;
        self.zero = value == 0;
        self.carry = carry;
    }

    const fn calculate(&mut self, opcode: u32, shifts: bool) -> Option<()> {
        let amount = (self.b & 63) as u32;
        match opcode {
            0x100 => {
                let (sum, carry) = self.a.overflowing_add(self.b);
                self.set(sum, carry);
            }
            0x101 => {
                let (difference, borrow) = self.a.overflowing_sub(self.b);
                self.set(difference, borrow);
            }
            0x102 => self.set(self.a & self.b, false),
            0x103 => self.set(self.a | self.b, false),
            0x104 => self.set(self.a ^ self.b, false),
            0x105 if shifts => self.set(self.a << amount, false),
            0x106 if shifts => self.set(self.a >> amount, false),
            0x107 if shifts => self.set((self.a.cast_signed() >> amount).cast_unsigned(), false),
            _ => return None,
        }
        Some(())
    }

    fn step(&mut self, gprs: &mut Gprs, dword: u32, shifts: bool) -> Option<()> {
        let (opcode, first, second) = (dword >> 20, dword >> 10 & 0x3FF, dword & 0x3FF);
        match opcode {
            0x000..=0x002 => Some(()),
            0x080 => self.load(first, self.source(gprs, second)?),
            0x480 => self.load(first, !self.source(gprs, second)?),
            0x081 => self.load(first, 0),
            0x481 => self.load(first, u64::MAX),
            0x180 | 0x580 => {
                let value = self.source(gprs, second)?;
                let target = gprs.get_mut(first as usize)?;
                *target = if opcode == 0x180 { value } else { !value };
                Some(())
            }
            _ => self.calculate(opcode, shifts),
        }
    }
}

/// Runs the ALU dwords of one command.
///
/// # Errors
/// An operation or operand that does not exist; earlier dwords have taken effect.
pub(in crate::cs) fn run(gprs: &mut Gprs, program: &[u32], shifts: bool) -> Result<(), Stop> {
    let mut alu = Alu::default();
    for dword in program {
        let done = alu.step(gprs, *dword, shifts);
        done.ok_or_else(|| Stop::Instruction(format!("{dword:#010x} is no operation")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_of_the_sheet_is_stored_inverted() {
        let mut gprs = [0; 16];
        (gprs[0], gprs[1]) = (5, 7);
        run(&mut gprs, &[0x0800_8001, 0x0800_8400, 0x1010_0000, 0x5800_0431], false).unwrap();
        assert_eq!(gprs[1], 0xFFFF_FFFF_FFFF_FFFD);
    }

    #[test]
    fn flags_are_stored_as_all_ones_or_zero() {
        let mut gprs = [0; 16];
        (gprs[0], gprs[1]) = (1, 2);
        // SRCA = R0, SRCB = R1, SUB, R2 = CF, R3 = ZF.
        run(&mut gprs, &[0x0800_8000, 0x0800_8401, 0x1010_0000, 0x1800_0833, 0x1800_0C32], false).unwrap();
        assert_eq!((gprs[2], gprs[3]), (u64::MAX, 0));
    }

    #[test]
    fn shifts_exist_only_where_the_version_has_them() {
        let mut gprs = [0; 16];
        (gprs[0], gprs[1]) = (3, 4);
        let program = [0x0800_8000, 0x0800_8401, 0x1050_0000, 0x1800_0831];
        assert!(run(&mut gprs, &program, false).is_err());
        run(&mut gprs, &program, true).unwrap();
        assert_eq!(gprs[2], 48);
    }

    #[test]
    fn no_dword_makes_it_fail_otherwise() {
        let mut gprs = [1; 16];
        for dword in (0..u32::MAX).step_by(0x0003_0107) {
            let _ = run(&mut gprs, &[dword], true);
        }
    }
}
