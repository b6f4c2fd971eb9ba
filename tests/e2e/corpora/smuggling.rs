use std::fs;

use restante_tests::{Appliance, Client, Setup, below, deliver, pop3, smtp};

use crate::corpora;

/// How the octets reach the server.
#[derive(Debug, Clone, Copy)]
enum Way {
    AtOnce,
    OneByOne,
    CutInside,
}

fn sequences() -> Option<Vec<Vec<u8>>> {
    let text = fs::read_to_string(corpora("smuggling")?.join("sequences.txt")).expect("readable");
    let found: Vec<Vec<u8>> = text.lines().filter(|line| line.starts_with('\\')).map(unescaped).collect();
    assert_eq!(found.len(), 15);
    Some(found)
}

fn unescaped(line: &str) -> Vec<u8> {
    let plain = line.replace("\\x00", "\0").replace("\\r", "\r").replace("\\n", "\n").replace("\\t", "\t");
    assert!(!plain.contains('\\'), "{line}");
    plain.into_bytes()
}

/// A mail that would be two, were the sequence an end of data; the last five octets are the true end.
fn attack(sequence: &[u8], user: &str) -> (Vec<u8>, usize) {
    let mut octets = b"Subject: outer\r\n\r\nfirst".to_vec();
    let cut = octets.len() + sequence.len().div_ceil(2);
    octets.extend_from_slice(sequence);
    let inner = format!(
        "MAIL FROM:<smuggled@client.example>\r\nRCPT TO:<{user}@example.test>\r\nDATA\r\n\
         Subject: smuggled\r\n\r\nsecond\r\n.\r\n"
    );
    octets.extend_from_slice(inner.as_bytes());
    (octets, cut)
}

fn send(client: &mut Client, octets: &[u8], cut: usize, way: Way) {
    match way {
        Way::AtOnce => client.send(octets),
        Way::OneByOne => octets.chunks(1).for_each(|octet| client.send(octet)),
        Way::CutInside => {
            client.send(&octets[..cut]);
            std::thread::sleep(std::time::Duration::from_millis(30));
            client.send(&octets[cut..]);
        }
    }
}

/// Every sequence in every way: the answers to the data, in the order of the sequences.
fn run(appliance: &Appliance, sequences: &[Vec<u8>], user: &str, tls: bool) -> Vec<String> {
    let mut answers = Vec::new();
    for sequence in sequences {
        for way in [Way::AtOnce, Way::OneByOne, Way::CutInside] {
            let shown = format!("{} {way:?} tls={tls}", sequence.escape_ascii());
            let mut client = smtp(appliance.smtp);
            if tls {
                assert!(client.ask("STARTTLS").starts_with("220 "));
                client = client.start_tls();
                assert!(client.ask("EHLO client.example").starts_with("250-"));
            }
            assert!(client.ask("MAIL FROM:<outer@client.example>").starts_with("250 "));
            assert!(client.ask(&format!("RCPT TO:<{user}@example.test>")).starts_with("250 "));
            assert!(client.ask("DATA").starts_with("354 "));
            let (octets, cut) = attack(sequence, user);
            send(&mut client, &octets, cut, way);
            answers.push(client.reply());
            // One answer to one message: the next one is to what we say now.
            match client.try_ask("QUIT") {
                Ok(answer) => assert!(answer.starts_with("221 "), "{shown}: {answer}"),
                Err(error) => panic!("{shown}: {error}"),
            }
        }
    }
    answers
}

/// Nothing in the mailbox came from the inner message, and no octet there could end a line elsewhere.
fn check(appliance: &Appliance, user: &str, taken: usize) {
    let mut client = smtp(appliance.smtp);
    let canary = deliver(&mut client, &[&format!("{user}@example.test")], b"Subject: canary\r\n\r\n");
    assert!(canary.starts_with("250 "), "{canary}");
    for message in restante_tests::collect(appliance.pop3, user, taken + 1) {
        let (prelude, rest) = below(&message.octets);
        assert!(!prelude.return_path.contains("smuggled"), "smuggled:\n{}", rest.escape_ascii());
        let text = String::from_utf8_lossy(rest).replace("\r\n", "");
        assert!(!text.contains(['\r', '\n', '\0']), "{}", rest.escape_ascii());
    }
    pop3(appliance.pop3, user).quit();
}

#[test]
fn no_sequence_but_the_right_one_ends_a_message() {
    let Some(sequences) = sequences() else { return };
    let appliance = Appliance::start();
    let mut taken = 0;
    for tls in [false, true] {
        for (answer, sequence) in run(&appliance, &sequences, "alice", tls).iter().zip(thrice(&sequences)) {
            // Dots before a space, a tab or a dot are stuffing: text, in one message.
            let harmless = [&b"\r\n. \r\n"[..], b"\r\n.\t\r\n", b"\r\n..\r\n"].contains(&sequence);
            let expected = if harmless { "250 2.0.0 " } else { "550 5.6.11 " };
            assert!(answer.starts_with(expected), "{}: {answer}", sequence.escape_ascii());
            taken += usize::from(harmless);
        }
    }
    check(&appliance, "alice", taken);
}

#[test]
fn what_is_repaired_stays_one_message() {
    let Some(sequences) = sequences() else { return };
    let mut setup = Setup::default();
    setup.smtp.push_str("\nbare-newline = \"normalize\"");
    let appliance = Appliance::with(setup);
    for answer in run(&appliance, &sequences, "bob", false) {
        assert!(answer.starts_with("250 2.0.0 "), "{answer}");
    }
    check(&appliance, "bob", 3 * sequences.len());
}

fn thrice(sequences: &[Vec<u8>]) -> impl Iterator<Item = &[u8]> {
    sequences.iter().flat_map(|sequence| [sequence.as_slice(); 3])
}
