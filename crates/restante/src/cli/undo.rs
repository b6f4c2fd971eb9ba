use std::time::Duration;

use jiff::Timestamp;
use mail::harmless;
use serde::Serialize;

use super::failure::counted;
use super::trace::{instant, length};
use super::{Answer, Context, Failure, json, table};
use crate::control::verb::undo::{self, Item, Undo};
use crate::control::{NoStore, Reach, Said};

/// Bring back what a login deleted
///
/// For that login alone, and under new UIDLs, so that its clients fetch it again; what a team's own login took from all
/// its members comes back for each of them. It can come back as long as it is in
/// the trash of its mailbox, or others of the team still have it. The daemon is asked; without one the store is opened.
/// Exits with 1 when there is nothing to bring back.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["last", "since", "ids"]))]
pub(crate) struct Args {
    /// Whose deletions: alice, alice+phone, alice/sales
    #[arg(long)]
    login: String,
    /// Her view of this team mailbox, and not of her own
    #[arg(long, value_name = "NAME")]
    mailbox: Option<String>,
    /// What was deleted this long ago or later: "1h", "2 days"
    #[arg(long, value_name = "TIME", value_parser = length)]
    last: Option<Duration>,
    /// What was deleted not before: a date, a time, today, yesterday
    #[arg(long, value_name = "TIME", value_parser = instant)]
    since: Option<Timestamp>,
    /// These, by what UIDL called them
    #[arg(long = "id", value_name = "UID", num_args = 1..)]
    ids: Vec<String>,
    /// Only list what would come back
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON document
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Serialize)]
struct Document {
    #[serde(flatten)]
    answer: undo::Answer,
    dry_run: bool,
    undone: Vec<Item>,
}

pub(crate) fn run(context: &mut Context<'_>, args: &Args) -> Result<Answer, Failure> {
    let asked = undo::Args {
        login: args.login.clone(),
        mailbox: args.mailbox.clone(),
        last_ms: args.last.map(|last| u64::try_from(last.as_millis()).unwrap_or(u64::MAX)),
        // Before 1970 nobody has deleted anything.
        since_ms: args.since.map(|since| u64::try_from(since.as_millisecond()).unwrap_or_default()),
        ids: args.ids.clone(),
        dry_run: args.dry_run,
    };
    let mut asked = Reach::find(&context.config, NoStore::Refuse)?.begin::<Undo>(&asked)?;
    let mut undone = Vec::new();
    let answer = loop {
        match asked.hear()? {
            Said::Item(item, _) => undone.push(item),
            Said::Progress(_) => {}
            Said::Answer(answer) => break answer,
        }
    };
    let found = if undone.is_empty() { Answer::No } else { Answer::Yes };
    if args.json {
        json::print(context, &Document { answer, dry_run: args.dry_run, undone })?;
        return Ok(found);
    }
    if undone.is_empty() {
        super::say(&format!("restante: nothing to bring back{}", elsewhere(&answer)));
        return Ok(found);
    }
    if !answer.elsewhere.is_empty() {
        super::say(&format!("restante: what the login deleted of teams is apart{}", teams(&answer)));
    }
    context.out.write_all(text(&undone).as_bytes())?;
    let whose = match answer.view.as_str() {
        "" if answer.others => format!("{}, for this login alone", answer.mailbox),
        "" => answer.mailbox,
        view => format!("{}, for {view} alone", answer.mailbox),
    };
    let word = if args.dry_run { "would come back" } else { "brought back" };
    writeln!(context.out, "{} {word} into {whose}", counted(undone.len(), "message"))?;
    Ok(found)
}

/// Why there may be nothing: it went for its age, for the disk, or because its mailbox has no trash.
const GONE: &str = ": what is in no trash any more cannot come back, and `restante trace` says when it went";

/// Where there is something, where there was nothing here.
fn elsewhere(answer: &undo::Answer) -> String {
    match answer.elsewhere.as_slice() {
        [] if answer.before > 0 => {
            let messages = counted(usize::try_from(answer.before).unwrap_or(usize::MAX), "message");
            format!(": {messages} came back for this login before")
        }
        [] if answer.keeps => {
            format!(": what this login deletes stays in {}, by its on-dele = \"keep\"", answer.mailbox)
        }
        [] => GONE.into(),
        _ => format!(" in {}{}", answer.mailbox, teams(answer)),
    }
}

fn teams(answer: &undo::Answer) -> String {
    format!("; there is in: --mailbox {}", answer.elsewhere.join(", --mailbox "))
}

fn text(undone: &[Item]) -> String {
    let head = ["was", "is now", "from", "subject"].map(str::to_owned);
    let rows = undone.iter().map(|item| {
        let now = item.now.clone().unwrap_or_else(|| "-".into());
        [item.was.clone(), now, harmless(&item.from), harmless(&item.subject)]
    });
    table::columns(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_back_is_a_table() {
        let item = Item {
            was: "r0000000000000001".into(),
            now: None,
            from: "boss@example.test".into(),
            subject: "a\u{1b}b".into(),
        };
        let text = text(&[item]);
        assert_eq!(text.lines().next(), Some("was                is now  from               subject"));
        assert!(text.ends_with("boss@example.test  a\\u{1b}b\n"), "{text}");
        let answer = undo::Answer {
            mailbox: "alice".into(),
            elsewhere: vec!["sales".into(), "info".into()],
            ..undo::Answer::default()
        };
        assert!(elsewhere(&undo::Answer::default()).contains("`restante trace`"));
        assert_eq!(elsewhere(&answer), " in alice; there is in: --mailbox sales, --mailbox info");
    }
}
