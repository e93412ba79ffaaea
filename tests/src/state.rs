//! Everything a driver knows and a device holds, for "a refused call has changed nothing".

use crate::rig::Rig;
use barexe_sim::DeviceSnapshot;

/// One moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    driver: String,
    device: DeviceSnapshot,
    buffers: (u64, u64),
}

impl State {
    /// Now.
    #[must_use]
    pub fn of(rig: &Rig<'_>) -> Self {
        let driver = visible(&format!("{:?}", rig.device));
        Self { driver, device: rig.sim.snapshot(), buffers: rig.sim.buffers() }
    }
}

/// A driver's own description without what means nothing: empty places of pools and the order in which they will be
/// filled, and the scratch area in which the operations of a call are checked.
fn visible(description: &str) -> String {
    let text = without(description, "Slot { generation: ", ", value: None }", |inside| !inside.contains('{'));
    let text = without(&text, "first_free: ", ",", |_| true);
    without(&text, "bind_ops: [", "]", |_| true)
}

/// `text` without what stands from a `start` to the next `end`, if `means_nothing` says so of what lies between.
fn without(text: &str, start: &str, end: &str, means_nothing: impl Fn(&str) -> bool) -> String {
    let mut parts = text.split(start);
    let mut kept = String::from(parts.next().unwrap_or_default());
    for part in parts {
        match part.split_once(end) {
            Some((inside, rest)) if means_nothing(inside) => kept.push_str(rest),
            _ => kept.extend([start, part]),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_places_and_their_order_do_not_count() {
        let full = "Slot { generation: 3, next_free: 9, value: Some(Vm { id: 1 }) }";
        let pool = |generation: u32, free: u32| {
            format!(
                "Pool {{ slots: [Slot {{ generation: {generation}, next_free: {free}, value: None }}, {full}], \
                 first_free: {free}, live: 1 }}, bind_ops: [BindOp {{ va: {free} }}]"
            )
        };
        assert_eq!(visible(&pool(1, 7)), visible(&pool(2, 8)));
        assert!(visible(&pool(1, 7)).contains(full));
    }
}
