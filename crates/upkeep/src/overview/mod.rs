mod shape;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use directory::{Directory, JoinFrom, Member, Pickups, Release, Team, When};
use mail::{MailboxName, Uid, ViewName};
use queue::{Maildrop, Store, StoreError, ViewState};

use crate::days::{ages, goes};
use crate::eras::At;
use crate::memo::Memo;
use crate::notes::Notes;
use crate::suspension::Suspension;
use crate::team::claim::{Claims, Verdict};
use crate::team::joining;
use crate::team::presence::{Presence, presence};
use crate::trash;
use crate::words::ms;

pub use shape::{Overview, Rule, Seat, Sum};

/// Messages between two rests.
const STEP: usize = 1000;

/// Where the look after mailboxes leaves what others must know.
#[derive(Debug, Clone)]
pub struct Notebooks {
    /// Of the clock.
    pub clock: PathBuf,
    /// Of views.
    pub views: PathBuf,
}

/// Looks at one mailbox, if it is one that several views show, by the wall clock as it was last believed.
pub async fn overview<S: Store>(
    store: &S,
    directory: &Directory,
    pickups: &Pickups,
    notebooks: &Notebooks,
    mailbox: &MailboxName,
    wall_ms: u64,
) -> Result<Option<Overview>, StoreError> {
    let declared = directory.team(mailbox);
    let devices = declared.is_none();
    let Some(team) = declared.or_else(|| with_devices(directory, mailbox)) else { return Ok(None) };
    let (memo, notes) = (Memo::read(&notebooks.views), Notes::read(&notebooks.clock));
    let suspended = Suspension::of(&notes, wall_ms);
    let states = store.views(mailbox).await?;
    let usage = store.usage(mailbox);
    let until_ms = suspended.map_or(0, |suspended| suspended.until_ms);
    let at = At { wall_ms, now_ms: suspended.is_none().then_some(wall_ms), eras: notes.eras };
    let look = Look { store, pickups, memo: &memo, mailbox, team: &team, devices, until_ms, at: &at };
    let mut seats = look.seats(&states);
    let (mut released, trash) = look.released().await?;
    let holds = Sum { messages: usage.messages, octets: usage.octets };
    let mut found = Overview {
        mailbox: mailbox.to_string(),
        devices,
        release: team.release.as_ref().map(Rule::from),
        trash_seconds: directory.trash(mailbox).map(|time| time.as_secs()),
        shared: team.shared,
        holds,
        trash,
        suspended_until_ms: suspended.map(|suspended| suspended.until_ms),
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
        found.ages = ages(&release, &came, &mut released, (&at, until_ms));
        found.goes = goes(&release, &released, until_ms);
    }
    Ok(Some(found))
}

/// A person's mailbox with devices as if it were a team of them: what all of its views are done with goes at once.
fn with_devices(directory: &Directory, mailbox: &MailboxName) -> Option<Arc<Team>> {
    let member =
        |view| Member { view, login: mailbox.clone(), robot: false, mirrors: false, from: JoinFrom::All };
    let members: Vec<Member> = directory.devices(mailbox).into_iter().map(member).collect();
    let max_age = directory.allowance(mailbox).age;
    let release = Release { when: When::AllDone, hold: Duration::ZERO, max_age, ignore_absent: None };
    (!members.is_empty()).then(|| Arc::new(Team { members, release: Some(release), shared: true }))
}

struct Look<'a, S> {
    store: &'a S,
    pickups: &'a Pickups,
    memo: &'a Memo,
    mailbox: &'a MailboxName,
    team: &'a Arc<Team>,
    devices: bool,
    /// Before this nothing goes for its time.
    until_ms: u64,
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
        let left_ms = self.memo.left.get(&key).copied();
        Seat {
            view: view.to_string(),
            robot: member.is_some_and(|member| member.robot),
            mirrors: member.is_some_and(|member| member.mirrors),
            is_declared,
            left_ms,
            leaves_ms: left_ms.filter(|_| !is_declared).map(|left_ms| self.leaves_ms(&key, left_ms)),
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

    /// When one leaves that was taken out at `left_ms`: what the guard keeps longer for it keeps it too.
    fn leaves_ms(&self, seat: &(MailboxName, ViewName), left_ms: u64) -> u64 {
        let guarded = self.memo.guarded.iter().filter(|((of, _), _)| of == seat);
        let guarded = guarded.map(|((_, deleted_ms), until_ms)| self.at.until(*deleted_ms, *until_ms));
        let hold = joining::hold((!self.devices).then_some(self.team));
        let leaves_ms = self.at.since(left_ms.min(self.at.wall_ms)).saturating_add(ms(hold));
        guarded.chain([self.until_ms]).fold(leaves_ms, u64::max)
    }

    /// What is released and here, by since when that counts; and what is in the trash.
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
        let holds = claims.held_by(&state.view);
        // The owner of a mailbox with devices wants what she lists, and so does each of them.
        let is_held = |uid, is_released| self.devices || holds(uid, is_released);
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
