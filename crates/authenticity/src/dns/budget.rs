use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;

use super::{Answer, DnsFault, Resolver};

/// What may be asked for one message. Answers that are known already count as well: what is asked for does not
/// depend on what others asked before.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    resolver: Resolver,
    left: Arc<AtomicUsize>,
}

impl Budget {
    pub(crate) fn new(resolver: &Resolver, questions: usize) -> Self {
        Self { resolver: resolver.clone(), left: Arc::new(AtomicUsize::new(questions)) }
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

    /// The texts of several names, asked for at once.
    pub(crate) async fn texts(&self, names: Vec<String>) -> Vec<(String, Result<Answer<Vec<u8>>, DnsFault>)> {
        let mut asked = JoinSet::new();
        for name in names {
            let budget = self.clone();
            asked.spawn(async move {
                let answer = budget.txt(&name).await;
                (name, answer)
            });
        }
        let mut answers = Vec::new();
        while let Some(answer) = asked.join_next().await {
            // Only a panic keeps one away: what is missing then is not known.
            answers.extend(answer);
        }
        answers
    }

    pub(crate) async fn ptr(&self, address: IpAddr) -> Result<Answer<String>, DnsFault> {
        self.spend()?.ptr(address).await
    }
}
