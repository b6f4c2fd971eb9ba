//! Questions to name servers: bounded in time, in what is kept of their answers, and in how many go at once.
//! What was not found is told apart from what nobody could tell.

mod answer;
mod budget;
mod cache;
mod name;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::sync::Semaphore;

pub use answer::{Answer, DnsFault};
use answer::{Kept, gathered};
pub(crate) use budget::Budget;
use cache::Cache;
pub(crate) use name::{can_be_asked, lower, reverse};

/// Questions under way at once, of all messages together. Who comes later waits, as long as its own time lasts.
const AT_ONCE: usize = 256;

/// How name servers are asked.
#[derive(Debug, Clone)]
pub struct DnsSettings {
    /// Which servers; none are those of `/etc/resolv.conf`.
    pub servers: Vec<SocketAddr>,
    /// How long one of them has for one question.
    pub timeout: Duration,
    /// How often a question is asked that nobody answered.
    pub attempts: usize,
    /// How many answers are kept.
    pub kept: usize,
}

impl Default for DnsSettings {
    fn default() -> Self {
        Self { servers: Vec::new(), timeout: Duration::from_secs(3), attempts: 2, kept: 4096 }
    }
}

/// Why no resolver could be made.
#[derive(Debug, thiserror::Error)]
#[error("no name server can be asked: {0}")]
pub struct NoResolver(String);

/// Asks name servers. Cheap to clone; all clones share what they know.
#[derive(Clone)]
pub struct Resolver {
    inner: Arc<Inner>,
}

struct Inner {
    hickory: TokioResolver,
    cache: Cache,
    at_once: Semaphore,
    /// Over all attempts and servers: no question takes longer.
    patience: Duration,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

impl Resolver {
    /// A resolver; within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the system's own configuration is asked for and cannot be read.
    pub fn new(settings: &DnsSettings) -> Result<Self, NoResolver> {
        let (config, mut options) = if settings.servers.is_empty() {
            hickory_resolver::system_conf::read_system_conf()
                .map_err(|error| NoResolver(error.to_string()))?
        } else {
            (asking(&settings.servers), ResolverOpts::default())
        };
        // Names are asked for as they are: neither hosts nor search domains of ours say who may send mail.
        options.use_hosts_file = ResolveHosts::Never;
        options.ndots = 0;
        options.timeout = settings.timeout;
        options.attempts = settings.attempts;
        options.edns0 = true;
        // What is kept is ours: bounded by what it takes, not by how many there are.
        options.cache_size = 0;
        let provider = TokioRuntimeProvider::default();
        let hickory = TokioResolver::builder_with_config(config, provider)
            .with_options(options)
            .build()
            .map_err(|error| NoResolver(error.to_string()))?;
        let tries = u32::try_from(settings.attempts.max(1)).unwrap_or(u32::MAX);
        let inner = Inner {
            hickory,
            cache: Cache::new(settings.kept),
            at_once: Semaphore::new(AT_ONCE),
            patience: settings.timeout.saturating_mul(tries.saturating_add(1)),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The same, for the library that is given all its answers beforehand and asks for none.
    pub(crate) fn library(&self) -> mail_auth::MessageAuthenticator {
        mail_auth::MessageAuthenticator(self.inner.hickory.clone())
    }

    /// The IPv4 addresses of a name.
    ///
    /// # Errors
    ///
    /// When nobody could tell.
    pub async fn a(&self, name: &str) -> Result<Answer<Ipv4Addr>, DnsFault> {
        Ok(self.ask(name, RecordType::A).await?.map(|records| records.a.clone()))
    }

    /// The IPv6 addresses of a name.
    ///
    /// # Errors
    ///
    /// When nobody could tell.
    pub async fn aaaa(&self, name: &str) -> Result<Answer<Ipv6Addr>, DnsFault> {
        Ok(self.ask(name, RecordType::AAAA).await?.map(|records| records.aaaa.clone()))
    }

    /// Who takes mail for a name, the preferred one first; in lower case, without the last dot.
    ///
    /// # Errors
    ///
    /// When nobody could tell.
    pub async fn mx(&self, name: &str) -> Result<Answer<String>, DnsFault> {
        Ok(self.ask(name, RecordType::MX).await?.map(|records| records.names.clone()))
    }

    /// The texts of a name, each record in one piece.
    ///
    /// # Errors
    ///
    /// When nobody could tell.
    pub async fn txt(&self, name: &str) -> Result<Answer<Vec<u8>>, DnsFault> {
        Ok(self.ask(name, RecordType::TXT).await?.map(|records| records.texts.clone()))
    }

    /// The names of an address, in lower case, without the last dot.
    ///
    /// # Errors
    ///
    /// When nobody could tell.
    pub async fn ptr(&self, address: IpAddr) -> Result<Answer<String>, DnsFault> {
        Ok(self.ask(&reverse(address), RecordType::PTR).await?.map(|records| records.names.clone()))
    }

    /// Whether a name has this address, by the records of the address's own family.
    ///
    /// # Errors
    ///
    /// When nobody could tell.
    pub async fn leads_to(&self, name: &str, address: IpAddr) -> Result<bool, DnsFault> {
        Ok(match address {
            IpAddr::V4(address) => self.a(name).await?.found().contains(&address),
            IpAddr::V6(address) => self.aaaa(name).await?.found().contains(&address),
        })
    }

    /// A name that nobody can ask for is one that is not there.
    async fn ask(&self, name: &str, kind: RecordType) -> Result<Kept, DnsFault> {
        let name = lower(name);
        if !can_be_asked(&name) {
            return Ok(Kept::NoName);
        }
        if let Some(known) = self.inner.cache.get(kind, &name, Instant::now()) {
            return Ok(known);
        }
        let asked = tokio::time::timeout(self.inner.patience, self.really_ask(&name, kind)).await;
        let (answer, until) = asked.unwrap_or(Err(DnsFault::Timeout))?;
        self.inner.cache.put(kind, &name, &answer, until);
        Ok(answer)
    }

    async fn really_ask(&self, name: &str, kind: RecordType) -> Result<(Kept, Instant), DnsFault> {
        let _turn = self.inner.at_once.acquire().await.map_err(|_| DnsFault::Timeout)?;
        // Label by label: a name that a record asks for may have any character in it.
        let labels = name.split('.').map(str::as_bytes);
        let Ok(absolute) = Name::from_labels(labels) else { return Ok((Kept::NoName, Instant::now())) };
        match self.inner.hickory.lookup(absolute, kind).await {
            Ok(lookup) => {
                let answer = gathered(lookup.answers(), kind)?;
                Ok((answer, lookup.valid_until()))
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
                use hickory_resolver::proto::op::ResponseCode;
                let until = Instant::now() + Duration::from_secs(u64::from(none.negative_ttl.unwrap_or(0)));
                // No wildcard: whatever else a server says is no answer.
                if none.response_code == ResponseCode::NXDomain {
                    Ok((Kept::NoName, until))
                } else if none.response_code == ResponseCode::NoError {
                    Ok((Kept::NoData, until))
                } else {
                    Err(DnsFault::Failed(none.response_code.to_string()))
                }
            }
            Err(NetError::Timeout) => Err(DnsFault::Timeout),
            Err(error) => Err(DnsFault::Failed(mail::shown(error))),
        }
    }
}

fn asking(servers: &[SocketAddr]) -> ResolverConfig {
    let servers = servers.iter().map(|server| {
        let both = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
            connection.port = server.port();
            connection
        });
        NameServerConfig::new(server.ip(), true, both.to_vec())
    });
    ResolverConfig::from_parts(None, Vec::new(), servers.collect())
}
