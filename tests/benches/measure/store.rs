use std::io::{self, Error};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mail::{MailboxName, ViewName};
use queue::{Expunge, Incoming, Store, StoreError};
use queue_sled::{Params, SledStore};
use tokio::runtime::Runtime;

use super::kept::{envelope, route_all};
use super::{Budget, MEBI, MICRO, Part, size_name};
use crate::load::figures::Latencies;
use crate::load::producers::{Produced, Until, produce};
use crate::load::raw::Raw;
use crate::load::smtp::message;
use crate::options::Options;
use crate::process::Usage;
use crate::report::Table;

/// How long a producer waits that the store has no room for just now.
const REST: Duration = Duration::from_millis(1);
/// Who gets everything.
const MAILBOX: &str = "alice";
/// Octets of one segment.
const SEGMENT: u32 = 64 << 20;

/// Durable messages a second through the store's own door, against raw group commit.
pub(crate) struct StorePart<'a> {
    options: &'a Options,
    runtime: Runtime,
    raw: Raw,
    store: SledStore,
    /// Octets in new files that are in the budget already.
    counted: u64,
    /// One for each size.
    tables: Vec<Table>,
}

impl<'a> StorePart<'a> {
    pub(crate) fn new(options: &'a Options, folder: &Path) -> io::Result<Self> {
        let columns: Vec<_> = options.connections.iter().map(usize::to_string).collect();
        let table =
            |size: &usize| Table::new(format!("store: {}; producers:", size_name(*size)), columns.clone());
        let (store, _) = SledStore::open(&folder.join("store"), params(options)).map_err(Error::other)?;
        let part = Self {
            options,
            runtime: Runtime::new()?,
            raw: Raw::prepare(folder)?,
            store,
            counted: 0,
            tables: options.sizes.iter().map(table).collect(),
        };
        part.warm_up()?;
        Ok(part)
    }

    /// As much as the longest slice, so that there are twice as many segments as it takes, and all were written
    /// before: a store that has run for a while has nothing to fill with zeros, nor has raw.
    fn warm_up(&self) -> io::Result<()> {
        self.prepared()?;
        let (size, most) = (1 << 20, longest(self.options) >> 20);
        self.produce(size, 16, Until { time: Duration::from_secs(600), count: most.max(1) })?;
        self.empty()
    }

    fn prepared(&self) -> io::Result<()> {
        if self.store.wait_prepared() { Ok(()) } else { Err(Error::other("the segments were not prepared")) }
    }

    fn produce(&self, size: usize, producers: usize, until: Until) -> io::Result<Produced> {
        let (store, body) = (self.store.clone(), Arc::<[u8]>::from(message(size)));
        let commit = move |_| keep(store.clone(), body.clone());
        self.runtime.block_on(produce(producers, until, commit))
    }

    /// Delivers, deletes and frees everything.
    fn empty(&self) -> io::Result<()> {
        self.runtime.block_on(async {
            let (mailbox, view) = (MailboxName::parse(MAILBOX).expect("a name"), ViewName::owner());
            let uids = route_all(&self.store).await?;
            let deleted = self
                .store
                .delete(vec![Expunge { mailbox, view, uids, unwanted: queue::Unwanted::Goes }])
                .await;
            deleted.map_err(Error::other)?;
            self.store.tidy().await.map(drop).map_err(Error::other)
        })
    }

    fn measure(&mut self, row: usize, column: usize) -> io::Result<u64> {
        let (size, producers) = (self.options.sizes[row], self.options.connections[column]);
        let until = Until { time: self.options.slice, count: self.options.messages_of(size, producers) };
        let before = Usage::here()?;
        let (raw, raw_written) = self.raw.slice(&self.runtime, producers, size, until)?;
        let raw_cpu = Usage::here()?.since(before);

        self.prepared()?;
        let (before, start) = (Usage::here()?, self.store.written());
        let produced = self.produce(size, producers, until)?;
        let (cpu, end) = (Usage::here()?.since(before), self.store.written());
        let written = end.records - start.records;
        self.empty()?;

        let table = &mut self.tables[row];
        let mut add = |name, value| table.add(name, column, value);
        add("raw group commit, messages/s", raw.per_second);
        add("store, messages/s", produced.per_second);
        add("ratio to raw", produced.per_second / raw.per_second);
        add("ratio aimed at", aim(size, producers));
        latencies(&raw, &produced, &mut add);
        add("octets to the log for one of a message", written as f64 / (produced.count * size as u64) as f64);
        add("zeros meanwhile, MiB", (end.files - start.files) as f64 / MEBI);
        add("raw CPU, us/message", raw_cpu.total() * MICRO / raw.count as f64);
        add("store CPU, us/message", cpu.total() * MICRO / produced.count as f64);
        Ok(raw_written + written)
    }
}

fn latencies(raw: &Produced, store: &Produced, add: &mut impl FnMut(&'static str, f64)) {
    let (raw, store): (&Latencies, &Latencies) = (&raw.latencies, &store.latencies);
    add("raw, median, ms", raw.quantile(0.5));
    add("raw, p99, ms", raw.quantile(0.99));
    add("store, median, ms", store.quantile(0.5));
    add("store, p99, ms", store.quantile(0.99));
    add("p99 against raw's (aim: 1.5)", store.quantile(0.99) / raw.quantile(0.99));
}

/// Octets that the longest slice writes.
fn longest(options: &Options) -> u64 {
    let slice = |size: &usize| {
        let most = |producers: &usize| options.messages_of(*size, *producers) * *size as u64;
        options.connections.iter().map(most).max().unwrap_or(0)
    };
    options.sizes.iter().map(slice).max().unwrap_or(0)
}

/// So many segments that none must be prepared while one slice is measured.
fn params(options: &Options) -> Params {
    let spares = usize::try_from(longest(options) * 3 / 2 / u64::from(SEGMENT)).unwrap_or(1) + 2;
    Params { segment_size: Some(SEGMENT), spares, memory: 1 << 30, ..Params::default() }
}

/// The least ratio to raw that the store is held to.
fn aim(size: usize, producers: usize) -> f64 {
    match (size <= 4_096, producers) {
        (true, ..=16) => 0.7,
        (false, ..=1) => 0.75,
        (true, ..=64) | (false, ..=16) => 0.85,
        (_, _) => 0.9,
    }
}

/// Brings in one message, and waits until it is durable.
async fn keep(store: SledStore, body: Arc<[u8]>) -> io::Result<()> {
    let mut incoming = loop {
        match store.incoming(Some(body.len() as u64)) {
            Err(StoreError::Full(_)) => tokio::time::sleep(REST).await,
            admitted => break admitted.map_err(Error::other)?,
        }
    };
    incoming.write(&body).await.map_err(Error::other)?;
    incoming.commit(envelope(MAILBOX)).await.map(drop).map_err(Error::other)
}

impl Part for StorePart<'_> {
    fn round(&mut self, budget: &mut Budget) -> io::Result<()> {
        for row in 0..self.options.sizes.len() {
            for column in 0..self.options.connections.len() {
                if budget.is_spent()? {
                    return Ok(());
                }
                budget.add(self.measure(row, column)?);
            }
        }
        let files = self.store.written().files;
        budget.add(files - std::mem::replace(&mut self.counted, files));
        Ok(())
    }

    fn tables(&self) -> Vec<&Table> {
        self.tables.iter().collect()
    }
}
