use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Answer, DnsFault, Resolver};

/// What may be asked for one message. Answers that are known already count as well: what is asked for does not
/// depend on what others asked before.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    resolver: Resolver,
    left: Arc<AtomicUsize>,
    /// How many of the questions that are asked together go at once: no message takes everybody's turns.
    at_once: Arc<Semaphore>,
    /// How long answers to such questions are waited for.
    patience: Duration,
}

/// See [`Budget::at_once`].
const AT_ONCE: usize = 5;

impl Budget {
    pub(crate) fn new(resolver: &Resolver, questions: usize) -> Self {
        Self {
            resolver: resolver.clone(),
            left: Arc::new(AtomicUsize::new(questions)),
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
            patience: Duration::from_secs(8),
        }
    }

    /// The same, with another patience.
    pub(crate) fn waiting(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    fn spend(&self) -> Result<&Resolver, DnsFault> {
        let spent = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        spent.map(|_| &self.resolver).map_err(|_| DnsFault::TooMany)
    }

    pub(crate) async fn a(&self, name: &str) -> Result<Answer<Ipv4Addr>, DnsFault> {
        self.spend()?.a(name).await
    }

    pub(crate) async fn aaaa(&self, name: &str) -> Result<Answer<Ipv6Addr>, DnsFault> {
        self.spend()?.aaaa(name).await
    }

    pub(crate) async fn mx(&self, name: &str) -> Result<Answer<String>, DnsFault> {
        self.spend()?.mx(name).await
    }

    pub(crate) async fn txt(&self, name: &str) -> Result<Answer<Vec<u8>>, DnsFault> {
        self.spend()?.txt(name).await
    }

    /// The texts of several names, asked for together. Whose answer does not come in time is not known: one name
    /// whose servers are silent spoils nothing that is known of the others.
    pub(crate) async fn texts(&self, names: Vec<String>) -> Vec<(String, Result<Answer<Vec<u8>>, DnsFault>)> {
        let until = Instant::now() + self.patience;
        let mut asked = JoinSet::new();
        for (place, name) in names.iter().cloned().enumerate() {
            let budget = self.clone();
            asked.spawn(async move {
                let _turn = budget.at_once.acquire().await;
                (place, budget.txt(&name).await)
            });
        }
        let late = |name| (name, Err(DnsFault::Timeout));
        let mut answers: Vec<_> = names.into_iter().map(late).collect();
        while let Ok(Some(answer)) = tokio::time::timeout_at(until, asked.join_next()).await {
            // Only a panic keeps one away.
            if let Ok((place, answer)) = answer {
                answers[place].1 = answer;
            }
        }
        answers
    }

    pub(crate) async fn ptr(&self, address: IpAddr) -> Result<Answer<String>, DnsFault> {
        self.spend()?.ptr(address).await
    }
}
