//! A run: one guest after the other, until the plan is done.

use crate::args::Args;
use crate::faults;
use crate::firmware;
use crate::initramfs::{Contents, Linux};
use crate::log::{WARNINGS, warnings};
use crate::machine::{REPORT, SERVER, Setting};
use crate::plan::{Report, Step, Told};
use crate::platform::{Mode, SUBMISSION};
use barexe_clients::outcome::{Kind, Outcome, of_igt};
use barexe_clients::report::{Results, Sum, table};
use barexe_clients::selection::Selection;
use core::time::Duration;
use std::fs;
use std::io::{self, Write as _};

/// One subtest: its program and its name.
type Job = (String, String);

/// All of it; whether it came out as expected.
pub(crate) fn run(args: &Args) -> io::Result<bool> {
    let linux = Linux { place: args.linux.clone() };
    if !args.fault.is_empty() {
        return faults::run_all(args, &linux);
    }
    let expected = args.expected()?;
    let chosen = args.chosen(&expected)?;
    let mut results = listed(&linux, &chosen)?;
    let jobs = jobs(&chosen, &results)?;
    let mut objections = Vec::new();
    let outcomes = if jobs.is_empty() {
        objections.extend(boot_only(args, &linux)?);
        Vec::new()
    } else {
        run_all(args, &linux, &jobs, &mut objections)?
    };
    for ((program, subtest), outcome) in jobs.into_iter().zip(outcomes) {
        if let Some(result) = results.iter_mut().find(|result| result.program == program) {
            result.ran.push((subtest, outcome));
        }
    }
    if !results.is_empty() {
        write!(io::stdout(), "{}", table(&results))?;
    }
    objections.extend(results.iter().flat_map(|program| program.objections(&expected)));
    let mut sum = Sum::default();
    results.iter().for_each(|program| sum.add(program.sum()));
    let mut out = io::stdout();
    for objection in &objections {
        writeln!(out, "{objection}")?;
    }
    if objections.is_empty() {
        writeln!(out, "all results are as expected")?;
    }
    writeln!(out, "{sum}")?;
    Ok(objections.is_empty())
}

fn listed<'n>(linux: &Linux, chosen: &'n [Selection]) -> io::Result<Vec<Results<'n>>> {
    let mut results: Vec<Results<'n>> = Vec::new();
    for program in chosen.iter().map(|selection| selection.program.as_str()) {
        if !results.iter().any(|result| result.program == program) {
            results.push(Results { program, listed: linux.subtests(program)?, ran: Vec::new() });
        }
    }
    Ok(results)
}

fn jobs(chosen: &[Selection], results: &[Results<'_>]) -> io::Result<Vec<Job>> {
    let wanted = |name: &str, subtest: &str| chosen.iter().any(|one| one.program == name && one.has(subtest));
    let all = results.iter().flat_map(|result| result.listed.iter().map(|subtest| (result.program, subtest)));
    let jobs: Vec<Job> = all
        .filter(|(name, subtest)| wanted(name, subtest))
        .map(|(name, subtest)| (name.to_string(), subtest.clone()))
        .collect();
    if jobs.is_empty() && !chosen.is_empty() {
        return Err(io::Error::other("no subtest is called so"));
    }
    Ok(jobs)
}

/// Boots a guest that does these steps, and gives what it told. `label`: the folder of its logs.
pub(crate) fn guest(args: &Args, linux: &Linux, label: &str, steps: &[Step]) -> io::Result<Report> {
    let (path, release) = args.platform.firmware();
    let contents = Contents {
        parameters: format!("{} {}", args.platform.parameters(args.mode), args.parameters),
        plan: steps.iter().map(Step::line).collect(),
        firmware: (args.mode == Mode::Guc).then(|| (path, firmware::container(release, SUBMISSION))),
        programs: steps.iter().filter_map(program).collect(),
    };
    let serve = ["--platform", args.platform.name()]
        .into_iter()
        .chain(args.platform.ggtt().iter().copied())
        .chain(args.platform.leniency(args.mode).iter().copied());
    let setting = Setting {
        server: args.server.clone(),
        serve: serve.map(ToString::to_string).chain(args.serve.iter().cloned()).collect(),
        qemu: args.qemu.clone(),
        kernel: linux.kernel(),
        append: args.append.clone(),
        logs: args.folder().join(label),
        silence: Duration::from_secs(args.longest.saturating_add(60)),
    };
    setting.boot(&linux.initramfs(&contents)?)?;
    let told = fs::read(setting.logs.join(REPORT))?;
    let server = fs::read_to_string(setting.logs.join(SERVER))?;
    write!(io::stdout(), "{}", summary(&server))?;
    Ok(Report::parse(&String::from_utf8_lossy(&told)))
}

fn program(step: &Step) -> Option<&str> {
    match step {
        Step::Run { program, .. } => Some(program),
        Step::Probe | Step::Unload | Step::Fragile | Step::Shell(_) => None,
    }
}

/// What the server said, each line once, with how often; without numbers that make equal lines differ.
fn summary(server: &str) -> String {
    const MOST: usize = 40;
    let mut lines: Vec<(&str, usize)> = Vec::new();
    for line in server.lines().filter(|line| !line.starts_with("listening")) {
        match lines.iter_mut().find(|(known, _)| *known == line) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => lines.push((line, 1)),
        }
    }
    let more = lines.len().saturating_sub(MOST);
    let shown = lines.into_iter().take(MOST).map(|(line, count)| format!("server: {line} ({count})\n"));
    let rest = (more > 0).then(|| format!("server: and {more} other lines\n"));
    shown.chain(rest).collect()
}

/// Loads, unloads and loads the driver; what was not as it should be.
fn boot_only(args: &Args, linux: &Linux) -> io::Result<Vec<String>> {
    let looks = args.shell.iter().cloned().map(Step::Shell);
    let steps: Vec<Step> = [Step::Probe].into_iter().chain(looks).chain([Step::Unload, Step::Probe]).collect();
    let report = guest(args, linux, "0", &steps)?;
    let mut objections = Vec::new();
    // The first section is of the boot itself.
    let mut told = report.steps.iter();
    objections.extend(told.next().is_none().then(|| "the guest did not come up".to_string()));
    for step in &steps {
        let Some(told) = told.next() else {
            objections.push(format!("{}: the guest did not come so far", step.line()));
            continue;
        };
        if matches!(step, Step::Shell(_)) {
            write!(io::stdout(), "$ {}\n{}", step.line(), told.output)?;
        } else {
            writeln!(io::stdout(), "{}: {}", step.line(), told.words)?;
            objections.extend(objection(step, told));
        }
    }
    Ok(objections)
}

/// What is wrong with how the driver was loaded or unloaded.
fn objection(step: &Step, told: &Told) -> Vec<String> {
    let line = step.line();
    let status = match told.status {
        Some(0) => None,
        Some(status) => Some(format!("{line}: status {status}")),
        None => Some(format!("{line}: it did not end")),
    };
    let nodes =
        (*step == Step::Probe && !told.words.contains("renderD128")).then(|| format!("{line}: no node appeared"));
    let warned = warnings(&told.log).into_iter().take(WARNINGS).map(|text| format!("{line}: the kernel's log: {text}"));
    status.into_iter().chain(nodes).chain(warned).collect()
}

/// Runs all, in as many guests as it takes: one that falls silent is replaced.
fn run_all(args: &Args, linux: &Linux, jobs: &[Job], objections: &mut Vec<String>) -> io::Result<Vec<Outcome>> {
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut number = 0usize;
    while let Some(rest) = jobs.get(outcomes.len()..).filter(|rest| !rest.is_empty()) {
        let run = |(program, subtest): &Job| Step::Run {
            program: program.clone(),
            subtest: subtest.clone(),
            seconds: args.longest,
        };
        // Without firmware the driver resets nothing.
        let fragile = (args.mode == Mode::Execlists).then_some(Step::Fragile);
        let steps: Vec<Step> = [Step::Probe].into_iter().chain(fragile).chain(rest.iter().map(run)).collect();
        let report = guest(args, linux, &number.to_string(), &steps)?;
        number = number.saturating_add(1);
        let mut told = report.steps.iter().skip(1);
        let Some(probe) = told.next() else {
            return Err(io::Error::other("the guest did not come so far as to load the driver"));
        };
        let wrong = objection(&Step::Probe, probe);
        if number == 1 || probe.status != Some(0) {
            objections.extend(wrong);
        }
        if probe.status != Some(0) {
            return Ok(outcomes);
        }
        let folder = args.folder().join("programs");
        fs::create_dir_all(&folder)?;
        let before = outcomes.len();
        for ((program, subtest), told) in rest.iter().zip(told) {
            let name = format!("{program}@{subtest}");
            fs::write(folder.join(format!("{name}.log")), format!("{}\n{}", told.output, told.log))?;
            let named = (!subtest.is_empty()).then_some(subtest.as_str());
            let outcome = of_igt(named, told.end(), &told.output);
            let mark = if outcome.kind() == Kind::Passed { "" } else { outcome.reason() };
            writeln!(io::stdout(), "{:?} {name} {}", outcome.kind(), mark.chars().take(160).collect::<String>())?;
            outcomes.push(outcome);
        }
        if outcomes.len() == before {
            // It fell silent before the first could begin.
            outcomes.push(Outcome::Failed("the guest fell silent".into()));
        }
    }
    Ok(outcomes)
}
