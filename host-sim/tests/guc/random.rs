//! Random drivers: contexts come and go, work, spin, hang, are stopped and started, on engines that they share, and what
//! must always hold is looked at all the time.
//!
//! A case is made by its number: `GUC_CASE=n` runs one, `GUC_CASES=n` so many from the first.

use super::host::{ENGINES, Host, Told};
use super::noise::Noise;
use super::queue::{Batch, MOST_JOBS, Queue, pages};
use super::subject::{MS, Pending, Policies, Subject};
use super::world::World;

/// What the server's thread may lose by itself: turns of other engines, accesses, another process.
const SLACK_NS: u64 = 6 * MS;

struct Case {
    number: u64,
    host: Host<World>,
    subjects: Vec<Subject>,
    noise: Noise,
    user: [u64; 4],
}

impl Case {
    fn new(number: u64) -> Self {
        let mut noise = Noise::new(number + 1);
        let count = 2 + noise.below(5);
        let world = World::new(pages(2 * count), Noise::new(number + 77), number % 2 == 1);
        let mut case =
            Self { number, host: Host::new(world, pages(2 * count)), subjects: Vec::new(), noise, user: [0; 4] };
        for index in 0..count {
            let subject = case.register(2 * index);
            case.subjects.push(subject);
        }
        case
    }

    /// A context, or two, with indices of its own.
    fn register(&mut self, index: u32) -> Subject {
        let (class, engines) = self.noise.one(&[(3, 1), (3, 1), (1, 1), (1, 2), (1, 3), (2, 1), (1, 0)]);
        let queue = match engines {
            0 => Queue::two(&self.host, index, class),
            _ => Queue::new(&self.host, index, class, engines),
        };
        queue.register(&mut self.host);
        let policies = self.any_policies();
        queue.policies(&mut self.host, policies.quantum_us, policies.limit_us, policies.priority);
        let now = self.host.port.time_ns();
        Subject::new(queue, policies, now)
    }

    fn any_policies(&mut self) -> Policies {
        Policies {
            quantum_us: self.noise.one(&[1_000, 1_000, 1_000, 200, 5_000, 0]),
            limit_us: self.noise.one(&[640_000, 20_000, 20_000, 1_000]).max(8_000),
            priority: self.noise.one(&[3, 3, 3, 3, 1, 2]),
        }
    }

    fn fail(&self, why: &str) -> ! {
        let state = |subject: &Subject| {
            let queue = &subject.queue;
            let (ends, (done, begun)) = (queue.ends(&self.host), queue.done(&self.host));
            format!("{subject:?}: begun {begun}, done {done}, head and tail {ends:x?}\n")
        };
        let states: String = self.subjects.iter().map(state).collect();
        let (sim, wakes) = (&self.host.port.sim, self.host.port.wakes_ns());
        let (rules, halted) = (sim.violations(), sim.halted());
        panic!(
            "case {}, at {} us: {why}\nthe server wakes at {wakes:?}, rules {rules:?}, stopped {halted:?}\n{states}",
            self.number,
            self.host.port.time_ns() / 1000,
        );
    }

    /// One thing that a driver or its clients do.
    fn act(&mut self) {
        let at = self.noise.below(self.subjects.len() as u32) as usize;
        match self.noise.below(16) {
            0..=5 => self.give(at),
            6..=8 => self.release(at),
            9 => self.change_policies(at),
            10 => self.set_mode(at),
            11 => self.leave_or_come(at),
            12 => {
                let ns = self.noise.one(&[100_000, 2_000_000, 50_000_000]);
                self.host.port.stall(u64::from(self.noise.below(ns)));
                self.begin_anew();
            }
            _ => {}
        }
        let us = self.noise.one(&[0, 0, 30, 300, 3_000]);
        let us = self.noise.below(us + 1);
        self.pass(u64::from(us) * 1000);
    }

    /// Nothing that was waited for so far counts.
    fn begin_anew(&mut self) {
        let now = self.host.port.time_ns();
        for subject in &mut self.subjects {
            subject.since_ns = now;
            subject.pending = subject.pending.map(|(pending, _)| (pending, now));
        }
    }

    fn give(&mut self, at: usize) {
        let kind = self.noise.below(12);
        let ticks = self.noise.below(60_000);
        let batch = match kind {
            0 | 1 => Batch::Spin(true),
            2 => Batch::Spin(false),
            3 => Batch::Wait,
            4 | 5 => Batch::Ticks(ticks),
            _ => Batch::Short,
        };
        let Self { host, subjects, .. } = self;
        let subject = &mut subjects[at];
        if subject.lost || matches!(subject.pending, Some((Pending::Gone, _)) | Some((Pending::Mode(false), _))) {
            return;
        }
        if subject.queue.given - subject.done >= MOST_JOBS {
            return;
        }
        if !subject.has_work() {
            subject.since_ns = host.port.time_ns();
        }
        let needs = matches!(batch, Batch::Spin(_) | Batch::Wait);
        subject.batches.push_back((subject.queue.given, batch, needs));
        subject.queue.give(host, batch);
        if subject.enabled || subject.pending.is_some() {
            subject.queue.ring(host);
        } else {
            subject.queue.enable(host, true);
            subject.pending = Some((Pending::Mode(true), host.port.time_ns()));
        }
    }

    /// The first batch that waits for it may end. Memory is written, and nobody is told.
    fn release(&mut self, at: usize) {
        let Self { host, subjects, .. } = self;
        let queue = subjects[at].queue.clone();
        if let Some((job, _, needs)) = subjects[at].batches.iter_mut().find(|(.., needs)| *needs) {
            *needs = false;
            queue.release(host, *job);
        }
    }

    fn change_policies(&mut self, at: usize) {
        let policies = self.any_policies();
        let Self { host, subjects, .. } = self;
        let subject = &mut subjects[at];
        if matches!(subject.pending, Some((Pending::Gone, _))) {
            return;
        }
        subject.queue.policies(host, policies.quantum_us, policies.limit_us, policies.priority);
        subject.policies = policies;
        self.begin_anew();
    }

    fn set_mode(&mut self, at: usize) {
        let Self { host, subjects, .. } = self;
        let subject = &mut subjects[at];
        if subject.pending.is_none() && !subject.lost {
            subject.queue.enable(host, !subject.enabled);
            subject.pending = Some((Pending::Mode(!subject.enabled), host.port.time_ns()));
        }
    }

    /// A context that is stopped is forgotten, and another one takes its index; one that is lost is stopped first.
    fn leave_or_come(&mut self, at: usize) {
        let Self { host, subjects, .. } = self;
        let subject = &mut subjects[at];
        if subject.pending.is_some() {
            return;
        }
        if subject.enabled && subject.lost {
            subject.queue.enable(host, false);
            subject.pending = Some((Pending::Mode(false), host.port.time_ns()));
        } else if !subject.enabled {
            subject.queue.deregister(host);
            subject.pending = Some((Pending::Gone, host.port.time_ns()));
        }
    }

    /// Lets time pass, from one instant that the device names to the next, and looks at everything in between.
    fn pass(&mut self, ns: u64) {
        let until = self.host.port.time_ns() + ns;
        loop {
            let next = self.host.port.wakes_ns().map_or(until, |at| at.min(until)).max(self.host.port.time_ns());
            self.host.port.pass_to(next);
            if self.host.port.has_message() && self.noise.below(4) != 0 {
                self.host.take_interrupts();
                self.hear();
            }
            self.look();
            if self.host.port.time_ns() >= until {
                return;
            }
        }
    }

    /// What interrupts brought.
    fn hear(&mut self) {
        while let Some(told) = self.host.told.pop_front() {
            self.told(told);
        }
        for (engine, (class, number, ..)) in ENGINES.iter().enumerate() {
            if self.user[engine] != self.host.user[engine] {
                let here =
                    |subject: &&mut Subject| subject.queue.class == *class && subject.queue.mask() >> number & 1 != 0;
                for subject in self.subjects.iter_mut().filter(here) {
                    subject.heard = subject.queue.done(&self.host).0;
                }
            }
        }
        self.user = self.host.user;
    }

    fn told(&mut self, told: Told) {
        let (Told::Mode(index, _) | Told::Gone(index) | Told::Reset(index) | Told::Other(index)) = told;
        let now = self.host.port.time_ns();
        let Some(subject) = self.subjects.get_mut(index as usize / 2) else { self.fail(&format!("{told:?}")) };
        match (told, subject.pending) {
            (Told::Mode(_, on), Some((Pending::Mode(wanted), _))) if on == wanted => {
                (subject.enabled, subject.pending, subject.since_ns) = (on, None, now);
            }
            (Told::Gone(_), Some((Pending::Gone, _))) => {
                let fresh = self.register(index);
                self.subjects[index as usize / 2] = fresh;
            }
            (Told::Reset(_), _) if subject.is_stubborn() => subject.lost = true,
            _ => self.fail(&format!("nobody waits for {told:?}")),
        }
    }

    /// What must always hold.
    fn look(&mut self) {
        let now = self.host.port.time_ns();
        for at in 0..self.subjects.len() {
            let subject = &mut self.subjects[at];
            let (done, begun) = subject.queue.done(&self.host);
            let clock = subject.queue.clock(&self.host);
            if done < subject.done || done > begun || begun > subject.queue.given {
                self.fail(&format!("{at} has done {done}, begun {begun}"));
            }
            if clock.is_some_and(|clock| clock < subject.clock) {
                self.fail(&format!("the clock of {at} goes back: {clock:?}"));
            }
            if done != subject.done || clock.is_none_or(|clock| clock != subject.clock) || !subject.wants() {
                subject.since_ns = now;
            }
            subject.done = done;
            subject.clock = clock.unwrap_or(subject.clock);
            while subject.batches.front().is_some_and(|(job, ..)| *job < done) {
                subject.batches.pop_front();
            }
        }
        for at in 0..self.subjects.len() {
            self.look_at_wait(at, now);
        }
    }

    /// Whether a context waits longer for an engine than those that share it allow.
    fn look_at_wait(&mut self, at: usize, now: u64) {
        let subject = &self.subjects[at];
        let share = |other: &&Subject| {
            other.queue.index != subject.queue.index
                && other.queue.class == subject.queue.class
                && other.queue.mask() & subject.queue.mask() != 0
                && other.may_hold()
        };
        let mut bound = SLACK_NS;
        for other in self.subjects.iter().filter(share) {
            let ns = match other.policies.priority.cmp(&subject.policies.priority) {
                core::cmp::Ordering::Less => None,
                core::cmp::Ordering::Equal => other.holds_ns(),
                core::cmp::Ordering::Greater => other.leaves_ns(),
            };
            let Some(ns) = ns else {
                self.subjects[at].since_ns = now;
                return;
            };
            bound += 2 * ns;
        }
        if let Some((pending, since)) = subject.pending {
            let bound = bound + subject.leaves_ns().unwrap_or(0);
            if now - since > bound {
                self.fail(&format!("{at} waits for {pending:?} since {} us", since / 1000));
            }
        }
        if subject.wants() && now - subject.since_ns > bound {
            self.fail(&format!("{at} stands still since {} us, at most {} us", subject.since_ns / 1000, bound / 1000));
        }
    }

    /// Everything that waits for somebody is released: all ends, and all of it is heard of.
    fn finish(&mut self) {
        for at in 0..self.subjects.len() {
            while self.subjects[at].batches.iter().any(|(.., needs)| *needs) {
                self.release(at);
            }
        }
        let end = self.host.port.time_ns() + 20_000 * MS;
        loop {
            for subject in &mut self.subjects {
                if !subject.enabled && subject.pending.is_none() && subject.has_work() {
                    subject.queue.enable(&mut self.host, true);
                    subject.pending = Some((Pending::Mode(true), self.host.port.time_ns()));
                }
            }
            self.pass(MS);
            let open =
                |subject: &Subject| subject.pending.is_some() || !subject.lost && subject.heard != subject.queue.given;
            if !self.subjects.iter().any(open) {
                break;
            }
            if self.host.port.time_ns() > end {
                self.fail("not everything ended, or was heard of");
            }
        }
        if !self.host.refusals.is_empty() {
            self.fail(&format!("refused: {:x?}", self.host.refusals));
        }
        if !self.host.port.sim.violations().is_empty() {
            self.fail("a rule was broken");
        }
    }
}

fn run(number: u64) {
    let mut case = Case::new(number);
    for _ in 0..60 {
        case.act();
    }
    case.finish();
}

#[test]
fn whoever_is_ready_gets_an_engine_in_time_and_everything_is_heard_of() {
    let given = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    if let Some(number) = given("GUC_CASE") {
        return run(number);
    }
    for number in 0..given("GUC_CASES").unwrap_or(80) {
        run(number);
    }
}
