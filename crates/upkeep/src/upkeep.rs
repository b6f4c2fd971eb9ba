use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use directory::{Directory, Pickups};
use jiff::tz::TimeZone;
use mail::{Event, Journeys, MailboxName, Uid};
use queue::{Incoming, Maildrop, Store, StoreError};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::caretaker::{Caretaker, Caring, Means};
use crate::clock::{AgeClock, Reading};
use crate::concerns::Concerns;
use crate::digest::{Digests, ReadHead};
use crate::eras::At;
use crate::expiring::{Expiring, Found};
use crate::expiry::{ages, remove_old};
use crate::fullness::{FORGET, WARN, fullness};
use crate::notes::Notes;
use crate::notice::Notice;
use crate::quarantine::{Quarantine, cap, quarantines};
use crate::suspension::Told;
use crate::words::ms;

/// How often fullness is looked at.
const LOOK: Duration = Duration::from_secs(10);
/// Warnings of one look: when a whole office passes at once, the rest is told a little later.
const WARNINGS: usize = 100;
/// How often age is looked at: so that nothing outlives its mailbox's age by more than a part of it.
const PARTS: u32 = 24;
const SOONEST: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_secs(60 * 60);
/// How often the clock is asked for those who look more often.
const CLOCK: Duration = Duration::from_secs(60);

/// Looks after the mailboxes as long as it runs.
///
/// **Warnings**: the owner of a mailbox that has passed 90 % of its quota gets one message, through the queue
/// like any other and never refused for the quota; the next only after it was below 80 %. Who has been told is
/// noted after the message is ours, so a crash in between tells once more. A mailbox that nobody can log in to
/// would only grow fuller: of that the log is told.
///
/// **Digests**: once a day each mailbox from which mail was newly held back gets one message that names it.
///
/// **Age**: what is older than its mailbox keeps it goes, in small steps, by a clock that does not believe jumps;
/// and so does what is held back in quarantine for too long, and what a rule has given an age of its own.
pub struct Upkeep<S> {
    store: S,
    directory: Directory,
    host: String,
    path: PathBuf,
    warned: BTreeSet<MailboxName>,
    clock: AgeClock,
    again: Arc<Notify>,
    quarantine: watch::Receiver<Quarantine>,
    expiring: Expiring,
    found: Found,
    journeys: Journeys,
    digests: Option<Digests>,
    caretaker: Option<Caretaker<S>>,
    /// What the clock said last, and when it was asked.
    read: Option<(Instant, u64, Reading)>,
    told: Told,
}

impl<S: Store> Upkeep<S> {
    /// What the run before has left in the file at `path` is gone on from. `host` is what this host calls itself,
    /// `quarantine` what holds of what is held back, and `expiring` where mail has ages of its own.
    pub fn new(
        store: S,
        directory: Directory,
        host: String,
        path: PathBuf,
        quarantine: watch::Receiver<Quarantine>,
        expiring: Expiring,
    ) -> Self {
        let Notes { time_ms, suspended, doubted, eras, warned } = Notes::read(&path);
        let clock = AgeClock::new(time_ms, suspended, doubted).with_eras(eras);
        let (again, found, journeys) = (Arc::new(Notify::new()), Found::default(), Journeys::default());
        Self {
            store,
            directory,
            host,
            path,
            warned,
            clock,
            again,
            quarantine,
            expiring,
            found,
            journeys,
            digests: None,
            caretaker: None,
            read: None,
            told: Told::default(),
        }
    }

    /// The same, and mailboxes are told of what is held back from them, as the quarantine's settings say. What was told
    /// stands in the file at `path`, and `read` reads header sections.
    pub fn with_digests(self, path: PathBuf, read: ReadHead) -> Self {
        Self { digests: Some(Digests::open(path, read, TimeZone::system())), ..self }
    }

    /// The same, and `journeys` are told of everything that is removed.
    pub fn with_journeys(self, journeys: Journeys) -> Self {
        Self { journeys, ..self }
    }

    /// The same, and what teams, devices and the trash need is seen to. After [`Upkeep::with_journeys`].
    pub fn with_care(mut self, caring: Caring, stop: &CancellationToken) -> Self {
        let (pickups, concerns) = (Pickups::default(), Concerns::default());
        let (store, directory) = (self.store.clone(), self.directory.clone());
        let (host, journeys) = (self.host.clone(), self.journeys.clone());
        let means = Means { store, directory, host, journeys, pickups, concerns, stop: stop.clone() };
        self.caretaker = Some(Caretaker::new(means, caring));
        self
    }

    /// Notified, it looks at everything at once: the directory has changed.
    pub fn again(&self) -> Arc<Notify> {
        self.again.clone()
    }

    /// Looks again and again until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut aged: Option<Instant> = None;
        while !stop.is_cancelled() {
            let ages = ages(&self.directory);
            let kept = std::iter::once(self.quarantine.borrow().keep);
            let cared = self.caretaker.as_ref().and_then(Caretaker::shortest);
            let shortest = ages.iter().map(|(_, age)| *age).chain(kept).chain(cared).min();
            let every = shortest.map_or(LATEST, |age| age / PARTS).clamp(SOONEST, LATEST);
            self.take_care(aged.is_none(), every, wall_ms(), Instant::now()).await;
            self.warn(wall_ms()).await;
            if aged.is_none_or(|last| last.elapsed() >= every) {
                aged = Some(Instant::now());
                self.grow_old(&ages, wall_ms(), Instant::now(), &stop).await;
            }
            self.expire(wall_ms(), Instant::now()).await;
            self.digest(wall_ms()).await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.again.notified() => aged = None,
                () = tokio::time::sleep(LOOK.min(every)) => {}
            }
        }
    }

    /// Looks once at teams, devices, the trash and what has an age of its own, by clocks of the caller's: a test can
    /// move them. `again` says that the directory has changed, or that this is the first look.
    pub async fn look(&mut self, again: bool, wall_ms: u64, now: Instant) {
        self.take_care(again, Duration::ZERO, wall_ms, now).await;
        self.expire(wall_ms, now).await;
    }

    /// Warns whom nobody has warned yet, and forgets who has room again.
    pub(crate) async fn warn(&mut self, now_ms: u64) {
        let before = self.warned.clone();
        let mailboxes = self.directory.mailbox_names();
        self.warned.retain(|mailbox| mailboxes.binary_search(mailbox).is_ok());
        let mut left = WARNINGS;
        for mailbox in mailboxes {
            let taken = self.store.usage(&mailbox).total();
            let full = fullness(self.directory.allowance(&mailbox), taken).unwrap_or(0);
            if full < FORGET {
                self.warned.remove(&mailbox);
            } else if full >= WARN && left > 0 && !self.warned.contains(&mailbox) {
                left -= 1;
                match self.tell(&mailbox, full, now_ms).await {
                    Ok(()) => drop(self.warned.insert(mailbox)),
                    Err(error) => {
                        warn!(%error, %mailbox, "the store did not take a warning: it is tried again");
                        break;
                    }
                }
            }
        }
        if self.warned != before {
            self.note().await;
        }
    }

    async fn tell(&self, mailbox: &MailboxName, full: u64, now_ms: u64) -> Result<(), StoreError> {
        let (allowance, taken) = (self.directory.allowance(mailbox), self.store.usage(mailbox).total());
        let address = self.directory.home_address(mailbox);
        let notice =
            Notice { host: &self.host, mailbox, address: &address, allowance, taken, fullness: full, now_ms };
        let (messages, octets) = (taken.messages, taken.octets);
        let Some(envelope) = notice.envelope().filter(|_| self.directory.is_collected(mailbox)) else {
            warn!(%mailbox, messages, size = octets, full, "a mailbox that nobody collects is nearly full");
            return Ok(());
        };
        let message = notice.message();
        let mut incoming = self.store.incoming(Some(message.len() as u64))?;
        incoming.write(message.as_bytes()).await?;
        let id = incoming.commit(envelope).await?;
        warn!(%id, %mailbox, messages, size = octets, full, "a mailbox is nearly full: its owner is told");
        Ok(())
    }

    pub(crate) async fn grow_old(
        &mut self,
        ages: &[(MailboxName, Duration)],
        wall_ms: u64,
        now: Instant,
        stop: &CancellationToken,
    ) {
        let reading = self.look_at_clock(wall_ms, now).await;
        let held = match quarantines(&self.store).await {
            Ok(held) => held,
            Err(error) => {
                warn!(%error, "the quarantines are not looked at: the store does not say what it holds");
                Vec::new()
            }
        };
        let Quarantine { keep, octets, .. } = *self.quarantine.borrow();
        match reading {
            Reading::Now(now_ms) => {
                self.told.over();
                let at = (self.clock.eras(), now_ms);
                remove_old(&self.store, ages, at, &self.journeys, stop).await;
                let held: Vec<_> = held.iter().map(|(name, _)| (name.clone(), keep)).collect();
                remove_old(&self.store, &held, at, &self.journeys, stop).await;
            }
            Reading::Suspended(left) => self.tell_suspended(left, now),
        }
        for quarantine in &held {
            if let Err(error) = cap(&self.store, quarantine, octets, &self.journeys).await {
                warn!(%error, mailbox = %quarantine.0, "a quarantine holds more than it may for now");
            }
        }
    }

    /// Tells the log that nothing goes for its time.
    fn tell_suspended(&mut self, left: Duration, now: Instant) {
        let doubted = self.clock.is_doubted();
        if !self.told.is_due(doubted, now) {
            return;
        }
        let hours = left.as_secs().div_ceil(3600);
        match doubted {
            true => warn!(
                hours,
                "no mail goes for its age: the clock was over a day from where it was expected; look at it now, for \
                 after so many hours of running it is believed"
            ),
            false => info!(
                hours,
                "no mail goes for its age before so many hours of running: nothing is known of the clock yet"
            ),
        }
    }

    /// Lets go what a rule has given an age of its own.
    pub(crate) async fn expire(&mut self, wall_ms: u64, now: Instant) {
        let at = At { wall_ms, now_ms: None, eras: self.clock.eras().clone() };
        if let Err(error) = self.found.look(&self.store, &self.expiring, &at).await {
            warn!(%error, "mail with an age of its own stays for now: the store does not say what there is");
        }
        if self.found.due(wall_ms).is_empty() {
            return;
        }
        let Reading::Now(now_ms) = self.look_at_clock(wall_ms, now).await else { return };
        for (mailbox, mut due) in self.found.due(now_ms) {
            due.sort_unstable();
            match self.let_go(&mailbox, &due).await {
                Ok(uids) => {
                    self.found.gone(&mailbox, &due);
                    if uids.is_empty() {
                        continue;
                    }
                    let messages = uids.len();
                    info!(%mailbox, messages, status = "expired", "messages older than their rule keeps them");
                    let reason = "older than its rule keeps it".into();
                    self.journeys.tell(|| Event::Removed { mailbox, uids, reason });
                }
                Err(error) => {
                    warn!(%error, %mailbox, "mail with an age of its own stays for now");
                }
            }
        }
    }

    /// Removes these; which of them were there. Of what somebody has deleted before nothing more is to be said.
    async fn let_go(&self, mailbox: &MailboxName, due: &[Uid]) -> Result<Vec<Uid>, StoreError> {
        let here = self.store.whole(mailbox).await?;
        let uids: Vec<Uid> = due.iter().copied().filter(|uid| here.lists(*uid)).collect();
        if !uids.is_empty() {
            self.store.purge(mailbox, uids.clone()).await?;
        }
        Ok(uids)
    }

    /// Tells once a day of what is newly held back.
    pub(crate) async fn digest(&mut self, wall_ms: u64) {
        let Some(at) = self.quarantine.borrow().digest else { return };
        if let Some(digests) = &mut self.digests {
            digests.look(&self.store, &self.directory, &self.host, at, wall_ms).await;
        }
    }

    /// Looks after teams, devices and the trash. The clock is asked now and then: what it said a while ago makes nothing
    /// go too early.
    pub(crate) async fn take_care(&mut self, again: bool, every: Duration, wall_ms: u64, now: Instant) {
        if self.caretaker.is_none() {
            return;
        }
        // One is good for a while, unless the clock has been set since.
        let is_good = |(asked, asked_ms, _): &(Instant, u64, Reading)| {
            let passed = now.saturating_duration_since(*asked);
            let is_set = asked_ms.saturating_add(ms(passed)).abs_diff(wall_ms) > ms(CLOCK);
            passed < every.min(CLOCK) && !is_set
        };
        let reading = match self.read.filter(is_good) {
            Some((_, _, reading)) => reading,
            None => {
                let reading = self.look_at_clock(wall_ms, now).await;
                self.read = Some((now, wall_ms, reading));
                reading
            }
        };
        if let Some(caretaker) = &mut self.caretaker {
            let now_ms = match reading {
                Reading::Now(now_ms) => Some(now_ms),
                Reading::Suspended(_) => None,
            };
            let at = At { wall_ms, now_ms, eras: self.clock.eras().clone() };
            caretaker.look(&at, now, again, every).await;
        }
    }

    async fn look_at_clock(&mut self, wall_ms: u64, now: Instant) -> Reading {
        let reading = self.clock.look(wall_ms, now);
        // Before anything goes: a start after a crash must not believe what this one did not.
        self.note().await;
        reading
    }

    async fn note(&self) {
        let (time_ms, suspended, doubted) = self.clock.kept();
        let (eras, warned) = (self.clock.eras().clone(), self.warned.clone());
        let notes = Notes { time_ms, suspended, doubted, eras, warned };
        if let Err(error) = notes.write(&self.path).await {
            warn!(%error, path = %self.path.display(), "what the next start should know of warnings and the clock is not written down");
        }
    }
}

pub(crate) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
