use super::*;
use core::sync::atomic::AtomicBool;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

fn file(len: u64) -> File {
    let file = memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&file, len).unwrap();
    File::from(file)
}

fn sealed(len: u64) -> File {
    let file = file(len);
    rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK).unwrap();
    file
}

#[test]
fn a_file_that_cannot_shrink_is_told_from_one_that_can() {
    let sealed = File::from(memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap());
    assert!(!is_sealed(&sealed));
    rustix::fs::fcntl_add_seals(&sealed, SealFlags::SHRINK).unwrap();
    assert!(is_sealed(&sealed) && !is_sealed(&file(4096)));
    assert!(!is_sealed(&File::open(std::env::current_exe().unwrap()).unwrap()), "it is no memfd");
}

const BOTH: Protection = Protection { read: true, write: true };

#[test]
fn bytes_are_moved_at_every_alignment_and_length() {
    move_bytes(&SharedFile::new(file(8192), 4096, 4096, BOTH).unwrap());
    move_bytes(&SharedFile::new(sealed(8192), 4096, 4096, BOTH).unwrap());
}

fn move_bytes(memory: &SharedFile) {
    let mut model = [0u8; 64];
    let mut value = 0u8;
    for at in 0..40 {
        for len in 0..24 {
            let bytes: Vec<u8> = (0..len).map(|n| value.wrapping_add(n)).collect();
            value = value.wrapping_add(31);
            assert!(memory.write(at as u64, &bytes));
            model[at..at + bytes.len()].copy_from_slice(&bytes);
            let mut all = [0; 64];
            assert!(memory.read(0, &mut all));
            assert_eq!(all, model, "{at} {len}");
        }
    }
}

/// Somebody writes all ones and all zeros in turns: a read that is cut into bytes sees both.
#[test]
fn a_word_is_read_and_written_at_once() {
    words_at_once(file(4096));
    words_at_once(sealed(4096));
}

fn words_at_once(file: File) {
    let other = SharedFile::new(file.try_clone().unwrap(), 0, 4096, BOTH).unwrap();
    let memory = SharedFile::new(file, 0, 4096, BOTH).unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut turns = 0u32;
            while !over.load(Ordering::Relaxed) {
                let byte = if turns.is_multiple_of(2) { 0xFF } else { 0 };
                other.write(64, &[byte; 12]);
                turns = turns.wrapping_add(1);
            }
            turns
        });
        let (mut changes, mut last, mut torn) = (0, 0, None);
        while changes < 1000 && torn.is_none() {
            let (mut wide, mut word) = ([0; 8], [0; 4]);
            memory.read(64, &mut wide);
            memory.read(72, &mut word);
            torn = (wide != [wide[0]; 8] || word != [word[0]; 4]).then_some((wide, word));
            changes += u32::from(wide[0] != last);
            last = wide[0];
        }
        over.store(true, Ordering::Relaxed);
        assert!(writer.join().unwrap() > 1);
        assert_eq!(torn, None);
    });
}

#[test]
fn two_mappings_of_a_file_are_the_same_memory() {
    let file = file(4096);
    let other = SharedFile::new(file.try_clone().unwrap(), 0, 4096, BOTH).unwrap();
    let memory = SharedFile::new(file, 0, 4096, Protection { write: false, ..BOTH }).unwrap();
    other.write(100, &[1, 2, 3]);
    let mut bytes = [0; 3];
    memory.read(100, &mut bytes);
    assert_eq!(bytes, [1, 2, 3]);
}

#[test]
fn a_range_outside_of_the_file_is_refused() {
    assert!(SharedFile::new(file(4096), 4096, 4096, BOTH).is_err());
    assert!(SharedFile::new(file(4096), 0, 8192, BOTH).is_err());
}

/// Longer than what is moved word by word, over the end of pages, and up to the last byte.
#[test]
fn long_accesses_are_moved_whole() {
    for file in [file(3 << 12), sealed(3 << 12)] {
        let memory = SharedFile::new(file, 0, 3 << 12, BOTH).unwrap();
        for (at, len) in [(0usize, 3 << 12), (3, 9000), (4090, 70), (8191, 1), (4096 - 64, 128)] {
            let bytes: Vec<u8> = (0..=u8::MAX).rev().cycle().skip(at % 200).take(len).collect();
            assert!(memory.write(at as u64, &bytes));
            let mut back = vec![0; len];
            assert!(memory.read(at as u64, &mut back) && back == bytes, "{at} {len}");
        }
        assert!(!memory.read((3 << 12) - 4, &mut [0; 8]) || memory.stays, "beyond the end");
    }
}

/// Without the system's help each of these ends the process by SIGBUS.
#[test]
fn memory_that_was_cut_off_is_refused() {
    let file = file(2 << 12);
    let memory = SharedFile::new(file.try_clone().unwrap(), 0, 2 << 12, BOTH).unwrap();
    assert!(memory.write(4096, &[7; 100]));
    ftruncate(&file, 4096).unwrap();
    let mut bytes = [9; 8];
    assert!(!memory.read(4096, &mut bytes) && !memory.write(4096, &[1; 4096]) && !memory.read(4092, &mut bytes));
    assert!(memory.write(0, &[1; 4096]) && memory.read(4088, &mut bytes), "what is left is there");
    assert_eq!((bytes, file.metadata().unwrap().len()), ([1; 8], 4096), "and the file is as long as it was cut");
    ftruncate(&file, 2 << 12).unwrap();
    assert!(memory.read(4096, &mut bytes) && bytes == [0; 8], "it came back");
}
