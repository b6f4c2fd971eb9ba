use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use directory::{Directory, Resolution, VerifierParams};
use jiff::Timestamp;
use mail::ForwardPath;
use routing::rules::{Judgement, RuleSet, To};
use serde::Serialize;

use crate::cli::failure::counted;
use crate::cli::trace::{failed, instant};
use crate::cli::{Answer, Context, Failure, json, ruling};
use crate::config;
use crate::control;
use crate::trace::{Folder, Judged, What, each};

/// Examples of each move.
const EXAMPLES: usize = 3;

/// Say what other rules would have done with the mail of the last days
///
/// Both sets are asked about every recipient that the trace has kept, by the facts that were known when the mail came;
/// nothing is changed. What depends on the text of a body cannot be told, and is counted. Exits with 1 when anything
/// goes elsewhere.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The other rules, in the place of rules.toml
    new: PathBuf,
    /// Not before: a date, a time, today, yesterday, or so long ago ("30 days")
    #[arg(long, value_name = "TIME", value_parser = instant)]
    since: Option<Timestamp>,
    /// Only what the directory, or one of the sets, sends to this mailbox
    #[arg(long = "box", value_name = "MAILBOX")]
    mailbox: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    pub(super) json: bool,
}

/// What `--json` prints.
#[derive(Debug, Default, Serialize)]
struct Document {
    /// Recipients that were asked about.
    recipients: u64,
    /// Of these, for how many one of the sets cannot tell without the body.
    cannot_tell: u64,
    moves: Vec<Move>,
}

#[derive(Debug, Clone, Serialize)]
struct Move {
    old: String,
    new: String,
    recipients: u64,
    /// Queue ids of some.
    examples: Vec<String>,
}

pub(super) fn run(context: &mut Context<'_>, args: &Args) -> Result<Answer, Failure> {
    let loaded = control::load(&context.config)?;
    let text = fs::read_to_string(&args.new).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => crate::cli::missing(&args.new),
        _ => Failure::Io(args.new.clone(), error),
    })?;
    let other = config::load_with_rules(&context.config, text).map_err(Failure::Config)?;
    let folder = Folder::of(&loaded.config.state_dir);
    let directory = Directory::new(loaded.table, VerifierParams::default());
    let sets = [&*loaded.rules.set, &*other.rules.set];
    let mut document = Document::default();
    let mut moves: BTreeMap<[String; 2], Move> = BTreeMap::new();
    let read = each(&folder, |line| {
        let What::Judged(judged) = &line.what else { return };
        if args.since.is_some_and(|since| line.at < since) {
            return;
        }
        compare(judged, sets, args.mailbox.as_deref(), &directory, &mut document, &mut moves);
    });
    read.map_err(|error| failed(&folder, error))?;
    document.moves = moves.into_values().collect();
    document.moves.sort_by_key(|it| std::cmp::Reverse(it.recipients));
    match args.json {
        true => json::print(context, &document)?,
        false => context.out.write_all(words(&document).as_bytes())?,
    }
    Ok(if document.moves.is_empty() { Answer::Yes } else { Answer::No })
}

fn compare(
    judged: &Judged,
    sets: [&RuleSet; 2],
    mailbox: Option<&str>,
    directory: &Directory,
    document: &mut Document,
    moves: &mut BTreeMap<[String; 2], Move>,
) {
    for ruled in &judged.recipients {
        let judgements = sets.map(|set| set.judge(&judged.facts, Some(&ruled.to)));
        if mailbox.is_some_and(|name| !concerns(name, &ruled.to, &judgements, directory)) {
            continue;
        }
        document.recipients += 1;
        if judgements.iter().any(|judgement| matches!(judgement, Judgement::Defer { .. })) {
            document.cannot_tell += 1;
            continue;
        }
        let [old, new] = judgements.map(|judgement| outcome(&judgement));
        if old != new {
            let entry = moves.entry([old.clone(), new.clone()]);
            let it = entry.or_insert_with(|| Move { old, new, recipients: 0, examples: Vec::new() });
            it.recipients += 1;
            if it.examples.len() < EXAMPLES {
                it.examples.push(judged.judged.clone());
            }
        }
    }
}

/// What is done, whichever rule says so.
fn outcome(judgement: &Judgement) -> String {
    match judgement {
        Judgement::Refuse { code, enhanced, text, .. } => format!("refused: {code} {enhanced} {text}"),
        Judgement::Wait => "not decided".into(),
        Judgement::Defer { why, .. } => format!("put off: {why}"),
        Judgement::Decided(decision) => ruling(&decision.ruling),
    }
}

fn concerns(name: &str, to: &To, judgements: &[Judgement; 2], directory: &Directory) -> bool {
    let by_rule = judgements.iter().any(|judgement| match judgement {
        Judgement::Decided(decision) => {
            let named = decision.ruling.deliver.iter().flatten().chain(&decision.ruling.copy);
            named.into_iter().any(|mailbox| mailbox.as_str() == name)
        }
        Judgement::Refuse { .. } | Judgement::Wait | Judgement::Defer { .. } => false,
    });
    let by_directory = || match ForwardPath::parse(&format!("<{}>", to.address)) {
        Ok((path, _)) => match directory.resolve(&path) {
            Resolution::Deliver { mailboxes, .. } => mailboxes.iter().any(|mailbox| mailbox.as_str() == name),
            Resolution::Refused { .. } | Resolution::Unknown | Resolution::NotLocal => false,
        },
        Err(_) => false,
    };
    by_rule || by_directory()
}

fn words(document: &Document) -> String {
    let mut text = String::new();
    for it in &document.moves {
        text.push_str(&format!(
            "{}: {} -> {} (such as {})\n",
            counted(usize::try_from(it.recipients).unwrap_or(usize::MAX), "recipient"),
            mail::harmless(&it.old),
            mail::harmless(&it.new),
            it.examples.join(", ")
        ));
    }
    let moved: u64 = document.moves.iter().map(|it| it.recipients).sum();
    text.push_str(&format!("{moved} of {} recipients would fare otherwise", document.recipients));
    if document.cannot_tell > 0 {
        text.push_str(&format!("; of {} nobody can tell without the body", document.cannot_tell));
    }
    text.push('\n');
    text
}
