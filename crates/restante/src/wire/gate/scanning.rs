//! Who is asked beside name servers: scanners of whole messages, block lists, the grey list.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use authenticity::scanner::{About, Clamd, Endpoint, Rspamd, Scan, ScannerSettings, WhenDown};
use authenticity::{Greyed, GreylistSettings, Resolver};
use mail::{Envelope, Known, ReversePath, Verdicts};
use net::ListenAddress;
use routing::rules::{Facts, Reads};
use tracing::warn;

use super::super::grey::SharedGreylist;
use super::super::parsing::Whole;
use super::lists::{Lists, Told};
use crate::config::{self, Config};

/// All of them, as far as the configuration names them.
#[derive(Clone, Default)]
pub(crate) struct Scanning {
    rspamd: Option<Arc<Rspamd>>,
    clamav: Option<Arc<Clamd>>,
    pub(super) lists: Option<Lists>,
    greylist: Option<SharedGreylist>,
    told: Told,
}

impl Scanning {
    /// As a configuration says it. A grey list goes on with what it has learnt.
    pub(crate) fn new(
        config: &Config,
        resolver: Option<&Resolver>,
        greylist: Option<&SharedGreylist>,
    ) -> Self {
        let greylist = greylist.filter(|_| config.greylist.enabled).cloned();
        if let Some(greylist) = &greylist {
            greylist.lock().unwrap_or_else(PoisonError::into_inner).set(greylist_settings(config));
        }
        Self {
            rspamd: config.rspamd.as_ref().map(|scanner| Arc::new(Rspamd::new(asked(scanner)))),
            clamav: config.clamav.as_ref().map(|scanner| Arc::new(Clamd::new(asked(scanner)))),
            lists: Lists::new(config, resolver),
            greylist,
            told: Told::default(),
        }
    }

    /// Whether somebody wants to look at whole messages, for what rules ask.
    pub(super) fn wants(&self, reads: &Reads) -> bool {
        (reads.spam && self.rspamd.is_some()) || (reads.virus && self.clamav.is_some())
    }

    /// What the scanners say of a message, where a rule asks.
    pub(super) async fn scan(
        &self,
        reads: &Reads,
        facts: &Facts,
        envelope: &Envelope,
        whole: Option<&Known<Whole>>,
    ) -> Verdicts {
        let nothing = || Verdicts { spam: Known::Is(None), virus: Known::Is(None) };
        let (rspamd, clamav) =
            (self.rspamd.as_ref().filter(|_| reads.spam), self.clamav.as_ref().filter(|_| reads.virus));
        let whole = match whole {
            Some(Known::Is(whole)) => whole,
            Some(Known::Unknown(why)) => {
                let unknown = |asked: bool| asked.then(|| why.clone());
                let (spam, virus) = (unknown(rspamd.is_some()), unknown(clamav.is_some()));
                return Verdicts {
                    spam: spam.map_or(Known::Is(None), Known::Unknown),
                    virus: virus.map_or(Known::Is(None), Known::Unknown),
                };
            }
            Some(Known::NotYet) | None => return nothing(),
        };
        let recipients: Vec<String> = envelope.recipients.iter().map(|to| to.path.to_string()).collect();
        let name = facts.iprev.known().and_then(Option::as_ref).and_then(|iprev| iprev.name.as_deref());
        let about = About {
            ip: facts.ip,
            helo: &envelope.trace.helo,
            name,
            sender: facts.sender.known().map_or("", String::as_str),
            recipients: &recipients,
            user: None,
            queue_id: "",
        };
        let spam = async {
            match rspamd {
                Some(rspamd) => self.told(rspamd.scan(whole.octets(), &about).await),
                None => Known::Is(None),
            }
        };
        let virus = async {
            match clamav {
                Some(clamav) => self.told(clamav.scan(whole.octets()).await),
                None => Known::Is(None),
            }
        };
        let (spam, virus) = tokio::join!(spam, virus);
        Verdicts { spam, virus }
    }

    /// How long a sender has to wait before it may come again; nothing when it may come now.
    pub(super) fn greyed(
        &self,
        from: IpAddr,
        helo: &str,
        sender: &ReversePath,
        recipient: &str,
        authentic: bool,
    ) -> Option<Duration> {
        let mut greylist = self.greylist.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        let domain = sender.address().map_or_else(|| helo.to_owned(), |address| address.domain.folded());
        match greylist.judge(from, &domain, recipient, authentic, Instant::now()) {
            Greyed::Passes => None,
            Greyed::Waits(time) => Some(time),
        }
    }

    /// Whether there is a grey list.
    pub(super) fn greys(&self) -> bool {
        self.greylist.is_some()
    }

    fn told<T>(&self, scan: Scan<T>) -> Known<Option<T>> {
        if let Some(why) = &scan.down
            && self.told.again()
        {
            warn!(why, "a scanner gives no answer");
        }
        scan.known
    }
}

/// As `[greylist]` has them.
pub(crate) fn greylist_settings(config: &Config) -> GreylistSettings {
    let grey = &config.greylist;
    GreylistSettings {
        wait: grey.wait,
        within: grey.within,
        known: grey.known,
        most: NonZeroUsize::new(grey.most).unwrap_or(NonZeroUsize::MIN),
    }
}

fn asked(scanner: &config::Scanner) -> ScannerSettings {
    ScannerSettings {
        endpoint: match &scanner.address {
            ListenAddress::Tcp(address) => Endpoint::Tcp(address.to_string()),
            ListenAddress::Unix(path) => Endpoint::Unix(path.clone()),
        },
        timeout: scanner.timeout,
        at_once: scanner.at_once,
        waiting: scanner.waiting,
        when_down: match scanner.when_down {
            config::WhenDown::Defer => WhenDown::Defer,
            config::WhenDown::Accept => WhenDown::Accept,
        },
    }
}
