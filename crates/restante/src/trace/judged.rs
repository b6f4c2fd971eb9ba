use std::panic::{AssertUnwindSafe, catch_unwind};

use mail::{About, Known, Ruling};
use routing::content::{self, ContentLimits, Want};
use routing::rules::{Content, Facts, To};
use serde::{Deserialize, Serialize};

/// Fields of a message that are kept.
const FIELDS: usize = 100;
/// Characters of one of them.
const VALUE: usize = 512;
/// Attachments, and addresses of one field.
const PARTS: usize = 100;
/// Fields that are long and say nothing to people or rules.
const NOISE: [&str; 6] = [
    "received",
    "dkim-signature",
    "arc-seal",
    "arc-message-signature",
    "arc-authentication-results",
    "x-google-dkim-signature",
];

/// What the gate knew of a message that it took, and what the rules made of it: enough to ask other rules the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Judged {
    /// Which message: its queue id.
    pub(crate) judged: String,
    /// Everything that rules can look at, but for the body; of the header, what is not too long.
    pub(crate) facts: Box<Facts>,
    /// For each recipient that got a 250.
    pub(crate) recipients: Vec<Ruled>,
}

/// What was decided for one recipient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ruled {
    pub(crate) to: To,
    /// What the rules that matched do.
    pub(crate) ruling: Ruling,
    /// Rules in shadow that would have matched.
    pub(crate) shadow: Vec<String>,
}

impl Judged {
    /// Completes the facts by the header section, where nobody has taken the message apart for the rules, and cuts what
    /// is long. Not on a thread that anybody waits for.
    pub(super) fn prepare(mut self, header: &[u8]) -> Self {
        let size = self.facts.content.known().map_or(0, |content| content.size);
        let is_read = self.facts.content.known().is_some_and(|content| !content.headers.is_empty());
        if !is_read
            && !header.is_empty()
            && let Some(content) = read(header)
        {
            // Of what stands behind the header nothing is known.
            self.facts.content = Known::Is(Content { size, header_only: true, ..content });
        }
        if let Known::Is(content) = &mut self.facts.content {
            shorten(content);
        }
        self
    }

    /// The value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let headers = &self.facts.content.known()?.headers;
        headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

/// What a header section says. A parser that breaks costs the trace a header, and nobody else anything.
fn read(header: &[u8]) -> Option<Content> {
    let want = Want { body: false };
    let read = catch_unwind(AssertUnwindSafe(|| Content::read(header, &ContentLimits::default(), want)));
    read.ok().map(|read| read.content)
}

/// By what people call a message that is not kept: of what is known of it, else of its header section. On the thread
/// that answers the sender: of a strange header these two fields are read, and nothing else.
pub(crate) fn about(known: Option<&Content>, header: &[u8]) -> About {
    const NAMES: [&str; 2] = ["subject", "message-id"];
    let read = || content::fields(header, &ContentLimits::default(), NAMES);
    let [subject, message_id] = match known {
        Some(known) => NAMES.map(|name| {
            let field = known.headers.iter().find(|(field, _)| field == name);
            field.map(|(_, value)| value.clone())
        }),
        None => catch_unwind(AssertUnwindSafe(read)).unwrap_or_default(),
    };
    let cut = |value: String| value.chars().take(VALUE).collect();
    About { subject: subject.map(cut), message_id: message_id.map(cut) }
}

fn shorten(content: &mut Content) {
    content.headers.retain(|(name, _)| !NOISE.contains(&name.as_str()));
    content.headers.truncate(FIELDS);
    for (_, value) in &mut content.headers {
        if let Some((end, _)) = value.char_indices().nth(VALUE) {
            value.truncate(end);
        }
    }
    for people in [&mut content.from, &mut content.to, &mut content.cc] {
        people.truncate(PARTS);
    }
    content.attachments.truncate(PARTS);
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::trace) fn judged(id: &str) -> Judged {
        let to = To { address: "alice@example.test".into(), detail: None, protected: false };
        let facts =
            Facts { content: Known::Is(Content { size: 9, ..Content::default() }), ..Facts::default() };
        let ruling = Ruling { rules: vec!["invoices".into()], ..Ruling::default() };
        let recipients = vec![Ruled { to, ruling, shadow: Vec::new() }];
        Judged { judged: id.into(), facts: Box::new(facts), recipients }
    }

    #[test]
    fn a_header_that_nobody_has_read_is_read_for_the_trace_and_cut_to_size() {
        let header = format!(
            "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nReceived: from a\r\nX-Long: {}\r\n\r\n",
            "ü ".repeat(2000)
        );
        let judged = judged("1").prepare(header.as_bytes());
        assert_eq!(judged.field("subject"), Some("Grüße"));
        assert_eq!(judged.field("received"), None);
        assert_eq!(judged.field("x-long").map(|value| value.chars().count()), Some(VALUE));
        assert_eq!(
            judged.facts.content.known().map(|content| (content.size, content.header_only)),
            Some((9, true))
        );
        let again = judged.clone().prepare(b"Subject: other\r\n\r\n");
        assert_eq!(again, judged, "what was read for the rules stays");
    }

    #[test]
    fn what_is_not_kept_is_called_by_two_fields_and_nothing_else_of_it_is_read() {
        let header = "To: x@y.test\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n again\r\nSUBJECT: other\r\nMessage-ID: <1@x>\r\n\r\n";
        let found = about(None, header.as_bytes());
        let known = read(header.as_bytes());
        assert_eq!(found, about(known.as_ref(), b"Subject: of what is known nothing is read\r\n\r\n"));
        assert_eq!(
            (found.subject.as_deref(), found.message_id.as_deref()),
            (Some("Grüße again"), Some("<1@x>"))
        );
        assert_eq!(about(None, b"From: a@b.test\r\n\r\n"), About::default());
        // A header that costs a reader of addresses as much as any does.
        let hostile = format!("To: a{}\r\n\r\n", ",a".repeat(16_000));
        let least = |work: &dyn Fn()| {
            let times = (0..5).map(|_| {
                let begun = thread_time();
                work();
                thread_time().saturating_sub(begun)
            });
            times.min().unwrap_or_default()
        };
        let told = least(&|| drop(about(None, hostile.as_bytes())));
        let taken_apart = least(&|| drop(read(hostile.as_bytes())));
        assert!(told * 4 < taken_apart, "{told:?}, all of it {taken_apart:?}");
    }

    /// Of the processor: the machine has other work.
    fn thread_time() -> std::time::Duration {
        let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        used.try_into().unwrap_or_default()
    }
}
