use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use restante_tests::Appliance;

use super::{Budget, MEBI, MICRO, Part};
use crate::facts::disk_written;
use crate::load::pop3::{Buffer, Session, await_count};
use crate::load::raw::Raw;
use crate::load::smtp::{Crowd, Limit, Load, Tally, Texts};
use crate::options::{self, Options};
use crate::process::{Machine, Usage, resident, settle};
use crate::report::Table;

/// How many mailboxes the senders deliver to.
const MAILBOXES: usize = 8;
/// How many messages may pile up in them.
const KEPT: u64 = 50_000;
/// How long the router may need for what a slice left behind.
const DRAIN: Duration = Duration::from_secs(120);

/// Durable messages a second: the raw limit, and the appliance beside it.
#[derive(Debug)]
pub(crate) struct SmtpPart<'a> {
    options: &'a Options,
    appliance: Option<&'a Appliance>,
    raw: Raw,
    mailboxes: Vec<String>,
    held: Vec<u64>,
    table: Table,
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
        let columns = options.connections.iter().map(usize::to_string).collect();
        // The first login hashes its password, which no slice shall pay for.
        for mailbox in Self::mailboxes() {
            appliance.map_or(Ok(()), |appliance| await_count(appliance.pop3, &mailbox, 0, DRAIN))?;
        }
        let title = format!("SMTP: {} octets each; at once:", options.size);
        Ok(Self {
            options,
            appliance,
            raw: Raw::prepare(folder)?,
            mailboxes: Self::mailboxes(),
            held: vec![0; MAILBOXES],
            table: Table::new(title, columns),
        })
    }

    fn deliver(&mut self, appliance: &Appliance, column: usize, limit: f64) -> io::Result<()> {
        let Options { size, threads, slice, ref connections, .. } = *self.options;
        let crowd = Crowd::gather(Load {
            address: appliance.smtp,
            connections: connections[column],
            threads,
            texts: Texts::new(&self.mailboxes, size),
            limit: Limit::Time(slice),
        })?;
        let pid = appliance.pid();
        let disk = disk_written(appliance.config_dir());
        let (server, client, machine, start) =
            (Usage::of(pid)?, Usage::here()?, Machine::now()?, Instant::now());
        let tally = crowd.deliver()?;
        let (client, busy, took) =
            (Usage::here()?.since(client), Machine::now()?.busy_since(machine), start.elapsed());
        self.drain(appliance, &tally)?;
        let (server, whole) = (Usage::of(pid)?.since(server), start.elapsed());

        let count = tally.total() as f64;
        let rate = tally.in_time as f64 / slice.as_secs_f64();
        let mut add = |row, value| self.table.add(row, column, value);
        add("SMTP accepted, messages/s", rate);
        add("ratio to raw", rate / limit);
        add("SMTP accepted and delivered, messages/s", count / whole.as_secs_f64());
        add("SMTP last octet to 250, median, ms", tally.latencies.quantile(0.5));
        add("SMTP last octet to 250, p99, ms", tally.latencies.quantile(0.99));
        add("server CPU, user, us/message", server.user * MICRO / count);
        add("server CPU, system, us/message", server.system * MICRO / count);
        add("client CPU, us/message", client.total() * MICRO / count);
        add("client's share of both", client.total() / (client.total() + server.total()));
        add("all cores busy, share", busy);
        add("routing behind at the end, s", (whole - took).as_secs_f64());
        if let (Some(before), Some(after)) = (disk, disk_written(appliance.config_dir())) {
            add("disk written by all, octets/message", (after - before) as f64 / count);
        }
        add("server resident, MiB", resident(pid)? as f64 / MEBI);
        add("deferred (4xx)", tally.deferred as f64);
        if tally.deferred > 0 {
            crate::say(&format!("deferred {} times, such as: {}", tally.deferred, tally.deferral));
        }
        Ok(())
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
        Ok(())
    }
}

impl Part for SmtpPart<'_> {
    fn round(&mut self, budget: &mut Budget) -> io::Result<()> {
        for (column, producers) in self.options.connections.iter().enumerate() {
            if budget.is_spent()? {
                return Ok(());
            }
            if let Some(appliance) = self.appliance {
                settle(appliance.pid())?;
            }
            let raw = self.raw.slice(*producers, self.options.size, self.options.slice)?;
            budget.add(raw.written);
            self.table.add("raw group commit, messages/s", column, raw.per_second);
            self.table.add("raw group commit, p99, ms", column, raw.latencies.quantile(0.99));
            let Some(appliance) = self.appliance.filter(|_| self.options.wants(options::Part::Smtp)) else {
                continue;
            };
            self.deliver(appliance, column, raw.per_second)?;
            if self.held.iter().sum::<u64>() > KEPT {
                self.empty(appliance)?;
            }
        }
        Ok(())
    }

    fn tables(&self) -> Vec<&Table> {
        vec![&self.table]
    }
}
