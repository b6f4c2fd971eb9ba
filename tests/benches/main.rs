//! The benchmark: the release binary on the loopback, against the limits of the same machine, measured in
//! one run in interleaved slices. Only the ratios carry from one machine to another, and the client works
//! on the same cores as the server: its share is printed beside every figure.
//!
//! Run it by `scripts/bench`, which builds both. Read [`measure`] first.

mod facts;
mod load;
mod measure;
mod options;
mod process;
mod report;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use measure::{BigPart, Budget, IdlePart, Part, PollPart, RetrPart, SmtpPart, StorePart, TeamPart};
use options::{Mode, Options};

fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) if options.help => {
            say(options::USAGE);
            return ExitCode::SUCCESS;
        }
        Ok(options) => options,
        Err(fault) => {
            say(&format!("{fault}\n{}", options::USAGE));
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("failed: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> io::Result<()> {
    match options.mode {
        Mode::Serve => serve(options),
        Mode::Store => {
            let folder = tempfile::Builder::new().prefix("restante-").tempdir()?;
            let part = StorePart::new(options, folder.path())?;
            measure_in(options, folder.path(), vec![Box::new(part)])
        }
        Mode::Team => {
            let part = TeamPart::new(options)?;
            measure_in(options, &std::env::temp_dir(), vec![Box::new(part)])
        }
        Mode::Big => {
            let part = BigPart::new(options)?;
            measure_in(options, &std::env::temp_dir(), vec![Box::new(part)])
        }
    }
}

fn serve(options: &Options) -> io::Result<()> {
    if options.parts == [options::Part::Raw] {
        let folder = tempfile::Builder::new().prefix("restante-").tempdir()?;
        let part = SmtpPart::new(options, folder.path(), None)?;
        return measure_in(options, folder.path(), vec![Box::new(part)]);
    }
    IdlePart::prepare(options)?;
    let mut mailboxes = SmtpPart::mailboxes();
    mailboxes.extend(PollPart::mailboxes(options));
    mailboxes.extend(RetrPart::mailboxes());
    let appliance = measure::start(&mailboxes);
    let folder = appliance.config_dir();
    let mut parts: Vec<Box<dyn Part + '_>> = Vec::new();
    // First, while there is no memory that others have used and given back.
    if options.wants(options::Part::Idle) {
        parts.push(Box::new(IdlePart::new(options, &appliance)?));
    }
    if options.wants(options::Part::Raw) || options.wants(options::Part::Smtp) {
        parts.push(Box::new(SmtpPart::new(options, folder, Some(&appliance))?));
    }
    if options.wants(options::Part::Poll) {
        parts.push(Box::new(PollPart::new(options, &appliance)?));
    }
    if options.wants(options::Part::Retr) {
        parts.push(Box::new(RetrPart::new(options, &appliance)?));
    }
    measure_in(options, folder, parts)
}

fn measure_in(options: &Options, folder: &Path, mut parts: Vec<Box<dyn Part + '_>>) -> io::Result<()> {
    if facts::in_memory(folder) {
        say(
            "warning: this folder is in memory, so nothing here is durable; set TMPDIR to a folder on a disk",
        );
    }
    let mut budget = Budget::new(options.budget, folder);
    let outcome = rounds(options, &mut budget, &mut parts);
    // What was measured before a failure is still worth reading.
    print(options, folder, &budget, &parts)?;
    outcome
}

fn rounds(options: &Options, budget: &mut Budget, parts: &mut [Box<dyn Part + '_>]) -> io::Result<()> {
    for round in 1..=options.rounds {
        if budget.is_spent()? {
            say("stopped: the budget of octets written is spent (--budget)");
            return Ok(());
        }
        say(&format!("round {round} of {}", options.rounds));
        parts.iter_mut().try_for_each(|part| part.round(budget))?;
    }
    Ok(())
}

fn print(options: &Options, folder: &Path, budget: &Budget, parts: &[Box<dyn Part + '_>]) -> io::Result<()> {
    let facts = facts::line(folder);
    let tables: Vec<_> =
        parts.iter().flat_map(|part| part.tables()).filter(|table| !table.is_empty()).collect();
    let mut out = io::stdout().lock();
    if options.json {
        let figures: Vec<String> = tables.iter().flat_map(|table| table.json()).collect();
        writeln!(out, "{{\"machine\": {facts:?}, \"figures\": [\n{}\n]}}", figures.join(",\n"))?;
        return Ok(());
    }
    writeln!(out, "{facts}")?;
    let (rounds, seconds) = (options.rounds, options.slice.as_secs());
    writeln!(
        out,
        "median (least-most) of up to {rounds} rounds of {seconds} s slices, interleaved; client on the same cores, \
         {} sending thread(s); {:.1} GiB written",
        options.threads,
        budget.spent() as f64 / (1u64 << 30) as f64,
    )?;
    for table in tables {
        writeln!(out, "\n{}", table.text().trim_end())?;
    }
    Ok(())
}

/// Tells whoever waits.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
