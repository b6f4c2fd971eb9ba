//! Mail that is made to exhaust parsers, by real SMTP, at an appliance whose rules look at everything: each is answered in
//! time, nobody else waits for it, and it costs no memory.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use restante_tests::dns::{Dns, Mood, Zone};
use restante_tests::hostile::{KINDS, RULES, attack};
use restante_tests::{Appliance, Setup, collect, deliver, pop3, smtp};

/// How long a canary may take while a machine is busy.
const SOON: Duration = Duration::from_secs(if cfg!(debug_assertions) { 6 } else { 2 });

/// What the process may have at most, whatever comes.
const MEMORY: u64 = 320 << 20;

/// The slow lane goes to what a message may have.
fn sizes() -> Vec<usize> {
    match std::env::var_os("RESTANTE_SOAK") {
        Some(_) => vec![60_000, 3 << 20, 34 << 20],
        None => vec![60_000, 1 << 20],
    }
}

#[test]
fn mail_that_exhausts_parsers_delays_nobody_where_rules_look_at_everything() {
    let slow = Mood::Slow(20);
    let dns = Dns::start(
        Zone::parse("b.example TXT v=spf1 -all\n_dmarc.b.example TXT v=DMARC1; p=none\n").all_in_mood(slow),
    );
    let mut setup = Setup::of(&["postmaster", "alice", "bob"]);
    setup.rules = RULES.into();
    setup.tables = format!(
        "[authenticity]\nloopback = true\nresolvers = [\"{}\"]\nquestion-timeout = \"1 s\"\n",
        dns.address()
    );
    // What was taken is no concern of this test.
    setup.machine = "[limits]\nquota = \"none\"\n".into();
    let appliance = Appliance::with(setup);
    let over = AtomicBool::new(false);
    let (taken, canaries, worst) = thread::scope(|scope| {
        let canary = scope.spawn(|| {
            let (mut sent, mut worst) = (0, Duration::ZERO);
            while !over.load(Ordering::Relaxed) {
                worst = worst.max(canary(&appliance));
                sent += 1;
                thread::sleep(Duration::from_millis(20));
            }
            (sent, worst)
        });
        // Whatever fails here, the canary ends.
        let attacks = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| attack_all(&appliance)));
        over.store(true, Ordering::Relaxed);
        let (sent, worst) = canary.join().expect("a canary");
        (attacks.expect("every attack is answered"), sent, worst)
    });
    let peak = appliance.peak_memory();
    let log = appliance.log();
    assert!(!log.contains("panicked") && !log.contains("broke its parser"), "{log}");
    let figures =
        format!("{taken} taken, {canaries} canaries, the slowest took {worst:?}, {} MiB", peak >> 20);
    if std::env::var_os("RESTANTE_SOAK").is_some() {
        writeln!(std::io::stderr(), "hostile mail: {figures}").expect("written");
    }
    // What is over before any rule is asked shows nothing.
    assert!(taken >= KINDS.len(), "{figures}");
    assert!(canaries > 5 && worst < SOON, "{figures}");
    assert!(peak < MEMORY, "{figures}");
}

/// Two attackers at once, each with half of the kinds; how many messages were taken.
fn attack_all(appliance: &Appliance) -> usize {
    let taken = AtomicUsize::new(0);
    thread::scope(|scope| {
        let taken = &taken;
        for half in 0..2 {
            scope.spawn(move || {
                for kind in KINDS.iter().skip(half).step_by(2) {
                    for size in sizes() {
                        let mail = attack(kind, size);
                        let mut client = smtp(appliance.smtp);
                        let started = Instant::now();
                        let answer = deliver(&mut client, &["alice@example.test"], &mail);
                        let took = started.elapsed();
                        // A debug build reads some ten megabytes in a second, and the other half wants its share.
                        let most = Duration::from_secs(4 + size as u64 / 1_000_000);
                        assert!(took < most, "{kind} of {size}: {took:?}");
                        taken.fetch_add(usize::from(answer.starts_with("250 ")), Ordering::Relaxed);
                        assert!(is_known(&answer), "{kind} of {size}: {answer}");
                    }
                }
            });
        }
    });
    taken.into_inner()
}

/// Taken, or refused for what it is.
fn is_known(answer: &str) -> bool {
    // Where a build is slow or a machine busy, the rules run out of time.
    let slow = cfg!(debug_assertions).then_some("451 4.7.1 ");
    let known = ["250 ", "550 5.6.11 ", "552 5.3.4 ", "554 5.4.6 ", "554 5.6.0 "];
    known.into_iter().chain(slow).any(|code| answer.starts_with(code))
}

/// Somebody else delivers and collects meanwhile; how long that took.
fn canary(appliance: &Appliance) -> Duration {
    let started = Instant::now();
    let mut client = smtp(appliance.smtp);
    let mail = b"From: a@b.example\r\nSubject: canary\r\n\r\nwords\r\n";
    assert!(deliver(&mut client, &["bob@example.test"], mail).starts_with("250 "));
    collect(appliance.pop3, "bob", 1);
    let took = started.elapsed();
    let mut session = pop3(appliance.pop3, "bob");
    assert!(session.command("DELE 1").starts_with("+OK"));
    session.quit();
    took
}
