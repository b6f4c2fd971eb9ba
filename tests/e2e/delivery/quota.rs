use restante_tests::{Appliance, Setup, collect, deliver, pop3, smtp};

/// A full mailbox refuses at RCPT and for now; what has its 250 is delivered, also beyond the quota.
#[test]
fn a_full_mailbox_is_refused_at_rcpt_until_there_is_room() {
    let mut setup = Setup::of(&["alice", "full"]);
    setup.mailboxes.push_str(
        "quota = \"1 MiB\"\n\n[[alias]]\naddress = \"both@example.test\"\nto = [\"alice\", \"full\"]\n",
    );
    let mut appliance = Appliance::with(setup);
    let message = [b"Subject: quota\r\n\r\n".to_vec(), b"0123456789abcd\r\n".repeat(40_000)].concat();
    let mut client = smtp(appliance.smtp);
    // The second one passes the quota, and was within it when it was asked for.
    for count in 1..=2 {
        assert!(deliver(&mut client, &["full@example.test"], &message).starts_with("250 "));
        collect(appliance.pop3, "full", count);
    }
    let ask = |client: &mut restante_tests::Client, recipient: &str| {
        assert!(client.ask("MAIL FROM:<>").starts_with("250 "));
        let answer = client.ask(&format!("RCPT TO:<{recipient}@example.test>"));
        assert!(client.ask("RSET").starts_with("250 "));
        answer
    };
    for recipient in ["full", "full+detail"] {
        let answer = ask(&mut client, recipient);
        assert!(answer.starts_with("452 4.2.2 "), "{answer}");
    }
    // One of two has room: both get it.
    assert!(deliver(&mut client, &["both@example.test"], &message).starts_with("250 "));
    collect(appliance.pop3, "alice", 1);
    collect(appliance.pop3, "full", 3);
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
    assert!(ask(&mut client, "full").starts_with("452 4.2.2 "));
    let mut session = pop3(appliance.pop3, "full");
    for number in 1..=3 {
        assert!(session.command(&format!("DELE {number}")).starts_with("+OK"));
    }
    assert!(ask(&mut client, "full").starts_with("452 4.2.2 "), "nothing is deleted before QUIT");
    session.quit();
    assert!(ask(&mut client, "full").starts_with("250 "));
    assert!(deliver(&mut client, &["full@example.test"], &message).starts_with("250 "));
    let first = collect(appliance.pop3, "full", 1);
    let long = b"0123456789abcd\r\n".repeat(70_000);
    let answer = deliver(&mut client, &["full@example.test"], &long);
    assert!(answer.starts_with("552 5.2.3 "), "it was not declared: {answer}");
    assert_eq!(collect(appliance.pop3, "full", 1)[0].uid, first[0].uid);
}
