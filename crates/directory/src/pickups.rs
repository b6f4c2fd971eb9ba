use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mail::{MailboxName, ViewName};

/// Most views that are remembered; past it the longest silent go first.
const VIEWS_MAX: usize = 20_000;
/// How many of them go at once, so that not every further one looks for who is the oldest.
const SHED: usize = VIEWS_MAX / 10;
/// Sessions that begin within this time are one pickup: importers take their mail in several.
const ONE_PICKUP_MS: u64 = 60_000;
/// How many intervals the usual one is the median of: a night or a holiday among them does not count.
const INTERVALS: usize = 15;
/// The longest name of a client that is kept, in octets.
const CLIENT_MAX: usize = 120;

/// Who collected which view, and when: noted at every login, read by whoever watches for those that stay away. Cheap
/// to clone, bounded, and in memory alone: whoever wants it back after a restart keeps [`Pickups::all`].
#[derive(Debug, Clone, Default)]
pub struct Pickups {
    noted: Arc<Mutex<Noted>>,
}

/// The pickups of one view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pickup {
    /// The last one, in milliseconds since 1970.
    pub last_ms: u64,
    /// The first one that is remembered.
    pub first_ms: u64,
    /// The usual time between two, in whole minutes or more: the median of the last few.
    pub every_ms: Option<u64>,
    /// What collected then, as it calls itself or seems to be; none where that session has not shown it.
    pub client: Option<String>,
}

#[derive(Debug, Default)]
struct Noted {
    mailboxes: HashMap<MailboxName, BTreeMap<ViewName, Row>>,
    views: usize,
    changed: bool,
}

#[derive(Debug)]
struct Row {
    first_ms: u64,
    last_ms: u64,
    /// When the last interval ended.
    counted_ms: u64,
    /// The oldest first.
    intervals: Vec<u64>,
    client: Option<String>,
}

impl Pickups {
    /// Nobody has collected anything yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Somebody collects a view now. Without the name of a client, none is known: not that of an earlier session.
    pub fn note(&self, mailbox: &MailboxName, view: &ViewName, now_ms: u64, client: Option<String>) {
        let client = client.map(cut);
        let mut noted = self.lock();
        match noted.mailboxes.get_mut(mailbox).and_then(|views| views.get_mut(view)) {
            Some(row) => row.note(now_ms, client),
            None => noted.enter(mailbox.clone(), view.clone(), Row::new(now_ms, client)),
        }
        noted.changed = true;
    }

    /// What client it was that was noted at `at_ms`, unless somebody has collected the view since.
    pub fn name(&self, mailbox: &MailboxName, view: &ViewName, at_ms: u64, client: String) {
        let mut noted = self.lock();
        let row = noted.mailboxes.get_mut(mailbox).and_then(|views| views.get_mut(view));
        if let Some(row) = row.filter(|row| row.last_ms == at_ms) {
            row.client = Some(cut(client));
            noted.changed = true;
        }
    }

    /// The pickups of one view.
    pub fn last(&self, mailbox: &MailboxName, view: &ViewName) -> Option<Pickup> {
        self.lock().mailboxes.get(mailbox)?.get(view).map(Row::pickup)
    }

    /// Those of all views of a mailbox as if they were one: the latest, the first, and the shortest interval.
    pub fn any(&self, mailbox: &MailboxName) -> Option<Pickup> {
        let noted = self.lock();
        let views = noted.mailboxes.get(mailbox)?;
        let latest = views.values().max_by_key(|row| row.last_ms)?.pickup();
        let first_ms = views.values().map(|row| row.first_ms).min().unwrap_or(latest.first_ms);
        let every_ms = views.values().filter_map(Row::every_ms).min();
        Some(Pickup { first_ms, every_ms, ..latest })
    }

    /// All of them, for whoever keeps them over a restart.
    pub fn all(&self) -> Vec<(MailboxName, ViewName, Pickup)> {
        let noted = self.lock();
        let views =
            noted.mailboxes.iter().flat_map(|(mailbox, views)| views.iter().map(move |row| (mailbox, row)));
        views.map(|(mailbox, (view, row))| (mailbox.clone(), view.clone(), row.pickup())).collect()
    }

    /// All of them, if anything was noted since this was asked last.
    pub fn changed(&self) -> Option<Vec<(MailboxName, ViewName, Pickup)>> {
        let changed = std::mem::take(&mut self.lock().changed);
        changed.then(|| self.all())
    }

    /// Takes back one of what [`Pickups::all`] gave. What was noted since stands.
    pub fn restore(&self, mailbox: MailboxName, view: ViewName, pickup: Pickup) {
        let mut noted = self.lock();
        if noted.mailboxes.get(&mailbox).is_some_and(|views| views.contains_key(&view)) {
            return;
        }
        noted.enter(mailbox, view, Row::from(pickup));
    }

    /// Forgets all but these.
    pub fn retain(&self, mut keep: impl FnMut(&MailboxName, &ViewName) -> bool) {
        let mut noted = self.lock();
        for (mailbox, views) in &mut noted.mailboxes {
            views.retain(|view, _| keep(mailbox, view));
        }
        let before = noted.views;
        noted.count();
        noted.changed |= noted.views != before;
    }

    /// The lock guards what each method leaves whole before anything can panic.
    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Noted {
    fn enter(&mut self, mailbox: MailboxName, view: ViewName, row: Row) {
        if self.views >= VIEWS_MAX {
            self.shed();
        }
        self.views += usize::from(self.mailboxes.entry(mailbox).or_default().insert(view, row).is_none());
    }

    fn shed(&mut self) {
        let mut last: Vec<u64> =
            self.mailboxes.values().flat_map(BTreeMap::values).map(|row| row.last_ms).collect();
        last.sort_unstable();
        let Some(oldest) = last.get(SHED - 1).copied() else { return };
        // Many may have been noted in the same moment: no more than that go.
        let mut left = SHED;
        for views in self.mailboxes.values_mut() {
            views.retain(|_, row| {
                let goes = left > 0 && row.last_ms <= oldest;
                left -= usize::from(goes);
                !goes
            });
        }
        self.count();
    }

    /// After some have gone.
    fn count(&mut self) {
        self.mailboxes.retain(|_, views| !views.is_empty());
        self.views = self.mailboxes.values().map(BTreeMap::len).sum();
    }
}

impl Row {
    fn new(now_ms: u64, client: Option<String>) -> Self {
        Self { first_ms: now_ms, last_ms: now_ms, counted_ms: now_ms, intervals: Vec::new(), client }
    }

    fn note(&mut self, now_ms: u64, client: Option<String>) {
        match now_ms.checked_sub(self.counted_ms) {
            Some(passed) if passed >= ONE_PICKUP_MS => {
                if self.intervals.len() >= INTERVALS {
                    self.intervals.remove(0);
                }
                self.intervals.push(passed);
                self.counted_ms = now_ms;
            }
            Some(_) => {}
            // The clock was put back: what it said before is no beginning of an interval.
            None => self.counted_ms = now_ms,
        }
        self.last_ms = now_ms;
        self.first_ms = self.first_ms.min(now_ms);
        self.client = client;
    }

    fn every_ms(&self) -> Option<u64> {
        let mut intervals = self.intervals.clone();
        intervals.sort_unstable();
        intervals.get(intervals.len().saturating_sub(1) / 2).copied()
    }

    fn pickup(&self) -> Pickup {
        let Self { first_ms, last_ms, .. } = *self;
        Pickup { last_ms, first_ms, every_ms: self.every_ms(), client: self.client.clone() }
    }
}

/// What was usual before counts as three intervals, so that the first new one does not decide.
impl From<Pickup> for Row {
    fn from(pickup: Pickup) -> Self {
        let Pickup { last_ms, first_ms, every_ms, client } = pickup;
        let intervals = every_ms.map_or_else(Vec::new, |every| vec![every; 3]);
        Self { first_ms, last_ms, counted_ms: last_ms, intervals, client: client.map(cut) }
    }
}

/// One line of bounded length.
fn cut(mut client: String) -> String {
    client.truncate(client.floor_char_boundary(CLIENT_MAX));
    if client.contains(char::is_control) { client.replace(char::is_control, " ") } else { client }
}
