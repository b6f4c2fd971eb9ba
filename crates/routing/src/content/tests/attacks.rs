//! Mail that is made to exhaust parsers, up to what a message may have.

#[allow(dead_code, unreachable_pub, reason = "shared with the tests of other crates")]
#[path = "../../../../../tests/harness/hostile.rs"]
mod hostile;

use std::thread;
use std::time::Duration;

use hostile::{KINDS, MIXED, attack, base64};

use super::read;
use crate::content::{ContentLimits, Want};
use crate::rules::Content;

/// How long this thread has worked: others of this machine do not count.
fn worked() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("it does not run backwards")
}

/// On a thread with the stack that threads have, and in a second whatever it is.
#[test]
fn mail_that_exhausts_parsers_is_read_in_a_second() {
    let largest = if cfg!(debug_assertions) { 3 << 20 } else { 35 << 20 };
    let most = Duration::from_secs(if cfg!(debug_assertions) { 6 } else { 1 });
    for kind in KINDS {
        for octets in [10_000, 60_000, 1 << 20, largest] {
            let text = attack(kind, octets);
            let thread = thread::Builder::new().stack_size(2 << 20);
            let reading = thread.spawn(move || {
                let started = worked();
                let read = read(&text);
                (worked() - started, read.content.attachments.len(), read.excess)
            });
            let (took, attachments, excess) = reading.expect("a thread").join().expect("no panic");
            println!("{kind} of {octets}: {took:?}, {attachments} attachments, {excess:?}");
            assert!(took < most, "{kind} of {octets}: {took:?}");
            assert!(attachments <= 17_000, "{kind} of {octets}: {attachments} attachments");
        }
    }
}

/// What an ordinary message costs; `cargo test --release -p routing speed -- --nocapture` prints it.
#[test]
fn speed_of_reading() {
    let header = "Received: from a.test by b.test with ESMTPS; Mon, 1 Jan 2024 00:00:00 +0000\r\n".repeat(8)
        + "From: =?utf-8?q?M=C3=BCller?= <m@b.test>\r\nTo: a@b.test, \"B\" <b@b.test>\r\nSubject: =?utf-8?b?w7w=?= x\r\n";
    let part = |head: &str, body: &str| format!("--b\r\n{head}\r\n\r\n{body}\r\n");
    let text = "Some words of an ordinary length that people write to each other every day.\r\n".repeat(60);
    let html = "<p>Some <b>words</b> of an ordinary length &amp; more of them.</p>\r\n".repeat(120);
    let file = base64(&vec![7; 25_000]);
    let message = header
        + MIXED
        + &part("Content-Type: text/plain; charset=utf-8", &text)
        + &part(
            "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable",
            &html,
        )
        + &part(
            "Content-Type: application/pdf; name=\"a.pdf\"\r\nContent-Disposition: attachment; filename=\"a.pdf\"\r\n\
             Content-Transfer-Encoding: base64",
            &file,
        )
        + "--b--\r\n";
    for want in [Want { body: false }, Want { body: true }] {
        let limits = ContentLimits::default();
        let rounds = if cfg!(debug_assertions) { 10 } else { 2_000 };
        let mut best = Duration::MAX;
        for _ in 0..5 {
            let started = worked();
            for _ in 0..rounds {
                let read = Content::read(message.as_bytes(), &limits, want);
                assert_eq!(read.content.attachments.len(), 1);
            }
            best = best.min((worked() - started) / rounds);
        }
        println!("{} octets, {want:?}: {best:?}", message.len());
        assert!(cfg!(debug_assertions) || best < Duration::from_millis(2), "{best:?}");
    }
}
