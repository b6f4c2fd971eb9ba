//! Every dialog line by line, whole, cut in two at every octet, and octet by octet.

use crate::player::Player;
use crate::script::{Act, Script, all};
use crate::world::World;

/// Segments longer than this are cut at their ends and here and there only.
const EVERY_CUT: usize = 2_500;

fn matches(pattern: &str, event: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(head) => event.starts_with(head),
        None => event == pattern,
    }
}

fn line_by_line(script: &Script) -> Player {
    let mut player = Player::new(&script.params, World::new(&script.world));
    let mut seen = 0;
    player.send(b"");
    for act in &script.acts {
        match act {
            Act::Send(octets) => player.send(octets),
            Act::Wait(time) => player.wait(*time),
            Act::Stop => player.stop(),
            Act::Expect(pattern) => {
                while player.events.get(seen).is_some_and(|event| event == "-") {
                    seen += 1;
                }
                let event = player.events.get(seen).map_or("nothing", String::as_str).to_owned();
                assert!(matches(pattern, &event), "{}: wanted {pattern}, got {event}", script.name);
                seen += 1;
                if event == "T:" {
                    player.secured();
                }
            }
        }
    }
    let rest: Vec<&String> = player.events[seen..].iter().filter(|event| *event != "-").collect();
    assert!(rest.is_empty(), "{}: and then {rest:?}", script.name);
    assert_eq!(player.stored, script.stored, "{}", script.name);
    player
}

/// The octets between two acts that no packet can carry.
enum Part {
    Octets(Vec<u8>),
    Wait(std::time::Duration),
    Stop,
    Tls,
}

fn parts(script: &Script) -> Vec<Part> {
    let mut parts = vec![Part::Octets(vec![])];
    for act in &script.acts {
        match (act, parts.last_mut()) {
            (Act::Send(octets), Some(Part::Octets(whole))) => whole.extend_from_slice(octets),
            (Act::Send(octets), _) => parts.push(Part::Octets(octets.clone())),
            (Act::Wait(time), _) => parts.push(Part::Wait(*time)),
            (Act::Stop, _) => parts.push(Part::Stop),
            (Act::Expect(text), _) if text == "T:" => parts.push(Part::Tls),
            (Act::Expect(_), _) => {}
        }
    }
    parts
}

/// Plays the parts, each of them cut into pieces by `cut`.
fn play(script: &Script, parts: &[Part], cut: impl Fn(usize, &[u8]) -> Vec<usize>) -> Player {
    let mut player = Player::new(&script.params, World::new(&script.world));
    for (place, part) in parts.iter().enumerate() {
        match part {
            Part::Wait(time) => player.wait(*time),
            Part::Stop => player.stop(),
            Part::Tls => player.secured(),
            Part::Octets(octets) => {
                let mut from = 0;
                for at in cut(place, octets) {
                    player.send(&octets[from..at]);
                    from = at;
                }
                player.send(&octets[from..]);
            }
        }
    }
    player
}

fn assert_same(script: &Script, one: &Player, other: &Player, how: &str) {
    assert_eq!(one.events, other.events, "{} {how}", script.name);
    assert_eq!(one.stored, other.stored, "{} {how}", script.name);
}

/// RFC 5321 §4.5.3.1.5.
#[test]
fn every_dialog_goes_as_written_however_it_is_cut() {
    let scripts = all();
    assert!(scripts.len() >= 40, "the dialogs are there");
    for script in &scripts {
        let wanted = line_by_line(script);
        let parts = parts(script);
        assert_same(script, &wanted, &play(script, &parts, |_, _| vec![]), "whole");
        let bytewise = play(script, &parts, |_, octets| (1..octets.len()).collect());
        assert_same(script, &wanted, &bytewise, "octet by octet");
        for (place, part) in parts.iter().enumerate() {
            let Part::Octets(octets) = part else { continue };
            let near_an_end = |at: usize| at < 200 || octets.len() - at < 200 || at.is_multiple_of(97);
            for at in (1..octets.len()).filter(|at| octets.len() < EVERY_CUT || near_an_end(*at)) {
                let got = play(script, &parts, |part, _| if part == place { vec![at] } else { vec![] });
                assert_same(script, &wanted, &got, &format!("cut at {at} of part {place}"));
            }
        }
    }
}

/// The first digit of each reply is the class of its code, which has three numbers and a space behind them; only the
/// greeting, the answers to EHLO and HELO, and 354 have none.
/// RFC 2034 §3, §4.
#[test]
fn every_reply_has_a_code_of_its_class() {
    let (mut with, mut without) = (0, 0);
    for script in &all() {
        let mut lines_go_on = false;
        for act in &script.acts {
            let Act::Expect(text) = act else { continue };
            let Some(reply) = text.strip_prefix("S: ") else { continue };
            // One reply has several lines, that to EHLO and LHLO.
            let of_several = lines_go_on || reply.as_bytes()[3] == b'-';
            lines_go_on = reply.as_bytes()[3] == b'-';
            let named = reply.starts_with("220 mx.") || reply.starts_with("250 mx.");
            if of_several || named || reply.starts_with("354 ") {
                without += 1;
                continue;
            }
            let (code, behind) =
                reply[4..].split_once(' ').unwrap_or_else(|| panic!("{} {reply}", script.name));
            let numbers: Vec<&str> = code.split('.').collect();
            let number = |text: &&str| {
                (1..=3).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit())
            };
            assert!(numbers.len() == 3 && numbers.iter().all(number), "{} {reply}", script.name);
            assert_eq!(numbers[0], &reply[..1], "{} {reply}", script.name);
            assert!(matches!(numbers[0], "2" | "4" | "5") && !behind.is_empty(), "{} {reply}", script.name);
            with += 1;
        }
    }
    assert!(with > 500 && without > 100, "{with} with a code, {without} without");
}

/// Every reply code of the session stands in some dialog.
/// RFC 2034 §4; RFC 5321 §4.2, §4.2.3, §4.3.1, §4.3.2.
#[test]
fn every_reply_code_has_a_dialog() {
    let scripts = all();
    let acts = scripts.iter().flat_map(|script| &script.acts);
    let said: Vec<&str> = acts
        .filter_map(|act| if let Act::Expect(text) = act { text.strip_prefix("S: ") } else { None })
        .collect();
    for code in [
        "220 mx",
        "220 2.0.0",
        "221 2.0.0",
        "214 2.0.0",
        "250 mx",
        "250-mx",
        "250 2.0.0",
        "250 2.1.0",
        "250 2.1.5",
        "252 2.0.0",
        "354 ",
        "421 4.3.2",
        "421 4.4.2",
        "421 4.7.0",
        "451 4.3.0",
        "451 4.7.1",
        "452 4.2.2",
        "452 4.3.1",
        "452 4.5.3",
        "500 5.5.1",
        "500 5.5.2",
        "501 5.1.3",
        "501 5.1.7",
        "501 5.5.4",
        "502 5.5.1",
        "503 5.5.1",
        "550 5.1.1",
        "550 5.6.11",
        "550 5.7.1",
        "552 5.3.4",
        "553 5.6.7",
        "554 5.4.6",
        "554 5.5.1",
        "554 5.6.0",
        "555 5.5.4",
    ] {
        assert!(said.iter().any(|text| text.starts_with(code)), "{code}");
    }
}
