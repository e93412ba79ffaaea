//! Messages that are made up: sizes, counts and words at random, descriptors of any kind, ends in the middle.

use super::Path;
use super::raw::{MOST, Raw, Session, throw};
use barexe_core::uapi::Call;
use barexe_drm::wire::{Kind, MOST_ASKED, Message};
use core::time::Duration;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::fs::File;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

/// A word of a message, or eight bytes of its argument struct.
#[derive(Clone, Debug)]
enum Word {
    Small(u8),
    /// A key that the client has.
    Own(u8),
    /// The request code of a call; whether its size is another.
    Request(u8, Option<u8>),
    /// Into memory of the client's.
    Pointer(u16),
    Noise(u64),
}

/// What the head says of the size.
#[derive(Clone, Debug)]
enum Size {
    True,
    Off(i8),
    Any(u32),
    Most(u32),
}

#[derive(Clone, Debug)]
struct Shot {
    kind: u32,
    size: Size,
    words: [Word; 5],
    body: Vec<Word>,
    /// Bytes of it that go.
    cut: Option<u8>,
    /// Which descriptors go with it.
    descriptors: Vec<u8>,
    /// Answers are read.
    reads: bool,
}

/// The kinds there are, without the one by which root changes what holds for all.
fn kind() -> impl Strategy<Value = u32> {
    prop_oneof![
        12 => (1u32..=22).prop_filter("writes to files that act", |kind| *kind != Kind::Store as u32 && *kind != Kind::Show as u32),
        6 => Just(Kind::Call as u32),
        2 => 0x80u32..=0x82,
        1 => 23u32..,
    ]
}

fn word() -> impl Strategy<Value = Word> {
    prop_oneof![
        3 => any::<u8>().prop_map(Word::Small),
        6 => any::<u8>().prop_map(Word::Own),
        4 => (any::<u8>(), proptest::option::weighted(0.3, any::<u8>())).prop_map(|(call, size)| Word::Request(call, size)),
        3 => any::<u16>().prop_map(Word::Pointer),
        1 => any::<u64>().prop_map(Word::Noise),
    ]
}

fn shot() -> impl Strategy<Value = Shot> {
    let size = prop_oneof![
        8 => Just(Size::True),
        1 => any::<i8>().prop_map(Size::Off),
        1 => any::<u32>().prop_map(Size::Any),
        1 => (0u32..3).prop_map(|more| Size::Most(MOST_ASKED as u32 + more)),
    ];
    let words = [word(), word(), word(), word(), word()];
    let descriptors = prop_oneof![3 => Just(vec![]), 2 => vec(any::<u8>(), 1..3), 1 => vec(any::<u8>(), 3..=MOST)];
    let cut = proptest::option::weighted(0.1, any::<u8>());
    let all = (kind(), size, words, vec(word(), 0..18), cut, descriptors, any::<bool>());
    all.prop_map(|(kind, size, words, body, cut, descriptors, reads)| Shot {
        kind,
        size,
        words,
        body,
        cut,
        descriptors,
        reads,
    })
}

/// What the attacker has: keys to name, memory to point to, descriptors to send.
struct Means {
    keys: Vec<u64>,
    memory: Box<[u64; 1 << 14]>,
    descriptors: Vec<OwnedFd>,
}

impl Means {
    fn new(session: &Session, leashes: Vec<OwnedFd>, keys: Vec<u64>) -> Self {
        let (one, other) = UnixStream::pair().unwrap();
        let datagrams = UnixDatagram::unbound().unwrap();
        let listens = UnixListener::bind(std::env::temp_dir().join(format!("barexe-hostile-{}", std::process::id())));
        let mut descriptors: Vec<OwnedFd> = vec![
            File::open("/dev/null").unwrap().into(),
            File::open("/proc/self/maps").unwrap().into(),
            File::open(std::env::temp_dir()).unwrap().into(),
            one.into(),
            other.into(),
            datagrams.into(),
            listens.unwrap().into(),
            session.raw.0.try_clone().unwrap().into(),
        ];
        descriptors.extend(leashes);
        Self { keys, memory: Box::new([0; 1 << 14]), descriptors }
    }

    fn value(&self, word: &Word) -> u64 {
        let request = |call: u8| Call::ALL[usize::from(call) % Call::ALL.len()].request();
        match *word {
            Word::Small(small) => small.into(),
            Word::Own(which) => self.keys[usize::from(which) % self.keys.len()],
            Word::Request(call, None) => request(call).into(),
            Word::Request(call, Some(size)) => u64::from(request(call) & !0x3FFF_0000 | u32::from(size) << 16),
            // The first half of what is there: nothing that is written behind it is that long.
            Word::Pointer(at) => self.memory.as_ptr().addr() as u64 + u64::from(at),
            Word::Noise(noise) => noise,
        }
    }

    fn bytes(&self, shot: &Shot) -> Vec<u8> {
        let mut words: Vec<u64> = shot.words.iter().map(|word| self.value(word)).collect();
        let mut body: Vec<u8> = shot.body.iter().flat_map(|word| self.value(word).to_le_bytes()).collect();
        if shot.kind == Kind::Call as u32 {
            // Its struct is as long as it says, or nothing of it is looked at.
            if !matches!(shot.words[1], Word::Request(..)) {
                words[1] = self.value(&Word::Request(shot.body.len() as u8, None));
            }
            body.resize((words[1] >> 16 & 0x3FFF) as usize, 0);
        }
        let size = match shot.size {
            Size::True => body.len() as u32,
            Size::Off(by) => (body.len() as u32).saturating_add_signed(by.into()),
            Size::Any(size) | Size::Most(size) => size,
        };
        let head = [shot.kind.to_le_bytes(), size.to_le_bytes()].concat();
        let words: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut all = [head, words, body].concat();
        all.truncate(shot.cut.map_or(usize::MAX, |cut| usize::from(cut).max(1)));
        all
    }
}

/// Throws all of it on a new connection, and hangs up.
fn throw_all(path: &Path, means: &Means, (session, says_hello): (u64, bool), shots: &[Shot]) {
    let raw = Raw::connect(path).unwrap();
    if says_hello {
        let _ = Message::new(Kind::Hello, &[barexe_drm::wire::VERSION, session]).send(&raw.0);
        let _ = Message::receive(&raw.0, 0);
    }
    raw.0.set_read_timeout(Some(Duration::from_millis(3))).unwrap();
    for shot in shots {
        let lent: Vec<BorrowedFd<'_>> = shot
            .descriptors
            .iter()
            .map(|which| means.descriptors[usize::from(*which) % means.descriptors.len()].as_fd())
            .collect();
        let _ = throw(&raw.0, &means.bytes(shot), &lent);
        if shot.reads {
            let _ = Message::receive(&raw.0, 1 << 22);
        }
    }
    // Nobody but this end of it is to be left, whoever has it.
    let _ = raw.0.shutdown(Shutdown::Both);
}

/// How many sequences there are.
const CASES: u32 = 250;

pub(crate) fn attack(path: &Path) {
    let witness = Session::new(path);
    let own = Session::new(path);
    let (file, leash) = own.open().unwrap();
    let create = |request: u32, arg: Vec<u8>| own.call(file, request, arg).bytes;
    let syncobj = create(0xC008_64BF, vec![0; 8])[0];
    let mut export = vec![0; 24];
    export[0] = syncobj;
    let question = Message::new(Kind::Call, &[file.0, 0xC018_64C1, 0, 0]).with_bytes(export);
    let mut exported = own.raw.ask(&question).unwrap();
    let keys = vec![file.0, own.key.0, exported.words[1], 1, syncobj.into()];
    let means = Means::new(&own, vec![leash, exported.descriptors.pop().unwrap()], keys);
    let config = ProptestConfig { cases: CASES, failure_persistence: None, max_shrink_iters: 64, ..Default::default() };
    let strategy = (any::<bool>(), any::<bool>(), vec(shot(), 1..12));
    let done = TestRunner::new(config).run(&strategy, |(says_hello, of_own, shots)| {
        throw_all(path, &means, (if of_own { own.key.0 } else { 0 }, says_hello || of_own), &shots);
        prop_assert!(witness.raw.ask(&Message::new(Kind::Settle, &[])).is_ok(), "the server does not answer");
        let opened = witness.open();
        prop_assert!(opened.is_ok(), "{opened:?}");
        Ok(())
    });
    println!("noise: {CASES} sequences");
    let _ = std::fs::remove_file(std::env::temp_dir().join(format!("barexe-hostile-{}", std::process::id())));
    done.unwrap();
}
