//! What the host asks the scheduler for, and what the scheduler tells: decoded, between transport and scheduling.
//!
//! The transport decodes a message to a [`Request`], the scheduler takes it or says why not; what happens later comes as
//! an [`Event`], which the transport puts into the ring for the host.

use super::messages::context::{self, class};
use super::messages::{actions, klv, page_fault, status};
use crate::spec::EngineClass;

/// Why a request is refused: one of [`status`].
pub(crate) type Refusal = u16;

/// Where work of contexts side by side is queued. Addresses are of the GGTT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WorkQueue {
    /// Its descriptor: see [`super::messages::work_queue`].
    pub(crate) descriptor: u32,
    /// Its items.
    pub(crate) base: u32,
    /// Bytes of its items.
    pub(crate) bytes: u32,
}

/// A context, or several that run side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Registration {
    /// Index of the first; the others have those after it.
    pub(crate) context: u32,
    /// It is the driver's own.
    pub(crate) kernel: bool,
    pub(crate) class: EngineClass,
    /// Engines it may run on, counted through those of the class that exist.
    pub(crate) engines: u32,
    /// Descriptors of the images, without an index. At least one.
    pub(crate) images: Vec<u64>,
    /// With several images: where their work is queued.
    pub(crate) queue: Option<WorkQueue>,
}

/// One policy of a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// Microseconds on an engine before others of its priority have their turn; 0 without end.
    Quantum(u32),
    /// Microseconds in which it must leave its engine when asked to; 0 without end.
    PreemptionTimeout(u32),
    /// The lower goes first.
    Priority(u32),
    /// It leaves at the end of its time even if nobody waits.
    PreemptToIdle(bool),
    /// Hint for the frequency.
    Frequency(u32),
}

/// Answer to a page fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FaultReply {
    pub(crate) space: u32,
    /// Class, as the hardware counts, and instance of the engine.
    pub(crate) engine: (u32, u32),
    /// The access works now.
    pub(crate) served: bool,
}

/// What the host asks the scheduler for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// There is a new context.
    Register(Registration),
    /// A context is forgotten. [`Event::Deregistered`] tells when.
    Deregister(u32),
    /// A context may run or not. [`Event::ModeSet`] tells when.
    SetMode { context: u32, enabled: bool },
    /// A context has new work.
    Schedule(u32),
    /// A context's policies change.
    SetPolicies { context: u32, policies: Vec<Policy> },
    /// Policies for all are read again.
    GlobalPolicies {
        /// An engine on which a context does not yield is reset.
        resets_engines: bool,
    },
    /// Answer to [`Event::PageFault`].
    FaultReply(FaultReply),
}

/// A fault that the host may serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageFault {
    /// Address space.
    pub(crate) space: u32,
    pub(crate) va: u64,
    /// 0 read, 1 write, 2 atomic.
    pub(crate) access: u32,
    /// 0 not present, 1 write not allowed, 2 atomic not allowed.
    pub(crate) kind: u32,
    /// Level of the table at which the walk ended.
    pub(crate) level: u32,
    /// Engine that met it.
    pub(crate) engine: (EngineClass, u8),
}

/// What the scheduler tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A context may run, or has stopped.
    ModeSet { context: u32, enabled: bool },
    /// A context is forgotten.
    Deregistered(u32),
    /// A context hung, or did not yield: its engine was reset, and it runs no more.
    ContextReset(u32),
    /// An engine could not be reset.
    EngineFailure { engine: (EngineClass, u8), reason: u32 },
    /// A context met an address that does not translate.
    MemoryError {
        /// None where no context is known.
        context: Option<u32>,
    },
    /// A context met one that the host may serve.
    #[expect(dead_code, reason = "no engine here waits for such a fault yet")]
    PageFault(PageFault),
    /// An engine that hung was looked at: its registers are to be kept in the log before the next event leaves.
    Hang {
        engine: (EngineClass, u8),
        context: u32,
        /// Descriptor of what ran on it.
        image: u64,
    },
}

/// Class of an engine, by this interface's number.
pub(crate) const fn class_of(number: u32) -> Option<EngineClass> {
    Some(match number {
        class::RENDER => EngineClass::Render,
        class::VIDEO_DECODE => EngineClass::VideoDecode,
        class::VIDEO_ENHANCE => EngineClass::VideoEnhance,
        class::COPY => EngineClass::Copy,
        class::COMPUTE => EngineClass::Compute,
        class::OTHER => EngineClass::Other,
        _ => return None,
    })
}

/// This interface's number of a class.
pub(crate) const fn class_number(class: EngineClass) -> u32 {
    match class {
        EngineClass::Render => class::RENDER,
        EngineClass::VideoDecode => class::VIDEO_DECODE,
        EngineClass::VideoEnhance => class::VIDEO_ENHANCE,
        EngineClass::Copy => class::COPY,
        EngineClass::Compute => class::COMPUTE,
        EngineClass::Other => class::OTHER,
    }
}

/// A payload, dword by dword.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Payload<'a>(pub(crate) &'a [u32]);

impl Payload<'_> {
    pub(crate) fn dword(self, at: usize) -> Result<u32, Refusal> {
        self.0.get(at).copied().ok_or(status::INVALID_SIZE)
    }

    pub(crate) fn wide(self, at: usize) -> Result<u64, Refusal> {
        Ok(u64::from(self.dword(at)?) | u64::from(self.dword(at + 1)?) << 32)
    }

    /// An address of the GGTT, which has 32 bits.
    pub(crate) fn ggtt(self, at: usize) -> Result<u32, Refusal> {
        u32::try_from(self.wide(at)?).map_err(|_| status::INVALID_GGTT_ADDRESS)
    }
}

impl Request {
    /// Decodes what is for the scheduler; none if it is for somebody else.
    pub(crate) fn decode(action: u16, payload: Payload<'_>) -> Result<Option<Self>, Refusal> {
        use actions::request;
        let index = || payload.dword(0).and_then(valid_index);
        Ok(Some(match action {
            request::REGISTER_CONTEXT => Self::Register(one(payload)?),
            request::REGISTER_CONTEXT_MULTI_LRC => Self::Register(several(payload)?),
            request::DEREGISTER_CONTEXT => Self::Deregister(index()?),
            request::SCHED_CONTEXT => Self::Schedule(index()?),
            request::SCHED_CONTEXT_MODE_SET => Self::SetMode { context: index()?, enabled: mode(payload.dword(1)?)? },
            request::CONTEXT_POLICIES => Self::SetPolicies { context: index()?, policies: policies(payload)? },
            request::PAGE_FAULT_REPLY => Self::FaultReply(fault_reply(payload)?),
            _ => return Ok(None),
        }))
    }
}

const fn valid_index(index: u32) -> Result<u32, Refusal> {
    if index < context::INDICES { Ok(index) } else { Err(status::INVALID_CONTEXT_INDEX) }
}

const fn mode(dword: u32) -> Result<bool, Refusal> {
    match dword {
        context::ENABLE => Ok(true),
        context::DISABLE => Ok(false),
        _ => Err(status::INVALID_PARAMS),
    }
}

/// What both kinds of registration have in common.
fn registration(payload: Payload<'_>, images: Vec<u64>) -> Result<Registration, Refusal> {
    use context::register;
    Ok(Registration {
        context: valid_index(payload.dword(register::CONTEXT)?)?,
        kernel: context::FLAG_KERNEL.of(payload.dword(register::FLAGS)?) != 0,
        class: class_of(payload.dword(register::CLASS)?).ok_or(status::INVALID_ENGINE)?,
        engines: payload.dword(register::ENGINES)?,
        images,
        queue: None,
    })
}

fn one(payload: Payload<'_>) -> Result<Registration, Refusal> {
    registration(payload, vec![payload.wide(context::register::IMAGE)?])
}

fn several(payload: Payload<'_>) -> Result<Registration, Refusal> {
    use context::register;
    let count = payload.dword(register::COUNT)? as usize;
    if count == 0 || count > context::INSTANCE_ROOM {
        return Err(status::INVALID_CONTEXT_REGISTRATION);
    }
    let images = (0..count).map(|number| payload.wide(register::IMAGES + 2 * number)).collect::<Result<_, _>>()?;
    let queue = WorkQueue {
        descriptor: payload.ggtt(register::QUEUE_DESCRIPTOR)?,
        base: payload.ggtt(register::QUEUE_BASE)?,
        bytes: payload.dword(register::QUEUE_BYTES)?,
    };
    Ok(Registration { queue: Some(queue), ..registration(payload, images)? })
}

fn policies(payload: Payload<'_>) -> Result<Vec<Policy>, Refusal> {
    let pairs = payload.0.get(1..).unwrap_or_default();
    let (pairs, rest) = pairs.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(status::MALFORMED_KLV);
    }
    pairs.iter().map(|[head, value]| policy(*head, *value)).collect()
}

const fn policy(head: u32, value: u32) -> Result<Policy, Refusal> {
    use klv::policy;
    if klv::LENGTH.of(head) != 1 {
        return Err(status::MALFORMED_KLV);
    }
    Ok(match klv::KEY.of(head) as u16 {
        policy::EXECUTION_QUANTUM => Policy::Quantum(value),
        policy::PREEMPTION_TIMEOUT => Policy::PreemptionTimeout(value),
        policy::PRIORITY if value <= context::priority::NORMAL => Policy::Priority(value),
        policy::PRIORITY => return Err(status::INVALID_KLV_DATA),
        policy::PREEMPT_TO_IDLE => Policy::PreemptToIdle(value != 0),
        policy::FREQUENCY => Policy::Frequency(value),
        _ => return Err(status::INVALID_KLV_KEY),
    })
}

fn fault_reply(payload: Payload<'_>) -> Result<FaultReply, Refusal> {
    use page_fault::reply;
    let (first, second) = (payload.dword(0)?, payload.dword(1)?);
    if reply::VALID.of(first) == 0 {
        return Err(status::INVALID_PARAMS);
    }
    let engine = (reply::CLASS.of(second), reply::INSTANCE.of(second));
    Ok(FaultReply { space: reply::SPACE.of(first), engine, served: reply::FAILED.of(first) == 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(action: u16, payload: &[u32]) -> Result<Option<Request>, Refusal> {
        Request::decode(action, Payload(payload))
    }

    #[test]
    fn a_context_and_several_side_by_side_are_registered() {
        let payload = [1, 7, 3, 1, 0, 0, 0, 0, 0, 0x1234_5019, 0x4000_0000];
        let Some(Request::Register(one)) = decode(0x4502, &payload).unwrap() else { panic!("a registration") };
        assert_eq!((one.context, one.class, one.engines, one.kernel), (7, EngineClass::Copy, 1, true));
        assert_eq!((one.images.as_slice(), one.queue), (&[0x4000_0000_1234_5019][..], None));
        let payload = [1, 8, 1, 5, 0x1000, 0, 0x1400, 0, 1024, 2, 0x5019, 0, 0x9019, 0];
        let Some(Request::Register(two)) = decode(0x4601, &payload).unwrap() else { panic!("a registration") };
        assert_eq!((two.class, two.engines, two.images), (EngineClass::VideoDecode, 5, vec![0x5019, 0x9019]));
        assert_eq!(two.queue, Some(WorkQueue { descriptor: 0x1000, base: 0x1400, bytes: 1024 }));
    }

    #[test]
    fn policies_are_keys_with_one_value_each() {
        let policies = decode(0x100B, &[3, 0x2003_0001, 2, 0x2001_0001, 1000, 0x2002_0001, 640_000]).unwrap();
        let expected = vec![Policy::Priority(2), Policy::Quantum(1000), Policy::PreemptionTimeout(640_000)];
        assert_eq!(policies, Some(Request::SetPolicies { context: 3, policies: expected }));
        assert_eq!(decode(0x100B, &[3, 0x2003_0001, 4]), Err(status::INVALID_KLV_DATA));
        assert_eq!(decode(0x100B, &[3, 0x2003_0002, 2, 2]), Err(status::MALFORMED_KLV));
        assert_eq!(decode(0x100B, &[3, 0x2077_0001, 2]), Err(status::INVALID_KLV_KEY));
    }

    #[test]
    fn what_is_short_or_wrong_is_refused() {
        for (action, least) in [(0x4502, 11), (0x4601, 14), (0x4503, 1), (0x1000, 1), (0x1001, 2), (0x6003, 2)] {
            let payload = [1, 1, 1, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0];
            assert!(decode(action, &payload[..least]).is_ok(), "{action:#x}");
            assert_eq!(decode(action, &payload[..least - 1]), Err(status::INVALID_SIZE), "{action:#x}");
        }
        assert_eq!(decode(0x1000, &[65_535]), Err(status::INVALID_CONTEXT_INDEX));
        assert_eq!(decode(0x1001, &[1, 2]), Err(status::INVALID_PARAMS));
        assert_eq!(decode(0x1234, &[]), Ok(None), "not for the scheduler");
    }
}
