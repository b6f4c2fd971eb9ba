use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use directory::{Directory, JoinFrom, Team};
use mail::{Event, MailboxName, Span, Uid, ViewName};
use queue::{Join, Store, StoreError, Unwanted};
use tracing::{debug, info};

use crate::caretaker::Means;
use crate::eras::At;
use crate::memo::Memo;
use crate::words::{between, ms};

/// How long a view that is not declared any more keeps what it has, where no team says it.
const HOLD: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Messages of one step.
const STEP: usize = 1000;

/// How long a view that is not declared any more keeps what it has: as long as the team holds mail.
pub(crate) fn hold(team: Option<&Arc<Team>>) -> Duration {
    team.and_then(|team| team.release).map_or(HOLD, |release| release.hold)
}

/// Brings the views that have joined in line with the file. While the clock is not believed nobody leaves.
///
/// A mailbox that the file does not have any more keeps its views as it keeps its mail.
pub(crate) async fn reconcile<S: Store>(
    means: &Means<S>,
    memo: &mut Memo,
    at: &At,
) -> Result<(), StoreError> {
    let Means { store, directory, .. } = means;
    let declared: BTreeMap<_, _> = directory.views().into_iter().collect();
    let all = all(store).await?;
    forget_pickups(means, &all);
    let kept: BTreeMap<_, _> = all.into_iter().filter(|(_, joined)| !joined.is_empty()).collect();
    for mailbox in declared.keys().chain(kept.keys()).collect::<BTreeSet<_>>() {
        let joined = kept.get(mailbox).map_or(&[][..], Vec::as_slice);
        if declared.contains_key(mailbox) || directory.has_mailbox(mailbox) {
            let wanted = wanted(directory, mailbox, declared.get(mailbox), joined);
            join_missing(store, directory, (mailbox, &wanted, joined), at.wall_ms).await?;
            part(means, memo, (mailbox, &wanted, joined), at).await?;
        }
    }
    // What somebody else let leave needs no note.
    memo.left.retain(|(mailbox, view), _| kept.get(mailbox).is_some_and(|joined| joined.contains(view)));
    Ok(())
}

/// Forgets who collected what is not there any more: the file has no such view, and the store neither.
fn forget_pickups<S: Store>(means: &Means<S>, kept: &BTreeMap<MailboxName, Vec<ViewName>>) {
    let declared: BTreeMap<_, _> = means.directory.views().into_iter().collect();
    // Where no views are, there is the owner's.
    let has = |views: &Vec<ViewName>, view: &ViewName| match views.is_empty() {
        true => *view == ViewName::owner(),
        false => views.contains(view),
    };
    means.pickups.retain(|mailbox, view| {
        let is_declared = match declared.get(mailbox) {
            Some(views) => has(views, view),
            None => *view == ViewName::owner() && means.directory.has_mailbox(mailbox),
        };
        is_declared || kept.get(mailbox).is_some_and(|views| has(views, view))
    });
}

/// The declared views, and of a team the releaser's, which joins first: what the others are done with then waits for it.
///
/// Of a mailbox that declares nobody the owner's as long as others have not left: while a view has joined only what has
/// joined can delete, and what the owner deletes meanwhile must not come back with the last of them. The releaser's stays
/// as long: a team that is one again goes on as it was.
fn wanted(
    directory: &Directory,
    mailbox: &MailboxName,
    declared: Option<&Vec<ViewName>>,
    joined: &[ViewName],
) -> Vec<ViewName> {
    let (owner, releaser) = (ViewName::owner(), ViewName::releaser());
    match declared {
        None if joined.iter().all(|view| *view == owner || *view == releaser) => Vec::new(),
        None => joined.iter().filter(|view| **view == releaser).cloned().chain([owner]).collect(),
        Some(declared) => {
            let releaser = directory.team(mailbox).map(|_| releaser);
            releaser.into_iter().chain(declared.iter().cloned()).collect()
        }
    }
}

/// Every mailbox that holds mail or has views, with the views that have joined.
async fn all<S: Store>(store: &S) -> Result<BTreeMap<MailboxName, Vec<ViewName>>, StoreError> {
    Ok(store.mailboxes().await?.into_iter().map(|status| (status.name, status.views)).collect())
}

/// Lets the views join that a directory declares, and nothing else: before anybody logs in by it. Until a view has joined
/// there is nothing to log in to, and some clients ask for the password again after one failure.
pub async fn join<S: Store>(store: &S, directory: &Directory, wall_ms: u64) -> Result<(), StoreError> {
    let declared: BTreeMap<_, _> = directory.views().into_iter().collect();
    let kept = all(store).await?;
    for mailbox in declared.keys().chain(kept.keys()).collect::<BTreeSet<_>>() {
        let joined = kept.get(mailbox).map_or(&[][..], Vec::as_slice);
        if directory.has_mailbox(mailbox) {
            let wanted = wanted(directory, mailbox, declared.get(mailbox), joined);
            join_missing(store, directory, (mailbox, &wanted, joined), wall_ms).await?;
        }
    }
    Ok(())
}

async fn join_missing<S: Store>(
    store: &S,
    directory: &Directory,
    (mailbox, wanted, joined): (&MailboxName, &[ViewName], &[ViewName]),
    wall_ms: u64,
) -> Result<(), StoreError> {
    for view in wanted.iter().filter(|view| !joined.contains(view)) {
        let team = directory.team(mailbox);
        let member = team.as_ref().and_then(|team| team.members.iter().find(|it| it.view == *view));
        let from = match member.map_or(JoinFrom::All, |member| member.from) {
            JoinFrom::All => Join::All,
            JoinFrom::Now => Join::Now,
            JoinFrom::Back(time) => {
                let before = wall_ms.saturating_sub(ms(time));
                let older = store.older_than(mailbox, before, wall_ms, usize::MAX).await?;
                older.last().map_or(Join::All, |uid| Join::After(*uid))
            }
        };
        store.join(mailbox, view, from).await?;
        // Nobody has named the releaser's.
        match *view == ViewName::releaser() {
            true => debug!(%mailbox, view = view.as_str(), ?from, "a view has joined"),
            false => info!(%mailbox, view = view.as_str(), ?from, "a view has joined"),
        }
    }
    Ok(())
}

/// Lets go whom the file does not declare any more: the releaser's view at once when nobody is left, and the owner's then
/// when nothing asks for it; others when they have been away for as long as the mailbox holds, and the guard keeps nothing
/// longer for them.
async fn part<S: Store>(
    means: &Means<S>,
    memo: &mut Memo,
    (mailbox, wanted, joined): (&MailboxName, &[ViewName], &[ViewName]),
    at: &At,
) -> Result<(), StoreError> {
    let (owner, releaser) = (ViewName::owner(), ViewName::releaser());
    let team = means.directory.team(mailbox);
    let hold = hold(team.as_ref());
    // What a member was not done with waits for whoever decides; elsewhere it goes where the owner's deletions go.
    let unwanted = match means.directory.trash(mailbox) {
        _ if team.is_some() => Unwanted::Stays,
        Some(_) => Unwanted::ToTrash,
        None => Unwanted::Goes,
    };
    let goes_at_once = |view: &ViewName| *view == releaser || (*view == owner && wanted.is_empty());
    // The releaser's first: what it alone still wants is what the owner has deleted.
    for (view, unwanted) in [(&releaser, unwanted), (&owner, Unwanted::Stays)] {
        if joined.contains(view) && !wanted.contains(view) && goes_at_once(view) {
            if *view == owner && is_still_asked(means, memo, (mailbox, joined)).await? {
                continue;
            }
            means.store.leave(mailbox, view, unwanted).await?;
            match *view == releaser {
                true => debug!(%mailbox, view = view.as_str(), "nothing is released here any more"),
                false => info!(%mailbox, view = view.as_str(), "nobody shares this mailbox any more"),
            }
        }
    }
    for view in joined.iter().filter(|view| !wanted.contains(view) && !goes_at_once(view)) {
        let seat = (mailbox.clone(), view.clone());
        let since = memo.left.entry(seat.clone()).or_insert_with(|| {
            info!(%mailbox, view = view.as_str(), hold = Span(hold).to_string(), "a view is not declared any more: it is kept for a while");
            at.wall_ms
        });
        // A clock that was ahead begins anew.
        *since = (*since).min(at.wall_ms);
        let ends_ms = at.since(*since).saturating_add(ms(hold));
        let Some(now_ms) = at.now_ms.filter(|now| ends_ms <= *now) else { continue };
        // What is kept longer for it is known, and comes back, by its view alone.
        if memo.guarded.keys().any(|(of, _)| *of == seat) {
            continue;
        }
        let away = between(*since, now_ms);
        means.store.leave(mailbox, view, unwanted).await?;
        memo.left.remove(&seat);
        let who = if *view == owner { "the owner's view".into() } else { format!("the view `{view}`") };
        info!(%mailbox, view = view.as_str(), away = away.to_string(), "a view has left: what only it wanted is free");
        means.concerns.note(format!("{mailbox}: {who} has left, {away} after mailboxes.toml named it last."));
        let reason = format!("not declared for {away}");
        means.journeys.tell(|| Event::Left { mailbox: mailbox.clone(), view: view.clone(), reason });
    }
    memo.left.retain(|(of, view), _| of != mailbox || !wanted.contains(view));
    Ok(())
}

/// Whether the owner's view stays for now: once more after something went that she may have deleted, for the guard asks
/// who it was, and as long as she may want back what it keeps longer.
async fn is_still_asked<S: Store>(
    means: &Means<S>,
    memo: &Memo,
    (mailbox, joined): (&MailboxName, &[ViewName]),
) -> Result<bool, StoreError> {
    let owner = (mailbox.clone(), ViewName::owner());
    let is_guarded = memo.guarded.keys().any(|(seat, _)| *seat == owner);
    let is_new = joined.contains(&ViewName::releaser());
    // All of the mailbox is read for it: not at every look of those weeks.
    let went = (is_new || !is_guarded) && let_go_deleted(means, mailbox).await?;
    Ok(went || is_guarded || is_new)
}

/// What the owner has deleted and is still there, such as what a team had released and held: without any view it would be
/// listed again. Whether there was any.
async fn let_go_deleted<S: Store>(means: &Means<S>, mailbox: &MailboxName) -> Result<bool, StoreError> {
    let Means { store, directory, journeys, .. } = means;
    let states = store.views(mailbox).await?;
    let Some(owner) = states.into_iter().find(|state| state.view == ViewName::owner()) else {
        return Ok(false);
    };
    // All that is there: what somebody had brought back was never deleted by her, and is done for her all the same.
    let all = store.older_than(mailbox, u64::MAX, u64::MAX, usize::MAX).await?;
    let deleted = all.into_iter().filter(|uid| *uid > owner.after && owner.done.contains(*uid));
    let deleted: Vec<Uid> = deleted.collect();
    for step in deleted.chunks(STEP) {
        let (mailbox, uids, reason) = (mailbox.clone(), step.to_vec(), "its owner had deleted it".to_owned());
        if directory.trash(&mailbox).is_some() {
            store.trash(&mailbox, uids.clone()).await?;
            journeys.tell(|| Event::Trashed { mailbox, uids, reason });
        } else {
            store.purge(&mailbox, uids.clone()).await?;
            journeys.tell(|| Event::Removed { mailbox, uids, reason });
        }
    }
    Ok(!deleted.is_empty())
}
