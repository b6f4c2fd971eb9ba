//! Twenty members poll one large mailbox while mail arrives and what all have deleted goes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use restante_tests::{Appliance, Client, PASSWORD, deliver, smtp};

use crate::binary;
use crate::chance::message;
use crate::client::list;
use crate::spec::Shown;

const MEMBERS: usize = 20;
/// What each deletes at each poll, the oldest first, so that all have deleted it a little later.
const DELETED: usize = 3;

/// One poll after the other, each held against the one before.
struct Member {
    login: String,
    /// What is still hers, in order.
    has: Vec<String>,
    polls: Vec<Duration>,
}

impl Member {
    fn poll(&mut self, address: SocketAddr, sizes: &Mutex<BTreeMap<String, u64>>) {
        let began = Instant::now();
        let mut client = Client::connect(address);
        assert!(client.line().expect("a greeting").starts_with("+OK"));
        client.command(&format!("USER {}", self.login));
        let answer = client.command(&format!("PASS {PASSWORD}"));
        assert!(answer.starts_with("+OK"), "{}: {answer}", self.login);
        let shown = list(&mut client).expect("running");
        self.polls.push(began.elapsed());
        self.check(&shown, sizes);
        for number in 1..=DELETED.min(shown.len()) {
            let answer = client.command(&format!("DELE {number}"));
            assert!(answer.starts_with("+OK"), "{}: {answer}", self.login);
        }
        client.quit();
        self.has = shown.into_iter().skip(DELETED).map(|line| line.uid).collect();
    }

    /// All that she had and did not delete is there in its order, and before all that is new; and each has the size
    /// that it has for the others.
    fn check(&self, shown: &[Shown], sizes: &Mutex<BTreeMap<String, u64>>) {
        assert!(shown.is_sorted_by_key(|line| &line.uid), "{} sees no order", self.login);
        let before = shown.iter().map(|line| &line.uid).take(self.has.len());
        assert!(before.eq(&self.has), "{} does not see what she saw before", self.login);
        let mut sizes = sizes.lock().unwrap_or_else(PoisonError::into_inner);
        for line in shown {
            let size = *sizes.entry(line.uid.clone()).or_insert(line.size);
            assert_eq!(size, line.size, "{} sees another size of {}", self.login, line.uid);
        }
    }
}

/// Fills it by several connections at once.
fn fill(appliance: &Appliance, messages: u64) {
    thread::scope(|scope| {
        for worker in 0..16 {
            let address = appliance.smtp;
            scope.spawn(move || {
                let mut client = smtp(address);
                for number in (0..messages).filter(|number| number % 16 == worker) {
                    let answer = deliver(&mut client, &["sales@example.test"], &message(17 * number));
                    assert!(answer.starts_with("250 "), "{answer}");
                }
            });
        }
    });
}

#[test]
fn twenty_members_poll_a_large_mailbox_while_mail_comes_and_goes() {
    let soak = std::env::var_os("RESTANTE_SOAK").is_some();
    let (messages, time) = if soak { (100_000, 120) } else { (10_000, 12) };
    let names: Vec<String> = (1..=MEMBERS).map(|number| format!("member{number}")).collect();
    let members: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let mut appliance = binary::appliance(&names, &members.join(", "), "1 s", "1 s");
    let began = Instant::now();
    fill(&appliance, messages);
    binary::settled(&appliance, messages);
    let filled = began.elapsed();
    let (stop, sizes) = (AtomicBool::new(false), Mutex::new(BTreeMap::new()));
    let mut members: Vec<Member> = names
        .iter()
        .map(|name| Member { login: format!("{name}/sales"), has: Vec::new(), polls: Vec::new() })
        .collect();
    let (pop3, address) = (appliance.pop3, appliance.smtp);
    let mut came = 0_u64;
    thread::scope(|scope| {
        for member in &mut members {
            let (stop, sizes) = (&stop, &sizes);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    member.poll(pop3, sizes);
                    thread::sleep(Duration::from_secs(1));
                }
            });
        }
        let began = Instant::now();
        let mut client = smtp(address);
        while began.elapsed() < Duration::from_secs(time) && !members_failed(&sizes) {
            let answer = deliver(&mut client, &["sales@example.test"], &message(messages + came));
            assert!(answer.starts_with("250 "), "{answer}");
            came += 1;
            thread::sleep(Duration::from_millis(100));
        }
        stop.store(true, Ordering::Relaxed);
    });
    // At the first one each password is hashed, two at a time.
    let first = members.iter().map(|member| member.polls[0]).max().expect("some");
    let mut polls: Vec<Duration> = members.iter().flat_map(|member| member.polls[1..].to_vec()).collect();
    polls.sort_unstable();
    let least = members.iter().map(|member| member.polls.len()).min().expect("some");
    assert!(least >= 2, "somebody could not poll twice");
    let (p50, p99) = (polls[polls.len() / 2], polls[polls.len() * 99 / 100]);
    println!(
        "{MEMBERS} members, {messages} messages (in {filled:.1?}) and {came} more: {} polls, p50 {p50:.1?}, p99 {p99:.1?}, \
         at most {:.1?}; the first of each at most {first:.1?}",
        polls.len(),
        polls[polls.len() - 1]
    );
    // What all have deleted goes, and nothing else.
    let gone = (least * DELETED) as u64;
    binary::settled(&appliance, messages + came - gone);
    assert!(p99 < Duration::from_secs(20), "polls take {p99:?}");
    appliance.kill();
}

/// A member's thread that has failed poisons what it held, or holds nothing: then its scope fails at the end.
fn members_failed(sizes: &Mutex<BTreeMap<String, u64>>) -> bool {
    sizes.is_poisoned()
}
