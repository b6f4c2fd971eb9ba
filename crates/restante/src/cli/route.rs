use directory::{Directory, Resolution, VerifierParams};
use mail::ForwardPath;

use super::{Answer, Context, Failure};
use crate::config;

/// Say where an address goes, and why
///
/// Exits with 1 when a sender would be refused.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Such as alice@example.com; a bare name is one of the first domain
    address: String,
}

pub(crate) fn run(context: &mut Context<'_>, args: &Args) -> Result<Answer, Failure> {
    let loaded = config::load(&context.config).map_err(Failure::Config)?;
    let first = loaded.spec.domains.first().map_or("", |domain| domain.name.as_str());
    let path = recipient(&args.address, first)?;
    let directory = Directory::new(loaded.table, VerifierParams::default());
    let (steps, resolution) = directory.explain(&path);
    for step in steps {
        writeln!(context.out, "{}: {}", step.at, step.why)?;
    }
    let (words, answer) = match resolution {
        Resolution::Deliver { mailboxes, duplicate } => {
            let names: Vec<&str> = mailboxes.iter().map(mail::MailboxName::as_str).collect();
            let each = if duplicate { ", one copy per recipient" } else { "" };
            (format!("delivered to {}{each}", names.join(", ")), Answer::Yes)
        }
        Resolution::Refused { text } => (format!("refused: 550 5.1.1 {text}"), Answer::No),
        Resolution::Unknown => ("refused: 550 5.1.1, nobody has this address".to_owned(), Answer::No),
        Resolution::NotLocal => ("refused: 550 5.7.1, not a domain of ours".to_owned(), Answer::No),
    };
    writeln!(context.out, "{words}")?;
    Ok(answer)
}

/// An address with or without its angle brackets; a name without a domain belongs to the first, as in
/// mailboxes.toml. Bare `postmaster` is an address of its own (RFC 5321 §4.5.1).
fn recipient(text: &str, first: &str) -> Result<ForwardPath, Failure> {
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
