use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use directory::{Directory, Pickups};
use mail::{Journeys, MailboxName};
use queue::Store;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::concerns::Concerns;
use crate::eras::At;
use crate::memo::Memo;
use crate::report;
use crate::team::joining::reconcile;
use crate::team::releaser::Releaser;
use crate::trash::{Lacks, Trash, guard};
use crate::watchdog::Watch;

/// How often everything is looked at that costs more than a team's views.
const LOOK: Duration = Duration::from_secs(60);

/// How views, trash and pickups are looked after.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Care {
    /// Which deletions are kept longer; none: all are alike.
    pub guard: Option<Guard>,
    /// Which silence is told of.
    pub watchdog: Watchdog,
}

/// A login that kept mail for long and now deletes very much of it at once may not know what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// From how many messages on.
    pub messages: u64,
    /// How long they had been there.
    pub kept: Duration,
    /// How long they stay in the trash.
    pub trash: Duration,
}

impl Default for Guard {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 60 * 60);
        Self { messages: 200, kept: 14 * day, trash: 30 * day }
    }
}

/// How long nobody may collect before somebody is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watchdog {
    /// A mailbox that has mail which nobody has collected; never less than three times what is usual there. None: nobody
    /// is told.
    pub mailbox: Option<Duration>,
    /// A robot; never less than ten times what is usual for it. None: nobody is told.
    pub robot: Option<Duration>,
    /// Mailboxes of which nobody is told anything.
    pub ignore: Vec<MailboxName>,
}

impl Default for Watchdog {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self { mailbox: Some(26 * 60 * minute), robot: Some(15 * minute), ignore: Vec::new() }
    }
}

/// What everyone works with who looks after views, trash and pickups.
pub(crate) struct Means<S> {
    pub(crate) store: S,
    pub(crate) directory: Directory,
    pub(crate) host: String,
    pub(crate) journeys: Journeys,
    pub(crate) pickups: Pickups,
    pub(crate) concerns: Concerns,
    pub(crate) stop: CancellationToken,
}

/// What the program hands over for it.
pub struct Caring {
    /// Where the run before has left what this one must know.
    pub path: PathBuf,
    /// How; a reload changes it.
    pub care: watch::Receiver<Care>,
    /// Who collected what, and when.
    pub pickups: Pickups,
    /// Where to tell what somebody should know.
    pub concerns: Concerns,
    /// Octets that the disk lacks. It may block.
    pub lacks: Lacks,
}

/// Looks after views, trash and pickups.
pub(crate) struct Caretaker<S> {
    pub(crate) means: Means<S>,
    path: PathBuf,
    care: watch::Receiver<Care>,
    pub(crate) memo: Memo,
    written: Memo,
    releaser: Releaser,
    trash: Trash,
    watch: Watch,
    lacks: Lacks,
    looked: Option<Instant>,
}

impl<S: Store> Caretaker<S> {
    pub(crate) fn new(means: Means<S>, caring: Caring) -> Self {
        let Caring { path, care, pickups, concerns, lacks } = caring;
        let memo = Memo::read(&path);
        Self {
            means: Means { pickups, concerns, ..means },
            path,
            care,
            written: memo.clone(),
            memo,
            releaser: Releaser::default(),
            trash: Trash::default(),
            watch: Watch::default(),
            lacks,
            looked: None,
        }
    }

    /// The shortest time by which something here may be due.
    pub(crate) fn shortest(&self) -> Option<Duration> {
        let directory = &self.means.directory;
        let releases = directory.teams().into_iter().filter_map(|(_, team)| team.release);
        let ages = releases.flat_map(|release| [Some(release.hold), release.max_age, release.ignore_absent]);
        let trash = directory.mailbox_names().into_iter().map(|name| directory.trash(&name));
        ages.chain(trash).flatten().filter(|time| !time.is_zero()).min()
    }

    /// Looks at everything. `again` says that the directory has changed, or that this is the first look; `every`, how
    /// often at least what costs more is looked at.
    pub(crate) async fn look(&mut self, at: &At, now: Instant, again: bool, every: Duration) {
        let wall_ms = at.wall_ms;
        let is_due =
            again || self.looked.is_none_or(|last| now.saturating_duration_since(last) >= LOOK.min(every));
        let care = self.care.borrow().clone();
        if is_due {
            self.looked = Some(now);
            if let Err(error) = reconcile(&self.means, &mut self.memo, at).await {
                warn!(%error, "views that joined or left the file wait: the store does not take them");
                self.looked = None;
            }
            self.keep().await;
        }
        if let Err(error) = self.releaser.look(&self.means, &mut self.memo, &care, at).await {
            warn!(%error, "what teams release stays for now: the store did not do it");
        }
        if is_due {
            if let Err(error) = self.trash.look(&self.means, &mut self.memo, &care, at).await {
                warn!(%error, "the trash stays as it is for now: the store did not purge it");
            }
            if let Err(error) = self.trash.make_room(&self.means, &self.memo, &self.lacks, (at, now)).await {
                warn!(%error, "the disk runs low, and the trash was not purged: the store did not do it");
            }
            if let Some(now_ms) = at.now_ms {
                self.watch.look(&self.means, &mut self.memo, &care.watchdog, (at, now_ms)).await;
            }
            // What may be a mistake is told first: of too much the last is cut off.
            let guarded = guard::standing(&self.means, &self.memo, at).into_iter();
            let standing = guarded.chain(self.trash.concern()).chain(self.watch.standing().iter().cloned());
            self.means.concerns.stand(standing.collect());
        }
        let noted = self.means.concerns.take();
        self.memo.unsaid.extend(noted.into_iter().map(|text| (wall_ms, text)));
        report::send(&self.means, &mut self.memo, wall_ms).await;
        self.keep().await;
    }

    async fn keep(&mut self) {
        if self.memo == self.written {
            return;
        }
        match self.memo.write(&self.path).await {
            Ok(()) => self.written = self.memo.clone(),
            Err(error) => {
                warn!(%error, path = %self.path.display(), "what the next start should know of views is not written down");
            }
        }
    }
}

/// The disk lacks nothing.
pub fn lacks_nothing() -> Lacks {
    Arc::new(|| 0)
}
