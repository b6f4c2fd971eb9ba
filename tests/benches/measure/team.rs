use std::io::{self, Error};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use restante_tests::Appliance;

use super::poll::{CLIENTS, DRAIN, LEAST, deliver};
use super::{Budget, MEBI, MICRO, Part};
use crate::load::pop3::{Buffer, Session, await_count, poll};
use crate::load::wire::Security;
use crate::options::Options;
use crate::process::{Usage, resident, settle};
use crate::report::Table;

const MEMBERS: usize = 20;
/// What the members of a team may cost beyond a plain mailbox of 10,000 messages, in octets.
const AIM: f64 = 2e6;

/// Polls of a team mailbox by its members, against the same messages in a plain one.
#[derive(Debug)]
pub(crate) struct TeamPart<'a> {
    options: &'a Options,
    appliance: Appliance,
    table: Table,
    rounds: usize,
}

/// What a slice of polls came to.
#[derive(Debug, Clone, Copy)]
struct Polled {
    per_second: f64,
    user: f64,
    system: f64,
}

fn plain(size: usize) -> Vec<String> {
    vec![format!("plain{size}")]
}

fn team(size: usize) -> Vec<String> {
    (1..=MEMBERS).map(|member| format!("m{member}/team{size}")).collect()
}

fn mailboxes(sizes: &[usize]) -> String {
    let mut text = "[[domain]]\nname = \"example.test\"\npostmaster = \"m1\"\n".to_owned();
    let mut mailbox = |name: &str, keys: &str| {
        text.push_str(&format!("\n[[mailbox]]\nname = \"{name}\"\n{keys}\n"));
    };
    let members: Vec<String> = (1..=MEMBERS).map(|member| format!("\"m{member}\"")).collect();
    for member in 1..=MEMBERS {
        mailbox(&format!("m{member}"), "password = \"PASSWORD-HASH\"");
    }
    for size in sizes {
        mailbox(&format!("plain{size}"), "password = \"PASSWORD-HASH\"");
        let keys = format!("members = [{}]\nrelease = {{ when = \"all-done\" }}", members.join(", "));
        mailbox(&format!("team{size}"), &keys);
    }
    text
}

impl<'a> TeamPart<'a> {
    /// Fills the mailboxes.
    pub(crate) fn new(options: &'a Options) -> io::Result<Self> {
        let appliance = super::subject::start_with(mailboxes(&options.mailboxes));
        for size in &options.mailboxes {
            let start = Instant::now();
            deliver(&appliance, &format!("plain{size}"), *size as u64)?;
            deliver(&appliance, &format!("team{size}"), *size as u64)?;
            for login in plain(*size).iter().chain(&team(*size)) {
                await_count(appliance.pop3, login, *size as u64, DRAIN)?;
            }
            crate::say(&format!("{size} messages twice: filled in {:.0} s", start.elapsed().as_secs_f64()));
        }
        let title = format!(
            "POP3: polls (login, STAT, UIDL, QUIT) by {CLIENTS} clients, of a plain mailbox and by the {MEMBERS} members of a team; messages held:"
        );
        let columns = options.mailboxes.iter().map(usize::to_string).collect();
        Ok(Self { options, appliance, table: Table::new(title, columns), rounds: 0 })
    }

    /// What the mailbox takes in memory once each of these logins has polled it, beyond an appliance that knows every
    /// password: to hash one takes more than what is measured here.
    fn memory(&mut self, logins: &[String]) -> io::Result<f64> {
        self.appliance.restart();
        let mut buffer = Buffer::default();
        for member in 1..=MEMBERS {
            poll(self.appliance.pop3, Security::Plain, &format!("m{member}"), &mut buffer)?;
        }
        settle(self.appliance.pid())?;
        let rest = resident(self.appliance.pid())?;
        for login in logins.iter().chain(logins) {
            poll(self.appliance.pop3, Security::Plain, login, &mut buffer)?;
        }
        settle(self.appliance.pid())?;
        Ok(resident(self.appliance.pid())? as f64 - rest as f64)
    }

    fn slice(&self, logins: &[String]) -> io::Result<Polled> {
        let (until, next) = (Instant::now() + self.options.slice, AtomicUsize::new(0));
        let client = || {
            let (mut polls, mut buffer) = (0, Buffer::default());
            while Instant::now() < until || polls < LEAST {
                let login = &logins[next.fetch_add(1, Ordering::Relaxed) % logins.len()];
                poll(self.appliance.pop3, Security::Plain, login, &mut buffer)?;
                polls += 1;
            }
            Ok::<_, Error>(polls)
        };
        let (server, start) = (Usage::of(self.appliance.pid())?, Instant::now());
        let polls: u64 = thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
            let died = |_| Error::other("a polling client died");
            clients.into_iter().map(|client| client.join().map_err(died)?).sum::<io::Result<u64>>()
        })?;
        let (server, took) = (Usage::of(self.appliance.pid())?.since(server), start.elapsed());
        let polls = polls as f64;
        let (user, system) = (server.user * MICRO / polls, server.system * MICRO / polls);
        Ok(Polled { per_second: polls / took.as_secs_f64(), user, system })
    }

    fn compare(&mut self, column: usize, size: usize) -> io::Result<()> {
        let alone = self.memory(&plain(size))?;
        let together = self.memory(&team(size))?;
        // Both are in memory from here on.
        let mut buffer = Buffer::default();
        poll(self.appliance.pop3, Security::Plain, &plain(size)[0], &mut buffer)?;
        let (members, plain) = (self.slice(&team(size))?, self.slice(&plain(size))?);
        let mut add = |row, value| self.table.add(row, column, value);
        add("plain: polls/s", plain.per_second);
        add("plain: server CPU, user, us/poll", plain.user);
        add("plain: server CPU, system, us/poll", plain.system);
        add("members: polls/s", members.per_second);
        add("members: server CPU, user, us/poll", members.user);
        add("members: server CPU, system, us/poll", members.system);
        let (ours, theirs) = (members.user + members.system, plain.user + plain.system);
        add("server CPU of a member's poll against a plain one (aim: 1.2)", ours / theirs);
        add("plain: memory, MiB", alone / MEBI);
        add("members: memory, MiB", together / MEBI);
        add(
            "members: memory beyond the plain one's, for 10,000 messages, against the aim of 2 MB",
            (together - alone) * 1e4 / size as f64 / AIM,
        );
        Ok(())
    }

    /// Each member is done with every other message, and not all with the same.
    fn thin(&self, size: usize) -> io::Result<()> {
        for (number, login) in team(size).iter().enumerate() {
            let mut buffer = Buffer::default();
            let mut session = Session::login(self.appliance.pop3, login, &mut buffer)?;
            let (count, _) = session.stat()?;
            session.delete((1..=count).filter(|message| message % 2 == number as u64 % 2))?;
            session.quit()?;
        }
        Ok(())
    }

    fn compare_thinned(&mut self, column: usize, size: usize) -> io::Result<()> {
        let alone = self.memory(&plain(size))?;
        let together = self.memory(&team(size))?;
        let members = self.slice(&team(size))?;
        let mut add = |row, value| self.table.add(row, column, value);
        add("each done with every other message: polls/s", members.per_second);
        add("each done with every other message: server CPU, user, us/poll", members.user);
        add("each done with every other message: memory, MiB", together / MEBI);
        add(
            "the same beyond the plain one's, for 10,000 messages, against the aim",
            (together - alone) * 1e4 / size as f64 / AIM,
        );
        Ok(())
    }
}

impl Part for TeamPart<'_> {
    fn round(&mut self, _budget: &mut Budget) -> io::Result<()> {
        self.rounds += 1;
        let sizes = self.options.mailboxes.clone();
        for (column, size) in sizes.iter().enumerate() {
            self.compare(column, *size)?;
        }
        // What is deleted does not come back: the last thing to be measured.
        if self.rounds == self.options.rounds {
            for (column, size) in sizes.iter().enumerate() {
                self.thin(*size)?;
                self.compare_thinned(column, *size)?;
            }
        }
        Ok(())
    }

    fn tables(&self) -> Vec<&Table> {
        vec![&self.table]
    }
}
