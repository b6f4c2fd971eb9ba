use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use directory::{Directory, Pickups, Release, Team, When};
use mail::{MailboxName, Uid, ViewName};
use queue::{Amount, Maildrop, Store, StoreError, ViewState};
use serde::{Deserialize, Serialize};

use crate::days::{Day, ages, goes};
use crate::eras::At;
use crate::memo::Memo;
use crate::notes::Notes;
use crate::team::claim::{Claims, Verdict};
use crate::team::presence::{Presence, presence};
use crate::trash;
use crate::words::ms;

/// Messages between two rests.
const STEP: usize = 1000;

/// Who has what of a team mailbox, and when what goes. Times are in milliseconds since 1970, spans in seconds, sizes in
/// octets. A field may be added; none changes its name or its meaning.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// Its name.
    pub mailbox: String,
    /// When its mail goes; none: it keeps everything.
    pub release: Option<Rule>,
    /// How long its trash stays; none: it has none.
    pub trash_seconds: Option<u64>,
    /// Whether it has a password of its own.
    pub shared: bool,
    /// All that it holds, without the trash.
    pub holds: Sum,
    /// What of it is released, and goes after the team's hold.
    pub released: Sum,
    /// What is held back, by whomever.
    pub held_back: Sum,
    /// What nobody wants, and nobody of those that count has had.
    pub unread: Sum,
    /// What is in the trash.
    pub trash: Sum,
    /// Who collects it: those of the file first, then those that were taken out and have not left.
    pub members: Vec<Seat>,
    /// When what is released goes, day by day in UTC.
    pub goes: Vec<Day>,
    /// The same of what goes before that for its age, whoever wants it, in the next sixty days.
    #[serde(default)]
    pub ages: Vec<Day>,
}

/// When a team's mail goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// `all-fetched`, `all-done` or `never`.
    pub when: String,
    /// How long it stays after that.
    pub hold_seconds: u64,
    /// The age at which it goes whoever has it.
    pub max_age_seconds: Option<u64>,
    /// After how long without a pickup a claim lapses.
    pub ignore_absent_seconds: Option<u64>,
}

/// So much mail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// Messages.
    pub messages: u64,
    /// Octets.
    pub octets: u64,
}

impl Sum {
    fn add(&mut self, octets: u64) {
        self.messages += 1;
        self.octets += octets;
    }
}

impl From<Amount> for Sum {
    fn from(Amount { messages, octets }: Amount) -> Self {
        Self { messages, octets }
    }
}

/// One member, and what it has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// The view; empty for the mailbox's own password.
    pub view: String,
    /// A program.
    pub robot: bool,
    /// Its devices remove what is removed here.
    pub mirrors: bool,
    /// Whether the file names it.
    pub is_declared: bool,
    /// Since when it is not in the file.
    pub left_ms: Option<u64>,
    /// When it joined; none: it has not yet.
    pub joined_ms: Option<u64>,
    /// When it collected last.
    pub last_pickup_ms: Option<u64>,
    /// With what.
    pub client: Option<String>,
    /// When its claim lapses, or has lapsed.
    pub lapses_ms: Option<u64>,
    /// Whether it has.
    pub is_absent: bool,
    /// What it has not fetched.
    pub waiting: Sum,
    /// What it has fetched and still lists.
    pub fetched: Sum,
    /// Messages that it is done with and that are here.
    pub done: u64,
    /// What it holds back.
    pub holds_back: Sum,
    /// When the oldest of that came.
    pub holds_since_ms: Option<u64>,
}

/// Where the look after mailboxes leaves what others must know.
#[derive(Debug, Clone)]
pub struct Notebooks {
    /// Of the clock.
    pub clock: PathBuf,
    /// Of views.
    pub views: PathBuf,
}

/// Looks at one team, by the wall clock as it was last believed.
pub async fn overview<S: Store>(
    store: &S,
    directory: &Directory,
    pickups: &Pickups,
    notebooks: &Notebooks,
    mailbox: &MailboxName,
    wall_ms: u64,
) -> Result<Option<Overview>, StoreError> {
    let Some(team) = directory.team(mailbox) else { return Ok(None) };
    let (memo, Notes { suspended, eras, .. }) = (Memo::read(&notebooks.views), Notes::read(&notebooks.clock));
    let at = At { wall_ms, now_ms: suspended.is_zero().then_some(wall_ms), eras };
    let states = store.views(mailbox).await?;
    let usage = store.usage(mailbox);
    let look = Look { store, pickups, memo: &memo, mailbox, team: &team, at: &at };
    let mut seats = look.seats(&states);
    let (mut released, trash) = look.released().await?;
    let holds = Sum { messages: usage.messages, octets: usage.octets };
    let mut found = Overview {
        mailbox: mailbox.to_string(),
        release: team.release.as_ref().map(Rule::from),
        trash_seconds: directory.trash(mailbox).map(|time| time.as_secs()),
        shared: team.shared,
        holds,
        trash,
        ..Overview::default()
    };
    let claims = look.claims(&states, &seats);
    let undecided = look.undecided(&states, &claims, &mut found).await?;
    let counted = Counted {
        here: undecided.into_iter().chain(released.values().flatten().copied()).collect(),
        released: released.values().flatten().copied().collect(),
    };
    for seat in &mut seats {
        look.count(seat, &states, &claims, &counted).await?;
    }
    found.members = seats;
    let recalled = look.recalled(&claims, &counted, &mut found).await?;
    // What is neither held back nor unread is released.
    found.released.messages = holds.messages.saturating_sub(found.held_back.messages + found.unread.messages);
    found.released.octets = holds.octets.saturating_sub(found.held_back.octets + found.unread.octets);
    released.values_mut().for_each(|uids| uids.retain(|uid| !recalled.contains(uid)));
    if let Some(release) = team.release {
        let came = match release.max_age {
            Some(_) => store.came(mailbox, Uid(0), usize::MAX).await?,
            None => Vec::new(),
        };
        found.ages = ages(&release, &came, &mut released, &at);
        found.goes = goes(&release, &released);
    }
    Ok(Some(found))
}

struct Look<'a, S> {
    store: &'a S,
    pickups: &'a Pickups,
    memo: &'a Memo,
    mailbox: &'a MailboxName,
    team: &'a Arc<Team>,
    at: &'a At,
}

/// What the seats are counted against.
struct Counted {
    /// All that the mailbox holds.
    here: Vec<Uid>,
    /// What of it is released.
    released: BTreeSet<Uid>,
}

impl<S: Store> Look<'_, S> {
    fn seats(&self, states: &[ViewState]) -> Vec<Seat> {
        let owner = self.team.shared.then(ViewName::owner);
        let declared = owner.into_iter().chain(self.team.members.iter().map(|member| member.view.clone()));
        let declared: Vec<ViewName> = declared.collect();
        let others = states.iter().map(|state| state.view.clone());
        let others = others.filter(|view| !declared.contains(view) && *view != ViewName::releaser());
        let all: Vec<ViewName> = declared.iter().cloned().chain(others).collect();
        all.iter().map(|view| self.seat(view, declared.contains(view), states)).collect()
    }

    fn seat(&self, view: &ViewName, is_declared: bool, states: &[ViewState]) -> Seat {
        let key = (self.mailbox.clone(), view.clone());
        let member = self.team.members.iter().find(|member| member.view == *view);
        let state = states.iter().find(|state| state.view == *view);
        let pickup = self.pickups.last(self.mailbox, view);
        let joined_ms = state.map(|state| state.joined_ms);
        let last_pickup_ms = pickup.as_ref().map(|pickup| pickup.last_ms);
        let counts = |stamp_ms: Option<u64>| stamp_ms.map(|ms| self.at.since(ms));
        let seen_ms = counts(last_pickup_ms).max(counts(joined_ms)).unwrap_or(self.at.wall_ms);
        // While the clock is not believed nobody is absent.
        let ignore = member.and(self.team.release).and_then(|release| release.ignore_absent);
        let ignore = ignore.filter(|_| self.at.now_ms.is_some());
        let told_ms = counts(self.memo.lapsing.get(&key).copied());
        let presence = presence(seen_ms, ignore, told_ms, self.at.wall_ms);
        Seat {
            view: view.to_string(),
            robot: member.is_some_and(|member| member.robot),
            mirrors: member.is_some_and(|member| member.mirrors),
            is_declared,
            left_ms: self.memo.left.get(&key).copied(),
            joined_ms,
            last_pickup_ms,
            client: pickup.and_then(|pickup| pickup.client),
            lapses_ms: match presence {
                Presence::Here => None,
                Presence::Lapsing(at_ms) => Some(at_ms),
                Presence::Lapsed => ignore.map(|ignore| seen_ms.saturating_add(ms(ignore))),
            },
            is_absent: presence == Presence::Lapsed,
            ..Seat::default()
        }
    }

    /// What is released and here, by when it was; and what is in the trash.
    async fn released(&self) -> Result<(BTreeMap<u64, Vec<Uid>>, Sum), StoreError> {
        let (mut trash, mut gone) = (Sum::default(), BTreeSet::new());
        for trashed in trash::read(self.store, self.mailbox).await? {
            trash.add(trashed.octets);
            gone.insert(trashed.uid);
        }
        let mut released: BTreeMap<u64, Vec<Uid>> = BTreeMap::new();
        for deletion in self.store.deletions(self.mailbox, &ViewName::releaser(), 0).await? {
            let here = deletion.uids.into_iter().filter(|uid| !gone.contains(uid));
            released.entry(self.at.since(deletion.time_ms)).or_default().extend(here);
        }
        Ok((released, trash))
    }

    fn claims(&self, states: &[ViewState], seats: &[Seat]) -> Claims {
        let absent = seats.iter().filter(|seat| seat.is_absent);
        let absent = absent.filter_map(|seat| ViewName::kept(&seat.view).ok()).collect();
        let when = self.team.release.map_or(When::Never, |release| release.when);
        Claims::new(self.team, when, states, &absent)
    }

    /// What is not released, and why.
    async fn undecided(
        &self,
        states: &[ViewState],
        claims: &Claims,
        found: &mut Overview,
    ) -> Result<Vec<Uid>, StoreError> {
        let releaser = ViewName::releaser();
        let has_joined = states.iter().any(|state| state.view == releaser);
        let maildrop = match has_joined {
            true => self.store.open(self.mailbox, &releaser).await?,
            false => self.store.whole(self.mailbox).await?,
        };
        let mut uids = Vec::with_capacity(maildrop.len());
        for entry in (0..maildrop.len()).filter_map(|index| maildrop.entry(index)) {
            if uids.len() % STEP == STEP - 1 {
                tokio::task::yield_now().await;
            }
            uids.push(entry.uid);
            match claims.verdict(entry.uid) {
                // What can be released will be at the next look.
                Verdict::Wanted | Verdict::Released(_) | Verdict::Kept => found.held_back.add(entry.octets),
                Verdict::Unread => found.unread.add(entry.octets),
            }
        }
        Ok(uids)
    }

    /// What of the released stays for now all the same.
    async fn recalled(
        &self,
        claims: &Claims,
        counted: &Counted,
        found: &mut Overview,
    ) -> Result<BTreeSet<Uid>, StoreError> {
        let mut recalled = BTreeSet::new();
        if counted.released.is_empty() {
            return Ok(recalled);
        }
        let maildrop = self.store.whole(self.mailbox).await?;
        for index in 0..maildrop.len() {
            if index % STEP == STEP - 1 {
                tokio::task::yield_now().await;
            }
            let Some(entry) = maildrop.entry(index) else { continue };
            if counted.released.contains(&entry.uid) && claims.recalls(entry.uid) {
                found.held_back.add(entry.octets);
                recalled.insert(entry.uid);
            }
        }
        Ok(recalled)
    }

    /// What one view lists and holds back, and what it is done with of all that is here.
    async fn count(
        &self,
        seat: &mut Seat,
        states: &[ViewState],
        claims: &Claims,
        counted: &Counted,
    ) -> Result<(), StoreError> {
        let Some(state) = states.iter().find(|state| state.view.as_str() == seat.view) else { return Ok(()) };
        let maildrop = self.store.open(self.mailbox, &state.view).await?;
        let is_held = claims.held_by(&state.view);
        let mut oldest = None;
        for index in 0..maildrop.len() {
            let Some(entry) = maildrop.entry(index) else { continue };
            let sum = if state.fetched.contains(entry.uid) { &mut seat.fetched } else { &mut seat.waiting };
            sum.add(entry.octets);
            if is_held(entry.uid, counted.released.contains(&entry.uid)) {
                seat.holds_back.add(entry.octets);
                oldest.get_or_insert(index);
            }
        }
        if let Some(index) = oldest {
            seat.holds_since_ms = Some(maildrop.envelope(index).await?.trace.received_ms);
        }
        let is_done = |uid: &&Uid| **uid > state.after && state.done.contains(**uid);
        seat.done = counted.here.iter().filter(is_done).count() as u64;
        tokio::task::yield_now().await;
        Ok(())
    }
}

impl From<&Release> for Rule {
    fn from(release: &Release) -> Self {
        let when = match release.when {
            When::AllFetched => "all-fetched",
            When::AllDone => "all-done",
            When::Never => "never",
        };
        Self {
            when: when.into(),
            hold_seconds: release.hold.as_secs(),
            max_age_seconds: release.max_age.map(|time| time.as_secs()),
            ignore_absent_seconds: release.ignore_absent.map(|time| time.as_secs()),
        }
    }
}
