use jiff::Timestamp;
use jiff::tz::TimeZone;
use mail::harmless;
use serde::Serialize;

use super::failure::counted;
use super::{Answer, Context, Failure, json, table};
use crate::control::verb::quarantine::list::{self, Item, List};
use crate::control::verb::quarantine::show::{self, Show};
use crate::control::verb::quarantine::{Done, Which, delete::Delete, release::Release};
use crate::control::{NoStore, Reach, Said};

/// Look at mail that was held back, and let it go
///
/// Held back is what a rule says so, what is forged, and what some recipients refused when others took it. The daemon
/// is asked; without one the store is opened. Times are those of this machine.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// List what is held back, and why
    ///
    /// Exits with 1 when nothing is.
    List {
        /// From one mailbox alone
        #[arg(long, value_name = "NAME")]
        mailbox: Option<String>,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Print one message, as it would be served
    Show {
        /// Its UID, from the list
        uid: String,
    },
    /// Deliver messages to the mailbox that they were for, past the rules
    Release(Chosen),
    /// Let messages go for good
    Delete(Chosen),
}

#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["uids", "mailbox"]))]
struct Chosen {
    /// Their UIDs, from the list
    #[arg(value_name = "UID")]
    uids: Vec<String>,
    /// All that is held back from this mailbox
    #[arg(long, value_name = "NAME")]
    mailbox: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn is_json(&self) -> bool {
        match &self.what {
            What::List { json, .. } => *json,
            What::Show { .. } => false,
            What::Release(chosen) | What::Delete(chosen) => chosen.json,
        }
    }
}

/// What `list --json` prints.
#[derive(Debug, Serialize)]
struct Document {
    messages: Vec<Item>,
}

pub(crate) fn run(context: &mut Context<'_>, args: &Args) -> Result<Answer, Failure> {
    let reach = Reach::find(&context.config, NoStore::Refuse)?;
    match &args.what {
        What::List { mailbox, json } => list(context, reach, mailbox.clone(), *json),
        What::Show { uid } => show(context, reach, uid),
        What::Release(chosen) => {
            let done = reach.ask::<Release>(&chosen.which(), |_| {})?;
            told(context, chosen, done, "released")
        }
        What::Delete(chosen) => {
            let done = reach.ask::<Delete>(&chosen.which(), |_| {})?;
            told(context, chosen, done, "deleted")
        }
    }
}

impl Chosen {
    fn which(&self) -> Which {
        match &self.mailbox {
            Some(mailbox) => Which::Of(mailbox.clone()),
            None => Which::These(self.uids.clone()),
        }
    }
}

fn told(context: &mut Context<'_>, chosen: &Chosen, done: Done, word: &str) -> Result<Answer, Failure> {
    if chosen.json {
        json::print(context, &done)?;
    } else {
        let count = counted(usize::try_from(done.messages).unwrap_or(usize::MAX), "message");
        writeln!(context.out, "{count} {word}")?;
    }
    Ok(if done.messages > 0 { Answer::Yes } else { Answer::No })
}

fn list(
    context: &mut Context<'_>,
    reach: Reach,
    mailbox: Option<String>,
    json: bool,
) -> Result<Answer, Failure> {
    let mut asked = reach.begin::<List>(&list::Args { mailbox })?;
    let mut messages = Vec::new();
    loop {
        match asked.hear()? {
            Said::Item(item, _) => messages.push(item),
            Said::Progress(_) => {}
            Said::Answer(_) => break,
        }
    }
    let answer = if messages.is_empty() { Answer::No } else { Answer::Yes };
    if json {
        json::print(context, &Document { messages })?;
    } else {
        let zone = TimeZone::system();
        for item in &messages {
            context.out.write_all(text(item, &zone).as_bytes())?;
        }
        if messages.is_empty() {
            super::say("restante: nothing is held back");
        }
    }
    Ok(answer)
}

fn text(item: &Item, zone: &TimeZone) -> String {
    let ms = i64::try_from(item.received_ms).unwrap_or(i64::MAX);
    let at = Timestamp::from_millisecond(ms).unwrap_or_default().to_zoned(zone.clone());
    let lines = [
        format!("{}  {}  {}", item.uid, item.mailbox, at.strftime("%Y-%m-%d %H:%M")),
        format!("  from {} (envelope <{}>), {}", item.from, item.sender, table::size(item.octets)),
        format!("  subject {}", item.subject),
        format!("  held back: {}", item.reason),
    ];
    lines.iter().map(|line| harmless(line) + "\n").collect()
}

fn show(context: &mut Context<'_>, reach: Reach, uid: &str) -> Result<Answer, Failure> {
    let mut asked = reach.begin::<Show>(&show::Args { uid: uid.to_owned() })?;
    loop {
        match asked.hear()? {
            Said::Item(_, octets) => context.out.write_all(&octets)?,
            Said::Progress(_) => {}
            Said::Answer(_) => return Ok(Answer::Yes),
        }
    }
}
