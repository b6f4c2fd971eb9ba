use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use mail::{Event, Phase};
use serde::Serialize;

use crate::cli::trace::{failed, instant, passed};
use crate::cli::{Answer, Context, Failure, json};
use crate::control;
use crate::trace::{Folder, What, each};

/// Say how often each rule matched, when it last did, and which never did
///
/// Counted is what the trace has kept: recipients of mail that was taken, and refusals, each of which is a match.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Not before: a date, a time, today, yesterday, or so long ago ("30 days")
    #[arg(long, value_name = "TIME", value_parser = instant)]
    since: Option<Timestamp>,
    /// Print one JSON document
    #[arg(long)]
    pub(super) json: bool,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Document {
    rules: Vec<Row>,
    /// Recipients for whom rules were searched, those that a rule refused among them.
    recipients: u64,
}

#[derive(Debug, Default, Clone, Serialize)]
struct Row {
    name: String,
    /// Whether rules.toml has it now.
    in_force: bool,
    /// What it refused is of this too.
    matched: u64,
    refused: u64,
    /// It would have matched, in shadow.
    shadow: u64,
    last: Option<Timestamp>,
}

impl Row {
    fn seen(&mut self, at: Timestamp) {
        self.last = self.last.max(Some(at));
    }
}

pub(super) fn run(context: &mut Context<'_>, args: &Args) -> Result<Answer, Failure> {
    let loaded = control::load(&context.config)?;
    let folder = Folder::of(&loaded.config.state_dir);
    let mut counted: BTreeMap<String, Row> = BTreeMap::new();
    let mut recipients = 0;
    let read = each(&folder, |line| {
        if args.since.is_some_and(|since| line.at < since) {
            return;
        }
        match &line.what {
            What::Judged(judged) => {
                for ruled in &judged.recipients {
                    recipients += 1;
                    for rule in &ruled.ruling.rules {
                        let row = counted.entry(rule.clone()).or_default();
                        row.matched += 1;
                        row.seen(line.at);
                    }
                    for rule in &ruled.shadow {
                        let row = counted.entry(rule.clone()).or_default();
                        row.shadow += 1;
                        row.seen(line.at);
                    }
                }
            }
            What::Event(Event::Refused { rule: Some(rule), phase, arrival, .. }) => {
                recipients += match phase {
                    Phase::Connect | Phase::Mail | Phase::Rcpt => 1,
                    Phase::Data => arrival.to.len().max(1) as u64,
                };
                let row = counted.entry(rule.clone()).or_default();
                row.matched += 1;
                row.refused += 1;
                row.seen(line.at);
            }
            What::Event(_) | What::Lost { .. } | What::More { .. } => {}
        }
    });
    passed(read.map_err(|error| failed(&folder, error))?);
    let in_force = loaded.rules.set.names().map(|name| {
        let row = counted.remove(name).unwrap_or_default();
        Row { name: name.to_owned(), in_force: true, ..row }
    });
    let mut rules: Vec<Row> = in_force.collect();
    rules.extend(counted.into_iter().map(|(name, row)| Row { name, ..row }));
    let document = Document { rules, recipients };
    match args.json {
        true => json::print(context, &document)?,
        false => context.out.write_all(text(&document).as_bytes())?,
    }
    Ok(Answer::Yes)
}

fn text(document: &Document) -> String {
    let zone = TimeZone::system();
    let mut text = format!("{:<28} {:>9} {:>9} {:>9}  {}\n", "rule", "matched", "refused", "shadow", "last");
    for row in &document.rules {
        let last = match row.last {
            Some(at) => at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string(),
            None => "never".into(),
        };
        let gone = if row.in_force { "" } else { "  (not in rules.toml now)" };
        text.push_str(&format!(
            "{:<28} {:>9} {:>9} {:>9}  {last}{gone}\n",
            mail::harmless(&row.name),
            row.matched,
            row.refused,
            row.shadow
        ));
    }
    text.push_str(&format!(
        "of {} recipients that the trace has kept, refused ones among them\n",
        document.recipients
    ));
    text
}
