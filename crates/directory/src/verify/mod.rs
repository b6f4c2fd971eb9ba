//! Verifying passwords: the cache first, then a permit, then the hash. A name that nobody has goes the same
//! way with another mailbox's hashes and is denied whatever they say, so that neither words nor time tell who exists.

mod cache;
mod queue;
mod sources;
#[cfg(test)]
mod tests;
mod threads;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mail::{MailboxName, Secret};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::login::Claimant;
use crate::password::{self, OCTETS_MAX, Stored};
use crate::{Login, LoginError, Source};
use cache::{Digest, VerifyCache};
use queue::HashQueue;
use sources::KnownSources;
use threads::HashThreads;

/// Hears of a hash that was made anew at a login: the configured string, and the stronger one for the same
/// password. Called from a thread that may block.
pub type Strengthened = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// How passwords are verified.
#[derive(Clone, Default)]
pub struct VerifierParams {
    /// Keeps strengthened hashes; without it none are made.
    pub strengthened: Option<Strengthened>,
    /// What it kept: configured string to stronger hash. An entry whose configured string has changed is
    /// never looked at.
    pub overlay: HashMap<String, String>,
}

/// The state behind `Directory::verify`, kept over reloads.
pub(crate) struct Verifier {
    cache: Mutex<VerifyCache>,
    queue: HashQueue,
    threads: HashThreads,
    sources: Mutex<KnownSources>,
    overlay: Mutex<HashMap<String, String>>,
    strengthened: Option<Strengthened>,
    /// Every hash that was run, for the tests that count them.
    #[cfg(test)]
    runs: std::sync::atomic::AtomicUsize,
    /// Where they were run.
    #[cfg(test)]
    ran_on: Mutex<std::collections::HashSet<std::thread::ThreadId>>,
}

/// What is known of one login.
enum Judged {
    Right(usize),
    /// Wrong for every password of the user.
    Wrong,
    /// These are yet to be hashed.
    Open(Vec<(usize, Digest)>),
}

impl Verifier {
    pub(crate) fn new(params: VerifierParams) -> Self {
        let mut key = [0; 32];
        password::random(&mut key);
        Self {
            cache: Mutex::new(VerifyCache::new(&key)),
            queue: HashQueue::new(),
            threads: HashThreads::new(),
            sources: Mutex::new(KnownSources::new()),
            overlay: Mutex::new(params.overlay),
            strengthened: params.strengthened,
            #[cfg(test)]
            runs: std::sync::atomic::AtomicUsize::new(0),
            #[cfg(test)]
            ran_on: Mutex::default(),
        }
    }

    pub(crate) async fn verify(
        self: &Arc<Self>,
        claimant: Claimant,
        password: &Secret,
        source: Source,
    ) -> Result<Login, LoginError> {
        let octets = password.expose();
        if octets.is_empty() || octets.len() > OCTETS_MAX {
            return Err(LoginError::Denied { repeated: false });
        }
        let claimant = Arc::new(claimant);
        let mut judged = self.judge(&claimant, password);
        let mut cached = true;
        if let Judged::Open(_) = judged {
            let known = lock(&self.sources).knows(source, Instant::now());
            let permit = self.queue.permit(known).await.ok_or(LoginError::Busy)?;
            // A twin may have stood before us in the line.
            judged = self.judge(&claimant, password);
            if let Judged::Open(open) = judged {
                cached = false;
                judged = self.hash(&claimant, open, password, permit).await?;
            }
        }
        let right = match judged {
            Judged::Right(index) => claimant.passwords.get(index),
            Judged::Wrong | Judged::Open(_) => None,
        };
        // Nobody's name has no mailbox, whatever was found.
        let (Some(stored), Some(opens)) = (right, &claimant.opens) else {
            return Err(LoginError::Denied { repeated: cached });
        };
        lock(&self.sources).saw(source, Duration::ZERO, Instant::now());
        let (mailbox, view, parts) = (opens.mailbox.clone(), opens.view.clone(), opens.parts.clone());
        Ok(Login { mailbox, view, parts, password: stored.name.clone(), cached })
    }

    fn judge(&self, claimant: &Claimant, password: &Secret) -> Judged {
        let now = Instant::now();
        let mut cache = lock(&self.cache);
        let mut open = Vec::new();
        for (index, stored) in claimant.passwords.iter().enumerate() {
            let digest = cache.digest(&claimant.user, &stored.configured, password);
            match cache.get(&digest, now) {
                Some(true) => return Judged::Right(index),
                Some(false) => {}
                None => open.push((index, digest)),
            }
        }
        if open.is_empty() { Judged::Wrong } else { Judged::Open(open) }
    }

    /// Hashes on a thread for it. What it finds goes to the cache even if the client has left.
    async fn hash(
        self: &Arc<Self>,
        claimant: &Arc<Claimant>,
        open: Vec<(usize, Digest)>,
        password: &Secret,
        permit: OwnedSemaphorePermit,
    ) -> Result<Judged, LoginError> {
        let (verifier, claimant, password) = (Arc::clone(self), Arc::clone(claimant), password.clone());
        let now = Instant::now();
        let hashing = self.threads.run(permit, move || {
            let right = open.iter().find(|(index, digest)| {
                let opens = verifier.opens(&claimant, *index, &password);
                lock(&verifier.cache).put(*digest, opens, now);
                opens
            });
            right.map_or(Judged::Wrong, |(index, _)| Judged::Right(*index))
        });
        let hashing = hashing.map_err(|error| {
            tracing::error!(%error, "no thread can be had to hash passwords");
            LoginError::Busy
        })?;
        // The wait is the runtime's, so that it neither ends nor, in tests, moves its clock meanwhile.
        let answered = tokio::task::spawn_blocking(move || hashing.blocking_recv()).await;
        // A hash that panics opens nothing, and would panic again for whoever is told to come back.
        answered.ok().and_then(Result::ok).ok_or(LoginError::Denied { repeated: false })
    }

    /// Whether `password` opens one stored hash of the claimant; of nobody, it takes as long and is no.
    fn opens(&self, claimant: &Claimant, index: usize, password: &Secret) -> bool {
        let Some(entry) = claimant.passwords.get(index) else { return false };
        let newer = lock(&self.overlay).get(&entry.configured).and_then(|newer| Stored::parse(newer).ok());
        let stored = newer.unwrap_or_else(|| entry.stored.clone());
        let opens = self.run(&stored, password);
        let Some(claimed) = &claimant.opens else { return false };
        if opens && stored.is_weak() {
            self.strengthen(&claimed.mailbox, &entry.configured, password);
        }
        opens
    }

    fn run(&self, stored: &Stored, password: &Secret) -> bool {
        #[cfg(test)]
        {
            self.runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            lock(&self.ran_on).insert(std::thread::current().id());
        }
        stored.opens(password)
    }

    fn strengthen(&self, mailbox: &MailboxName, configured: &str, password: &Secret) {
        let Some(strengthened) = &self.strengthened else { return };
        let stronger = password::hash(password);
        lock(&self.overlay).insert(configured.to_owned(), stronger.clone());
        tracing::info!(%mailbox, "password hash strengthened");
        strengthened(configured, &stronger);
    }

    /// A number for a name that nobody has, which only this process can tell beforehand.
    pub(crate) fn pick(&self, user: &str) -> u64 {
        lock(&self.cache).digest(user, "", &Secret::default()).place()
    }

    /// A right password came from there `ago` before now.
    pub(crate) fn remember(&self, source: Source, ago: Duration) {
        lock(&self.sources).saw(source, ago, Instant::now());
    }

    pub(crate) fn known_sources(&self) -> Vec<(std::net::IpAddr, Duration)> {
        lock(&self.sources).all(Instant::now())
    }

    /// Forgets the stronger hashes of configured strings that are gone.
    pub(crate) fn keep_overlay(&self, configured: impl Fn(&str) -> bool) {
        lock(&self.overlay).retain(|old, _| configured(old));
    }
}

/// Each of these locks guards single map operations: a panic cannot leave half of one behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
