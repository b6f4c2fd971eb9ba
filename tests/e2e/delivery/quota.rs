use queue::{Incoming, Store, contract};
use queue_sled::{Params, SledStore};
use restante_tests::{Appliance, Client, Setup, collect, deliver, finish, pop3, smtp};

/// Mailboxes alice and full, which has room for 1 MiB, and an alias for both.
fn setup() -> Setup {
    let mut setup = Setup::of(&["alice", "full"]);
    setup.mailboxes.push_str(
        "quota = \"1 MiB\"\n\n[[alias]]\naddress = \"both@example.test\"\nto = [\"alice\", \"full\"]\n",
    );
    setup
}

/// 625 KiB and a little: one fits, and a second one is more than there is room for.
fn message() -> Vec<u8> {
    [b"Subject: quota\r\n\r\n".to_vec(), b"0123456789abcd\r\n".repeat(40_000)].concat()
}

/// What a recipient is answered in a transaction of its own, by a sender who says how long the message is.
fn ask(client: &mut Client, recipient: &str, size: &str) -> String {
    assert!(client.ask(&format!("MAIL FROM:<>{size}")).starts_with("250 "));
    let answer = client.ask(&format!("RCPT TO:<{recipient}@example.test>"));
    assert!(client.ask("RSET").starts_with("250 "));
    answer
}

/// A full mailbox refuses at RCPT and for now; what has its 250 is delivered, also beyond the quota.
#[test]
fn a_full_mailbox_is_refused_at_rcpt_until_there_is_room() {
    let mut appliance = Appliance::with(setup());
    let message = message();
    let mut client = smtp(appliance.smtp);
    // The second one passes the quota, and was within it when it was asked for.
    for count in 1..=2 {
        assert!(deliver(&mut client, &["full@example.test"], &message).starts_with("250 "));
        if count == 1 {
            collect(appliance.pop3, "full", 1);
        }
    }
    appliance.hangup();
    appliance.logged(&["its owner is told"]);
    collect(appliance.pop3, "full", 3);
    for recipient in ["full", "full+detail"] {
        let answer = ask(&mut client, recipient, "");
        assert!(answer.starts_with("452 4.2.2 "), "{answer}");
    }
    // By LMTP each recipient has its own answer.
    let mut lmtp = Client::connect_unix(&appliance.lmtp());
    assert!(lmtp.reply().starts_with("220 ") && lmtp.ask("LHLO client.example").starts_with("250-"));
    assert!(lmtp.ask("MAIL FROM:<a@b.example>").starts_with("250 "));
    for (recipient, wanted) in [("full", "452 4.2.2 "), ("alice", "250 "), ("postmaster", "250 ")] {
        let answer = lmtp.ask(&format!("RCPT TO:<{recipient}@example.test>"));
        assert!(answer.starts_with(wanted), "{recipient}: {answer}");
    }
    drop(lmtp);
    // One of two has room: both get it.
    assert!(deliver(&mut client, &["both@example.test"], &message).starts_with("250 "));
    collect(appliance.pop3, "alice", 1);
    collect(appliance.pop3, "full", 4);
    // What is longer than all of the quota is refused for good: later is no better.
    assert!(client.ask("MAIL FROM:<> SIZE=1048577").starts_with("250 "));
    for (recipient, answer) in [("full", "552 5.2.3 "), ("both", "250 "), ("postmaster", "250 ")] {
        let said = client.ask(&format!("RCPT TO:<{recipient}@example.test>"));
        assert!(said.starts_with(answer), "{recipient}: {said}");
    }
    assert!(client.ask("RSET").starts_with("250 "));
    // It is as full after a start, and has room after a QUIT.
    drop(client);
    appliance.restart();
    let mut client = smtp(appliance.smtp);
    assert!(ask(&mut client, "full", "").starts_with("452 4.2.2 "));
    let mut session = pop3(appliance.pop3, "full");
    for number in 1..=4 {
        assert!(session.command(&format!("DELE {number}")).starts_with("+OK"));
    }
    assert!(ask(&mut client, "full", "").starts_with("452 4.2.2 "), "nothing is deleted before QUIT");
    session.quit();
    assert!(ask(&mut client, "full", "").starts_with("250 "));
    assert!(deliver(&mut client, &["full@example.test"], &message).starts_with("250 "));
    let first = collect(appliance.pop3, "full", 1);
    let long = b"0123456789abcd\r\n".repeat(70_000);
    let answer = deliver(&mut client, &["full@example.test"], &long);
    assert!(answer.starts_with("552 5.2.3 "), "it was not declared: {answer}");
    assert_eq!(collect(appliance.pop3, "full", 1)[0].uid, first[0].uid);
}

/// What is only queued counts like what is there: before the plug is pulled, after it, and until it is
/// delivered.
#[test]
fn what_waits_in_the_queue_counts_also_after_the_plug_was_pulled() {
    let mut appliance = Appliance::with(setup());
    assert!(appliance.stop().success());
    // One that is held waits for whoever holds it.
    let id = offline(&appliance, async |store| {
        let mut incoming = store.incoming(None).expect("admitted");
        incoming.write(&message()).await.expect("taken");
        let id = incoming.commit(contract::envelope(&["full"])).await.expect("committed");
        assert!(store.hold(id, true).await.expect("held"));
        id
    });
    appliance.restart();
    for round in ["before", "after"] {
        let mut client = smtp(appliance.smtp);
        let answer = ask(&mut client, "full", " SIZE=500000");
        assert!(answer.starts_with("452 4.2.2 "), "{round}: {answer}");
        assert!(ask(&mut client, "full", " SIZE=400000").starts_with("250 "), "{round}");
        assert!(ask(&mut client, "both", " SIZE=500000").starts_with("250 "), "{round}: alice has room");
        collect(appliance.pop3, "full", 0);
        if round == "before" {
            appliance.restart();
        }
    }
    assert!(appliance.stop().success());
    offline(&appliance, async |store| assert!(store.hold(id, false).await.expect("let go")));
    appliance.restart();
    collect(appliance.pop3, "full", 1);
    let mut client = smtp(appliance.smtp);
    assert!(ask(&mut client, "full", " SIZE=500000").starts_with("452 4.2.2 "));
    assert!(ask(&mut client, "full", " SIZE=400000").starts_with("250 "));
}

/// Does something to the store of one that has stopped.
fn offline<T>(appliance: &Appliance, work: impl AsyncFnOnce(&SledStore) -> T) -> T {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        let (store, _) =
            SledStore::open(&appliance.state_dir().join("store"), Params::default()).expect("opened");
        let done = work(&store).await;
        store.close().await.expect("closed");
        done
    })
}

/// Many who come at the same moment do not get more room than there is.
#[test]
fn a_burst_of_transactions_gets_the_room_that_there_is() {
    let appliance = Appliance::with(setup());
    let mut clients: Vec<_> = (0..20).map(|_| smtp(appliance.smtp)).collect();
    for client in &mut clients {
        client.send(b"MAIL FROM:<a@b.example> SIZE=200000\r\nRCPT TO:<full@example.test>\r\n");
    }
    let mut answers = Vec::new();
    for client in &mut clients {
        assert!(client.reply().starts_with("250 "));
        answers.push(client.reply());
    }
    let admitted = answers.iter().filter(|answer| answer.starts_with("250 ")).count();
    assert_eq!(admitted, 5, "{answers:?}");
    assert!(answers.iter().all(|answer| answer.starts_with("250 ") || answer.starts_with("452 4.2.2 ")));
    // They go, and their room comes back.
    drop(clients);
    let mut client = smtp(appliance.smtp);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !ask(&mut client, "full", " SIZE=1000000").starts_with("250 ") {
        assert!(std::time::Instant::now() < until, "their room does not come back");
    }
}

/// The owner is told once, in a mail that any program can show, also when the appliance is started again.
#[test]
fn the_owner_is_told_once_that_a_mailbox_is_nearly_full() {
    let mut setup = Setup::of(&["alice"]);
    setup.mailboxes.push_str("quota-messages = 10\n");
    let mut appliance = Appliance::with(setup);
    let mut client = smtp(appliance.smtp);
    for _ in 0..9 {
        assert!(deliver(&mut client, &["alice@example.test"], b"Subject: x\r\n\r\n").starts_with("250 "));
    }
    drop(client);
    appliance.hangup();
    let told = collect(appliance.pop3, "alice", 10);
    let warning = String::from_utf8(told[9].octets.clone()).expect("text").replace("\r\n\t", " ");
    for part in [
        "Return-Path: <>\r\nDelivered-To: alice@example.test\r\nX-Original-To: alice@example.test\r\n",
        "\r\nReceived: from mx.example.test (local) by mx.example.test with local id ",
        "\r\nDate: ",
        "\r\nFrom: Postmaster <postmaster@example.test>\r\n",
        "\r\nTo: <alice@example.test>\r\n",
        "\r\nSubject: Your mailbox is 90 % full\r\n",
        "\r\nMessage-ID: <",
        "\r\nAuto-Submitted: auto-generated\r\n",
        "and 9 of 10 messages",
    ] {
        assert!(warning.contains(part), "{part:?} is missing in\n{warning}");
    }
    let list = finish(&mut appliance.verb(&["mailbox", "list"]), std::time::Duration::from_secs(60)).out;
    let octets: usize = told.iter().map(|message| message.size).sum();
    assert!(list.contains(&format!("\t10\tnone\t{octets}\t10\t")), "{list}");
    // The warning itself took the last place.
    let mut client = smtp(appliance.smtp);
    assert!(ask(&mut client, "alice", "").starts_with("452 4.2.2 "));
    assert!(ask(&mut client, "postmaster", "").starts_with("250 "));
    drop(client);
    appliance.restart();
    appliance.hangup();
    appliance.logged(&["the configuration is in force"]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    collect(appliance.pop3, "alice", 10);
}
