use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::{Notify, Semaphore, watch};

use crate::big::BigFiles;
use crate::buffers::Buffers;
use crate::clock::wall_ms;
use crate::disk::{Disk, Lock, Space};
use crate::fold::Folder;
use crate::ground::{Ground, Sizes};
use crate::health::Health;
use crate::index::ballast::Ballast;
use crate::index::checkpoint::{Bell, Checkpointer};
use crate::index::{Applier, KvCell, Lag, Published};
use crate::inflight::Inflight;
use crate::log::Intake;
use crate::log::committer::Committer;
use crate::log::spares::Spares;
use crate::mailbox::{Mailboxes, Pending};
use crate::params::Params;
use crate::reader::Reader;
use crate::space::{Keeper, Mover, Orders, Orphans, Pins, Scrub};
use crate::start::Started;

/// Spilled messages that are read back into memory at once, 4 MiB each.
const READ_BACK: usize = 4;

/// What the handles of one open store share: the ends of its threads.
pub(crate) struct Engine {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) path: PathBuf,
    pub(super) params: Params,
    pub(super) sizes: Sizes,
    pub(super) intake: Arc<Intake>,
    pub(super) spares: Arc<Spares>,
    pub(super) buffers: Arc<Buffers>,
    pub(super) inflight: Arc<Inflight>,
    pub(super) lag: Arc<Lag>,
    pub(super) health: Arc<Health>,
    pub(super) ballast: Arc<Ballast>,
    pub(super) durable: Arc<AtomicU64>,
    pub(super) published: Arc<Published>,
    pub(super) kv: KvCell,
    pub(super) reader: Arc<Reader>,
    pub(super) pins: Arc<Pins>,
    pub(super) orders: Arc<Orders>,
    #[cfg(test)]
    pub(super) scrub: Scrub,
    pub(super) big: BigFiles,
    pub(super) folder: Arc<Folder>,
    pub(super) freezing: Arc<AtomicBool>,
    pub(super) read_back: Arc<Semaphore>,
    pub(super) space: Mutex<Option<(Instant, Space)>>,
    pub(super) closed: AtomicBool,
    pub(super) bell: Arc<Bell>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Engine {
    /// Starts the threads of a store whose past is in order.
    pub(super) fn run(ground: Ground, path: &Path, params: Params, started: Started) -> io::Result<Self> {
        let Ground { disk, index: kind, sizes, patience } = ground;
        let Started { store_id, segment_size, lock, segments, ballast, kv: opened, index, tail, report } =
            started;
        let log = path.join("log");
        let big = BigFiles::new(disk.clone(), path);
        let reader =
            Arc::new(Reader { segments: segments.clone(), big: big.clone(), suspects: Default::default() });
        let kv = KvCell::default();
        kv.set(Some(opened));
        let applied = index.applied();
        let folder = Arc::new(Folder {
            disk: disk.clone(),
            store: path.to_owned(),
            store_id,
            segments: segments.clone(),
        });
        let published = Arc::new(Published {
            mailboxes: Mailboxes::new(params.entries),
            pending: Pending::new(params.queue_memory),
            backlog: Arc::default(),
            arrival: Notify::new(),
            applied: watch::Sender::new(applied),
            state: Mutex::new(index.state()),
            dead: AtomicU64::new(0),
            unfreed: Mutex::default(),
            damaged: AtomicBool::new(false),
            gate: Default::default(),
        });
        published.mailboxes.begin(&index);
        let lag = Arc::new(Lag::new(params.lag));
        let bell = Arc::new(Bell::default());
        bell.applied(applied, 0);
        let rung = bell.clone();
        let intake = Arc::new(Intake::new());
        let buffers = Arc::new(Buffers::new(params.memory));
        let inflight = Arc::new(Inflight::new(params.inflight));
        let health = Arc::new(Health::default());
        let durable = Arc::new(AtomicU64::new(applied.0));

        let applier = Applier {
            folder: folder.clone(),
            kind,
            patience,
            lag: lag.clone(),
            reader: reader.clone(),
            kv: kv.clone(),
            published: published.clone(),
            ballast: ballast.clone(),
            health: health.clone(),
            bell: bell.clone(),
            index: Some(index),
            applied,
        };
        while published.pending.wants().is_some() && applier.fetch() {}
        applier.count_backlog().map_err(io::Error::other)?;
        let (spares, preparer) =
            Spares::start(disk.clone(), log.clone(), segment_size, params.spares.max(1), patience)?;
        let committer = Committer {
            disk: disk.clone(),
            log: log.clone(),
            store: store_id,
            segment_size,
            intake: intake.clone(),
            spares: spares.clone(),
            segments: segments.clone(),
            buffers: buffers.clone(),
            lag: lag.clone(),
            health: health.clone(),
            durable: durable.clone(),
            backlog: published.backlog.clone(),
            chain: tail.chain,
            active: None,
        };
        let checkpointer = Checkpointer {
            disk: disk.clone(),
            store: path.to_owned(),
            kv: kv.clone(),
            lag: lag.clone(),
            ballast: ballast.clone(),
            bell: bell.clone(),
        };
        let scrub = Scrub {
            disk: disk.clone(),
            store: path.to_owned(),
            published: published.clone(),
            kv: kv.clone(),
            lag: lag.clone(),
        };
        let (pins, orders) = (Arc::new(Pins::default()), Arc::new(Orders::default()));
        let keeper = Keeper {
            disk: disk.clone(),
            log,
            segment_size,
            params: params.clone(),
            folder: folder.clone(),
            segments,
            spares: spares.clone(),
            big: big.clone(),
            pins: pins.clone(),
            published: published.clone(),
            bell,
            lag: lag.clone(),
            intake: intake.clone(),
            health: health.clone(),
            ballast: ballast.clone(),
            #[cfg(test)]
            scrub: scrub.clone(),
            #[cfg(not(test))]
            scrub,
            orders: orders.clone(),
            mover: Mover {
                kv: kv.clone(),
                reader: reader.clone(),
                big: big.clone(),
                intake: intake.clone(),
                rate: params.moving,
            },
            began: applied,
            // What no record names now may be what the damage named, in this run or in an earlier one.
            files: report.damaged.is_empty().then(BTreeSet::new),
            strangers: if report.damaged.is_empty() {
                big.ids()?.into_iter().collect()
            } else {
                BTreeSet::new()
            },
            orphans: Orphans::new(Instant::now(), wall_ms()),
        };
        let threads = vec![
            preparer,
            thread("keeper", move || keeper.run())?,
            thread("committer", move || committer.run())?,
            thread("applier", move || applier.run())?,
            thread("checkpointer", move || run_locked(checkpointer, lock))?,
        ];
        let (path, threads) = (path.to_owned(), Mutex::new(threads));
        let (read_back, space, closed) =
            (Arc::new(Semaphore::new(READ_BACK)), Mutex::default(), AtomicBool::new(false));
        Ok(Self {
            disk,
            path,
            params,
            sizes,
            intake,
            spares,
            buffers,
            inflight,
            lag,
            health,
            ballast,
            durable,
            published,
            kv,
            reader,
            pins,
            orders,
            #[cfg(test)]
            scrub,
            big,
            folder,
            freezing: Arc::default(),
            read_back,
            space,
            closed,
            bell: rung,
            threads,
        })
    }

    /// Ends the threads one after the other, each when the one before it has nothing more for it; the
    /// checkpointer is the last, and gives the lock back.
    fn stop(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.orders.close();
        self.intake.close();
        self.spares.close();
    }

    /// Stops, and waits until all is done.
    pub(super) fn close(&self) {
        self.stop();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the store has panicked");
            }
        }
        self.kv.set(None);
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.into()).spawn(work)
}

fn run_locked(checkpointer: Checkpointer, lock: Lock) {
    let kv = checkpointer.kv.clone();
    checkpointer.run();
    // The next one to open the store must find the index closed.
    kv.set(None);
    drop(lock);
}
