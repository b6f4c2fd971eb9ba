//! Mail that is made to exhaust parsers, up to what a message may have.

use std::thread;
use std::time::Duration;

use super::read;
use crate::content::{ContentLimits, Want};
use crate::rules::Content;

fn fill(prefix: &str, unit: &str, suffix: &str, octets: usize) -> Vec<u8> {
    let count = (octets.saturating_sub(prefix.len()) / unit.len()).max(1);
    [prefix.as_bytes(), &unit.as_bytes().repeat(count), suffix.as_bytes()].concat()
}

/// Numbered units, up to a size.
fn count(octets: usize, unit: impl Fn(usize) -> String) -> String {
    let mut out = String::new();
    let mut number = 0;
    while out.len() < octets {
        out.push_str(&unit(number));
        number += 1;
    }
    out
}

fn base64(text: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for (place, three) in text.chunks(3).enumerate() {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(*three.get(at).unwrap_or(&0)));
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let letter = LETTERS[(bits >> shift & 63) as usize];
            out.push(if at > three.len() { '=' } else { char::from(letter) });
        }
        if place % 19 == 18 {
            out.push_str("\r\n");
        }
    }
    out
}

/// Encoded messages in encoded messages, as deep as the size allows.
fn encoded(inner: &[u8], octets: usize) -> Vec<u8> {
    let mut text = inner.to_vec();
    while text.len() * 138 / 100 < octets {
        let head = "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n";
        text = [head.as_bytes(), base64(&text).as_bytes()].concat();
    }
    text
}

/// How long this thread has worked: others of this machine do not count.
fn worked() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("it does not run backwards")
}

const MIXED: &str = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
const MESSAGE: &str = "Content-Type: message/rfc822\r\n\r\n";

fn attack(kind: &str, octets: usize) -> Vec<u8> {
    let long = "b".repeat(7_000);
    match kind {
        "parts" => fill(MIXED, "--b\r\n\r\n", "", octets),
        "parts_lf" => fill(&MIXED.replace("\r\n", "\n"), "--b\n\n", "", octets),
        "lines" => fill(MIXED, "--c\n", "", octets),
        "closing" => fill(MIXED, "--b--\n", "", octets),
        "rfc822" => fill("", MESSAGE, "x", octets),
        "digest" => fill("", "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n", "x", octets),
        "nest" => count(octets, |i| match i.checked_sub(1) {
            Some(before) => format!("--b{before}\r\nContent-Type: multipart/mixed; boundary=b{i}\r\n\r\n"),
            None => format!("Content-Type: multipart/mixed; boundary=b{i}\r\n\r\n"),
        })
        .into(),
        "b64nest" => encoded(b"Subject: x\r\n\r\nx", octets),
        // What no scan of the octets on the wire can see.
        "b64rfc822" => encoded(&fill("", MESSAGE, "x", octets / 2), octets),
        "b64parts" => encoded(&fill(MIXED, "--b\r\n\r\n", "", octets / 2), octets),
        "boundaries" => {
            // Boundaries that differ in their last letter, and lines that match none.
            let open: String = (0..31)
                .map(|i| format!("Content-Type: multipart/mixed; boundary={long}{i}\r\n\r\n--{long}{i}\r\n"))
                .collect();
            fill(&open, &format!("--{long}x\r\n"), "", octets)
        }
        "headers" => fill("", "a:\r\n", "\r\nx", octets),
        "no_fields" => fill("", "just words\r\n", "", octets),
        "params" => {
            format!("Content-Type: text/plain{}\r\n\r\nx", count(octets, |i| format!(";\r\n a*{i}=x"))).into()
        }
        "names" => {
            format!("Content-Type: text/plain{}\r\n\r\nx", count(octets, |i| format!(";name*{i}*=%41")))
                .into()
        }
        "many_names" => {
            let names = count(7_000, |i| format!(";name*{i}=\"=?utf-8?q?a\""));
            let part = format!("--b\r\nContent-Type: x/y{names}\r\nContent-Disposition: x{names}\r\n\r\n");
            fill(MIXED, &part, "", octets)
        }
        "addrs" => fill("To: a", ",a", "\r\n\r\nx", octets),
        "groups" => fill("To: ", "a:b<", "\r\n\r\nx", octets),
        "comments" => fill("To: ", "(", "\r\n\r\nx", octets),
        "quotes" => fill("From: ", "\"\\", "\r\n\r\nx", octets),
        "encwords" => fill("Subject: ", "=?utf-8?q?a?= ", "\r\n\r\nx", octets),
        "encbegins" => fill("Subject: ", "=?x", "?=\r\n\r\nx", octets),
        "longline" => fill("Subject: x\r\n\r\n", "A", "\r\n", octets),
        "html" => fill("Content-Type: text/html\r\n\r\n", "<div a='b'>&amp;", "", octets),
        "html_open" => fill("Content-Type: text/html\r\n\r\n", "<", "", octets),
        "html_comments" => fill("Content-Type: text/html\r\n\r\n", "<!--", "", octets),
        "html_entities" => fill("Content-Type: text/html\r\n\r\n", "&", "", octets),
        "uu" => fill("\r\n", "begin 644 a\r\n#0V%T\r\n", "", octets),
        "uu_words" => fill("\r\n", "begin ", "", octets),
        "soft_ends" => fill("Content-Transfer-Encoding: quoted-printable\r\n\r\n", "=\r\n", "", octets),
        "zip" => fill("Content-Type: x/y\r\n\r\n", "PK\x03\x04\x14\0\x08\0\0\0", "", octets),
        "utf7" => fill("Content-Type: text/plain; charset=utf-7\r\n\r\n", "+A", "", octets),
        "iso2022" => fill("Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n", "\x1b$B", "", octets),
        other => panic!("no attack {other}"),
    }
}

const KINDS: &[&str] = &[
    "parts",
    "parts_lf",
    "lines",
    "closing",
    "rfc822",
    "digest",
    "nest",
    "b64nest",
    "b64rfc822",
    "b64parts",
    "boundaries",
    "headers",
    "no_fields",
    "params",
    "names",
    "many_names",
    "addrs",
    "groups",
    "comments",
    "quotes",
    "encwords",
    "encbegins",
    "longline",
    "html",
    "html_open",
    "html_comments",
    "html_entities",
    "uu",
    "uu_words",
    "soft_ends",
    "zip",
    "utf7",
    "iso2022",
];

/// On a thread with the stack that threads have, and in a second whatever it is.
#[test]
fn mail_that_exhausts_parsers_is_read_in_a_second() {
    let largest = if cfg!(debug_assertions) { 3 << 20 } else { 35 << 20 };
    let most = Duration::from_secs(if cfg!(debug_assertions) { 6 } else { 1 });
    for kind in KINDS {
        for octets in [10_000, 60_000, 1 << 20, largest] {
            let text = attack(kind, octets);
            let thread = thread::Builder::new().stack_size(2 << 20);
            let reading = thread.spawn(move || {
                let started = worked();
                let read = read(&text);
                (worked() - started, read.content.attachments.len(), read.excess)
            });
            let (took, attachments, excess) = reading.expect("a thread").join().expect("no panic");
            println!("{kind} of {octets}: {took:?}, {attachments} attachments, {excess:?}");
            assert!(took < most, "{kind} of {octets}: {took:?}");
            assert!(attachments <= 17_000, "{kind} of {octets}: {attachments} attachments");
        }
    }
}

/// What an ordinary message costs; `cargo test --release -p routing speed -- --nocapture` prints it.
#[test]
fn speed_of_reading() {
    let header = "Received: from a.test by b.test with ESMTPS; Mon, 1 Jan 2024 00:00:00 +0000\r\n".repeat(8)
        + "From: =?utf-8?q?M=C3=BCller?= <m@b.test>\r\nTo: a@b.test, \"B\" <b@b.test>\r\nSubject: =?utf-8?b?w7w=?= x\r\n";
    let part = |head: &str, body: &str| format!("--b\r\n{head}\r\n\r\n{body}\r\n");
    let text = "Some words of an ordinary length that people write to each other every day.\r\n".repeat(60);
    let html = "<p>Some <b>words</b> of an ordinary length &amp; more of them.</p>\r\n".repeat(120);
    let file = base64(&vec![7; 25_000]);
    let message = header
        + MIXED
        + &part("Content-Type: text/plain; charset=utf-8", &text)
        + &part(
            "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable",
            &html,
        )
        + &part(
            "Content-Type: application/pdf; name=\"a.pdf\"\r\nContent-Disposition: attachment; filename=\"a.pdf\"\r\n\
             Content-Transfer-Encoding: base64",
            &file,
        )
        + "--b--\r\n";
    for want in [Want { body: false }, Want { body: true }] {
        let limits = ContentLimits::default();
        let rounds = if cfg!(debug_assertions) { 10 } else { 2_000 };
        let mut best = Duration::MAX;
        for _ in 0..5 {
            let started = worked();
            for _ in 0..rounds {
                let read = Content::read(message.as_bytes(), &limits, want);
                assert_eq!(read.content.attachments.len(), 1);
            }
            best = best.min((worked() - started) / rounds);
        }
        println!("{} octets, {want:?}: {best:?}", message.len());
        assert!(cfg!(debug_assertions) || best < Duration::from_millis(2), "{best:?}");
    }
}
