//! Contents that make no sense.

use super::*;

/// A generator whose every value is reproducible: xorshift.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[test]
fn no_batch_ring_image_or_table_panics_or_outlives_its_budget() {
    let mut noise = Noise(0x9E37_79B9_7F4A_7C15);
    for round in 0..3000u32 {
        let mut rig = if round % 2 == 0 { Rig::tgl() } else { Rig::lnl() };
        let words: Vec<u32> = (0..64)
            .map(|_| {
                // Mostly real opcodes with random operands, some pure noise.
                let random = noise.next();
                let opcode = (random >> 32 & 0x3F) as u32;
                match random % 8 {
                    0 => random as u32,
                    1 => 0x5000_0000 | (random as u32 & 0x0FFF_FFFF),
                    2 => VA as u32 + (random as u32 & 0xFFC),
                    3 => random as u32 & 0xFF,
                    _ => opcode << 23 | (random as u32 & 0x00C0_0007),
                }
            })
            .collect();
        match round % 4 {
            0 | 1 => rig.bus.put32(DATA, &words),
            2 => rig.bus.put64(ROOT, &[noise.next(), noise.next()]),
            _ => rig.bus.put32(u64::from(LRCA) + 0x1000 + FRAME + 4 * (noise.next() % 0x60), &[noise.next() as u32]),
        }
        rig.job();
        if round % 4 == 1 {
            rig.ring(&words);
        }
        for _ in 0..3 {
            assert!(rig.go(300).commands <= 300);
        }
    }
}
