use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::PathBuf;

use mail::{AuthResults, Ruling, harmless};
use routing::rules::{Asked, Explanation, Judgement, Said, Trial};
use serde::Serialize;
use smtp_receive::{PolicyRefusal, Verdict};

use super::firing::{self, Refusal};
use super::{Answer, Context, Failure, json, route};
use crate::control;
use crate::wire::{self, Question, Reply};

/// Messages longer than the longest that is taken are not read to their end.
const MOST: u64 = 256 << 20;

/// Say what would become of a mail: every rule's trial, in order, and what comes of it
///
/// The mail is a file as a mail program saves it (.eml), or - for standard input. The very rules and checks that the
/// server goes by are asked, of the files as they are now; nothing is kept. With --ip the mail is judged as a
/// stranger's from there, and name servers are asked. What SMTP itself has against it, such as a line that is too
/// long or a full mailbox, is not looked for. Exits with 1 when it would be refused.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The mail; - for standard input
    file: PathBuf,
    /// A recipient; may be given several times
    #[arg(long, required = true, value_name = "ADDRESS")]
    to: Vec<String>,
    /// The sender of the envelope; none is <>
    #[arg(long, value_name = "ADDRESS", default_value = "")]
    from: String,
    /// Where it comes from; without, from a machine of ours
    #[arg(long, value_name = "IP")]
    ip: Option<IpAddr>,
    /// What the client calls itself
    #[arg(long, value_name = "NAME", default_value = "localhost")]
    helo: String,
    /// It comes by TLS
    #[arg(long)]
    tls: bool,
    /// Print one JSON document
    #[arg(long)]
    pub(super) json: bool,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Document {
    is_taken: bool,
    /// What the sender is told, where that is not a 250.
    reply: Option<String>,
    results: AuthResults,
    recipients: Vec<To>,
    /// When each rule that refuses can do so.
    refusals: Vec<Refusal>,
    copies: Vec<Copied>,
}

#[derive(Debug, Serialize)]
struct To {
    address: String,
    /// It gets no RCPT; why.
    refused: Option<String>,
    explanation: Option<Explanation>,
}

#[derive(Debug, Serialize)]
struct Copied {
    mailbox: String,
    fields: String,
}

pub(crate) fn run(context: &mut Context<'_>, args: &Args) -> Result<Answer, Failure> {
    let loaded = control::load(&context.config)?;
    let first = loaded.spec.domains.first().map_or("", |domain| domain.name.as_str());
    let to = args.to.iter().map(|to| route::recipient(to, first)).collect::<Result<_, _>>()?;
    let question = Question {
        to,
        from: sender(&args.from)?,
        ip: args.ip,
        helo: args.helo.clone(),
        tls: args.tls,
        octets: with_crlf(&read(args)?),
    };
    let refusals = firing::refusals(&loaded.rules.set);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let reply = runtime.block_on(wire::explain(loaded, question));
    let reply = reply.map_err(|error| Failure::Unavailable(error.to_string()))?;
    let document = document(reply, refusals);
    match args.json {
        true => json::print(context, &document)?,
        false => context.out.write_all(text(&document).as_bytes())?,
    }
    Ok(if document.is_taken { Answer::Yes } else { Answer::No })
}

fn sender(text: &str) -> Result<mail::ReversePath, Failure> {
    let bare = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(text);
    match mail::ReversePath::parse(&format!("<{bare}>")) {
        Ok((path, "")) => Ok(path),
        Ok(_) => Err(Failure::Usage(format!("`{text}` is more than an address"))),
        Err(error) => Err(Failure::Usage(format!("`{text}` is no address: {error}"))),
    }
}

fn read(args: &Args) -> Result<Vec<u8>, Failure> {
    let mut octets = Vec::new();
    if args.file.as_os_str() == "-" {
        io::copy(&mut io::stdin().lock().take(MOST), &mut octets).map_err(Failure::Input)?;
    } else {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => super::missing(&args.file),
            _ => Failure::Io(args.file.clone(), error),
        };
        io::copy(&mut File::open(&args.file).map_err(failed)?.take(MOST), &mut octets).map_err(failed)?;
    }
    Ok(octets)
}

/// Files have line ends of their own; on the wire there is one.
fn with_crlf(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() + octets.len() / 32);
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(text) => {
                out.extend_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
                out.extend_from_slice(b"\r\n");
            }
            None => out.extend_from_slice(line),
        }
    }
    out
}

fn document(reply: Reply, refusals: Vec<Refusal>) -> Document {
    let Reply { explained, unknown, copies } = reply;
    let known = explained.recipients.into_iter().map(|(to, explanation, refusal)| To {
        address: to.address,
        refused: refusal.as_ref().map(told),
        explanation: Some(explanation),
    });
    let unknown = unknown.into_iter().map(|(path, why)| To {
        address: path.to_string(),
        refused: Some(why),
        explanation: None,
    });
    let recipients: Vec<To> = known.chain(unknown).collect();
    let refused = match explained.verdict {
        Verdict::Accept | Verdict::AcceptExcept(_) => None,
        Verdict::Refuse(refusal) => Some(told(&refusal)),
    };
    // Without a recipient there is no data to have anything against.
    let nobody = recipients.iter().all(|to| to.refused.is_some());
    let reply = if nobody { recipients.first().and_then(|to| to.refused.clone()) } else { refused };
    let facts = explained.facts;
    let results = AuthResults {
        spf: facts.spf.known().cloned().flatten(),
        dkim: facts.dkim.known().cloned().unwrap_or_default(),
        dmarc: facts.dmarc.known().cloned().flatten(),
        arc: facts.arc.known().cloned().flatten(),
        iprev: facts.iprev.known().cloned().flatten(),
    };
    let copied = |(mailbox, fields): (String, Vec<u8>)| Copied {
        mailbox,
        fields: String::from_utf8_lossy(&fields).into_owned(),
    };
    Document {
        is_taken: reply.is_none(),
        reply,
        results,
        recipients,
        refusals,
        copies: copies.into_iter().map(copied).collect(),
    }
}

fn told(refusal: &PolicyRefusal) -> String {
    format!("{} {} {} (rule `{}`)", refusal.code, refusal.enhanced, refusal.text, refusal.rule)
}

fn text(document: &Document) -> String {
    let mut lines = Vec::new();
    for to in &document.recipients {
        lines.push(format!("<{}>", to.address));
        lines.extend(to.refused.iter().map(|why| format!("  refused at RCPT: {why}")));
        if let Some(explanation) = &to.explanation {
            lines.extend(explanation.trials.iter().flat_map(|it| trial(it, &document.refusals)));
            lines.push(format!("  {}", judgement(&explanation.judgement)));
        }
    }
    lines.push(match &document.reply {
        Some(reply) => format!("the sender is told: {reply}"),
        None => "the sender gets a 250".into(),
    });
    for copy in &document.copies {
        lines.push(format!("kept in {}:", copy.mailbox));
        lines.extend(copy.fields.lines().map(|line| format!("  {}", line.replace('\t', "    "))));
    }
    lines.into_iter().map(|line| harmless(line) + "\n").collect()
}

fn trial(trial: &Trial, refusals: &[Refusal]) -> Vec<String> {
    let refusal = refusals.iter().find(|refusal| refusal.rule() == trial.rule);
    let when = refusal.map(|refusal| format!(", {}", refusal.when())).unwrap_or_default();
    let shadow = if trial.shadow { ", in shadow" } else { "" };
    let note = trial.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
    let mut lines = vec![format!("  rule `{}`{shadow}{when}: {}{note}", trial.rule, said(trial.answer))];
    lines.extend(trial.asked.iter().map(asked));
    lines
}

fn asked(asked: &Asked) -> String {
    let space = "  ".repeat(usize::from(asked.depth) + 2);
    let Asked { key, wants, saw, answer, depth: _ } = asked;
    if wants.is_empty() && saw.is_empty() {
        return format!("{space}{key}: {}", said(*answer));
    }
    format!("{space}{key} = {wants}: {}, it is {saw}", said(*answer))
}

fn said(said: Said) -> &'static str {
    match said {
        Said::Yes => "yes",
        Said::No => "no",
        Said::Unknown => "cannot tell now",
        Said::NotYet => "not known yet",
    }
}

fn judgement(judgement: &Judgement) -> String {
    match judgement {
        Judgement::Refuse { rule, code, enhanced, text } => {
            format!("refused by `{rule}`: {code} {enhanced} {text}")
        }
        Judgement::Wait => "not decided".into(),
        Judgement::Defer { rule, why } => format!("put off (451) because of `{rule}`: {why}"),
        Judgement::Decided(decision) => {
            let shadow = match decision.shadow.as_slice() {
                [] => String::new(),
                rules => format!("; in shadow: {}", rules.join(", ")),
            };
            format!("{}{shadow}", ruling(&decision.ruling))
        }
    }
}

/// What the rules do, in one line.
pub(crate) fn ruling(ruling: &Ruling) -> String {
    let names =
        |list: &[mail::MailboxName]| list.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    let Ruling { rules: _, deliver, copy, quarantine, add, remove, tags, expire } = ruling;
    let mut parts = Vec::new();
    parts.extend(deliver.as_ref().map(|to| match to.as_slice() {
        [] => "discarded".to_owned(),
        to => format!("delivered to {}", names(to)),
    }));
    if !copy.is_empty() {
        parts.push(format!("a copy to {}", names(copy)));
    }
    parts.extend(quarantine.as_ref().map(|why| format!("held in quarantine: {why}")));
    parts.extend(add.iter().map(|(name, value)| format!("with {name}: {value}")));
    parts.extend(remove.iter().map(|name| format!("without {name}")));
    parts.extend(tags.iter().map(|tag| format!("subject tagged {tag}")));
    parts.extend(expire.map(|seconds| format!("gone after {}", super::table::setting(seconds))));
    if parts.is_empty() { "goes where the directory says".into() } else { parts.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::with_crlf;

    #[test]
    fn line_ends_become_those_of_the_wire() {
        assert_eq!(with_crlf(b"a\nb\r\nc\n\nd"), b"a\r\nb\r\nc\r\n\r\nd");
    }
}
