use clap::ValueEnum;
use directory::{Directory, Known, VerifierParams};
use serde::Serialize;

use super::{Answer, Context, Failure, json};
use crate::control;

/// Print what a server in front must know, so that it refuses unknown addresses itself
///
/// `plain` has one address or pattern a line, the first that fits decides: `address` is somebody's, `!address`
/// is closed, `*` and `?` stand for any characters. `postfix` is a regexp table for
/// `smtpd_recipient_restrictions = check_recipient_access regexp:/etc/postfix/restante, ...`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What it is printed for
    #[arg(long, value_enum, default_value = "plain")]
    format: Format,
    /// Print one JSON document
    #[arg(long, conflicts_with = "format")]
    pub(super) json: bool,
}

/// What `--json` prints; the first entry that fits decides.
#[derive(Debug, Serialize)]
struct Document {
    /// What cuts the detail off an address that is not listed.
    separator: Option<char>,
    entries: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct Entry {
    /// An address, or a pattern with `*` and `?`.
    pattern: String,
    /// What a sender is told who is refused; none: it is somebody's.
    refused: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Plain,
    Postfix,
}

pub(crate) fn run(context: &mut Context<'_>, args: &Args) -> Result<Answer, Failure> {
    let loaded = control::load(&context.config)?;
    let domains: Vec<String> = loaded
        .spec
        .domains
        .iter()
        .flat_map(|d| std::iter::once(&d.name).chain(&d.aliases))
        .cloned()
        .collect();
    let known = Directory::new(loaded.table, VerifierParams::default()).recipients();
    if args.json {
        json::print(context, &document(&known))?;
        return Ok(Answer::Yes);
    }
    let text = match args.format {
        Format::Plain => plain(&known),
        Format::Postfix => postfix(&known, &domains),
    };
    context.out.write_all(text.as_bytes())?;
    Ok(Answer::Yes)
}

fn document(known: &[Known]) -> Document {
    let entry = |entry: &Known| match entry {
        Known::Separator(_) => None,
        Known::Refused { address, text } => Some((address.clone(), Some(text.clone()))),
        Known::Address(address) => Some((address.clone(), None)),
        Known::Glob { pattern, refused } => Some((pattern.clone(), refused.clone())),
        Known::CatchAll(domain) => Some((format!("*@{domain}"), None)),
    };
    let entries = known.iter().filter_map(entry).map(|(pattern, refused)| Entry { pattern, refused });
    Document { separator: separator(known), entries: entries.collect() }
}

fn separator(known: &[Known]) -> Option<char> {
    known.iter().find_map(|entry| match entry {
        Known::Separator(c) => Some(*c),
        Known::Refused { .. } | Known::Address(_) | Known::Glob { .. } | Known::CatchAll(_) => None,
    })
}

fn plain(known: &[Known]) -> String {
    let mut text = String::new();
    for entry in known {
        let line = match entry {
            Known::Separator(c) => {
                format!("# {c} and what follows it is cut off an address that is not listed")
            }
            Known::Refused { address, .. } => format!("!{address}"),
            Known::Address(address) => address.clone(),
            Known::Glob { pattern, refused: Some(_) } => format!("!{pattern}"),
            Known::Glob { pattern, refused: None } => pattern.clone(),
            Known::CatchAll(domain) => format!("*@{domain}"),
        };
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// An access(5) table in regexp_table(5) form: searched from the top, as the directory is.
fn postfix(known: &[Known], domains: &[String]) -> String {
    let separator = separator(known);
    let mut text =
        String::from("# Made by `restante recipients --format postfix`; make it again after each change.\n");
    let mut line = |pattern: String, result: &str| {
        text.push_str(&format!("/^{pattern}$/ {result}\n"));
    };
    // What has the separator in it is listed whole and wins over what is left after cutting.
    let (whole, cut): (Vec<&Known>, Vec<&Known>) =
        known.iter().partition(|entry| has_separator(entry, separator));
    for entry in whole.into_iter().chain(cut) {
        let detail = separator.filter(|_| !has_separator(entry, separator));
        match entry {
            Known::Separator(_) => {}
            Known::Refused { address, text } => line(exact(address, detail), &closed(text)),
            Known::Address(address) => line(exact(address, detail), "DUNNO"),
            Known::Glob { pattern, refused: Some(text) } => line(glob(pattern), &closed(text)),
            Known::Glob { pattern, refused: None } => line(glob(pattern), "DUNNO"),
            Known::CatchAll(domain) => line(format!(".*@{}", escape(domain)), "DUNNO"),
        }
    }
    for domain in domains {
        line(format!(".*@{}", escape(domain)), &closed("nobody has this address"));
    }
    text
}

fn has_separator(entry: &Known, separator: Option<char>) -> bool {
    let local = match entry {
        Known::Address(address) | Known::Refused { address, .. } => {
            address.rsplit_once('@').map(|(local, _)| local)
        }
        Known::Separator(_) | Known::Glob { .. } | Known::CatchAll(_) => None,
    };
    local.zip(separator).is_some_and(|(local, c)| local.contains(c))
}

/// The address, and the address with any detail.
fn exact(address: &str, separator: Option<char>) -> String {
    match (separator, address.rsplit_once('@')) {
        (Some(c), Some((local, domain))) => {
            format!("{}({}[^@]*)?@{}", escape(local), escape(&c.to_string()), escape(domain))
        }
        (_, _) => escape(address),
    }
}

fn glob(pattern: &str) -> String {
    escape(pattern).replace("\\*", ".*").replace("\\?", ".")
}

fn closed(text: &str) -> String {
    format!("550 5.1.1 {text}")
}

/// Takes the meaning from what POSIX extended expressions, and the slashes round them, give one.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\^$.[]|()?*+{}/".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
