use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use directory::{Directory, Resolution, VerifierParams};
use mail::{Body, Envelope, ForwardPath, Protocol, QueueId, Recipient, ReversePath, TlsFacts, Trace};
use net::Peer;
use queue::{Queued, StoreError};
use routing::Plan;
use smtp_receive::Verdict;

use super::gate::{self, Checkpoint, Explained, Gatekeeper, Scanning};
use super::params;
use super::parsing::Parsing;
use crate::config::Loaded;

/// A message that somebody asks about.
pub(crate) struct Question {
    pub(crate) to: Vec<ForwardPath>,
    pub(crate) from: ReversePath,
    /// Where it comes from; none is this machine.
    pub(crate) ip: Option<IpAddr>,
    pub(crate) helo: String,
    pub(crate) tls: bool,
    pub(crate) octets: Vec<u8>,
}

/// What would become of it.
pub(crate) struct Reply {
    pub(crate) explained: Explained,
    /// Recipients that the directory does not take, with why.
    pub(crate) unknown: Vec<(ForwardPath, String)>,
    /// The copies: where each is kept, and the fields on top of it.
    pub(crate) copies: Vec<(String, Vec<u8>)>,
}

/// Asks the very gate that serves, of this configuration: it alone knows what it would do.
pub(crate) async fn explain(loaded: Loaded, question: Question) -> Result<Reply, StoreError> {
    let Loaded { config, table, rules, .. } = loaded;
    let directory = Directory::new(table, VerifierParams::default());
    let host = params::host(&config);
    let peer = Peer {
        address: question.ip.map(|ip| SocketAddr::new(ip, 0)),
        local: None,
        trusted: question.ip.is_none_or(|ip| config.trusted.contains(ip)),
    };
    let resolver = params::resolver(&config);
    let gatekeeper = Gatekeeper::new(Checkpoint {
        limits: params::header_limits(&config),
        authserv_id: config.hostname.clone(),
        directory: directory.clone(),
        reads: rules.set.reads(),
        rules: rules.set,
        verifier: params::verifier(&config.authenticity, resolver.as_ref()),
        scanning: Scanning::new(&config, resolver.as_ref(), None),
        parsing: Arc::new(Parsing::forgetful(params::parsing_memory(&config))),
        one_refuses_all: config.smtp.one_refuses_all,
        authenticity: config.authenticity,
        relays: config.relays,
        lmtp: false,
        trace: None,
    });
    let (recipients, unknown) = recipients(&directory, question.to);
    let trace = Trace {
        protocol: Protocol::Esmtp,
        peer: question.ip,
        helo: question.helo,
        tls: question
            .tls
            .then(|| TlsFacts { version: "TLS1.3".into(), cipher: "TLS_AES_256_GCM_SHA384".into() }),
        received_ms: gate::now_ms(),
    };
    let mut envelope = Envelope {
        reverse_path: question.from,
        recipients,
        body: Body::EightBitMime,
        smtputf8: false,
        trace,
        cuts: Vec::new(),
        unterminated: !question.octets.ends_with(b"\r\n"),
        results: None,
        fields: Vec::new(),
    };
    let explained = gate::explain(&gatekeeper, &peer, &mut envelope, &question.octets).await?;
    let is_taken = !matches!(explained.verdict, Verdict::Refuse(_)) && !envelope.recipients.is_empty();
    let queued = Queued {
        id: QueueId(0),
        octets: question.octets.len() as u64,
        envelope: Arc::new(envelope),
        held: false,
    };
    let copies = match routing::plan(&host, &directory, &queued) {
        Plan::Deliver(route) if is_taken => {
            let copy = |entry: queue::RouteEntry| (entry.mailbox.to_string(), entry.additions.prelude);
            route.entries.into_iter().map(copy).collect()
        }
        Plan::Deliver(_) | Plan::Pass => Vec::new(),
    };
    Ok(Reply { explained, unknown, copies })
}

/// As RCPT would have it.
fn recipients(
    directory: &Directory,
    paths: Vec<ForwardPath>,
) -> (Vec<Recipient>, Vec<(ForwardPath, String)>) {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for path in paths {
        match directory.resolve(&path) {
            Resolution::Deliver { mailboxes, duplicate } => {
                known.push(Recipient { path, mailboxes, duplicate, ruling: None });
            }
            Resolution::Refused { text } => unknown.push((path, format!("550 5.1.1 {text}"))),
            Resolution::Unknown => unknown.push((path, "550 5.1.1, nobody has this address".into())),
            Resolution::NotLocal => unknown.push((path, "550 5.7.1, not a domain of ours".into())),
        }
    }
    (known, unknown)
}
