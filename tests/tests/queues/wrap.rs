//! Job numbers across the end of 32 bits, with the ring and the queue full all the time.
#![expect(clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "helpers of these tests fail by panicking")]

use barexe_core::Error;
use barexe_core::device::{TableWriter, Ticket, TicketState};
use barexe_core::gt::EngineClass;
use barexe_hal::Nanos;
use barexe_tests::rig::{BATCH_END, Rig, on_each_platform_by};
use std::collections::VecDeque;

const VA: u64 = 0x1A_0000;
/// Numbers begin 127 before the wrap; a ring takes fewer jobs than that, so it is full when it comes. The benchmark
/// `fences` makes it a million.
const JOBS: u64 = 20_000;

/// Jobs that are not over, oldest first.
struct Run {
    open: VecDeque<Ticket>,
    accepted: u64,
    over: u64,
    /// How often the queue was full.
    refused: u64,
}

impl Run {
    /// Gives the queue as much as it takes.
    fn fill(&mut self, rig: &mut Rig<'_>, queue: u32) {
        while self.accepted < JOBS {
            match rig.exec(queue, VA, &[]) {
                Ok(ticket) => {
                    assert_eq!(ticket.sequence(), self.accepted + 1);
                    self.open.push_back(ticket);
                    self.accepted += 1;
                }
                Err(error) => {
                    assert_eq!(error, Error::Again);
                    self.refused += 1;
                    return;
                }
            }
        }
    }

    /// Takes out what is over: each job once, in order, and nothing behind one that is not.
    fn drain(&mut self, rig: &mut Rig<'_>) {
        let soon = rig.device.now().saturating_add(Nanos::from_micros(200));
        rig.device.relax(soon).unwrap();
        rig.device.poll();
        while let Some(ticket) = self.open.front().filter(|ticket| rig.is_over(**ticket)) {
            assert_eq!(rig.device.ticket_state(*ticket), Ok(TicketState::Done));
            self.open.pop_front();
            self.over += 1;
        }
        assert!(self.open.iter().all(|ticket| !rig.is_over(*ticket)), "after {} jobs", self.over);
    }
}

#[test]
fn jobs_cross_the_wrap_at_full_pressure_with_constant_memory() {
    on_each_platform_by(TableWriter::Cpu, |rig| {
        let (vm, bo) = (rig.vm(), rig.bo(0x1000));
        rig.bind_now(vm, &[rig.map_op(bo, VA)]);
        rig.write(bo, 0, &[BATCH_END, 0]);
        let queue = rig.queue(vm, rig.engine(EngineClass::Copy));
        rig.settle();
        let memory = |rig: &Rig<'_>| (rig.sim.buffers(), rig.device.fences_in_use());
        let before = memory(rig);
        let mut run = Run { open: VecDeque::new(), accepted: 0, over: 0, refused: 0 };
        while run.over < JOBS {
            run.fill(rig, queue);
            assert!(run.accepted == JOBS || run.open.len() == 1000, "the queue is full");
            run.drain(rig);
        }
        assert_eq!((run.accepted, run.over, run.open.len()), (JOBS, JOBS, 0));
        assert!(run.refused > 20, "{}", run.refused);
        rig.settle();
        assert_eq!(memory(rig), before);
    });
}
