//! The driver over a pipe, with the directory and the engine in memory.

use std::sync::atomic::Ordering;
use std::time::Duration;

use net::{Handler, Refused};
use queue::{Store, StoreError};
use smtp_receive::{Dialect, ErrorLimits, Params};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep};

use crate::script::{Act, Script, all};
use crate::server::{Rules, Server};

/// The dialogs again, through a connection, the real directory and a store.
#[tokio::test(start_paused = true)]
async fn every_dialog_goes_as_written_through_the_driver() {
    for script in all() {
        // TLS has a test of its own: here there is no certificate.
        if !script.acts.iter().any(|act| matches!(act, Act::Expect(text) if text == "T:")) {
            play(&script).await;
        }
    }
}

async fn play(script: &Script) {
    let rules = Rules(script.world.iter().filter(|world| world.starts_with("rule-")).cloned().collect());
    let server = Server::new(script.params.clone(), rules, None);
    for world in &script.world {
        match world.as_str() {
            "no-room-at-mail" => server.store.door.shut_from.store(1, Ordering::SeqCst),
            "no-room-at-data" => server.store.door.shut_from.store(2, Ordering::SeqCst),
            "store-fails" => server.store.inner.fail_at(1, StoreError::ReadOnly("a sync failed".into())),
            _ => {}
        }
    }
    let mut client = server.connect(false);
    let mut wanted_pause = None;
    for act in &script.acts {
        match act {
            Act::Send(octets) => client.send(octets).await,
            Act::Wait(time) => sleep(*time).await,
            Act::Stop => {
                // What was sent has come.
                sleep(Duration::from_millis(1)).await;
                server.stop.cancel();
            }
            Act::Expect(text) if text == "X:" => assert_eq!(client.line().await, None, "{}", script.name),
            Act::Expect(text) if text.starts_with("P:") => wanted_pause = Some(Instant::now()),
            Act::Expect(text) => {
                let line = client.line().await.map(|line| format!("S: {line}"));
                let wanted = text.strip_suffix('*').unwrap_or(text);
                let got = line.as_deref().unwrap_or("nothing");
                assert!(
                    got == wanted || (wanted.len() < text.len() && got.starts_with(wanted)),
                    "{}: {text}: {got}",
                    script.name
                );
                if let Some(since) = wanted_pause.take() {
                    assert!(
                        since.elapsed() >= Duration::from_millis(990),
                        "{}: {text} came at once",
                        script.name
                    );
                }
            }
        }
    }
    drop(client.stream);
    client.task.await.expect("no panic");
    assert_eq!(server.gate.connected(), 0);
    assert_eq!(server.store.door.open.load(Ordering::SeqCst), 0, "{}: nothing is left behind", script.name);
    // A recipient who refused by LMTP is no recipient any more.
    // Nor is one whose mailbox the message has outgrown.
    let without = |line: &String| line.replace(",<bob@example.test>=bob lmtp", " lmtp");
    let refused = script.world.iter().any(|world| world == "rule-refuses-second");
    let wanted: Vec<String> =
        script.stored.iter().map(|line| if refused { without(line) } else { line.clone() }).collect();
    let lmtp = script.params.dialect == Dialect::Lmtp;
    let fitting = |line: String| if lmtp { line.replace("<small@example.test>=small,", "") } else { line };
    let wanted: Vec<String> = wanted.into_iter().map(fitting).collect();
    assert_eq!(server.stored().await, wanted, "{}", script.name);
}

/// RFC 2920 §3.2.
#[tokio::test]
async fn pipelined_commands_are_answered_in_one_write() {
    let server = Server::new(Params::default(), Rules::default(), None);
    let mut client = server.connect(false);
    client.reply().await;
    client.expect(&[("EHLO client.example", "250 ")]).await;
    let talk = format!("MAIL FROM:<a@b.example>\r\n{}DATA\r\n", "RCPT TO:<bob@example.test>\r\n".repeat(90));
    let writes = client.writes.load(Ordering::SeqCst);
    client.send(talk.as_bytes()).await;
    let mut got = vec![0; 1 << 16];
    let octets = client.stream.read(&mut got).await.expect("replies");
    let replies = String::from_utf8_lossy(&got[..octets]).into_owned();
    assert_eq!(replies.lines().count(), 92);
    assert_eq!(client.writes.load(Ordering::SeqCst), writes + 1);
    assert!(replies.ends_with("354 end with a dot on a line of its own\r\n"));
}

/// RFC 2920 §3.1, §3.2: the end of a message is the first of its group.
#[tokio::test]
async fn what_stands_behind_the_final_dot_is_answered_with_it() {
    let server = Server::new(Params::default(), Rules::default(), None);
    let mut client = server.connect(false);
    client.open().await;
    client.expect(&[("DATA", "354")]).await;
    for (behind, answers) in [
        (
            "MAIL FROM:<a@b.example>\r\nRCPT TO:<bob@example.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n",
            &["250 2.0.0 queued as ", "250 2.1.0 ", "250 2.1.5 ", "250 2.1.5 ", "354 "][..],
        ),
        ("QUIT\r\n", &["250 2.0.0 queued as ", "221 2.0.0 "][..]),
    ] {
        let writes = client.writes.load(Ordering::SeqCst);
        client.send(format!("Subject: x\r\n\r\ntext\r\n.\r\n{behind}").as_bytes()).await;
        let mut got = vec![0; 1 << 16];
        let octets = client.stream.read(&mut got).await.expect("replies");
        let replies = String::from_utf8_lossy(&got[..octets]).into_owned();
        let lines: Vec<&str> = replies.lines().collect();
        assert_eq!(
            (lines.len(), client.writes.load(Ordering::SeqCst)),
            (answers.len(), writes + 1),
            "{replies}"
        );
        assert!(lines.iter().zip(answers).all(|(line, answer)| line.starts_with(answer)), "{replies}");
    }
}

/// RFC 5321 §6.1.
#[tokio::test(start_paused = true)]
async fn a_promise_waits_for_no_other_message() {
    let server = Server::new(Params::default(), Rules::default(), None);
    let mut client = server.connect(false);
    client.open().await;
    let first = "BDAT 3 LAST\r\nx\r\n";
    let second = "MAIL FROM:<a@b.example>\r\nRCPT TO:<bob@example.test>\r\nBDAT 6 LAST\r\nhold\r\n";
    client.send(format!("{first}{second}").as_bytes()).await;
    assert_eq!(client.reply().await, "250 2.0.0 queued as 0000000000000001");
}

/// RFC 1870 §6.4; RFC 5321 §4.5.1.
#[tokio::test]
async fn a_full_mailbox_puts_off_and_postmaster_never() {
    let server = Server::new(Params::default(), Rules::default(), None);
    let mut client = server.connect(false);
    client.reply().await;
    client
        .expect(&[
            ("EHLO client.example", "250 "),
            ("MAIL FROM:<a@b.example>", "250 "),
            ("RCPT TO:<full@example.test>", "452 4.2.2"),
            ("RCPT TO:<both@example.test>", "250 2.1.5"),
            ("RCPT TO:<alice@example.test>", "250 2.1.5"),
            ("RSET", "250 "),
            ("MAIL FROM:<a@b.example> SIZE=1048577", "250 "),
            ("RCPT TO:<alice@example.test>", "552 5.2.3"),
            ("RCPT TO:<small@example.test>", "552 5.2.3"),
            ("RCPT TO:<team@example.test>", "250 2.1.5"),
            ("RCPT TO:<Postmaster>", "250 2.1.5"),
            ("RCPT TO:<abuse@all.test>", "250 2.1.5"),
        ])
        .await;
}

/// What one transaction may bring counts for the others until it ends, in whatever way; what has its 250 counts
/// from then on, before anybody delivers it.
/// RFC 1870 §6.4.
#[tokio::test]
async fn who_is_under_way_counts_for_the_others() {
    let server = Server::new(Params::default(), Rules::default(), None);
    let [mut one, mut other] = [server.connect(false), server.connect(false)];
    for client in [&mut one, &mut other] {
        client.reply().await;
        client.expect(&[("EHLO client.example", "250 ")]).await;
    }
    const MAIL: (&str, &str) = ("MAIL FROM:<a@b.example> SIZE=600000", "250 ");
    const FITS: (&str, &str) = ("RCPT TO:<alice@example.test>", "250 2.1.5");
    const FULL: (&str, &str) = ("RCPT TO:<alice@example.test>", "452 4.2.2");
    for end in ["RSET", "EHLO client.example"] {
        one.expect(&[MAIL, FITS]).await;
        other.expect(&[MAIL, FULL, ("RSET", "250 ")]).await;
        one.expect(&[(end, "250 ")]).await;
        other.expect(&[MAIL, FITS, ("RSET", "250 ")]).await;
    }
    one.expect(&[MAIL, FITS, ("DATA", "354 "), ("bare\nline feed\r\n.", "550 ")]).await;
    other.expect(&[MAIL, FITS, ("RSET", "250 ")]).await;
    one.expect(&[MAIL, FITS, ("DATA", "354 ")]).await;
    other.expect(&[MAIL, FULL, ("RSET", "250 ")]).await;
    one.expect(&[("\r\nshort\r\n.", "250 ")]).await;
    other.expect(&[MAIL, FITS, ("RSET", "250 ")]).await;
    one.expect(&[MAIL, FITS]).await;
    drop(one.stream);
    one.task.await.expect("no panic");
    other.expect(&[MAIL, FITS, ("DATA", "354 ")]).await;
    let body = format!("{}.", format!("{}\r\n", "x".repeat(998)).repeat(700));
    other.expect(&[(&body, "250 "), MAIL, FULL]).await;
    // Delivered to somebody else, it is nothing to her any more.
    assert!(!server.stored().await.is_empty());
    other.expect(&[FITS]).await;
}

/// The forms by which a relay is tricked, on a domain that takes everything.
/// RFC 5321 §7.9.
#[tokio::test]
async fn nothing_is_relayed() {
    let server =
        Server::new(Params { errors: ErrorLimits::unlimited(), ..Params::default() }, Rules::default(), None);
    let mut client = server.connect(false);
    client.reply().await;
    client.expect(&[("EHLO client.example", "250 "), ("MAIL FROM:<postmaster@example.test>", "250 ")]).await;
    for (path, wanted) in [
        ("<u@there.example>", "550 5.7.1"),
        ("<u%there.example@all.test>", "550 5.7.1"),
        ("<u%there.example@example.test>", "550 5.7.1"),
        ("<u%there.example%other.example@all.test>", "550 5.7.1"),
        ("<\"u%there.example\"@all.test>", "550 5.7.1"),
        ("<\"u@there.example\"@all.test>", "550 5.7.1"),
        ("<\"u@there.example\"@example.test>", "550 5.7.1"),
        ("<there.example!u@all.test>", "550 5.7.1"),
        ("<\"there.example!u\"@all.test>", "550 5.7.1"),
        ("<all.test!there.example!u@all.test>", "550 5.7.1"),
        ("<@all.test:u@there.example>", "550 5.7.1"),
        ("<@example.test,@all.test:u@there.example>", "550 5.7.1"),
        ("<@[192.0.2.25]:u@there.example>", "550 5.7.1"),
        ("<u@[192.0.2.9]>", "550 5.7.1"),
        ("<u@[IPv6:2001:db8::9]>", "550 5.7.1"),
        ("<u%there.example@[192.0.2.25]>", "550 5."),
        ("<u@[192.0.2.25]>", "550 5."),
        ("<postmaster@there.example>", "550 5.7.1"),
        ("<u@sub.all.test>", "550 5.7.1"),
        ("<u@xall.test>", "550 5.7.1"),
        ("<u@all.test.there.example>", "550 5.7.1"),
        ("<u@localhost>", "550 5."),
        ("<u@127.0.0.1>", "550 5.7.1"),
        ("<u@there.example@all.test>", "501 5.1.3"),
        ("<u@all.test@there.example>", "501 5.1.3"),
        ("<u@there.example>@all.test>", "501 5.5.4"),
        ("<u>", "501 5.1.3"),
        ("<there.example!u>", "501 5.1.3"),
        ("<@all.test>", "501 5.1.3"),
        ("u@there.example", "501 5.1.3"),
        ("<u@there.example", "501 5.1.3"),
        ("<\"u@there.example\">", "501 5.1.3"),
        ("<u:there.example@all.test>", "501 5.1.3"),
        ("<u@there.example\\@all.test>", "501 5.1.3"),
        ("<u@all.test\\0.there.example>", "501 5.1.3"),
        ("<anybody@all.test>", "250 2.1.5"),
    ] {
        client.expect(&[(&format!("RCPT TO:{path}"), wanted)]).await;
    }
}

#[tokio::test]
async fn a_store_that_fails_in_the_middle_is_told_at_the_end() {
    let server = Server::new(Params::default(), Rules::default(), None);
    let mut client = server.connect(false);
    client.open().await;
    server.store.door.writes_fail.store(true, Ordering::SeqCst);
    client.expect(&[("DATA", "354"), ("one\r\ntwo\r\n.", "451 4.3.0")]).await;
    server.store.door.writes_fail.store(false, Ordering::SeqCst);
    client.envelope().await;
    client.expect(&[("DATA", "354"), ("one\r\n.", "250 2.0.0 queued as")]).await;
    // Delivered to somebody else, it is nothing to her any more.
    assert!(!server.stored().await.is_empty());
}

/// RFC 5321 §4.1.1.5, §4.1.1.10.
#[tokio::test]
async fn who_goes_away_leaves_nothing() {
    let server = Server::new(Params::default(), Rules::default(), None);
    let mut client = server.connect(false);
    client.open().await;
    client.expect(&[("DATA", "354")]).await;
    client.send(b"half a message\r\n").await;
    drop(client.stream);
    client.task.await.expect("no panic");
    assert_eq!(server.store.door.open.load(Ordering::SeqCst), 0);
    assert!(server.stored().await.is_empty());
}

#[tokio::test]
async fn whom_we_trust_is_put_right() {
    let server = Server::new(Params::default(), Rules::default(), None);
    let mut client = server.connect(true);
    client.open().await;
    client.expect(&[("DATA", "354"), ("one\ntwo\n\r\n.", "250 2.0.0")]).await;
    assert_eq!(server.stored().await[1..], ["D: one", "D: two", "D:"]);
}

#[tokio::test]
async fn in_a_flood_one_error_is_enough() {
    let server = Server::new(Params::default(), Rules::default(), None);
    let others: Vec<_> = (0..7).map(|_| server.connect(false)).collect();
    let mut client = server.connect(false);
    client.reply().await;
    assert!(client.say("RCPT").await.starts_with("421 4.7.0"));
    drop(others);
}

/// One session after the other: the thirty-fifth unknown recipient of a day ends it, and the source is banned.
#[tokio::test(start_paused = true)]
async fn a_search_for_addresses_ends_with_a_ban() {
    let server = Server::new(Params::default(), Rules::default(), None);
    let address = Some([192, 0, 2, 1].into());
    let mut guesses = 0;
    'sessions: loop {
        let mut client = server.connect(false);
        client.open().await;
        loop {
            guesses += 1;
            let reply = client.say(&format!("RCPT TO:<guess{guesses}@example.test>")).await;
            if reply.starts_with("421 4.7.0") {
                match server.gate.enter(address, Instant::now()) {
                    Ok(_) => continue 'sessions,
                    Err(refused) => break 'sessions assert_eq!(refused, Refused::Banned),
                }
            }
            assert!(reply.starts_with("550 5.1.1"), "{reply}");
        }
    }
    assert_eq!(guesses, 35);
    assert_eq!(
        server.smtp().refusal(Refused::Banned),
        b"421 4.7.0 too many unknown recipients, try again later\r\n"
    );
    sleep(Duration::from_secs(3600)).await;
    server.gate.enter(address, Instant::now()).expect("an hour later");
}

/// Who delivers mail too is slowed, from the first unknown recipient of a session on.
#[tokio::test(start_paused = true)]
async fn who_delivers_is_slowed_and_not_banned() {
    let server = Server::new(Params::default(), Rules::default(), None);
    let mut client = server.connect(false);
    client.open().await;
    client.expect(&[("DATA", "354"), ("x\r\n.", "250 ")]).await;
    for session in 0..10 {
        let mut client = server.connect(false);
        client.open().await;
        for guess in 1..=5 {
            let since = Instant::now();
            client.expect(&[("RCPT TO:<guess@example.test>", "550 5.1.1")]).await;
            let slow = guess > 3 || session >= 7;
            assert_eq!(since.elapsed() >= Duration::from_secs(1), slow, "{guess} of session {session}");
        }
        client.expect(&[("DATA", "354"), ("x\r\n.", "250 ")]).await;
    }
}

/// Sessions that were open before have to hurry too, for as long as it lasts, and who is ours never.
#[tokio::test(start_paused = true)]
async fn a_flood_shortens_the_patience_with_those_who_are_there() {
    let server = Server::new(Params::default(), Rules::default(), None);
    let (mut ours, mut idle, mut sending) =
        (server.connect(true), server.connect(false), server.connect(false));
    ours.reply().await;
    idle.reply().await;
    sending.open().await;
    sending.expect(&[("BDAT 5\r\nabc", "250 ")]).await;
    sleep(Duration::from_secs(100)).await;

    let mut others: Vec<_> = (0..5).map(|_| server.connect(false)).collect();
    sleep(Duration::from_secs(9)).await;
    others.truncate(1);
    while server.gate.connected() > 4 {
        sleep(Duration::from_millis(1)).await;
    }
    sleep(Duration::from_secs(60)).await;
    idle.expect(&[("NOOP", "250 ")]).await;
    sending.expect(&[("BDAT 5\r\ndef", "250 ")]).await;

    others.extend((0..4).map(|_| server.connect(false)));
    let since = Instant::now();
    assert!(idle.reply().await.starts_with("421 4.4.2"));
    assert!(sending.reply().await.starts_with("421 4.4.2"));
    assert!((9..=10).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
    ours.expect(&[("NOOP", "250 "), ("RCPT", "503 ")]).await;
    drop(others);
}

#[tokio::test]
async fn the_policy_may_hide_what_it_saw() {
    let server = Server::new(Params::default(), Rules::default(), None);
    let mut client = server.connect(false);
    client.open().await;
    client.expect(&[("DATA", "354"), ("X-a: b\r\n\r\n.", "250 ")]).await;
    let queued = server.store.queued(None, 1).await.expect("queued");
    assert_eq!(queued[0].envelope.cuts, [mail::Cut { at: 0, octets: 2 }]);
}

/// A byte every ten seconds, in a command and in a message: neither holds a slot for ever.
#[tokio::test(start_paused = true)]
async fn a_trickle_is_cut_off() {
    for (data, most) in [(false, 310), (true, 70)] {
        let server = Server::new(Params::default(), Rules::default(), None);
        let mut client = server.connect(false);
        client.open().await;
        if data {
            client.expect(&[("DATA", "354")]).await;
        }
        let since = Instant::now();
        while !client.task.is_finished() {
            client.send(b"x").await;
            sleep(Duration::from_secs(10)).await;
        }
        assert!(since.elapsed() <= Duration::from_secs(most));
        assert!(client.reply().await.starts_with("421 4.4.2"));
    }
}

/// A peer that reads nothing loses its slot.
#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_left() {
    let server = Server::new(Params::default(), Rules::default(), None);
    let mut client = server.connect(true);
    let talk = "HELP\r\n".repeat(40_000);
    client.send(talk.as_bytes()).await;
    let since = Instant::now();
    while !client.task.is_finished() {
        sleep(Duration::from_secs(1)).await;
    }
    assert!(since.elapsed() <= Duration::from_secs(700));
}

/// A stop in the middle of anything: what was acknowledged is there, and nothing else.
/// RFC 5321 §3.8.
#[tokio::test(start_paused = true)]
async fn a_stop_loses_nothing_acknowledged() {
    for at in 0..60u64 {
        let server = Server::new(Params::default(), Rules::default(), None);
        let mut client = server.connect(false);
        let stop = server.stop.clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(at)).await;
            stop.cancel();
        });
        let talk = ["EHLO c", "MAIL FROM:<a@b.example>", "RCPT TO:<bob@example.test>", "DATA", "x", "y\r\n."];
        let (mut acknowledged, mut told) = (0, false);
        for line in ["", ""].iter().flat_map(|_| talk) {
            sleep(Duration::from_millis(5)).await;
            client.send(format!("{line}\r\n").as_bytes()).await;
            if line == "x" {
                continue;
            }
            let reply = client.reply().await;
            let reply = if reply.starts_with("220 ") { client.reply().await } else { reply };
            acknowledged += usize::from(reply.starts_with("250 2.0.0 queued"));
            told = reply.starts_with("421 4.3.2");
            if told {
                break;
            }
        }
        assert!(told || at >= 50, "stop at {at} ms");
        drop(client.stream);
        client.task.await.expect("no panic");
        assert_eq!(
            server.store.queued(None, 10).await.expect("queued").len(),
            acknowledged,
            "stop at {at} ms"
        );
    }
}
