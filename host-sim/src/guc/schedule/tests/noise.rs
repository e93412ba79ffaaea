//! Requests that make no sense.

use super::*;
use EngineClass::{Copy, Render, VideoDecode};

/// A generator whose every value is reproducible: xorshift.
struct Noise(u64);

impl Noise {
    fn below(&mut self, end: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as u32 % end
    }
}

fn request(rig: &mut Rig, noise: &mut Noise) -> Request {
    let context = noise.below(6);
    match noise.below(12) {
        0 | 1 => {
            let class = [Copy, Render, VideoDecode][noise.below(3) as usize];
            let images = (0..noise.below(3)).map(|number| rig.image(context + number, class)).collect();
            let queue = Some(WorkQueue { descriptor: QUEUE, base: WORK, bytes: noise.below(2) * 0x400 });
            Request::Register(Registration { context, kernel: true, class, engines: noise.below(4), images, queue })
        }
        2 => Request::Deregister(context),
        3 | 4 => Request::SetMode { context, enabled: true },
        5 => Request::SetMode { context, enabled: false },
        6 => {
            let value = noise.below(2000);
            let policy = [Policy::Quantum(value), Policy::PreemptionTimeout(value), Policy::Priority(value % 4)];
            Request::SetPolicies { context, policies: vec![policy[noise.below(3) as usize]] }
        }
        7 => Request::GlobalPolicies { resets_engines: noise.below(4) != 0 },
        _ => {
            rig.put(QUEUE + 4, &[noise.below(260) * 4]);
            rig.put(WORK + noise.below(200) * 4, &[noise.below(8) | noise.below(8) << 16]);
            Request::Schedule(context)
        }
    }
}

#[test]
fn no_request_panics_and_every_context_can_be_stopped() {
    let mut noise = Noise(0x9E37_79B9_7F4A_7C15);
    for _ in 0..60 {
        let mut rig = Rig::tgl();
        for context in 0..8 {
            rig.image(context, Copy);
            rig.job(context, 1);
            let polite = noise.below(3) != 0;
            if noise.below(2) == 0 { rig.short(context) } else { rig.spinner(context, polite) }
        }
        for _ in 0..100 {
            let request = request(&mut rig, &mut noise);
            let _ = rig.ask(request);
            for _ in 0..noise.below(4) {
                rig.turn();
            }
        }
        rig.ask(Request::GlobalPolicies { resets_engines: true }).unwrap();
        for context in 0..8 {
            let _ = rig.ask(Request::SetPolicies { context, policies: vec![Policy::PreemptionTimeout(1)] });
            let _ = rig.ask(Request::SetMode { context, enabled: false });
        }
        rig.pass(3 * MS);
        assert!(rig.scheduler.contexts.values().all(|context| context.stay.is_none() && !context.disabling));
    }
}
