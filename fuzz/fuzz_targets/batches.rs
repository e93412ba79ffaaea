//! Command streams: words of commands that there are, with addresses, registers and noise between.
#![no_main]

use arbitrary::Arbitrary;
use barexe_core::device::request::ExecCall;
use barexe_fuzz::{BO_BYTES, VA, on_a_device};
use barexe_hal::{GpuVa, Nanos};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Dword {
    /// A command of the MI family: opcode, flags, length.
    Mi(u8, u16, u8),
    /// A command of the blitter.
    Blit(u8, u16, u8),
    /// The lower half of an address of the client's own.
    Address(u16),
    Zero,
    Register(u16),
    End,
    Check,
    Noise(u32),
}

impl Dword {
    fn value(self) -> u32 {
        match self {
            Self::Mi(opcode, flags, len) => {
                u32::from(opcode & 0x3F) << 23 | u32::from(flags) << 8 & 0x7F_FF00 | u32::from(len % 16)
            }
            Self::Blit(opcode, flags, len) => {
                2 << 29 | u32::from(opcode & 0x7F) << 22 | u32::from(flags) << 8 & 0x3F_FF00 | u32::from(len % 24)
            }
            Self::Address(at) => VA as u32 + (u32::from(at) & (BO_BYTES as u32 - 4)),
            Self::Zero => 0,
            Self::Register(at) => 0x2_2000 + (u32::from(at) & 0xFFC),
            Self::End => 0x0500_0000,
            Self::Check => 0x0280_0000,
            Self::Noise(noise) => noise,
        }
    }
}

#[derive(Arbitrary, Debug)]
struct Input {
    on_lnl: bool,
    jobs: Vec<(u8, Vec<Dword>)>,
}

fuzz_target!(|input: Input| {
    on_a_device(input.on_lnl, |scene| {
        let own = scene.hostile;
        for (wait, dwords) in input.jobs.iter().take(4) {
            let batch: Vec<u32> = dwords.iter().take(BO_BYTES as usize / 8).map(|dword| dword.value()).collect();
            scene.write(0, &batch);
            let call = ExecCall { queue: own.queue, batches: &[GpuVa::new(VA).unwrap()] };
            let _ = scene.device.exec(own.client, &call, &mut &[][..]);
            scene.pass(Nanos::from_micros(u64::from(*wait) * 4));
        }
        scene.pass(Nanos::from_millis(3));
        assert!(scene.device.is_quiet(), "a job that nothing ends");
    });
});
