use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::session::{Program, Tally};

/// The sessions that are logged in now. As many as there are connections at most.
#[derive(Clone, Default)]
pub(super) struct Sessions {
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    last: u64,
    sessions: BTreeMap<u64, Arc<Live>>,
}

struct Live {
    who: Present,
    retrs: AtomicU64,
    retr_octets: AtomicU64,
    tops: AtomicU64,
    marked: AtomicU64,
    program: AtomicU8,
}

/// One session that is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// The login, as it was typed.
    pub login: String,
    /// The views that it shows: a mailbox, with the view behind a slash where it is not the owner's.
    pub views: Vec<String>,
    /// From where; none on this machine's own socket.
    pub ip: Option<IpAddr>,
    /// When it logged in, in milliseconds since 1970.
    pub since_ms: u64,
    /// The version of TLS.
    pub tls: Option<&'static str>,
    /// Messages that were listed at the login.
    pub messages: u64,
    /// What it did so far; `deleted` is nothing before QUIT.
    pub tally: Tally,
    /// What the client seems to be.
    pub program: Program,
}

/// One session's row, until dropped.
pub(super) struct Row {
    sessions: Sessions,
    number: u64,
    live: Arc<Live>,
}

impl Sessions {
    /// Somebody has logged in.
    pub(super) fn enter(&self, who: Present) -> Row {
        let zero = AtomicU64::default;
        let live = Live {
            who,
            retrs: zero(),
            retr_octets: zero(),
            tops: zero(),
            marked: zero(),
            program: AtomicU8::default(),
        };
        let live = Arc::new(live);
        let mut open = self.lock();
        open.last += 1;
        let number = open.last;
        open.sessions.insert(number, live.clone());
        drop(open);
        Row { sessions: self.clone(), number, live }
    }

    /// All of them, the longest first.
    pub(super) fn all(&self) -> Vec<Present> {
        let live: Vec<Arc<Live>> = self.lock().sessions.values().cloned().collect();
        live.iter().map(|live| live.now()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    fn now(&self) -> Present {
        let tally = Tally {
            retrs: self.retrs.load(Ordering::Relaxed),
            retr_octets: self.retr_octets.load(Ordering::Relaxed),
            tops: self.tops.load(Ordering::Relaxed),
            marked: self.marked.load(Ordering::Relaxed),
            messages: self.who.messages,
            ..Tally::default()
        };
        Present {
            tally,
            program: Program::numbered(self.program.load(Ordering::Relaxed)),
            ..self.who.clone()
        }
    }
}

impl Row {
    /// What it did so far.
    pub(super) fn did(&self, tally: &Tally, program: Program) {
        self.live.retrs.store(tally.retrs, Ordering::Relaxed);
        self.live.retr_octets.store(tally.retr_octets, Ordering::Relaxed);
        self.live.tops.store(tally.tops, Ordering::Relaxed);
        self.live.marked.store(tally.marked, Ordering::Relaxed);
        self.live.program.store(program.number(), Ordering::Relaxed);
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        self.sessions.lock().sessions.remove(&self.number);
    }
}
