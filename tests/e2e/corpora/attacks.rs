use std::process::Command;
use std::time::{Duration, Instant};

use restante_tests::{Appliance, below, collect, deliver, finish, found, hidden, pop3, smtp, with_crlf};

use crate::corpora;

/// Each kind, and the answer to it at 10 kB, 1 MB and 8 MB.
const KINDS: [(&str, [&str; 3]); 17] = [
    ("parts", ["250", "250", "250"]),
    ("parts_lf", ["250", "250", "250"]),
    ("rfc822", ["250", "250", "250"]),
    ("digest", ["250", "250", "250"]),
    ("nest", ["250", "250", "250"]),
    ("b64nest", ["250", "250", "250"]),
    ("headers", ["550", "550", "550"]),
    ("params", ["250", "550", "550"]),
    ("addrs", ["250", "550", "550"]),
    ("comments", ["250", "550", "550"]),
    ("encwords", ["250", "550", "550"]),
    ("longline", ["250", "554", "554"]),
    ("dkimsigs", ["250", "550", "550"]),
    ("hlist", ["250", "550", "550"]),
    ("received", ["554", "554", "554"]),
    ("fromspace", ["250", "250", "250"]),
    ("twofrom", ["250", "250", "250"]),
];
const SIZES: [usize; 3] = [10_000, 1_000_000, 8_000_000];

/// What the process may have at most, whatever comes: its index cache and its message memory are part of it.
const MEMORY: u64 = 256 << 20;

#[test]
fn mail_that_exhausts_parsers_is_answered_at_once_and_costs_no_memory() {
    let Some(generator) = corpora("mail-attacks/gen.py") else { return };
    let Some(python) = found("python3") else { return };
    let appliance = Appliance::start();
    let mut client = smtp(appliance.smtp);
    let (mut taken, mut unexpected) = (Vec::new(), Vec::new());
    for (kind, answers) in KINDS {
        for (size, expected) in SIZES.into_iter().zip(answers) {
            let mail = generate(&python, &generator, kind, size);
            let started = Instant::now();
            let answer = deliver(&mut client, &["alice@example.test"], &mail);
            let took = started.elapsed();
            assert!(took < Duration::from_secs(10), "{kind} of {size}: {took:?}");
            if !answer.starts_with(expected) {
                unexpected.push((kind, size, answer.clone()));
            }
            if answer.starts_with("250") {
                taken.push((kind, size));
            }
            alive(&appliance);
        }
    }
    assert_eq!(unexpected, []);
    let peak = appliance.peak_memory();
    assert!(peak < MEMORY, "{} MiB", peak >> 20);
    let collected = collect(appliance.pop3, "alice", taken.len());
    for ((kind, size), collected) in taken.into_iter().zip(collected) {
        let mail = generate(&python, &generator, kind, size);
        let mut expected = hidden(&mail);
        if !expected.ends_with(b"\r\n") {
            expected.extend_from_slice(b"\r\n");
        }
        assert!(below(&collected.octets).1 == expected, "{kind} of {size} came out otherwise");
    }
}

fn generate(python: &std::path::Path, generator: &std::path::Path, kind: &str, size: usize) -> Vec<u8> {
    let made = tempfile::NamedTempFile::new().expect("a file");
    let script = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[2:], stdout=open(sys.argv[1], 'wb')))";
    let mut command = Command::new(python);
    command.arg("-c").arg(script).arg(made.path()).arg(python).arg(generator).arg(kind).arg(size.to_string());
    finish(&mut command, Duration::from_secs(60));
    with_crlf(&std::fs::read(made.path()).expect("readable"))
}

/// Somebody else delivers and collects meanwhile, within two seconds.
fn alive(appliance: &Appliance) {
    let started = Instant::now();
    let mut client = smtp(appliance.smtp);
    assert!(deliver(&mut client, &["bob@example.test"], b"Subject: canary\r\n\r\n").starts_with("250 "));
    collect(appliance.pop3, "bob", 1);
    let mut session = pop3(appliance.pop3, "bob");
    assert!(session.command("DELE 1").starts_with("+OK"));
    session.quit();
    let took = started.elapsed();
    assert!(took < Duration::from_secs(2), "the canary took {took:?}");
}
