//! Tables of MAIL and RCPT arguments, and of the forms by which relays are tricked.

use smtp_receive::{ErrorLimits, Params};

use crate::player::Player;
use crate::world::World;

fn session() -> Player {
    let params = Params { errors: ErrorLimits::unlimited(), mails: u32::MAX, ..Params::default() };
    let mut player = Player::new(&params, World::default());
    player.send(b"EHLO client.example\r\n");
    player
}

/// The code of the reply to one line.
fn code(player: &mut Player, line: &str) -> String {
    player.send(format!("{line}\r\n").as_bytes());
    let last = player.events.iter().rev().find(|event| event.starts_with("S: ")).expect("a reply");
    last[3..].split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// RFC 5321 §4.5.3.1.1, §4.5.3.1.2.
#[test]
fn senders() {
    let mut player = session();
    let long_local = "x".repeat(256);
    let long_domain = format!("{}example", "x.".repeat(130));
    for (path, wanted) in [
        ("<a@b.example>", "250 2.1.0"),
        ("<>", "250 2.1.0"),
        ("<> SIZE=10", "250 2.1.0"),
        ("<a.b+c=d/e!f#$%&'*-?^_`{|}~@b.example>", "250 2.1.0"),
        ("<a@sub.domain.b.example>", "250 2.1.0"),
        ("<a@[192.0.2.1]>", "250 2.1.0"),
        ("<a@[IPv6:2001:db8::1]>", "250 2.1.0"),
        ("<\"a b\"@c.example>", "250 2.1.0"),
        ("<\"a b\"@c.example> SIZE=1", "250 2.1.0"),
        ("<\"a>b\"@c.example> SIZE=1", "250 2.1.0"),
        ("<\"\"@c.example>", "250 2.1.0"),
        ("<\"a@b\"@c.example>", "250 2.1.0"),
        ("<a@localhost>", "250 2.1.0"),
        ("<@one.example:a@b.example>", "250 2.1.0"),
        ("<a@xn--bcher-kva.example>", "250 2.1.0"),
        ("a@b.example", "501 5.1.7"),
        ("\"a b\"@c.example", "501 5.1.7"),
        ("<a b@c.example>", "501 5.1.7"),
        ("<a\\b@c.example>", "501 5.1.7"),
        ("<a@exa$mple.test>", "501 5.1.7"),
        ("<'a@b.example", "501 5.1.7"),
        ("a@b.example>", "501 5.1.7"),
        ("a@b.example> SIZE=1", "501 5.1.7"),
        ("\"a\"@b.example> SIZE=1", "501 5.1.7"),
        ("<a>", "501 5.1.7"),
        ("<@b.example>", "501 5.1.7"),
        ("<a@>", "501 5.1.7"),
        ("<a@[300.0.0.1]>", "501 5.1.7"),
        ("<a@[IPv6:192.0.2.1]>", "501 5.1.7"),
        ("<;cmd;>", "501 5.1.7"),
        ("<a@b.example>>", "501 5.5.4"),
        ("<a@b.example> =", "555 5.5.4"),
        ("<a@b.example> X-UNKNOWN=1", "555 5.5.4"),
        (&format!("<{long_local}@b.example>"), "501 5.1.7"),
        (&format!("<a@{long_domain}>"), "501 5.1.7"),
    ] {
        assert_eq!(code(&mut player, &format!("MAIL FROM:{path}")), wanted, "{path}");
        assert_eq!(code(&mut player, "RSET"), "250 2.0.0");
    }
}

/// Untrue names are borne, and so are most misspelt ones (RFC 5321 §4.1.4).
#[test]
fn names_of_clients() {
    let mut player = session();
    for (name, wanted) in [
        ("client.example", "250 LIMITS"),
        ("localhost", "250 LIMITS"),
        ("WORK_STATION", "250 LIMITS"),
        ("[192.0.2.1]", "250 LIMITS"),
        ("[IPv6:2001:db8::1]", "250 LIMITS"),
        ("kopierer/3.og", "250 LIMITS"),
        ("bücher.example", "250 LIMITS"),
        ("[192.0.2.1", "501 5.5.4"),
        ("192.0.2.1]", "501 5.5.4"),
        ("[]", "501 5.5.4"),
        ("[", "501 5.5.4"),
        ("(x)", "501 5.5.4"),
        ("<x>", "501 5.5.4"),
        ("a;b", "501 5.5.4"),
        ("a b", "501 5.5.4"),
        ("", "501 5.5.4"),
        (&"x".repeat(255), "250 LIMITS"),
        (&"x".repeat(256), "501 5.5.4"),
    ] {
        assert_eq!(code(&mut player, &format!("EHLO {name}")), wanted, "{name}");
    }
}

/// What there must be room for before the octets come (RFC 1870 §6, RFC 3030 §2).
#[test]
fn what_is_expected_of_a_message() {
    for (size, begin, wanted) in [
        ("", "DATA", None),
        (" SIZE=7", "DATA", Some(7)),
        ("", "BDAT 9", Some(9)),
        (" SIZE=7", "BDAT 9", Some(9)),
        (" SIZE=70", "BDAT 9", Some(70)),
        ("", "BDAT 9 LAST", Some(9)),
        (" SIZE=70", "BDAT 9 LAST", Some(9)),
    ] {
        let mut player = session();
        for line in [&format!("MAIL FROM:<>{size}"), "RCPT TO:<alice@example.test>", begin] {
            player.send(format!("{line}\r\n").as_bytes());
        }
        assert_eq!(player.expected, Some(wanted), "{size} {begin}");
    }
}

#[test]
fn recipients() {
    let mut player = session();
    assert_eq!(code(&mut player, "MAIL FROM:<>"), "250 2.1.0");
    for (path, wanted) in [
        ("<alice@example.test>", "250 2.1.5"),
        ("<ALICE@EXAMPLE.TEST>", "250 2.1.5"),
        ("<\"alice\"@example.test>", "250 2.1.5"),
        ("<\"al\\ice\"@example.test>", "250 2.1.5"),
        ("<Postmaster>", "250 2.1.5"),
        ("<postmaster@example.test>", "250 2.1.5"),
        ("<postmaster@[192.0.2.25]>", "250 2.1.5"),
        ("<@one.example,@two.example:alice@example.test>", "250 2.1.5"),
        ("<\"a b\"@example.test>", "550 5.1.1"),
        ("<o'brien@example.test>", "550 5.1.1"),
        ("<../../alice@example.test>", "501 5.1.3"),
        ("<x/../alice@example.test>", "501 5.1.3"),
        ("<\"../../alice\"@example.test>", "550 5.1.1"),
        ("<a/b@example.test>", "550 5.1.1"),
        ("<>", "501 5.1.3"),
        ("alice@example.test", "501 5.1.3"),
        ("\"alice\"@example.test", "501 5.1.3"),
        ("<\"alice@example.test>", "501 5.1.3"),
        ("<al ice@example.test>", "501 5.1.3"),
        ("<al\\ice@example.test>", "501 5.1.3"),
        ("<alice@exa$mple.test>", "501 5.1.3"),
        ("<alice@-example.test>", "501 5.1.3"),
        ("<alice@example.-test>", "501 5.1.3"),
        ("<alice@example.test->", "501 5.1.3"),
        ("<alice@.example.test>", "501 5.1.3"),
        ("<alice@example.test.>", "501 5.1.3"),
        ("<alice@example..test>", "501 5.1.3"),
        ("<alice@@example.test>", "501 5.1.3"),
        ("<alice@example.test> NOTIFY=NEVER", "555 5.5.4"),
        ("<alice@example.test> ORCPT=rfc822;a", "555 5.5.4"),
        ("<alice@example.test>x", "501 5.5.4"),
    ] {
        assert_eq!(code(&mut player, &format!("RCPT TO:{path}")), wanted, "{path}");
    }
}

/// What is no text in any place of an argument is refused, and nothing falls over.
/// RFC 5321 §4.1.2.
#[test]
fn every_octet_in_every_argument() {
    let mut player = session();
    for octet in 0..=255u8 {
        for line in [
            "EHLO a?b",
            "MAIL FROM:<a?b@c.example>",
            "MAIL FROM:<a@c?d.example>",
            "MAIL FROM:<> SIZE=?",
            "VRFY ?",
        ] {
            let mut octets = line.replace('?', "\u{1}").into_bytes();
            octets.iter_mut().filter(|o| **o == 1).for_each(|o| *o = octet);
            octets.extend_from_slice(b"\r\n");
            let before = player.events.len();
            player.send(&octets);
            // A bare LF makes the server wait for the true end of the line, which is there.
            assert!(player.events.len() > before, "{}", octets.escape_ascii());
            let trimmed = octet == b'\t' && line.ends_with('?');
            if !(b' '..0x7f).contains(&octet) && !trimmed {
                assert!(player.events[before].starts_with("S: 500 5.5.2"), "{}", octets.escape_ascii());
            }
            player.send(b"RSET\r\n");
        }
    }
    assert!(!player.is_closed());
}
