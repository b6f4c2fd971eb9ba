//! A view that has joined a mailbox, as the writer of the index knows it, and the rows that say so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mail::{MailboxName, Uid, ViewName};
use queue::{Runs, ViewState};

use super::apply::{Effect, Index};
use super::keys::{self, Set};
use super::kv::IndexError;
use super::packed_runs;
use super::rows::{Digest, ViewRow, decode, encode};

/// How a view stands. What it has fetched and is done with are runs: a member costs octets for a mailbox and
/// not for a message.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) row: ViewRow,
    pub(crate) fetched: Arc<Runs>,
    pub(crate) done: Arc<Runs>,
    /// Equal numbers mean that it hides the same entries, in this process.
    pub(crate) version: u64,
}

impl Member {
    pub(super) fn new(row: ViewRow) -> Self {
        Self { row, fetched: Arc::default(), done: Arc::default(), version: next_version() }
    }

    /// Whether it still lists an entry.
    pub(crate) fn wants(&self, uid: Uid) -> bool {
        uid.0 > self.row.after && !self.done.contains(uid)
    }

    pub(crate) fn state(&self, view: &ViewName) -> ViewState {
        ViewState {
            view: view.clone(),
            joined_ms: self.row.joined_ms,
            after: Uid(self.row.after),
            offered: Uid(self.row.offered),
            fetched: self.fetched.clone(),
            done: self.done.clone(),
        }
    }

    fn set(&mut self, set: Set) -> &mut Arc<Runs> {
        match set {
            Set::Done => &mut self.done,
            Set::Fetched => &mut self.fetched,
        }
    }
}

/// Whichever mailbox, view and index: no number is given twice.
fn next_version() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed)
}

/// All runs of one set.
type Read = (MailboxName, ViewName, Set, Vec<(Uid, Uid)>);

/// A member as the rows have it, while it is ahead of them.
#[derive(Debug, Clone)]
pub(super) struct Written {
    row: ViewRow,
    fetched: Arc<Runs>,
    done: Arc<Runs>,
}

impl Index {
    /// A view that is about to change; its rows follow with all that is pending.
    pub(super) fn member(&mut self, name: &MailboxName, view: &ViewName) -> Option<&mut Member> {
        let member = self.mailboxes.get_mut(name)?.views.get_mut(view)?;
        self.ahead.entry((name.clone(), view.clone())).or_insert_with(|| Written {
            row: member.row,
            fetched: member.fetched.clone(),
            done: member.done.clone(),
        });
        Some(member)
    }

    /// Puts an entry of the mailbox into a set of a view. False when it was in it, or the view has not joined.
    pub(super) fn mark(
        &mut self,
        name: &MailboxName,
        view: &ViewName,
        set: Set,
        uid: Uid,
    ) -> Result<bool, IndexError> {
        let Some(member) = self.mailboxes.get_mut(name).and_then(|known| known.views.get_mut(view)) else {
            return Ok(false);
        };
        if member.set(set).contains(uid) {
            return Ok(false);
        }
        let (before, after) = self.neighbours(name, uid)?;
        let Some(member) = self.member(name, view) else { return Ok(false) };
        Arc::make_mut(member.set(set)).insert(uid, before, after);
        if set == Set::Done {
            member.version = next_version();
        }
        Ok(true)
    }

    /// An entry has left the mailbox: whatever views had noted of it.
    pub(super) fn unmark(&mut self, name: &MailboxName, uid: Uid) -> Result<(), IndexError> {
        self.each_set(name, uid, |runs, before, after| runs.forget(uid, before, after))
    }

    /// An entry has come to be between others.
    pub(super) fn marked_around(&mut self, name: &MailboxName, uid: Uid) -> Result<(), IndexError> {
        self.each_set(name, uid, |runs, before, after| runs.arrive(uid, before, after))
    }

    fn each_set(
        &mut self,
        name: &MailboxName,
        uid: Uid,
        change: impl Fn(&mut Runs, Option<Uid>, Option<Uid>),
    ) -> Result<(), IndexError> {
        let any = |member: &Member| !member.done.is_empty() || !member.fetched.is_empty();
        let views = self.known(name).into_iter().flat_map(|known| &known.views);
        let views: Vec<_> = views.filter(|(_, member)| any(member)).map(|(view, _)| view.clone()).collect();
        if views.is_empty() {
            return Ok(());
        }
        let (before, after) = self.neighbours(name, uid)?;
        let (left, right) = (before.unwrap_or(uid), after.unwrap_or(uid));
        for (view, set) in views.iter().flat_map(|view| [(view, Set::Done), (view, Set::Fetched)]) {
            // Far from any run nothing changes, and no run is copied for that.
            let touches = |runs: &Runs| runs.contains(uid) || (runs.contains(left) && runs.contains(right));
            let known = self.mailboxes.get_mut(name).and_then(|known| known.views.get_mut(view));
            if !known.is_some_and(|member| touches(member.set(set))) {
                continue;
            }
            let Some(member) = self.member(name, view) else { continue };
            change(Arc::make_mut(member.set(set)), before, after);
            if set == Set::Done {
                member.version = next_version();
            }
        }
        Ok(())
    }

    /// Lets a view in.
    pub(super) fn join(&mut self, name: &MailboxName, view: &ViewName, row: ViewRow) {
        let member = Member::new(row);
        self.put_view(name, view, None, Some(row));
        self.change(name).views.insert(view.clone(), member.clone());
        self.effect(Effect::View(name.clone(), view.clone(), Some(member)));
    }

    /// Forgets a view, with all that it had noted.
    pub(super) fn part(&mut self, name: &MailboxName, view: &ViewName) {
        let key = (name.clone(), view.clone());
        let Some(member) = self.change(name).views.remove(view) else { return };
        let Member { row, fetched, done, .. } = member;
        let Written { row, fetched, done } =
            self.ahead.remove(&key).unwrap_or(Written { row, fetched, done });
        let nothing = Runs::default();
        self.put_runs(name, view, Set::Fetched, (&fetched, &nothing));
        self.put_runs(name, view, Set::Done, (&done, &nothing));
        self.put_view(name, view, Some(row), None);
        self.effect(Effect::View(name.clone(), view.clone(), None));
    }

    /// The rows of all views that are ahead of theirs.
    pub(super) fn write_members(&mut self) {
        for ((name, view), written) in std::mem::take(&mut self.ahead) {
            let Some(member) = self.mailboxes.get_mut(&name).and_then(|known| known.views.get_mut(&view))
            else {
                continue;
            };
            for set in [Set::Done, Set::Fetched] {
                if let Some(runs) = Arc::get_mut(member.set(set)) {
                    runs.trim();
                }
            }
            let member = member.clone();
            if written.row != member.row {
                self.put_view(&name, &view, Some(written.row), Some(member.row));
            }
            self.put_runs(&name, &view, Set::Fetched, (&written.fetched, &member.fetched));
            self.put_runs(&name, &view, Set::Done, (&written.done, &member.done));
            self.effect(Effect::View(name, view, Some(member)));
        }
    }

    fn put_view(&mut self, name: &MailboxName, view: &ViewName, old: Option<ViewRow>, new: Option<ViewRow>) {
        self.put_summed(keys::view(name, view), old.as_ref().map(encode), new.as_ref().map(encode));
    }

    /// Writes the rows in which two sets differ.
    fn put_runs(&mut self, name: &MailboxName, view: &ViewName, set: Set, (old, new): (&Runs, &Runs)) {
        let (gone, come) = packed_runs::differing(old, new);
        let mut gone: BTreeMap<Uid, Vec<u8>> = gone.into_iter().collect();
        for (first, new) in come {
            let old = gone.remove(&first);
            if old.as_ref() != Some(&new) {
                self.put_summed(keys::run(name, view, set, first), old, Some(new));
            }
        }
        for (first, old) in gone {
            self.put_summed(keys::run(name, view, set, first), Some(old), None);
        }
    }

    /// Reads all views, and what they have noted.
    pub(super) fn load_members(&mut self, found: &mut Digest) -> Result<(), IndexError> {
        const KEY: IndexError = IndexError::Damaged("a view's key");
        let kv = self.kv.clone();
        kv.scan(keys::VIEWS, &[], &mut |key, value| {
            found.add(key, value);
            let (name, view) = keys::names(key).ok_or(KEY)?;
            let view = std::str::from_utf8(view).map_err(|_| KEY)?;
            let view = ViewName::kept(view).map_err(|_| KEY)?;
            let member = Member::new(decode(value)?);
            self.mailboxes.entry(name).or_default().views.insert(view, member);
            Ok(true)
        })?;
        let mut current: Option<Read> = None;
        let mut prefix = Vec::new();
        kv.scan(keys::RUNS, &[], &mut |key, value| {
            found.add(key, value);
            let first = Uid(keys::number(key).ok_or(KEY)?);
            let of = &key[..key.len() - 8];
            if let Some((.., runs)) = current.as_mut().filter(|_| prefix == of) {
                packed_runs::unpack(first, value, runs)?;
                return Ok(true);
            }
            self.keep_runs(current.take())?;
            prefix = of.to_vec();
            let (name, view, rest) = keys::view_of(key).ok_or(KEY)?;
            let set = match rest.first() {
                Some(1) => Set::Done,
                Some(2) => Set::Fetched,
                Some(_) | None => return Err(KEY),
            };
            let mut runs = Vec::new();
            packed_runs::unpack(first, value, &mut runs)?;
            current = Some((name, view, set, runs));
            Ok(true)
        })?;
        self.keep_runs(current)
    }

    fn keep_runs(&mut self, read: Option<Read>) -> Result<(), IndexError> {
        let Some((name, view, set, runs)) = read else { return Ok(()) };
        let member = self.mailboxes.get_mut(&name).and_then(|known| known.views.get_mut(&view));
        let mut runs = Runs::new(runs);
        runs.trim();
        *member.ok_or(IndexError::Damaged("runs of no view"))?.set(set) = Arc::new(runs);
        Ok(())
    }
}
