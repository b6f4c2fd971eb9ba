use restante_tests::{Appliance, Setup, below, collect, deliver, hidden, pop3, smtp};

use crate::APPLIANCE;

const MESSAGE: &[u8] = b"Subject: copies\r\n\r\nbody\r\n";

/// A mailbox gets one copy however many recipients lead there; each of them is named, in RCPT order, and
/// nobody else is.
#[test]
fn one_copy_per_mailbox_names_each_recipient_that_led_there() {
    let appliance = restante_tests::Appliance::with({
        let mut setup = restante_tests::Setup::of(&["bob", "alice"]);
        setup.mailboxes.push_str(
            "addresses = [\"a.smith\"]\n\n[[alias]]\naddress = \"team@example.test\"\nto = [\"alice\", \"bob\"]\n\n\
             [[alias]]\naddress = \"twice@example.test\"\nto = [\"alice\"]\nduplicate = true\n",
        );
        setup
    });
    let mut client = smtp(appliance.smtp);
    let to = ["a.smith", "bob+secret", "team", "ALICE"].map(|local| format!("{local}@example.test"));
    let answer = deliver(&mut client, &to.each_ref().map(String::as_str), MESSAGE);
    assert!(answer.starts_with("250 "), "{answer}");
    let copies = collect(appliance.pop3, "alice", 1);
    let (prelude, rest) = below(&copies[0].octets);
    assert_eq!(rest, MESSAGE);
    assert_eq!(prelude.return_path, "<sender@client.example>");
    assert_eq!(prelude.delivered_to, "alice@example.test");
    assert_eq!(prelude.original_to, [&*to[0], &to[2], &to[3]]);
    assert!(!prelude.received.contains("for <"), "{}", prelude.received);
    assert!(
        prelude.received.starts_with("from client.example ([127.0.0.1]) by mx.example.test with ESMTP id ")
    );
    let copies = collect(appliance.pop3, "bob", 1);
    let (prelude, rest) = below(&copies[0].octets);
    assert_eq!(rest, MESSAGE);
    assert_eq!(prelude.delivered_to, "bob@example.test");
    assert_eq!(prelude.original_to, [&*to[1], &to[2]]);
    assert!(!String::from_utf8_lossy(&copies[0].octets).contains("smith"), "a blind copy shows");

    // One recipient is named everywhere; an alias that wants it has a copy for each that leads there.
    let answer = deliver(&mut client, &["twice@example.test", "alice@example.test"], MESSAGE);
    assert!(answer.starts_with("250 "), "{answer}");
    let answer = deliver(&mut client, &["a.smith@example.test"], MESSAGE);
    let id = answer.strip_prefix("250 2.0.0 queued as ").expect("queued");
    let copies = collect(appliance.pop3, "alice", 4);
    let mut led: Vec<Vec<String>> =
        copies[1..3].iter().map(|copy| below(&copy.octets).0.original_to).collect();
    led.sort();
    assert_eq!(led, [["alice@example.test"], ["twice@example.test"]]);
    let (prelude, _) = below(&copies[3].octets);
    assert!(
        prelude.received.contains(&format!(" id {id} for <a.smith@example.test>;")),
        "{}",
        prelude.received
    );
}

#[test]
fn fields_that_only_we_may_write_are_not_served() {
    let appliance = APPLIANCE.get();
    let mut client = smtp(appliance.smtp);
    let forged = b"Return-Path: <forged@evil.example>\r\n\
        Received: from evil.example by other.example; Mon, 1 Jan 2024 00:00:00 +0000\r\n\
        delivered-to: forged@example.test\r\n\tand folded\r\n\
        X-Original-To: forged@example.test\r\n\
        Authentication-Results: mx.example.test;\r\n dkim=pass header.d=forged.example\r\n\
        Authentication-Results: other.example; spf=fail\r\n\
        X-Restante-Verdict: forged\r\n\
        Subject: forged\r\n\
        \r\n\
        Delivered-To: this is the body\r\n";
    let answer = deliver(&mut client, &["forger@example.test"], forged);
    assert!(answer.starts_with("250 "), "{answer}");
    let collected = collect(appliance.pop3, "forger", 1);
    let (prelude, rest) = below(&collected[0].octets);
    let expected = "Received: from evil.example by other.example; Mon, 1 Jan 2024 00:00:00 +0000\r\n\
        Authentication-Results: other.example; spf=fail\r\n\
        Subject: forged\r\n\
        \r\n\
        Delivered-To: this is the body\r\n";
    assert_eq!(String::from_utf8_lossy(rest), expected);
    assert_eq!(rest, hidden(forged));
    assert_eq!(prelude.return_path, "<sender@client.example>");
    let mut session = pop3(appliance.pop3, "forger");
    let top = session.multiline("TOP 1 0");
    assert_eq!(collected[0].octets.strip_prefix(&*top), Some(&b"Delivered-To: this is the body\r\n"[..]));
    session.quit();
}

/// An alias of many members and a message of many recipients multiply: what does not fit one delivery is put
/// off at RCPT, and what got its 250 is delivered, with what comes behind it.
#[test]
fn a_message_with_more_copies_than_one_step_delivers_is_put_off_in_part() {
    let members: Vec<String> = (0..250).map(|n| format!("m{n}")).collect();
    let names: Vec<&str> = members.iter().map(String::as_str).chain(["alice"]).collect();
    let mut setup = Setup::of(&names);
    let quoted: Vec<String> = members.iter().map(|name| format!("\"{name}\"")).collect();
    setup.mailboxes.push_str(&format!(
        "\n[[alias]]\naddress = \"staff@example.test\"\nto = [{}]\nduplicate = true\n",
        quoted.join(", ")
    ));
    let appliance = Appliance::with(setup);
    let mut client = smtp(appliance.smtp);
    assert!(client.ask("MAIL FROM:<>").starts_with("250 "));
    let mut taken = 0;
    for n in 0..100 {
        let answer = client.ask(&format!("RCPT TO:<staff+{}{n}@example.test>", "x".repeat(40)));
        if answer.starts_with("250 ") {
            taken += 1;
        } else {
            assert!(answer.starts_with("452 4.5.3 "), "{answer}");
        }
    }
    assert!((1..100).contains(&taken), "{taken}");
    assert!(client.ask("DATA").starts_with("354 "));
    assert!(client.ask("Subject: all\r\n\r\nhands\r\n.").starts_with("250 "));
    assert!(
        deliver(&mut client, &["alice@example.test"], b"Subject: one\r\n\r\nhand\r\n").starts_with("250 ")
    );
    collect(appliance.pop3, "alice", 1);
    collect(appliance.pop3, "m249", taken);
}
