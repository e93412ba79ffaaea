//! The client's memory: mapped buffer objects, tracked ranges, and what the running call points to.
//!
//! Any other address is unreadable, which is what an `EFAULT` of a recording rests on. Mapped objects belong to the
//! device, which is busy with the call while the call looks at memory; so pages of them are copied here before a call
//! ([`Memory::load`]), and what it wrote is given back afterwards ([`Memory::store`]).

use super::mappings::{Mappings, parts};
use barexe_hal::{ClientAddr, ClientFault, ClientMemory};
use core::ops::Range;
use std::collections::BTreeMap;

const PAGE: u64 = 4096;

/// How the memory of mapped objects is reached. Offsets count from the start of the object.
pub trait Objects<M> {
    /// Copies bytes out; false if they cannot be had.
    fn read(&mut self, mapping: M, offset: u64, into: &mut [u8]) -> bool;
    /// Copies bytes in; false if that is not possible.
    fn write(&mut self, mapping: M, offset: u64, from: &[u8]) -> bool;
}

/// Bytes at an address.
type Region = (u64, Vec<u8>);

/// One process's memory.
#[derive(Clone, Debug)]
pub struct Memory<M> {
    /// Mapped objects.
    pub objects: Mappings<M>,
    user: Vec<Region>,
    call: Vec<Region>,
    /// Pages of mapped objects that calls may look at.
    window: BTreeMap<u64, Vec<u8>>,
    /// What calls wrote into mapped objects, and the objects do not have yet.
    written: Vec<Region>,
    /// What calls wrote into tracked memory, and the device does not have yet.
    written_user: Vec<Region>,
}

impl<M> Default for Memory<M> {
    fn default() -> Self {
        let (user, call) = (Vec::new(), Vec::new());
        let (window, written, written_user) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { objects: Mappings::default(), user, call, window, written, written_user }
    }
}

/// Tracked memory.
impl<M: Copy + PartialEq> Memory<M> {
    /// The range matters from here on and reads as zero.
    pub fn track(&mut self, addr: u64, length: u64) {
        self.untrack(addr, length);
        self.user.push((addr, vec![0; index(length)]));
    }

    /// The range matters no longer.
    pub fn untrack(&mut self, addr: u64, length: u64) {
        let gone = addr..addr.saturating_add(length);
        self.user = core::mem::take(&mut self.user).iter().flat_map(|region| without(region, &gone)).collect();
    }

    /// The pages of the range were replaced by fresh ones.
    pub fn refresh(&mut self, addr: u64, length: u64) {
        let fresh = addr..addr.saturating_add(length);
        for (start, bytes) in &mut self.user {
            let inside = (*start..).zip(bytes).filter(|(at, _)| fresh.contains(at));
            inside.for_each(|(_, byte)| *byte = 0);
        }
    }

    /// The range is gone, with everything in it; mappings of which nothing is left.
    pub fn unmap(&mut self, addr: u64, length: u64) -> Vec<M> {
        let gone = addr..addr.saturating_add(length);
        self.untrack(addr, length);
        self.window.retain(|page, _| !gone.contains(page));
        self.objects.remove(&gone)
    }

    /// Tracked bytes; none if they are not all tracked.
    #[must_use]
    pub fn user(&self, addr: u64, len: usize) -> Option<&[u8]> {
        self.user.iter().find_map(|region| inside(region, addr)).and_then(|bytes| bytes.get(..len))
    }

    /// Whether anything of a range is tracked.
    #[must_use]
    pub fn tracks(&self, range: &Range<u64>) -> bool {
        self.user
            .iter()
            .any(|(start, bytes)| *start < range.end && range.start < start.saturating_add(bytes.len() as u64))
    }

    /// Fetches all tracked bytes from where the device has them.
    pub fn fetch_user(&mut self, read: impl Fn(u64, usize) -> Option<Vec<u8>>) {
        for (start, bytes) in &mut self.user {
            if let Some(found) = read(*start, bytes.len()) {
                *bytes = found;
            }
        }
    }

    /// What calls wrote into tracked bytes since it was asked for last.
    pub fn take_written_user(&mut self) -> Vec<(u64, Vec<u8>)> {
        core::mem::take(&mut self.written_user)
    }

    /// The client writes tracked bytes; false if they are not all tracked.
    pub fn write_user(&mut self, addr: u64, from: &[u8]) -> bool {
        let place = self.user.iter_mut().find_map(|region| inside_mut(region, addr));
        let place = place.and_then(|bytes| bytes.get_mut(..from.len()));
        place.map(|place| place.copy_from_slice(from)).is_some()
    }
}

/// Around calls.
impl<M: Copy + PartialEq> Memory<M> {
    /// Begins a call that points to `payloads`. Every word of it that is an address in a mapped object opens that
    /// place to this call and later ones: a user fence may be stored there long after.
    pub fn begin(&mut self, arg: &[u8], payloads: Vec<Region>) {
        for bytes in core::iter::once(arg).chain(payloads.iter().map(|(_, bytes)| bytes.as_slice())) {
            for word in bytes.as_chunks::<8>().0 {
                self.open(u64::from_le_bytes(*word));
            }
        }
        self.call = payloads;
    }

    /// Ends the call; what it pointed to.
    pub fn end(&mut self) -> Vec<Region> {
        core::mem::take(&mut self.call)
    }

    /// Opens the page of an address in a mapped object, and the next one.
    fn open(&mut self, addr: u64) {
        let page = addr & !(PAGE - 1);
        if self.objects.at(addr).is_some() {
            for page in [Some(page), page.checked_add(PAGE)].into_iter().flatten() {
                self.window.entry(page).or_default();
            }
        }
    }

    /// Copies what is open of the objects.
    pub fn load(&mut self, objects: &mut impl Objects<M>) {
        for (page, bytes) in &mut self.window {
            bytes.resize(index(PAGE), 0);
            let found = self.objects.at(*page);
            if !found.is_some_and(|(mapping, offset)| objects.read(mapping, offset, bytes)) {
                bytes.clear();
            }
        }
        self.window.retain(|_, bytes| !bytes.is_empty());
    }

    /// Gives the objects what was written.
    pub fn store(&mut self, objects: &mut impl Objects<M>) {
        for (addr, bytes) in core::mem::take(&mut self.written) {
            if let Some((mapping, offset)) = self.objects.at(addr) {
                objects.write(mapping, offset, &bytes);
            }
        }
    }

    /// What lies at an address, as far as it lies in one place.
    fn at(&self, addr: u64) -> Option<&[u8]> {
        let page = addr & !(PAGE - 1);
        let window = || self.window.get(&page).and_then(|bytes| bytes.get(index(addr - page)..));
        let listed = self.call.iter().chain(&self.user).find_map(|region| inside(region, addr));
        listed.or_else(window).filter(|bytes| !bytes.is_empty())
    }

    /// A range of addresses in pieces that lie in one place each.
    fn cut(&self, addr: ClientAddr, len_bytes: usize) -> Result<Vec<(u64, Range<usize>)>, ClientFault> {
        let fault = ClientFault { addr, len_bytes };
        let (mut cuts, mut done) = (Vec::new(), 0);
        while done < len_bytes {
            let at = addr.get().checked_add(done as u64).ok_or(fault)?;
            let here = self.at(at).ok_or(fault)?.len().min(len_bytes - done);
            cuts.push((at, done..done + here));
            done += here;
        }
        Ok(cuts)
    }

    /// Writes a piece to every place that shows it.
    fn put(&mut self, addr: u64, from: &[u8]) {
        if self.objects.at(addr).is_some() {
            self.written.push((addr, from.to_vec()));
        }
        if self.user.iter().any(|region| inside(region, addr).is_some()) {
            self.written_user.push((addr, from.to_vec()));
        }
        let page = addr & !(PAGE - 1);
        let window = self.window.get_mut(&page).and_then(|bytes| bytes.get_mut(index(addr - page)..));
        let listed = self.call.iter_mut().chain(&mut self.user).filter_map(|region| inside_mut(region, addr));
        for place in listed.chain(window).filter_map(|bytes| bytes.get_mut(..from.len())) {
            place.copy_from_slice(from);
        }
    }
}

impl<M: Copy + PartialEq> ClientMemory for Memory<M> {
    fn copy_in(&mut self, addr: ClientAddr, into: &mut [u8]) -> Result<(), ClientFault> {
        for (at, range) in self.cut(addr, into.len())? {
            let from = self.at(at).and_then(|bytes| bytes.get(..range.len())).unwrap_or_default();
            into.get_mut(range).unwrap_or_default().copy_from_slice(from);
        }
        Ok(())
    }

    fn copy_out(&mut self, addr: ClientAddr, from: &[u8]) -> Result<(), ClientFault> {
        for (at, range) in self.cut(addr, from.len())? {
            self.put(at, from.get(range).unwrap_or_default());
        }
        Ok(())
    }
}

/// An offset in something that is in memory; none that is too large is in any.
fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// The bytes of a region from an address on.
fn inside((start, bytes): &Region, addr: u64) -> Option<&[u8]> {
    bytes.get(index(addr.checked_sub(*start)?)..).filter(|rest| !rest.is_empty())
}

fn inside_mut((start, bytes): &mut Region, addr: u64) -> Option<&mut [u8]> {
    bytes.get_mut(index(addr.checked_sub(*start)?)..).filter(|rest| !rest.is_empty())
}

/// What is left of a region without a range.
fn without((start, bytes): &Region, gone: &Range<u64>) -> Vec<Region> {
    let whole = *start..start.saturating_add(bytes.len() as u64);
    let left = parts(&whole, gone).map(|part| {
        let cut = index(part.start - start)..index(part.end - start);
        (part.start, bytes.get(cut).unwrap_or_default().to_vec())
    });
    left.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One object, reached through mapping 'a'.
    struct One(Vec<u8>);

    impl Objects<char> for One {
        fn read(&mut self, _: char, offset: u64, into: &mut [u8]) -> bool {
            let from = self.0.get(index(offset)..).and_then(|rest| rest.get(..into.len()));
            from.map(|from| into.copy_from_slice(from)).is_some()
        }

        fn write(&mut self, _: char, offset: u64, from: &[u8]) -> bool {
            self.0[index(offset)..][..from.len()].copy_from_slice(from);
            true
        }
    }

    fn addr(addr: u64) -> ClientAddr {
        ClientAddr::new(addr).unwrap()
    }

    fn read(memory: &mut Memory<char>, at: u64, len: usize) -> Option<Vec<u8>> {
        let mut into = vec![0xEE; len];
        memory.copy_in(addr(at), &mut into).ok().map(|()| into)
    }

    #[test]
    fn only_what_the_call_points_to_and_what_is_tracked_is_there() {
        let mut memory: Memory<char> = Memory::default();
        memory.track(0x5000, 8);
        memory.begin(&[], vec![(0x1000, vec![1, 2, 3, 4])]);
        assert_eq!(read(&mut memory, 0x1001, 3), Some(vec![2, 3, 4]));
        assert_eq!(read(&mut memory, 0x1001, 4), None);
        assert_eq!(read(&mut memory, 0x5004, 4), Some(vec![0; 4]));
        assert_eq!(read(&mut memory, 0x9000, 1), None);
        assert_eq!(memory.end().len(), 1);
        assert_eq!(read(&mut memory, 0x1000, 1), None);
    }

    #[test]
    fn a_refused_write_writes_nothing() {
        let mut memory: Memory<char> = Memory::default();
        memory.track(0x5000, 8);
        assert!(ClientMemory::copy_out(&mut memory, addr(0x5004), &[1; 8]).is_err());
        assert_eq!(memory.user(0x5000, 8), Some(&[0; 8][..]));
        memory.copy_out(addr(0x5004), &[1; 4]).unwrap();
        assert_eq!(memory.user(0x5003, 2), Some(&[0, 1][..]));
    }

    #[test]
    fn neighbouring_ranges_are_one_piece_of_memory_to_a_copy() {
        let mut memory: Memory<char> = Memory::default();
        memory.track(0x5000, 8);
        memory.track(0x5008, 8);
        memory.copy_out(addr(0x5006), &[1, 2, 3, 4]).unwrap();
        assert_eq!(read(&mut memory, 0x5006, 4), Some(vec![1, 2, 3, 4]));
        assert_eq!(memory.user(0x5008, 2), Some(&[3, 4][..]));
    }

    #[test]
    fn a_range_with_a_hole_keeps_both_ends_and_fresh_pages_read_as_zero() {
        let mut memory: Memory<char> = Memory::default();
        memory.track(0x5000, 0x3000);
        assert!(memory.write_user(0x5000, &[7; 0x3000]));
        memory.refresh(0x5FFF, 2);
        assert_eq!(memory.user(0x5FFE, 4), Some(&[7, 0, 0, 7][..]));
        memory.unmap(0x6000, 0x1000);
        assert!(memory.user(0x6000, 1).is_none() && !memory.write_user(0x5FFF, &[1, 2]));
        assert_eq!(memory.user(0x7000, 1), Some(&[7][..]));
    }

    #[test]
    fn a_call_sees_a_mapped_object_through_the_words_that_name_it() {
        let mut object = One(vec![0; 0x2000]);
        object.0[0x1008] = 9;
        let mut memory = Memory::default();
        memory.objects.add(0x4_0000, 0x2000, 1, 0, 'a');
        memory.load(&mut object);
        assert_eq!(read(&mut memory, 0x4_1008, 1), None, "nothing named it yet");
        memory.begin(&0x4_1008u64.to_le_bytes(), vec![]);
        memory.load(&mut object);
        assert_eq!(read(&mut memory, 0x4_1008, 2), Some(vec![9, 0]));
        memory.copy_out(addr(0x4_100A), &[5]).unwrap();
        assert_eq!((object.0[0x100A], read(&mut memory, 0x4_100A, 1)), (0, Some(vec![5])));
        memory.store(&mut object);
        assert_eq!(object.0[0x100A], 5);
        assert_eq!(memory.unmap(0x4_0000, 0x2000), ['a']);
        memory.load(&mut object);
        assert_eq!(read(&mut memory, 0x4_1008, 1), None);
    }
}
