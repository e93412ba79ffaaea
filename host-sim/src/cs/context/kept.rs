//! State of an engine that belongs to the context, and its form in the part of the image that hardware owns.
//!
//! How real hardware lays this part out is not published. Here it stands at the end of the register page, with a mark
//! that says it was saved: a driver that asks for a restore of what never was saved is found out.

use crate::bus::Bus;
use crate::cs::access::Space;
use crate::cs::commands::math::Gprs;
use crate::cs::streamer::Frame;
use crate::cs::{Stop, Streamer};

/// Deepest nesting: a batch and a second-level batch.
pub(in crate::cs) const LEVELS: usize = 2;

/// What a context takes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cs) struct EngineState {
    pub(in crate::cs) gprs: Gprs,
    pub(in crate::cs) frames: Vec<Frame>,
    pub(in crate::cs) arbitration: bool,
    pub(in crate::cs) skipping: bool,
    /// `PREDICATE` registers: SRC0, SRC1 (64 bit each), RESULT, `RESULT_1`, `RESULT_2`.
    pub(in crate::cs) predicate_sources: [u64; 2],
    pub(in crate::cs) predicate_results: [u32; 3],
}

impl Default for EngineState {
    fn default() -> Self {
        Self {
            gprs: [0; 16],
            frames: Vec::new(),
            arbitration: true,
            skipping: false,
            predicate_sources: [0; 2],
            predicate_results: [0; 3],
        }
    }
}

/// Offset from the context's address, and qwords.
const AT: u64 = 0x1C00;
const QWORDS: usize = 32;
const MARK: u64 = 0x5345_5641_5453_4258;

type Words = [u64; QWORDS];

impl EngineState {
    fn words(&self) -> Words {
        let flags = u64::from(self.arbitration) | u64::from(self.skipping) << 1;
        let space = |frame: &Frame| u64::from(frame.space == Space::Ppgtt);
        let mut frames = [0; 1 + 2 * LEVELS];
        let [count, pairs @ ..] = &mut frames;
        *count = self.frames.len() as u64;
        for (pair, frame) in pairs.as_chunks_mut::<2>().0.iter_mut().zip(&self.frames) {
            *pair = [frame.addr, space(frame)];
        }
        let [first, second, third] = self.predicate_results.map(u64::from);
        let mut words = [0; QWORDS];
        let parts = [MARK, flags]
            .into_iter()
            .chain(frames)
            .chain(self.gprs)
            .chain(self.predicate_sources)
            .chain([first, second, third]);
        for (word, part) in words.iter_mut().zip(parts) {
            *word = part;
        }
        words
    }

    /// None if the words were not made by [`words`](Self::words).
    fn from_words(words: &Words) -> Option<Self> {
        let [MARK, flags, count, a, in_a, b, in_b, rest @ ..] = *words else { return None };
        let frame = |addr, inside| Frame { addr, space: if inside == 1 { Space::Ppgtt } else { Space::Ggtt } };
        let mut frames = vec![frame(a, in_a), frame(b, in_b)];
        frames.truncate(usize::try_from(count).ok().filter(|count| *count <= LEVELS)?);
        let (gprs, rest) = rest.split_first_chunk::<16>()?;
        let (sources, rest) = rest.split_first_chunk::<2>()?;
        let (results, _) = rest.split_first_chunk::<3>()?;
        Some(Self {
            gprs: *gprs,
            frames,
            arbitration: flags & 1 != 0,
            skipping: flags & 2 != 0,
            predicate_sources: *sources,
            predicate_results: results.map(|word| word as u32),
        })
    }
}

impl Streamer {
    /// Loads the state of a context that was saved.
    pub(in crate::cs) fn load_state(&mut self, bus: &mut dyn Bus, lrca: u32) -> Result<EngineState, Stop> {
        let mut bytes = [[0; 8]; QWORDS];
        self.read(bus, Space::Ggtt, u64::from(lrca) + AT, bytes.as_flattened_mut())?;
        EngineState::from_words(&bytes.map(u64::from_le_bytes)).ok_or_else(|| {
            let text = "context image: its engine state was never saved, yet restoring it is not inhibited";
            Stop::Instruction(String::from(text))
        })
    }

    /// Saves the state into the image.
    pub(in crate::cs) fn store_state(&mut self, bus: &mut dyn Bus, lrca: u32) -> Result<(), Stop> {
        let bytes = self.state.words().map(u64::to_le_bytes);
        self.write(bus, Space::Ggtt, u64::from(lrca) + AT, bytes.as_flattened())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_back_as_it_was_saved() {
        let state = EngineState {
            gprs: core::array::from_fn(|n| n as u64 * 0x0123_4567_89AB),
            frames: vec![
                Frame { addr: 0xFFFF_8000_0000_1000, space: Space::Ppgtt },
                Frame { addr: 0x2000, space: Space::Ggtt },
            ],
            arbitration: false,
            skipping: true,
            predicate_sources: [1, u64::MAX],
            predicate_results: [7, 8, u32::MAX],
        };
        for state in [state, EngineState::default()] {
            assert_eq!(EngineState::from_words(&state.words()), Some(state));
        }
    }

    #[test]
    fn anything_else_is_no_state() {
        assert_eq!(EngineState::from_words(&[0; QWORDS]), None);
        let mut words = EngineState::default().words();
        words[2] = 3;
        assert_eq!(EngineState::from_words(&words), None, "three frames");
    }
}
