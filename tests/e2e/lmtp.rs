//! Mail from a server of ours by LMTP (RFC 2033): an answer for every recipient, nothing of it held against
//! the peer, and the list by which that server refuses unknown addresses itself.

use std::time::Duration;

use restante_tests::{Appliance, Client, Setup, Shared, below, collect, finish, stuffed};

static APPLIANCE: Shared = Shared::new(|| {
    let mut setup = Setup::of(&["alice", "bob", "carol", "dora"]);
    setup.mailboxes.push_str(
        "\n[[alias]]\naddress = \"team@example.test\"\nto = [\"alice\", \"bob\"]\n\n\
         [[alias]]\naddress = \"press-*@example.test\"\nto = [\"bob\"]\n\n\
         [[refuse]]\naddress = \"closed@example.test\"\ntext = \"this address is closed\"\n\n\
         [[domain]]\nname = \"catch.example\"\ncatch-all = \"dora\"\npostmaster = \"dora\"\n",
    );
    setup
});

fn lmtp(appliance: &Appliance) -> Client {
    let mut client = Client::connect_unix(&appliance.lmtp());
    assert!(client.reply().starts_with("220 mx.example.test"));
    let extensions = client.ask("LHLO upstream.example");
    assert!(
        extensions.contains("250-PIPELINING") && extensions.contains("ENHANCEDSTATUSCODES"),
        "{extensions}"
    );
    client
}

#[test]
fn each_recipient_has_its_answer_and_its_copy() {
    let appliance = APPLIANCE.get();
    let mut client = lmtp(&appliance);
    assert!(client.ask("MAIL FROM:<sender@client.example>").starts_with("250 2.1.0 "));
    for (recipient, answer) in [
        ("alice@example.test", "250 2.1.5 "),
        ("nobody@example.test", "550 5.1.1 "),
        ("bob@example.test", "250 2.1.5 "),
        ("closed@example.test", "550 5.1.1 this address is closed"),
        ("a@elsewhere.example", "550 5.7.1 "),
        ("alice+again@example.test", "250 2.1.5 "),
    ] {
        let said = client.ask(&format!("RCPT TO:<{recipient}>"));
        assert!(said.starts_with(answer), "{recipient}: {said}");
    }
    assert!(client.ask("DATA").starts_with("354 "));
    let message = b"Subject: by lmtp\r\n\r\n.dots\r\n.\r\nend\r\n";
    client.send(&stuffed(message));
    let answers = [client.reply(), client.reply(), client.reply()];
    assert!(answers[0].starts_with("250 2.0.0 queued as "), "{}", answers[0]);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert!(client.ask("NOOP").starts_with("250 "), "one answer too many");
    for (user, led) in
        [("alice", vec!["alice@example.test", "alice+again@example.test"]), ("bob", vec!["bob@example.test"])]
    {
        let collected = collect(appliance.pop3, user, 1);
        let (prelude, rest) = below(&collected[0].octets);
        assert_eq!(rest, message);
        assert_eq!(prelude.original_to, led);
        assert_eq!(prelude.return_path, "<sender@client.example>");
        assert!(prelude.received.contains("by mx.example.test with LMTP id "), "{}", prelude.received);
    }
}

#[test]
fn newlines_of_an_upstream_are_repaired_and_chunks_are_counted() {
    let appliance = APPLIANCE.get();
    let mut client = lmtp(&appliance);
    let send = |client: &mut Client, command: &str| {
        assert!(client.ask("MAIL FROM:<>").starts_with("250 "));
        assert!(client.ask("RCPT TO:<carol@example.test>").starts_with("250 "));
        client.send(command.as_bytes());
    };
    send(&mut client, "DATA\r\n");
    assert!(client.reply().starts_with("354 "));
    client.send(b"Subject: bare\n\nlf\n.\nstill\rcr\n\0nul\r\n.\r\n");
    assert!(client.reply().starts_with("250 2.0.0 "));
    send(&mut client, "BDAT 10\r\nSubject: aBDAT 7 LAST\r\n\r\n\r\nb\r\n");
    assert!(client.reply().starts_with("250 "));
    assert!(client.reply().starts_with("250 2.0.0 queued as "));
    assert!(client.ask("NOOP").starts_with("250 "));
    let collected = collect(appliance.pop3, "carol", 2);
    let text = |at: usize| String::from_utf8(below(&collected[at].octets).1.to_vec()).expect("text");
    assert_eq!(text(0), "Subject: bare\r\n\r\nlf\r\n.\r\nstill\r\ncr\r\nnul\r\n");
    assert_eq!(text(1), "Subject: a\r\n\r\nb\r\n");
}

/// RFC 2033 §4.1, §4.2: HELO is not spoken, and without a recipient DATA is 503.
#[test]
fn it_is_not_smtp() {
    let appliance = APPLIANCE.get();
    let mut client = Client::connect_unix(&appliance.lmtp());
    assert!(client.reply().starts_with("220 "));
    for verb in ["EHLO upstream.example", "HELO upstream.example"] {
        let answer = client.ask(verb);
        assert!(answer.starts_with('5'), "{answer}");
    }
    assert!(client.ask("LHLO upstream.example").starts_with("250-"));
    assert!(client.ask("MAIL FROM:<>").starts_with("250 "));
    assert!(client.ask("RCPT TO:<nobody@example.test>").starts_with("550 "));
    assert!(client.ask("DATA").starts_with("503 "));
    // Nothing is held against a server of ours: the hundredth unknown recipient has its answer at once.
    let started = std::time::Instant::now();
    for number in 0..100 {
        assert!(client.ask(&format!("RCPT TO:<guess{number}@example.test>")).starts_with("550 5.1.1 "));
    }
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert!(client.ask("QUIT").starts_with("221 "));
}

#[test]
fn the_recipients_are_listed_for_an_upstream() {
    let appliance = APPLIANCE.get();
    let list = |format: &str| {
        let mut command = appliance.verb(&["recipients", "--format", format]);
        finish(&mut command, Duration::from_secs(20)).out
    };
    let plain = list("plain");
    for line in [
        "alice@example.test",
        "team@example.test",
        "postmaster@example.test",
        "abuse@catch.example",
        "!closed@example.test",
        "press-*@example.test",
        "*@catch.example",
    ] {
        assert!(plain.lines().any(|listed| listed == line), "{line}:\n{plain}");
    }
    // Whatever is listed is taken by us as well, and what is closed there is closed here.
    let mut client = lmtp(&appliance);
    assert!(client.ask("MAIL FROM:<>").starts_with("250 "));
    for line in plain.lines().filter(|line| !line.starts_with('#')) {
        let address = line.replace('*', "any").replace('?', "x");
        let answer = client.ask(&format!("RCPT TO:<{}>", address.trim_start_matches('!')));
        let expected = if address.starts_with('!') { "550 5.1.1 " } else { "250 2.1.5 " };
        assert!(answer.starts_with(expected), "{line}: {answer}");
    }
    let postfix = list("postfix");
    assert!(
        postfix.lines().any(|line| line.starts_with("/^alice") && line.contains("example\\.test")),
        "{postfix}"
    );
}
