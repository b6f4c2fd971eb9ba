//! The load itself, against servers that do nothing but count: what the benchmark says was delivered must
//! have arrived, octet for octet, and what it says it read must have been sent.

#[path = "load/mod.rs"]
mod load;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use load::figures::{Latencies, Series};
use load::pop3::{Buffer, Session, await_count, poll};
use load::producers::Until;
use load::sender::Manner;
use load::smtp::{Crowd, Limit, Load, Tally, Texts, message};
use load::wire::Security;
use load::{pump, raw};
use tokio::runtime::Runtime;

/// A server whose connections each get a thread; they end when the clients do.
fn serve(session: impl Fn(Lines) -> io::Result<()> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    let session = Arc::new(session);
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let session = session.clone();
            thread::spawn(move || session(Lines { stream, octets: Vec::new() }));
        }
    });
    address
}

struct Lines {
    stream: TcpStream,
    octets: Vec<u8>,
}

impl Lines {
    /// Everything up to and with a mark.
    fn until(&mut self, mark: &[u8]) -> io::Result<Vec<u8>> {
        let mut seen = 0;
        loop {
            let from = seen.max(mark.len()) - mark.len();
            if let Some(at) = self.octets[from..].windows(mark.len()).position(|octets| octets == mark) {
                return Ok(self.octets.drain(..from + at + mark.len()).collect());
            }
            seen = self.octets.len();
            let mut chunk = [0; 4_096];
            match self.stream.read(&mut chunk)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.octets.extend_from_slice(&chunk[..read]),
            }
        }
    }

    /// So many octets.
    fn exactly(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.octets.len() < count {
            let mut chunk = [0; 4_096];
            match self.stream.read(&mut chunk)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.octets.extend_from_slice(&chunk[..read]),
            }
        }
        Ok(self.octets.drain(..count).collect())
    }

    fn line(&mut self) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&self.until(b"\r\n")?).trim_end().to_owned())
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(text.as_bytes())
    }
}

/// What arrived at the SMTP server: recipient and message.
type Arrived = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

const MANNERS: [Manner; 3] = [Manner::Waits, Manner::Pipelines, Manner::Chunks];

/// Answers the n-th end of data by `verdict(n)`.
fn smtp_server(verdict: impl Fn(u64) -> &'static str + Send + Sync + 'static) -> (SocketAddr, Arrived) {
    let arrived = Arrived::default();
    let (keep, asked) = (arrived.clone(), AtomicU64::new(0));
    let address = serve(move |mut client| {
        client.say("220 mx.example.test ESMTP\r\n")?;
        let mut recipient = String::new();
        loop {
            let line = client.line()?;
            match line.split([' ', ':']).next().unwrap_or_default() {
                "EHLO" => client.say("250-mx.example.test\r\n250-PIPELINING\r\n250 SIZE 100\r\n")?,
                "RCPT" => {
                    recipient = line;
                    client.say("250 2.1.5 known\r\n")?;
                }
                verb @ ("DATA" | "BDAT") => {
                    let message = if verb == "DATA" {
                        client.say("354 go on\r\n")?;
                        let mut message = client.until(b"\r\n.\r\n")?;
                        message.truncate(message.len() - 3);
                        message
                    } else {
                        let size = line.strip_prefix("BDAT ").and_then(|rest| rest.strip_suffix(" LAST"));
                        client.exactly(size.and_then(|size| size.parse().ok()).unwrap_or_default())?
                    };
                    let verdict = verdict(asked.fetch_add(1, Ordering::SeqCst));
                    if verdict.starts_with('2') {
                        keep.lock().expect("not poisoned").push((recipient.clone(), message));
                    }
                    client.say(verdict)?;
                }
                "QUIT" => return client.say("221 2.0.0 bye\r\n"),
                _ => client.say("250 2.0.0 ok\r\n")?,
            }
        }
    });
    (address, arrived)
}

fn deliver(
    address: SocketAddr,
    manner: Manner,
    connections: usize,
    threads: usize,
    size: usize,
    limit: Limit,
) -> io::Result<Tally> {
    let mailboxes = ["one".to_owned(), "two".to_owned()];
    Crowd::gather(Load {
        address,
        security: Security::Plain,
        connections,
        threads,
        texts: Texts::new(manner, &mailboxes, size),
        limit,
    })?
    .deliver()
}

#[test]
fn what_is_counted_has_arrived_whole() {
    for manner in MANNERS {
        let (address, arrived) = smtp_server(|_| "250 2.0.0 queued\r\n");
        let tally = deliver(address, manner, 6, 2, 4_096, Limit::Messages(100)).unwrap();
        let arrived = arrived.lock().unwrap();
        assert_eq!(tally.total(), 100);
        assert_eq!(arrived.len(), 100);
        assert_eq!(tally.accepted.len(), 2);
        for (mailbox, accepted) in ["one", "two"].iter().zip(&tally.accepted) {
            let held = arrived.iter().filter(|(to, _)| to.contains(mailbox)).count() as u64;
            assert_eq!(held, *accepted);
        }
        let whole = message(4_096);
        assert_eq!(whole.len(), 4_096);
        assert!(arrived.iter().all(|(_, octets)| *octets == whole), "{manner}");
    }
}

/// What is written at once.
#[test]
fn commands_stand_together_as_the_manner_says() {
    let envelope = |verb: &str| {
        let from = "MAIL FROM:<sender@client.example> SIZE=256";
        format!("{from}\r\nRCPT TO:<one@example.test>\r\n{verb}\r\n").into_bytes()
    };
    let whole = message(256);
    let dotted = [&whole[..], b".\r\n"].concat();
    let pieces = |manner| {
        let texts = Texts::new(manner, &["one".to_owned()], 256);
        let pieces = texts.of(0);
        [pieces.envelope, pieces.message, pieces.both].map(<[u8]>::to_vec)
    };
    let both = [&dotted[..], &envelope("DATA")].concat();
    assert_eq!(pieces(Manner::Pipelines), [envelope("DATA"), dotted, both]);
    assert_eq!(pieces(Manner::Pipelines), pieces(Manner::Waits));
    let chunk = [&envelope("BDAT 256 LAST")[..], &whole].concat();
    assert_eq!(pieces(Manner::Chunks), [chunk.clone(), Vec::new(), chunk]);
}

#[test]
fn a_slice_ends_in_time_and_lets_all_messages_end() {
    for manner in MANNERS {
        let (address, arrived) = smtp_server(|_| "250 2.0.0 queued\r\n");
        let (start, limit) = (Instant::now(), Limit::Time(Duration::from_millis(200), u64::MAX));
        let tally = deliver(address, manner, 4, 1, 1_000, limit).unwrap();
        assert!(start.elapsed() < Duration::from_secs(10));
        assert!(tally.in_time > 0 && tally.in_time <= tally.total());
        assert_eq!(arrived.lock().unwrap().len() as u64, tally.total());
        assert!(tally.latencies.quantile(0.5) > 0.0);
    }
}

#[test]
fn a_message_larger_than_any_socket_buffer_goes_through() {
    for manner in MANNERS {
        let (address, arrived) = smtp_server(|_| "250 2.0.0 queued\r\n");
        deliver(address, manner, 2, 1, 8 << 20, Limit::Messages(3)).unwrap();
        let arrived = arrived.lock().unwrap();
        assert_eq!(arrived.iter().map(|(_, octets)| octets.len()).collect::<Vec<_>>(), [8 << 20; 3]);
    }
}

#[test]
fn what_is_deferred_is_sent_again_and_counted_once() {
    for manner in MANNERS {
        let (address, arrived) =
            smtp_server(|n| if n % 3 == 0 { "452 4.3.1 later\r\n" } else { "250 2.0.0 queued\r\n" });
        let tally = deliver(address, manner, 2, 1, 1_000, Limit::Messages(20)).unwrap();
        assert_eq!(tally.total(), 20);
        assert_eq!(arrived.lock().unwrap().len(), 20);
        assert!(tally.deferred >= 10);
        assert_eq!(tally.deferral, "452 4.3.1 later");
    }
}

#[test]
fn a_refusal_stops_everything_with_its_text() {
    for manner in MANNERS {
        let (address, _) = smtp_server(|_| "554 5.7.1 never\r\n");
        let error = deliver(address, manner, 2, 1, 1_000, Limit::Messages(20)).unwrap_err();
        assert!(error.to_string().contains("554 5.7.1 never"), "{error}");
    }
}

fn pop3_server(messages: usize, size: usize) -> SocketAddr {
    let held = Mutex::new(messages);
    serve(move |mut client| {
        let (messages, mut deleted) = (*held.lock().expect("not poisoned"), 0);
        client.say("+OK ready\r\n")?;
        loop {
            let line = client.line()?;
            match line.split(' ').next().unwrap_or_default() {
                "STAT" => client.say(&format!("+OK {messages} {}\r\n", messages * size))?,
                "LIST" => client.say(&format!("+OK 1 {size}\r\n"))?,
                "UIDL" => {
                    let lines: String =
                        (1..=messages).map(|number| format!("{number} r{number:016x}\r\n")).collect();
                    client.say(&format!("+OK\r\n{lines}.\r\n"))?;
                }
                "RETR" => client.say(&format!("+OK {size} octets\r\n{}\r\n.\r\n", "x".repeat(size - 2)))?,
                "DELE" => {
                    deleted += 1;
                    client.say("+OK gone\r\n")?;
                }
                "QUIT" => {
                    *held.lock().expect("not poisoned") -= deleted;
                    return client.say("+OK bye\r\n");
                }
                _ => client.say("+OK\r\n")?,
            }
        }
    })
}

#[test]
fn a_poll_reads_every_octet_of_a_long_listing() {
    let mut buffer = Buffer::default();
    for messages in [0, 1, 50_000] {
        let address = pop3_server(messages, 100);
        let lines: usize = (1..=messages).map(|number| format!("{number} r{number:016x}\r\n").len()).sum();
        let stat = format!("+OK {messages} {}\r\n", messages * 100).len();
        let rest = "+OK ready\r\n+OK\r\n+OK\r\n+OK\r\n.\r\n+OK bye\r\n".len();
        let polled = poll(address, Security::Plain, "one", &mut buffer).unwrap();
        assert_eq!(polled.received, (lines + stat + rest) as u64);
        assert_eq!(polled.messages, messages as u64);
        assert!(polled.first_octet < Duration::from_secs(10));
    }
}

#[test]
fn a_message_is_read_to_its_final_dot() {
    let mut buffer = Buffer::default();
    for size in [2, 100, 3 * buffer.size()] {
        let mut session = Session::login(pop3_server(1, size), "one", &mut buffer).unwrap();
        assert_eq!(session.size(1).unwrap(), size as u64);
        for _ in 0..3 {
            assert_eq!(session.retr(1, size as u64).unwrap(), size as u64 + 3);
        }
        assert!(session.retr(1, size as u64 - 1).is_err());
    }
}

#[test]
fn a_mailbox_is_counted_and_emptied() {
    let address = pop3_server(1_234, 100);
    await_count(address, "one", 1_234, Duration::from_secs(1)).unwrap();
    assert!(await_count(address, "one", 1_235, Duration::ZERO).is_err());
    let mut buffer = Buffer::default();
    for kept in [1_000, 0] {
        Session::login(address, "one", &mut buffer).unwrap().trim(kept).unwrap();
        await_count(address, "one", kept, Duration::from_secs(1)).unwrap();
    }
}

#[test]
fn the_limits_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    let mut raw = raw::Raw::prepare(folder.path()).unwrap();
    let runtime = Runtime::new().unwrap();
    for (producers, time, count) in [(1, 2_000, u64::MAX), (8, 2_000, u64::MAX), (8, 600_000, 20)] {
        let until = Until { time: Duration::from_millis(time), count };
        let (produced, written) = raw.slice(&runtime, producers, 4_096, until).unwrap();
        assert!(produced.per_second > 0.0 && produced.count <= count);
        assert!(count == u64::MAX || produced.count == count);
        assert_eq!(written, produced.count * 4_096);
    }
    assert!(pump::slice(Duration::from_millis(100), &mut Buffer::default()).unwrap() > 1e6);
}

#[test]
fn medians_and_quantiles() {
    let mut series = Series::default();
    assert!(series.median().is_nan());
    for value in [3.0, 1.0, 9.0, 2.0] {
        series.push(value);
    }
    assert_eq!((series.median(), series.least(), series.most(), series.rounds()), (2.5, 1.0, 9.0, 4));
    let mut latencies = Latencies::default();
    for millis in 1..=1_000 {
        latencies.add(Duration::from_millis(millis));
    }
    let mut all = Latencies::default();
    all.merge(&latencies);
    assert!((all.quantile(0.5) / 500.0 - 1.0).abs() < 0.07, "{}", all.quantile(0.5));
    assert!((all.quantile(0.99) / 990.0 - 1.0).abs() < 0.07, "{}", all.quantile(0.99));
}
