//! Attackers who speak sense, and too much of it.

use super::raw::{Raw, Session, lingering, more_descriptors, throw};
use super::{BOUND, Path};
use barexe_core::uapi::request::{
    SYNCOBJ_CREATE as SYNCOBJ, SYNCOBJ_HANDLE_TO_FD as EXPORT, SYNCOBJ_WAIT as WAIT, XE_GEM_CREATE as CREATE,
    XE_GEM_MMAP_OFFSET as OFFSET,
};
use barexe_drm::server::MOST_FILES;
use barexe_drm::wire::{Kind, Message};
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd as _};
use std::os::unix::net::UnixStream;
use std::time::Instant;

fn bytes(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Asks again and again, and reads nothing, until the server can write no more; then dies.
pub(crate) fn never_read(path: &Path) {
    let sessions: Vec<Session> = (0..64).map(|_| Session::new(path)).collect();
    let mut asked = 0;
    for session in &sessions {
        let question = [0u32, 0].map(u32::to_le_bytes).concat();
        let mut sketch = [question, vec![0; 40]].concat();
        sketch[0] = Kind::Sketch as u8;
        let began = Instant::now();
        // So long nothing went: the server waits for this client.
        let mut last = began;
        while last.elapsed() < Duration::from_millis(20) && began.elapsed() < BOUND {
            if throw(&session.raw.0, &sketch, &[]) {
                (asked, last) = (asked + 1, Instant::now());
            }
        }
    }
    // One that waits in a call, and is not told: its line is full.
    let waits = Session::new(path);
    let (file, _leash) = waits.open().unwrap();
    let handle = [u64::from(waits.call(file, SYNCOBJ, bytes(&[0])).bytes[0])];
    let wait = bytes(&[handle.as_ptr().addr() as u64, i64::MAX as u64, 1 | 3 << 32, 0, 0]);
    let question = Message::new(Kind::Call, &[file.0, WAIT.into(), 0, 0]).with_bytes(wait);
    question.send(&waits.raw.0).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    println!("never read: {asked} questions on {} connections", sessions.len());
}

/// Asks for things and is gone before the answer, in three ways.
pub(crate) fn die(path: &Path) {
    const TIMES: usize = 300;
    let keeps = Session::new(path);
    let (file, _leash) = keeps.open().unwrap();
    let syncobj = u64::from(keeps.call(file, SYNCOBJ, bytes(&[0])).bytes[0]);
    let buffer = keeps.call(file, CREATE, bytes(&[0, 4096, 1, 0, 1, 0, 0])).bytes[28];
    let offset = keeps.call(file, OFFSET, bytes(&[0, buffer.into(), 0, 0, 0]));
    let at = u64::from_le_bytes(*offset.bytes[16..].first_chunk().unwrap());
    let export = bytes(&[syncobj, 0, 0]);
    let questions: [&dyn Fn() -> Message; 5] = [
        &|| Message::new(Kind::Open, &[1]),
        &|| Message::new(Kind::Call, &[file.0, EXPORT.into(), 0, 0]).with_bytes(export.clone()),
        &|| Message::new(Kind::Map, &[file.0, at, 4096]),
        &|| Message::new(Kind::Fork, &[]),
        &|| Message::new(Kind::Sketch, &[]),
    ];
    for time in 0..TIMES {
        let session = Session::new(path);
        let question = questions[time % questions.len()]();
        match time % 3 {
            // The server writes to nobody.
            0 => session.raw.0.shutdown(Shutdown::Read).unwrap(),
            1 => std::thread::spawn({
                let socket = session.raw.0.try_clone().unwrap();
                move || socket.shutdown(Shutdown::Both)
            })
            .join()
            .unwrap()
            .unwrap(),
            _ => {}
        }
        let _ = question.send(&session.raw.0);
    }
    assert!(keeps.open().is_ok(), "the answer to a call on another connection");
    println!("died: {TIMES} times before the answer");
}

/// Connects thousands of times; says hello, half of it, or nothing. Then one more, whose end takes long.
pub(crate) fn connect(path: &Path) {
    more_descriptors();
    let mut served = Vec::new();
    let mut silent = Vec::new();
    for time in 0..3000usize {
        let raw = Raw::connect(path).unwrap();
        match time % 3 {
            0 => served.extend(raw.hello()),
            1 => {
                let _ = throw(&raw.0, &[1, 0, 0], &[]);
                silent.push(raw);
            }
            _ => silent.push(raw),
        }
    }
    println!("connected: {} sessions, {} others", served.len(), silent.len());
    assert!(served.len() > 100 && served.len() <= 1024, "{}", served.len());
    let (slow, _other) = lingering();
    for _ in 0..4 {
        let one_too_many = UnixStream::connect(path).unwrap();
        let _ = throw(&one_too_many, &[1], &[slow.as_fd()]);
    }
    drop(slow);
    // Whoever comes meanwhile is served, or whoever started this says so.
    std::thread::sleep(Duration::from_millis(500));
    drop(silent);
    assert!(served[0].open().is_ok());
}

/// Takes sessions and files until it is refused, and gives them back.
pub(crate) fn take(path: &Path) {
    more_descriptors();
    let session = Session::new(path);
    let mut taken = Vec::new();
    let refused = loop {
        match session.leashed(&Message::new(Kind::Fork, &[])) {
            Ok(one) => taken.push(one),
            Err(errno) => break errno,
        }
    };
    println!("took: {} sessions", taken.len());
    assert_eq!((refused, taken.len() > 200), (libc::EMFILE as u64, true));
    // What one process may hold, and not what the server has.
    assert!(taken.len() <= 8192, "{} sessions", taken.len());
    assert_eq!(session.open().map(drop), Err(libc::EMFILE as u64));
    taken.clear();
    let (opened, files) = (AtomicUsize::new(0), std::sync::Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let session = Session::new(path);
                while let Ok(file) = session.open() {
                    opened.fetch_add(1, Ordering::Relaxed);
                    files.lock().unwrap().push(file);
                }
            });
        }
    });
    println!("opened: {} files", opened.load(Ordering::Relaxed));
    assert_eq!(opened.into_inner(), MOST_FILES, "whoever asks at once gets no more");
}

/// Sends what takes long to close to wherever something is received, and lets go of all of it.
pub(crate) fn linger(path: &Path) {
    let witness = Session::new(path);
    let (slow, _other) = lingering();
    let went = |socket: &dyn Fn(&[u8]) -> bool| socket(&[1]);
    for _ in 0..3 {
        let session = Session::new(path);
        let (_, leash) = session.open().unwrap();
        let up = went(&|byte| throw(&leash, byte, &[slow.as_fd()]));
        let up_too = went(&|byte| throw(&session.leash, byte, &[slow.as_fd()]));
        // Into the middle of a message, and behind one.
        let _ = throw(&session.raw.0, &[14, 0, 0], &[slow.as_fd()]);
        let _ = throw(&session.raw.0, &[0; 100], &[slow.as_fd()]);
        println!("linger: sent up a leash {up} {up_too}, by {}", leash.as_raw_fd());
    }
    drop(slow);
    let began = Instant::now();
    for _ in 0..20 {
        assert!(witness.open().is_ok());
        assert!(witness.raw.ask(&Message::new(Kind::Settle, &[])).is_ok());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
}
