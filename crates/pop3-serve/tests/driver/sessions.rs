//! Sessions beside each other, sessions that break, and clients that
//! mean no good.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::world::{Client, World};
use pop3_serve::Access;
use queue::{Maildrop, Store, StoreError, contract};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::time::Instant;

#[tokio::test]
async fn what_is_stored_is_what_is_collected() {
    let world = World::with_mail(3).await;
    world.deliver(&[b"A: b\r\n\r\n".as_slice(), &b"..\r\n.x\r\n\r\n".repeat(100_000)].concat()).await;
    let maildrop = world.store.open(&contract::name("alice"), &contract::view("")).await.expect("opened");
    let mut client = world.connect().logged_in().await;
    assert_eq!(client.say("STAT").await, format!("+OK 4 {}", maildrop.octets()));
    for index in 0..4 {
        let stored = contract::read(&maildrop, index).await;
        let number = index + 1;
        assert_eq!(client.say(&format!("RETR {number}")).await, format!("+OK {} octets", stored.len()));
        assert_eq!(client.body().await, stored);
        assert_eq!(client.say(&format!("TOP {number} 99999999")).await, "+OK top follows");
        assert_eq!(client.body().await, stored);
        assert_eq!(client.say(&format!("TOP {number} 0")).await, "+OK top follows");
        assert!(client.body().await.ends_with(b"\r\n\r\n"));
        assert_eq!(client.say(&format!("LIST {number}")).await, format!("+OK {number} {}", stored.len()));
    }
    // Past the first window that TOP reads, in a message of 900,000 octets.
    assert_eq!(client.say("TOP 4 9000").await, "+OK top follows");
    let lines = client.body().await.split(|octet| *octet == b'\n').count() - 1;
    assert_eq!(lines, 9000 + 3, "two header fields and the empty line");
    assert_eq!(client.say("TOP 4 999").await, "+OK top follows");
    let lines = client.body().await.split(|octet| *octet == b'\n').count() - 1;
    assert_eq!(lines, 999 + 3);
    assert_eq!(client.say("QUIT").await, "+OK bye");
    assert_eq!(client.rest().await, "");
    assert_eq!(world.left().await, 4);
}

/// RFC 1939 §4.
#[tokio::test]
async fn two_sessions_do_not_disturb_each_other() {
    let world = World::with_mail(4).await;
    let maildrop = world.store.open(&contract::name("alice"), &contract::view("")).await.expect("opened");
    let first = contract::read(&maildrop, 0).await;
    let mut one = world.connect().logged_in().await;
    let mut two = world.connect().logged_in().await;
    assert_eq!(one.say("DELE 1").await, "+OK message 1 deleted");
    assert_eq!(two.say("DELE 4").await, "+OK message 4 deleted");
    assert_eq!(one.say("QUIT").await, "+OK bye");
    assert_eq!(one.rest().await, "");
    assert_eq!(world.left().await, 3);
    world.deliver(b"A: new\r\n\r\n").await;
    assert!(two.say("RETR 1").await.starts_with("+OK"));
    assert_eq!(two.body().await, first, "what it lists stays readable");
    assert!(two.say("STAT").await.starts_with("+OK 3 "), "and nothing new comes in");
    assert_eq!(two.say("DELE 1").await, "+OK message 1 deleted");
    assert_eq!(two.say("QUIT").await, "+OK bye");
    assert_eq!(two.rest().await, "");
    assert_eq!(world.left().await, 3, "2, 3, and the new one");
}

#[tokio::test]
async fn a_login_has_twenty_sessions_and_they_all_work() {
    let world = World::with_mail(20).await;
    let mut sessions = Vec::new();
    for _ in 0..20 {
        sessions.push(world.connect().logged_in().await);
    }
    let mut late = world.connect();
    late.line().await;
    late.say("USER alice").await;
    assert_eq!(late.say("PASS secret").await, "-ERR [IN-USE] too many sessions of this login");
    for (index, session) in sessions.iter_mut().enumerate() {
        let reply = session.say(&format!("DELE {}", index + 1)).await;
        assert!(reply.starts_with("+OK"), "{reply}");
    }
    for mut session in sessions {
        for number in [1, 20] {
            if session.say(&format!("RETR {number}")).await.starts_with("+OK") {
                let body = String::from_utf8(session.body().await).expect("UTF-8");
                assert!(body.ends_with(&format!("body {number}\r\n")));
            }
        }
        assert_eq!(session.say("QUIT").await, "+OK bye");
        assert_eq!(session.rest().await, "");
    }
    assert_eq!(world.left().await, 0);
    late.say("USER alice").await;
    assert_eq!(late.say("PASS secret").await, "+OK 0 messages (0 octets)");
}

/// RFC 1939 §6.
#[tokio::test(start_paused = true)]
async fn a_session_that_does_not_end_deletes_nothing() {
    let world = World::with_mail(3).await;
    // The connection breaks.
    let mut client = world.connect().logged_in().await;
    client.say("DELE 1").await;
    drop(client.io);
    client.served.await.expect("no panic");
    // It breaks in the middle of QUIT.
    let mut client = world.connect().logged_in().await;
    client.say("DELE 1").await;
    client.send(b"QUIT\r").await;
    drop(client.io);
    client.served.await.expect("no panic");
    // It is silent for ten minutes.
    let mut client = world.connect().logged_in().await;
    client.say("DELE 1").await;
    let started = Instant::now();
    assert_eq!(client.rest().await, "");
    assert_eq!(started.elapsed(), Duration::from_secs(600));
    // We are shutting down.
    let mut client = world.connect().logged_in().await;
    client.say("DELE 1").await;
    let started = Instant::now();
    world.stop.cancel();
    assert_eq!(client.rest().await, "");
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_eq!(world.left().await, 3);
}

#[tokio::test]
async fn a_shutdown_lets_the_response_in_flight_end() {
    let world = World::with_mail(0).await;
    let sent = b"A: b\r\n".repeat(200_000);
    world.deliver(&sent).await;
    let mut client = world.connect_from("127.0.0.1", 4 << 10).logged_in().await;
    client.send(b"RETR 1\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n").await;
    assert!(client.line().await.starts_with("+OK "));
    world.stop.cancel();
    assert!(client.body().await.ends_with(&sent));
    assert_eq!(client.rest().await, "");
    assert_eq!(world.left().await, 1);
}

/// RFC 1939 §6.
#[tokio::test]
async fn a_failed_deletion_is_told() {
    let world = World::with_mail(2).await;
    let mut client = world.connect().logged_in().await;
    client.say("DELE 1").await;
    world.store.fail_at(1, StoreError::ReadOnly("test".into()));
    assert_eq!(client.say("QUIT").await, "-ERR [SYS/TEMP] nothing deleted");
    assert_eq!(client.rest().await, "");
    assert_eq!(world.left().await, 2);
    // Nothing is claimed of what nobody knows.
    let mut client = world.connect().logged_in().await;
    client.say("DELE 1").await;
    world.store.fail_at(1, StoreError::Unsure("test".into()));
    assert_eq!(client.say("QUIT").await, "-ERR [SYS/TEMP] deletion not confirmed, it may still take effect");
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_poll_changes_nothing_in_the_store() {
    let world = World::with_mail(2).await;
    // Whatever would be written would fail.
    world.store.fail_at(1, StoreError::Unavailable);
    let mut client = world.connect().logged_in().await;
    client.say("UIDL").await;
    client.body().await;
    client.say("RETR 1").await;
    client.body().await;
    assert_eq!(client.say("QUIT").await, "+OK bye");
}

/// RFC 2449 §6.6.
#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_left_behind() {
    let world = World::with_mail(1).await;
    world.deliver(&b"A: b\r\n".repeat(2_000_000)).await;
    let mut client = world.connect_from("127.0.0.1", 1 << 10).logged_in().await;
    client.say("DELE 1").await;
    client.send(b"RETR 2\r\n").await;
    let started = Instant::now();
    client.served.await.expect("no panic");
    assert_eq!(started.elapsed(), Duration::from_secs(60));
    assert_eq!(world.left().await, 2);
}

/// RFC 2449 §6.6.
#[tokio::test(start_paused = true)]
async fn who_reads_slowly_gets_it_all() {
    let world = World::with_mail(0).await;
    let sent = b"A: b\r\n".repeat(100_000);
    world.deliver(&sent).await;
    let mut client = world.connect_from("127.0.0.1", 8 << 10).logged_in().await;
    assert!(client.say("RETR 1").await.starts_with("+OK"));
    let mut lines = 0;
    while client.line().await != "." {
        lines += 1;
        if lines % 1000 == 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    assert_eq!(lines, 100_000 + 1);
    assert_eq!(client.say("QUIT").await, "+OK bye");
}

#[tokio::test(start_paused = true)]
async fn nobody_stays_without_logging_in() {
    let world = World::with_mail(0).await;
    let started = Instant::now();
    let mut client = world.connect();
    client.line().await;
    client.say("USER alice").await;
    assert_eq!(client.rest().await, "");
    assert_eq!(started.elapsed(), Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn strangers_have_less_time_when_connections_are_scarce() {
    let world = World::with_mail(0).await;
    let mut readers = Vec::new();
    for _ in 0..20 {
        readers.push(world.connect().logged_in().await);
    }
    let mut strangers: Vec<_> = (0..25).map(|_| world.connect()).collect();
    let (started, mut last) = (Instant::now(), strangers.pop().expect("some"));
    assert_eq!(last.line().await, "+OK mx.example.test POP3 ready");
    assert_eq!(last.rest().await, "");
    assert_eq!(started.elapsed(), Duration::from_secs(10));
    for reader in &mut readers {
        assert_eq!(reader.say("STAT").await, "+OK 0 0");
    }
}

#[tokio::test(start_paused = true)]
async fn strangers_who_are_there_already_must_hurry_too_and_nobody_else() {
    let world = World::with_mail(0).await;
    let mut reader = world.connect().logged_in().await;
    let mut waiting = world.connect();
    assert_eq!(waiting.line().await, "+OK mx.example.test POP3 ready");
    tokio::time::sleep(Duration::from_secs(20)).await;
    let slot = || world.gate.enter(None, Instant::now()).expect("a slot");
    let mut others: Vec<_> = (0..38).map(|_| slot()).collect();
    let started = Instant::now();
    assert_eq!(waiting.rest().await, "");
    assert_eq!(started.elapsed(), Duration::from_secs(10));
    // RFC 1939 §3.
    tokio::time::sleep(Duration::from_secs(560)).await;
    assert_eq!(reader.say("STAT").await, "+OK 0 0");
    others.truncate(20);
    let (started, mut patient) = (Instant::now(), world.connect());
    patient.line().await;
    assert_eq!(patient.rest().await, "");
    assert_eq!(started.elapsed(), Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn wrong_passwords_are_slow_and_few() {
    let world = World::with_mail(1).await;
    let started = Instant::now();
    let mut client = world.connect();
    client.line().await;
    for (user, password) in [("nobody", "secret"), ("alice", "Secret"), ("alice", "")] {
        client.say(&format!("USER {user}")).await;
        let reply = client.say(&format!("PASS {password} ")).await;
        assert_eq!(reply, "-ERR [AUTH] Authentication failed");
    }
    assert_eq!(started.elapsed(), Duration::from_secs(2 + 4 + 8));
    assert_eq!(client.rest().await, "");
}

#[tokio::test(start_paused = true)]
async fn guesses_in_parallel_do_not_outrun_the_budget() {
    let world = World::with_mail(0).await;
    let mut guesses = Vec::new();
    for guess in 0..40 {
        let mut client = world.connect_from("::1", 1 << 16);
        guesses.push(tokio::spawn(async move {
            client.line().await;
            client.say("USER alice").await;
            client.say(&format!("PASS guess-{guess}")).await
        }));
    }
    let mut looked_at = 0;
    for guess in guesses {
        match guess.await.expect("no panic").as_str() {
            "-ERR [AUTH] Authentication failed" => looked_at += 1,
            other => assert_eq!(other, "-ERR [SYS/TEMP] too many failed logins, try again later"),
        }
    }
    assert_eq!(looked_at, 10);
    let elsewhere = world.connect().logged_in().await;
    drop(elsewhere);
}

#[tokio::test(start_paused = true)]
async fn who_was_there_before_is_not_kept_out_by_guesses() {
    let world = World::with_mail(0).await;
    drop(world.connect().logged_in().await);
    for guess in 0..12 {
        let mut client = world.connect();
        client.line().await;
        client.say("USER bob").await;
        assert!(client.say(&format!("PASS {guess}")).await.starts_with("-ERR"));
    }
    drop(world.connect().logged_in().await);
    let mut client = world.connect_from("::1", 1 << 16);
    client.line().await;
    client.say("USER alice").await;
    assert!(client.say("PASS secret").await.starts_with("+OK"), "another source has its own budget");
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_phone_locks_nobody_out() {
    let world = World::with_mail(0).await;
    for _ in 0..30 {
        let mut client = world.connect();
        client.line().await;
        client.say("USER alice").await;
        assert_eq!(client.say("PASS old").await, "-ERR [AUTH] Authentication failed");
    }
    drop(world.connect().logged_in().await);
}

/// Counts how often it is written to.
struct Counted(DuplexStream, Arc<AtomicUsize>);

impl net::Io for Counted {}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn a_pipelined_batch_costs_few_writes() {
    let world = World::with_mail(1000).await;
    let (ours, theirs) = duplex(1 << 20);
    let writes = Arc::new(AtomicUsize::new(0));
    let served = world.serve(Counted(ours, writes.clone()), "127.0.0.1", false);
    let mut client = Client::new(theirs, served).logged_in().await;
    let before = writes.load(Ordering::Relaxed);
    let batch: String = (1..=1000).map(|number| format!("RETR {number}\r\n")).collect();
    client.send(format!("{batch}QUIT\r\n").as_bytes()).await;
    for number in 1..=1000 {
        assert!(client.line().await.starts_with("+OK"));
        let body = String::from_utf8(client.body().await).expect("UTF-8");
        assert!(body.ends_with(&format!("body {number}\r\n")), "{body}");
    }
    assert_eq!(client.line().await, "+OK bye");
    assert_eq!(client.rest().await, "");
    let writes = writes.load(Ordering::Relaxed) - before;
    assert!(writes <= 12, "{writes} writes");
}

/// RFC 2595 §2.3.
#[tokio::test]
async fn no_password_in_the_clear_from_the_network() {
    let world = World::with_mail(1).await;
    let mut client = world.connect_from("192.0.2.7", 1 << 16);
    client.line().await;
    assert_eq!(client.say("USER alice").await, "-ERR STLS first: no passwords in the clear");
    assert_eq!(client.say("PASS secret").await, "-ERR STLS first: no passwords in the clear");
    assert_eq!(client.say("STLS").await, "-ERR no TLS to begin");
    let closed = World::new(Access { plain_on_loopback: false, ..Access::default() }, None);
    let mut client = closed.connect();
    client.line().await;
    assert_eq!(client.say("USER alice").await, "-ERR STLS first: no passwords in the clear");
}
