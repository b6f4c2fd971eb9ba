use std::io;
use std::time::{Duration, Instant};

use restante_tests::Appliance;

use super::{Budget, MEBI, MICRO, Part, size_name};
use crate::load::pop3::{Buffer, Session, await_count};
use crate::load::pump;
use crate::load::sender::Manner;
use crate::load::smtp::{Crowd, Limit, Load, Texts};
use crate::load::wire::Security;
use crate::options::Options;
use crate::process::{Usage, settle};
use crate::report::Table;

/// Octets of a message, how many of them a mailbox holds, and its name. The second is kept outside the log.
const MAILBOXES: [(usize, u64, &str); 2] = [(1 << 20, 16, "retr1"), (10 << 20, 4, "retr10")];
const DRAIN: Duration = Duration::from_secs(120);

/// MB/s out of a mailbox over one connection, against what the loopback does.
#[derive(Debug)]
pub(crate) struct RetrPart<'a> {
    options: &'a Options,
    appliance: &'a Appliance,
    /// One for each wire.
    tables: Vec<Table>,
}

impl<'a> RetrPart<'a> {
    /// The mailboxes that the appliance must have.
    pub(crate) fn mailboxes() -> Vec<String> {
        MAILBOXES.iter().map(|(_, _, name)| (*name).to_owned()).collect()
    }

    /// Fills the mailboxes.
    pub(crate) fn new(options: &'a Options, appliance: &'a Appliance) -> io::Result<Self> {
        for (size, count, mailbox) in MAILBOXES {
            Crowd::gather(Load {
                address: appliance.smtp,
                security: Security::Plain,
                connections: 1,
                threads: 1,
                texts: Texts::new(Manner::Waits, &[mailbox.to_owned()], size),
                limit: Limit::Messages(count),
            })?
            .deliver()?;
            await_count(appliance.pop3, mailbox, count, DRAIN)?;
        }
        let columns: Vec<_> = MAILBOXES.iter().map(|(size, _, _)| size_name(*size)).collect();
        let reads = Buffer::default().size() >> 10;
        let table = |security: &Security| {
            let title = format!("RETR, {security}: one connection, reads of {reads} KiB; messages of:");
            Table::new(title, columns.clone())
        };
        Ok(Self { options, appliance, tables: options.wires.iter().map(table).collect() })
    }

    fn measure(&mut self, wire: usize, column: usize) -> io::Result<()> {
        let mut buffer = Buffer::default();
        let limit = pump::slice(self.options.slice, &mut buffer)?;
        let (_, count, mailbox) = MAILBOXES[column];
        let security = self.options.wires[wire];
        let address = match security {
            Security::Plain => self.appliance.pop3,
            Security::Tls => self.appliance.pop3s,
        };
        let mut session = Session::login_by(address, security, mailbox, &mut buffer)?;
        let sizes = (1..=count).map(|number| session.size(number)).collect::<io::Result<Vec<u64>>>()?;
        let pid = self.appliance.pid();
        let (server, client, start) = (Usage::of(pid)?, Usage::here()?, Instant::now());
        let mut octets = 0;
        for (number, size) in (1..=count).zip(&sizes).cycle() {
            octets += session.retr(number, *size)?;
            if start.elapsed() >= self.options.slice {
                break;
            }
        }
        let (server, client) = (Usage::of(pid)?.since(server), Usage::here()?.since(client));
        let rate = octets as f64 / start.elapsed().as_secs_f64();
        session.quit()?;

        let mebis = octets as f64 / MEBI;
        let mut add = |row, value| self.tables[wire].add(row, column, value);
        add("loopback alone, MB/s", limit / 1e6);
        add("RETR, MB/s", rate / 1e6);
        add("ratio to the loopback", rate / limit);
        add("server CPU, user, us/MiB", server.user * MICRO / mebis);
        add("server CPU, system, us/MiB", server.system * MICRO / mebis);
        add("client CPU, us/MiB", client.total() * MICRO / mebis);
        Ok(())
    }
}

impl Part for RetrPart<'_> {
    fn round(&mut self, _budget: &mut Budget) -> io::Result<()> {
        settle(self.appliance.pid())?;
        for wire in 0..self.options.wires.len() {
            (0..MAILBOXES.len()).try_for_each(|column| self.measure(wire, column))?;
        }
        Ok(())
    }

    fn tables(&self) -> Vec<&Table> {
        self.tables.iter().collect()
    }
}
