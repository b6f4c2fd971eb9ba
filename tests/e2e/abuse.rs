//! Peers that want too much: endless lines, many big messages at once, readers that do not read, too many
//! connections, octets that are no commands. The others are served meanwhile, and memory stays bounded.

use std::thread;
use std::time::{Duration, Instant};

use restante_tests::{Appliance, Client, Setup, collect, deliver, envelope, pop3, smtp};

/// How long a canary may take while a machine is busy.
const SOON: Duration = Duration::from_secs(if cfg!(debug_assertions) { 6 } else { 2 });

/// What the process may have at most: its index cache and its message memory are part of it.
const MEMORY: u64 = 256 << 20;

/// Somebody else delivers and collects, soon.
fn alive(appliance: &Appliance) {
    let started = Instant::now();
    let mut client = smtp(appliance.smtp);
    assert!(deliver(&mut client, &["bob@example.test"], b"Subject: canary\r\n\r\n").starts_with("250 "));
    collect(appliance.pop3, "bob", 1);
    let mut session = pop3(appliance.pop3, "bob");
    assert!(session.command("DELE 1").starts_with("+OK"));
    session.quit();
    assert!(started.elapsed() < SOON, "the canary took {:?}", started.elapsed());
}

fn sound(appliance: &Appliance) {
    let peak = appliance.peak_memory();
    assert!(peak < MEMORY, "{} MiB", peak >> 20);
    let log = appliance.log();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn a_line_without_an_end_is_nowhere_kept() {
    let appliance = Appliance::start();
    alive(&appliance);
    let before = appliance.peak_memory();
    let endless = vec![b'x'; 1 << 20];
    for mut client in [Client::connect(appliance.smtp), smtp(appliance.smtp)] {
        // Whoever does not stop is left.
        let sent = (0..40).take_while(|_| client.try_send(&endless).is_ok()).count();
        assert!(sent < 40, "nobody ended it");
    }
    // By POP3 it has as long as a login may take, and is nowhere kept.
    let mut client = Client::connect(appliance.pop3);
    assert!(client.line().expect("a greeting").starts_with("+OK"));
    (0..40).for_each(|_| client.send(&endless));
    assert!(client.command("").starts_with("-ERR"));
    alive(&appliance);
    let grown = appliance.peak_memory() - before;
    assert!(grown < 16 << 20, "{} KiB", grown >> 10);
    sound(&appliance);
}

#[test]
fn many_big_messages_at_once_are_taken_or_put_off_within_memory() {
    let appliance = Appliance::start();
    let body = [b"Subject: big\r\n\r\n".to_vec(), b"0123456789abcde\r\n".repeat((30 << 20) / 17)].concat();
    let address = appliance.smtp;
    let senders: Vec<_> = (0..8)
        .map(|_| {
            let body = body.clone();
            thread::spawn(move || deliver(&mut smtp(address), &["alice@example.test"], &body))
        })
        .collect();
    while senders.iter().any(|sender| !sender.is_finished()) {
        alive(&appliance);
    }
    let answers: Vec<String> = senders.into_iter().map(|sender| sender.join().expect("an answer")).collect();
    assert!(
        answers.iter().all(|answer| answer.starts_with("250 ") || answer.starts_with("452 ")),
        "{answers:?}"
    );
    let taken = answers.iter().filter(|answer| answer.starts_with("250 ")).count();
    assert!(taken > 0, "{answers:?}");
    assert_eq!(collect(appliance.pop3, "alice", taken).len(), taken);
    sound(&appliance);
}

#[test]
fn more_mail_in_flight_than_there_is_room_for_is_put_off_at_mail() {
    let tables = "[store]\nmessage-spool = \"40 MiB\"\n".into();
    let appliance = Appliance::with(Setup { tables, ..Setup::default() });
    let body = |mib: usize| {
        [b"Subject: big\r\n\r\n".to_vec(), b"0123456789abcde\r\n".repeat((mib << 20) / 17)].concat()
    };
    let mut first = smtp(appliance.smtp);
    envelope(&mut first, "<sender@client.example>", &["alice@example.test"]);
    assert!(first.ask("DATA").starts_with("354 "));
    first.send(&body(30));

    let mut second = smtp(appliance.smtp);
    let declared = "MAIL FROM:<sender@client.example> SIZE=20000000";
    let since = Instant::now();
    let answer = loop {
        let answer = second.ask(declared);
        if answer.starts_with("452 ") || since.elapsed() > SOON {
            break answer;
        }
        assert!(second.ask("RSET").starts_with("250 "));
        thread::sleep(Duration::from_millis(20));
    };
    assert!(answer.starts_with("452 4.3.1 "), "{answer}");
    // Small mail has room, and who said nothing of his size is told at the end.
    alive(&appliance);
    let answer = deliver(&mut second, &["alice@example.test"], &body(20));
    assert!(answer.starts_with("452 4.3.1 "), "{answer}");

    first.send(b".\r\n");
    assert!(first.reply().starts_with("250 "));
    assert!(second.ask(declared).starts_with("250 "));
    assert!(second.ask("RSET").starts_with("250 "));
    assert!(deliver(&mut second, &["alice@example.test"], &body(20)).starts_with("250 "));
    collect(appliance.pop3, "alice", 2);
    sound(&appliance);
}

#[test]
fn readers_that_do_not_read_hold_nobody_up() {
    let appliance = Appliance::start();
    let body = [b"Subject: big\r\n\r\n".to_vec(), b"0123456789abcde\r\n".repeat((20 << 20) / 17)].concat();
    assert!(deliver(&mut smtp(appliance.smtp), &["alice@example.test"], &body).starts_with("250 "));
    collect(appliance.pop3, "alice", 1);
    let idle: Vec<Client> = (0..40)
        .map(|_| {
            let mut client = pop3(appliance.pop3, "alice");
            client.send(b"RETR 1\r\n");
            client
        })
        .collect();
    thread::sleep(Duration::from_millis(500));
    alive(&appliance);
    sound(&appliance);
    // Each of them still gets all of it.
    for mut client in idle.into_iter().take(3) {
        assert!(client.line().expect("an answer").starts_with("+OK"));
        assert!(client.lines().ends_with(&body[body.len() - 4_096..]));
    }
}

#[test]
fn too_many_connections_are_told_so_and_let_in_again_later() {
    let smtp_limits = "connections-per-address = 3".into();
    let appliance = Appliance::with(Setup { smtp_limits, ..Setup::default() });
    let mut open: Vec<Client> = (0..3).map(|_| smtp(appliance.smtp)).collect();
    let mut refused = Client::connect(appliance.smtp);
    let answer = refused.line().expect("an answer");
    assert!(answer.starts_with("421 4.7.0 "), "{answer}");
    assert_eq!(refused.line(), None);
    assert!(open.remove(0).ask("QUIT").starts_with("221 "));
    let until = Instant::now() + Duration::from_secs(10);
    while !Client::connect(appliance.smtp).line().expect("an answer").starts_with("220 ") {
        assert!(Instant::now() < until, "nobody is let in again");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn when_connections_are_scarce_the_idle_have_ten_seconds() {
    let smtp_limits = "connections = 10".into();
    let appliance = Appliance::with(Setup { smtp_limits, ..Setup::default() });
    let mut idle = smtp(appliance.smtp);
    envelope(&mut idle, "<sender@client.example>", &["alice@example.test"]);
    let mut reader = pop3(appliance.pop3, "alice");
    let mut others: Vec<Client> = (0..7).map(|_| smtp(appliance.smtp)).collect();
    let since = Instant::now();
    let mut sending = others.pop().expect("seven");
    while since.elapsed() < Duration::from_secs(8) {
        assert!(deliver(&mut sending, &["bob@example.test"], b"Subject: on\r\n\r\n").starts_with("250 "));
        thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(idle.line().as_deref(), Some("421 4.4.2 mx.example.test timed out"));
    assert!(since.elapsed() > Duration::from_secs(9), "{:?}", since.elapsed());
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
    assert!(sending.ask("NOOP").starts_with("250 "));
    assert!(reader.command("STAT").starts_with("+OK 0 "));
    sound(&appliance);
}

#[test]
fn a_search_for_addresses_is_banned_and_forgiven_later() {
    let limits = "unknown-recipients-per-day = 12\nban-time = \"3 s\"\ndelay = \"0 s\"".into();
    let mut appliance = Appliance::with(Setup { smtp_limits: limits, ..Setup::default() });
    let guess = |client: &mut Client, numbers: std::ops::Range<u32>| {
        envelope(client, "<>", &[]);
        numbers.map(|number| client.ask(&format!("RCPT TO:<u{number}@example.test>"))).collect::<Vec<_>>()
    };
    // Over two sessions, neither of which asks for more than a session may.
    let unknown = |answers: &[String]| answers.iter().all(|answer| answer.starts_with("550 5.1.1 "));
    assert!(unknown(&guess(&mut smtp(appliance.smtp), 0..6)));
    let mut other = smtp(appliance.smtp);
    let mut last = smtp(appliance.smtp);
    let answers = guess(&mut last, 6..12);
    assert!(unknown(&answers[..5]) && answers[5].starts_with("421 4.7.0 "), "{answers:?}");
    assert_eq!(last.line(), None);
    let mut refused = Client::connect(appliance.smtp);
    assert_eq!(refused.line().as_deref(), Some("421 4.7.0 too many unknown recipients, try again later"));
    appliance.logged(&["INFO", "the peer is banned for a search for addresses", "127.0.0.1"]);
    // Who collects mail is not concerned.
    collect(appliance.pop3, "alice", 0);
    // A session that was open may deliver, and by that the source has behaved.
    assert!(deliver(&mut other, &["alice@example.test"], b"Subject: real\r\n\r\n").starts_with("250 "));
    let mut again = smtp(appliance.smtp);
    assert!(unknown(&guess(&mut again, 12..18)), "it is slowed, no more");
    smtp(appliance.smtp);

    // Without that, a ban is over when its time is.
    appliance.restart();
    guess(&mut smtp(appliance.smtp), 0..6);
    guess(&mut smtp(appliance.smtp), 6..12);
    assert!(Client::connect(appliance.smtp).line().expect("an answer").starts_with("421 4.7.0 "));
    let since = Instant::now();
    while !Client::connect(appliance.smtp).line().expect("an answer").starts_with("220 ") {
        assert!(since.elapsed() < Duration::from_secs(20), "nobody is let in again");
        thread::sleep(Duration::from_millis(50));
    }
    appliance.configure(|setup| setup.machine = "trusted = [\"127.0.0.0/8\"]".into());
    appliance.restart();
    for start in 0..4 {
        assert!(unknown(&guess(&mut smtp(appliance.smtp), start * 6..start * 6 + 6)));
    }
    smtp(appliance.smtp);
}

#[test]
fn octets_that_are_no_commands_get_answers() {
    let appliance = Appliance::start();
    for octet in (0..=255_u8).filter(|octet| *octet != b'\n') {
        let mut client = smtp(appliance.smtp);
        for place in ["EHLO a%b", "MAIL FROM:<a%b@client.example>", "%"] {
            let line = [place.replace('%', "\u{1}").into_bytes(), b"\r\n".to_vec()].concat();
            let line: Vec<u8> = line.into_iter().map(|byte| if byte == 1 { octet } else { byte }).collect();
            client.send(&line);
            let answer = client.reply();
            assert!(answer.starts_with(['2', '5']), "{octet:#x} in {place}: {answer}");
        }
        let mut client = Client::connect(appliance.pop3);
        assert!(client.line().expect("a greeting").starts_with("+OK"));
        client.send(&[b"USER a".as_slice(), &[octet], b"b\r\n"].concat());
        let answer = client.line().expect("an answer");
        assert!(answer.starts_with("+OK") || answer.starts_with("-ERR"), "{octet:#x}: {answer}");
    }
    let mut browser = Client::connect(appliance.smtp);
    assert!(browser.reply().starts_with("220 "));
    browser.send(b"GET / HTTP/1.1\r\nHost: mx.example.test\r\n\r\n");
    assert!(browser.line().expect("an answer").starts_with("421 "));
    assert_eq!(browser.line(), None);
    sound(&appliance);
}

#[test]
fn what_a_hundred_and_one_recipients_or_received_fields_get() {
    let appliance = Appliance::start();
    let mut client = smtp(appliance.smtp);
    let details: Vec<String> = (0..100).map(|number| format!("alice+{number}@example.test")).collect();
    envelope(&mut client, "<>", &details.iter().map(String::as_str).collect::<Vec<_>>());
    let answer = client.ask("RCPT TO:<bob@example.test>");
    assert!(answer.starts_with("452 4.5.3 "), "{answer}");
    assert!(client.ask("RSET").starts_with("250 "));
    let hops = |count: usize| {
        "Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\n".repeat(count) + "\r\nx\r\n"
    };
    assert!(deliver(&mut client, &["alice@example.test"], hops(100).as_bytes()).starts_with("250 "));
    let answer = deliver(&mut client, &["alice@example.test"], hops(101).as_bytes());
    assert!(answer.starts_with("554 5.4.6 "), "{answer}");
    collect(appliance.pop3, "alice", 1);
}
