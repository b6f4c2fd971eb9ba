use directory::Resolution;
use mail::{
    Address, Body, Envelope, ForwardPath, MailboxName, Protocol, Recipient, ReversePath, Trace, write_field,
};
use queue::{Incoming, Store, StoreError};
use tracing::{info, warn};

use crate::caretaker::Means;
use crate::memo::Memo;
use crate::notice::date;

const DAY: u64 = 24 * 60 * 60 * 1000;
/// How long the first thing to say waits for others.
const GATHER: u64 = 60 * 1000;
/// Lines of one report at most.
const LINES: usize = 200;
/// What stands below them when there were more.
const MORE: &str = "There was more than fits here: the log has it.";

/// Sends postmaster what there is to say, once a day at most and when there is anything. What the store does not take
/// is tried again.
pub(crate) async fn send<S: Store>(means: &Means<S>, memo: &mut Memo, wall_ms: u64) {
    let Some(first_ms) = memo.unsaid.first().map(|(ms, _)| *ms) else { return };
    if memo.unsaid.len() > LINES {
        // What says so already stays as it is: each change is written down.
        memo.unsaid.truncate(LINES + 1);
        if let Some(last) = memo.unsaid.last_mut().filter(|(_, text)| text != MORE) {
            *last = (wall_ms, MORE.into());
        }
    }
    // A clock that was put back waits for nothing.
    let is_gathered = wall_ms.abs_diff(first_ms) >= GATHER;
    let is_time = memo.reported_ms.is_none_or(|last| wall_ms.abs_diff(last) >= DAY);
    if !is_gathered || !is_time {
        return;
    }
    match tell(means, memo, wall_ms).await {
        Ok(()) => {
            memo.reported_ms = Some(wall_ms);
            memo.unsaid.clear();
        }
        Err(error) => warn!(%error, "the store did not take the report for postmaster: it is tried again"),
    }
}

async fn tell<S: Store>(means: &Means<S>, memo: &Memo, wall_ms: u64) -> Result<(), StoreError> {
    let path = ForwardPath::Postmaster;
    let Resolution::Deliver { mailboxes, .. } = means.directory.resolve(&path) else {
        warn!("nobody is postmaster: the log alone has what was to be told");
        return Ok(());
    };
    let Some(first) = mailboxes.first() else { return Ok(()) };
    let address = means.directory.home_address(first);
    let report = Report { host: &means.host, address: &address, unsaid: &memo.unsaid, now_ms: wall_ms };
    let Some(envelope) = report.envelope(mailboxes.clone()) else { return Ok(()) };
    let message = report.message();
    let mut incoming = means.store.incoming(Some(message.len() as u64))?;
    incoming.write(message.as_bytes()).await?;
    let id = incoming.commit(envelope).await?;
    info!(%id, things = memo.unsaid.len(), "postmaster is told what there is to say");
    Ok(())
}

/// What postmaster gets.
struct Report<'a> {
    /// What this host calls itself.
    host: &'a str,
    /// Of the first mailbox that gets it.
    address: &'a str,
    unsaid: &'a [(u64, String)],
    now_ms: u64,
}

impl Report<'_> {
    /// From nobody: nothing comes back to a null sender (RFC 3834 §3.3).
    fn envelope(&self, mailboxes: Vec<MailboxName>) -> Option<Envelope> {
        let address = Address::parse(self.address).ok()?;
        let is_ascii = address.is_ascii();
        let path = ForwardPath::Address(address);
        Some(Envelope {
            reverse_path: ReversePath::Null,
            recipients: vec![Recipient { path, mailboxes, duplicate: false, ruling: None }],
            body: Body::EightBitMime,
            smtputf8: !is_ascii,
            trace: Trace {
                protocol: Protocol::Local,
                peer: None,
                helo: self.host.to_owned(),
                tls: None,
                received_ms: self.now_ms,
            },
            cuts: Vec::new(),
            unterminated: false,
            results: None,
            fields: Vec::new(),
        })
    }

    /// A whole message (RFC 5322 §3.6), marked as what it is (RFC 3834 §5).
    fn message(&self) -> String {
        let domain = self.address.rsplit_once('@').map_or(self.host, |(_, domain)| domain);
        let things = match self.unsaid.len() {
            1 => "one thing to know".into(),
            more => format!("{more} things to know"),
        };
        let mut out = String::with_capacity(2048);
        let mut field = |name: &str, words: &[&str]| write_field(&mut out, name, words);
        field("Date", &[&date(self.now_ms)]);
        field("From", &["restante", &format!("<postmaster@{domain}>")]);
        field("To", &[&format!("<{}>", self.address)]);
        field("Subject", &[&format!("{}: {things}", self.host)]);
        field("Message-ID", &[&format!("<report.{:x}@{}>", self.now_ms, self.host)]);
        field("Auto-Submitted", &["auto-generated"]);
        field("MIME-Version", &["1.0"]);
        field("Content-Type", &["text/plain;", "charset=utf-8"]);
        field("Content-Transfer-Encoding", &["8bit"]);
        out.push_str("\r\n");
        for (_, line) in self.unsaid {
            wrap(&mut out, line);
            out.push_str("\r\n");
        }
        wrap(
            &mut out,
            "This comes once a day at most, and only when there is something to say. It was written by a machine; the log has more.",
        );
        out
    }
}

/// Breaks a paragraph at spaces into lines of some 72 characters; what is longer stands alone: a word, or a command
/// between backticks, which would be another one if it were pasted in two.
fn wrap(out: &mut String, text: &str) {
    let mut column = 0;
    for word in unbroken(text) {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > 72 {
            out.push_str("\r\n");
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(&word);
        column += length;
    }
    out.push_str("\r\n");
}

fn unbroken(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut is_inside = false;
    for word in text.split_whitespace() {
        match words.last_mut().filter(|_| is_inside) {
            Some(command) => {
                command.push(' ');
                command.push_str(word);
            }
            None => words.push(word.to_owned()),
        }
        is_inside ^= word.matches('`').count() % 2 == 1;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3834 §3.3, §5; RFC 5322 §3.6.
    #[test]
    fn a_report_is_a_whole_message_with_a_paragraph_for_each_thing() {
        let unsaid =
            [(1, "sales: bob has left.".to_owned()), (2, format!("alice {}", "deleted ".repeat(30)))];
        let report = Report {
            host: "mx.example.test",
            address: "bob@example.test",
            unsaid: &unsaid,
            now_ms: 1_795_375_000_000,
        };
        let message = report.message();
        let (header, text) = message.split_once("\r\n\r\n").expect("a header");
        assert!(header.contains("Subject: mx.example.test: 2 things to know\r\n"), "{header}");
        assert!(header.contains("Auto-Submitted: auto-generated\r\n"));
        assert!(text.starts_with("sales: bob has left.\r\n\r\nalice deleted deleted"));
        assert!(text.lines().all(|line| line.len() <= 72) && message.ends_with("\r\n"));
        assert!(!message.replace("\r\n", "").contains(['\r', '\n']));
        let bob = MailboxName::parse("bob").expect("a name");
        let envelope = report.envelope(vec![bob.clone()]).expect("an address");
        assert!(!envelope.smtputf8, "an address in ASCII needs no such client");
        assert_eq!((envelope.reverse_path.clone(), envelope.copies()[0].kept_in()), (ReversePath::Null, bob));
    }

    #[test]
    fn a_command_stands_on_one_line() {
        let command = format!("`restante undo --login {} --since x`", "very-long-".repeat(9));
        let mut out = String::new();
        wrap(
            &mut out,
            &format!("If that was a mistake, and only then: {command} brings them back. `a` `b c`"),
        );
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines, ["If that was a mistake, and only then:", &command, "brings them back. `a` `b c`"]);
    }
}
