use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use queue::{Queued, Store as _};
use queue_sled::{DiskSpace, Figures, Files};
use upkeep::Suspension;

use super::health::degraded;
use super::{Certificate, Disk, Health, Mailboxes, Queue, Reason, Report, Sessions, Store, Suspended};
use crate::config::{Config, Origin};
use crate::control::{Code, Desk, Fault};
use crate::wire;

/// How many queued messages are looked at.
const LOOKED_AT: usize = 1000;

impl Report {
    /// Of a running daemon.
    pub(crate) async fn of(desk: &Desk) -> Result<Self, Fault> {
        let (daemon, store) = (desk.daemon()?, desk.store.clone());
        let figures = tokio::task::spawn_blocking(move || store.figures()).await;
        let figures = figures.map_err(|error| Fault::internal(error.to_string()))?;
        let figures =
            figures.map_err(|error| Fault::new(Code::Io, format!("the store's folder: {error}")))?;
        let current = daemon.current.load();
        let validity = current.tls.as_ref().and_then(net::Tls::validity);
        let sessions = |(service, gate): &(&str, net::Gate)| Sessions {
            service: (*service).into(),
            open: gate.connected() as u64,
            limit: gate.total() as u64,
        };
        let mut report = Self {
            pid: Some(std::process::id()),
            uptime_seconds: Some(daemon.since.elapsed().as_secs()),
            waiting_for_restart: current.restart.clone(),
            rules: Some(current.rules),
            listeners: daemon.listeners.clone(),
            sessions: daemon.gates.iter().map(sessions).collect(),
            queue: queue(desk, &figures).await.ok(),
            // While the index is built again nobody knows.
            mailboxes: match desk.store.mailboxes().await {
                Ok(kept) => Some(Mailboxes::of(&kept, desk.directory()?)),
                Err(_) => None,
            },
            suspended: Suspension::noted(&desk.notebooks.clock, wire::wall_ms()).map(Suspended::from),
            certificate: validity.map(|validity| Certificate::of(validity, SystemTime::now())),
            ..Self::begin(&desk.config_dir, &daemon.state_dir)
        };
        report.disk = Some(disk(&figures));
        report.store = Some(Store {
            dead_octets: Some(figures.dead),
            unfreed: figures.unfreed,
            has_index: Some(figures.has_index),
            durable: Some(figures.durable),
            applied: Some(figures.applied),
            lag_octets: Some(figures.lag_octets),
            lag_max: Some(figures.lag_max),
            is_checkpointed: figures.is_checkpointed,
            ahead_seconds: figures.ahead.map(|time| time.as_secs()),
            read_only: figures.read_only,
            ..files(&figures.files)
        });
        let refused = current.refused.as_ref().map(|why| not_in_force(current.rules, why));
        let concerns = daemon.concerns.standing().into_iter();
        let concerns = concerns.map(|concern| degraded(concern.text, concern.todo));
        report.health = Health::of(report.reasons().into_iter().chain(refused).chain(concerns).collect());
        Ok(report)
    }

    /// Of a state folder that nobody serves, for a reason.
    pub(crate) fn at_rest(config_dir: &Path, config: &Config, why: Reason) -> Self {
        let params = wire::store_params(config);
        let space = DiskSpace::of(&config.state_dir).ok();
        let tls = config.tls.as_ref().and_then(|tls| net::Tls::load(&tls.certificate, &tls.key).ok());
        let mut report = Self {
            disk: space.map(|space| Disk {
                total: space.total,
                free: space.free,
                min_free: params.min_free,
                inodes: space.inodes,
                min_inodes: params.min_inodes,
                refused: None,
            }),
            store: Files::of(&config.state_dir.join("store")).ok().map(|found| files(&found)),
            certificate: tls
                .and_then(|tls| tls.validity())
                .map(|validity| Certificate::of(validity, SystemTime::now())),
            ..Self::begin(config_dir, &config.state_dir)
        };
        report.health = Health::of(std::iter::once(why).chain(report.reasons()).collect());
        report
    }

    fn begin(config_dir: &Path, state_dir: &Path) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            config_dir: whole(config_dir),
            state_dir: whole(state_dir),
            ..Self::default()
        }
    }
}

impl From<Suspension> for Suspended {
    fn from(Suspension { until_ms, doubted }: Suspension) -> Self {
        let seconds = until_ms / 1000;
        let until = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
        let until = until.unwrap_or(Timestamp::MAX).to_string();
        Self { until, seconds: seconds.saturating_sub(wire::wall_ms() / 1000), doubted }
    }
}

/// What the files say is not what holds.
fn not_in_force(rules: Origin, why: &str) -> Reason {
    let text = match rules {
        Origin::LastGood => format!("rules.toml cannot be used, the last good rules are in force: {why}"),
        Origin::File | Origin::Nowhere => {
            format!("the last reload was refused, the configuration before is in force: {why}")
        }
    };
    degraded(text, "`restante check` shows what to correct; then restante reload")
}

/// A path that means the same everywhere.
fn whole(path: &Path) -> String {
    path.canonicalize().unwrap_or_else(|_| path.to_owned()).display().to_string()
}

async fn queue(desk: &Desk, figures: &Figures) -> Result<Queue, Fault> {
    let page = desk.store.queued(None, LOOKED_AT).await?;
    // What an import brings in is as old as it was at the old server, and does not wait for the router.
    let oldest = page.iter().find(|queued| !queued.held && !queued.envelope.is_import());
    Ok(Queue {
        messages: figures.queued.messages,
        octets: figures.queued.octets,
        held: page.iter().filter(|queued| queued.held).count() as u64,
        oldest_seconds: oldest.map(age),
    })
}

fn age(queued: &Queued) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_secs().saturating_sub(queued.envelope.trace.received_ms / 1000)
}

fn disk(figures: &Figures) -> Disk {
    Disk {
        total: figures.disk.total,
        free: figures.disk.free,
        min_free: figures.min_free,
        inodes: figures.disk.inodes,
        min_inodes: figures.min_inodes,
        refused: figures.refused.clone(),
    }
}

fn files(files: &Files) -> Store {
    Store {
        segments: files.segments,
        spares: files.spares,
        log_octets: files.log_octets,
        index_octets: files.index_octets,
        checkpoint: files.checkpoint.clone(),
        checkpoint_age_seconds: files.checkpoint_age.map(|age| age.as_secs()),
        is_checkpointed: files.is_closed,
        damaged: files.damaged.clone(),
        ..Store::default()
    }
}
