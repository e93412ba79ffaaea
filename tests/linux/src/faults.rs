//! Runs with a fault in the device: one guest for each, held to what its file says.

use crate::args::Args;
use crate::initramfs::Linux;
use crate::plan::Step;
use crate::run::guest;
use crate::scenario::Scenario;
use barexe_clients::outcome::Outcome;
use barexe_clients::report::Sum;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

/// All that were asked for; whether the driver got over each as it must.
pub(crate) fn run_all(args: &Args, linux: &Linux) -> io::Result<bool> {
    let mut out = io::stdout();
    let mut sum = Sum::default();
    let names = if args.fault.iter().any(|name| name == "all") { all(&args.faults)? } else { args.fault.clone() };
    for name in &names {
        let objections = run(args, linux, name)?;
        for objection in &objections {
            writeln!(out, "{name}: {objection}")?;
        }
        let good = objections.is_empty();
        writeln!(out, "{name}: {}", if good { "the driver got over it as expected" } else { "not as expected" })?;
        sum.count(&if good { Outcome::Passed } else { Outcome::Failed(String::new()) });
    }
    writeln!(out, "{sum}")?;
    Ok(sum.is_clean())
}

/// Names of all faults in a folder: of their plans.
fn all(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        names.extend(name.strip_suffix(".json").map(String::from));
    }
    names.sort();
    Ok(names)
}

/// One fault; what was not as it must be.
fn run(args: &Args, linux: &Linux, name: &str) -> io::Result<Vec<String>> {
    let (plan, path) = (args.faults.join(format!("{name}.json")), args.faults.join(format!("{name}.txt")));
    let named = |error: &dyn core::fmt::Display| io::Error::other(format!("{}: {error}", path.display()));
    let text = fs::read_to_string(&path).map_err(|error| named(&error))?;
    let scenario = Scenario::parse(&text, args.longest).map_err(|error| named(&error))?;
    let (platform, mode) = (scenario.platform, scenario.mode);
    let mut serve = args.serve.clone();
    serve.push(format!("--faults={}", plan.display()));
    let mut args = args.clone();
    (args.platform, args.mode, args.serve) = (platform, mode, serve);
    let steps: Vec<Step> = scenario.stages.iter().map(|stage| stage.step.clone()).collect();
    let report = guest(&args, linux, &format!("fault-{name}"), &steps)?;
    let mut objections = Vec::new();
    // The first section is of the boot itself.
    let mut told = report.steps.iter().skip(1);
    for stage in &scenario.stages {
        let line = stage.step.line();
        let Some(told) = told.next() else {
            objections.push(format!("{line}: the guest did not come so far"));
            continue;
        };
        let status = told.status.map_or_else(|| "no end".into(), |status| format!("status {status}"));
        writeln!(io::stdout(), "{name}: {line}: {status}")?;
        objections.extend(stage.objections(told).into_iter().map(|objection| format!("{line}: {objection}")));
    }
    Ok(objections)
}
