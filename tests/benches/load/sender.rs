//! One connection that delivers message after message, driven by readiness.

use std::io::{self, Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::reply::Replies;
use super::smtp::Texts;
use super::wire::{Security, Wire};

const PATIENCE: Duration = Duration::from_secs(60);

/// A sender between EHLO and QUIT.
#[derive(Debug)]
pub(crate) struct Sender {
    stream: Wire,
    mailbox: usize,
    replies: Replies,
    phase: Phase,
    /// Octets of the phase's text that are sent.
    sent: usize,
    blocked: bool,
    since: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    /// Replies still to come to MAIL, RCPT and DATA, and whether one was a "try later".
    Envelope {
        left: u8,
        deferred: bool,
    },
    Message,
}

/// What readiness led to.
#[derive(Debug)]
pub(crate) enum Progress {
    Waiting,
    Accepted(Duration),
    Deferred(String),
}

impl Sender {
    /// Connects and says EHLO, twice when TLS is wanted.
    pub(crate) fn greet(address: SocketAddr, security: Security, mailbox: usize) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let (phase, since) = (Phase::Idle, Instant::now());
        let stream = Wire::Plain(stream);
        let mut sender =
            Self { stream, mailbox, replies: Replies::default(), phase, sent: 0, blocked: false, since };
        sender.expect(220)?;
        sender.ask(b"EHLO client.example\r\n", 250)?;
        if security == Security::Tls {
            sender.ask(b"STARTTLS\r\n", 220)?;
            sender.stream = Wire::secure(sender.stream.socket().try_clone()?)?;
            sender.ask(b"EHLO client.example\r\n", 250)?;
        }
        sender.stream.socket().set_nonblocking(true)?;
        Ok(sender)
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        self.stream.socket()
    }

    pub(crate) fn mailbox(&self) -> usize {
        self.mailbox
    }

    /// Whether it waits until it may write on.
    pub(crate) fn blocked(&self) -> bool {
        self.blocked
    }

    /// Begins a message.
    pub(crate) fn begin(&mut self, texts: &Texts) -> io::Result<()> {
        self.enter(Phase::Envelope { left: 3, deferred: false }, texts)
    }

    /// Ends the session as it should end.
    pub(crate) fn quit(mut self) -> io::Result<()> {
        self.stream.socket().set_nonblocking(false)?;
        self.ask(b"QUIT\r\n", 221)
    }

    /// Reads and writes what can be read and written now.
    pub(crate) fn ready(&mut self, texts: &Texts, buffer: &mut [u8]) -> io::Result<Progress> {
        if self.blocked {
            self.write(texts)?;
        }
        let read = match self.stream.read(buffer) {
            Ok(0) => {
                return Err(Error::other(format!("closed by the server after: {}", self.replies.text())));
            }
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Progress::Waiting),
            Err(error) => return Err(error),
        };
        let mut octets = &buffer[..read];
        let mut progress = Progress::Waiting;
        while let Some(code) = self.replies.next(&mut octets) {
            progress = self.replied(code, texts)?;
        }
        Ok(progress)
    }

    fn replied(&mut self, code: u16, texts: &Texts) -> io::Result<Progress> {
        let later = (400..500).contains(&code) && code != 421;
        match self.phase {
            Phase::Envelope { left, deferred } if left > 1 && (code == 250 || later || deferred) => {
                self.phase = Phase::Envelope { left: left - 1, deferred: deferred || later };
                Ok(Progress::Waiting)
            }
            Phase::Envelope { left: 1, deferred } if later || (deferred && code != 354) => {
                Ok(Progress::Deferred(self.replies.text()))
            }
            Phase::Envelope { left: 1, .. } if code == 354 => {
                self.enter(Phase::Message, texts)?;
                Ok(Progress::Waiting)
            }
            Phase::Message if code == 250 => Ok(Progress::Accepted(self.since.elapsed())),
            Phase::Message if later => Ok(Progress::Deferred(self.replies.text())),
            Phase::Idle | Phase::Envelope { .. } | Phase::Message => {
                Err(Error::other(format!("unexpected: {}", self.replies.text())))
            }
        }
    }

    fn enter(&mut self, phase: Phase, texts: &Texts) -> io::Result<()> {
        self.phase = phase;
        self.sent = 0;
        self.write(texts)
    }

    fn write(&mut self, texts: &Texts) -> io::Result<()> {
        let text = match self.phase {
            Phase::Idle => &[][..],
            Phase::Envelope { .. } => &texts.envelopes[self.mailbox][..],
            Phase::Message => &texts.message[..],
        };
        while self.sent < text.len() {
            match self.stream.write(&text[self.sent..]) {
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.blocked = true;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        match self.stream.flush() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.blocked = true;
                return Ok(());
            }
            flushed => flushed?,
        }
        self.blocked = false;
        self.since = Instant::now();
        Ok(())
    }

    fn ask(&mut self, line: &[u8], wanted: u16) -> io::Result<()> {
        self.stream.write_all(line)?;
        self.stream.flush()?;
        self.expect(wanted)
    }

    /// Waits for one reply while the stream still blocks.
    fn expect(&mut self, wanted: u16) -> io::Result<()> {
        let mut buffer = [0; 4_096];
        loop {
            let read = self.stream.read(&mut buffer)?;
            let code = self.replies.next(&mut &buffer[..read]);
            match code {
                Some(code) if code == wanted => return Ok(()),
                None if read > 0 => {}
                Some(_) | None => {
                    return Err(Error::other(format!("at the greeting: {}", self.replies.text())));
                }
            }
        }
    }
}
