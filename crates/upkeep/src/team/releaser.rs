use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use directory::{Release, Team, When};
use mail::{Event, MailboxName, Span, Uid, ViewName};
use queue::{Deletion, Expunge, Maildrop, Store, StoreError, Unwanted, ViewState};
use tracing::{info, warn};

use super::claim::{Claims, Verdict, Why};
use super::held::Held;
use super::presence::{Presence, presence};
use crate::caretaker::{Care, Means};
use crate::eras::{At, Eras};
use crate::expiry::old;
use crate::memo::Memo;
use crate::trash::guard::look_at_views;
use crate::words::{between, instant, ms};

/// Messages of one step, and the rest after one that changed something: who collects meanwhile must not wait.
const STEP: usize = 1000;
const REST: Duration = Duration::from_millis(50);
/// How far looks overlap: what is noted at an instant may show a little later.
const OVERLAP: u64 = 60 * 1000;

/// Lets the mail of teams go: what everyone has is released, held for a while, and goes to the trash.
///
/// What its own view is done with is released; since when, the store remembers. A mailbox is decided over again only
/// when a view, the file or somebody's absence has changed.
#[derive(Default)]
pub(crate) struct Releaser {
    teams: BTreeMap<MailboxName, Known>,
}

#[derive(Default)]
struct Known {
    /// The claims that the last decision was made of.
    decided: Option<Claims>,
    /// What is released and still in the mailbox; none: the store was not asked yet.
    held: Option<Held>,
    /// What was known of jumps of the clock then.
    eras: Eras,
    /// How the views stood at the last look, and when that was.
    watched: Option<(Vec<ViewState>, u64)>,
}

/// One team, at one look.
struct Look<'a, S> {
    means: &'a Means<S>,
    mailbox: &'a MailboxName,
    team: Arc<Team>,
    at: &'a At,
}

impl Releaser {
    /// Goes through all teams; of several errors the last. While the clock is not believed everybody counts as present, and
    /// nothing goes for its time.
    pub(crate) async fn look<S: Store>(
        &mut self,
        means: &Means<S>,
        memo: &mut Memo,
        care: &Care,
        at: &At,
    ) -> Result<(), StoreError> {
        let teams = means.directory.teams();
        self.teams.retain(|name, _| teams.iter().any(|(other, _)| other == name));
        memo.lapsing.retain(|(mailbox, view), _| {
            let team = teams.iter().find(|(name, _)| name == mailbox);
            team.is_some_and(|(_, team)| team.members.iter().any(|member| member.view == *view))
        });
        let mut outcome = Ok(());
        for (mailbox, team) in teams {
            if means.stop.is_cancelled() {
                break;
            }
            let known = self.teams.entry(mailbox.clone()).or_default();
            let look = Look { means, mailbox: &mailbox, team, at };
            if let Err(error) = known.look(&look, memo, care).await {
                outcome = Err(error);
            }
        }
        outcome
    }
}

impl Known {
    async fn look<S: Store>(
        &mut self,
        look: &Look<'_, S>,
        memo: &mut Memo,
        care: &Care,
    ) -> Result<(), StoreError> {
        let Look { means, mailbox, team, at } = look;
        let wall_ms = at.wall_ms;
        if self.eras != at.eras {
            // Since when something is held is told anew.
            (self.eras, self.held) = (at.eras.clone(), None);
        }
        let states = means.store.views(mailbox).await?;
        if let Some(guard) = &care.guard {
            // As far as what it keeps longer can reach: what was known of that may be lost.
            let first = || (Vec::new(), wall_ms.saturating_sub(ms(guard.trash)));
            let (then, since_ms) = self.watched.take().unwrap_or_else(first);
            // A clock that was put back has noted what came then before that.
            let before = (then, since_ms.min(wall_ms.saturating_sub(OVERLAP)));
            look_at_views(means, memo, guard, (mailbox, &states), before, at).await?;
        }
        self.watched = Some((states.clone(), wall_ms.saturating_sub(OVERLAP)));
        let Some(release) = team.release else { return Ok(()) };
        // Its own view is not asked for what it thinks.
        let releaser = ViewName::releaser();
        let (own, states): (Vec<_>, Vec<_>) = states.into_iter().partition(|state| state.view == releaser);
        if own.is_empty() {
            return Ok(());
        }
        let absent =
            at.now_ms.map_or_else(BTreeSet::new, |now_ms| look.absent(memo, &release, &states, now_ms));
        let claims = Claims::new(team, release.when, &states, &absent);
        if self.decided.as_ref() != Some(&claims) {
            self.decided = None;
            let outcome = self.release(look, &claims).await;
            if outcome.is_err() {
                // It may have been noted all the same.
                self.held = None;
            }
            if outcome? {
                self.decided = Some(claims.clone());
            }
            self.held.iter_mut().for_each(Held::ask_again);
        }
        if let Some(now_ms) = at.now_ms {
            self.let_go(look, &release, &claims, now_ms).await?;
            Self::let_go_old(look, &release, now_ms).await?;
        }
        Ok(())
    }

    /// Releases what may be released now; false when it was stopped before the end.
    async fn release<S: Store>(&mut self, look: &Look<'_, S>, claims: &Claims) -> Result<bool, StoreError> {
        let Look { means, mailbox, at, .. } = look;
        // Nothing can be, whatever all of it is.
        if !claims.decide() {
            return Ok(true);
        }
        let undecided = means.store.open(mailbox, &ViewName::releaser()).await?;
        for begin in (0..undecided.len()).step_by(STEP) {
            if means.stop.is_cancelled() {
                return Ok(false);
            }
            let mut found: BTreeMap<Why, Vec<Uid>> = BTreeMap::new();
            let step = (begin..undecided.len().min(begin + STEP)).filter_map(|index| undecided.entry(index));
            for uid in step.map(|entry| entry.uid) {
                match claims.verdict(uid) {
                    Verdict::Released(why) => found.entry(why).or_default().push(uid),
                    Verdict::Wanted | Verdict::Unread | Verdict::Kept => {}
                }
            }
            let changes = !found.is_empty();
            for (why, uids) in found {
                look.note_released(uids.clone()).await?;
                self.held.iter_mut().for_each(|held| held.add(at.wall_ms, &uids));
                let messages = uids.len();
                info!(%mailbox, messages, status = "released", "{}", why.words());
                let reason = why.words().into();
                means.journeys.tell(|| Event::Released { mailbox: (*mailbox).clone(), uids, reason });
            }
            match changes {
                true => tokio::time::sleep(REST).await,
                false => tokio::task::yield_now().await,
            }
        }
        Ok(true)
    }

    /// Moves on what was released for as long as the team holds it, but for what is wanted again.
    async fn let_go<S: Store>(
        &mut self,
        look: &Look<'_, S>,
        release: &Release,
        claims: &Claims,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        if release.when == When::Never {
            return Ok(());
        }
        let held = match &mut self.held {
            Some(held) => held,
            none => none.insert(look.held().await?),
        };
        let reason = format!("everyone had it, held for {}", Span(release.hold));
        let mut here = None;
        while let Some((at_ms, step)) = held.due(ms(release.hold), now_ms) {
            if look.means.stop.is_cancelled() {
                break;
            }
            // What has gone otherwise, or before an error, is none of its business any more.
            let here = match &mut here {
                Some(here) => here,
                none => none.insert(look.means.store.whole(look.mailbox).await?),
            };
            let still = step.iter().copied().filter(|uid| here.lists(*uid));
            let (recalled, goes): (Vec<Uid>, Vec<Uid>) = still.partition(|uid| claims.recalls(*uid));
            let (count, went) = (step.len(), !goes.is_empty());
            look.go(goes, &reason).await?;
            held.through(at_ms, count, &recalled);
            if !went {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// Moves on what is older than the team keeps anything, whatever the views say.
    async fn let_go_old<S: Store>(
        look: &Look<'_, S>,
        release: &Release,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let Some(age) = release.max_age else { return Ok(()) };
        let at = (&look.at.eras, now_ms);
        let reason = format!("older than the team's max-age of {}", Span(age));
        while !look.means.stop.is_cancelled() {
            let old = old(&look.means.store, look.mailbox, age, at, STEP).await?;
            let found = old.len();
            if found == 0 {
                break;
            }
            // So that whoever looks at the trash knows that no member has put it there.
            look.note_released(old.clone()).await?;
            look.go(old, &reason).await?;
            if found < STEP {
                break;
            }
        }
        Ok(())
    }
}

impl<S: Store> Look<'_, S> {
    /// Whose claim has lapsed; and tells of those whose will.
    fn absent(
        &self,
        memo: &mut Memo,
        release: &Release,
        states: &[ViewState],
        now_ms: u64,
    ) -> BTreeSet<ViewName> {
        let mut absent = BTreeSet::new();
        for state in states.iter().filter(|state| self.team.members.iter().any(|it| it.view == state.view)) {
            let seat = (self.mailbox.clone(), state.view.clone());
            let seen_ms = seen_ms(self.means, self.mailbox, state, self.at);
            let told_ms = memo.lapsing.get(&seat).map(|told| self.at.since(*told));
            match presence(seen_ms, release.ignore_absent, told_ms, now_ms) {
                Presence::Here => drop(memo.lapsing.remove(&seat)),
                Presence::Lapsing(at_ms) => {
                    if told_ms.is_none_or(|told| told <= seen_ms) {
                        memo.lapsing.insert(seat, now_ms);
                        self.tell_of_lapse(&state.view, between(seen_ms, now_ms), at_ms);
                    }
                }
                Presence::Lapsed => drop(absent.insert(state.view.clone())),
            }
        }
        absent
    }

    fn tell_of_lapse(&self, view: &ViewName, away: Span, at_ms: u64) {
        let (mailbox, at) = (self.mailbox, instant(at_ms));
        warn!(%mailbox, view = view.as_str(), away = away.to_string(), at, "a member has collected nothing for long: the claim will lapse");
        self.means.concerns.note(format!(
            "{mailbox}: {view} has collected nothing for {away}. From {at} on mail is released without {view} \
             (`ignore-absent`), unless {view} collects before."
        ));
    }

    async fn note_released(&self, uids: Vec<Uid>) -> Result<(), StoreError> {
        let (mailbox, view) = (self.mailbox.clone(), ViewName::releaser());
        self.means.store.delete(vec![Expunge { mailbox, view, uids, unwanted: Unwanted::Stays }]).await
    }

    /// What is released and not in the trash yet.
    async fn held(&self) -> Result<Held, StoreError> {
        let Self { means: Means { store, .. }, mailbox, at, .. } = self;
        let mut trash = BTreeSet::new();
        let mut after = Uid(0);
        loop {
            let page = store.trashed(mailbox, after, STEP).await?;
            let Some(last) = page.last() else { break };
            after = last.uid;
            trash.extend(page.iter().map(|trashed| trashed.uid));
        }
        let mut held = Held::default();
        for Deletion { time_ms, mut uids } in store.deletions(mailbox, &ViewName::releaser(), 0).await? {
            uids.retain(|uid| !trash.contains(uid));
            held.add(at.since(time_ms), &uids);
        }
        Ok(held)
    }

    /// Into the trash, or out of the store where there is none.
    async fn go(&self, uids: Vec<Uid>, reason: &str) -> Result<(), StoreError> {
        if uids.is_empty() {
            return Ok(());
        }
        let Means { store, directory, journeys, .. } = self.means;
        let (mailbox, messages, reason) = (self.mailbox.clone(), uids.len(), reason.to_owned());
        if directory.trash(&mailbox).is_some() {
            store.trash(&mailbox, uids.clone()).await?;
            info!(%mailbox, messages, status = "trashed", "a team's mail goes to the trash: {reason}");
            journeys.tell(|| Event::Trashed { mailbox, uids, reason });
        } else {
            store.purge(&mailbox, uids.clone()).await?;
            info!(%mailbox, messages, status = "removed", "a team's mail goes for good: {reason}");
            journeys.tell(|| Event::Removed { mailbox, uids, reason });
        }
        tokio::time::sleep(REST).await;
        Ok(())
    }
}

/// When a member was here last: when it joined, if it has never collected.
fn seen_ms<S>(means: &Means<S>, mailbox: &MailboxName, state: &ViewState, at: &At) -> u64 {
    let pickup = means.pickups.last(mailbox, &state.view);
    pickup.map_or(0, |pickup| at.since(pickup.last_ms)).max(at.since(state.joined_ms))
}
