//! Long spinners that take turns, as in Linux's hardest tests of resets.

use super::host::{ENGINES, Host, Told};
use super::noise::Noise;
use super::queue::{Batch, Queue, pages};
use super::world::World;

/// Queues on each engine.
const EACH: u32 = 2;
const QUEUES: u32 = ENGINES.len() as u32 * EACH;
const TICKS_IN_MS: u32 = 19_200;
/// How far one may be ahead of another on its engine: a few quanta.
const AHEAD: u32 = 5 * TICKS_IN_MS;
const SPIN: u32 = 20 * TICKS_IN_MS;

/// Contexts with a spinner of 20 ms of their own time, and seven short jobs behind it.
fn queues(host: &mut Host<World>) -> Vec<Queue> {
    let mut queues: Vec<Queue> = Vec::new();
    for (class, number, ..) in ENGINES.into_iter().flat_map(|engine| [engine; EACH as usize]) {
        let queue = Queue::new(host, queues.len() as u32, class, 1 << number);
        queue.register(host);
        queue.policies(host, 1_000, 640_000, 3);
        queues.push(queue);
    }
    for job in 0..8 {
        for queue in &mut queues {
            queue.give(host, if job == 0 { Batch::Ticks(SPIN) } else { Batch::Short });
            if job == 0 { queue.enable(host, true) } else { queue.ring(host) }
        }
    }
    queues
}

fn take_turns(seed: u64) {
    let mut host = Host::new(World::new(pages(QUEUES), Noise::new(seed), seed % 2 == 1), pages(QUEUES));
    let queues = queues(&mut host);
    let (mut clocks, began) = ([0u32; QUEUES as usize], host.port.time_ns());
    while queues.iter().any(|queue| queue.done(&host).0 < queue.given) {
        let ms = (host.port.time_ns() - began) / 1_000_000;
        assert!(ms < 100, "seed {seed}: clocks {clocks:?} after {ms} ms");
        host.take_interrupts();
        let at = host.port.time_ns() + 100_000;
        host.port.pass_to(at);
        for (clock, queue) in clocks.iter_mut().zip(&queues) {
            *clock = queue.clock(&host).unwrap_or(*clock);
        }
        for pair in clocks.chunks(EACH as usize) {
            assert!(pair[0].abs_diff(pair[1]) < AHEAD, "seed {seed}: {clocks:?}");
        }
    }
    host.take_interrupts();
    assert!(clocks.iter().all(|clock| (SPIN..SPIN + AHEAD).contains(clock)), "{clocks:?}");
    assert_eq!(host.told.iter().filter(|told| matches!(told, Told::Mode(_, true))).count(), QUEUES as usize);
    assert_eq!((host.port.sim.violations(), &host.refusals), (Vec::new(), &Vec::new()));
}

#[test]
fn spinners_of_a_priority_get_the_same_time_and_all_end() {
    for seed in 0..4 {
        take_turns(seed);
    }
}
