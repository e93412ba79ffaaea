//! What is measured, and a batch of each kind. Time is that of the thread: what else the machine does is not counted.

use super::traffic::Put;
use core::hint::black_box;
use core::time::Duration;
use cpu_time::ThreadTime;

/// A map of ranges.
pub(crate) trait Ranges {
    fn empty(live: u64) -> Self;

    /// Puts a range there, whatever it overlaps.
    fn put(&mut self, put: &Put);

    /// Empties a range, whatever it overlaps.
    fn cut(&mut self, start: u64, end: u64);

    /// Something of what is found at an address.
    fn find(&self, addr: u64) -> Option<u64>;

    /// Ranges it holds.
    fn len(&self) -> usize;

    /// Bytes in use, where that is known.
    fn bytes(&self) -> Option<u64> {
        None
    }
}

/// A map of ranges with its batches.
pub(crate) trait Contender {
    fn puts(&mut self, puts: &[Put]) -> Duration;

    fn cuts(&mut self, cuts: &[Put]) -> Duration;

    fn finds(&mut self, addresses: &[u64]) -> Duration;

    /// Fills a new map; letting it go is not timed.
    fn fill(&self, puts: &[Put]) -> Duration;

    fn len(&self) -> usize;

    fn bytes(&self) -> Option<u64>;
}

impl<R: Ranges> Contender for R {
    #[inline(never)]
    fn puts(&mut self, puts: &[Put]) -> Duration {
        let begin = ThreadTime::now();
        for put in puts {
            self.put(put);
        }
        begin.elapsed()
    }

    #[inline(never)]
    fn cuts(&mut self, cuts: &[Put]) -> Duration {
        let begin = ThreadTime::now();
        for cut in cuts {
            self.cut(cut.start, cut.end);
        }
        begin.elapsed()
    }

    #[inline(never)]
    fn finds(&mut self, addresses: &[u64]) -> Duration {
        let begin = ThreadTime::now();
        let mut sum = 0u64;
        for addr in addresses {
            sum = sum.wrapping_add(self.find(*addr).unwrap_or(0));
        }
        black_box(sum);
        begin.elapsed()
    }

    #[inline(never)]
    fn fill(&self, puts: &[Put]) -> Duration {
        let mut new = R::empty(puts.len() as u64);
        let begin = ThreadTime::now();
        for put in puts {
            new.put(put);
        }
        let time = begin.elapsed();
        assert_eq!(new.len(), puts.len());
        time
    }

    fn len(&self) -> usize {
        Ranges::len(self)
    }

    fn bytes(&self) -> Option<u64> {
        Ranges::bytes(self)
    }
}
