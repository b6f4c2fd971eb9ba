//! rspamd and clamd themselves at the gate of the real binary, where they are installed: `RESTANTE_ONLY=scanners
//! scripts/soak` runs these.

use std::thread;
use std::time::{Duration, Instant};

use restante_tests::scanners::{GTUBE, clamd, eicar, rspamd};
use restante_tests::{Appliance, Client, Setup, collect, deliver, envelope, smtp, stuffed};

const RULES: &str = r#"
[[rule]]
name = "virus"
when = { recipient = ["alice@*", "bob@*"], virus = true }
then = { refuse = "550 5.7.1", text = "a virus" }

[[rule]]
name = "gtube"
when = { recipient = "bob@*", spam-symbol = "GTUBE" }
then = { refuse = "550 5.7.1", text = "spam" }

[[rule]]
name = "score"
when = { recipient = "carol@*", spam-score = ">= 15" }
then = { deliver = ["junk"], tag = "[spam]" }
"#;

/// Mail for dave depends on nobody's answer.
fn setup(scanners: &str) -> Setup {
    let mut setup = Setup::of(&["postmaster", "alice", "bob", "carol", "dave", "junk"]);
    setup.rules = RULES.into();
    setup.tables = scanners.into();
    setup
}

fn mail(body: &str) -> Vec<u8> {
    format!(
        "From: a@client.example\r\nTo: b@example.test\r\nSubject: Hello\r\nMessage-ID: <a@client.example>\r\n\
             Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n{body}\r\n"
    )
    .into_bytes()
}

fn plain(text: &str) -> Vec<u8> {
    mail(&format!("\r\n{text}"))
}

/// In an attachment, by base64.
fn attached(octets: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for three in octets.as_bytes().chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(*three.get(at).unwrap_or(&0)));
        for at in 0..4 {
            let sextet = usize::try_from(bits >> (18 - 6 * at) & 63).expect("small");
            encoded.push(if at <= three.len() { char::from(alphabet[sextet]) } else { '=' });
        }
    }
    mail(&format!(
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nsee there\r\n--b\r\n\
         Content-Type: application/octet-stream; name=invoice.exe\r\nContent-Transfer-Encoding: base64\r\n\r\n{encoded}\r\n\
         --b--"
    ))
}

fn send(client: &mut Client, to: &str, mail: &[u8]) -> String {
    deliver(client, &[&format!("{to}@example.test")], mail)
}

#[test]
fn what_scanners_find_decides_before_the_250() {
    let (Some(mut filter), Some(mut virus)) = (rspamd(), clamd("")) else { return };
    let tables = format!(
        "[rspamd]\naddress = \"{}\"\n[clamav]\naddress = \"{}\"\n",
        filter.address(),
        virus.address()
    );
    let mut appliance = Appliance::with(setup(&tables));
    let mut client = smtp(appliance.smtp);
    for (to, mail, answer) in [
        ("bob", plain("words"), "250 2.0.0 "),
        ("bob", plain(&eicar()), "550 5.7.1 a virus"),
        ("alice", attached(&eicar()), "550 5.7.1 a virus"),
        ("bob", plain(GTUBE), "550 5.7.1 spam"),
        // Who has no rule of that kind gets it all.
        ("alice", plain(GTUBE), "250 2.0.0 "),
        ("dave", attached(&eicar()), "250 2.0.0 "),
        ("carol", plain(GTUBE), "250 2.0.0 "),
        ("carol", plain("words"), "250 2.0.0 "),
    ] {
        let said = send(&mut client, to, &mail);
        assert!(said.starts_with(answer), "{to}: {said}\n{}\n{}", filter.log(), virus.log());
    }
    for (user, count) in [("alice", 1), ("bob", 1), ("carol", 1), ("dave", 1)] {
        collect(appliance.pop3, user, count);
    }
    let junk = String::from_utf8(collect(appliance.pop3, "junk", 1)[0].octets.clone()).expect("text");
    assert!(
        junk.contains("\r\nX-Restante-Rule: score\r\n") && junk.contains("\r\nSubject: [spam] Hello\r\n"),
        "{junk}"
    );

    // Without them only what depends on them comes again.
    filter.kill();
    virus.kill();
    for (to, answer) in
        [("alice", "451 4.7.1 "), ("bob", "451 4.7.1 "), ("carol", "451 4.7.1 "), ("dave", "250 2.0.0 ")]
    {
        let said = send(&mut client, to, &plain("words"));
        assert!(said.starts_with(answer), "{to}: {said}");
    }
    appliance.logged(&["WARN", "a scanner gives no answer"]);
    appliance.configure(|setup| {
        setup.tables =
            setup.tables.replace("[clamav]", "when-down = \"accept\"\n[clamav]") + "when-down = \"accept\"\n";
    });
    appliance.hangup();
    appliance.logged(&["the configuration is in force"]);
    let mut client = smtp(appliance.smtp);
    for to in ["alice", "bob", "carol"] {
        let said = send(&mut client, to, &plain("words"));
        assert!(said.starts_with("250 2.0.0 "), "{to}: {said}");
        collect(appliance.pop3, to, 2);
    }
}

/// Killed while it looks at a long message: the sender comes again, and nobody else waits.
#[test]
fn a_scanner_that_dies_in_the_middle_of_a_message_puts_that_message_off() {
    let lines = format!("{}\r\n", "x".repeat(998)).repeat(30_000);
    let long = plain(&lines);
    for (name, mut scanner) in [("clamav", clamd("StreamMaxLength 64M")), ("rspamd", rspamd())]
        .into_iter()
        .filter_map(|(name, scanner)| Some((name, scanner?)))
    {
        let appliance = Appliance::with(setup(&format!("[{name}]\naddress = \"{}\"\n", scanner.address())));
        let to = if name == "clamav" { "alice" } else { "carol" };
        // Whole, it is taken.
        let said = send(&mut smtp(appliance.smtp), to, &long);
        assert!(said.starts_with("250 2.0.0 "), "{name}: {said}\n{}", scanner.log());

        let mut client = smtp(appliance.smtp);
        envelope(&mut client, "<a@client.example>", &[&format!("{to}@example.test")]);
        assert!(client.ask("DATA").starts_with("354 "));
        client.send(&stuffed(&long));
        let waiting = thread::spawn(move || (client.reply(), client));
        let until = Instant::now() + Duration::from_secs(30);
        while !scanner.busy() {
            assert!(Instant::now() < until, "{name} is not asked");
            thread::sleep(Duration::from_millis(1));
        }
        scanner.kill();
        // Somebody else meanwhile.
        let started = Instant::now();
        assert!(send(&mut smtp(appliance.smtp), "dave", &plain("canary")).starts_with("250 2.0.0 "));
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
        let (said, mut client) = waiting.join().expect("no panic");
        assert!(said.starts_with("451 4.7.1 "), "{name}: {said}");
        assert!(send(&mut client, "dave", &plain("goes on")).starts_with("250 2.0.0 "));
        collect(appliance.pop3, to, 1);
        collect(appliance.pop3, "dave", 2);
        assert!(!appliance.log().contains("panicked"), "{}", appliance.log());
    }
}

/// What clamd will not look at is not called clean, and the log says what to change.
#[test]
fn a_message_that_clamd_is_not_to_look_at_is_put_off_and_told_of() {
    let Some(virus) = clamd("StreamMaxLength 1M") else { return };
    let appliance = Appliance::with(setup(&format!("[clamav]\naddress = \"{}\"\n", virus.address())));
    let long = plain(&format!("{}\r\n", "x".repeat(998)).repeat(3_000));
    let said = send(&mut smtp(appliance.smtp), "alice", &long);
    assert!(said.starts_with("451 4.7.1 "), "{said}\n{}", virus.log());
    appliance.logged(&["WARN", "a scanner gives no answer", "size limit exceeded"]);
    assert!(send(&mut smtp(appliance.smtp), "dave", &long).starts_with("250 2.0.0 "));
    collect(appliance.pop3, "dave", 1);
}
