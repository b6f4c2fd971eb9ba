use std::collections::BTreeMap;

use mail::{MailboxName, Span, Uid, ViewName};
use queue::{Deletion, Store, StoreError, Trashed, ViewState};
use tracing::warn;

use crate::caretaker::{Guard, Means};
use crate::concerns::Concern;
use crate::eras::At;
use crate::memo::{Memo, ViewOf};
use crate::words::{instant, messages, ms, pasted, since};

/// How long a deletion that may have been a mistake is shown to whoever asks how the appliance is.
const STANDS: u64 = 24 * 60 * 60 * 1000;

/// Many messages that went at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mass {
    pub(crate) time_ms: u64,
    /// In their order.
    pub(crate) uids: Vec<Uid>,
}

/// What in a trash, which is in the order of uids, went at one instant and is much, and had been there for long.
pub(crate) fn masses(trash: &[Trashed], guard: &Guard) -> Vec<Mass> {
    let mut groups: BTreeMap<u64, (Vec<Uid>, u64)> = BTreeMap::new();
    for trashed in trash {
        let (uids, old) = groups.entry(trashed.trashed_ms).or_default();
        uids.push(trashed.uid);
        *old += u64::from(trashed.delivered_ms.saturating_add(ms(guard.kept)) <= trashed.trashed_ms);
    }
    let many = groups.into_iter().filter(|(_, (_, old))| *old >= guard.messages);
    many.map(|(time_ms, (uids, _))| Mass { time_ms, uids }).collect()
}

/// Looks at what the views of a team were done with since the last look, `before`: how they stood then, and when.
pub(crate) async fn look_at_views<S: Store>(
    means: &Means<S>,
    memo: &mut Memo,
    guard: &Guard,
    (mailbox, states): (&MailboxName, &[ViewState]),
    before: (Vec<ViewState>, u64),
    at: &At,
) -> Result<(), StoreError> {
    let (then, since_ms) = before;
    let stood = |state: &ViewState| then.iter().find(|other| other.view == state.view);
    let changed = states.iter().filter(|state| {
        state.view != ViewName::releaser() && stood(state).is_none_or(|then| then.done != state.done)
    });
    for state in changed {
        for deletion in means.store.deletions(mailbox, &state.view, since_ms).await? {
            let (time_ms, many) = (deletion.time_ms, deletion.uids.len() as u64 >= guard.messages);
            // Who has joined lately has kept nothing.
            let has_kept = state.joined_ms.saturating_add(ms(guard.kept)) <= time_ms;
            let key = ((mailbox.clone(), state.view.clone()), time_ms);
            let until = time_ms.saturating_add(ms(guard.trash));
            let is_over = at.until(time_ms, until) <= at.wall_ms;
            if !many || !has_kept || is_over || memo.guarded.contains_key(&key) {
                continue;
            }
            if old(means, mailbox, &deletion.uids, time_ms.saturating_sub(ms(guard.kept))).await?
                >= guard.messages
            {
                memo.guarded.insert(key, until);
                let mass = Mass { time_ms, uids: deletion.uids };
                tell(means, guard, (mailbox, &state.view), &mass, until);
            }
        }
    }
    Ok(())
}

/// How many of these came before an instant.
async fn old<S: Store>(
    means: &Means<S>,
    mailbox: &MailboxName,
    uids: &[Uid],
    before_ms: u64,
) -> Result<u64, StoreError> {
    // Under any clock: it was asked for what came before, and no more.
    let mut old = means.store.older_than(mailbox, before_ms, u64::MAX, usize::MAX).await?;
    let trash = super::read(&means.store, mailbox).await?;
    old.extend(trash.iter().filter(|it| it.delivered_ms < before_ms).map(|it| it.uid));
    old.sort_unstable();
    Ok(uids.iter().filter(|uid| old.binary_search(uid).is_ok()).count() as u64)
}

/// Whose deletion it was that a mass came of, and what of it at which instant: of several the last, and that may have been
/// long before it went, while others still wanted it. None: nobody deleted so much of it at once, such as what a view that
/// has left alone still wanted.
pub(super) async fn whose<S: Store>(
    means: &Means<S>,
    guard: &Guard,
    (mailbox, trash): (&MailboxName, &[Trashed]),
    mass: &Mass,
) -> Result<Option<(ViewName, Mass)>, StoreError> {
    let came_ms = |uid: &Uid| {
        trash.binary_search_by_key(uid, |it| it.uid).map_or(u64::MAX, |at| trash[at].delivered_ms)
    };
    let states = means.store.views(mailbox).await?;
    let views = states.into_iter().map(|state| state.view).filter(|view| *view != ViewName::owner());
    let mut found: Option<(ViewName, Mass)> = None;
    for view in views.chain([ViewName::owner()]).filter(|view| *view != ViewName::releaser()) {
        for Deletion { time_ms, mut uids } in means.store.deletions(mailbox, &view, 0).await? {
            uids.retain(|uid| mass.uids.binary_search(uid).is_ok());
            let old = |uid: &&Uid| came_ms(uid).saturating_add(ms(guard.kept)) <= time_ms;
            let is_mass = uids.iter().filter(old).count() as u64 >= guard.messages.max(1);
            let is_later = found.as_ref().is_none_or(|(_, found)| found.time_ms < time_ms);
            if is_mass && is_later && time_ms <= mass.time_ms {
                found = Some((view.clone(), Mass { time_ms, uids }));
            }
        }
    }
    Ok(found)
}

/// Tells the log at once, and postmaster with the next report.
pub(super) fn tell<S>(
    means: &Means<S>,
    guard: &Guard,
    (mailbox, view): (&MailboxName, &ViewName),
    mass: &Mass,
    until_ms: u64,
) {
    let (count, at, until) = (mass.uids.len() as u64, instant(mass.time_ms), instant(until_ms));
    let kept = Span(guard.kept);
    let (login, _) = login(means, mailbox, view);
    warn!(%mailbox, login, messages = count, at, until, "very much old mail was deleted at once: it is kept longer");
    means.concerns.mass_deletion();
    means.concerns.note(format!(
        "{mailbox}: {login} deleted {} in one session at {at}, {} and more of which had been there for {kept}. \
         If that was a mistake: {} brings them back until {until}.",
        messages(count),
        guard.messages,
        undo(means, mailbox, view, mass.time_ms),
    ));
}

/// What somebody may have deleted by mistake, and not long ago.
pub(crate) fn standing<S>(means: &Means<S>, memo: &Memo, at: &At) -> Vec<Concern> {
    let lately = memo
        .guarded
        .iter()
        .filter(|((_, time_ms), _)| at.wall_ms < at.since(*time_ms).saturating_add(STANDS));
    let concern = |(((mailbox, view), time_ms), until_ms): (&(ViewOf, u64), &u64)| {
        let (login, _) = login(means, mailbox, view);
        let (at, until) = (instant(*time_ms), instant(*until_ms));
        let text = format!("{mailbox}: {login} deleted very much old mail in one session at {at}");
        let undo = undo(means, mailbox, view, *time_ms);
        let todo = format!("if that was a mistake: {undo} brings it back, until {until}");
        Concern { text, todo, silent: None }
    };
    lately.map(concern).collect()
}

/// What brings back what a view was done with from an instant on, to be pasted into a shell whenever it is read.
fn undo<S>(means: &Means<S>, mailbox: &MailboxName, view: &ViewName, time_ms: u64) -> String {
    let (login, team) = login(means, mailbox, view);
    let of = team.map(|team| format!(" --mailbox {}", pasted(team.as_str()))).unwrap_or_default();
    format!("`restante undo --login {}{of} --since {}`", pasted(&login), since(time_ms))
}

/// The login that has a view, and the team whose view it is.
fn login<'a, S>(
    means: &Means<S>,
    mailbox: &'a MailboxName,
    view: &ViewName,
) -> (String, Option<&'a MailboxName>) {
    let team = means.directory.team(mailbox);
    let member = team.as_ref().and_then(|team| team.members.iter().find(|member| member.view == *view));
    match member {
        Some(member) => (member.login.to_string(), Some(mailbox)),
        None if *view == ViewName::owner() => (mailbox.to_string(), None),
        None => (device(mailbox, view), None),
    }
}

/// The login of a device's view.
fn device(mailbox: &MailboxName, view: &ViewName) -> String {
    let (local, domain) =
        mailbox.as_str().split_at(mailbox.as_str().find('@').unwrap_or(mailbox.as_str().len()));
    format!("{local}+{view}{domain}")
}

#[cfg(test)]
mod tests {
    use queue::contract::view;

    use super::*;

    #[test]
    fn the_login_of_a_device_ends_with_the_domain() {
        for (mailbox, login) in
            [("alice", "alice+phone"), ("alice@other.example", "alice+phone@other.example")]
        {
            let mailbox = MailboxName::parse(mailbox).expect("a name");
            assert_eq!(device(&mailbox, &view("phone")), login);
        }
    }
}
