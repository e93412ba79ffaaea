//! Names of objects that are somebody else's, nobody's, or were one's own.

use crate::stage::{Stage, attack, hostile_client};
use barexe_core::uapi::{self, Answer, Call};
use barexe_core::{Errno, Error};
use barexe_hal::Nanos;
use barexe_tests::rig::{BATCH_END, binary};
use barexe_tests::wire::{Bytes, Ram};

const BOUND: Nanos = Nanos::from_millis(1);
const HANDLES: u64 = 0x7000_0000;

/// What a call's guess is a guess of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Vm,
    Bo,
    Queue,
    Syncobj,
}

/// One of everything that the hostile client has.
#[derive(Clone, Copy, Debug)]
struct Own {
    vm: u32,
    bo: u32,
    queue: u32,
    syncobj: u32,
    pat: u16,
}

impl Own {
    const fn has(&self, kind: Kind, id: u32) -> bool {
        id == match kind {
            Kind::Vm => self.vm,
            Kind::Bo => self.bo,
            Kind::Queue => self.queue,
            Kind::Syncobj => self.syncobj,
        }
    }
}

/// A call by number: the struct that is right but for the guess (offsets: bind-and-exec sheet §2.5).
type Guess = (u32, Kind, fn(&Own, u32) -> Bytes);

const PAGE: u64 = 0x1000;
/// Class of the copy engines.
const COPY: u16 = 1;

fn map(own: &Own) -> Bytes {
    Bytes::new(160).u32(8, own.vm).u32(20, 1).u32(32, own.bo).u16(36, own.pat).u64(48, PAGE).u64(56, 0x900_0000)
}

const GUESSES: [Guess; 21] = [
    (0x09, Kind::Bo, |_, id| Bytes::new(8).u32(0, id)),
    (0x41, Kind::Vm, |_, id| Bytes::new(56).u64(8, PAGE).u32(16, 1).u32(24, id).u16(32, 1)),
    (0x42, Kind::Bo, |_, id| Bytes::new(40).u32(8, id)),
    (0x44, Kind::Vm, |_, id| Bytes::new(24).u32(0, id)),
    (0x45, Kind::Vm, |own, id| map(own).u32(8, id)),
    (0x45, Kind::Queue, |own, id| map(own).u32(12, id)),
    (0x45, Kind::Bo, |own, id| map(own).u32(32, id)),
    (0x45, Kind::Bo, |own, id| map(own).u32(32, id).u64(48, 0).u64(56, 0).u32(64, 3)),
    (0x46, Kind::Vm, |_, id| Bytes::new(48).u16(8, 1).u16(10, 1).u32(12, id).u64(24, HANDLES + 64)),
    (0x47, Kind::Queue, |_, id| Bytes::new(24).u32(0, id)),
    (0x48, Kind::Queue, |_, id| Bytes::new(40).u32(8, id)),
    (0x49, Kind::Queue, |_, id| Bytes::new(56).u32(8, id).u64(24, crate::stage::VA).u16(32, 1)),
    (0x49, Kind::Queue, |_, id| Bytes::new(56).u32(8, id)),
    (0x49, Kind::Syncobj, |own, _| {
        Bytes::new(56).u32(8, own.queue).u32(12, 1).u64(16, HANDLES + 128).u64(24, crate::stage::VA).u16(32, 1)
    }),
    (0x4A, Kind::Queue, |_, id| Bytes::new(72).u64(8, HANDLES).u16(16, 1).u64(24, 1).u64(32, u64::MAX).u32(48, id)),
    (0xC0, Kind::Syncobj, |_, id| Bytes::new(8).u32(0, id)),
    (0xC3, Kind::Syncobj, |_, _| Bytes::new(40).u64(0, HANDLES).u32(16, 1)),
    (0xC4, Kind::Syncobj, |_, _| Bytes::new(16).u64(0, HANDLES).u32(8, 1)),
    (0xC5, Kind::Syncobj, |_, _| Bytes::new(16).u64(0, HANDLES).u32(8, 1)),
    (0xCA, Kind::Syncobj, |_, _| Bytes::new(48).u64(0, HANDLES).u32(24, 1)),
    (0xCB, Kind::Syncobj, |_, _| Bytes::new(24).u64(0, HANDLES).u64(8, HANDLES + 32).u32(16, 1)),
];

/// Memory with the guess as a handle, a place for an engine, and a sync entry.
fn memory(id: u32, engine: (u16, u16, u16)) -> Ram {
    let place = Bytes::new(8).u16(0, engine.0).u16(2, engine.1).u16(4, engine.2);
    let entry = Bytes::new(48).u32(12, 0).u32(16, id);
    Ram::new().with(HANDLES, &Bytes::new(64).u32(0, id).0).with(HANDLES + 64, &place.0).with(HANDLES + 128, &entry.0)
}

fn one_of_everything(stage: &mut Stage<'_, '_>) -> Own {
    let (queue, syncobj) = (stage.queue(), stage.rig.syncobj());
    stage.rig.write(stage.bo, 0, &[BATCH_END, 0]);
    Own { vm: stage.vm, bo: stage.bo.bo, queue, syncobj, pat: stage.rig.coherent_pat() }
}

fn answer(stage: &mut Stage<'_, '_>, (number, _, form): Guess, own: &Own, id: u32) -> Option<Result<Answer, Error>> {
    let engine = (COPY, u16::from(stage.engine.logical), u16::from(stage.engine.gt));
    let call = Call::ALL.iter().find(|call| call.request() & 0xFF == number)?;
    let mut arg = form(own, id).0;
    let (device, client) = (&mut stage.rig.device, stage.rig.client);
    Some(uapi::ioctl(device, client, call.request(), &mut arg, &mut memory(id, engine)))
}

/// Makes every call with this id; how many were made.
fn guess(stage: &mut Stage<'_, '_>, own: &Own, id: u32) -> u32 {
    let mut made = 0;
    for each in GUESSES.into_iter().filter(|(_, kind, _)| !own.has(*kind, id)) {
        let (number, kind, _) = each;
        // No VM at all is a way to create an object, no queue one to bind or to wait.
        if id == 0 && matches!((number, kind), (0x41 | 0x4A, _) | (0x45, Kind::Queue)) {
            continue;
        }
        let Some(answer) = answer(stage, each, own, id) else { continue };
        let code = answer.as_ref().map_err(Error::errno);
        assert!(
            matches!(code, Err(Errno::ENOENT | Errno::EINVAL)),
            "{} number {number:#x} with {kind:?} {id:#x}: {answer:?}",
            stage.rig.name()
        );
        made += 1;
    }
    made
}

/// Ids of a pool's first slots in their first generations, and what is never one.
fn ids() -> impl Iterator<Item = u32> {
    let each = (0..6).flat_map(|generation: u32| (0..40).map(move |slot| generation << 16 | slot));
    each.chain([u32::MAX, 0x8000_0001, 0x7FFF_FFFF, 0xFFFF, 0x7FFF_0001])
}

#[test]
fn handles_of_others_are_guessed() {
    attack("every call with every handle near", BOUND).tried(|stage| {
        let (own, mut made) = (one_of_everything(stage), 0);
        for (count, id) in ids().enumerate() {
            made += guess(stage, &own, id);
            if count % 8 == 0 {
                stage.pass(Nanos::from_micros(20));
            }
        }
        assert!(made > 3000, "{made} calls");
    });
}

/// Every object was one's own once, and its slot may be the neighbour's or one's own again.
#[test]
fn handles_that_were_ones_own() {
    attack("every call with handles that are gone", BOUND).tried(|stage| {
        let gone = one_of_everything(stage);
        let client = stage.rig.client;
        stage.rig.device.queue_destroy(client, gone.queue).unwrap();
        stage.rig.device.syncobj_destroy(client, gone.syncobj).unwrap();
        stage.rig.device.vm_destroy(client, gone.vm).unwrap();
        stage.rig.device.bo_close(client, gone.bo).unwrap();
        stage.rig.device.bo_unmap(client, stage.bo.mapping).unwrap();
        stage.pass(Nanos::from_millis(1));
        for next in ["one's own again", "another client's"] {
            if next == "another client's" {
                stage.rig.device.client_close(stage.rig.client).unwrap();
                stage.pass(Nanos::from_millis(1));
                let _ = hostile_client(stage.rig);
            }
            (stage.vm, stage.bo) = (stage.rig.vm(), stage.rig.bo(crate::stage::BO_BYTES));
            let op = stage.rig.map_op(stage.bo, crate::stage::VA);
            stage.rig.bind_now(stage.vm, &[op]);
            let own = one_of_everything(stage);
            for id in [gone.vm, gone.bo, gone.queue, gone.syncobj] {
                guess(stage, &own, id);
                stage.pass(Nanos::from_micros(100));
            }
            // A client that is gone is one as well.
            let refused = stage.rig.device.vm_create(client, Default::default());
            assert_eq!(refused.is_err(), next == "another client's");
        }
    });
}

/// The guesses are wrong in nothing but the handle.
#[test]
fn each_call_takes_what_is_ones_own() {
    attack("every call with one's own handles", BOUND).tried(|stage| {
        let mut taken = 0;
        for guess in GUESSES {
            let own = one_of_everything(stage);
            let bind_queue = stage.rig.device.bind_queue_create(stage.rig.client, stage.vm).unwrap();
            let id = match guess.1 {
                Kind::Vm => own.vm,
                Kind::Bo => own.bo,
                Kind::Queue if guess.0 == 0x45 => bind_queue,
                Kind::Queue => own.queue,
                Kind::Syncobj => own.syncobj,
            };
            if guess.1 == Kind::Syncobj {
                let job = stage.rig.exec(own.queue, crate::stage::VA, &[binary(id, true)]).unwrap();
                assert_eq!(stage.outcome(job, Nanos::from_millis(1)), None);
            }
            let Some(answer) = answer(stage, guess, &own, id) else { continue };
            assert!(answer.is_ok(), "{} number {:#x}: {answer:?}", stage.rig.name(), guess.0);
            taken += 1;
            stage.pass(Nanos::from_micros(200));
            if matches!(guess.0, 0x09 | 0x44 | 0x45) {
                (stage.vm, stage.bo) = (stage.rig.vm(), stage.rig.bo(crate::stage::BO_BYTES));
                let op = stage.rig.map_op(stage.bo, crate::stage::VA);
                stage.rig.bind_now(stage.vm, &[op]);
            }
        }
        assert!(taken >= 19, "{taken} calls");
    });
}
