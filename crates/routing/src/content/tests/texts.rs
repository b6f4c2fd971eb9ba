use super::{attachments, body, multipart, names, read};
use crate::content::{ContentLimits, Want};
use crate::rules::{Content, Person};

#[test]
fn the_header_is_decoded_and_unfolded() {
    let text = "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n and more\r\nX-Y :  z \r\nFROM: M <m@b.test>\r\n\
                To: a@b.test,\r\n c@b.test\r\nTo: d@b.test\r\nCc: \"E\" <e@b.test>\r\n\r\nbody";
    let content = read(text).content;
    let header = |name: &str| {
        content.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(header("subject"), ["Grüße and more"]);
    assert_eq!(header("x-y"), ["z"]);
    assert_eq!(header("to"), ["a@b.test, c@b.test", "d@b.test"]);
    assert_eq!(content.headers.len(), 6);
    assert_eq!(content.from, [Person { address: "m@b.test".into(), name: "M".into() }]);
    assert_eq!(
        content.to.iter().map(|p| p.address.as_str()).collect::<Vec<_>>(),
        ["a@b.test", "c@b.test", "d@b.test"]
    );
    assert_eq!(content.cc, [Person { address: "e@b.test".into(), name: "E".into() }]);
    assert_eq!((content.size, content.content_type.as_str()), (text.len() as u64, "text/plain"));
    assert_eq!((content.attachments, content.too_complex), (vec![], false));
}

#[test]
fn a_value_holds_no_line_of_its_own() {
    let content = read("Subject: =?utf-8?q?a=0D=0ABcc:_b@c.test?=\r\n\r\n").content;
    assert_eq!(content.headers, [("subject".to_owned(), "a  Bcc: b@c.test".to_owned())]);
}

#[test]
fn the_text_of_all_parts_is_decoded() {
    let text = multipart(
        "b",
        &[
            "\r\nplain",
            "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=\r\n=DFe",
            "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n\
             PHN0eWxlPng8L3N0eWxlPjxwPkJ1eSAmYW1wOyA8Yj5ub3c8L2I+PC9wPg==",
            "Content-Type: application/pdf\r\n\r\nno text",
            "Content-Type: text/csv; name=a.csv\r\n\r\n1,2",
        ],
    );
    let body = body(text);
    for part in ["plain", "Grüße", "Buy & now", "1,2"] {
        assert!(body.contains(part), "{part}: {body:?}");
    }
    for no_text in ["<", "x", "no text", "--b"] {
        assert!(!body.contains(no_text), "{no_text}: {body:?}");
    }
}

#[test]
fn the_body_is_there_only_when_it_is_wanted_and_never_without_end() {
    let limits = ContentLimits { text: 1_000, ..ContentLimits::default() };
    let text = multipart("b", &["\r\nfirst", &format!("\r\n{}", "ü".repeat(9_000)), "\r\nthird"]);
    let content = |body| Content::read(text.as_bytes(), &limits, Want { body }).content;
    assert_eq!(content(false).body, None);
    let body = content(true).body.expect("wanted");
    assert!(body.len() <= 1_002 && body.starts_with("first\nüü"), "{}", body.len());
    assert!(!content(true).too_complex);
}

#[test]
fn files_in_a_text_are_attachments() {
    let uu = "Hello\r\nbegin 644 evil.exe\r\n#35H`\r\n`\r\nend\r\n";
    let encoded = uu.replace("begin", "=62egin");
    for text in [
        format!("\r\n{uu}"),
        format!("Content-Transfer-Encoding: quoted-printable\r\n\r\n{encoded}"),
        multipart("b", &["\r\nx", &format!("\r\n{uu}")]),
        "\r\nx\r\n=ybegin line=128 size=3 name=evil.exe\r\nwww\r\n=yend size=3\r\n".to_owned(),
    ] {
        assert_eq!(names(&text), ["evil.exe"], "{text}");
    }
    assert_eq!(attachments(format!("\r\n{uu}"))[0].size, 3);
}

/// An archive's kind shows behind its first file.
#[test]
fn an_archive_is_looked_into_whatever_it_says_it_is() {
    let mut archive = Vec::new();
    for (name, octets) in [("[Content_Types].xml", 3_000_u32), ("xl/workbook.xml", 5)] {
        archive.extend_from_slice(b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0");
        archive.extend_from_slice(&[octets.to_le_bytes(), octets.to_le_bytes()].concat());
        archive.extend_from_slice(&[u8::try_from(name.len()).expect("short"), 0, 0, 0]);
        archive.extend_from_slice(name.as_bytes());
        archive.resize(archive.len() + octets as usize, b'x');
    }
    for head in ["Content-Type: text/plain; name=a.txt", "Content-Type: application/pdf", "Content-Type: x/y"]
    {
        let text = [head.as_bytes(), b"\r\n\r\n", &archive].concat();
        let found = attachments(text);
        let detected = found[0].detected.as_deref();
        assert_eq!(
            detected,
            Some("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
            "{head}"
        );
    }
}

#[test]
fn what_an_attachment_is_and_how_large_is_told_by_its_octets() {
    let part = |head: &str, body: &str| format!("{head}\r\n\r\n{body}");
    let text = multipart(
        "b",
        &[
            &part("Content-Type: image/png; name=a.png", "%PDF-1.7"),
            &part("Content-Type: application/x\r\nContent-Transfer-Encoding: base64", "iVBO\r\nRw0K\r\nGgo="),
            &part("Content-Transfer-Encoding: base64", "eJ8+Ig=="),
            &part("Content-Type: text/plain", "only words"),
            &part("Content-Disposition: attachment", "only words"),
        ],
    );
    let found: Vec<_> = attachments(text).into_iter().map(|a| (a.content_type, a.detected, a.size)).collect();
    let row = |media: &str, kind: &str, size| (media.to_owned(), Some(kind.to_owned()), size);
    assert_eq!(
        found,
        [
            row("image/png", "application/pdf", 8),
            row("application/x", "image/png", 8),
            // It says that it is text, and is not.
            row("text/plain", "application/vnd.ms-tnef", 4),
        ]
    );
}
