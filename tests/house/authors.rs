//! Who rules say that a message is from, and who DMARC judges: one is shown to readers, the other is believed, so
//! they must be the same, whatever stands in the From field. Two crates that may not know each other read it.

use authenticity::{Author, authors};
use routing::content::{ContentLimits, Want};
use routing::rules::{Content, Person};

fn by_rules(message: &str) -> Vec<(String, String)> {
    let read = Content::read(message.as_bytes(), &ContentLimits::default(), Want::default());
    read.content.from.into_iter().map(|Person { address, name }| (address, name)).collect()
}

fn by_dmarc(message: &str) -> Vec<(String, String)> {
    let found = authors(message.as_bytes());
    found.authors.into_iter().map(|Author { address, name }| (address, name)).collect()
}

const HOSTILE: &[&str] = &[
    "From: a@b.example",
    "From: A <a@b.example>",
    "FROM : \"x@evil.example\" <a@b.example>",
    "From: x@evil.example <a@b.example>",
    "From: <x@evil.example> <a@b.example>",
    "From: <x@evil.example>, <a@b.example>",
    "From: <a@b.example> x@evil.example",
    "From: \"a@b.example\"@evil.example",
    "From: a@b.example@evil.example",
    "From: <a@b.example@evil.example>",
    "From: <@evil.example:a@b.example>",
    "From: =?utf-8?q?x=40evil.example?= <a@b.example>",
    "From: =?utf-8?b?PGFAZXZpbC5leGFtcGxlPg==?= <a@b.example>",
    "From: =?utf-8?q?=3Ca=40evil.example=3E?=",
    "From: =?utf-8?q?a?=@b.example",
    "From: (x@evil.example) a@b.example",
    "From: a(x)@(y)b.example(z)",
    "From: a@b.example (x@evil.example)",
    "From: (((((a@b.example",
    "From: \"unclosed <a@b.example>",
    "From: \"un\r\n closed\" <a@b.example>",
    "From: \"a\\\" <x@evil.example>\" <a@b.example>",
    "From:\r\n\ta@b.example",
    "From:\r\n a@b\r\n .example",
    "From: a@\r\n b.example",
    "From: a @ b.example",
    "From: <a@b.example.>",
    "From: g: a@b.example, c@d.example;",
    "From: g: a@b.example;, h: c@d.example;",
    "From: g: a@b.example; c@d.example",
    "From: a@b.example; c@d.example",
    "From: a@b.example c@d.example",
    "From: ,,a@b.example,,",
    "From: undisclosed:;",
    "From:",
    "From: <>",
    "From: @",
    "From: a@",
    "From: @b.example",
    "From: a@[192.0.2.1]",
    "From: B\u{fc}cher <a@b\u{fc}cher.example>",
    "From: a\u{202e}@b.example",
    "From: a@b.example\r\nFrom: c@d.example",
    "From: a@b.example\r\nSubject: x\r\nfrom: c@d.example",
    "From x Mon 10:20\r\nFrom: a@b.example",
    "no field at all\r\nFrom: a@b.example",
    "Subject: x\r\n From: c@d.example\r\nFrom: a@b.example",
    "X-From: c@d.example\r\nFrom: a@b.example",
    ": nothing\r\nFrom: a@b.example",
    "From\t: a@b.example",
    "From: a@b.example\r\n\t\r\n c@d.example",
];

#[test]
fn one_author_is_shown_and_judged() {
    for header in HOSTILE {
        let message = format!("{header}\r\n\r\nFrom: body@evil.example\r\n");
        assert_eq!(by_dmarc(&message), by_rules(&message), "{header:?}");
    }
}

/// A name that only some take for From is not one that rules go by; DMARC counts it against the message.
#[test]
fn a_name_that_some_overlook_white_space_in_counts_against_the_message() {
    let message = "Fr om: x@evil.example\r\nFrom: a@b.example\r\n\r\n";
    assert_eq!(by_rules(message).len(), 1);
    let found = authors(message.as_bytes());
    assert_eq!((found.fields, found.authors.len()), (2, 2));
}

#[test]
fn one_author_is_shown_and_judged_whatever_stands_there() {
    const PIECES: &[&str] = &[
        "a",
        "b.example",
        "@",
        "<",
        ">",
        ",",
        ";",
        ":",
        "\"",
        "\\",
        "(",
        ")",
        " ",
        "\t",
        "\r\n ",
        ".",
        "=?utf-8?q?a?=",
        "=?utf-8?q?=40?=",
        "\u{fc}",
        "[",
        "]",
        "x@y.example",
        "<c@d.example>",
    ];
    // Any row of numbers does that is always the same.
    let mut state = 1_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits") % below
    };
    for _ in 0..20_000 {
        let value: String = (0..next(14)).map(|_| PIECES[next(PIECES.len())]).collect();
        let message = format!("From:{value}\r\n\r\nx");
        assert_eq!(by_dmarc(&message), by_rules(&message), "{value:?}");
    }
}
