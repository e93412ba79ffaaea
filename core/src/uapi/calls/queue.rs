//! `XE_EXEC_QUEUE_CREATE` and `XE_EXEC_QUEUE_DESTROY` (bind-and-exec sheet §2.5, §3.6, §3.7).

use crate::Error;
use crate::device::request::{EngineRef, QueueProperties, QueueRequest, Source};
use crate::device::{ClientId, Device};
use crate::gt::EngineClass;
use crate::num::usize_of;
use crate::uapi::wire::client::{ClientArray, SharedMemory};
use crate::uapi::wire::extension;
use crate::uapi::wire::{Field, Zero, check_flags, check_zero, read, write};
use crate::uapi::{Answer, DONE};
use barexe_hal::{ClientMemory, Hal};

/// Layout of the argument struct of create.
mod create {
    use super::{Field, Zero};

    pub(super) const EXTENSIONS: Field<u64> = Field::at(0);
    pub(super) const WIDTH: Field<u16> = Field::at(8);
    pub(super) const NUM_PLACEMENTS: Field<u16> = Field::at(10);
    pub(super) const VM_ID: Field<u32> = Field::at(12);
    pub(super) const FLAGS: Field<u32> = Field::at(16);
    pub(super) const QUEUE_ID: Field<u32> = Field::at(20);
    pub(super) const INSTANCES: Field<u64> = Field::at(24);
    pub(super) const MUST_BE_ZERO: [Zero; 1] = [Zero::reserved(32)];

    /// A hint; engines here always run at the frequency the firmware sets.
    pub(super) const LOW_LATENCY_HINT: u32 = 1;
}

/// Layout of the argument struct of destroy.
mod destroy {
    use super::{Field, Zero};

    pub(super) const QUEUE_ID: Field<u32> = Field::at(0);
    pub(super) const MUST_BE_ZERO: [Zero; 2] = [Zero::pad(4, 4), Zero::reserved(8)];
}

/// Layout of one instance.
mod instance {
    use super::Field;

    pub(super) const LEN: usize = 8;
    pub(super) const CLASS: Field<u16> = Field::at(0);
    pub(super) const INSTANCE: Field<u16> = Field::at(2);
    pub(super) const GT_ID: Field<u16> = Field::at(4);
}

/// Class of a bind queue, which is no engine.
const VM_BIND: u16 = 5;
/// Most instances a queue names.
const MAX_INSTANCES: u32 = 9;

/// An instance as the client names it, of whatever class.
#[derive(Clone, Copy, Default)]
struct Instance {
    class: u16,
    instance: u16,
    gt: u16,
}

/// The engines of a create call.
type NamedEngines = heapless::Vec<EngineRef, { usize_of(MAX_INSTANCES) }>;

/// What a create call asks for, before engines are looked up.
struct Request {
    vm: u32,
    width: u16,
    placements: u16,
    instances: [Instance; usize_of(MAX_INSTANCES)],
    extensions: u64,
}

impl Request {
    const fn first(&self) -> Instance {
        let [first, ..] = self.instances;
        first
    }

    /// Instances it names.
    fn count(&self) -> u32 {
        u32::from(self.width).saturating_mul(u32::from(self.placements))
    }
}

pub(super) fn create<H: Hal>(
    device: &mut Device<'_, H>,
    client: ClientId,
    arg: &mut [u8],
    memory: &mut dyn ClientMemory,
) -> Result<Answer, Error> {
    let memory = SharedMemory::new(memory);
    let request = read_request(arg, &memory)?;
    let gt = request.first().gt;
    if device.info().gts().all(|found| u16::from(found.id) != gt) {
        return Err(Error::invalid("GT id", u64::from(gt)));
    }
    let id = if request.first().class == VM_BIND {
        create_bind_queue(device, client, &request, &memory)?
    } else {
        create_exec_queue(device, client, &request, &memory)?
    };
    write(arg, create::QUEUE_ID, id);
    DONE
}

/// Rows 1 to 3.
fn read_request(arg: &[u8], memory: &SharedMemory<'_>) -> Result<Request, Error> {
    check_flags("queue flags", read(arg, create::FLAGS), create::LOW_LATENCY_HINT)?;
    check_zero(arg, &create::MUST_BE_ZERO)?;
    let (width, placements) = (read(arg, create::WIDTH), read(arg, create::NUM_PLACEMENTS));
    let count = u32::from(width).saturating_mul(u32::from(placements));
    if count == 0 || count > MAX_INSTANCES {
        return Err(Error::invalid("number of engine instances", u64::from(count)));
    }
    let instances = read_instances(memory, read(arg, create::INSTANCES), count)?;
    let (vm, extensions) = (read(arg, create::VM_ID), read(arg, create::EXTENSIONS));
    Ok(Request { vm, width, placements, instances, extensions })
}

/// Reads every instance.
fn read_instances(
    memory: &SharedMemory<'_>,
    addr: u64,
    count: u32,
) -> Result<[Instance; usize_of(MAX_INSTANCES)], Error> {
    let mut array = ClientArray::new(memory, addr, count, |bytes: &[u8; instance::LEN]| {
        Ok(Instance {
            class: read(bytes, instance::CLASS),
            instance: read(bytes, instance::INSTANCE),
            gt: read(bytes, instance::GT_ID),
        })
    });
    let mut instances = [Instance::default(); usize_of(MAX_INSTANCES)];
    for (index, slot) in (0..count).zip(&mut instances) {
        *slot = array.get(index)?;
    }
    Ok(instances)
}

/// Row 5.
fn create_bind_queue<H: Hal>(
    device: &mut Device<'_, H>,
    client: ClientId,
    request: &Request,
    memory: &SharedMemory<'_>,
) -> Result<u32, Error> {
    if (request.width, request.placements, request.first().instance) != (1, 1, 0) {
        return Err(Error::invalid("instance of a bind queue", u64::from(request.first().instance)));
    }
    device.check_vm_live(client, request.vm)?;
    let privileged = device.client_is_privileged(client)?;
    // A bind queue has no use for its properties, but they must be right.
    let limits = QueueProperties::TIMESLICE_LIMITS_US;
    extension::queue_properties(memory, request.extensions, (privileged, limits), QueueProperties::default())?;
    device.bind_queue_create(client, request.vm)
}

/// Row 6.
fn create_exec_queue<H: Hal>(
    device: &mut Device<'_, H>,
    client: ClientId,
    request: &Request,
    memory: &SharedMemory<'_>,
) -> Result<u32, Error> {
    let placements = find_engines(device, request)?;
    device.check_vm_live(client, request.vm)?;
    let privileged = device.client_is_privileged(client)?;
    let first = placements.first().ok_or(Error::invalid("number of placements", 0))?;
    let (unset, limits) = (device.new_queue(first)?, device.timeslice_limits(first, privileged)?);
    let properties = extension::queue_properties(memory, request.extensions, (privileged, limits), unset)?;
    let queue = QueueRequest { vm: request.vm, placements: &placements, width: request.width, properties };
    device.exec_queue_create(client, &queue)
}

/// Rows 6a and 6b.
fn find_engines<H: Hal>(device: &Device<'_, H>, request: &Request) -> Result<NamedEngines, Error> {
    let mut engines = NamedEngines::new();
    for named in request.instances.iter().take(usize_of(request.count())) {
        let Instance { class, instance, gt } = *named;
        let class = EngineClass::from_client_code(class).ok_or(Error::invalid("engine class", u64::from(class)))?;
        // Row 2 has checked the number.
        let _ = engines.push(EngineRef { class, instance, gt });
    }
    device.check_placements(&engines, request.width)?;
    Ok(engines)
}

pub(super) fn destroy<H: Hal>(device: &mut Device<'_, H>, client: ClientId, arg: &[u8]) -> Result<Answer, Error> {
    check_zero(arg, &destroy::MUST_BE_ZERO)?;
    device.queue_destroy(client, read(arg, destroy::QUEUE_ID))?;
    DONE
}
