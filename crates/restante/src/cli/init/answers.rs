use std::fs;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

use mail::{Domain, MailboxName};

use super::Args;
use crate::cli::{Failure, prompt};
use crate::config;

/// What the files are made from.
#[derive(Debug, Clone, Default)]
pub(super) struct Answers {
    pub(super) hostname: String,
    pub(super) domain: String,
    /// At least one; the first is postmaster.
    pub(super) mailboxes: Vec<String>,
    pub(super) catch_all: Option<String>,
    /// Certificate and key; none: they are made.
    pub(super) pair: Option<(PathBuf, PathBuf)>,
    pub(super) state_dir: Option<PathBuf>,
    pub(super) listen_smtp: Vec<String>,
    pub(super) listen_lmtp: Vec<String>,
    pub(super) listen_pop3: Vec<String>,
    pub(super) listen_pop3s: Vec<String>,
}

/// From the command line, from the terminal, from defaults. A pair that cannot be used ends it before anything
/// is asked.
pub(super) fn gather(args: Args) -> Result<Answers, Failure> {
    let pair = match args.certificate.zip(args.key) {
        Some((certificate, key)) => Some(usable(absolute(certificate)?, absolute(key)?)?),
        None => None,
    };
    let asks = !args.yes && io::stdin().is_terminal();
    let machine = full_name_of_this_machine();
    let hostname = match (args.hostname, asks) {
        (Some(name), _) => name,
        (None, true) => question("Our host name, as other servers look it up", &machine, is_hostname)?,
        (None, false) if !machine.is_empty() => machine,
        (None, false) => return Err(missing("--hostname mx.example.com")),
    };
    let parent = parent_of(&hostname);
    let domain = match (args.domain, asks) {
        (Some(name), _) => name,
        (None, true) => question("The domain to receive for", &parent, is_domain)?,
        (None, false) => return Err(missing("--domain example.com")),
    };
    let mut mailboxes = args.mailboxes;
    if mailboxes.is_empty() {
        let default = "postmaster";
        let first =
            if asks { question("The first mailbox", default, is_mailbox)? } else { default.to_owned() };
        mailboxes.push(first);
    }
    let catch_all = match args.catch_all {
        None if asks => catch_all()?,
        given => given,
    };
    if let Some(name) = catch_all.as_ref().filter(|name| !mailboxes.contains(name)) {
        mailboxes.push(name.clone());
    }
    Ok(Answers {
        hostname,
        domain,
        mailboxes,
        catch_all,
        pair,
        state_dir: args.state_dir,
        listen_smtp: args.listen_smtp,
        listen_lmtp: args.listen_lmtp,
        listen_pop3: args.listen_pop3,
        listen_pop3s: args.listen_pop3s,
    })
}

fn catch_all() -> Result<Option<String>, Failure> {
    let text = "Who gets what nobody else has (a mailbox, or - to refuse unknown addresses)";
    let fits = |answer: &str| if answer == "-" { Ok(()) } else { is_mailbox(answer) };
    Ok(Some(question(text, "-", fits)?).filter(|answer| answer != "-"))
}

fn question(text: &str, default: &str, fits: impl Fn(&str) -> Result<(), String>) -> Result<String, Failure> {
    prompt::ask(text, default, fits).map_err(Failure::Input)
}

fn missing(option: &str) -> Failure {
    Failure::Usage(format!("no terminal to ask at: give {option}"))
}

fn usable(certificate: PathBuf, key: PathBuf) -> Result<(PathBuf, PathBuf), Failure> {
    let tls = config::Tls { certificate, key };
    match config::unusable(&tls) {
        None => Ok((tls.certificate, tls.key)),
        Some(why) => Err(Failure::Data(format!("{why}; nothing was written"))),
    }
}

/// Paths on the command line are relative to where we stand, not to the configuration folder.
fn absolute(path: PathBuf) -> Result<PathBuf, Failure> {
    std::path::absolute(&path).map_err(|error| Failure::Io(path, error))
}

fn is_hostname(text: &str) -> Result<(), String> {
    is_domain(text)?;
    if text.contains('.') { Ok(()) } else { Err("a full name, with its domain".into()) }
}

fn is_domain(text: &str) -> Result<(), String> {
    match Domain::parse(text) {
        Ok(domain) if domain.literal().is_none() => Ok(()),
        Ok(_) => Err("a name, not an address".into()),
        Err(error) => Err(error.to_string()),
    }
}

fn is_mailbox(text: &str) -> Result<(), String> {
    MailboxName::parse(text).map(drop).map_err(|error| error.to_string())
}

/// The kernel's host name where it is a full one; empty otherwise.
fn full_name_of_this_machine() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Some(name.trim()).filter(|name| is_hostname(name).is_ok()).unwrap_or_default().to_owned()
}

/// `example.com` of `mx.example.com`; nothing where that would leave a bare top level.
fn parent_of(hostname: &str) -> String {
    let parent = hostname.split_once('.').map_or("", |(_, parent)| parent);
    if parent.contains('.') { parent.to_owned() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_lives_in_its_domain() {
        for (hostname, domain) in
            [("mx.example.com", "example.com"), ("a.b.c.d", "b.c.d"), ("example.com", ""), ("mx", "")]
        {
            assert_eq!(parent_of(hostname), domain);
        }
    }
}
