use restante_tests::{Appliance, Collected, Listed, collect, deliver, pop3, smtp};

use crate::APPLIANCE;

fn message(number: usize) -> Vec<u8> {
    let mut text = format!("Subject: {number}\r\nX-Number: {number}\r\n\r\n");
    for line in 0..number {
        text.push_str(&format!("{}line {line}\r\n", if line % 2 == 0 { "." } else { "" }));
    }
    text.into_bytes()
}

#[test]
fn sizes_are_what_a_client_holds_also_while_it_deletes() {
    let appliance = APPLIANCE.get();
    let mut client = smtp(appliance.smtp);
    for number in 1..=6 {
        assert!(deliver(&mut client, &["sizes@example.test"], &message(number)).starts_with("250 "));
    }
    let all = collect(appliance.pop3, "sizes", 6);
    let mut session = pop3(appliance.pop3, "sizes");
    assert_eq!(session.command("LIST 3"), format!("+OK 3 {}", all[2].size));
    assert_eq!(session.command("UIDL 3"), format!("+OK 3 {}", all[2].uid));
    assert!(session.command("DELE 3").starts_with("+OK"));
    let left = |numbers: &[usize]| {
        let octets: usize = numbers.iter().map(|number| all[number - 1].size).sum();
        format!("+OK {} {octets}", numbers.len())
    };
    assert_eq!(session.command("STAT"), left(&[1, 2, 4, 5, 6]));
    let listed: Vec<usize> = session.listing("LIST").iter().map(|line| line.number).collect();
    assert_eq!(listed, [1, 2, 4, 5, 6]);
    for gone in ["LIST 3", "UIDL 3", "RETR 3", "TOP 3 1", "DELE 3", "LIST 7", "LIST 0", "RETR 4294967297"] {
        assert!(session.command(gone).starts_with("-ERR"), "{gone}");
    }
    assert!(session.command("RSET").starts_with("+OK"));
    assert_eq!(session.command("STAT"), left(&[1, 2, 3, 4, 5, 6]));
    for number in [1, 6] {
        assert!(session.command(&format!("DELE {number}")).starts_with("+OK"));
    }
    // Another session sees none of it, and goes on seeing all of it after the QUIT.
    let mut other = pop3(appliance.pop3, "sizes");
    session.quit();
    assert_eq!(other.command("STAT"), left(&[1, 2, 3, 4, 5, 6]));
    assert_eq!(other.retrieve(1), all[0].octets);
    assert!(other.command("DELE 1").starts_with("+OK"));
    other.quit();
    let kept: Vec<String> = collect(appliance.pop3, "sizes", 4).into_iter().map(|one| one.uid).collect();
    assert_eq!(kept, all[1..5].iter().map(|one| one.uid.clone()).collect::<Vec<_>>());
    // A connection that is gone without QUIT deletes nothing.
    let mut dropped = pop3(appliance.pop3, "sizes");
    assert!(dropped.command("DELE 1").starts_with("+OK"));
    drop(dropped);
    collect(appliance.pop3, "sizes", 4);
}

#[test]
fn top_gives_the_header_and_so_many_lines() {
    let appliance = APPLIANCE.get();
    let mut client = smtp(appliance.smtp);
    let body = b"Subject: top\r\n\r\n.one\r\n\r\n..three\r\n.\r\nfive\r\n";
    assert!(deliver(&mut client, &["top@example.test"], body).starts_with("250 "));
    let collected = collect(appliance.pop3, "top", 1);
    let whole = &collected[0].octets;
    let header = whole.windows(4).position(|four| four == b"\r\n\r\n").expect("an empty line") + 4;
    let lines: Vec<&[u8]> = whole[header..].split_inclusive(|octet| *octet == b'\n').collect();
    assert_eq!(lines.len(), 5);
    let mut session = pop3(appliance.pop3, "top");
    for count in 0..=7 {
        let expected = [&whole[..header], &lines[..count.min(5)].concat()].concat();
        assert_eq!(session.multiline(&format!("TOP 1 {count}")), expected, "{count}");
    }
    assert_eq!(session.multiline("TOP 1 99999999"), *whole);
    for wrong in ["TOP 1", "TOP 1 -1", "TOP 2 0", "TOP 1 x", "TOP"] {
        assert!(session.command(wrong).starts_with("-ERR"), "{wrong}");
    }
    session.quit();
}

#[test]
fn unique_ids_outlive_every_kind_of_end_and_are_never_given_again() {
    let mut appliance = Appliance::start();
    let mut client = smtp(appliance.smtp);
    for number in 1..=5 {
        assert!(deliver(&mut client, &["alice@example.test"], &message(number)).starts_with("250 "));
    }
    drop(client);
    let uids = |collected: &[Collected]| collected.iter().map(|one| one.uid.clone()).collect::<Vec<_>>();
    let first = collect(appliance.pop3, "alice", 5);
    appliance.restart();
    let second = collect(appliance.pop3, "alice", 5);
    assert_eq!(uids(&first), uids(&second));
    assert!(first.iter().zip(&second).all(|(one, other)| one.octets == other.octets));
    assert!(appliance.stop().success());
    appliance.restart();
    let mut session = pop3(appliance.pop3, "alice");
    for number in [2, 5] {
        assert!(session.command(&format!("DELE {number}")).starts_with("+OK"));
    }
    session.quit();
    appliance.restart();
    let left = collect(appliance.pop3, "alice", 3);
    let kept = [0, 2, 3].map(|at| first[at].uid.clone());
    assert_eq!(uids(&left), kept);
    let mut client = smtp(appliance.smtp);
    assert!(deliver(&mut client, &["alice@example.test"], &message(9)).starts_with("250 "));
    drop(client);
    let now = collect(appliance.pop3, "alice", 4);
    assert_eq!(uids(&now)[..3], kept);
    assert!(!uids(&first).contains(&now[3].uid), "a unique id was given twice");
    let listed: Vec<Listed> = pop3(appliance.pop3, "alice").listing("UIDL");
    assert!(
        listed.iter().all(|line| line.value.len() <= 70 && line.value.bytes().all(|o| o.is_ascii_graphic()))
    );
}
