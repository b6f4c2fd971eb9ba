use jiff::Timestamp;
use jiff::tz::TimeZone;
use mail::{Body, Envelope, MailboxName, Uid, shown, write_field};

use crate::notice::{date, envelope_to, message_id};

/// One message that is held back.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) uid: Uid,
    pub(super) from: String,
    pub(super) subject: String,
    pub(super) received_ms: u64,
    pub(super) reason: String,
}

/// A digest. Everything in it that strangers had a say in stands in its text, one line each, with nothing that a
/// terminal obeys; its header is ours alone.
pub(super) struct Letter<'a> {
    pub(super) host: &'a str,
    pub(super) mailbox: &'a MailboxName,
    /// The mailbox's own address.
    pub(super) address: &'a str,
    /// Who logs in as this sees what is held back; none where the mailbox has no password of its own.
    pub(super) login: Option<MailboxName>,
    pub(super) held: &'a [Held],
    /// Older ones that are not named.
    pub(super) more: usize,
    pub(super) now_ms: u64,
    pub(super) zone: &'a TimeZone,
}

impl Letter<'_> {
    /// To the mailbox itself, from nobody, and past all rules: those were searched at the gate, where this was not.
    pub(super) fn envelope(&self) -> Option<Envelope> {
        let envelope = envelope_to(self.host, self.mailbox, self.address, self.now_ms)?;
        Some(Envelope { body: Body::EightBitMime, ..envelope })
    }

    /// A whole message (RFC 5322 §3.6), marked as what it is (RFC 3834 §5).
    pub(super) fn message(&self) -> String {
        let domain = self.address.rsplit_once('@').map_or(self.host, |(_, domain)| domain);
        let count = self.held.len() + self.more;
        let subject = match count {
            1 => "1 message is held back from you".to_owned(),
            count => format!("{count} messages are held back from you"),
        };
        let mut out = String::with_capacity(4096 + self.held.len() * 512);
        let mut field = |name: &str, words: &[&str]| write_field(&mut out, name, words);
        field("Date", &[&date(self.now_ms)]);
        field("From", &["Postmaster", &format!("<postmaster@{domain}>")]);
        field("To", &[&format!("<{}>", self.address)]);
        field("Subject", &[&subject]);
        field("Message-ID", &[&message_id("held", self.now_ms, self.mailbox, self.host)]);
        field("Auto-Submitted", &["auto-generated"]);
        field("MIME-Version", &["1.0"]);
        field("Content-Type", &["text/plain;", "charset=utf-8"]);
        field("Content-Transfer-Encoding", &["8bit"]);
        out.push_str("\r\n");
        self.text(count).lines().for_each(|line| {
            out.push_str(line);
            out.push_str("\r\n");
        });
        out
    }

    fn text(&self, count: usize) -> String {
        let (messages, these) = match count {
            1 => ("1 message".to_owned(), "It is"),
            count => (format!("{count} messages"), "They are"),
        };
        let mut text = format!(
            "Mail to {} was not put into the mailbox but held back: {messages}\n\
             that you have not been told of yet. {these} removed after some time, unless\n\
             let through.\n",
            self.address
        );
        for Held { uid, from, subject, received_ms, reason } in self.held.iter().rev() {
            text.push_str(&format!(
                "\nFrom:    {}\nSubject: {}\nDate:    {}\nReason:  {}\nName:    {uid}\n",
                shown(from),
                shown(subject),
                self.local(*received_ms),
                shown(reason)
            ));
        }
        if self.more > 0 {
            text.push_str(&format!("\nAnd {} more, which came before these.\n", self.more));
        }
        text.push_str("\nTo get one of them:\n");
        if let Some(login) = &self.login {
            text.push_str(&format!(
                "- collect by POP3 as {login}, with the password of the mailbox:\n  \
                 that shows all that is held back; or\n"
            ));
        }
        let name = self.held.last().map(|held| held.uid.to_string()).unwrap_or_default();
        text.push_str(&format!(
            "- write to postmaster, who lets it through by its name:\n  restante quarantine release {name}\n\
             \n\
             This is said once a day at most, and of each message once. It was written by\n\
             a machine.\n"
        ));
        text
    }

    fn local(&self, ms: u64) -> String {
        let at =
            i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
        at.to_zoned(self.zone.clone()).strftime("%a, %d %b %Y %H:%M %z").to_string()
    }
}

#[cfg(test)]
mod tests {
    use mail::ReversePath;
    use queue::contract::name;

    use super::*;

    /// RFC 3834 §3.3, §5; RFC 5322 §2.1.1.
    #[test]
    fn a_digest_is_a_whole_message_in_which_no_stranger_begins_a_field_or_a_line() {
        let alice = name("alice");
        let hostile = Held {
            uid: Uid(0x6a2b_0000_0000_2000),
            from: "Chef <boss@client.example>\r\nBcc: all@example.test".into(),
            subject: format!("Grüße\r\n\r\nX: y\u{202e}\u{1b}[2J{}", "ü".repeat(5000)),
            received_ms: 1_795_375_000_000,
            reason: "forged\nName: other".into(),
        };
        let held = vec![hostile.clone(), Held { subject: "second".into(), ..hostile }];
        let letter = Letter {
            host: "mx.example.test",
            mailbox: &alice,
            address: "alice@example.test",
            login: Some(alice.quarantine()),
            held: &held,
            more: 7,
            now_ms: 1_795_375_000_000,
            zone: &TimeZone::UTC,
        };
        let message = letter.message();
        let (header, text) = message.split_once("\r\n\r\n").expect("a header");
        assert_eq!(
            header,
            "Date: Sun, 22 Nov 2026 19:16:40 +0000\r\n\
             From: Postmaster <postmaster@example.test>\r\n\
             To: <alice@example.test>\r\n\
             Subject: 9 messages are held back from you\r\n\
             Message-ID: <held.1a204b069c0.616c696365@mx.example.test>\r\n\
             Auto-Submitted: auto-generated\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: 8bit"
        );
        assert!(!message.replace("\r\n", "").contains(['\r', '\n', '\u{1b}', '\u{202e}']));
        assert!(message.lines().all(|line| line.len() <= 998));
        let starting = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
        assert_eq!([starting("From: "), starting("Bcc:"), starting("X:"), starting("Name: ")], [2, 0, 0, 2]);
        for part in [
            "\r\nSubject: Grüße\\u{d}\\u{a}",
            "\r\nDate:    Sun, 22 Nov 2026 19:16 +0000\r\n",
            "\r\nAnd 7 more, which came before these.\r\n",
            "as alice+quarantine, with",
            "restante quarantine release r6a2b000000002000\r\n",
        ] {
            assert!(text.contains(part), "{part:?} is missing in\n{text}");
        }
        assert!(text.find("second") < text.find("Grüße"), "the newest first");
        let envelope = letter.envelope().expect("an address");
        assert_eq!((envelope.reverse_path, envelope.body), (ReversePath::Null, Body::EightBitMime));
        assert!(envelope.recipients.iter().all(|to| to.ruling.is_none()));
        let team = Letter { login: None, ..letter };
        assert!(!team.message().contains("+quarantine"));
    }
}
