use clap::Subcommand;
use directory::{Allowance, Directory, MailboxSpec, VerifierParams, password};
use mail::Secret;

use super::passwd::{RELOAD, chosen};
use super::{Answer, Context, Failure};
use crate::config::{self, Edit, File};

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

/// Print every mailbox with its addresses, quota, passwords, most messages and their longest age
#[derive(Debug, clap::Args)]
struct List {}

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
#[derive(Debug, clap::Args)]
struct Remove {
    /// The mailbox, by its name or its address
    mailbox: String,
}

pub(crate) fn run(context: &mut Context<'_>, args: &Args) -> Result<Answer, Failure> {
    match &args.what {
        What::List(List {}) => list(context),
        What::Add(args) => add(context, args),
        What::Remove(args) => remove(context, args),
    }
}

fn list(context: &mut Context<'_>) -> Result<Answer, Failure> {
    let loaded = config::load(&context.config).map_err(Failure::Config)?;
    let directory = Directory::new(loaded.table, VerifierParams::default());
    for mailbox in &loaded.spec.mailboxes {
        let home = directory.mailbox_named(&mailbox.name).map(|name| directory.home_address(&name));
        writeln!(context.out, "{}", line(mailbox, &home.unwrap_or_default()))?;
    }
    Ok(Answer::Yes)
}

/// One mailbox, its fields apart by tabs: name, addresses with its own first, quota, names of passwords, most
/// messages, age at which they go.
fn line(mailbox: &MailboxSpec, home: &str) -> String {
    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let (_, domain) = home.rsplit_once('@').unwrap_or_default();
    let whole = |address: &String| match address.contains('@') {
        true => address.clone(),
        false => format!("{address}@{domain}"),
    };
    let addresses = std::iter::once(home.to_owned()).chain(mailbox.addresses.iter().map(whole));
    let addresses = match mailbox.receives {
        true => addresses.collect::<Vec<_>>().join(","),
        false => "no mail".to_owned(),
    };
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
    let Allowance { octets, messages, age } = mailbox.allowance;
    let quota = or_none(octets.map(|octets| config::Size(octets).to_string()));
    let messages = or_none(messages.map(|messages| messages.to_string()));
    let age = or_none(age.map(|age| config::Time(age).to_string()));
    let names = mailbox.passwords.iter().map(|password| password.name.as_deref().unwrap_or("password"));
    let passwords = names.collect::<Vec<_>>().join(",");
    format!("{}\t{addresses}\t{quota}\t{}\t{messages}\t{age}", mailbox.name, or_dash(passwords))
}

fn add(context: &mut Context<'_>, args: &Add) -> Result<Answer, Failure> {
    let mut edit = Edit::open(&context.config)?;
    let generated = (!args.stdin && !args.no_password).then(password::generate);
    let secret = match &generated {
        _ if args.no_password => None,
        Some(text) => Some(Secret::from(text.as_bytes())),
        None => Some(chosen(true)?),
    };
    let hash = secret.map(|secret| password::hash(&secret));
    edit.add_mailbox(&args.name, &args.addresses, args.quota.as_deref(), hash.as_deref());
    edit.save()?;
    if let Some(text) = generated {
        writeln!(context.out, "{text}")?;
    }
    super::say(&format!("mailbox `{}` is in {}{RELOAD}", args.name, File::Mailboxes.name()));
    Ok(Answer::Yes)
}

fn remove(context: &mut Context<'_>, args: &Remove) -> Result<Answer, Failure> {
    let mut edit = Edit::open(&context.config)?;
    let mailbox = edit.named(&args.mailbox)?;
    edit.remove_mailbox(&mailbox)?;
    edit.save()?;
    writeln!(
        context.out,
        "mailbox `{mailbox}` is out of {}; its mail is kept, and comes back with a mailbox of that name{RELOAD}",
        File::Mailboxes.name(),
    )?;
    Ok(Answer::Yes)
}
