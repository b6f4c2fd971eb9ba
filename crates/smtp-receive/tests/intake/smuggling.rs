//! Only CRLF.CRLF ends a message. Each of the sequences that some server somewhere takes for its end is
//! sent with a second message behind it, at every split: never do two messages come out.

use smtp_receive::{BareNewline, Params};

use crate::player::Player;
use crate::world::World;

const SEQUENCES: &[&[u8]] = &[
    b"\n.\n",
    b"\n.\r",
    b"\r.\n",
    b"\r.\r",
    b"\n.\r\n",
    b"\r.\r\n",
    b"\r\n.\n",
    b"\r\n.\r",
    b"\r\n.\r\r\n",
    b"\r\r\n.\r\r\n",
    b"\r\n\0.\r\n",
    b"\r\n.\0\r\n",
    b"\r\n. \r\n",
    b"\r\n.\t\r\n",
    b"\r\n..\r\n",
    b"\r\n.\r\0\n",
    b"\r\n\r.\r\n",
    b"\r\n.\n\r\n",
    b"\n\n.\n\n",
    b"\r\n.\x0b\r\n",
    b"\r\n.\xe2\x80\xa8",
    b"\x85.\x85",
];

const BEFORE: &[u8] =
    b"EHLO client.example\r\nMAIL FROM:<honest@client.example>\r\nRCPT TO:<alice@example.test>\r\n";
const SMUGGLED: &[u8] =
    b"MAIL FROM:<smuggled@client.example>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\nevil\r\n.\r\nQUIT\r\n";

fn play(params: &Params, pieces: &[&[u8]]) -> Player {
    let mut player = Player::new(params, World::default());
    for piece in pieces {
        player.send(piece);
    }
    player
}

fn check(params: &Params, pieces: &[&[u8]], what: &str) {
    let player = play(params, pieces);
    assert!(player.stored.iter().all(|line| !line.contains("from=<smuggled")), "{what}");
    let messages = player.stored.iter().filter(|line| line.starts_with("M: ")).count();
    let refused = player.events.iter().filter(|event| event.starts_with("S: 550 5.6.11")).count();
    // The message ends at the smuggled message's own end, and is taken whole or refused whole.
    assert_eq!(messages + refused, 1, "{what}: {:?}", player.events);
    assert_eq!(player.events.last().map(String::as_str), Some("X:"), "{what}");
    for body in &player.bodies {
        assert_clean(body);
    }
}

pub(crate) fn assert_clean(body: &[u8]) {
    assert!(!body.contains(&0));
    for (at, octet) in body.iter().enumerate() {
        match octet {
            b'\r' => assert_eq!(body.get(at + 1), Some(&b'\n')),
            b'\n' => assert_eq!(at.checked_sub(1).map(|at| body[at]), Some(b'\r')),
            _ => {}
        }
    }
}

/// RFC 5321 §4.1.1.4.
#[test]
fn no_sequence_but_one_ends_a_message() {
    for bare_newline in [BareNewline::Refuse, BareNewline::Normalize] {
        let params = Params { bare_newline, ..Params::default() };
        for sequence in SEQUENCES {
            for text in [&b"hello"[..], b""] {
                let data = [BEFORE, b"DATA\r\n", text, sequence, SMUGGLED].concat();
                let what = format!("{bare_newline:?} {}", sequence.escape_ascii());
                check(&params, &[&data], &what);
                check(&params, &data.chunks(1).collect::<Vec<_>>(), &what);
                for at in 0..data.len() {
                    check(&params, &[&data[..at], &data[at..]], &what);
                }
                let start = BEFORE.len() + 6 + text.len();
                for one in start..=start + sequence.len() {
                    for two in one..=start + sequence.len() {
                        check(&params, &[&data[..one], &data[one..two], &data[two..]], &what);
                    }
                }
            }
        }
    }
}

/// A dot of its own at the start of data does end it: the CRLF of the command counts (RFC 5321 §4.1.1.4).
/// So a peer whose own relay thinks otherwise must not be helped by us: here the true end comes first.
#[test]
fn the_true_sequence_ends_it() {
    let data = [BEFORE, b"DATA\r\nhello\r\n.\r\n", SMUGGLED].concat();
    let player = play(&Params::default(), &[&data]);
    assert_eq!(player.stored.iter().filter(|line| line.starts_with("M: ")).count(), 2);
}

/// The octets of a chunk are counted: whatever they look like, the message is what the count says.
/// RFC 3030 §2.
#[test]
fn chunks_are_counted_whatever_is_in_them() {
    for sequence in SEQUENCES {
        let inner = [b"hello", *sequence, SMUGGLED].concat();
        let chunk = format!("BDAT {} LAST\r\n", inner.len());
        let data = [BEFORE, chunk.as_bytes(), &inner, b"QUIT\r\n"].concat();
        for bare_newline in [BareNewline::Refuse, BareNewline::Normalize] {
            let params = Params { bare_newline, ..Params::default() };
            for at in 0..data.len() {
                check(&params, &[&data[..at], &data[at..]], &sequence.escape_ascii().to_string());
            }
        }
    }
}
