//! What the host asks for. Nothing is done here but noting it.

use super::Scheduler;
use super::context::{Context, Leaving};
use crate::guc::messages::context::INDICES;
use crate::guc::messages::status;
use crate::guc::requests::{Policy, Refusal, Registration, Request};

/// A feature that the host asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feature {
    /// A context that waits for a semaphore makes room for others of its priority at once.
    YieldOnWait,
}

impl Scheduler {
    /// Takes a request, or says why not; what follows is done later.
    pub(super) fn take(&mut self, request: Request, now_ns: u64) -> Result<(), Refusal> {
        match request {
            Request::Register(registration) => self.register(registration),
            Request::Deregister(context) => self.deregister(context),
            Request::SetMode { context, enabled } => self.set_mode(context, enabled),
            Request::Schedule(context) => self.schedule(context),
            Request::SetPolicies { context, policies } => self.set_policies(context, &policies, now_ns),
            Request::GlobalPolicies { resets_engines } => {
                self.resets_engines = resets_engines;
                Ok(())
            }
            // A context that faulted stays where it is: no fault is served.
            Request::FaultReply(_) => Ok(()),
        }
    }

    /// Switches a feature on.
    pub(crate) const fn opt_in(&mut self, feature: Feature) {
        match feature {
            Feature::YieldOnWait => self.yields_on_wait = true,
        }
    }

    fn register(&mut self, registration: Registration) -> Result<(), Refusal> {
        let taken = registration.context..registration.context.saturating_add(registration.images.len() as u32);
        if taken.end > INDICES {
            return Err(status::INVALID_CONTEXT_INDEX);
        }
        // No two overlap, so only the last one that begins before this one's end can reach into it.
        let reaches = |(index, context): (&u32, &Context)| taken.start < index.saturating_add(context.width() as u32);
        if self.contexts.range(..taken.end).next_back().is_some_and(reaches) {
            return Err(status::INVALID_CONTEXT_REGISTRATION);
        }
        if registration.images.is_empty() || self.places(&registration).next().is_none() {
            return Err(status::INVALID_ENGINE);
        }
        self.contexts.insert(registration.context, Context::new(registration));
        Ok(())
    }

    fn find(&mut self, index: u32) -> Result<&mut Context, Refusal> {
        self.contexts.get_mut(&index).ok_or(status::CONTEXT_NOT_REGISTERED)
    }

    /// Refused for a context that may run or still does: the host has to stop it first.
    fn deregister(&mut self, index: u32) -> Result<(), Refusal> {
        let context = self.find(index)?;
        if context.enabled || context.disabling || context.stay.is_some() {
            return Err(status::INVALID_CONTEXT);
        }
        context.leaves_for_good = true;
        self.ask(index);
        Ok(())
    }

    fn set_mode(&mut self, index: u32, enabled: bool) -> Result<(), Refusal> {
        let context = self.contexts.get_mut(&index).ok_or(status::CONTEXT_NOT_REGISTERED)?;
        if context.disabling || context.enabling {
            return Err(status::PENDING_ACTION);
        }
        context.enabled = enabled;
        if enabled {
            (context.enabling, context.work) = (true, true);
            let class = context.registration.class;
            let seats = self.seats.iter().enumerate().filter(|(_, seat)| seat.class == class);
            context.fresh = seats.map(|(position, _)| position).collect();
        } else {
            context.disabling = true;
        }
        self.ask(index);
        Ok(())
    }

    fn schedule(&mut self, index: u32) -> Result<(), Refusal> {
        self.find(index)?.work = true;
        self.ask(index);
        Ok(())
    }

    fn set_policies(&mut self, index: u32, policies: &[Policy], now_ns: u64) -> Result<(), Refusal> {
        let context = self.find(index)?;
        policies.iter().for_each(|policy| context.policies.set(*policy));
        // Who is on its way out has no more time than the new limit gives.
        let limit = context.policies.preemption_ns.map(|ns| now_ns.saturating_add(ns));
        if let (Some(stay), Some(limit)) = (&mut context.stay, limit)
            && let Leaving::Until(until) = &mut stay.leaving
        {
            *until = Some(until.map_or(limit, |until| until.min(limit)));
        }
        Ok(())
    }

    /// Notes that something is to be done about a context.
    pub(super) fn ask(&mut self, index: u32) {
        if !self.asked.contains(&index) {
            self.asked.push(index);
        }
    }
}
