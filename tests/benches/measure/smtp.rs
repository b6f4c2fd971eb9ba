use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use restante_tests::Appliance;
use tokio::runtime::Runtime;

use super::{Budget, MEBI, MICRO, Part, size_name};
use crate::load::pop3::{Buffer, Session, await_count};
use crate::load::producers::Until;
use crate::load::raw::Raw;
use crate::load::sender::Manner;
use crate::load::smtp::{Crowd, Limit, Load, Tally, Texts};
use crate::load::wire::Security;
use crate::options::{self, Options};
use crate::process::{Machine, Usage, resident, settle};
use crate::report::Table;

/// How many mailboxes the senders deliver to.
const MAILBOXES: usize = 8;
/// How many messages, and octets, may pile up in them.
const KEPT: u64 = 50_000;
const KEPT_OCTETS: u64 = 1 << 30;
/// How long the router may need for what a slice left behind.
const DRAIN: Duration = Duration::from_secs(120);

/// Durable messages a second: the raw limit, and the appliance beside it.
#[derive(Debug)]
pub(crate) struct SmtpPart<'a> {
    options: &'a Options,
    appliance: Option<&'a Appliance>,
    runtime: Runtime,
    raw: Raw,
    mailboxes: Vec<String>,
    held: Vec<u64>,
    held_octets: u64,
    /// One for each size.
    sheets: Vec<Sheet>,
}

/// What is measured with messages of one size.
#[derive(Debug)]
struct Sheet {
    size: usize,
    raw: Table,
    ways: Vec<Way>,
}

/// How the clients of one table speak.
#[derive(Debug)]
struct Way {
    security: Security,
    manner: Manner,
    table: Table,
    /// One for each column.
    sums: Vec<Sum>,
}

/// All rounds of one column.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    messages: u64,
    server: Usage,
}

/// One column of a sheet.
#[derive(Debug, Clone, Copy)]
struct Cell {
    sheet: usize,
    way: usize,
    column: usize,
}

impl Sheet {
    fn new(options: &Options, size: usize) -> Self {
        let columns: Vec<_> = options.connections.iter().map(usize::to_string).collect();
        let name = size_name(size);
        let way = |security: Security, manner: Manner| {
            let title = format!("SMTP, {security}, client {manner}: {name} each; connections:");
            let (table, sums) = (Table::new(title, columns.clone()), vec![Sum::default(); columns.len()]);
            Way { security, manner, table, sums }
        };
        let ways = options.wires.iter().flat_map(|wire| options.manners.iter().map(move |m| (*wire, *m)));
        Self {
            size,
            raw: Table::new(format!("raw group commit: {name} each; at once:"), columns.clone()),
            ways: ways.map(|(wire, manner)| way(wire, manner)).collect(),
        }
    }

    fn tables(&self) -> Vec<&Table> {
        std::iter::once(&self.raw).chain(self.ways.iter().map(|way| &way.table)).collect()
    }
}

impl<'a> SmtpPart<'a> {
    /// The mailboxes that the appliance must have.
    pub(crate) fn mailboxes() -> Vec<String> {
        (0..MAILBOXES).map(|number| format!("sink{number}")).collect()
    }

    /// Without an appliance it measures the limit alone.
    pub(crate) fn new(
        options: &'a Options,
        folder: &Path,
        appliance: Option<&'a Appliance>,
    ) -> io::Result<Self> {
        // The first login hashes its password, which no slice shall pay for.
        for mailbox in Self::mailboxes() {
            appliance.map_or(Ok(()), |appliance| await_count(appliance.pop3, &mailbox, 0, DRAIN))?;
        }
        Ok(Self {
            options,
            appliance,
            runtime: Runtime::new()?,
            raw: Raw::prepare(folder)?,
            mailboxes: Self::mailboxes(),
            held: vec![0; MAILBOXES],
            held_octets: 0,
            sheets: options.sizes.iter().map(|size| Sheet::new(options, *size)).collect(),
        })
    }

    /// Both halves of one column, one after the other. Octets written.
    fn measure(&mut self, sheet: usize, column: usize) -> io::Result<u64> {
        let (size, producers) = (self.sheets[sheet].size, self.options.connections[column]);
        if let Some(appliance) = self.appliance {
            settle(appliance.pid())?;
        }
        let most = self.options.messages_of(size, producers);
        let until = Until { time: self.options.slice, count: most };
        let (raw, mut written) = self.raw.slice(&self.runtime, producers, size, until)?;
        let table = &mut self.sheets[sheet].raw;
        table.add("messages/s", column, raw.per_second);
        table.add("median, ms", column, raw.latencies.quantile(0.5));
        table.add("p99, ms", column, raw.latencies.quantile(0.99));
        let Some(appliance) = self.appliance.filter(|_| self.options.wants(options::Part::Smtp)) else {
            return Ok(written);
        };
        for way in 0..self.sheets[sheet].ways.len() {
            let cell = Cell { sheet, way, column };
            written += self.deliver(appliance, cell, raw.per_second)? * size as u64;
            if self.held.iter().sum::<u64>() > KEPT || self.held_octets > KEPT_OCTETS {
                self.empty(appliance)?;
            }
        }
        Ok(written)
    }

    fn deliver(&mut self, appliance: &Appliance, cell: Cell, limit: f64) -> io::Result<u64> {
        let Options { threads, slice, ref connections, .. } = *self.options;
        let (size, connections) = (self.sheets[cell.sheet].size, connections[cell.column]);
        let Way { security, manner, .. } = self.sheets[cell.sheet].ways[cell.way];
        let crowd = Crowd::gather(Load {
            address: appliance.smtp,
            security,
            connections,
            threads,
            texts: Texts::new(manner, &self.mailboxes, size),
            limit: Limit::Time(slice, self.options.messages_of(size, connections)),
        })?;
        let pid = appliance.pid();
        let (server, client, machine, start) =
            (Usage::of(pid)?, Usage::here()?, Machine::now()?, Instant::now());
        let tally = crowd.deliver()?;
        let (client, busy, took) =
            (Usage::here()?.since(client), Machine::now()?.busy_since(machine), start.elapsed());
        self.held_octets += tally.total() * size as u64;
        self.drain(appliance, &tally)?;
        let (server, whole) = (Usage::of(pid)?.since(server), start.elapsed());

        let Way { table, sums, .. } = &mut self.sheets[cell.sheet].ways[cell.way];
        let sum = &mut sums[cell.column];
        sum.messages += tally.total();
        sum.server = sum.server.and(server);
        let count = tally.total() as f64;
        let mut add = |row, value| table.add(row, cell.column, value);
        add("accepted, messages/s", count / took.as_secs_f64());
        add("ratio to raw", count / took.as_secs_f64() / limit);
        add("accepted and delivered, messages/s", count / whole.as_secs_f64());
        add("last octet to 250, median, ms", tally.latencies.quantile(0.5));
        add("last octet to 250, p99, ms", tally.latencies.quantile(0.99));
        add("server CPU, user, us/message", server.user * MICRO / count);
        add("server CPU, system, us/message", server.system * MICRO / count);
        add("client CPU, us/message", client.total() * MICRO / count);
        add("all cores busy, share", busy);
        add("routing behind at the end, s", (whole.saturating_sub(took)).as_secs_f64());
        add("server resident, MiB", resident(pid)? as f64 / MEBI);
        add("deferred (4xx)", tally.deferred as f64);
        let all = sum.messages as f64;
        table.set("messages in all rounds", cell.column, all);
        table.set("all rounds: user, us/message", cell.column, sum.server.user * MICRO / all);
        table.set("all rounds: system, us/message", cell.column, sum.server.system * MICRO / all);
        if tally.deferred > 0 {
            crate::say(&format!("deferred {} times, such as: {}", tally.deferred, tally.deferral));
        }
        Ok(tally.total())
    }

    /// Every acknowledged message must come out; this waits for them.
    fn drain(&mut self, appliance: &Appliance, tally: &Tally) -> io::Result<()> {
        for ((mailbox, held), accepted) in self.mailboxes.iter().zip(&mut self.held).zip(&tally.accepted) {
            *held += accepted;
            await_count(appliance.pop3, mailbox, *held, DRAIN)?;
        }
        Ok(())
    }

    fn empty(&mut self, appliance: &Appliance) -> io::Result<()> {
        let mut buffer = Buffer::default();
        for (mailbox, held) in self.mailboxes.iter().zip(&mut self.held) {
            Session::login(appliance.pop3, mailbox, &mut buffer)?.trim(0)?;
            *held = 0;
        }
        self.held_octets = 0;
        Ok(())
    }
}

impl Part for SmtpPart<'_> {
    fn round(&mut self, budget: &mut Budget) -> io::Result<()> {
        for sheet in 0..self.sheets.len() {
            for column in 0..self.options.connections.len() {
                if budget.is_spent()? {
                    return Ok(());
                }
                budget.add(self.measure(sheet, column)?);
            }
        }
        Ok(())
    }

    fn tables(&self) -> Vec<&Table> {
        self.sheets.iter().flat_map(Sheet::tables).collect()
    }
}
