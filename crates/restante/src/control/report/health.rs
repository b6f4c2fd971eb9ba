use serde::{Deserialize, Serialize};

use super::{Disk, Report, Store};

/// How long a message may wait for the router.
const ROUTED_WITHIN: u64 = 300;
/// How long what the index knows may be on no platter: checkpoints come every few seconds.
const CHECKPOINTED_WITHIN: u64 = 120;

/// In one word, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The word.
    pub state: State,
    /// Why it is not `ok`, the worst first.
    pub reasons: Vec<Reason>,
}

/// One word; the later, the worse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Mail is taken, delivered and handed out.
    #[default]
    Ok,
    /// It still is, and somebody should look.
    Degraded,
    /// It is not.
    Failed,
}

impl State {
    /// The word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
        }
    }
}

/// Something that somebody should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// How bad it is.
    pub state: State,
    /// What is wrong.
    pub text: String,
    /// What to do.
    pub todo: String,
}

impl Health {
    /// From reasons in any order.
    pub(crate) fn of(mut reasons: Vec<Reason>) -> Self {
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.state));
        Self { state: reasons.first().map_or(State::Ok, |worst| worst.state), reasons }
    }
}

/// Mail stands still.
pub(crate) fn failed(text: impl Into<String>, todo: impl Into<String>) -> Reason {
    Reason { state: State::Failed, text: text.into(), todo: todo.into() }
}

/// Mail goes on, but.
pub(crate) fn degraded(text: impl Into<String>, todo: impl Into<String>) -> Reason {
    Reason { state: State::Degraded, text: text.into(), todo: todo.into() }
}

impl Report {
    /// What the figures give reason for. Whether a daemon runs is not asked here.
    pub(crate) fn reasons(&self) -> Vec<Reason> {
        let mut found = Vec::new();
        found.extend(self.store_reasons());
        found.extend(self.disk.as_ref().and_then(|disk| disk_reason(disk, self.is_said())));
        found.extend(self.queue_reason());
        found.extend(self.sessions.iter().filter(|it| it.open * 5 >= it.limit * 4).map(|it| {
            let text = format!("{} of {} {} connections are taken", it.open, it.limit, it.service);
            degraded(
                text,
                format!("see who it is in the log, or raise connections of [{}.limits]", it.service),
            )
        }));
        found.extend(self.certificate_reason());
        found
    }

    /// Whether why no mail is taken is a matter of the store's, and said there.
    fn is_said(&self) -> bool {
        self.store.as_ref().is_some_and(|store| store.read_only.is_some() || is_behind(store))
    }

    fn store_reasons(&self) -> Vec<Reason> {
        let Some(store) = &self.store else { return Vec::new() };
        let mut found = Vec::new();
        if let Some(why) = &store.read_only {
            let todo = "see to the disk (dmesg, smartctl), then systemctl restart restante: what was \
                        acknowledged is kept";
            found.push(failed(format!("no mail is taken, the store takes no writes: {why}"), todo));
        }
        if is_behind(store) {
            let text = "senders are asked to come back: the index is behind with what was accepted";
            found.push(degraded(text, "wait; if it stays, the disk is too slow for the mail that comes"));
        }
        if store.has_index == Some(false) {
            found.push(degraded(
                "the index is being built again, pickup waits for it",
                "wait; the log says how it goes",
            ));
        }
        if let Some(why) = &store.unfreed {
            let text = format!("what was deleted does not leave the disk: {why}");
            found.push(degraded(text, "nothing that is kept is lost; it is tried again every ten minutes"));
        }
        if !store.damaged.is_empty() {
            let text = format!("part of the log is damaged and was set aside: {}", store.damaged.join(", "));
            found.push(degraded(text, "see to the disk, and look for what is missing in the last backup"));
        }
        // Its age says nothing where nothing has changed since.
        if let Some(age) = store.ahead_seconds.filter(|age| *age > CHECKPOINTED_WITHIN) {
            let text = format!("the index was not made durable for {age} s");
            found.push(degraded(text, "nothing is lost, the next start takes longer; the log says why"));
        }
        found
    }

    fn queue_reason(&self) -> Option<Reason> {
        let queue = self.queue.as_ref()?;
        let age = queue.oldest_seconds.filter(|age| *age > ROUTED_WITHIN)?;
        let text = format!("{} messages are queued, the oldest for {age} s", queue.messages);
        Some(degraded(text, "the log says what keeps them (journalctl -u restante -p warning)"))
    }

    fn certificate_reason(&self) -> Option<Reason> {
        let why = self.certificate.as_ref()?.wrong.as_ref()?;
        let todo = "it is served all the same; put a new pair there, then restante reload";
        Some(degraded(format!("the certificate {why}"), todo))
    }
}

fn is_behind(store: &Store) -> bool {
    store.lag_octets.zip(store.lag_max).is_some_and(|(waiting, most)| waiting >= most)
}

/// Why no mail is taken, or soon will not be.
fn disk_reason(disk: &Disk, is_said: bool) -> Option<Reason> {
    let todo = "make room on the disk of the state folder; pickup and deletions go on meanwhile";
    match &disk.refused {
        Some(_) if is_said => None,
        Some(why) => Some(failed(format!("no mail is taken: {why}"), todo)),
        None if disk.free < disk.min_free.saturating_mul(2) => {
            Some(degraded("the disk is nearly full: soon no mail will be taken", todo))
        }
        None if disk.inodes.is_some_and(|inodes| inodes < disk.min_inodes.saturating_mul(2)) => {
            Some(degraded("the disk can hardly hold more files: soon no mail will be taken", todo))
        }
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Certificate, Queue, Sessions};
    use super::*;

    fn sound() -> Report {
        Report {
            pid: Some(1),
            disk: Some(Disk {
                free: 100,
                min_free: 10,
                inodes: Some(100),
                min_inodes: 10,
                ..Disk::default()
            }),
            store: Some(Store { has_index: Some(true), is_checkpointed: true, ..Store::default() }),
            queue: Some(Queue { messages: 3, held: 3, ..Queue::default() }),
            sessions: vec![Sessions { service: "smtp".into(), open: 7, limit: 10 }],
            certificate: Some(Certificate { expires: "2027-02-28T00:00:00Z".into(), days: 60, wrong: None }),
            ..Report::default()
        }
    }

    fn state(change: impl FnOnce(&mut Report)) -> (State, usize) {
        let mut report = sound();
        change(&mut report);
        let health = Health::of(report.reasons());
        assert!(health.reasons.iter().all(|reason| !reason.text.is_empty() && !reason.todo.is_empty()));
        (health.state, health.reasons.len())
    }

    fn store(report: &mut Report) -> &mut Store {
        report.store.as_mut().expect("there")
    }

    fn disk(report: &mut Report) -> &mut Disk {
        report.disk.as_mut().expect("there")
    }

    #[test]
    fn each_figure_out_of_bounds_is_one_reason() {
        use State::{Degraded, Failed, Ok};
        assert_eq!(state(|_| {}), (Ok, 0));
        assert_eq!(state(|it| store(it).read_only = Some("a sync failed".into())), (Failed, 1));
        assert_eq!(state(|it| store(it).has_index = Some(false)), (Degraded, 1));
        assert_eq!(state(|it| store(it).unfreed = Some("no room".into())), (Degraded, 1));
        assert_eq!(state(|it| store(it).damaged = vec!["1-2".into()]), (Degraded, 1));
        assert_eq!(state(|it| disk(it).refused = Some("less is free".into())), (Failed, 1));
        let behind = |it: &mut Report| {
            (store(it).lag_octets, store(it).lag_max) = (Some(7), Some(7));
            disk(it).refused = Some("the index is behind".into());
        };
        assert_eq!(state(behind), (Degraded, 1));
        assert_eq!(state(|it| disk(it).free = 19), (Degraded, 1));
        assert_eq!(state(|it| disk(it).free = 20), (Ok, 0));
        assert_eq!(state(|it| disk(it).inodes = Some(19)), (Degraded, 1));
        assert_eq!(state(|it| disk(it).inodes = None), (Ok, 0));
        assert_eq!(state(|it| it.sessions[0].open = 8), (Degraded, 1));
        let age = |age| move |it: &mut Report| it.queue.as_mut().expect("there").oldest_seconds = Some(age);
        assert_eq!((state(age(300)), state(age(301))), ((Ok, 0), (Degraded, 1)));
        let wrong =
            |it: &mut Report| it.certificate.as_mut().expect("there").wrong = Some("has expired".into());
        assert_eq!(state(wrong), (Degraded, 1));
        let late = |done| {
            move |it: &mut Report| {
                store(it).checkpoint_age_seconds = Some(1000);
                store(it).ahead_seconds = Some(if done { 5 } else { 1000 });
            }
        };
        assert_eq!((state(late(true)), state(late(false))), ((Ok, 0), (Degraded, 1)));
    }

    #[test]
    fn the_worst_comes_first_and_nothing_is_said_twice() {
        let mut report = sound();
        store(&mut report).read_only = Some("a sync failed".into());
        disk(&mut report).refused = Some("the store takes no writes: a sync failed".into());
        report.certificate.as_mut().expect("there").wrong = Some("has expired".into());
        let health = Health::of(report.reasons());
        assert_eq!((health.state, health.reasons.len()), (State::Failed, 2));
        assert!(health.reasons[0].text.contains("a sync failed"), "{health:?}");
        report.health = health;
        assert!(report.line().starts_with("failed: no mail is taken"), "{}", report.line());
        assert_eq!(Health::of(Vec::new()).state, State::Ok);
        assert_eq!(sound().line(), "ok: 7 smtp sessions, 3 queued");
    }
}
