use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use mail::AuthResult;

use super::Identity;
use super::record::{Directive, Lengths, Mechanism, Record, is_spf};
use super::spec::{Spec, Values};
use crate::dns::{Answer, Budget, DnsFault, can_be_asked, lower};

/// Terms that ask a name server (RFC 7208 §4.6.4).
const TERMS: u32 = 10;
/// Lookups that find nothing (RFC 7208 §4.6.4).
const VOID: u32 = 2;
/// Hosts of one MX term, and names of one address (RFC 7208 §4.6.4).
const HOSTS: usize = 10;
/// Octets of one record.
const RECORD: usize = 4 << 10;

/// One evaluation of check_host() (RFC 7208 §4).
pub(super) struct Check<'a> {
    budget: &'a Budget,
    who: Identity<'a>,
    terms: u32,
    void: u32,
    /// What `%{p}` stands for, once it was asked for; by the domain it was asked for.
    validated: Option<(String, String)>,
}

/// An evaluation ends without a match or a mismatch (RFC 7208 §2.6.6).
enum Stop {
    Temporary(String),
    Permanent(String),
}

type Judged<T> = Result<T, Stop>;

impl From<DnsFault> for Stop {
    fn from(fault: DnsFault) -> Self {
        let why = fault.to_string();
        match fault {
            DnsFault::TooMany => Self::Permanent(why),
            DnsFault::Timeout | DnsFault::Failed(_) => Self::Temporary(why),
        }
    }
}

impl<'a> Check<'a> {
    pub(super) fn new(budget: &'a Budget, who: Identity<'a>) -> Self {
        Self { budget, who, terms: 0, void: 0, validated: None }
    }

    pub(super) async fn run(mut self) -> (AuthResult, Option<String>) {
        let domain = lower(self.who.domain);
        if !can_be_asked(&domain) || !domain.contains('.') || domain.ends_with(']') {
            return (AuthResult::None, None);
        }
        match self.domain(domain).await {
            Ok(Some(result)) => (result, None),
            Ok(None) => (AuthResult::None, None),
            Err(Stop::Temporary(why)) => (AuthResult::TempError, Some(why)),
            Err(Stop::Permanent(why)) => (AuthResult::PermError, Some(why)),
        }
    }

    /// What the records of a domain say; nothing where it has none. Boxed, because a record can include another.
    fn domain<'s>(
        &'s mut self,
        mut domain: String,
    ) -> Pin<Box<dyn Future<Output = Judged<Option<AuthResult>>> + Send + 's>> {
        Box::pin(async move {
            let Some(mut record) = self.record(&domain).await? else { return Ok(None) };
            loop {
                for directive in &record.directives {
                    if self.matches(directive, &domain).await? {
                        return Ok(Some(directive.result));
                    }
                }
                let Some(redirect) = &record.redirect else { return Ok(Some(AuthResult::Neutral)) };
                self.term()?;
                domain = self.name(Some(redirect), &domain).await?;
                let next = self.record(&domain).await?;
                record = next.ok_or_else(|| Stop::Permanent(format!("redirect={domain} has no record")))?;
            }
        })
    }

    /// The one SPF record of a domain (RFC 7208 §4.4, §4.5).
    async fn record(&mut self, domain: &str) -> Judged<Option<Record>> {
        let texts = self.budget.txt(domain).await?.into_found();
        let mut records = texts.iter().filter(|text| is_spf(text));
        let Some(text) = records.next() else { return Ok(None) };
        if records.next().is_some() {
            return Err(Stop::Permanent(format!("{domain} has several records")));
        }
        if text.len() > RECORD {
            return Err(Stop::Permanent(format!("the record of {domain} is too long")));
        }
        let wrong = |term: String| Stop::Permanent(mail::shown(format!("{domain} has a wrong term: {term}")));
        Record::parse(text).map(Some).map_err(wrong)
    }

    fn term(&mut self) -> Judged<()> {
        self.terms += 1;
        if self.terms > TERMS {
            return Err(Stop::Permanent("too many terms that ask a name server".into()));
        }
        Ok(())
    }

    /// Counts an answer that is none.
    fn counted<T>(&mut self, answer: Answer<T>) -> Judged<Vec<T>> {
        self.void += u32::from(answer.found().is_empty());
        if self.void > VOID {
            return Err(Stop::Permanent("too many lookups that find nothing".into()));
        }
        Ok(answer.into_found())
    }

    async fn matches(&mut self, directive: &Directive, domain: &str) -> Judged<bool> {
        match &directive.mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip4(network, length) => Ok(covers((*network).into(), *length, self.who.ip)),
            Mechanism::Ip6(network, length) => Ok(covers((*network).into(), *length, self.who.ip)),
            Mechanism::Include(spec) => {
                self.term()?;
                let included = self.name(Some(spec), domain).await?;
                match self.domain(included.clone()).await? {
                    Some(result) => Ok(result == AuthResult::Pass),
                    None => Err(Stop::Permanent(format!("include:{included} has no record"))),
                }
            }
            Mechanism::A(spec, lengths) => {
                self.term()?;
                let name = self.name(spec.as_ref(), domain).await?;
                self.has_address(&name, *lengths).await
            }
            Mechanism::Mx(spec, lengths) => {
                self.term()?;
                let name = self.name(spec.as_ref(), domain).await?;
                self.mx(&name, *lengths).await
            }
            Mechanism::Ptr(spec) => {
                self.term()?;
                let name = lower(&self.name(spec.as_ref(), domain).await?);
                let under = format!(".{name}");
                let names = self.names_of_the_address().await?;
                Ok(names.iter().any(|found| *found == name || found.ends_with(&under)))
            }
            Mechanism::Exists(spec) => {
                self.term()?;
                let name = self.name(Some(spec), domain).await?;
                let answer = self.budget.a(&name).await?;
                Ok(!self.counted(answer)?.is_empty())
            }
        }
    }

    async fn has_address(&mut self, name: &str, lengths: Lengths) -> Judged<bool> {
        let ip = self.who.ip;
        Ok(match ip {
            IpAddr::V4(_) => {
                let answer = self.budget.a(name).await?;
                self.counted(answer)?.into_iter().any(|found| covers(found.into(), lengths.four, ip))
            }
            IpAddr::V6(_) => {
                let answer = self.budget.aaaa(name).await?;
                self.counted(answer)?.into_iter().any(|found| covers(found.into(), lengths.six, ip))
            }
        })
    }

    async fn mx(&mut self, name: &str, lengths: Lengths) -> Judged<bool> {
        let answer = self.budget.mx(name).await?;
        let hosts = self.counted(answer)?;
        for (place, host) in hosts.iter().enumerate() {
            if place >= HOSTS {
                return Err(Stop::Permanent(format!("{name} has too many MX records")));
            }
            if self.has_address(host, lengths).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The names of the client that lead back to it (RFC 7208 §5.5). Whoever cannot be asked has none.
    async fn names_of_the_address(&mut self) -> Judged<Vec<String>> {
        let mut names = match self.budget.ptr(self.who.ip).await {
            Ok(answer) => self.counted(answer)?,
            Err(DnsFault::TooMany) => return Err(DnsFault::TooMany.into()),
            Err(DnsFault::Timeout | DnsFault::Failed(_)) => return Ok(Vec::new()),
        };
        names.truncate(HOSTS);
        let mut validated = Vec::new();
        for name in names {
            let found = match self.who.ip {
                IpAddr::V4(ip) => self.budget.a(&name).await.map(|answer| answer.found().contains(&ip)),
                IpAddr::V6(ip) => self.budget.aaaa(&name).await.map(|answer| answer.found().contains(&ip)),
            };
            match found {
                Ok(true) => validated.push(name),
                Ok(false) | Err(DnsFault::Timeout | DnsFault::Failed(_)) => {}
                Err(DnsFault::TooMany) => return Err(DnsFault::TooMany.into()),
            }
        }
        Ok(validated)
    }

    /// The name that a term is about.
    async fn name(&mut self, spec: Option<&Spec>, domain: &str) -> Judged<String> {
        let Some(spec) = spec else { return Ok(domain.to_owned()) };
        if spec.wants_validated() && self.validated.as_ref().is_none_or(|(of, _)| of != domain) {
            let names = self.names_of_the_address().await?;
            self.validated = Some((domain.to_owned(), preferred(&names, domain)));
        }
        let validated = self.validated.as_ref().map_or("unknown", |(_, name)| name);
        Ok(spec.name(&Values {
            local: self.who.local,
            sender_domain: self.who.domain,
            domain,
            helo: self.who.helo,
            ip: self.who.ip,
            validated,
        }))
    }
}

/// The name that `%{p}` stands for: the domain itself, one under it, or any (RFC 7208 §7.3).
fn preferred(names: &[String], domain: &str) -> String {
    let domain = lower(domain);
    let under = format!(".{domain}");
    let exact = names.iter().find(|name| **name == domain);
    let below = || names.iter().find(|name| name.ends_with(&under));
    let name = exact.or_else(below).or_else(|| names.first());
    name.cloned().unwrap_or_else(|| "unknown".to_owned())
}

/// Whether an address is of a network; one of another family never is.
fn covers(network: IpAddr, length: u8, ip: IpAddr) -> bool {
    let bits = |ip: IpAddr| -> u128 {
        match ip {
            IpAddr::V4(ip) => u128::from(u32::from(ip)) << 96,
            IpAddr::V6(ip) => u128::from(ip),
        }
    };
    let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
    network.is_ipv4() == ip.is_ipv4() && (bits(network) ^ bits(ip)) & mask == 0
}
