//! Whatever is said, and however it is cut: no panic, nothing after Close, one reply for a command, and
//! the same steps.

use proptest::collection::vec;
use proptest::prelude::*;
use smtp_receive::{BareNewline, ErrorLimits, Params};

use crate::player::Player;
use crate::smuggling::assert_clean;
use crate::world::World;

/// Pieces of talk, well-formed and not.
fn words() -> impl Strategy<Value = Vec<u8>> {
    let said: Vec<&'static [u8]> = vec![
        b"EHLO client.example\r\n",
        b"HELO c\r\n",
        b"LHLO c\r\n",
        b"MAIL FROM:<a@b.example>\r\n",
        b"MAIL FROM:<> SIZE=9\r\n",
        b"RCPT TO:<alice@example.test>\r\n",
        b"RCPT TO:<no@example.test>\r\n",
        b"DATA\r\n",
        b"text\r\n",
        b".\r\n",
        b"..\r\n",
        b"\r\n.\r\n",
        b"BDAT 5\r\n",
        b"BDAT 0 LAST\r\n",
        b"BDAT 7 LAST\r\n",
        b"abc\r\n",
        b"RSET\r\n",
        b"NOOP\r\n",
        b"STARTTLS\r\n",
        b"VRFY x\r\n",
        b"QUIT\r\n",
        b"\r",
        b"\n",
        b".",
        b"\0",
        b"\xff",
        b"a",
        b" ",
        b"Received: x\r\n",
        b"X\r\n",
    ];
    prop_oneof![
        8 => proptest::sample::select(said).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..20),
    ]
}

fn params(normalize: bool, lmtp: bool, lenient: bool) -> Params {
    let params = if lmtp { Params::lmtp() } else { Params::default() };
    Params {
        bare_newline: if normalize { BareNewline::Normalize } else { BareNewline::Refuse },
        errors: if lenient { ErrorLimits::unlimited() } else { params.errors },
        starttls: true,
        message_size: 60,
        received: 2,
        recipients: 3,
        text_line: 20,
        ..params
    }
}

fn play(params: &Params, octets: &[u8], cuts: &[usize]) -> Player {
    let mut player = Player::new(params, World::default());
    let mut from = 0;
    for cut in cuts {
        player.send(&octets[from..*cut]);
        from = *cut;
    }
    player.send(&octets[from..]);
    player
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    /// RFC 2920 §3.2; RFC 3030 §2.
    #[test]
    fn any_talk_cut_anyhow_goes_the_same(
        talk in vec(words(), 0..40),
        cuts in vec(any::<prop::sample::Index>(), 0..6),
        normalize: bool, lmtp: bool, lenient: bool,
    ) {
        let octets = talk.concat();
        let params = params(normalize, lmtp, lenient);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(octets.len() + 1)).collect();
        cuts.sort_unstable();
        let whole = play(&params, &octets, &[]);
        let cut = play(&params, &octets, &cuts);
        prop_assert_eq!(&whole.events, &cut.events);
        prop_assert_eq!(&whole.stored, &cut.stored);
        prop_assert!(whole.steps <= 4 * octets.len() + 8, "every step is paid for");
        whole.bodies.iter().for_each(|body| assert_clean(body));
        let closed = whole.events.iter().position(|event| event == "X:");
        prop_assert!(closed.is_none_or(|at| at + 1 == whole.events.len()), "nothing after Close");
    }

    /// RFC 5321 §4.2.
    #[test]
    fn a_command_has_one_reply(talk in vec(command(), 1..30)) {
        let params = Params { errors: ErrorLimits::unlimited(), ..Params::default() };
        let octets = talk.concat();
        let player = play(&params, octets.as_bytes(), &[]);
        // A reply of several lines has one that ends it: its code is followed by a space.
        let last_line = |event: &&String| event.starts_with("S: ") && event.as_bytes().get(6) == Some(&b' ');
        let replies = player.events.iter().filter(last_line).count();
        prop_assert_eq!(replies, talk.len() + 1, "{:?}", player.events);
    }
}

/// Commands that leave no message open and do not end the session.
fn command() -> impl Strategy<Value = String> {
    let said = vec![
        "EHLO client.example",
        "EHLO",
        "HELO x",
        "MAIL FROM:<a@b.example>",
        "MAIL FROM:<>",
        "MAIL",
        "RCPT TO:<alice@example.test>",
        "RCPT TO:<no@example.test>",
        "RCPT",
        "RSET",
        "NOOP",
        "VRFY a",
        "VRFY",
        "EXPN a",
        "HELP",
        "STARTTLS",
        "BDAT 0",
        "BDAT 0 LAST",
        "FOO",
        "",
        "\u{fc}",
        "DATA x",
        "RSET x",
    ];
    let line = proptest::sample::select(said).prop_map(|line| format!("{line}\r\n"));
    let data = Just("BDAT 3 LAST\r\nx\r\n".to_owned());
    prop_oneof![9 => line, 1 => data]
}

/// However long something is, the session holds none of it.
#[test]
fn a_hundred_megabytes_without_a_line_end_are_not_kept() {
    let params = Params { message_size: u64::MAX / 4, ..Params::default() };
    let mut player = Player::new(&params, World::default());
    player.send(b"EHLO client.example\r\n");
    let piece = vec![b'x'; 1 << 20];
    let before = player.steps;
    for _ in 0..100 {
        player.send(&piece);
    }
    assert!(player.is_closed());
    assert!(player.steps - before < 10);
}
