//! Work of contexts that run side by side: items in memory, each with the tails that all of them go on to.

use super::serve::World;
use super::{Scheduler, memory};
use crate::bus::Bus;
use crate::guc::messages::work_queue::{self as layout, status};
use crate::guc::requests::{Registration, WorkQueue};

/// An item that cannot be read, at this offset.
struct Wrong(u32);

/// What an item says.
enum Item {
    /// Nothing.
    Noop,
    /// The new tails, in bytes.
    Tails(Vec<u32>),
}

const DWORD: u32 = 4;

const fn descriptor_dword(queue: &WorkQueue, dword: usize) -> u32 {
    queue.descriptor.wrapping_add(dword as u32 * DWORD)
}

/// Reads the item at an offset; it, and the offset behind it.
fn item(bus: &mut dyn Bus, queue: &WorkQueue, registration: &Registration, at: u32) -> Result<(Item, u32), Wrong> {
    let mut dword = |number: u32| memory::read(bus, queue.base.wrapping_add(at + number * DWORD)).ok_or(Wrong(at));
    let head = dword(0)?;
    let length = layout::LENGTH.of(head);
    let end = at + (length + 1) * DWORD;
    if end > queue.bytes {
        return Err(Wrong(at));
    }
    let others = registration.images.len() as u32 - 1;
    let first = layout::OTHER_TAILS as u32;
    match layout::KIND.of(head) {
        layout::NOOP => Ok((Item::Noop, end)),
        layout::MULTI_LRC if length + 1 == first + others => {
            let (image, parent) = (dword(1)?, dword(2)?);
            let known = registration.images.first().is_some_and(|known| *known as u32 == image);
            if !known || layout::CONTEXT.of(parent) != registration.context & 0xFFFF {
                return Err(Wrong(at));
            }
            let mut tails = vec![layout::TAIL_OF_FIRST.of(parent) * layout::TAIL_UNIT];
            for number in 0..others {
                tails.push((dword(first + number)? & 0x7FF) * layout::TAIL_UNIT);
            }
            Ok((Item::Tails(tails), end))
        }
        _ => Err(Wrong(at)),
    }
}

impl Scheduler {
    /// Reads what the work queue of a context has, if it has one: the tails go into its images.
    pub(super) fn read_queue(&mut self, world: &mut World<'_>, index: u32) {
        let Some(context) = self.contexts.get(&index) else { return };
        let registration = context.registration.clone();
        let Some(queue) = registration.queue else { return };
        let read = |bus: &mut dyn Bus, dword| memory::read(bus, descriptor_dword(&queue, dword));
        if read(world.bus, layout::STATUS) != Some(status::ACTIVE) {
            return;
        }
        let (Some(mut head), Some(tail)) = (read(world.bus, layout::HEAD), read(world.bus, layout::TAIL)) else {
            return;
        };
        let mut wrong = None;
        // Each item moves the head, and it comes round only once.
        for _ in 0..=queue.bytes / DWORD {
            if head == tail || wrong.is_some() {
                break;
            }
            match item(world.bus, &queue, &registration, head) {
                Ok((what, end)) => {
                    wrong = self.use_item(world, &registration, what).err().map(|Wrong(_)| Wrong(head));
                    head = if end >= queue.bytes && tail != end { 0 } else { end };
                }
                Err(at) => wrong = Some(at),
            }
        }
        let mut write = |dword, value| memory::write(world.bus, descriptor_dword(&queue, dword), value);
        write(layout::HEAD, head);
        if let Some(Wrong(at)) = wrong {
            write(layout::ERROR_OFFSET, at);
            write(layout::STATUS, status::COMMAND_ERROR);
            world.bus.complain(format!("guc: the work queue of context {index} has no item at {at:#x}"));
        }
    }

    /// Writes new tails into the images.
    fn use_item(&self, world: &mut World<'_>, registration: &Registration, item: Item) -> Result<(), Wrong> {
        let Item::Tails(tails) = item else { return Ok(()) };
        let Some(engine) = self.places(registration).next().and_then(|place| self.seats.get(place.start)) else {
            return Err(Wrong(0));
        };
        let Some(engine) = world.engines.get_mut(engine.engine) else { return Err(Wrong(0)) };
        for (image, tail) in registration.images.iter().zip(tails) {
            engine.set_tail(world.bus, *image, tail).map_err(|_| Wrong(0))?;
        }
        Ok(())
    }
}
