//! Sequences of ioctls: byte strings with the client's own handles, pointers and small numbers strewn in.
#![no_main]

use arbitrary::Arbitrary;
use barexe_core::uapi::{self, Call};
use barexe_fuzz::{MEMORY, Owned, Ram, VA, on_a_device};
use barexe_hal::Nanos;
use libfuzzer_sys::fuzz_target;

/// One word of an argument struct.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Word {
    Zero,
    Small(u8),
    /// The client's own objects, and the neighbour's.
    Own(u8),
    Pair(u8, u8),
    Pointer(u8),
    Address(u8),
    Noise(u64),
}

impl Word {
    fn value(self, own: &Owned, other: &Owned) -> u64 {
        let ids = [own, other].map(|of| [of.vm, of.bo, of.queue, of.bind_queue, of.syncobj]);
        let id = |which: u8| u64::from(ids.as_flattened()[usize::from(which) % 10]);
        match self {
            Self::Zero => 0,
            Self::Small(small) => u64::from(small),
            Self::Own(which) => id(which),
            Self::Pair(low, high) => u64::from(low % 16) | id(high) << 32,
            Self::Pointer(at) => MEMORY + u64::from(at) * 8,
            Self::Address(page) => VA + u64::from(page) * 0x1000,
            Self::Noise(noise) => noise,
        }
    }
}

/// What the client does next.
#[derive(Arbitrary, Debug)]
enum Step {
    /// A call that there is.
    Call(u8, Vec<Word>),
    /// Any request code.
    Request(u32, Vec<Word>),
    Memory(Vec<Word>),
    Pass(u8),
}

#[derive(Arbitrary, Debug)]
struct Input {
    on_lnl: bool,
    steps: Vec<Step>,
}

fuzz_target!(|input: Input| {
    on_a_device(input.on_lnl, |scene| {
        let (own, other) = (scene.hostile, scene.neighbour);
        let bytes = |words: &[Word], len: usize| {
            let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.value(&own, &other).to_le_bytes()).collect();
            bytes.resize(len, 0);
            bytes
        };
        let mut ram = Ram(vec![0; 2048]);
        for step in input.steps.iter().take(64) {
            let (request, words) = match step {
                Step::Call(which, words) => (Call::ALL[usize::from(*which) % Call::ALL.len()].request(), words),
                Step::Request(request, words) => (*request, words),
                Step::Memory(words) => {
                    ram = Ram(bytes(words, 2048));
                    continue;
                }
                Step::Pass(microseconds) => {
                    scene.pass(Nanos::from_micros(u64::from(*microseconds)));
                    continue;
                }
            };
            let mut arg = bytes(words, uapi::request::size_bytes(request).min(512));
            let _ = uapi::ioctl(&mut scene.device, own.client, request, &mut arg, &mut ram);
        }
    });
});
