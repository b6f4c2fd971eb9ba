use std::fs;
use std::io::{self, Error};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::Instant;

use queue::{Incoming, Store};
use queue_sled::{Params, SledStore};
use restante_tests::Appliance;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::kept::{envelope, route_all};
use super::{Budget, MEBI, MICRO, Part};
use crate::load::pop3::{Buffer, Session, poll};
use crate::load::smtp::message;
use crate::load::wire::Security;
use crate::options::Options;
use crate::process::{Usage, resident, settle};
use crate::report::Table;

const MAILBOXES: u64 = 500;
/// How many of them hold a tenth of all messages each.
const LARGE: u64 = 4;
const SIZE: usize = 1_024;
/// Messages that come in at once.
const AT_ONCE: u64 = 500;
/// Messages between two looks at what is queued.
const ROUTED: u64 = 10_000;
const POLLS: u32 = 20;
/// Beside the large ones: what a first login costs, whoever logs in.
const SMALL: u64 = MAILBOXES - 1;

/// A store of many messages: how it starts, what memory it takes, and how its index is built again.
#[derive(Debug)]
pub(crate) struct BigPart<'a> {
    options: &'a Options,
    appliance: Appliance,
    table: Table,
}

fn mailbox(number: u64) -> String {
    format!("box{number}")
}

impl<'a> BigPart<'a> {
    /// Fills the store.
    pub(crate) fn new(options: &'a Options) -> io::Result<Self> {
        let mailboxes: Vec<_> = (0..MAILBOXES).map(mailbox).collect();
        let appliance = super::subject::prepare(&mailboxes, "index-cache = \"16 MiB\"");
        let title = format!("{} messages in {MAILBOXES} mailboxes", options.messages);
        let mut part = Self { options, appliance, table: Table::new(title, vec![String::new()]) };
        let start = Instant::now();
        let store = part.appliance.state_dir().join("store");
        fs::DirBuilder::new().mode(0o700).create(part.appliance.state_dir())?;
        Runtime::new()?.block_on(fill(&store, options.messages))?;
        crate::say(&format!("filled in {:.0} s", start.elapsed().as_secs_f64()));
        part.add("log, MiB", octets(&store.join("log"))? as f64 / MEBI);
        part.add("index, MiB", octets(&store.join("idx"))? as f64 / MEBI);
        Ok(part)
    }

    fn add(&mut self, row: &'static str, value: f64) {
        self.table.add(row, 0, value);
    }

    /// Starts it, and says how long it took until it served.
    fn start(&mut self, row: &'static str) -> io::Result<f64> {
        let start = Instant::now();
        self.appliance.restart();
        let took = start.elapsed().as_secs_f64();
        self.add(row, took);
        settle(self.appliance.pid())?;
        Ok(took)
    }

    fn stop(&mut self) -> io::Result<()> {
        match self.appliance.stop() {
            status if status.success() => Ok(()),
            status => Err(Error::other(format!("it ended with {status}"))),
        }
    }

    fn poll(&mut self, mailbox: &str) -> io::Result<(f64, f64, u64)> {
        let (before, start) = (Usage::of(self.appliance.pid())?, Instant::now());
        let mut buffer = Buffer::default();
        let polled = poll(self.appliance.pop3, Security::Plain, mailbox, &mut buffer)?;
        let took = start.elapsed().as_secs_f64() * 1e3;
        Ok((took, Usage::of(self.appliance.pid())?.since(before).total() * 1e3, polled.messages))
    }

    /// The first poll after a start, those after it, and what memory the mailboxes then take.
    fn polls(&mut self) -> io::Result<u64> {
        let rest = resident(self.appliance.pid())?;
        self.add("at rest: resident, MiB", rest as f64 / MEBI);
        let (took, used, _) = self.poll(&mailbox(SMALL))?;
        self.add("first poll of a small mailbox, ms (its password is hashed)", took);
        self.add("first poll of a small mailbox, server CPU, ms", used);
        let (took, used, messages) = self.poll(&mailbox(0))?;
        self.add("messages in a large mailbox", messages as f64);
        self.add("first poll of a large mailbox, ms", took);
        self.add("first poll of a large mailbox, server CPU, ms", used);
        let (before, start) = (Usage::of(self.appliance.pid())?, Instant::now());
        for _ in 0..POLLS {
            self.poll(&mailbox(0))?;
        }
        let used = Usage::of(self.appliance.pid())?.since(before);
        self.add("later poll of a large mailbox, ms", start.elapsed().as_secs_f64() * 1e3 / f64::from(POLLS));
        self.add("later poll of a large mailbox, server CPU, user, us", used.user * MICRO / f64::from(POLLS));
        self.add(
            "later poll of a large mailbox, server CPU, system, us",
            used.system * MICRO / f64::from(POLLS),
        );
        let mut buffer = Buffer::default();
        let mut loaded = messages;
        for number in 1..LARGE {
            let mut session = Session::login(self.appliance.pop3, &mailbox(number), &mut buffer)?;
            loaded += session.stat()?.0;
            session.quit()?;
        }
        settle(self.appliance.pid())?;
        let resident = resident(self.appliance.pid())?;
        self.add("large mailboxes loaded: resident, MiB", resident as f64 / MEBI);
        self.add("large mailboxes loaded: aim, MiB", 60.0 + loaded as f64 * 32.0 / MEBI);
        Ok(messages)
    }
}

impl Part for BigPart<'_> {
    fn round(&mut self, budget: &mut Budget) -> io::Result<()> {
        let store = self.appliance.state_dir().join("store");
        budget.add(octets(&store)?);
        self.start("start until it serves, s (aim: 2)")?;
        let held = self.polls()?;
        self.appliance.kill();
        self.start("start after a kill, s (aim: 2)")?;
        self.stop()?;

        fs::remove_dir_all(store.join("idx"))?;
        let took = self.start("start with the log alone, s")?;
        let million = took * 1e6 / self.options.messages as f64;
        self.add("start with the log alone, s for a million messages (aim: 60)", million);
        let (.., messages) = self.poll(&mailbox(0))?;
        if messages != held {
            return Err(Error::other(format!("{messages} messages after the index was built again")));
        }
        self.stop()?;

        // With a snap the log may lack what had died before it, so this comes last.
        Runtime::new()?.block_on(tidy(&store))?;
        fs::remove_dir_all(store.join("idx"))?;
        self.start("start with a snap and no index, s")?;
        self.stop()
    }

    fn tables(&self) -> Vec<&Table> {
        vec![&self.table]
    }
}

/// Messages for all mailboxes in turn, a tenth of them for each of the large ones.
async fn fill(path: &Path, messages: u64) -> io::Result<()> {
    let (store, body) = (open(path).await?, message(SIZE));
    let mut first = 0;
    while first < messages {
        let mut coming = JoinSet::new();
        for number in first..(first + AT_ONCE).min(messages) {
            let (store, body) = (store.clone(), body.clone());
            coming.spawn(async move {
                let mut incoming = store.incoming(Some(SIZE as u64)).map_err(Error::other)?;
                incoming.write(&body).await.map_err(Error::other)?;
                incoming.commit(envelope(&recipient(number))).await.map_err(Error::other)
            });
        }
        while let Some(kept) = coming.join_next().await {
            kept.map_err(Error::other)??;
        }
        first += AT_ONCE;
        if first % ROUTED == 0 {
            route_all(&store).await?;
        }
    }
    route_all(&store).await?;
    store.close().await.map_err(Error::other)
}

/// Has a snap made.
async fn tidy(path: &Path) -> io::Result<()> {
    let store = open(path).await?;
    store.tidy().await.map_err(Error::other)?;
    store.close().await.map_err(Error::other)
}

async fn open(path: &Path) -> io::Result<SledStore> {
    let (path, params) = (path.to_owned(), Params { spares: 4, ..Params::default() });
    let opened = tokio::task::spawn_blocking(move || SledStore::open(&path, params)).await;
    opened.map_err(Error::other)?.map(|(store, _)| store).map_err(Error::other)
}

fn recipient(number: u64) -> String {
    let (ten, turn) = (number / 10, number % 10);
    if turn < LARGE {
        return mailbox(turn);
    }
    mailbox(LARGE + (ten * (10 - LARGE) + turn - LARGE) % (MAILBOXES - LARGE))
}

/// Octets of the files in a folder.
fn octets(folder: &Path) -> io::Result<u64> {
    let mut octets = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let data = entry.metadata()?;
        octets += if data.is_dir() { self::octets(&entry.path())? } else { data.len() };
    }
    Ok(octets)
}
