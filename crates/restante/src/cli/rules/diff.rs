use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use directory::{Directory, Resolution, VerifierParams};
use jiff::Timestamp;
use mail::{Arrival, Envelope, Event, ForwardPath, MailboxName, QueueId, Uid};
use routing::rules::{Facts, Judgement, RuleSet, To};
use serde::Serialize;

use crate::cli::failure::counted;
use crate::cli::progress::Bar;
use crate::cli::trace::{failed, instant, passed};
use crate::cli::{Answer, Context, Failure, json, ruling};
use crate::config::{self, Finding};
use crate::control::verb::stored::{self, Item, Stored};
use crate::control::{self, Fault, NoStore, Reach, Said};
use crate::trace::{Folder, Line, Places, What};
use crate::wire::Replay;

/// Examples of each move.
const EXAMPLES: usize = 3;
/// Messages that cannot be read, of those that are named.
const BROKEN: usize = 100;
/// The trace may tell of a message so much later than it was delivered, in milliseconds: a disk that stalls.
const LATE: u64 = 60_000;

/// Say what other rules would have done with the mail of the last days
///
/// Both sets are asked about every recipient of mail that is stored, by its very octets, and of mail that is gone, as
/// far as the trace has kept what was known of it: of that the text of the body is not known, and what depends on it is
/// counted. Nothing is changed, and what comes in meanwhile is left out. Mail that was refused is not kept, and only
/// counted. Exits with 1 when anything goes elsewhere, and with 78 when a test of the other rules fails.
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
    /// Messages that are stored.
    stored: u64,
    /// Messages that are gone, or not delivered yet, and that the trace knows.
    gone: u64,
    /// Recipients that were asked about.
    recipients: u64,
    /// Of these, for how many one of the sets cannot tell: without the body of mail that is gone, or what a scanner
    /// said of mail that the trace does not know.
    cannot_tell: u64,
    moves: Vec<Move>,
    /// Stored messages that could not be read.
    unreadable: u64,
    /// Some of them, with why.
    broken: Vec<String>,
    /// Refusals by rules in that time: what was refused is not kept, and nobody can ask about it.
    refusals: u64,
    /// Further refusals, of which the trace has the number alone.
    more_refusals: u64,
    /// Tests of the other rules that fail.
    failed_tests: Vec<Finding>,
}

#[derive(Debug, Clone, Serialize)]
struct Move {
    old: String,
    new: String,
    recipients: u64,
    /// Queue ids of some, or their UIDLs where the trace does not know them.
    examples: Vec<String>,
}

pub(super) fn run(context: &mut Context<'_>, args: &Args) -> Result<Answer, Failure> {
    let began = Timestamp::now();
    let loaded = control::load(&context.config)?;
    let text = super::other(&args.new)?;
    let (other, failed_tests) =
        config::try_rules(&context.config, text, &args.new).map_err(Failure::Config)?;
    let folder = Folder::of(&loaded.config.state_dir);
    let replay = Replay::new(&loaded.config);
    let directory = Directory::new(loaded.table, VerifierParams::default());
    let named =
        |name: &String| directory.mailbox_named(name).ok_or_else(|| Fault::no_mailbox(name, &directory));
    let mut comparison = Comparison {
        sets: [&loaded.rules.set, &other.rules.set],
        mailbox: args.mailbox.as_ref().map(named).transpose()?,
        directory,
        document: Document::default(),
        moves: BTreeMap::new(),
    };
    let window = Window { since: args.since, until: began };
    let places = Places::read(&folder, args.since, |line| comparison.refusal(&window, &line));
    let mut places = places.map_err(|error| failed(&folder, error))?;
    let known = stored_mail(context, &window, &replay, &mut places, &mut comparison)?;
    let is_gone = |id: QueueId, taken_ms: i64| window.has(taken_ms) && !known.contains(&id);
    passed(places.others(is_gone, |judged| {
        comparison.document.gone += 1;
        for ruled in &judged.recipients {
            comparison.add(&judged.facts, &ruled.to, &judged.judged);
        }
    }));
    let Comparison { mut document, moves, .. } = comparison;
    document.failed_tests = failed_tests.findings().collect();
    document.moves = moves.into_values().collect();
    document.moves.sort_by_key(|it| std::cmp::Reverse(it.recipients));
    match args.json {
        true => json::print(context, &document)?,
        false => context.out.write_all(words(&document).as_bytes())?,
    }
    if !failed_tests.is_empty() {
        crate::cli::warn(&failed_tests);
        let (count, path) = (counted(failed_tests.errors(), "test"), args.new.display());
        crate::cli::say(&format!(
            "restante: {count} of {path} failed: as they are, these rules cannot be used"
        ));
        return Ok(Answer::Faulty);
    }
    Ok(if document.moves.is_empty() { Answer::Yes } else { Answer::No })
}

/// The time whose mail is asked about. Mail is of the instant at which it was taken: as the trace tells that, or else
/// as its envelope does.
struct Window {
    since: Option<Timestamp>,
    until: Timestamp,
}

impl Window {
    fn has(&self, ms: i64) -> bool {
        self.since.is_none_or(|since| ms >= since.as_millisecond()) && ms < self.until.as_millisecond()
    }
}

/// Asks about all that is stored, message by message: one is in memory at a time. Returned is which these were, so that
/// none counts twice: not by two entries, as when it was brought back for one of a team, and not by the trace.
fn stored_mail(
    context: &Context<'_>,
    window: &Window,
    replay: &Replay,
    places: &mut Places,
    comparison: &mut Comparison<'_>,
) -> Result<HashSet<QueueId>, Failure> {
    let since_ms = window.since.and_then(|since| u64::try_from(since.as_millisecond()).ok());
    let since_ms = since_ms.map(|since| since.saturating_sub(LATE));
    let reach = Reach::find(&context.config, NoStore::Refuse)?;
    let mut asked = reach.begin::<Stored>(&stored::Args { since_ms })?;
    let mut known = HashSet::new();
    let mut bar: Option<Bar> = None;
    let mut at_hand: Option<(Uid, QueueId, Envelope)> = None;
    let mut octets = Vec::new();
    loop {
        match asked.hear()? {
            Said::Item(Item::Count(count), _) => bar = Some(Bar::new(count, "messages")),
            Said::Item(Item::Seen(seen), _) => bar.iter_mut().for_each(|bar| bar.to(seen)),
            Said::Item(Item::Message { uid, id }, envelope) => {
                octets.clear();
                // One of another version is told of as broken by its end.
                let envelope = serde_json::from_slice(&envelope).ok();
                at_hand = envelope.map(|envelope| (Uid(uid), QueueId(id), envelope));
            }
            Said::Item(Item::Part, part) => octets.extend_from_slice(&part),
            Said::Item(Item::Whole, _) => {
                let Some((uid, id, envelope)) = at_hand.take() else { continue };
                let received_ms = i64::try_from(envelope.trace.received_ms).unwrap_or(i64::MAX);
                let is_meant = window.has(places.taken_ms(id).unwrap_or(received_ms));
                if !known.insert(id) || !is_meant {
                    continue;
                }
                comparison.document.stored += 1;
                match places.judged(id) {
                    Some(mut judged) => {
                        judged.facts.content = replay.content(&octets);
                        for ruled in &judged.recipients {
                            comparison.add(&judged.facts, &ruled.to, &judged.judged);
                        }
                    }
                    None => {
                        let facts = replay.facts(&envelope, &octets);
                        for recipient in &envelope.recipients {
                            let to = comparison.to(&recipient.path);
                            comparison.add(&facts, &to, &uid.to_string());
                        }
                    }
                }
            }
            Said::Item(Item::Broken { uid, why }, _) => {
                at_hand = None;
                comparison.document.unreadable += 1;
                if comparison.document.broken.len() < BROKEN {
                    comparison.document.broken.push(format!("{}: {why}", Uid(uid)));
                }
            }
            Said::Progress(_) => {}
            Said::Answer(_) => return Ok(known),
        }
    }
}

/// Both sets, and what came of them so far.
struct Comparison<'a> {
    sets: [&'a RuleSet; 2],
    mailbox: Option<MailboxName>,
    directory: Directory,
    document: Document,
    moves: BTreeMap<[String; 2], Move>,
}

impl Comparison<'_> {
    fn to(&self, path: &ForwardPath) -> To {
        To {
            address: path.to_string(),
            detail: self.directory.detail(path),
            protected: self.directory.always_open(path),
        }
    }

    /// Counts what was refused: nobody can ask about it.
    fn refusal(&mut self, window: &Window, line: &Line) {
        if !window.has(line.at.as_millisecond()) {
            return;
        }
        match &line.what {
            What::Event(Event::Refused { arrival, rule: Some(_), .. }) => {
                self.document.refusals += u64::from(self.may_concern(arrival));
            }
            What::More { more_refusals } => self.document.more_refusals += more_refusals,
            What::Event(_) | What::Judged(_) | What::Lost { .. } => {}
        }
    }

    /// Of mail that was refused before it named anybody nobody can say.
    fn may_concern(&self, arrival: &Arrival) -> bool {
        let Some(mailbox) = &self.mailbox else { return true };
        arrival.to.is_empty() || arrival.to.iter().any(|to| leads_to(mailbox, to, &self.directory))
    }

    fn add(&mut self, facts: &Facts, to: &To, name: &str) {
        let judgements = self.sets.map(|set| set.judge(facts, Some(to)));
        if self.mailbox.as_ref().is_some_and(|mailbox| !concerns(mailbox, to, &judgements, &self.directory)) {
            return;
        }
        self.document.recipients += 1;
        if judgements.iter().any(|judgement| matches!(judgement, Judgement::Defer { .. })) {
            self.document.cannot_tell += 1;
            return;
        }
        let [old, new] = judgements.map(|judgement| outcome(&judgement));
        if old != new {
            let entry = self.moves.entry([old.clone(), new.clone()]);
            let it = entry.or_insert_with(|| Move { old, new, recipients: 0, examples: Vec::new() });
            it.recipients += 1;
            if it.examples.len() < EXAMPLES {
                it.examples.push(name.to_owned());
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

fn concerns(name: &MailboxName, to: &To, judgements: &[Judgement; 2], directory: &Directory) -> bool {
    let by_rule = judgements.iter().any(|judgement| match judgement {
        Judgement::Decided(decision) => {
            let named = decision.ruling.deliver.iter().flatten().chain(&decision.ruling.copy);
            named.into_iter().any(|mailbox| mailbox == name)
        }
        Judgement::Refuse { .. } | Judgement::Wait | Judgement::Defer { .. } => false,
    });
    by_rule || leads_to(name, &to.address, directory)
}

/// Whether the directory sends what comes for an address to a mailbox.
fn leads_to(name: &MailboxName, address: &str, directory: &Directory) -> bool {
    let Ok((path, _)) = ForwardPath::parse(&format!("<{address}>")) else { return false };
    match directory.resolve(&path) {
        Resolution::Deliver { mailboxes, .. } => mailboxes.contains(name),
        Resolution::Refused { .. } | Resolution::Unknown | Resolution::NotLocal => false,
    }
}

fn words(document: &Document) -> String {
    let Document { stored, gone, recipients, cannot_tell, moves, unreadable, broken, .. } = document;
    let mut text = String::new();
    if !moves.is_empty() {
        let old = moves.iter().map(|it| mail::harmless(&it.old));
        let rows: Vec<(String, String, &Move)> =
            old.zip(moves).map(|(old, it)| (old, mail::harmless(&it.new), it)).collect();
        let width = |column: &dyn Fn(&(String, String, &Move)) -> usize, least: usize| {
            rows.iter().map(column).max().unwrap_or(0).clamp(least, 60)
        };
        let (old, new) = (width(&|row| row.0.chars().count(), 3), width(&|row| row.1.chars().count(), 3));
        text.push_str("old: what the rules of today would do with it; new: what the others would\n");
        text.push_str(&format!("{:>10}  {:<old$}  {:<new$}  such as\n", "recipients", "old", "new"));
        for (was, is, it) in &rows {
            text.push_str(&format!(
                "{:>10}  {was:<old$}  {is:<new$}  {}\n",
                it.recipients,
                it.examples.join(", ")
            ));
        }
    }
    let moved: u64 = moves.iter().map(|it| it.recipients).sum();
    text.push_str(&format!("{moved} of {recipients} recipients would fare otherwise"));
    let messages = |count: u64| counted(usize::try_from(count).unwrap_or(usize::MAX), "message");
    text.push_str(&format!(" ({} stored, {gone} gone or on the way, known by the trace)", messages(*stored)));
    if *cannot_tell > 0 {
        text.push_str(&format!(
            "; of {cannot_tell} nobody can tell now: a body that is gone, or what a scanner said"
        ));
    }
    text.push('\n');
    text.push_str(&left_out(document.refusals, document.more_refusals));
    if *unreadable > 0 {
        text.push_str(&format!("{} cannot be read:\n", messages(*unreadable)));
    }
    for it in broken {
        text.push_str(&format!("  {}\n", mail::harmless(it)));
    }
    text
}

/// That what was refused is in no figure: rules that refuse less would let some of it in.
fn left_out(refusals: u64, more: u64) -> String {
    let counted = |count: u64| counted(usize::try_from(count).unwrap_or(usize::MAX), "refusal");
    let (by_rules, others) = (counted(refusals), counted(more));
    let which = match (refusals, more) {
        (0, 0) => return String::new(),
        (_, 0) => format!("{by_rules} by rules"),
        (0, _) => format!("{others}, of which the trace has the number alone"),
        (_, _) => format!("{by_rules} by rules, and {others} of which the trace has the number alone"),
    };
    format!("not in this, of that time: {which}; refused mail is not kept\n")
}
