//! The rules, over a trace: which order of things is allowed.
//!
//! Nothing here knows the driver. What a node waits for is what the test put into the call.

use super::lives::Lives;
use super::trace::{Fate, How, Kind, Node, Trace};
use barexe_core::Errno;

/// One rule, for one node: what is wrong.
type Rule = fn(&Lives<'_>, Node) -> Result<(), String>;

/// All rules with their numbers in the table of the crate's head.
const RULES: [(&str, Rule); 9] = [
    ("O1", starts_behind_its_in_syncs),
    ("O2", starts_behind_its_queue),
    ("O3", signals_once_and_for_good),
    ("O4", signals_behind_its_work),
    ("O5", a_barrier_signals_with_the_last_it_waits_for),
    ("O6", nothing_happens_after_the_fence),
    ("O7", ends_as_it_must),
    ("O8", begins_anew_only_after_a_reset),
    ("O9", user_fences_tell_of_work_that_is_done),
];

/// Resets that hit a job until its queue is banned, whoever was to blame (bind-and-exec sheet §5.5).
const HITS: usize = 3;

/// # Errors
/// The first rule that is broken, with the node.
pub(crate) fn check(trace: &Trace) -> Result<(), String> {
    let lives = Lives::of(trace)?;
    for node in 0..lives.all.len() {
        for (name, rule) in RULES {
            rule(&lives, node).map_err(|what| format!("{name}: node {node} {:?}: {what}", lives.all[node]))?;
        }
    }
    Ok(())
}

fn unless(wrong: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if wrong { Err(what()) } else { Ok(()) }
}

fn starts_behind_its_in_syncs(lives: &Lives<'_>, node: Node) -> Result<(), String> {
    let life = &lives.all[node];
    let Some((start, serial)) = life.starts.first() else { return Ok(()) };
    unless(*start < life.accepted, || String::from("starts before it is accepted"))?;
    for wait in &life.call.waits {
        let other = &lives.all[*wait];
        // What was seen in one look may have come in any order: a call that waits is one.
        unless(other.signalled().look > start.look, || format!("starts before its in-sync {wait} {other:?}"))?;
        let late = other.ends.last().is_some_and(|(_, end)| end >= serial);
        unless(late, || format!("runs before its in-sync {wait} has run {other:?}"))?;
    }
    Ok(())
}

fn starts_behind_its_queue(lives: &Lives<'_>, node: Node) -> Result<(), String> {
    let Some((start, serial)) = lives.all[node].starts.first() else { return Ok(()) };
    for before in lives.earlier(node) {
        let other = &lives.all[before];
        // What a barrier waits for on its own queue is looked at by itself: jobs of one queue need no fences (R28).
        let waits = |wait: &Node| {
            lives.all[*wait].call.queue != other.call.queue && lives.all[*wait].signalled().look > start.look
        };
        let early = match (other.fate(), other.how()) {
            (None, _) => other.call.waits.iter().any(waits),
            (Some(_), Some(How::Failed(_))) => true,
            (Some(_), _) => other.ends.last().is_none_or(|(_, end)| end >= serial),
        };
        unless(early, || format!("starts though {before} before it on its queue did not end {other:?}"))?;
    }
    Ok(())
}

fn signals_once_and_for_good(lives: &Lives<'_>, node: Node) -> Result<(), String> {
    // That none signals twice was seen when the lives were put together.
    let life = &lives.all[node];
    unless(life.fence.is_none(), || String::from("never signals"))?;
    unless(life.signalled() < life.accepted, || String::from("signals before it is accepted"))
}

fn signals_behind_its_work(lives: &Lives<'_>, node: Node) -> Result<(), String> {
    let (life, at) = (&lives.all[node], lives.all[node].signalled());
    let over = |other: &Node| lives.all[*other].signalled() < at;
    match life.call.kind {
        Kind::Outside => Ok(()),
        Kind::Batch(_) if life.how() != Some(How::Well) => Ok(()),
        Kind::Batch(_) => {
            let done = life.ends.last().is_some_and(|(end, _)| *end < at);
            unless(!done, || String::from("signals before it has run"))
        }
        Kind::Barrier | Kind::Bind => {
            let early = life.call.waits.iter().chain(&life.call.meets).copied().find(|other| !over(other));
            let early = early.or_else(|| lives.earlier(node).find(|other| !over(other)));
            unless(early.is_some(), || format!("signals before {early:?}"))
        }
    }
}

fn a_barrier_signals_with_the_last_it_waits_for(lives: &Lives<'_>, node: Node) -> Result<(), String> {
    let life = &lives.all[node];
    if life.call.kind != Kind::Barrier {
        return Ok(());
    }
    let all = life.call.waits.iter().copied().chain(lives.earlier(node));
    let last = all.map(|other| lives.all[other].signalled().look).max();
    let due = last.map_or(life.accepted.look, |look| look.max(life.accepted.look));
    unless(life.signalled().look != due, || format!("should have signalled in look {due}"))
}

fn nothing_happens_after_the_fence(lives: &Lives<'_>, node: Node) -> Result<(), String> {
    let (life, at) = (&lives.all[node], lives.all[node].signalled());
    let late = life.starts.iter().chain(&life.ends).any(|(when, _)| *when > at);
    unless(late, || String::from("runs when it is over"))
}

fn ends_as_it_must(lives: &Lives<'_>, node: Node) -> Result<(), String> {
    let (life, at) = (&lives.all[node], lives.all[node].signalled());
    let killed = lives.was_killed(node, at);
    let before = lives.earlier(node).find(|other| matches!(lives.all[*other].how(), Some(How::Failed(_))));
    let allowed = match (life.call.kind, life.how()) {
        (_, None) => true,
        (_, Some(How::Unknown)) => killed,
        (Kind::Outside | Kind::Bind, Some(how)) => how == How::Well,
        // It has the fence before it, or one of its own behind a failure: either tells of that.
        (Kind::Barrier, Some(how)) => how == How::Well || before.is_some(),
        (Kind::Batch(fate), Some(How::Well)) => before.is_none() && !fate.is_fatal(),
        (Kind::Batch(_), Some(How::Failed(Errno::ECANCELED))) => killed || before.is_some() || was_hit(lives, node),
        (Kind::Batch(fate), Some(How::Failed(code))) => {
            before.is_none() && !life.starts.is_empty() && fate.may_give(code)
        }
    };
    unless(!allowed, || format!("ends like that behind {before:?}, queue destroyed: {killed}"))
}

fn was_hit(lives: &Lives<'_>, node: Node) -> bool {
    let life = &lives.all[node];
    // The one that bans it is noted in the same look, behind it or before.
    let first = life.starts.first().map_or(life.accepted.index, |(start, _)| start.index);
    let look = life.signalled().look;
    lives.resets.iter().filter(|at| at.index >= first && at.look <= look).count() >= HITS
}

fn begins_anew_only_after_a_reset(lives: &Lives<'_>, node: Node) -> Result<(), String> {
    for pair in lives.all[node].starts.windows(2) {
        if let [(from, _), (to, _)] = pair {
            let none = lives.resets_between(from.index, to.index) == 0;
            unless(none, || String::from("runs twice, and nothing was reset"))?;
        }
    }
    Ok(())
}

fn user_fences_tell_of_work_that_is_done(lives: &Lives<'_>, node: Node) -> Result<(), String> {
    let life = &lives.all[node];
    let Some(written) = life.user_fence else {
        // A client that is closed has no memory.
        let reachable = life.fate().is_some() || !lives.was_closed(node);
        let owed = life.call.user_fence && life.how() == Some(How::Well) && reachable;
        return unless(owed, || String::from("its user fence is not written"));
    };
    unless(!life.call.user_fence, || String::from("writes a user fence that nobody asked for"))?;
    if life.fate().is_none() {
        // Of a bind queue that is gone nothing but its failures are known; what it had accepted has been done.
        let done = matches!(life.how(), Some(How::Well | How::Unknown));
        let early = written < life.signalled() || !done;
        return unless(early, || String::from("its user fence tells of work that was not done"));
    }
    unless(life.fate().is_some_and(Fate::is_fatal), || String::from("a batch that cannot end has its user fence"))?;
    let early = life.ends.last().is_none_or(|(end, _)| *end > written) || written > life.signalled();
    unless(early, || String::from("its user fence is not between its end and its fence"))
}
