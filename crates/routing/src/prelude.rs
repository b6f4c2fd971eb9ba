use std::fmt::{self, Write};
use std::net::IpAddr;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::tz::TimeZone;
use mail::{
    AuthResults, Envelope, MailboxCopy, Protocol, QueueId, Trace, write_field, write_subject, write_text,
};

/// What this host calls itself, and how it words what authentication found.
#[derive(Debug, Clone)]
pub struct Host {
    /// The `by` of our Received field, and the authserv-id of our results (RFC 8601 §2.5, §4, §4.1).
    pub name: String,
    /// Words what authentication found as a whole Authentication-Results field of the host that is named, with the
    /// address that was judged.
    pub results: fn(&str, &AuthResults, Option<IpAddr>) -> String,
}

/// The fields on top of one stored copy: Return-Path, exactly one Delivered-To, one X-Original-To for each
/// recipient that led to the mailbox in RCPT order, what was found and decided, our Received (RFC 5321 §4.4), and
/// the fields that rules add or change.
pub(crate) fn render(
    host: &Host,
    id: QueueId,
    envelope: &Envelope,
    copy: &MailboxCopy,
    delivered_to: &str,
) -> Vec<u8> {
    let MailboxCopy { recipients, ruling, .. } = copy;
    let mut out = String::with_capacity(512);
    // Addresses have no control characters, and folding one would change it.
    write_field(&mut out, "Return-Path", &[&format!("<{}>", envelope.reverse_path)]);
    write_field(&mut out, "Delivered-To", &[delivered_to]);
    for index in recipients {
        if let Some(recipient) = envelope.recipients.get(usize::from(*index)) {
            write_field(&mut out, "X-Original-To", &[&recipient.path.to_string()]);
        }
    }
    if let Some(reason) = &ruling.quarantine {
        ruled(&mut out, "X-Restante-Quarantine", &[reason]);
    }
    if let Some(last) = ruling.rules.len().checked_sub(1) {
        let comma =
            |(place, rule): (usize, &String)| format!("{rule}{}", if place < last { "," } else { "" });
        let rules: Vec<String> = ruling.rules.iter().enumerate().map(comma).collect();
        ruled(&mut out, "X-Restante-Rule", &words(&rules));
    }
    if let Some(results) = &envelope.results {
        out.push_str(&(host.results)(&host.name, results, envelope.trace.peer));
    }
    received(&mut out, host, id, envelope);
    let mut out = out.into_bytes();
    for (name, value) in &ruling.add {
        write_text(&mut out, name, value);
    }
    if !ruling.tags.is_empty() {
        let subject = envelope.fields.iter().find(|field| field.name == "subject");
        write_subject(&mut out, &ruling.tags, subject.map_or(&[][..], |field| &field.value));
    }
    out
}

/// What an admin has called something, in whichever script: encoded where it is not ASCII (RFC 2047), for nobody has
/// asked the client whether it reads anything else.
fn ruled(out: &mut String, name: &str, words: &[&str]) {
    if words.iter().all(|word| word.is_ascii()) {
        return write_field(out, name, words);
    }
    let mut field = Vec::new();
    write_text(&mut field, name, &words.join(" "));
    out.push_str(&String::from_utf8_lossy(&field));
}

fn words(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

fn received(out: &mut String, host: &Host, id: QueueId, envelope: &Envelope) {
    let trace = &envelope.trace;
    let mut words = Words::default();
    match trace.peer {
        Some(ip) if ip.is_ipv6() => words.add(format_args!("from {} ([IPv6:{ip}])", trace.helo)),
        Some(ip) => words.add(format_args!("from {} ([{ip}])", trace.helo)),
        None => words.add(format_args!("from {} (local)", trace.helo)),
    }
    words.add(format_args!("by {}", host.name));
    words.add(format_args!("with {}", protocol(trace, envelope.smtputf8)));
    if let Some(tls) = &trace.tls {
        words.add(format_args!("(version={} cipher={})", tls.version, tls.cipher));
    }
    // More than one recipient in `for` would tell each of the blind copies of the others (RFC 5321 §7.2,
    // §7.6).
    match envelope.recipients.as_slice() {
        [only] => {
            words.add(format_args!("id {id}"));
            words.add(format_args!("for <{}>;", only.path));
        }
        _ => words.add(format_args!("id {id};")),
    }
    words.add(format_args!("{}", date(trace.received_ms)));
    write_field(out, "Received", &words.all());
}

/// Words of a field, which is folded between them and never inside one: in one piece of memory.
#[derive(Default)]
struct Words {
    text: String,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Words {
    fn add(&mut self, word: fmt::Arguments<'_>) {
        // A String takes all.
        let _ = self.text.write_fmt(word);
        self.ends.push(self.text.len());
    }

    fn all(&self) -> Vec<&str> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts.zip(&self.ends).map(|(start, end)| &self.text[*start..*end]).collect()
    }
}

/// The names of RFC 3848 §1 and RFC 6531 §4.3.
fn protocol(trace: &Trace, utf8: bool) -> &'static str {
    match (trace.protocol, utf8, trace.tls.is_some()) {
        (Protocol::Local, _, _) => "local",
        (Protocol::Smtp, _, _) => "SMTP",
        (Protocol::Esmtp, false, false) => "ESMTP",
        (Protocol::Esmtp, false, true) => "ESMTPS",
        (Protocol::Esmtp, true, false) => "UTF8SMTP",
        (Protocol::Esmtp, true, true) => "UTF8SMTPS",
        (Protocol::Lmtp, false, false) => "LMTP",
        (Protocol::Lmtp, false, true) => "LMTPS",
        (Protocol::Lmtp, true, false) => "UTF8LMTP",
        (Protocol::Lmtp, true, true) => "UTF8LMTPS",
    }
}

/// RFC 5322 §3.3, in UTC.
fn date(ms: u64) -> String {
    let stamp =
        i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
    DateTimePrinter::new().zoned_to_string(&stamp.to_zoned(TimeZone::UTC)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use mail::{
        Address, Body, Cut, ForwardPath, MailboxName, Recipient, ReversePath, RuledField, Ruling, TlsFacts,
    };

    use super::*;

    fn envelope(recipients: &[&str]) -> Envelope {
        let recipient = |text: &&str| Recipient {
            path: ForwardPath::Address(Address::parse(text).expect("an address")),
            mailboxes: vec![MailboxName::parse("alice").expect("a name")],
            duplicate: false,
            ruling: None,
        };
        Envelope {
            reverse_path: ReversePath::Null,
            recipients: recipients.iter().map(recipient).collect(),
            body: Body::SevenBit,
            smtputf8: false,
            trace: Trace {
                protocol: Protocol::Esmtp,
                peer: Some("192.0.2.1".parse().expect("an address")),
                helo: "client.example".into(),
                tls: Some(TlsFacts { version: "TLS1.3".into(), cipher: "TLS_AES_256_GCM_SHA384".into() }),
                received_ms: 1_795_375_000_000,
            },
            cuts: Vec::new(),
            unterminated: false,
            results: None,
            fields: Vec::new(),
        }
    }

    fn rendered(envelope: &Envelope, recipients: &[u16]) -> String {
        rendered_as(envelope, recipients, Ruling::default())
    }

    fn rendered_as(envelope: &Envelope, recipients: &[u16], ruling: Ruling) -> String {
        let results = |id: &str, _: &AuthResults, ip: Option<IpAddr>| {
            format!("Authentication-Results: {id}; spf=pass ({})\r\n", ip.is_some())
        };
        let host = Host { name: "mx.example.test".into(), results };
        let mailbox = MailboxName::parse("alice").expect("a name");
        let copy = MailboxCopy { mailbox, recipients: recipients.to_vec(), ruling };
        let prelude = render(&host, QueueId(0x2a), envelope, &copy, "alice@example.test");
        String::from_utf8(prelude).expect("text")
    }

    /// RFC 8601 §2.5, §4, §4.1: results stand above the Received of the host that found them.
    #[test]
    fn what_was_found_and_decided_stands_there() {
        let mut envelope = envelope(&["a@example.test"]);
        envelope.results = Some(AuthResults::default());
        let cut = Cut { at: 0, octets: 9 };
        envelope.fields = vec![RuledField { name: "subject".into(), cut, value: b"Hello".to_vec() }];
        let ruling = Ruling {
            rules: vec!["one".into(), "two".into()],
            quarantine: Some("looks\r\nforged".into()),
            add: vec![("X-Dept".into(), "Büro\r\nBcc: x".into())],
            tags: vec!["[SPAM]".into()],
            ..Ruling::default()
        };
        let text = rendered_as(&envelope, &[0], ruling);
        let (before, behind) = text.split_once("Received: ").expect("our Received");
        assert_eq!(
            before,
            "Return-Path: <>\r\n\
             Delivered-To: alice@example.test\r\n\
             X-Original-To: a@example.test\r\n\
             X-Restante-Quarantine: looks  forged\r\n\
             X-Restante-Rule: one, two\r\n\
             Authentication-Results: mx.example.test; spf=pass (true)\r\n"
        );
        let added = "\r\nX-Dept: =?utf-8?q?B=C3=BCro__Bcc=3A_x?=\r\nSubject: [SPAM] Hello\r\n";
        assert!(behind.ends_with(added), "{behind}");
    }

    /// RFC 2047 §2: what is not ASCII in the names of rules is encoded.
    #[test]
    fn rules_and_reasons_have_names_in_any_script() {
        let ruling = Ruling {
            rules: vec!["Büro".into(), "two".into()],
            quarantine: Some("gefälscht".into()),
            ..Ruling::default()
        };
        let text = rendered_as(&envelope(&["a@example.test"]), &[0], ruling);
        assert!(text.is_ascii(), "{text}");
        assert!(text.contains("\r\nX-Restante-Rule: =?utf-8?q?B=C3=BCro=2C_two?=\r\n"), "{text}");
        assert!(text.contains("\r\nX-Restante-Quarantine: =?utf-8?q?gef=C3=A4lscht?=\r\n"), "{text}");
    }

    /// RFC 5321 §4.4, §4.5.5.
    #[test]
    fn one_recipient_is_named_everywhere() {
        assert_eq!(
            rendered(&envelope(&["a.smith@example.test"]), &[0]),
            "Return-Path: <>\r\n\
             Delivered-To: alice@example.test\r\n\
             X-Original-To: a.smith@example.test\r\n\
             Received: from client.example ([192.0.2.1]) by mx.example.test with ESMTPS\r\n\
             \t(version=TLS1.3 cipher=TLS_AES_256_GCM_SHA384) id 000000000000002a\r\n\
             \tfor <a.smith@example.test>; Sun, 22 Nov 2026 19:16:40 +0000\r\n"
        );
    }

    /// RFC 5321 §4.4, §7.2, §7.6.
    #[test]
    fn several_recipients_do_not_learn_of_each_other() {
        let text = rendered(&envelope(&["a@example.test", "secret@example.test", "b@example.test"]), &[0, 2]);
        assert!(!text.contains("secret") && !text.contains("for <"), "{text}");
        assert!(text.contains("X-Original-To: a@example.test\r\nX-Original-To: b@example.test\r\n"));
        assert!(text.contains("id 000000000000002a;"));
    }

    /// RFC 3848 §1; RFC 5321 §4.4; RFC 6531 §4.3.
    #[test]
    fn every_way_in_has_its_name() {
        let mut envelope = envelope(&["a@example.test"]);
        for (way, utf8, tls, name) in [
            (Protocol::Smtp, false, false, "SMTP"),
            (Protocol::Esmtp, false, false, "ESMTP"),
            (Protocol::Esmtp, true, true, "UTF8SMTPS"),
            (Protocol::Lmtp, false, false, "LMTP"),
            (Protocol::Lmtp, true, false, "UTF8LMTP"),
        ] {
            envelope.trace.protocol = way;
            let facts = TlsFacts { version: String::new(), cipher: String::new() };
            envelope.trace.tls = tls.then_some(facts);
            assert_eq!(protocol(&envelope.trace, utf8), name);
        }
    }
}
