//! The page tables of a client's VMs at one moment.

use crate::demo::{Demo, script, simulated};
use crate::machine::{SimDevice, with_device};
use crate::recording::{Call, ReadError, Recording};
use crate::replay::calls::{kind_of, nr};
use crate::replay::{LiveVm, Options, replay_and_look};
use barexe_core::device::{ClientId, Config};
use barexe_sim::Sim;
use barexe_sim::ppgtt::PageTables;
use core::fmt;
use serde_json::{Value, json};
use std::path::Path;

/// The page tables of all VMs.
#[derive(Clone, Debug)]
pub struct Dump {
    /// Platform name.
    platform: String,
    /// When it was.
    moment: String,
    /// VM ids as the client knows them, and the tables.
    vms: Vec<(u32, PageTables)>,
}

impl Dump {
    /// Everything, for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let vm = |(id, tables): &(u32, PageTables)| {
            let mut value = tables.json();
            if let Some(object) = value.as_object_mut() {
                object.insert(String::from("vm"), json!(id));
            }
            value
        };
        json!({ "platform": self.platform, "moment": self.moment, "vms": self.vms.iter().map(vm).collect::<Vec<_>>() })
    }
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, {}", self.platform, self.moment)?;
        if self.vms.is_empty() {
            writeln!(f, "\nthe client has no VM")?;
        }
        self.vms.iter().try_for_each(|(id, tables)| write!(f, "\nVM {id}: {tables}"))
    }
}

fn tables_of(sim: &Sim, device: &SimDevice<'_>, client: ClientId, vm: u32) -> Option<PageTables> {
    sim.page_tables(device.vm_root(client, vm).ok()?)
}

/// Those of the demo, before its client closes.
///
/// # Errors
/// What kept the demo from getting there.
pub fn of_demo(platform: &'static str) -> Result<Dump, String> {
    let demo = Demo { platform, execution: true };
    let sim = simulated(&demo).ok_or_else(|| format!("there is no simulated GPU for platform {platform}"))?;
    let mut vms = Vec::new();
    let played = with_device(&sim, Config::default(), None, |device| {
        let mut look = |device: &SimDevice<'_>, client, vm| {
            vms.extend(tables_of(&sim, device, client, vm).map(|tables| (vm, tables)));
        };
        script::play(&sim, device, &mut look)
    });
    played.and_then(|(seen, _)| seen).map_err(|error| error.to_string())?;
    Ok(Dump { platform: platform.into(), moment: String::from("the demo, before its client closes"), vms })
}

/// Those of a recorded client, behind an event of the recording.
///
/// # Errors
/// What is wrong with the recording, or that it has no such event.
pub fn of_recording(file: &Path, event: Option<usize>) -> Result<Dump, String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let recording: Recording = text.parse().map_err(|error: ReadError| error.to_string())?;
    let event = event.unwrap_or_else(|| best_event(&recording));
    if !recording.events.iter().any(|other| other.n == event) {
        return Err(format!("it has no event {event}"));
    }
    let mut vms = Vec::new();
    let look = |sim: &Sim, at, device: &SimDevice<'_>, live: &[LiveVm]| {
        if at == event {
            let tables = |vm: &LiveVm| Some((vm.recorded, tables_of(sim, device, vm.client, vm.own)?));
            vms = live.iter().filter_map(tables).collect();
        }
    };
    replay_and_look(&recording, &Options::default(), look).map_err(|error| error.to_string())?;
    let (platform, client) = (recording.header.platform.clone(), recording.header.client_name());
    Ok(Dump { platform, moment: format!("{client}, behind event {event}"), vms })
}

/// The last exec call; without one the last bind; without that the last event.
fn best_event(recording: &Recording) -> usize {
    let last = |wanted| {
        let is_wanted = |call: &Call| kind_of(call.request_code()).nr == wanted;
        let found = recording.events.iter().rfind(|event| recording.call_of(event).is_some_and(is_wanted));
        found.map(|event| event.n)
    };
    let end = recording.events.last().map_or(0, |event| event.n);
    last(nr::EXEC).or_else(|| last(nr::VM_BIND)).unwrap_or(end)
}
