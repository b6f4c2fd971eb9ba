//! Durable messages per second through the store, against the limit of the same disk: raw group commit on a
//! pre-written file, in slices that take turns.
//!
//! `cargo run --release -p queue-sled --example store_bench -- [PRODUCERS] [OCTETS] [SLICES] [SECONDS] [FOLDER]`

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::collections::VecDeque;
use std::fs::File;
use std::io::IoSlice;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use mail::{Body, Envelope, ForwardPath, MailboxName, Protocol, Recipient, ReversePath, Trace};
use queue::{Incoming, Route, RouteEntry, Store};
use queue_sled::{Params, SledStore};
use tokio::sync::oneshot;

const PAGE: usize = 4096;
const RAW_FILE: u64 = 512 << 20;
const BATCH_OCTETS: usize = 4 << 20;
const BATCH_RECORDS: usize = 512;

type Waiting = VecDeque<(Vec<u8>, oneshot::Sender<()>)>;

/// Group commit and nothing else: what the disk and the threads of this machine give.
struct Raw {
    waiting: Mutex<(Waiting, bool)>,
    ready: Condvar,
}

impl Raw {
    fn start(path: &Path) -> std::io::Result<Arc<Self>> {
        let file = File::create(path)?;
        let zeros = vec![0; 1 << 20];
        for at in (0..RAW_FILE).step_by(zeros.len()) {
            file.write_all_at(&zeros, at)?;
        }
        file.sync_all()?;
        let raw = Arc::new(Self { waiting: Mutex::default(), ready: Condvar::new() });
        let shared = raw.clone();
        std::thread::spawn(move || shared.run(&file));
        Ok(raw)
    }

    fn run(&self, file: &File) {
        let zeros = [0; PAGE];
        let mut at = 0;
        loop {
            let mut waiting = self.waiting.lock().expect("no panic inside");
            while waiting.0.is_empty() {
                if waiting.1 {
                    return;
                }
                waiting = self.ready.wait(waiting).expect("no panic inside");
            }
            let (mut batch, mut octets) = (Vec::new(), 0);
            while octets < BATCH_OCTETS
                && batch.len() < BATCH_RECORDS
                && let Some(next) = waiting.0.pop_front()
            {
                octets += next.0.len();
                batch.push(next);
            }
            drop(waiting);
            let padding = octets.next_multiple_of(PAGE) - octets;
            let mut slices: Vec<_> = batch.iter().map(|(body, _)| IoSlice::new(body)).collect();
            slices.push(IoSlice::new(&zeros[..padding]));
            let octets = (octets + padding) as u64;
            if at + octets > RAW_FILE {
                at = 0;
            }
            write_all(file, &mut slices, at);
            at += octets;
            file.sync_data().expect("synced");
            for (_, waiter) in batch {
                let _ = waiter.send(());
            }
        }
    }

    async fn commit(&self, body: Vec<u8>) {
        self.submit(body).await.expect("answered");
    }

    fn submit(&self, body: Vec<u8>) -> oneshot::Receiver<()> {
        let (waiter, done) = oneshot::channel();
        let mut waiting = self.waiting.lock().expect("no panic inside");
        let idle = waiting.0.is_empty();
        waiting.0.push_back((body, waiter));
        drop(waiting);
        if idle {
            self.ready.notify_one();
        }
        done
    }
}

fn write_all(file: &File, mut slices: &mut [IoSlice<'_>], mut at: u64) {
    while !slices.is_empty() {
        let part = slices.len().min(1024);
        let taken = rustix::io::pwritev(file, &slices[..part], at).expect("written");
        at += taken as u64;
        IoSlice::advance_slices(&mut slices, taken);
    }
}

fn envelope() -> Envelope {
    Envelope {
        reverse_path: ReversePath::Null,
        recipients: vec![Recipient {
            path: ForwardPath::Postmaster,
            mailboxes: vec![MailboxName::parse("alice").expect("a name")],
            duplicate: false,
        }],
        body: Body::SevenBit,
        smtputf8: false,
        trace: Trace {
            protocol: Protocol::Esmtp,
            peer: None,
            helo: "client.example".into(),
            tls: None,
            received_ms: 1,
        },
        cuts: Vec::new(),
        unterminated: false,
    }
}

/// What a slice measured: commits per second, the 99th percentile of their time, processor time of each.
struct Measured {
    rate: f64,
    p99: Duration,
    cpu: f64,
}

/// Lets producers work for a while.
async fn slice<F: Future<Output = ()> + Send>(
    producers: usize,
    time: Duration,
    commit: impl Fn() -> F + Clone + Send + 'static,
) -> Measured {
    let stop = Arc::new(AtomicBool::new(false));
    let (begun, cpu_before) = (Instant::now(), cpu());
    let tasks: Vec<_> = (0..producers)
        .map(|_| {
            let (stop, commit) = (stop.clone(), commit.clone());
            tokio::spawn(async move {
                let mut times = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    commit().await;
                    times.push(begun.elapsed());
                }
                times
            })
        })
        .collect();
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.expect("no panic"));
    }
    let rate = times.len() as f64 / begun.elapsed().as_secs_f64();
    times.sort_unstable();
    let p99 = times.get(times.len() * 99 / 100).copied().unwrap_or_default();
    Measured { rate, p99, cpu: (cpu() - cpu_before) / times.len() as f64 }
}

/// Processor time of this process so far, in microseconds. Field 14 and 15 of proc(5) stat, 100 a second.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
    fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() * 10_000.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Routes what is queued until nothing is left; gives messages per second.
async fn route_all(store: &SledStore) -> f64 {
    let begun = Instant::now();
    let mut routed = 0;
    loop {
        let queued = store.queued(None, 256).await.expect("readable");
        if queued.is_empty() {
            return f64::from(routed) / begun.elapsed().as_secs_f64();
        }
        routed += u32::try_from(queued.len()).expect("a page");
        let entry = |mailbox: &MailboxName| RouteEntry {
            mailbox: mailbox.clone(),
            recipients: vec![0],
            additions: queue::Additions { prelude: vec![b'x'; 500], ..Default::default() },
            foreign_uidl: None,
        };
        let route = |message: &queue::Queued| Route {
            id: message.id,
            entries: message.envelope.recipients[0].mailboxes.iter().map(entry).collect(),
        };
        store.deliver(queued.iter().map(route).collect()).await.expect("delivered");
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: usize| arguments.next().map_or(Ok(default), |text| text.parse());
    let (producers, octets, slices, seconds) = (number(64)?, number(4096)?, number(7)?, number(1)?);
    let parent = arguments.next().unwrap_or_else(|| ".".into());
    let folder = tempfile::tempdir_in(parent)?;
    let raw = Raw::start(&folder.path().join("raw"))?;
    let params = Params { spares: 16, ..Params::default() };
    let path = folder.path().join("store");
    let (store, report) = tokio::task::spawn_blocking(move || SledStore::open(&path, params)).await??;
    println!("{report}");
    let body: Arc<[u8]> = (0..octets).map(|n| b'a' + u8::try_from(n % 26).expect("a letter")).collect();
    let (mut raws, mut stores, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let time = Duration::from_secs(seconds as u64);
    for _ in 0..slices {
        let (shared, body_) = (raw.clone(), body.clone());
        let commit = move || {
            let (raw, body) = (shared.clone(), body_.to_vec());
            async move { raw.commit(body).await }
        };
        let limit = slice(producers, time, commit).await;
        let prepared = store.clone();
        tokio::task::spawn_blocking(move || prepared.wait_prepared()).await?;
        let (shared, body_) = (store.clone(), body.clone());
        let commit = move || {
            let (store, body) = (shared.clone(), body_.clone());
            async move {
                let mut incoming = store.incoming(Some(body.len() as u64)).expect("admitted");
                incoming.write(&body).await.expect("taken");
                incoming.commit(envelope()).await.expect("durable");
            }
        };
        let ours = slice(producers, time, commit).await;
        let routed = route_all(&store).await;
        let ratio = ours.rate / limit.rate;
        println!(
            "raw {:8.0}/s p99 {:9.2?} {:5.1} us   store {:8.0}/s p99 {:9.2?} {:5.1} us   ratio {ratio:.2}   routed {routed:.0}/s",
            limit.rate, limit.p99, limit.cpu, ours.rate, ours.p99, ours.cpu
        );
        raws.push(limit.rate);
        stores.push(ours.rate);
        ratios.push(ratio);
        let prepared = store.clone();
        tokio::task::spawn_blocking(move || prepared.wait_prepared()).await?;
    }
    println!(
        "{producers} producers, {octets} octets: raw {:.0}/s, store {:.0}/s, ratio {:.2} (medians)",
        median(raws),
        median(stores),
        median(ratios)
    );
    raw.waiting.lock().expect("no panic inside").1 = true;
    raw.ready.notify_one();
    store.close().await?;
    Ok(())
}
