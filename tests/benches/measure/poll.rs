use std::io::{self, Error};
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use restante_tests::Appliance;

use super::{Budget, MEBI, MICRO, Part};
use crate::load::figures::Latencies;
use crate::load::pop3::{Buffer, Session, await_count, poll};
use crate::load::sender::Manner;
use crate::load::smtp::{Crowd, Limit, Load, Tally, Texts};
use crate::load::wire::Security;
use crate::options::Options;
use crate::process::{Usage, resident, settle};
use crate::report::Table;

/// Clients that poll at once.
pub(super) const CLIENTS: usize = 4;
/// The least a slice waits for, so that a slow poll is measured at all.
pub(super) const LEAST: u64 = 4;
/// Octets of the messages that fill the mailboxes.
const SIZE: usize = 512;
/// Connections that fill them.
const SENDERS: usize = 64;
/// Polls that each find a new message.
const FRESH: u64 = 50;
/// How long such a message has to reach its mailbox before the poll.
const ROUTING: Duration = Duration::from_millis(5);
/// How long the router may need for a mailbox.
pub(super) const DRAIN: Duration = Duration::from_secs(300);

/// Polls a second of mailboxes of different sizes, from a login that is remembered.
#[derive(Debug)]
pub(crate) struct PollPart<'a> {
    options: &'a Options,
    appliance: &'a Appliance,
    /// One for each wire.
    tables: Vec<Table>,
}

#[derive(Debug, Default)]
struct Polled {
    polls: u64,
    received: u64,
    first_octet: Latencies,
}

impl<'a> PollPart<'a> {
    /// The mailboxes that the appliance must have.
    pub(crate) fn mailboxes(options: &Options) -> Vec<String> {
        options.mailboxes.iter().map(|size| format!("poll{size}")).collect()
    }

    /// Fills the mailboxes.
    pub(crate) fn new(options: &'a Options, appliance: &'a Appliance) -> io::Result<Self> {
        for (mailbox, size) in Self::mailboxes(options).iter().zip(&options.mailboxes) {
            let start = Instant::now();
            let wanted = *size as u64;
            let tally = deliver(appliance, mailbox, wanted)?;
            let accepted = start.elapsed().as_secs_f64();
            await_count(appliance.pop3, mailbox, wanted, DRAIN)?;
            let delivered = start.elapsed().as_secs_f64();
            let rate = tally.total() as f64 / accepted;
            crate::say(&format!(
                "{mailbox}: filled at {rate:.0} messages/s, delivered after {delivered:.1} s"
            ));
        }
        let columns: Vec<_> = options.mailboxes.iter().map(usize::to_string).collect();
        let table = |security: &Security| {
            let title = format!(
                "POP3, {security}: polls (login, STAT, UIDL, QUIT) by {CLIENTS} clients; messages held:"
            );
            Table::new(title, columns.clone())
        };
        Ok(Self { options, appliance, tables: options.wires.iter().map(table).collect() })
    }

    fn address(&self, security: Security) -> SocketAddr {
        match security {
            Security::Plain => self.appliance.pop3,
            Security::Tls => self.appliance.pop3s,
        }
    }

    fn slice(&self, security: Security, mailbox: &str) -> io::Result<Polled> {
        let until = Instant::now() + self.options.slice;
        let client = || {
            let (mut polled, mut buffer) = (Polled::default(), Buffer::default());
            while Instant::now() < until || polled.polls < LEAST {
                let once = poll(self.address(security), security, mailbox, &mut buffer)?;
                polled.polls += 1;
                polled.received += once.received;
                polled.first_octet.add(once.first_octet);
            }
            Ok::<_, Error>(polled)
        };
        thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
            let mut all = Polled::default();
            for client in clients {
                let polled = client.join().map_err(|_| Error::other("a polling client died"))??;
                all.polls += polled.polls;
                all.received += polled.received;
                all.first_octet.merge(&polled.first_octet);
            }
            Ok(all)
        })
    }

    fn measure(&mut self, wire: usize, column: usize, mailbox: &str) -> io::Result<f64> {
        let pid = self.appliance.pid();
        let (server, client, start) = (Usage::of(pid)?, Usage::here()?, Instant::now());
        let polled = self.slice(self.options.wires[wire], mailbox)?;
        let (server, client, took) =
            (Usage::of(pid)?.since(server), Usage::here()?.since(client), start.elapsed());
        let polls = polled.polls as f64;
        let per_octet = server.total() * MICRO * 1e3 / polled.received as f64;
        let mut add = |row, value| self.tables[wire].add(row, column, value);
        add("polls/s", polls / took.as_secs_f64());
        add("server CPU, user, us/poll", server.user * MICRO / polls);
        add("server CPU, system, us/poll", server.system * MICRO / polls);
        add("client CPU, us/poll", client.total() * MICRO / polls);
        add("octets sent/poll", polled.received as f64 / polls);
        add("server CPU, ns/octet", per_octet);
        add("UIDL to its first octet, median, ms", polled.first_octet.quantile(0.5));
        add("server resident, MiB", resident(pid)? as f64 / MEBI);
        Ok(per_octet)
    }

    /// Polls that each find a message more than the one before, so that no listing can be ready.
    fn measure_fresh(&mut self, column: usize, mailbox: &str) -> io::Result<()> {
        let held = self.options.mailboxes[column] as u64;
        let pid = self.appliance.pid();
        let mut buffer = Buffer::default();
        let (mut times, server) = (Latencies::default(), Usage::of(pid)?);
        for new in 1..=FRESH {
            deliver(self.appliance, mailbox, 1)?;
            thread::sleep(ROUTING);
            let start = Instant::now();
            let polled = poll(self.appliance.pop3, Security::Plain, mailbox, &mut buffer)?;
            times.add(start.elapsed());
            if polled.messages != held + new {
                await_count(self.appliance.pop3, mailbox, held + new, DRAIN)?;
            }
        }
        let server = Usage::of(pid)?.since(server);
        self.tables[0].add("with a new message: one poll, median, ms", column, times.quantile(0.5));
        let each = server.total() * MICRO / FRESH as f64;
        self.tables[0].add("with a new message: server CPU, us/delivery and poll", column, each);
        Session::login(self.appliance.pop3, mailbox, &mut buffer)?.trim(held)
    }
}

pub(super) fn deliver(appliance: &Appliance, mailbox: &str, count: u64) -> io::Result<Tally> {
    Crowd::gather(Load {
        address: appliance.smtp,
        security: Security::Plain,
        connections: SENDERS.min(usize::try_from(count).unwrap_or(SENDERS)),
        threads: 1,
        texts: Texts::new(Manner::Waits, &[mailbox.to_owned()], SIZE),
        limit: Limit::Messages(count),
    })?
    .deliver()
}

impl Part for PollPart<'_> {
    fn round(&mut self, _budget: &mut Budget) -> io::Result<()> {
        settle(self.appliance.pid())?;
        let base = self.options.mailboxes.iter().position(|size| *size == 1_000);
        for wire in 0..self.options.wires.len() {
            let mut costs = Vec::new();
            for (column, mailbox) in Self::mailboxes(self.options).iter().enumerate() {
                costs.push(self.measure(wire, column, mailbox)?);
            }
            let base = base.map_or(f64::NAN, |base| costs[base]);
            for (column, cost) in costs.iter().enumerate().filter(|_| base.is_finite()) {
                self.tables[wire].add("cost of an octet against 1,000 messages", column, cost / base);
            }
        }
        for (column, mailbox) in Self::mailboxes(self.options).iter().enumerate() {
            self.measure_fresh(column, mailbox)?;
        }
        Ok(())
    }

    fn tables(&self) -> Vec<&Table> {
        self.tables.iter().collect()
    }
}
