//! A crowd of senders on few threads: each connection delivers one message after another, in one of the
//! manners in which good senders write commands together.

use std::io::{self, Error};
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use super::figures::Latencies;
use super::sender::{Errand, Manner, Sender};
use super::wire::Security;

/// How long the whole crowd may hear nothing.
const PATIENCE: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

/// What is delivered, by how many, to whom.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) security: Security,
    pub(crate) connections: usize,
    pub(crate) threads: usize,
    pub(crate) texts: Texts,
    pub(crate) limit: Limit,
}

/// What goes over the wire, made once.
#[derive(Debug)]
pub(crate) struct Texts {
    pub(crate) manner: Manner,
    /// One for each mailbox, in one piece; a connection keeps to one mailbox.
    whole: Vec<Vec<u8>>,
    /// How much of a piece is the message with its final dot; the envelope is the rest, behind it.
    message: usize,
}

/// What one sender writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pieces<'t> {
    /// MAIL, RCPT and DATA; or with BDAT LAST and the message in it.
    pub(crate) envelope: &'t [u8],
    /// The message with its final dot; empty when the envelope has it.
    pub(crate) message: &'t [u8],
    /// The message, and behind it the next envelope.
    pub(crate) both: &'t [u8],
}

/// When no further message is begun.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    /// It has passed, or so many messages were begun.
    Time(Duration, u64),
    Messages(u64),
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Acknowledged, for each mailbox.
    pub(crate) accepted: Vec<u64>,
    /// Acknowledged before the time was over.
    pub(crate) in_time: u64,
    /// Answered with "try again later".
    pub(crate) deferred: u64,
    /// The text of one such answer.
    pub(crate) deferral: String,
    /// From the last octet of a message to its 250.
    pub(crate) latencies: Latencies,
}

impl Texts {
    /// Messages of a size as sent, the final dot not counted, to mailboxes of example.test.
    pub(crate) fn new(manner: Manner, mailboxes: &[String], size: usize) -> Self {
        let message = message(size);
        let (ahead, behind) = match manner {
            Manner::Waits | Manner::Pipelines => ([&message[..], b".\r\n"].concat(), b"DATA\r\n".to_vec()),
            Manner::Chunks => {
                (Vec::new(), [format!("BDAT {} LAST\r\n", message.len()).as_bytes(), &message].concat())
            }
        };
        let whole = |mailbox: &String| {
            let from = "MAIL FROM:<sender@client.example>";
            let commands = format!("{from} SIZE={size}\r\nRCPT TO:<{mailbox}@example.test>\r\n");
            [&ahead, commands.as_bytes(), &behind].concat()
        };
        Self { manner, whole: mailboxes.iter().map(whole).collect(), message: ahead.len() }
    }

    /// For so many mailboxes.
    fn mailboxes(&self) -> usize {
        self.whole.len()
    }

    /// What goes to one of the mailboxes.
    pub(crate) fn of(&self, mailbox: usize) -> Pieces<'_> {
        let both = &self.whole[mailbox][..];
        let (message, envelope) = both.split_at(self.message);
        Pieces { envelope, message, both }
    }
}

/// A mail of exactly this size, at least 256 octets, with CRLF line ends and no leading dots.
pub(crate) fn message(size: usize) -> Vec<u8> {
    let mut octets = b"From: Sender <sender@client.example>\r\n\
        To: Somebody <somebody@example.test>\r\n\
        Subject: measured\r\n\
        Date: Thu, 1 Jan 2026 00:00:00 +0000\r\n\
        Message-ID: <measured@client.example>\r\n\r\n"
        .to_vec();
    const LINE: &[u8] = b"The quick brown fox jumps over the lazy dog, and the post is sorted once.\r\n";
    while octets.len() + 2 * LINE.len() < size {
        octets.extend_from_slice(LINE);
    }
    octets.resize(size.saturating_sub(2).max(octets.len()), b'x');
    octets.extend_from_slice(b"\r\n");
    octets
}

/// Senders that are connected and greeted.
#[derive(Debug)]
pub(crate) struct Crowd {
    senders: Vec<Sender>,
    load: Load,
}

impl Crowd {
    /// Connects all of them, so that a slice holds nothing but deliveries.
    pub(crate) fn gather(load: Load) -> io::Result<Self> {
        let mailboxes = load.texts.mailboxes();
        let senders = (0..load.connections)
            .map(|number| Sender::greet(load.address, load.security, number % mailboxes))
            .collect::<io::Result<_>>()?;
        Ok(Self { senders, load })
    }

    /// Delivers until the limit, then lets what was begun end.
    pub(crate) fn deliver(self) -> io::Result<Tally> {
        let Self { mut senders, load } = self;
        let start = Instant::now();
        let mut tally = load.tally();
        thread::scope(|scope| {
            let share = senders.len().div_ceil(load.threads).max(1);
            let crews: Vec<Vec<Sender>> = std::iter::from_fn(|| {
                (!senders.is_empty()).then(|| senders.split_off(senders.len().saturating_sub(share)))
            })
            .collect();
            let parts = crews.len() as u64;
            let threads: Vec<_> = crews
                .into_iter()
                .map(|crew| {
                    let load = &load;
                    scope.spawn(move || Work { load, start, parts, begun: 0, tally: load.tally() }.run(crew))
                })
                .collect();
            for thread in threads {
                tally.add(thread.join().map_err(|_| Error::other("a sending thread died"))??);
            }
            Ok(tally)
        })
    }
}

impl Load {
    fn tally(&self) -> Tally {
        Tally { accepted: vec![0; self.texts.mailboxes()], ..Tally::default() }
    }
}

impl Tally {
    /// All that was acknowledged.
    pub(crate) fn total(&self) -> u64 {
        self.accepted.iter().sum()
    }

    fn add(&mut self, other: Self) {
        for (mine, theirs) in self.accepted.iter_mut().zip(other.accepted) {
            *mine += theirs;
        }
        self.in_time += other.in_time;
        self.deferred += other.deferred;
        self.latencies.merge(&other.latencies);
        if !other.deferral.is_empty() {
            self.deferral = other.deferral;
        }
    }
}

/// What one thread does.
struct Work<'a> {
    load: &'a Load,
    start: Instant,
    parts: u64,
    begun: u64,
    tally: Tally,
}

impl Work<'_> {
    fn run(mut self, mut crew: Vec<Sender>) -> io::Result<Tally> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut working = 0;
        for (number, sender) in crew.iter_mut().enumerate() {
            sender.begin(&mut self)?;
            working += usize::from(!sender.is_idle());
            epoll::add(&epoll, sender.stream(), EventData::new_u64(number as u64), interest(sender))?;
        }
        let mut events: Vec<Event> = Vec::with_capacity(256);
        let mut buffer = vec![0; 64 << 10];
        while working > 0 {
            events.clear();
            if epoll::wait(&epoll, spare_capacity(&mut events), Some(&PATIENCE))? == 0 {
                return Err(Error::other("the server has said nothing for a minute"));
            }
            for event in &events {
                let number = event.data.u64();
                let sender = &mut crew[usize::try_from(number).map_err(Error::other)?];
                let (blocked, idle) = (sender.blocked(), sender.is_idle());
                sender.ready(&mut self, &mut buffer)?;
                working -= usize::from(sender.is_idle() && !idle);
                if blocked != sender.blocked() {
                    let data = EventData::new_u64(number);
                    epoll::modify(&epoll, sender.stream(), data, interest(sender))?;
                }
            }
        }
        crew.into_iter().try_for_each(Sender::quit)?;
        Ok(self.tally)
    }

    fn in_time(&self) -> bool {
        match self.load.limit {
            Limit::Time(time, _) => self.start.elapsed() < time,
            Limit::Messages(_) => true,
        }
    }
}

/// What a sender waits for.
fn interest(sender: &Sender) -> EventFlags {
    EventFlags::IN | if sender.blocked() { EventFlags::OUT } else { EventFlags::empty() }
}

impl Errand for Work<'_> {
    fn texts(&self) -> &Texts {
        &self.load.texts
    }

    fn another(&mut self) -> bool {
        let may = match self.load.limit {
            Limit::Time(_, most) => self.in_time() && self.begun < most.div_ceil(self.parts),
            Limit::Messages(most) => self.begun < most.div_ceil(self.parts),
        };
        self.begun += u64::from(may);
        may
    }

    fn accepted(&mut self, mailbox: usize, latency: Duration) {
        self.tally.accepted[mailbox] += 1;
        self.tally.in_time += u64::from(self.in_time());
        self.tally.latencies.add(latency);
    }

    fn deferred(&mut self, text: String) -> io::Result<()> {
        self.tally.deferred += 1;
        if self.tally.deferred > 100_000 {
            return Err(Error::other(format!("deferred too often: {text}")));
        }
        self.tally.deferral = text;
        // It counts against the limit only once it is accepted.
        self.begun -= 1;
        Ok(())
    }
}
