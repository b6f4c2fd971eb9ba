use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crate::{Client, PASSWORD};

/// How long a message that is ours may take to its mailbox.
const PATIENCE: Duration = Duration::from_secs(30);

/// One message as a client has it.
#[derive(Debug, Clone)]
pub struct Collected {
    /// Its unique id.
    pub uid: String,
    /// What LIST said.
    pub size: usize,
    /// What RETR gave.
    pub octets: Vec<u8>,
}

/// A POP3 session that has logged in.
pub fn pop3(address: SocketAddr, user: &str) -> Client {
    let mut client = Client::connect(address);
    let greeting = client.line().expect("a greeting");
    assert!(greeting.starts_with("+OK"), "{greeting}");
    let answer = client.command(&format!("USER {user}"));
    assert!(answer.starts_with("+OK"), "{answer}");
    let answer = client.command(&format!("PASS {PASSWORD}"));
    assert!(answer.starts_with("+OK"), "{answer}");
    client
}

/// Waits until a mailbox has `count` messages, and reads them all. Sizes, sums and octets must agree.
pub fn collect(address: SocketAddr, user: &str, count: usize) -> Vec<Collected> {
    let mut client = wait_for(address, user, count);
    let stat = client.command("STAT");
    let sizes = client.listing("LIST");
    let uids = client.listing("UIDL");
    let mut collected = Vec::new();
    for (number, (size, uid)) in (1..).zip(sizes.iter().zip(uids)) {
        assert_eq!((size.number, uid.number), (number, number));
        let octets = client.retrieve(number);
        assert_eq!(size.value, octets.len().to_string(), "the size of message {number}");
        collected.push(Collected { uid: uid.value, size: octets.len(), octets });
    }
    let sum: usize = collected.iter().map(|message| message.size).sum();
    assert_eq!(stat, format!("+OK {count} {sum}"));
    assert_eq!(collected.len(), count);
    client.quit();
    collected
}

fn wait_for(address: SocketAddr, user: &str, count: usize) -> Client {
    let until = Instant::now() + PATIENCE;
    loop {
        let mut client = pop3(address, user);
        let stat = client.command("STAT");
        let there: usize = stat.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a number");
        if there >= count {
            assert_eq!(there, count, "{user} has more than was sent");
            return client;
        }
        client.quit();
        assert!(Instant::now() < until, "{user} has {there} of {count} messages");
        thread::sleep(Duration::from_millis(20));
    }
}
