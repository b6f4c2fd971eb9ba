use proptest::prelude::*;

use super::read;
use crate::content::{ContentLimits, Want};
use crate::rules::Content;

/// What mail is made of, and what breaks it.
const PIECES: &[&str] = &[
    "Content-Type: ",
    "Content-Disposition: ",
    "Content-Transfer-Encoding: ",
    "Subject: ",
    "From: ",
    "To: ",
    "multipart/mixed",
    "multipart/digest",
    "message/rfc822",
    "text/plain",
    "text/html",
    "application/x",
    "; boundary=",
    "; name=",
    "; filename",
    "*=",
    "*0=",
    "*1*=",
    "; charset=",
    "utf-8''",
    "utf-16",
    "utf-7",
    "gb18030",
    "base64",
    "quoted-printable",
    "\r\n",
    "\r\n\r\n",
    "\n",
    "\r",
    "\r\n ",
    "--",
    "b",
    "\"",
    "\\",
    ";",
    "=",
    "%41",
    "%",
    "=41",
    "=?utf-8?q?",
    "=?utf-8?b?",
    "?=",
    "=?",
    "(",
    ")",
    "<",
    ">",
    "@",
    ",",
    ":",
    " ",
    "\t",
    "\0",
    "ü",
    "begin 644 ",
    "=ybegin name=",
    "end\r\n",
    "#0V%T\r\n",
    "PK\x03\x04",
    "<!--",
    "&#x",
    "&amp;",
    "\u{202e}",
    "TVo=",
    "/",
    "a.exe",
    "--b\r\n",
    "--b--\r\n",
    "\r\n--b\r\n",
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
    "Content-Type: message/rfc822\r\n\r\n",
];

fn message() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => prop::sample::select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop::collection::vec(piece, 0..200).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 2_000 } else { 200_000 }))]

    #[test]
    fn any_message_is_read(text in message()) {
        let whole = read(&text);
        prop_assert_eq!(whole.content.too_complex, whole.excess.is_some());
        prop_assert_eq!(whole.content.size, text.len() as u64);
        for attachment in &whole.content.attachments {
            prop_assert_eq!(&crate::content::name::tidy(&attachment.name), &attachment.name);
        }
        for (name, value) in &whole.content.headers {
            prop_assert!(!name.is_empty() && !value.chars().any(char::is_control));
        }
    }

    /// Small bounds are met often.
    #[test]
    fn any_message_is_read_within_small_bounds(text in message()) {
        let limits = ContentLimits {
            header_octets: 200, header_lines: 5, content_field: 40, depth: 2, parts: 4, delimiters: 10, decoded: 50,
            text: 30,
        };
        let content = Content::read(&text, &limits, Want { body: true }).content;
        prop_assert!(content.headers.len() <= 5);
        prop_assert!(content.attachments.len() <= 200);
        prop_assert!(content.body.is_some_and(|body| body.len() <= 40));
    }
}
