//! Contract 3: each capacity of the lent storage at every length from nothing to one more than a scenario needs.
//!
//! Too little is an error that names the capacity and leaves everything as it was; exactly enough passes.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of these tests fail by panicking, count, and print how many points a sweep had"
)]

use barexe_core::gt::IrqFlag;
use barexe_core::{Capacities, Capacity, Error};
use barexe_hal::Nanos;
use barexe_sim::{DeviceSnapshot, Platform};
use barexe_tests::found::{SETTLE, found};
use barexe_tests::scenario::EVERYTHING;
use barexe_tests::storage::{FIELDS, Field, boxed, cut};
use barexe_tests::world::{World, sim};
use std::sync::Arc;

/// The capacity an error names.
const fn named(error: Error) -> Option<Capacity> {
    if let Error::Exhausted(capacity) | Error::ArrayExhausted(capacity) = error { Some(capacity) } else { None }
}

/// A platform, and what a fresh part of it looks like.
type Part<'p> = (&'p Platform, &'p DeviceSnapshot);

/// The scenario in storage of these capacities: the step at which it was refused and why, if it was. Steps before
/// `sure` are known to pass.
fn run((platform, fresh): Part<'_>, capacities: &Capacities, sure: usize, what: &str) -> Option<(usize, Error)> {
    let (sim, irq) = (sim(platform), Arc::new(IrqFlag::new()));
    let mut storage = boxed();
    let mut refusal = None;
    match World::open(&sim, cut(storage.lend(), capacities), &irq) {
        Err(refused) => refusal = Some((0, refused.error)),
        Ok(mut world) => {
            for (index, step) in EVERYTHING.iter().enumerate() {
                let before = if step.can_be_refused() && index >= sure { Some(world.state()) } else { None };
                // Looking takes time, in which invalidations finish: what is not looked at takes it too.
                sim.advance(if before.is_some() { Nanos::ZERO } else { SETTLE });
                if let Err(error) = world.step(step) {
                    let before = before.unwrap_or_else(|| panic!("{what}: {step:?}: {error}"));
                    assert_eq!(before.difference(&world.state()), None, "{what}: {step:?} refused with {error}");
                    refusal = Some((index, error));
                    break;
                }
            }
            let _ = world.close();
        }
    }
    let (given, taken) = sim.buffers();
    assert_eq!(given, taken, "{what}: buffers");
    assert_eq!(sim.violations(), Vec::<String>::new(), "{what}");
    assert_eq!(sim.halted(), [], "{what}");
    assert_eq!(found(&sim), *fresh, "{what}");
    refusal
}

/// Lengths tried for one field, and the first with which the scenario passes.
fn sweep(part: Part<'_>, field: &Field) -> (usize, usize) {
    let base = Capacities::DEFAULT.on_tiles(part.0.tiles.into());
    let most = field.of(&base);
    // More room is never refused earlier.
    let mut sure = 0;
    for len in 0..=most {
        let what = format!("{} with {len} {}", part.0.name, field.name);
        let Some((at, error)) = run(part, &field.of_choice(base, len), sure, &what) else {
            assert!(len > 0, "{what}: the scenario does not use it");
            assert_eq!(
                run(part, &field.of_choice(base, len + 1), EVERYTHING.len(), &what),
                None,
                "{what} and one more"
            );
            return (len + 2, len);
        };
        assert_eq!(named(error), Some(field.capacity), "{what}: {error}");
        sure = at;
    }
    panic!("{} of {} are not enough", most, field.name);
}

fn sweep_all(platform: &Platform) {
    let fresh = found(&sim(platform));
    let mut points = 0;
    for field in FIELDS {
        let (tried, enough) = sweep((platform, &fresh), field);
        println!("{}: {}: {enough} are enough", platform.name, field.name);
        points += tried;
    }
    println!("{}: {points} lengths of {} capacities", platform.name, FIELDS.len());
    assert!(points >= 200, "{points}");
}

#[test]
fn each_capacity_from_nothing_to_more_than_enough_on_tiger_lake() {
    sweep_all(&Platform::tgl());
}

#[test]
fn each_capacity_from_nothing_to_more_than_enough_on_two_tiles() {
    sweep_all(&Platform::tgl_with_tiles(2));
}

#[test]
fn each_capacity_from_nothing_to_more_than_enough_on_lunar_lake() {
    sweep_all(&Platform::lnl());
}
