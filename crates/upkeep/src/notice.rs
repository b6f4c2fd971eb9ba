use std::fmt;

use directory::Allowance;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::tz::TimeZone;
use mail::{
    Address, Body, Envelope, ForwardPath, MailboxName, Protocol, Recipient, ReversePath, Trace, write_field,
};
use queue::Amount;

use crate::fullness::{FORGET, WARN};

/// A warning that a mailbox is nearly full.
pub(crate) struct Notice<'a> {
    /// What this host calls itself.
    pub(crate) host: &'a str,
    pub(crate) mailbox: &'a MailboxName,
    /// The mailbox's own address.
    pub(crate) address: &'a str,
    pub(crate) allowance: Allowance,
    pub(crate) taken: Amount,
    /// In hundredths.
    pub(crate) fullness: u64,
    pub(crate) now_ms: u64,
}

impl Notice<'_> {
    /// To the mailbox itself, from nobody.
    pub(crate) fn envelope(&self) -> Option<Envelope> {
        envelope_to(self.host, self.mailbox, self.address, self.now_ms)
    }

    /// A whole message (RFC 5322 §3.6), marked as what it is (RFC 3834 §5).
    pub(crate) fn message(&self) -> String {
        let domain = self.address.rsplit_once('@').map_or(self.host, |(_, domain)| domain);
        let encoding = if self.address.is_ascii() { "7bit" } else { "8bit" };
        let mut out = String::with_capacity(2048);
        let mut field = |name: &str, words: &[&str]| write_field(&mut out, name, words);
        field("Date", &[&date(self.now_ms)]);
        field("From", &["Postmaster", &format!("<postmaster@{domain}>")]);
        field("To", &[&format!("<{}>", self.address)]);
        field("Subject", &[&format!("Your mailbox is {} % full", self.fullness)]);
        field("Message-ID", &[&message_id("full", self.now_ms, self.mailbox, self.host)]);
        field("Auto-Submitted", &["auto-generated"]);
        field("MIME-Version", &["1.0"]);
        field("Content-Type", &["text/plain;", "charset=utf-8"]);
        field("Content-Transfer-Encoding", &[encoding]);
        out.push_str("\r\n");
        self.text().lines().for_each(|line| {
            out.push_str(line);
            out.push_str("\r\n");
        });
        out
    }

    fn text(&self) -> String {
        let Self { host, address, fullness, .. } = self;
        let holds = self.holds();
        format!(
            "The mailbox {address} is {fullness} % full: {holds}.\n\
             \n\
             When it is full, {host} takes no more mail for it until there is room\n\
             again: senders are told to try later, and mail that waits too long goes\n\
             back to them.\n\
             \n\
             What to do:\n\
             - Collect your mail, and delete what you no longer need.\n\
             - If your mail program leaves copies on the server, let it remove them\n  \
               after some days; deleting a message there then makes room here too.\n\
             - If you need more room, write to postmaster.\n\
             \n\
             This is said once when a mailbox has passed {WARN} %, and again only after\n\
             it was below {FORGET} %. It was written by a machine.\n"
        )
    }

    fn holds(&self) -> String {
        let Self { taken, allowance, .. } = self;
        let octets = match allowance.octets {
            Some(quota) => format!("{} of {}", Size(taken.octets), Size(quota)),
            None => Size(taken.octets).to_string(),
        };
        match allowance.messages {
            Some(quota) => format!("it holds {octets}, and {} of {quota} messages", taken.messages),
            None => format!("it holds {octets}, in {} messages", taken.messages),
        }
    }
}

/// Octets as people read them: whole, or with one decimal.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("TiB", 1_u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        let Some((name, unit)) = units.into_iter().find(|(_, unit)| self.0 >= *unit) else {
            return write!(f, "{} bytes", self.0);
        };
        match (self.0 / unit, self.0 % unit * 10 / unit) {
            (whole, 0) => write!(f, "{whole} {name}"),
            (whole, tenth) => write!(f, "{whole}.{tenth} {name}"),
        }
    }
}

/// What a message of ours to a mailbox is under way with, from nobody: nothing comes back to a null sender (RFC 3834
/// §3.3).
pub(crate) fn envelope_to(host: &str, mailbox: &MailboxName, address: &str, now_ms: u64) -> Option<Envelope> {
    let address = Address::parse(address).ok()?;
    let ascii = address.is_ascii();
    let recipient = Recipient {
        path: ForwardPath::Address(address),
        mailboxes: vec![mailbox.clone()],
        duplicate: false,
        ruling: None,
    };
    Some(Envelope {
        reverse_path: ReversePath::Null,
        recipients: vec![recipient],
        body: if ascii { Body::SevenBit } else { Body::EightBitMime },
        smtputf8: !ascii,
        trace: Trace {
            protocol: Protocol::Local,
            peer: None,
            helo: host.to_owned(),
            tls: None,
            received_ms: now_ms,
        },
        cuts: Vec::new(),
        unterminated: false,
        results: None,
        fields: Vec::new(),
    })
}

/// One mailbox is not told twice in a millisecond (RFC 5322 §3.6.4).
pub(crate) fn message_id(what: &str, now_ms: u64, mailbox: &MailboxName, host: &str) -> String {
    let name: String = mailbox.as_str().bytes().map(|octet| format!("{octet:02x}")).collect();
    // A name may have 255 octets, which no line would hold.
    format!("<{what}.{now_ms:x}.{}@{host}>", name.get(..64).unwrap_or(&name))
}

/// RFC 5322 §3.3, in UTC.
pub(crate) fn date(ms: u64) -> String {
    let stamp =
        i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
    DateTimePrinter::new().zoned_to_string(&stamp.to_zoned(TimeZone::UTC)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use queue::contract::name;

    use super::*;

    fn notice<'a>(mailbox: &'a MailboxName, address: &'a str, messages: Option<u64>) -> Notice<'a> {
        Notice {
            host: "mx.example.test",
            mailbox,
            address,
            allowance: Allowance { octets: Some(2 << 30), messages, age: None },
            taken: Amount { octets: (2 << 30) - (200 << 20), messages: 1234 },
            fullness: 90,
            now_ms: 1_795_375_000_000,
        }
    }

    /// RFC 3834 §3.3, §5; RFC 5322 §3.3, §3.6, §3.6.4.
    #[test]
    fn a_warning_is_a_whole_message_that_says_what_to_do() {
        let alice = name("alice");
        let message = notice(&alice, "alice@example.test", None).message();
        let (header, text) = message.split_once("\r\n\r\n").expect("a header");
        assert_eq!(
            header,
            "Date: Sun, 22 Nov 2026 19:16:40 +0000\r\n\
             From: Postmaster <postmaster@example.test>\r\n\
             To: <alice@example.test>\r\n\
             Subject: Your mailbox is 90 % full\r\n\
             Message-ID: <full.1a204b069c0.616c696365@mx.example.test>\r\n\
             Auto-Submitted: auto-generated\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: 7bit"
        );
        assert!(text.starts_with(
            "The mailbox alice@example.test is 90 % full: it holds 1.8 GiB of 2 GiB, in 1234 messages.\r\n"
        ));
        assert!(message.ends_with("\r\n") && message.lines().all(|line| line.len() <= 98));
        assert!(!message.replace("\r\n", "").contains(['\r', '\n']));
        let limited = notice(&alice, "alice@example.test", Some(1300)).message();
        assert!(limited.contains("it holds 1.8 GiB of 2 GiB, and 1234 of 1300 messages."));
    }

    /// RFC 3834 §3.3.
    #[test]
    fn it_goes_to_the_mailbox_from_nobody() {
        let müller = name("müller");
        let warning = notice(&müller, "müller@example.test", None);
        let envelope = warning.envelope().expect("an address");
        assert_eq!(envelope.reverse_path, ReversePath::Null);
        assert_eq!((envelope.smtputf8, envelope.body), (true, Body::EightBitMime));
        let copies = envelope.copies();
        assert_eq!((copies.len(), copies[0].kept_in()), (1, müller.clone()));
        assert!(warning.message().contains("Content-Transfer-Encoding: 8bit\r\n"));
        assert!(notice(&müller, "no address", None).envelope().is_none());
    }
}
