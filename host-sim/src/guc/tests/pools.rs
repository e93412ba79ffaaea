//! All indices of contexts taken, and more contexts that wait than engines can ever serve.

use super::driver::{Driver, SCRATCH};
use crate::Platform;

/// Fast requests: no answer but to what is refused.
const REGISTER: u32 = 0x2000_4502;
const DEREGISTER: u32 = 0x2000_4503;
const MODE_SET: u32 = 0x2000_1001;
/// Indices of contexts are below.
const INDICES: u32 = 65_535;
/// Requests between two doorbells: what they bring about has room in the ring for the host.
const BATCH: u32 = 64;

/// Registers a context for the copy engine, whose image is where the driver has a page with nothing in it.
fn register(context: u32) -> Vec<u32> {
    vec![REGISTER, 1, context, 3, 1, 0, 0, 0, 0, 0, SCRATCH, 0]
}

/// Sends a request for each context, and gives what came back.
fn for_all(driver: &mut Driver, contexts: u32, request: impl Fn(u32) -> Vec<u32>) -> Vec<Vec<u32>> {
    let mut answers = Vec::new();
    for context in 0..contexts {
        driver.send(&request(context));
        if context % BATCH == BATCH - 1 || context == contexts - 1 {
            driver.ring();
            answers.extend(core::iter::from_fn(|| driver.receive()));
        }
    }
    answers
}

#[test]
fn every_index_can_be_taken_once_and_given_back() {
    let mut driver = Driver::ready(Platform::tgl(), false);
    for _ in 0..2 {
        assert_eq!(for_all(&mut driver, INDICES, register), Vec::<Vec<u32>>::new(), "all are taken");
        assert_eq!(driver.ask(&register(INDICES)), Some(vec![0xE000_0061]), "there is no such index");
        for context in [0, 4711, INDICES - 1] {
            assert_eq!(driver.ask(&register(context)), Some(vec![0xE000_0062]), "{context} is taken");
        }
        let told = for_all(&mut driver, INDICES, |context| vec![DEREGISTER, context]);
        assert_eq!(told.len(), INDICES as usize);
        assert!(told.iter().zip(0..).all(|(message, context)| message[1..] == [0x9000_4600, context]));
    }
}

#[test]
fn a_crowd_without_images_is_stopped_one_by_one() {
    const CROWD: u32 = 600;
    let mut driver = Driver::ready(Platform::tgl(), false);
    for_all(&mut driver, CROWD, register);
    let started = for_all(&mut driver, CROWD, |context| vec![MODE_SET, context, 1]);
    let done = |told: &[Vec<u32>], enabled: u32| {
        told.iter().filter(|message| message[1] == 0x9000_1002 && message[3] == enabled).count()
    };
    assert_eq!(done(&started, 1), CROWD as usize);
    let mut stopped = for_all(&mut driver, CROWD, |context| vec![MODE_SET, context, 0]);
    // The one on the engine leaves with the engine's reset, at the end of its time.
    for _ in 0..100 {
        driver.wait(10_000_000);
        stopped.extend(core::iter::from_fn(|| driver.receive()));
    }
    assert_eq!(done(&stopped, 0), CROWD as usize);
}
