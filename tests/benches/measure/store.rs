use std::fs;
use std::io::{self, Error};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use queue::{Incoming, Store, StoreError};
use queue_sled::{Params, SledStore};
use tokio::runtime::Runtime;

use super::kept::{envelope, route_all};
use super::{Budget, MICRO, Part, size_name};
use crate::load::figures::Latencies;
use crate::load::producers::{Produced, Until, produce};
use crate::load::raw::Raw;
use crate::load::smtp::message;
use crate::options::Options;
use crate::process::Usage;
use crate::report::Table;

/// How long a producer waits that the store has no room for just now.
const REST: Duration = Duration::from_millis(1);
/// Octets of one segment.
const SEGMENT: u32 = 64 << 20;

/// Durable messages a second through the store's own door, against raw group commit.
#[derive(Debug)]
pub(crate) struct StorePart<'a> {
    options: &'a Options,
    folder: PathBuf,
    runtime: Runtime,
    raw: Raw,
    /// One for each size.
    tables: Vec<Table>,
}

impl<'a> StorePart<'a> {
    pub(crate) fn new(options: &'a Options, folder: &Path) -> io::Result<Self> {
        let columns: Vec<_> = options.connections.iter().map(usize::to_string).collect();
        let table =
            |size: &usize| Table::new(format!("store: {}; producers:", size_name(*size)), columns.clone());
        Ok(Self {
            options,
            folder: folder.join("measured"),
            runtime: Runtime::new()?,
            raw: Raw::prepare(folder)?,
            tables: options.sizes.iter().map(table).collect(),
        })
    }

    /// The longest slice writes so much that no segment must be prepared meanwhile.
    fn params(&self) -> Params {
        let cell = |size: &usize| {
            let most = |producers: &usize| self.options.messages_of(*size, *producers) * *size as u64;
            self.options.connections.iter().map(most).max().unwrap_or(0)
        };
        let most = self.options.sizes.iter().map(cell).max().unwrap_or(0);
        let spares = usize::try_from(most * 3 / 2 / u64::from(SEGMENT)).unwrap_or(1) + 2;
        Params { segment_size: Some(SEGMENT), spares, memory: 1 << 30, ..Params::default() }
    }

    fn measure(&mut self, store: &SledStore, row: usize, column: usize) -> io::Result<u64> {
        let (size, producers) = (self.options.sizes[row], self.options.connections[column]);
        let until = Until { time: self.options.slice, count: self.options.messages_of(size, producers) };
        let before = Usage::here()?;
        let (raw, raw_written) = self.raw.slice(&self.runtime, producers, size, until)?;
        let raw_cpu = Usage::here()?.since(before);

        if !store.wait_prepared() {
            return Err(Error::other("the segments were not prepared"));
        }
        let (before, written) = (Usage::here()?, store.written().records);
        let (kept, body) = (store.clone(), Arc::<[u8]>::from(message(size)));
        let commit = move |_| keep(kept.clone(), body.clone());
        let produced = self.runtime.block_on(produce(producers, until, commit))?;
        let cpu = Usage::here()?.since(before);
        let written = store.written().records - written;
        self.runtime.block_on(route_all(store))?;

        let table = &mut self.tables[row];
        let mut add = |name, value| table.add(name, column, value);
        add("raw group commit, messages/s", raw.per_second);
        add("store, messages/s", produced.per_second);
        add("ratio to raw", produced.per_second / raw.per_second);
        add("ratio aimed at", aim(size, producers));
        latencies(&raw, &produced, &mut add);
        add("octets to the log for one of a message", written as f64 / (produced.count * size as u64) as f64);
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
    incoming.commit(envelope("alice")).await.map(drop).map_err(Error::other)
}

impl Part for StorePart<'_> {
    /// Every round has a store of its own, so that no more stands on the disk than one round writes.
    fn round(&mut self, budget: &mut Budget) -> io::Result<()> {
        let params = self.params();
        let (store, _) = SledStore::open(&self.folder, params).map_err(Error::other)?;
        'cells: for row in 0..self.options.sizes.len() {
            for column in 0..self.options.connections.len() {
                if budget.is_spent()? {
                    break 'cells;
                }
                let written = self.measure(&store, row, column)?;
                budget.add(written);
            }
        }
        budget.add(store.written().files);
        self.runtime.block_on(store.close()).map_err(Error::other)?;
        drop(store);
        fs::remove_dir_all(&self.folder)
    }

    fn tables(&self) -> Vec<&Table> {
        self.tables.iter().collect()
    }
}
