//! A scenario as data: what a client does with a device from its opening to its end.
//!
//! Each [`Step`] makes at most one call that can be refused, so that a test can fail it, look whether anything
//! changed, and repeat it. Objects are named by the order in which the scenario makes them.

use barexe_core::device::request::{CpuCaching, VmFlags};
use barexe_core::gt::EngineClass;

/// Something the client gets.
#[derive(Clone, Copy, Debug)]
pub enum Make {
    /// The client itself.
    Client,
    /// A second client.
    OtherClient,
    /// The second client's handle to an object of the first.
    Import(usize),
    /// A VM.
    Vm(VmFlags),
    /// A buffer object: length in bytes, caching, VM it is private to.
    Bo(u64, CpuCaching, Option<usize>),
    /// A CPU mapping of all of an object.
    Mapping(usize),
    /// An empty sync object.
    Syncobj,
    /// A bind queue of a VM.
    BindQueue(usize),
    /// An exec queue of a VM on the first engine of a class.
    ExecQueue(usize, EngineClass),
}

/// One bind operation.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    /// Maps an object from an offset on: object, offset, address, length in bytes.
    Map(usize, u64, u64, u64),
    /// Maps nothing: address, length in bytes.
    Null(u64, u64),
    /// Unmaps: address, length in bytes.
    Unmap(u64, u64),
    /// Maps client memory: client address, address, length in bytes.
    User(u64, u64, u64),
    /// Brings back what is mapped: address, length in bytes.
    Prefetch(u64, u64),
}

/// One sync entry.
#[derive(Clone, Copy, Debug)]
pub enum Sync {
    /// Waits for a binary object.
    In(usize),
    /// Signals a binary object.
    Out(usize),
    /// Waits for a point of a timeline.
    InPoint(usize, u64),
    /// Signals a point of a timeline.
    OutPoint(usize, u64),
    /// Stores a value: address, value.
    UserFence(u64, u64),
}

/// Something that must be so.
#[derive(Clone, Copy, Debug)]
pub enum Check {
    /// A dword of an object: object, offset, value.
    Holds(usize, u64, u32),
    /// A word of the client's memory: address, value.
    ClientHolds(u64, u64),
    /// A dword of the client's memory that the device reaches: address, value.
    UserHolds(u64, u32),
    /// A sync object has signalled.
    Signalled(usize),
    /// Nothing of any client is left.
    NothingLeft,
}

/// Something the client gives up.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// What a sync object holds.
    SyncobjContent(usize),
    /// A sync object.
    Syncobj(usize),
    /// A queue.
    Queue(usize),
    /// The CPU mapping of an object.
    Mapping(usize),
    /// The handle of an object.
    Bo(usize),
    /// A VM.
    Vm(usize),
    /// The second client.
    OtherClient,
    /// The client itself, with everything it still has.
    Client,
}

/// One step.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// The client gets something.
    Make(Make),
    /// A batch of stores (address, value) is put into an object at an offset.
    Batch(usize, u64, &'static [(u64, u32)]),
    /// A bind on a VM's own queue or the given one.
    Bind(usize, Option<usize>, &'static [Op], &'static [Sync]),
    /// The batch at an address runs; without one it is a barrier.
    Exec(usize, Option<u64>, &'static [Sync]),
    /// The client's pages at an address are replaced by fresh ones: address, length in bytes.
    Change(u64, u64),
    /// A task falls asleep on the newest call that gave a ticket, and is given up.
    Sleep,
    /// The device works until nothing is left to do.
    Wait,
    /// Something must be so.
    Check(Check),
    /// The client gives something up.
    End(End),
}

impl Step {
    /// Whether the step may be refused for want of room or memory.
    #[must_use]
    pub const fn can_be_refused(&self) -> bool {
        matches!(self, Self::Make(_) | Self::Bind(..) | Self::Exec(..) | Self::Sleep)
    }

    /// Whether the step makes something or hands work in: what a device that is gone refuses. A CPU mapping and a
    /// second handle need no device.
    #[must_use]
    pub const fn needs_device(&self) -> bool {
        matches!(self, Self::Make(make) if !matches!(make, Make::Mapping(_) | Make::Import(_)))
            || matches!(self, Self::Bind(..) | Self::Exec(..))
    }
}

/// Addresses. Objects 0, 1 and 2 begin at the first three, which suit leaves of 64 KiB, 4 KiB and 2 MiB.
const BATCHES: u64 = 0x1_0000;
const PAGE: u64 = 0x40_0000_1000;
const LARGE: u64 = 0x80_0000_0000;
const UNMAPPED: u64 = 0x70_0000_0000;
const CLIENT: u64 = crate::client::CLIENT_PAGE;
/// Where client memory is mapped, and where it is: eight pages.
const USER_VA: u64 = 0x60_0000_0000;
pub(crate) const USER: u64 = 0x5000_0000;
pub(crate) const USER_BYTES: u64 = 0x8000;

const fn bind(vm: usize, ops: &'static [Op], syncs: &'static [Sync]) -> Step {
    Step::Bind(vm, None, ops, syncs)
}

const fn bo(len_bytes: u64, caching: CpuCaching, vm: Option<usize>) -> Step {
    Step::Make(Make::Bo(len_bytes, caching, vm))
}

/// Pages so far apart that each needs tables of its own: more than two blocks of them in one call.
const FAR: [Op; 24] = {
    let mut ops = [Op::Null(0, 0x1000); 24];
    let mut rest: &mut [Op] = &mut ops;
    let mut va = 0x100_0000_0000;
    while let [op, more @ ..] = rest {
        *op = Op::Null(va, 0x1000);
        va += 0x80_0000_0000;
        rest = more;
    }
    ops
};

/// Everything this core can do, once: leaves of all sizes, own and created bind queues, splitting, replacing and
/// unmapping, scratch, queues that wait for each other, user fences of both kinds, calls without work, objects that
/// go while work that uses them is out, client memory whose pages change, an object of two clients, and a client that
/// leaves the rest behind.
pub const EVERYTHING: &[Step] = &[
    Step::Make(Make::Client),
    Step::Make(Make::Vm(VmFlags::empty())),
    Step::Make(Make::Vm(VmFlags::SCRATCH_PAGE)),
    bo(64 << 10, CpuCaching::WriteBack, None),
    bo(4 << 10, CpuCaching::WriteCombining, Some(0)),
    bo((2 << 20) + (64 << 10), CpuCaching::WriteBack, None),
    Step::Make(Make::Mapping(0)),
    Step::Make(Make::Mapping(1)),
    Step::Make(Make::Mapping(2)),
    Step::Batch(0, 0x000, &[(LARGE + 0x100, 1), (PAGE + 0x20, 2)]),
    Step::Batch(0, 0x200, &[(LARGE + 0x100, 3), (LARGE + 0x10_0000, 4), (LARGE + 0x20_0010, 5)]),
    Step::Batch(0, 0x400, &[(UNMAPPED, 6), (LARGE + 0x20, 7)]),
    Step::Batch(0, 0x600, &[(LARGE + 0x108, 8)]),
    Step::Batch(0, 0x800, &[(LARGE + 0x30, 9)]),
    Step::Make(Make::Syncobj),
    Step::Make(Make::Syncobj),
    Step::Make(Make::Syncobj),
    Step::Make(Make::Syncobj),
    Step::Make(Make::Syncobj),
    bind(
        0,
        &[Op::Map(0, 0, BATCHES, 64 << 10), Op::Map(1, 0, PAGE, 4 << 10), Op::Map(2, 0, LARGE, (2 << 20) + (64 << 10))],
        &[Sync::Out(0)],
    ),
    Step::Make(Make::BindQueue(0)),
    // A hole in the 2 MiB leaf, filled with nothing, and another page in place of the first.
    Step::Bind(
        0,
        Some(0),
        &[Op::Unmap(LARGE + 0x10_0000, 0x2000), Op::Null(LARGE + 0x10_0000, 0x1000), Op::Map(0, 0x8000, PAGE, 4 << 10)],
        &[Sync::In(0), Sync::Out(2), Sync::OutPoint(1, 1), Sync::UserFence(CLIENT + 8, 0xB2)],
    ),
    bind(
        1,
        &[Op::Map(0, 0, BATCHES, 64 << 10), Op::Map(2, 2 << 20, LARGE, 64 << 10)],
        &[Sync::Out(3), Sync::UserFence(CLIENT, 0xB1)],
    ),
    bind(0, &FAR, &[]),
    Step::Make(Make::ExecQueue(0, EngineClass::Copy)),
    Step::Make(Make::ExecQueue(0, EngineClass::Render)),
    Step::Make(Make::ExecQueue(1, EngineClass::Copy)),
    Step::Exec(
        1,
        Some(BATCHES),
        &[Sync::InPoint(1, 1), Sync::Out(4), Sync::OutPoint(1, 2), Sync::UserFence(PAGE + 0x80, 0xE0)],
    ),
    // A mapping that work may be using is cut once the batch is over: what comes after waits for that too.
    Step::Bind(0, Some(0), &[Op::Unmap(BATCHES + 0xF000, 0x1000)], &[Sync::In(4)]),
    Step::Exec(2, Some(BATCHES + 0x200), &[Sync::InPoint(1, 2), Sync::Out(2)]),
    Step::Exec(3, Some(BATCHES + 0x400), &[Sync::In(2), Sync::In(3), Sync::OutPoint(1, 3)]),
    bind(0, &[], &[Sync::In(4), Sync::Out(0)]),
    Step::Exec(1, None, &[Sync::In(0), Sync::Out(3)]),
    Step::Exec(1, Some(BATCHES + 0x600), &[]),
    Step::Sleep,
    Step::Wait,
    Step::Check(Check::Holds(2, 0x100, 3)),
    Step::Check(Check::Holds(2, 0x10_0000, 0)),
    Step::Check(Check::Holds(2, 0x20_0010, 5)),
    Step::Check(Check::Holds(2, 0x20_0020, 7)),
    Step::Check(Check::Holds(2, 0x108, 8)),
    Step::Check(Check::Holds(0, 0x8020, 2)),
    Step::Check(Check::Holds(0, 0x8080, 0xE0)),
    Step::Check(Check::Holds(1, 0x20, 0)),
    Step::Check(Check::ClientHolds(CLIENT, 0xB1)),
    Step::Check(Check::ClientHolds(CLIENT + 8, 0xB2)),
    Step::Check(Check::Signalled(0)),
    Step::Check(Check::Signalled(1)),
    Step::Check(Check::Signalled(2)),
    Step::Check(Check::Signalled(3)),
    Step::End(End::SyncobjContent(3)),
    // Other memory at the same address, behind everything that used the old.
    bind(
        0,
        &[Op::Unmap(LARGE, (2 << 20) + (64 << 10)), Op::Map(2, 2 << 20, LARGE, 64 << 10), Op::Unmap(PAGE, 4 << 10)],
        &[Sync::Out(0)],
    ),
    Step::Exec(1, Some(BATCHES + 0x800), &[Sync::In(0), Sync::OutPoint(1, 4)]),
    Step::Wait,
    Step::Check(Check::Holds(2, 0x20_0030, 9)),
    Step::Check(Check::Signalled(1)),
    // Client memory: mapped, cut, its pages replaced, brought back by an exec and by a prefetch.
    Step::Batch(0, 0xA00, &[(USER_VA + 0x20, 10), (USER_VA + 0x4010, 11)]),
    bind(0, &[Op::User(USER, USER_VA, 0x5000)], &[Sync::Out(0)]),
    Step::Exec(1, Some(BATCHES + 0xA00), &[Sync::In(0)]),
    bind(0, &[Op::Unmap(USER_VA + 0x1000, 0x1000), Op::User(USER + 0x6000, USER_VA + 0x1000, 0x1000)], &[]),
    Step::Wait,
    Step::Check(Check::UserHolds(USER + 0x20, 10)),
    Step::Change(USER + 0x4000, 0x1000),
    Step::Check(Check::UserHolds(USER + 0x4010, 0)),
    Step::Exec(1, Some(BATCHES + 0xA00), &[]),
    Step::Wait,
    Step::Check(Check::UserHolds(USER + 0x4010, 11)),
    Step::Change(USER, 0x1000),
    bind(0, &[Op::Prefetch(USER_VA, 0x1000), Op::User(USER + 0x5000, USER_VA + 0x20_0000, 0x3000)], &[]),
    Step::Exec(1, Some(BATCHES + 0xA00), &[]),
    Step::Wait,
    Step::Check(Check::UserHolds(USER + 0x20, 10)),
    bind(0, &[Op::Unmap(USER_VA, 0x2000)], &[]),
    Step::Wait,
    Step::Make(Make::OtherClient),
    Step::Make(Make::Import(0)),
    Step::End(End::Mapping(1)),
    Step::End(End::Bo(1)),
    // From here on things go while work that uses them is out.
    Step::Exec(1, Some(BATCHES + 0x800), &[Sync::OutPoint(1, 5)]),
    Step::Exec(3, Some(BATCHES + 0x400), &[Sync::InPoint(1, 5), Sync::Out(4)]),
    bind(0, &[Op::Unmap(LARGE, 64 << 10)], &[Sync::InPoint(1, 5), Sync::In(4)]),
    Step::End(End::Bo(2)),
    Step::End(End::Syncobj(1)),
    Step::End(End::Queue(1)),
    Step::End(End::Vm(1)),
    Step::Change(USER, 0x8000),
    Step::End(End::OtherClient),
    Step::End(End::Client),
    Step::Wait,
    Step::Check(Check::NothingLeft),
];
