use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mail::{MailboxName, ViewName};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// After so much silence another session may have a robot's view.
const SILENCE: Duration = Duration::from_secs(60);

type View = (MailboxName, ViewName);

/// The views of robots, each for one session at a time: two workers would import everything twice.
#[derive(Clone, Default)]
pub(super) struct Robots {
    held: Arc<Mutex<Held>>,
}

#[derive(Default)]
struct Held {
    last: u64,
    views: HashMap<View, Holder>,
}

struct Holder {
    session: u64,
    /// When its client was last heard of.
    heard: Instant,
    /// Its deletions are being made: nobody takes it over now.
    updating: bool,
    over: CancellationToken,
}

/// One session's hold on all its robots' views, until dropped.
pub(super) struct Hold {
    robots: Robots,
    session: u64,
    views: Vec<View>,
    over: CancellationToken,
}

impl Robots {
    /// All of these views for one session, or none. One whose client has fallen silent must give way: it is told by
    /// [`Hold::over`], and its deletions come to nothing.
    pub(super) fn hold(&self, views: Vec<View>, now: Instant) -> Option<Hold> {
        let mut held = self.lock();
        let is_free = |holder: &Holder| !holder.updating && now.duration_since(holder.heard) >= SILENCE;
        if !views.iter().all(|view| held.views.get(view).is_none_or(is_free)) {
            return None;
        }
        held.last += 1;
        let (session, over) = (held.last, CancellationToken::new());
        for view in &views {
            let holder = Holder { session, heard: now, updating: false, over: over.clone() };
            if let Some(before) = held.views.insert(view.clone(), holder) {
                before.over.cancel();
            }
        }
        drop(held);
        Some(Hold { robots: self.clone(), session, views, over })
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hold {
    /// Its client was heard of.
    pub(super) fn heard(&self, now: Instant) {
        self.each(|holder| holder.heard = now);
    }

    /// Deletions begin. False when another session has the view: then they must not.
    pub(super) fn begin_update(&self) -> bool {
        if self.over.is_cancelled() {
            return false;
        }
        // One that was taken over is so in all its views, or its token says so.
        self.each(|holder| holder.updating = true) == self.views.len()
    }

    /// Cancelled when another session has taken over.
    pub(super) fn over(&self) -> &CancellationToken {
        &self.over
    }

    fn each(&self, mut change: impl FnMut(&mut Holder)) -> usize {
        let mut held = self.robots.lock();
        let mut ours = 0;
        for view in &self.views {
            if let Some(holder) = held.views.get_mut(view).filter(|holder| holder.session == self.session) {
                change(holder);
                ours += 1;
            }
        }
        ours
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = self.robots.lock();
        for view in &self.views {
            if held.views.get(view).is_some_and(|holder| holder.session == self.session) {
                held.views.remove(view);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(mailbox: &str) -> View {
        (MailboxName::parse(mailbox).expect("a name"), ViewName::parse("robot").expect("a name"))
    }

    #[tokio::test(start_paused = true)]
    async fn one_session_has_a_view_until_it_falls_silent() {
        let robots = Robots::default();
        let first = robots.hold(vec![view("sales")], Instant::now()).expect("free");
        assert!(robots.hold(vec![view("office"), view("sales")], Instant::now()).is_none());
        assert!(robots.hold(vec![view("office")], Instant::now()).is_some(), "none was taken by that");
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(robots.hold(vec![view("sales")], Instant::now()).is_none());
        first.heard(Instant::now());
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(robots.hold(vec![view("sales")], Instant::now()).is_none(), "it was heard of");
        tokio::time::advance(Duration::from_secs(1)).await;
        let second = robots.hold(vec![view("sales")], Instant::now()).expect("silent");
        assert!(first.over().is_cancelled() && !first.begin_update());
        drop(first);
        assert!(second.begin_update(), "what has gone takes nothing with it");
        tokio::time::advance(Duration::from_secs(600)).await;
        assert!(robots.hold(vec![view("sales")], Instant::now()).is_none(), "its deletions are being made");
        drop(second);
        assert!(robots.lock().views.is_empty());
    }
}
