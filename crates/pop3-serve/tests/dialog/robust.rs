//! Whatever octets come: no panic, one response to each line, nothing behind the end, and no memory to speak of.

use std::time::Instant;

use proptest::prelude::*;

use super::{Dialog, Replay};

const WORDS: [&str; 26] = [
    "USER alice",
    "PASS secret",
    "PASS wrong",
    "AUTH PLAIN",
    "AUTH LOGIN",
    "AGFsaWNlAHNlY3JldA==",
    "YWxpY2U=",
    "*",
    "STAT",
    "LIST",
    "LIST 2",
    "UIDL",
    "UIDL 1",
    "RETR 1",
    "RETR 3",
    "TOP 1 0",
    "TOP 2 9",
    "DELE 1",
    "DELE 2",
    "RSET",
    "NOOP",
    "QUIT",
    "CAPA",
    "STLS",
    "UTF8",
    "LANG",
];

fn line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        20 => (0..WORDS.len()).prop_map(|word| [WORDS[word].as_bytes(), b"\r\n"].concat()),
        1 => Just(b"USER alice\r\nPASS secret\r\n".to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..40),
        1 => (200..400usize).prop_map(|length| vec![b'x'; length]),
        1 => (0..WORDS.len()).prop_map(|word| [WORDS[word].as_bytes(), b"\n"].concat()),
    ]
}

/// Responses begin with a sign; no line of these mails or of our listings does.
const CIRCUMSTANCES: &str = "mail: A: b\\r\\n\\r\\n.\\r\\n..\\r\\nc\\r\\n\nmail:\nmails: 3\n";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn one_response_to_each_line(lines in proptest::collection::vec(line(), 0..60), cut in 1..50usize) {
        let dialog = Dialog::read(CIRCUMSTANCES);
        let input = lines.concat();
        let (output, taken, ended) = Replay::new(&dialog).push(input.chunks(cut));
        let answered = input[..taken].iter().filter(|octet| **octet == b'\n').count() + 1;
        let responses = output
            .split(|octet| *octet == b'\n')
            .filter(|line| line.starts_with(b"+") || line.starts_with(b"-"))
            .count();
        prop_assert_eq!(responses, answered, "{}", output.escape_ascii());
        if !ended {
            prop_assert!(input.len() - taken < 1026, "all that is no whole line yet");
        }
    }

    #[test]
    fn a_split_changes_nothing(lines in proptest::collection::vec(line(), 0..30), cut in 1..50usize) {
        let dialog = Dialog::read(CIRCUMSTANCES);
        let input = lines.concat();
        let whole = Replay::new(&dialog).push(std::iter::once(&input[..]));
        let parts = Replay::new(&dialog).push(input.chunks(cut));
        prop_assert_eq!(whole.0, parts.0);
        prop_assert_eq!(whole.2, parts.2);
    }
}

#[test]
fn noise_is_cheap() {
    let started = Instant::now();
    let noise = vec![b'A'; 1 << 20];
    let (output, taken, ended) =
        Replay::new(&Dialog::read("")).push(std::iter::repeat_n(noise.as_slice(), 100));
    assert_eq!((taken, ended), (100 << 20, false));
    assert_eq!(output, b"+OK mx.example.test POP3 ready\r\n");
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}
