#[cfg(test)]
mod tests;

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mail::{
    ArcResult, AuthResult, DkimResult, DmarcPolicy, DmarcResult, IprevResult, ReversePath, SpfResult,
};
use tokio::sync::Semaphore;

use crate::authors::{Authors, authors};
use crate::dns::{Budget, Resolver};
use crate::signed::{Keys, Signed};
use crate::{dmarc, iprev, signed, spf};

/// Messages whose octets are being read at once; each keeps a thread busy.
const READ_AT_ONCE: usize = 2;

/// How long everything may take, and how much may be asked.
#[derive(Debug, Clone)]
pub struct VerifierLimits {
    /// For the names of an address.
    pub iprev: Duration,
    /// For SPF.
    pub spf: Duration,
    /// For all that is judged by the octets of a message.
    pub message: Duration,
    /// Questions to name servers for one message: this many for SPF, and as many again for the rest.
    pub questions: usize,
}

impl Default for VerifierLimits {
    fn default() -> Self {
        Self {
            iprev: Duration::from_secs(5),
            spf: Duration::from_secs(10),
            message: Duration::from_secs(15),
            questions: 50,
        }
    }
}

/// Says who a message is from, as far as that can be told. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Verifier {
    resolver: Resolver,
    limits: VerifierLimits,
    readers: Arc<Semaphore>,
}

/// What the octets of a message tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageResults {
    /// Each signature.
    pub dkim: Vec<DkimResult>,
    /// Whether what was verified agrees with the From field.
    pub dmarc: DmarcResult,
    /// The chain of results.
    pub arc: ArcResult,
    /// Who it says that it is from.
    pub authors: Authors,
}

impl Verifier {
    /// A verifier that asks `resolver`.
    pub fn new(resolver: Resolver, limits: VerifierLimits) -> Self {
        Self { resolver, limits, readers: Arc::new(Semaphore::new(READ_AT_ONCE)) }
    }

    /// What it asks.
    pub fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    fn budget(&self) -> Budget {
        // The keys have half of the time, so that what is known of them is still verified.
        Budget::new(&self.resolver, self.limits.questions).waiting(self.limits.message / 2)
    }

    /// Whether the client's address has a name that leads back to it.
    pub async fn connected(&self, ip: IpAddr) -> IprevResult {
        let late = || IprevResult { result: AuthResult::TempError, name: None };
        let budget = self.budget();
        within(self.limits.iprev, iprev::judge(&budget, ip.to_canonical())).await.unwrap_or_else(late)
    }

    /// Whether the client may send for the sender's domain; for the name it calls itself when the reverse-path is
    /// null (RFC 7208 §2.3, §2.4).
    pub async fn sender(&self, ip: IpAddr, helo: &str, sender: &ReversePath) -> SpfResult {
        let address = sender.address();
        let local = address.map_or("postmaster", |address| address.local.as_str());
        let domain = address.map_or_else(|| ascii(helo), |address| address.domain.to_ascii());
        let who = spf::Identity { ip: ip.to_canonical(), helo, local, domain: &domain };
        let budget = self.budget();
        let late = || (AuthResult::TempError, Some("no answer in time".to_owned()));
        let (result, reason) = within(self.limits.spf, spf::judge(&budget, who)).await.unwrap_or_else(late);
        SpfResult { result, of_helo: address.is_none(), domain, reason }
    }
}

impl Verifier {
    /// What the octets of a message tell, together with what SPF told of its sender; nothing where SPF was not tried.
    /// They must have passed the pre-scan.
    pub async fn message(&self, octets: Bytes, spf: Option<&SpfResult>) -> MessageResults {
        let budget = self.budget();
        let mut found = MessageResults {
            dkim: Vec::new(),
            dmarc: not_in_time(String::new()),
            arc: ArcResult { result: AuthResult::TempError, sealer: None },
            authors: Authors::default(),
        };
        // What was found before the time is over stays.
        let _ = within(self.limits.message, self.fill(&budget, octets, spf, &mut found)).await;
        found
    }

    async fn fill(
        &self,
        budget: &Budget,
        octets: Bytes,
        spf: Option<&SpfResult>,
        found: &mut MessageResults,
    ) -> Option<()> {
        let read = octets.clone();
        let (authors, wanted, pending) =
            self.reading(move || (authors(&read), signed::wanted(&read), signed::pending(&read))).await?;
        found.dmarc = not_in_time(authors.domains().into_iter().next().unwrap_or_default());
        found.authors = authors;
        (found.dkim, found.arc) = (pending.dkim, pending.arc);
        let keys = Keys::find(budget, wanted).await;
        let library = self.resolver.library();
        let verify = library.clone();
        let signed = self.reading(move || signed::verify(&verify, &octets, &keys)).await?;
        let Signed { dkim, arc } = signed;
        found.dkim = dkim;
        found.arc = arc;
        let verified = dmarc::Verified { spf, dkim: &found.dkim };
        found.dmarc = dmarc::judge(&library, budget, &found.authors, verified).await;
        Some(())
    }

    /// Runs what takes a thread's time; nothing when it panicked, which stays its own affair.
    async fn reading<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let turn = Arc::clone(&self.readers).acquire_owned().await.ok()?;
        let work = move || {
            // Held until the work is done, also when nobody waits for it any more.
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(work).await.ok()
    }
}

fn not_in_time(from: String) -> DmarcResult {
    let reason = Some("it could not be judged in time".to_owned());
    DmarcResult { result: AuthResult::TempError, from, policy: DmarcPolicy::None, reason }
}

fn ascii(helo: &str) -> String {
    mail::Domain::parse(helo).map_or_else(|_| helo.to_owned(), |domain| domain.to_ascii())
}

async fn within<T>(time: Duration, judged: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(time, judged).await.ok()
}
