use std::collections::HashMap;
use std::time::Duration;

use clap::Subcommand;
use directory::{Allowance, Directory, MailboxSpec, Password, VerifierParams, password};
use mail::{Secret, Span};
use serde::Serialize;

use super::failure::counted;
use super::members::{self, Member};
use super::passwd::{RELOAD, chosen, tell_of_rules};
use super::{Answer, Context, Failure, json, table};
use crate::config::{self, Config, Edit, EditError, File, Sound};
use crate::control::verb::NoArgs;
use crate::control::verb::delete_mail::{self, DeleteMail};
use crate::control::verb::usage::{self, Usage};
use crate::control::{self, Code, NoStore, Reach, Said};

/// How long a daemon may take to say what mailboxes hold.
const PATIENCE: Duration = Duration::from_secs(15);

/// List, add or remove mailboxes
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    List(List),
    Add(Add),
    Remove(Remove),
}

/// Print every mailbox with its addresses, quota, passwords, most messages and their longest age, what it holds, and
/// who collects it
///
/// The members of a team mailbox, the devices of a person's, and the team mailboxes that its own login shows too come
/// last.
///
/// What it holds is known to the daemon alone: without one, or without the right to ask it, there is a dash.
#[derive(Debug, clap::Args)]
struct List {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// What `list --json` prints. Without a limit there is none.
#[derive(Debug, Serialize)]
struct Document {
    mailboxes: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    /// Whether mail comes to it.
    receives: bool,
    /// Its own first.
    addresses: Vec<String>,
    quota_octets: Option<u64>,
    quota_messages: Option<u64>,
    expire_seconds: Option<u64>,
    /// Their names; the one without is `password`.
    passwords: Vec<String>,
    /// Nothing where no daemon could be asked.
    holds: Option<Holds>,
    /// Who collects it, each with a view of their own: with any it is a team mailbox.
    members: Vec<Member>,
    /// Its devices: `phone` is the login `alice+phone`.
    devices: Vec<String>,
    /// The team mailboxes that its own login shows too.
    collect: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Holds {
    messages: u64,
    octets: u64,
    queued_messages: u64,
    queued_octets: u64,
}

impl Args {
    /// Whether a program reads what it prints.
    pub(super) fn is_json(&self) -> bool {
        match &self.what {
            What::List(list) => list.json,
            What::Add(_) | What::Remove(_) => false,
        }
    }
}

/// Add a mailbox, with a password that is made up and printed once
#[derive(Debug, clap::Args)]
struct Add {
    /// Its name: alice, or alice@other.example in another domain than the first
    name: String,
    /// One more address; may be repeated
    #[arg(long = "address", value_name = "ADDRESS")]
    addresses: Vec<String>,
    /// What it may hold, such as "2 GiB", or "none" for no limit
    #[arg(long)]
    quota: Option<String>,
    /// Read the password from standard input
    #[arg(long, conflicts_with = "no_password")]
    stdin: bool,
    /// No password: nobody logs in until `restante passwd` sets one
    #[arg(long)]
    no_password: bool,
}

/// Take a mailbox out of mailboxes.toml; its mail is kept
///
/// When it is out, and the daemon knows it, `--delete-mail` deletes for good what it holds, with its trash and its
/// quarantine. `restante status` names the mailboxes that are not in the file and hold mail.
#[derive(Debug, clap::Args)]
struct Remove {
    /// The mailbox, by its name or its address
    mailbox: String,
    /// Delete for good the mail of one that is out already
    #[arg(long)]
    delete_mail: bool,
    /// Only tell what would be done
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(context: &mut Context<'_>, args: &Args) -> Result<Answer, Failure> {
    match &args.what {
        What::List(args) => list(context, args),
        What::Add(args) => add(context, args),
        What::Remove(args) if args.delete_mail => delete_mail(context, args),
        What::Remove(args) => remove(context, args),
    }
}

fn list(context: &mut Context<'_>, args: &List) -> Result<Answer, Failure> {
    let loaded = control::load(&context.config)?;
    let directory = Directory::new(loaded.table, VerifierParams::default());
    let mut held = held(&loaded.config);
    let rows = loaded.spec.mailboxes.iter().map(|mailbox| {
        let name = directory.mailbox_named(&mailbox.name);
        let home = name.as_ref().map(|name| directory.home_address(name));
        let team = name.as_ref().and_then(|name| directory.team(name));
        let devices = name.as_ref().map(|name| directory.devices(name)).unwrap_or_default();
        let holds = name.and_then(|name| held.remove(name.as_str()));
        Row {
            members: team.map(|team| members::members(&team)).unwrap_or_default(),
            devices: devices.iter().map(ToString::to_string).collect(),
            ..row(mailbox, &home.unwrap_or_default(), holds)
        }
    });
    let document = Document { mailboxes: rows.collect() };
    if args.json {
        json::print(context, &document)?;
        return Ok(Answer::Yes);
    }
    writeln!(context.out, "{HEADER}")?;
    for row in &document.mailboxes {
        writeln!(context.out, "{}", line(row))?;
    }
    Ok(Answer::Yes)
}

/// What the daemon says that each mailbox holds; nothing where it cannot be asked.
fn held(config: &Config) -> HashMap<String, Holds> {
    let mut held = HashMap::new();
    let Ok(Some(client)) = control::daemon_of(config) else { return held };
    let begun = client.patience(PATIENCE).and_then(|client| client.begin::<Usage>(&NoArgs {}));
    let Ok(mut asked) = begun else { return held };
    while let Ok(said) = asked.hear() {
        match said {
            Said::Item(usage::Item { mailbox, messages, octets, queued_messages, queued_octets }, _) => {
                held.insert(mailbox, Holds { messages, octets, queued_messages, queued_octets });
            }
            Said::Progress(_) => {}
            Said::Answer(_) => break,
        }
    }
    held
}

fn row(mailbox: &MailboxSpec, home: &str, holds: Option<Holds>) -> Row {
    let (_, domain) = home.rsplit_once('@').unwrap_or_default();
    let whole = |address: &String| match address.contains('@') {
        true => address.clone(),
        false => format!("{address}@{domain}"),
    };
    let addresses = std::iter::once(home.to_owned()).chain(mailbox.addresses.iter().map(whole));
    let Allowance { octets, messages, age } = mailbox.allowance;
    let name = |password: &Password| password.name.clone().unwrap_or_else(|| "password".into());
    Row {
        name: mailbox.name.clone(),
        receives: mailbox.receives,
        addresses: if mailbox.receives { addresses.collect() } else { Vec::new() },
        quota_octets: octets,
        quota_messages: messages,
        expire_seconds: age.map(|age| age.as_secs()),
        passwords: mailbox.passwords.iter().map(name).collect(),
        holds,
        members: Vec::new(),
        devices: Vec::new(),
        collect: mailbox.collect.clone(),
    }
}

/// What a person sees above the lines; a program counts the fields.
const HEADER: &str =
    "mailbox\taddresses\tquota\tpasswords\tmost messages\tage\toctets\tmessages\tmembers\tdevices\tcollects";

/// One mailbox, its fields apart by tabs: name, addresses with its own first, quota, names of passwords, most
/// messages, age at which they go; octets and messages that it holds, with those that wait for it; members, devices,
/// team mailboxes that it collects.
fn line(row: &Row) -> String {
    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
    let addresses = if row.receives { row.addresses.join(",") } else { "no mail".to_owned() };
    let quota = or_none(row.quota_octets.map(|octets| config::Size(octets).to_string()));
    let messages = or_none(row.quota_messages.map(|messages| messages.to_string()));
    let age = row.expire_seconds.map(Duration::from_secs);
    let age = or_none(age.map(|age| Span(age).to_string()));
    let passwords = or_dash(row.passwords.join(","));
    let (octets, count) = match &row.holds {
        Some(holds) => (
            (holds.octets + holds.queued_octets).to_string(),
            (holds.messages + holds.queued_messages).to_string(),
        ),
        None => ("-".to_owned(), "-".to_owned()),
    };
    let members = or_dash(row.members.iter().map(Member::shown).collect::<Vec<_>>().join(","));
    let (devices, collect) = (or_dash(row.devices.join(",")), or_dash(row.collect.join(",")));
    let name = &row.name;
    format!(
        "{name}\t{addresses}\t{quota}\t{passwords}\t{messages}\t{age}\t{octets}\t{count}\t{members}\t{devices}\t{collect}"
    )
}

fn add(context: &mut Context<'_>, args: &Add) -> Result<Answer, Failure> {
    control::readable(&context.config, Sound::ButRules.files())?;
    let mut edit = Edit::open(&context.config, Sound::ButRules)?;
    let generated = (!args.stdin && !args.no_password).then(password::generate);
    let secret = match &generated {
        _ if args.no_password => None,
        Some(text) => Some(Secret::from(text.as_bytes())),
        None => Some(chosen(true)?),
    };
    let hash = secret.map(|secret| password::hash(&secret));
    edit.add_mailbox(&args.name, &args.addresses, args.quota.as_deref(), hash.as_deref())?;
    edit.save()?;
    if let Some(text) = generated {
        writeln!(context.out, "{text}")?;
    }
    super::say(&format!("mailbox `{}` is in {}{RELOAD}", args.name, File::Mailboxes.name()));
    tell_of_rules(context);
    Ok(Answer::Yes)
}

fn remove(context: &mut Context<'_>, args: &Remove) -> Result<Answer, Failure> {
    control::readable(&context.config, &File::ALL)?;
    let mut edit = Edit::open(&context.config, Sound::All)?;
    let mailbox = match edit.named(&args.mailbox) {
        Err(EditError::NoMailbox(_)) => return Err(out_already(context, &args.mailbox)),
        found => found?,
    };
    edit.remove_mailbox(&mailbox)?;
    if args.dry_run {
        edit.check()?;
        let file = File::Mailboxes.name();
        writeln!(context.out, "mailbox `{mailbox}` would be taken out of {file}, and its mail be kept")?;
        return Ok(Answer::Yes);
    }
    edit.save()?;
    writeln!(
        context.out,
        "mailbox `{mailbox}` is out of {}; its mail is kept, and comes back with a mailbox of that name{RELOAD}",
        File::Mailboxes.name(),
    )?;
    Ok(Answer::Yes)
}

/// Why there is nothing to take out, and what of its mail is kept, where a daemon can say so.
fn out_already(context: &Context<'_>, name: &str) -> Failure {
    let asked = delete_mail::Args { mailbox: name.to_owned(), dry_run: true };
    let daemon =
        control::machine(&context.config).and_then(|config| control::daemon_of(&config)).ok().flatten();
    let kept = daemon.map(|daemon| daemon.patience(PATIENCE)?.ask::<DeleteMail>(&asked, |_| {}));
    let no = format!("there is no mailbox `{name}` in {}", File::Mailboxes.name());
    let delete = format!("`restante mailbox remove {name} --delete-mail`");
    Failure::NotThere(match kept {
        Some(Ok(kept)) => {
            let (all, size) = (messages(kept.messages), table::size(kept.octets));
            format!("{no}; its mail is kept, {all}, {size}: {delete} deletes it for good")
        }
        Some(Err(fault)) if fault.code == Code::Exists => {
            format!("{no}, and the daemon does not know yet that it is out: `restante reload`")
        }
        Some(Err(fault)) if fault.code == Code::NotFound => {
            format!("{no}, and no mail of one; `restante mailbox list` shows what there is")
        }
        Some(Err(_)) | None => {
            format!("{no}; if it was taken out before, its mail is kept, and {delete} deletes that for good")
        }
    })
}

fn messages(count: u64) -> String {
    counted(usize::try_from(count).unwrap_or(usize::MAX), "message")
}

/// How much of it was where no login of the mailbox itself showed it.
fn beside(gone: &delete_mail::Answer) -> String {
    let parts = [(gone.in_trash, "in its trash"), (gone.in_quarantine, "in quarantine")];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, place)| format!("{count} {place}"))
        .collect();
    if parts.is_empty() { String::new() } else { format!("; of them {}", parts.join(", ")) }
}

fn delete_mail(context: &mut Context<'_>, args: &Remove) -> Result<Answer, Failure> {
    let Remove { mailbox, dry_run, .. } = args;
    let asked = delete_mail::Args { mailbox: mailbox.clone(), dry_run: *dry_run };
    let gone = Reach::find(&context.config, NoStore::Refuse)?.ask::<DeleteMail>(&asked, |_| {})?;
    let (all, size) = (messages(gone.messages), table::size(gone.octets));
    let words = if *dry_run { "would be deleted" } else { "deleted" };
    writeln!(context.out, "{words} for good: {all} of `{mailbox}`, {size}{}", beside(&gone))?;
    if gone.queued > 0 {
        let queued = messages(gone.queued);
        super::say(&format!("{queued} for it are in the queue still, and come into it yet: run this again"));
    }
    Ok(Answer::Yes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_name_above_it() {
        let row = Row {
            name: "alice".into(),
            receives: true,
            addresses: Vec::new(),
            quota_octets: None,
            quota_messages: None,
            expire_seconds: None,
            passwords: Vec::new(),
            holds: None,
            members: Vec::new(),
            devices: Vec::new(),
            collect: Vec::new(),
        };
        assert_eq!(line(&row).split('\t').count(), HEADER.split('\t').count());
    }
}
