use std::panic::{AssertUnwindSafe, catch_unwind};

use authenticity::{HeaderLimits, Prescan, relayed};
use mail::{AuthResult, AuthResults, Envelope, Known, Verdicts};
use routing::content::{ContentLimits, Want};
use routing::rules::{Content, Facts};

use super::params;
use crate::config::{Config, Relay};

/// Finds out again what the gate knew of mail that is stored: from its octets, and from its envelope what those do not
/// say. Nobody is asked, so what scanners and block lists said is not known, unless the trace has it.
pub(crate) struct Replay {
    limits: HeaderLimits,
    authserv_id: String,
    relays: Vec<Relay>,
    trusted_forwarders: Vec<String>,
    /// Who is asked before the 250, and of whose answer nothing is kept with a message.
    block_lists: bool,
    spam_filter: bool,
    virus_scanner: bool,
}

impl Replay {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            limits: params::header_limits(config),
            authserv_id: config.hostname.clone(),
            relays: config.relays.clone(),
            trusted_forwarders: config.authenticity.trusted_forwarders.clone(),
            block_lists: !config.dnsbl.lists.is_empty(),
            spam_filter: config.asks_spam_filter(),
            virus_scanner: config.asks_virus_scanner(),
        }
    }

    /// What the octets received say. A message that breaks its parser says nothing.
    pub(crate) fn content(&self, octets: &[u8]) -> Known<Content> {
        let read = || {
            let mut prescan = Prescan::new(self.limits.clone(), &self.authserv_id);
            prescan.content(octets);
            let too_complex = prescan.finish().too_complex.is_some();
            let mut content = Content::read(octets, &ContentLimits::default(), Want { body: true }).content;
            content.too_complex |= too_complex;
            content
        };
        let read = catch_unwind(AssertUnwindSafe(read));
        read.map_or_else(|_| Known::Unknown("the message cannot be taken apart".into()), Known::Is)
    }

    /// All that is known without the trace.
    pub(crate) fn facts(&self, envelope: &Envelope, octets: &[u8]) -> Facts {
        let Envelope { trace, reverse_path, results, .. } = envelope;
        let peer = trace.peer.map(|ip| ip.to_canonical());
        let relay = peer.and_then(|ip| self.relays.iter().find(|relay| relay.networks.contains(ip)));
        let results = match relay.map(|relay| &relay.authserv_id) {
            Some(Some(id)) => relayed(header(octets), id),
            Some(None) => AuthResults::default(),
            None => results.clone().unwrap_or_default(),
        };
        let AuthResults { spf, dkim, dmarc, arc, iprev } = results;
        let sealer =
            arc.as_ref().filter(|arc| arc.result == AuthResult::Pass).and_then(|arc| arc.sealer.as_ref());
        let trusted = |domain: &String| sealer.is_some_and(|sealer| domain.eq_ignore_ascii_case(sealer));
        Facts {
            now_ms: trace.received_ms,
            ip: peer.filter(|_| relay.is_none()),
            iprev: Known::Is(iprev),
            listed: unless(self.block_lists, "what block lists said is not kept with a message", Vec::new()),
            helo: Known::Is(trace.helo.clone()),
            tls: Known::Is(trace.tls.as_ref().map(|tls| tls.version.clone())),
            sender: Known::Is(reverse_path.address().map(ToString::to_string).unwrap_or_default()),
            spf: Known::Is(spf),
            dkim: Known::Is(dkim),
            dmarc: Known::Is(dmarc),
            trusted_forwarder: Known::Is(self.trusted_forwarders.iter().any(trusted)),
            arc: Known::Is(arc),
            content: self.content(octets),
            verdicts: Verdicts {
                spam: unless(self.spam_filter, "what the spam filter said is not kept with a message", None),
                virus: unless(
                    self.virus_scanner,
                    "what the virus scanner said is not kept with a message",
                    None,
                ),
            },
        }
    }
}

/// Unknown where somebody was asked, and nothing where nobody was.
fn unless<T>(asked: bool, why: &str, nothing: T) -> Known<T> {
    if asked { Known::Unknown(why.into()) } else { Known::Is(nothing) }
}

fn header(octets: &[u8]) -> &[u8] {
    let end = memchr::memmem::find(octets, b"\r\n\r\n").map_or(octets.len(), |at| at + 4);
    octets.get(..end).unwrap_or(octets)
}
