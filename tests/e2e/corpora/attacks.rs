use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use restante_tests::dns::{Dns, Zone};
use restante_tests::hostile::RULES;
use restante_tests::{
    Appliance, Setup, assert_same, below, collect, deliver, finish, found, hidden, pop3, smtp, with_crlf,
};

use crate::corpora;

/// Each kind, and the answer to it at each of its [`sizes`].
const KINDS: [(&str, [&str; 3]); 17] = [
    ("parts", ["250", "250", "250"]),
    ("parts_lf", ["250", "250", "250"]),
    ("rfc822", ["250", "250", "250"]),
    ("digest", ["250", "250", "250"]),
    ("nest", ["250", "250", "250"]),
    ("b64nest", ["250", "250", "250"]),
    ("headers", ["552", "552", "552"]),
    ("params", ["250", "552", "552"]),
    ("addrs", ["250", "554", "554"]),
    ("comments", ["250", "554", "554"]),
    ("encwords", ["250", "554", "554"]),
    ("longline", ["250", "554", "554"]),
    ("dkimsigs", ["250", "552", "552"]),
    ("hlist", ["250", "554", "554"]),
    ("received", ["554", "554", "554"]),
    ("fromspace", ["250", "250", "250"]),
    ("twofrom", ["250", "250", "250"]),
];

/// How long a canary may take while a machine is busy.
const SOON: Duration = Duration::from_secs(if cfg!(debug_assertions) { 6 } else { 2 });

/// What the process may have at most, whatever comes: its index cache and its message memory are part of it.
const MEMORY: u64 = 256 << 20;

/// The slow lane goes near to what a message may have.
fn sizes() -> [usize; 3] {
    let soak = std::env::var_os("RESTANTE_SOAK").is_some();
    [10_000, 1_000_000, if soak { 24_000_000 } else { 3_000_000 }]
}

#[test]
fn mail_that_exhausts_parsers_is_answered_at_once_and_costs_no_memory() {
    let Some(generator) = corpora("mail-attacks/gen.py") else { return };
    let Some(python) = found("python3") else { return };
    // Rules and authenticity look at everything there is.
    let dns = Dns::start(Zone::default());
    let tables = format!("[authenticity]\nloopback = true\nresolvers = [\"{}\"]\n", dns.address());
    let setup = Setup { rules: RULES.into(), tables, ..Setup::of(&["postmaster", "alice", "bob"]) };
    let appliance = Appliance::with(setup);
    let mut client = smtp(appliance.smtp);
    let mut unexpected = Vec::new();
    for (kind, answers) in KINDS {
        let mut taken = Vec::new();
        for (size, expected) in sizes().into_iter().zip(answers) {
            let mail = generate(&python, &generator, kind, size);
            let started = Instant::now();
            let answer = deliver(&mut client, &["alice@example.test"], &mail);
            let took = started.elapsed();
            // A debug build reads some ten megabytes in a second.
            assert!(took < Duration::from_secs(2 + size as u64 / 1_000_000), "{kind} of {size}: {took:?}");
            if !answer.starts_with(expected) {
                unexpected.push((kind, size, answer.clone()));
            }
            if answer.starts_with("250") {
                taken.push((size, mail));
            }
        }
        alive(&appliance);
        check(&appliance, kind, &taken);
    }
    assert_eq!(unexpected, []);
    let log = appliance.log();
    assert!(!log.contains("panicked") && !log.contains("broke its parser"), "{log}");
    let peak = appliance.peak_memory();
    assert!(peak < MEMORY, "{} MiB", peak >> 20);
}

/// What was taken comes out as it went in.
fn check(appliance: &Appliance, kind: &str, taken: &[(usize, Vec<u8>)]) {
    for ((size, mail), collected) in taken.iter().zip(collect(appliance.pop3, "alice", taken.len())) {
        let mut expected = hidden(mail);
        if !expected.ends_with(b"\r\n") {
            expected.extend_from_slice(b"\r\n");
        }
        assert_same(below(&collected.octets).1, &expected, &format!("{kind} of {size}"));
    }
    empty(appliance, "alice", taken.len());
}

fn empty(appliance: &Appliance, user: &str, count: usize) {
    let mut session = pop3(appliance.pop3, user);
    for number in 1..=count {
        assert!(session.command(&format!("DELE {number}")).starts_with("+OK"));
    }
    session.quit();
}

fn generate(python: &Path, generator: &Path, kind: &str, size: usize) -> Vec<u8> {
    let made = tempfile::NamedTempFile::new().expect("a file");
    let script = "import runpy, sys; sys.stdout = open(sys.argv.pop(1), 'w'); sys.argv.pop(0); \
                  runpy.run_path(sys.argv[0], run_name='__main__')";
    let mut command = Command::new(python);
    command.arg("-c").arg(script).arg(made.path()).arg(generator).arg(kind).arg(size.to_string());
    finish(&mut command, Duration::from_secs(60));
    with_crlf(&std::fs::read(made.path()).expect("readable"))
}

/// Somebody else delivers and collects meanwhile.
fn alive(appliance: &Appliance) {
    let started = Instant::now();
    let mut client = smtp(appliance.smtp);
    assert!(deliver(&mut client, &["bob@example.test"], b"Subject: canary\r\n\r\n").starts_with("250 "));
    collect(appliance.pop3, "bob", 1);
    empty(appliance, "bob", 1);
    let took = started.elapsed();
    assert!(took < SOON, "the canary took {took:?}");
}
