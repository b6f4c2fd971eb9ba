//! The driver around a session, with a client at the other end of a pipe.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use directory::{Alias, Allowance, Directory, DomainSpec, MailboxSpec, Refuse, Spec, Table, VerifierParams};
use mail::{Cut, Envelope, MailboxName, Recipient, ViewName};
use net::{Conn, Gate, GateParams, Handler, Networks, Peer, ProbeLimits, Tls};
use queue::{Incoming, Maildrop, Message, Route, RouteEntry, Store};
use smtp_receive::{
    Decision, Inspection, Params, Policy, PolicyRefusal, Receiving, Service, SessionPolicy, Smtp, Verdict,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::player::render;
use crate::store::Doored;

/// The people of the dialogs' world.
pub(crate) fn directory() -> Directory {
    let mailbox = |name: &str, quota| MailboxSpec {
        name: name.into(),
        addresses: vec![],
        passwords: vec![],
        receives: true,
        allowance: Allowance { octets: quota, ..Allowance::default() },
        ..MailboxSpec::default()
    };
    let domain = |name: &str, catch_all: Option<&str>| DomainSpec {
        name: name.into(),
        aliases: vec![],
        catch_all: catch_all.map(Into::into),
        postmaster: Some("alice".into()),
    };
    let spec = Spec {
        domains: vec![domain("example.test", None), domain("all.test", Some("bob"))],
        mailboxes: vec![
            mailbox("alice", Some(1 << 20)),
            mailbox("bob", None),
            mailbox("carol", None),
            mailbox("müller", None),
            mailbox("full", Some(0)),
            mailbox("small", Some(20)),
        ],
        aliases: vec![
            Alias {
                address: "both@example.test".into(),
                to: vec!["full".into(), "bob".into()],
                duplicate: false,
            },
            Alias {
                address: "team@example.test".into(),
                to: vec!["alice".into(), "carol".into()],
                duplicate: true,
            },
        ],
        refused: vec![Refuse {
            address: "closed@example.test".into(),
            text: Some("this address is closed".into()),
        }],
        detail_separator: Some('+'),
        literals: vec![[192, 0, 2, 25].into()],
        hostname: "mx.example.test".into(),
        quarantine: None,
        ..Spec::default()
    };
    let (table, faults) = Table::build(&spec);
    Directory::new(table.unwrap_or_else(|| panic!("{faults:?}")), VerifierParams::default())
}

/// A policy that does what a dialog's world says, and otherwise hides the first two octets of a message that
/// begins with `X-`, and never comes to a decision about one that begins with `hold`.
#[derive(Clone, Default)]
pub(crate) struct Rules(pub(crate) Vec<String>);

pub(crate) struct Look {
    rules: Rules,
    seen: Vec<u8>,
}

fn refusal(temporary: bool) -> PolicyRefusal {
    PolicyRefusal {
        code: if temporary { 451 } else { 550 },
        enhanced: if temporary { "4.7.1" } else { "5.7.1" }.into(),
        text: "not wanted\r\n250 ü".into(),
        rule: "no-such-mail".into(),
    }
}

impl Rules {
    /// What the world says of a phase, after a while; at once when it has nothing to say at all.
    async fn decide(&self, refuses: &str, defers: &str) -> Decision {
        if self.0.is_empty() {
            return Ok(());
        }
        tokio::task::yield_now().await;
        match self.0.first() {
            Some(word) if word == refuses => Err(refusal(false)),
            Some(word) if word == defers => Err(refusal(true)),
            Some(_) | None => Ok(()),
        }
    }
}

impl Policy for Rules {
    type Session = Self;

    fn session(&self, peer: &Peer) -> Self {
        assert!(peer.ip().is_some());
        self.clone()
    }
}

impl SessionPolicy for Rules {
    type Inspection = Look;

    async fn connected(&mut self) -> Decision {
        self.decide("rule-at-connection", "rule-at-connection-defers").await
    }

    async fn sender(&mut self, envelope: &Envelope) -> Decision {
        assert!(envelope.recipients.is_empty() && !envelope.trace.helo.is_empty());
        self.decide("rule-at-mail", "rule-at-mail-defers").await
    }

    async fn recipient(&mut self, _: &Envelope, recipient: &Recipient) -> Decision {
        assert!(!recipient.mailboxes.is_empty(), "only whom the directory knows");
        if recipient.path.address().is_none_or(|address| address.local.folded() != "bob") {
            return Ok(());
        }
        self.decide("rule-at-rcpt", "rule-at-rcpt-defers").await
    }

    fn begin(&mut self, envelope: &Envelope) -> Look {
        assert!(!envelope.recipients.is_empty());
        Look { rules: self.clone(), seen: vec![] }
    }
}

impl Inspection for Look {
    fn content(&mut self, octets: &[u8]) {
        self.seen.extend_from_slice(octets);
    }

    async fn finish<I: Incoming>(
        &mut self,
        envelope: &mut Envelope,
        octets: u64,
        content: &mut I,
    ) -> Verdict {
        assert_eq!(self.seen.len() as u64, octets, "every octet is seen, once");
        assert!(content.reread(0).await.expect("readable") == self.seen, "and can be read again");
        tokio::task::yield_now().await;
        if self.seen.starts_with(b"X-") {
            envelope.cuts.push(Cut { at: 0, octets: 2 });
        }
        if self.seen.starts_with(b"hold") {
            std::future::pending::<()>().await;
        }
        match self.rules.0.first().map(String::as_str) {
            Some("rule-refuses") => Verdict::Refuse(refusal(false)),
            Some("rule-defers") => Verdict::Refuse(refusal(true)),
            Some("rule-refuses-each") => Verdict::AcceptExcept(vec![(1, refusal(true)), (0, refusal(false))]),
            Some("rule-refuses-second") => Verdict::AcceptExcept(vec![(1, refusal(false))]),
            _ => Verdict::Accept,
        }
    }
}

pub(crate) struct Server {
    pub(crate) store: Doored,
    pub(crate) gate: Gate,
    pub(crate) stop: CancellationToken,
    smtp: Smtp<Doored, Rules>,
}

impl Server {
    pub(crate) fn new(params: Params, rules: Rules, tls: Option<Tls>) -> Self {
        let params = Params { hostname: "mx.example.test".into(), ..params };
        let store = Doored::default();
        let service = Service::new(params, store.clone(), directory(), Receiving::default(), rules, tls);
        let stop = CancellationToken::new();
        let gate = Gate::new(GateParams {
            total: 10,
            per_address: 10,
            per_network: 10,
            rate_per_minute: 1000,
            probes: Some(ProbeLimits { per_day: 35, ban: Duration::from_secs(3600) }),
            trusted: Networks::default(),
        });
        Self { store, gate, stop: stop.clone(), smtp: Smtp { service: Arc::new(service), stop } }
    }

    pub(crate) fn connect(&self, trusted: bool) -> Client {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let writes = Arc::default();
        let ours = Counted { stream: ours, writes: Arc::clone(&writes) };
        let address = Some(([192, 0, 2, 1], 1025).into());
        let conn = Conn::new(ours, Peer { address, local: None, trusted });
        let permit = self.gate.enter(Some([192, 0, 2, 1].into()), Instant::now()).expect("a slot");
        let task = tokio::spawn(self.smtp.clone().handle(conn, permit));
        Client { stream: theirs, got: vec![], task, writes }
    }

    pub(crate) fn smtp(&self) -> Smtp<Doored, Rules> {
        self.smtp.clone()
    }

    /// Everything queued, in the words of a dialog file.
    pub(crate) async fn stored(&self) -> Vec<String> {
        let dump = MailboxName::parse("dump").expect("a name");
        let mut lines = vec![];
        for queued in self.store.queued(None, 100).await.expect("queued") {
            let entry = RouteEntry {
                mailbox: dump.clone(),
                recipients: vec![],
                additions: queue::Additions::default(),
                foreign_uidl: None,
            };
            self.store.deliver(vec![Route { id: queued.id, entries: vec![entry] }]).await.expect("delivered");
            let drop = self.store.open(&dump, &ViewName::owner()).await.expect("open");
            let mut message = drop.message(drop.len() - 1, 0..u64::MAX).await.expect("a message");
            let mut body = vec![];
            while let Some(chunk) = message.chunk().await.expect("a chunk") {
                body.extend_from_slice(&chunk);
            }
            assert!(queued.envelope.trace.received_ms > 1_500_000_000_000);
            lines.extend(render(&queued.envelope, &body));
        }
        lines
    }
}

pub(crate) struct Client {
    pub(crate) stream: DuplexStream,
    got: Vec<u8>,
    pub(crate) task: JoinHandle<()>,
    /// How often the server has written.
    pub(crate) writes: Arc<AtomicUsize>,
}

/// The server's end.
struct Counted {
    stream: DuplexStream,
    writes: Arc<AtomicUsize>,
}

impl net::Io for Counted {}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, to)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        Pin::new(&mut self.stream).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Client {
    pub(crate) async fn send(&mut self, octets: &[u8]) {
        // The server may be gone: then what it said last tells why.
        let _ = self.stream.write_all(octets).await;
    }

    /// The next line, without its CRLF; `None` when the server has closed.
    pub(crate) async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.got.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.got.drain(..end + 2).take(end).collect();
                return Some(String::from_utf8(line).expect("ASCII"));
            }
            let mut more = [0; 4096];
            match timeout(Duration::from_secs(3600), self.stream.read(&mut more)).await.expect("an answer") {
                Ok(0) | Err(_) => return None,
                Ok(octets) => self.got.extend_from_slice(&more[..octets]),
            }
        }
    }

    /// Sends a line, and gives the last line of the reply.
    pub(crate) async fn say(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes()).await;
        self.reply().await
    }

    pub(crate) async fn reply(&mut self) -> String {
        loop {
            let line = self.line().await.expect("a reply");
            if line.as_bytes().get(3) == Some(&b' ') {
                return line;
            }
        }
    }

    /// Says what should be answered so.
    pub(crate) async fn expect(&mut self, talk: &[(&str, &str)]) {
        for (line, wanted) in talk {
            let got = self.say(line).await;
            assert!(got.starts_with(wanted), "{line}: wanted {wanted}, got {got}");
        }
    }

    /// As far as `RCPT TO:<bob@example.test>`.
    pub(crate) async fn open(&mut self) {
        assert!(self.reply().await.starts_with("220 "));
        self.expect(&[("EHLO client.example", "250 ")]).await;
        self.envelope().await;
    }

    pub(crate) async fn envelope(&mut self) {
        self.expect(&[("MAIL FROM:<a@b.example>", "250 2.1.0"), ("RCPT TO:<bob@example.test>", "250 2.1.5")])
            .await;
    }
}
