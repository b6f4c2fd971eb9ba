use directory::{Directory, Resolution, VerifierParams};
use mail::{ForwardPath, MailboxName};
use serde::Serialize;

use super::members::{self, Member};
use super::{Answer, Context, Failure, json};
use crate::control;

/// Say where an address goes, and why
///
/// Of a team mailbox it says who collects it.
/// Exits with 1 when a sender would be refused.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Such as alice@example.com; a bare name is one of the first domain
    address: String,
    /// Print one JSON document
    #[arg(long)]
    pub(super) json: bool,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Document {
    address: String,
    steps: Vec<Step>,
    /// Whose they are; none: a sender is refused.
    mailboxes: Vec<String>,
    /// Those of them that several collect.
    teams: Vec<Team>,
    /// Each recipient that leads to a mailbox puts a copy there.
    copy_per_recipient: bool,
    /// What a sender is told who is refused.
    reply: Option<String>,
}

#[derive(Debug, Serialize)]
struct Team {
    mailbox: String,
    members: Vec<Member>,
    /// It has a password of its own, and is a login too.
    shared: bool,
}

#[derive(Debug, Serialize)]
struct Step {
    at: String,
    why: String,
}

pub(crate) fn run(context: &mut Context<'_>, args: &Args) -> Result<Answer, Failure> {
    let loaded = control::load(&context.config)?;
    let first = loaded.spec.domains.first().map_or("", |domain| domain.name.as_str());
    let path = recipient(&args.address, first)?;
    let directory = Directory::new(loaded.table, VerifierParams::default());
    let (steps, resolution) = directory.explain(&path);
    let steps = steps.into_iter().map(|step| Step { at: step.at, why: step.why }).collect();
    let mut document = Document {
        address: args.address.clone(),
        steps,
        mailboxes: Vec::new(),
        teams: Vec::new(),
        copy_per_recipient: false,
        reply: None,
    };
    match resolution {
        Resolution::Deliver { mailboxes, duplicate } => {
            document.teams = mailboxes.iter().filter_map(|name| found(&directory, name)).collect();
            document.mailboxes = mailboxes.iter().map(ToString::to_string).collect();
            document.copy_per_recipient = duplicate;
        }
        Resolution::Refused { text } => document.reply = Some(format!("550 5.1.1 {text}")),
        Resolution::Unknown => document.reply = Some("550 5.1.1, nobody has this address".into()),
        Resolution::NotLocal => document.reply = Some("550 5.7.1, not a domain of ours".into()),
    }
    match args.json {
        true => json::print(context, &document)?,
        false => context.out.write_all(text(&document).as_bytes())?,
    }
    Ok(if document.reply.is_none() { Answer::Yes } else { Answer::No })
}

fn found(directory: &Directory, mailbox: &MailboxName) -> Option<Team> {
    let team = directory.team(mailbox)?;
    Some(Team { mailbox: mailbox.to_string(), members: members::members(&team), shared: team.shared })
}

/// A mailbox by its name, and of a team who collects it.
fn shown(document: &Document, mailbox: &str) -> String {
    let Some(team) = document.teams.iter().find(|team| team.mailbox == mailbox) else {
        return mailbox.into();
    };
    let own = team.shared.then(|| format!("{mailbox} itself"));
    let who: Vec<String> = team.members.iter().map(Member::shown).chain(own).collect();
    format!("{mailbox} (collected by {})", who.join(", "))
}

fn text(document: &Document) -> String {
    let mut lines: Vec<String> =
        document.steps.iter().map(|step| format!("{}: {}", step.at, step.why)).collect();
    lines.push(match &document.reply {
        Some(reply) => format!("refused: {reply}"),
        None => {
            let each = if document.copy_per_recipient { ", one copy per recipient" } else { "" };
            let to: Vec<String> = document.mailboxes.iter().map(|name| shown(document, name)).collect();
            format!("delivered to {}{each}", to.join(", "))
        }
    });
    lines.into_iter().map(|line| line + "\n").collect()
}

/// An address with or without its angle brackets; a name without a domain belongs to the first, as in
/// mailboxes.toml. Bare `postmaster` is an address of its own (RFC 5321 §4.5.1).
pub(super) fn recipient(text: &str, first: &str) -> Result<ForwardPath, Failure> {
    let bare = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(text);
    let whole = format!("<{bare}>");
    let of_first = format!("<{bare}@{first}>");
    let parsed = match ForwardPath::parse(&whole) {
        Err(_) if !bare.contains('@') => ForwardPath::parse(&of_first),
        parsed => parsed,
    };
    match parsed {
        Ok((path, "")) => Ok(path),
        Ok((_, _)) => Err(Failure::Usage(format!("`{text}` is more than an address"))),
        Err(error) => {
            Err(Failure::Usage(format!("`{text}` is no address: {error}; such as alice@example.com")))
        }
    }
}
