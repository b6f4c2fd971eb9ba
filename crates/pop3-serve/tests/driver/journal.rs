//! What the log says of a session, and what it never says.

use std::io;
use std::sync::{Arc, Mutex};

use crate::world::World;
use queue::{Store, Unwanted, contract};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Runs `what` and gives back all that was logged, down to the least.
async fn logged(what: impl Future<Output = ()>) -> String {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    what.await;
    drop(guard);
    let octets = log.0.lock().expect("no panic").clone();
    String::from_utf8(octets).expect("UTF-8")
}

#[tokio::test]
async fn one_line_for_each_session() {
    let log = logged(async {
        let world = World::with_mail(3).await;
        let mut client = world.connect().logged_in().await;
        for command in ["RETR 1", "TOP 2 0", "UIDL"] {
            client.say(command).await;
            client.body().await;
        }
        client.say("DELE 1").await;
        client.say("DELE 2").await;
        client.say("QUIT").await;
        client.rest().await;
    })
    .await;
    let line = log.lines().find(|line| line.contains("POP3 session")).expect("a line");
    for part in [
        "user=\"alice\"",
        "key=\"phone\"",
        "view=\"alice\"",
        "peer=127.0.0.1",
        "tls=-",
        "retr=1/",
        "top=1/",
        "del=2/3",
        "size=",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert!(line.contains("reason=quit"), "{line}");
    assert_eq!(log.matches("POP3").count(), 1, "{log}");
}

#[tokio::test]
async fn the_line_of_several_views_says_what_was_done_in_each() {
    let log = logged(async {
        let world = World::of_a_firm().await;
        world.deliver_to(&["sales"], "team").await;
        world.deliver_to(&["sales", "alice"], "both").await;
        world.deliver_to(&["desk"], "kept").await;
        let mut alice = world.session("Alice").await;
        alice.say("DELE 2").await;
        alice.quit().await;
        for login in ["bob/sales", "desk"] {
            let mut client = world.session(login).await;
            client.say("DELE 1").await;
            client.quit().await;
        }
    })
    .await;
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("POP3 session")).collect();
    let [alice, bob, desk] = lines[..] else { panic!("{log}") };
    for part in ["user=\"Alice\"", "view=\"alice 1/1, sales/alice 1/2\"", "del=1/2"] {
        assert!(alice.contains(part), "{part} in {alice}");
    }
    assert!(bob.contains("user=\"bob/sales\"") && bob.contains("view=\"sales/bob\""), "{bob}");
    assert!(bob.contains("del=1/2"), "{bob}");
    assert!(desk.contains("view=\"desk\"") && desk.contains("del=0/1"), "what stays is not deleted: {desk}");
}

/// It has not joined: the store shows nothing by that view.
#[tokio::test]
async fn a_maildrop_that_cannot_be_opened_has_the_name_of_its_login() {
    let log = logged(async {
        let world = World::of_a_firm().await;
        let (sales, bob) = (contract::name("sales"), contract::view("bob"));
        world.store.leave(&sales, &bob, Unwanted::Stays).await.expect("left");
        let mut client = world.connect();
        client.line().await;
        client.say("USER Bob/sales").await;
        assert!(client.say("PASS secret").await.starts_with("-ERR [SYS/TEMP]"));
        client.quit().await;
    })
    .await;
    let line = log.lines().find(|line| line.contains("a maildrop cannot be opened")).expect("a line");
    assert!(line.contains("ERROR") && line.contains("user=\"Bob/sales\""), "{line}");
}

/// A password that was typed as the name, or given by a client that has its fields crossed.
#[tokio::test(start_paused = true)]
async fn a_name_that_nobody_has_is_not_printed() {
    let log = logged(async {
        let world = World::with_mail(0).await;
        for name in ["canary-one", "Canary-One", "canary-two", "canary@example.test", "(unknown)"] {
            let mut client = world.connect();
            client.line().await;
            client.say(&format!("USER {name}")).await;
            assert!(client.say("PASS wrong").await.starts_with("-ERR [AUTH]"));
        }
        let mut client = world.connect();
        client.line().await;
        // base64 of \0canary-sasl\0wrong, and of canary-sasl and wrong
        client.say("AUTH PLAIN AGNhbmFyeS1zYXNsAHdyb25n").await;
        client.say("AUTH LOGIN Y2FuYXJ5LXNhc2w=").await;
        client.say("d3Jvbmc=").await;
        assert_eq!(client.say("QUIT").await, "+OK bye");
        for name in ["ALICE", "alice@EXAMPLE.test", "alice+canary-view", "alice/canary-team"] {
            let mut client = world.connect();
            client.line().await;
            client.say(&format!("USER {name}")).await;
            client.say("PASS wrong").await;
        }
    })
    .await;
    assert!(!log.to_lowercase().contains("canary") && !log.contains("Y2FuYXJ5"), "{log}");
    let users: Vec<_> =
        log.lines().filter_map(|line| line.split("user=").nth(1)?.split('"').nth(1)).collect();
    let [one, again, two, address, odd, plain, login, alice, at, view, team] = users[..] else {
        panic!("{log}")
    };
    assert!(one.starts_with("(unknown ") && odd.starts_with("(unknown "), "{log}");
    assert_eq!((one, plain), (again, login), "{log}");
    assert!(one != two && two != address && address != plain, "{log}");
    assert_eq!((alice, at), ("ALICE", "alice@EXAMPLE.test"));
    assert!(view.starts_with("alice+(unknown ") && team.starts_with("alice/(unknown "), "{log}");
}

#[tokio::test(start_paused = true)]
async fn no_password_no_body_and_nothing_that_a_terminal_obeys() {
    let log = logged(async {
        let world = World::with_mail(0).await;
        world.deliver(b"Subject: canary-subject\r\n\r\ncanary-body\r\n").await;
        let mut client = world.connect();
        client.line().await;
        client.say("PASS canary-pass-without-user").await;
        client.say("USER alice").await;
        client.say("PASS canary-wrong").await;
        client.say("USER \u{202e}evil\u{301}").await;
        client.say("PASS canary-nobody").await;
        // base64 of \0alice\0canary and of canary-sasl
        client.say("AUTH PLAIN AGFsaWNlAGNhbmFyeQ==").await;
        client.rest().await;
        let mut client = world.connect();
        client.line().await;
        client.say("AUTH LOGIN YWxpY2U=").await;
        client.say("Y2FuYXJ5LXNhc2w=").await;
        client.say("canary unknown \x1b[2J").await;
        client.say(&format!("PASS {}", "canary".repeat(60))).await;
        client.rest().await;
        let mut client = world.connect().logged_in().await;
        client.say("RETR 1").await;
        client.body().await;
        client.say("USER canary").await;
        client.say("PASS canary").await;
        drop(client);
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    })
    .await;
    assert!(log.contains("POP3 login refused"), "{log}");
    assert!(!log.contains("canary") && !log.contains("Y2FuYXJ5") && !log.contains("secret"), "{log}");
    assert!(!log.contains('\x1b') && !log.contains('\u{202e}'), "{log}");
}
