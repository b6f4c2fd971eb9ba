//! Plays octets into a session and writes down what comes out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mail::{Body, Envelope, Protocol, TlsFacts};
use smtp_receive::{Answer, Ask, Params, Probes, Session, Step};

use crate::world::World;

/// A session with a world around it.
pub(crate) struct Player {
    session: Session,
    world: World,
    input: Vec<u8>,
    now: Instant,
    /// `S: …`, `P: …`, `T:`, `X:`, and `-` for a message that was abandoned.
    pub(crate) events: Vec<String>,
    /// The message that is coming in.
    incoming: Option<Vec<u8>>,
    /// How long the last message that began was said to be.
    pub(crate) expected: Option<Option<u64>>,
    /// What was stored, rendered.
    pub(crate) stored: Vec<String>,
    /// The octets of it.
    pub(crate) bodies: Vec<Vec<u8>>,
    /// How many steps were taken.
    pub(crate) steps: usize,
    closed: bool,
    /// Between the 220 to STARTTLS and TLS: what comes now is no part of the session.
    handshake: bool,
}

impl Player {
    pub(crate) fn new(params: &Params, world: World) -> Self {
        let now = Instant::now();
        let peer = Some([192, 0, 2, 1].into());
        Self {
            session: Session::new(Arc::new(params.clone()), peer, now),
            world,
            input: vec![],
            now,
            events: vec![],
            incoming: None,
            expected: None,
            stored: vec![],
            bodies: vec![],
            steps: 0,
            closed: false,
            handshake: false,
        }
    }

    /// Sends octets, and steps as far as it goes.
    pub(crate) fn send(&mut self, octets: &[u8]) {
        if !self.handshake {
            self.input.extend_from_slice(octets);
        }
        self.run();
    }

    /// TLS is on.
    pub(crate) fn secured(&mut self) {
        assert!(self.handshake, "there was a STARTTLS");
        self.handshake = false;
        self.session.secured(TlsFacts { version: "TLS1.3".into(), cipher: "TLS_TEST".into() });
        self.run();
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        self.now += time;
        self.run();
    }

    pub(crate) fn stop(&mut self) {
        self.session.stop(self.now);
        self.run();
    }

    /// Connections are scarce, or are not any more.
    pub(crate) fn stress(&mut self, scarce: bool) {
        self.session.stress(scarce, self.now);
        self.run();
    }

    pub(crate) fn probed(&mut self, probes: Probes) {
        self.session.probed(probes);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.session.is_stopping()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    fn run(&mut self) {
        while !self.closed && !self.handshake && self.step() {
            self.steps += 1;
        }
    }

    fn step(&mut self) -> bool {
        let (taken, step) = self.session.step(&self.input, self.now);
        assert!(taken <= self.input.len(), "only what is there can be taken");
        match step {
            Step::NeedInput => {
                self.input.drain(..taken);
                return false;
            }
            Step::Send(reply) => {
                let mut out = vec![];
                reply.write(self.session.params(), &mut out);
                let text = String::from_utf8(out).expect("replies are ASCII");
                assert!(text.is_ascii() && text.ends_with("\r\n"));
                for line in text.split_terminator("\r\n") {
                    assert!(line.len() <= 510 && !line.contains(['\r', '\n']), "RFC 5321 §4.5.3.1.5");
                    assert!(line.starts_with(&reply.code().to_string()));
                    self.events.push(format!("S: {line}"));
                }
            }
            Step::Pause(time) => self.events.push(format!("P: {}s", time.as_secs())),
            Step::StartTls => {
                self.events.push("T:".into());
                assert_eq!(taken, self.input.len(), "nothing sent in the clear outlives STARTTLS");
                self.handshake = true;
            }
            Step::Ask(ask) => self.ask(ask),
            Step::Content(octets) => {
                assert!(!octets.is_empty());
                self.incoming.as_mut().expect("content follows Begin").extend_from_slice(octets);
            }
            Step::Abandon => {
                self.incoming.take().expect("there is something to abandon");
                self.events.push("-".into());
            }
            Step::Close => {
                self.events.push("X:".into());
                self.closed = true;
            }
        }
        self.input.drain(..taken);
        true
    }

    fn ask(&mut self, ask: Ask) {
        let mut finished = None;
        match &ask {
            Ask::Begin { expected } => {
                self.expected = Some(*expected);
                let envelope = self.session.envelope().expect("there is an envelope to look at");
                assert!(!envelope.recipients.is_empty());
                assert!(self.incoming.is_none());
            }
            Ask::Finish { envelope, octets } => {
                let body = self.incoming.take().expect("a message was begun");
                assert_eq!(body.len() as u64, *octets);
                finished = Some((render(envelope, &body), body));
            }
            Ask::Connected | Ask::Sender { .. } | Ask::Recipient { .. } => {}
        }
        let begin = matches!(ask, Ask::Begin { .. });
        let answer = self.world.answer(ask);
        if begin && answer == Answer::Proceed {
            self.incoming = Some(vec![]);
        }
        if let (Some((lines, body)), Answer::Queued { .. }) = (finished, &answer) {
            self.stored.extend(lines);
            self.bodies.push(body);
        }
        self.session.answer(answer);
    }
}

/// A stored message in the words of a dialog file.
pub(crate) fn render(envelope: &Envelope, body: &[u8]) -> Vec<String> {
    let protocol = match envelope.trace.protocol {
        Protocol::Smtp => "smtp",
        Protocol::Esmtp => "esmtp",
        Protocol::Lmtp => "lmtp",
        Protocol::Local => "local",
    };
    let to: Vec<String> = envelope
        .recipients
        .iter()
        .map(|recipient| {
            let mailboxes: Vec<&str> = recipient.mailboxes.iter().map(|mailbox| mailbox.as_str()).collect();
            format!("<{}>={}", recipient.path, mailboxes.join("+"))
        })
        .collect();
    let mut line = format!(
        "M: from=<{}> to={} {protocol} helo={} octets={}",
        envelope.reverse_path,
        to.join(","),
        envelope.trace.helo,
        body.len()
    );
    let marks = [
        (envelope.body == Body::EightBitMime, " 8bitmime"),
        (envelope.smtputf8, " smtputf8"),
        (envelope.trace.tls.is_some(), " tls"),
        (envelope.unterminated, " unterminated"),
    ];
    line.extend(marks.iter().filter(|(set, _)| *set).map(|(_, mark)| *mark));
    let mut lines = vec![line];
    let mut rest = body;
    while !rest.is_empty() {
        let end = rest.windows(2).position(|pair| pair == b"\r\n");
        let (text, mark) = end.map_or((rest, "D-"), |end| (&rest[..end], "D:"));
        let same = text.len() > 100 && text.iter().all(|octet| *octet == text[0]);
        lines.push(if same {
            format!("D* {} {}", text.len(), text[..1].escape_ascii())
        } else {
            format!("{mark} {}", text.escape_ascii()).trim_end().to_owned()
        });
        rest = &rest[end.map_or(rest.len(), |end| end + 2)..];
    }
    lines
}
