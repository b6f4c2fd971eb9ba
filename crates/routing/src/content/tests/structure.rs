use super::{attachments, body, multipart, names, read};
use crate::content::{ContentLimits, Excess, Want};
use crate::rules::Content;

const EVIL: &str = "Content-Disposition: attachment; filename=evil.exe\r\n\r\nMZ";

#[test]
fn parts_are_found_at_every_level() {
    let inner = multipart("inner", &["\r\ninner text", EVIL]);
    let message = format!("Content-Type: message/rfc822\r\n\r\nSubject: x\r\n{inner}");
    let text = multipart("b", &["\r\nouter text", &message, "Content-Type: image/png\r\n\r\nx"]);
    let found: Vec<_> = attachments(&text).into_iter().map(|a| (a.content_type, a.name)).collect();
    let row = |media: &str, name: &str| (media.to_owned(), name.to_owned());
    assert_eq!(found, [row("message/rfc822", ""), row("text/plain", "evil.exe"), row("image/png", "")]);
    assert_eq!(attachments(&text)[0].size, message.len() as u64 - 32);
    assert_eq!(body(&text), "outer text\ninner text\nMZ");
    assert_eq!(read(&text).content.content_type, "multipart/mixed");
    assert_eq!(read(&text).excess, None);
}

#[test]
fn an_encoded_message_is_taken_apart() {
    use std::fmt::Write as _;
    let message = multipart("inner", &[EVIL]);
    let mut quoted = String::new();
    message.bytes().for_each(|octet| write!(quoted, "={octet:02X}").expect("a string"));
    let part = format!(
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{quoted}"
    );
    let found = attachments(multipart("b", &[&part, "\r\nx"]));
    assert_eq!(found.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(), ["", "evil.exe"]);
    assert_eq!(found[0].size, message.len() as u64);
}

#[test]
fn a_digest_holds_messages() {
    let text = multipart("b", &[&format!("\r\nSubject: x\r\n{EVIL}"), "\r\nSubject: y\r\n\r\nz"]);
    let text = text.replace("multipart/mixed", "multipart/digest");
    assert_eq!(names(text), ["", "evil.exe", ""]);
}

/// What some readers see and others do not.
#[test]
fn unclear_structure_hides_no_part() {
    let parts =
        |boundary: &str| format!("--{boundary}\r\n\r\nx\r\n--{boundary}\r\n{EVIL}\r\n--{boundary}--\r\n");
    let (a, b) = (parts("a"), parts("b"));
    for text in [
        // Two boundaries.
        format!("Content-Type: multipart/mixed; boundary=a; boundary=b\r\n\r\n{a}"),
        format!("Content-Type: multipart/mixed; boundary=a; boundary=b\r\n\r\n{b}"),
        format!(
            "Content-Type: multipart/mixed; boundary=a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{b}"
        ),
        format!("Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{b}"),
        // Odd fields.
        format!("CONTENT-TYPE: Multipart/Mixed;\r\n\tBoundary = \"b\"\r\n\r\n{b}"),
        format!("Content-Type: multipart/mixed boundary=b\r\n\r\n{b}"),
        format!("Content-Type: multipart/mixed; boundary*0=\"b\"; boundary*1=\"\"\r\n\r\n{b}"),
        format!("Content-Type: (x) multipart/mixed; boundary=b (y)\r\n\r\n{b}"),
        format!("Content-Type: multipart / mixed; boundary=b\r\n\r\n{b}"),
        format!("Content-Type: multipart/mixed; boundary=\"b \"\r\n\r\n{b}"),
        format!("From x\r\nFr om: y\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{b}"),
        // Odd delimiters.
        format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n{}",
            b.replace("--b\r\n", "--b \t\r\n")
        ),
        format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--\r\n{b}"),
        format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{}", b.replace("--b--", "")),
        format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nSubject: x\r\n--b\r\n{EVIL}"),
        format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n--b\r\n{EVIL}"),
        // An inner level that nobody closes, or with the boundary of the outer one.
        format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n\r\nx\r\n{b}"
        ),
        format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{b}"
        ),
    ] {
        for text in [text.replace("\r\n", "\n"), text] {
            assert!(names(&text).contains(&"evil.exe".to_owned()), "{text}");
        }
    }
    let octets =
        [b"Content-Type: multipart/mixed; boundary=\"\xfc\"\r\n\r\n--\xfc\r\n".as_slice(), EVIL.as_bytes()];
    assert_eq!(names(octets.concat()), ["evil.exe"]);
}

#[test]
fn a_multipart_without_parts_is_text() {
    for text in [
        "Content-Type: multipart/mixed; boundary=b\r\n\r\nwords",
        "Content-Type: multipart/mixed\r\n\r\nwords",
        "Content-Type: multipart/mixed; boundary=\"\"\r\n\r\nwords",
    ] {
        assert_eq!((body(text).as_str(), attachments(text).len()), ("words", 0), "{text}");
    }
}

#[test]
fn each_bound_marks_the_message_and_keeps_what_was_found() {
    let nested = |levels: usize| {
        let open: String = (0..levels)
            .map(|level| format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n"))
            .collect();
        multipart("a", &[EVIL, &format!("{open}{EVIL}")])
    };
    let messages = |levels: usize| {
        multipart("a", &[EVIL, &("Content-Type: message/rfc822\r\n\r\n".repeat(levels) + EVIL)])
    };
    for (kind, text) in [(0, nested as fn(usize) -> String), (1, messages as fn(usize) -> String)]
        .map(|(kind, make)| (kind, make))
    {
        let found = |levels: usize| read(text(levels));
        assert_eq!(found(31).excess, None, "{kind}");
        let evil =
            |levels: usize| found(levels).content.attachments.iter().filter(|a| a.name == "evil.exe").count();
        assert_eq!(evil(31), 2, "{kind}");
        assert_eq!(found(32).excess, Some(Excess::Depth), "{kind}");
        assert!(evil(32) >= 1 && found(32).content.too_complex, "{kind}");
    }
    // What is too deep is not opened.
    assert_eq!(read(messages(500)).content.attachments.len(), 33);
    let parts = |count: usize| read(multipart("b", &vec![EVIL; count]));
    // The whole is one itself.
    assert_eq!(parts(999).excess, None);
    assert_eq!(parts(1_000).excess, Some(Excess::Parts));
    assert_eq!(parts(5_000).content.attachments.len(), 999);
    let lines = multipart("b", &[EVIL, &format!("\r\n{}", "--x\r\n".repeat(100_000))]);
    assert_eq!(read(&lines).excess, Some(Excess::Delimiters));
    assert_eq!(names(&lines), ["evil.exe"]);
    let field = format!("Content-Disposition: attachment; filename=evil.exe; {}\r\n\r\n", "x".repeat(9_000));
    assert_eq!((read(&field).excess, names(&field)), (Some(Excess::Header), vec!["evil.exe".to_owned()]));
    let header = format!("{}{EVIL}", "A: b\r\n".repeat(1_001));
    assert_eq!(read(&header).excess, Some(Excess::Header));
}

#[test]
fn encoded_messages_in_encoded_messages_are_bounded_together() {
    let limits = ContentLimits { decoded: 100, ..ContentLimits::default() };
    let part = format!(
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
        "QUFBQUFB\r\n".repeat(50)
    );
    let read = Content::read(part.as_bytes(), &limits, Want::default());
    assert_eq!(read.excess, Some(Excess::Decoded));
}
