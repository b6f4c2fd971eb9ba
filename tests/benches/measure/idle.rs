use std::io;

use restante_tests::Appliance;
use rustix::process::{Resource, getrlimit, setrlimit};

use super::{Budget, MEBI, Part};
use crate::load::sender::Sender;
use crate::options::Options;
use crate::process::{resident, settle};
use crate::report::Table;

/// Files that this process, and the server, need beside connections.
const FILES: u64 = 1_000;

/// Memory of connections that have said EHLO, and nothing since.
#[derive(Debug)]
pub(crate) struct IdlePart<'a> {
    options: &'a Options,
    appliance: &'a Appliance,
    /// Resident memory before anybody came.
    before: u64,
    table: Table,
}

impl<'a> IdlePart<'a> {
    /// Raises the number of files that this process, and what it starts, may open.
    pub(crate) fn prepare(options: &Options) -> io::Result<()> {
        let mut limit = getrlimit(Resource::Nofile);
        let wanted = options.idle as u64 + FILES;
        if limit.current.is_some_and(|current| current < wanted) {
            limit.current = Some(limit.maximum.map_or(wanted, |most| most.min(wanted)));
            setrlimit(Resource::Nofile, limit)?;
        }
        Ok(())
    }

    pub(crate) fn new(options: &'a Options, appliance: &'a Appliance) -> io::Result<Self> {
        settle(appliance.pid())?;
        let before = resident(appliance.pid())?;
        let columns = options.wires.iter().map(|security| security.to_string()).collect();
        let title = format!("SMTP: {} idle connections:", options.idle);
        Ok(Self { options, appliance, before, table: Table::new(title, columns) })
    }

    fn measure(&mut self, column: usize) -> io::Result<()> {
        let pid = self.appliance.pid();
        let greet = |_| Sender::greet(self.appliance.smtp, self.options.wires[column], 0);
        let idle = (0..self.options.idle).map(greet).collect::<io::Result<Vec<_>>>()?;
        settle(pid)?;
        let during = resident(pid)?;
        idle.into_iter().try_for_each(Sender::quit)?;
        let more = during.saturating_sub(self.before);
        let mut add = |row, value| self.table.add(row, column, value);
        add("server resident, MiB", during as f64 / MEBI);
        add("more than before anybody came, MiB", more as f64 / MEBI);
        add("octets/connection", more as f64 / self.options.idle as f64);
        Ok(())
    }
}

impl Part for IdlePart<'_> {
    /// Once: memory that was given back is not seen to come a second time.
    fn round(&mut self, _budget: &mut Budget) -> io::Result<()> {
        if self.table.is_empty() {
            (0..self.options.wires.len()).try_for_each(|column| self.measure(column))
        } else {
            Ok(())
        }
    }

    fn tables(&self) -> Vec<&Table> {
        vec![&self.table]
    }
}
