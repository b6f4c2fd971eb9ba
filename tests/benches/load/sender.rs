//! One connection that delivers message after message, driven by readiness.

use std::fmt;
use std::io::{self, Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::reply::Replies;
use super::smtp::Texts;
use super::wire::{Security, Wire};

const PATIENCE: Duration = Duration::from_secs(60);

/// What a sender writes together. Each has one message under way at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// MAIL, RCPT and DATA; at the 354 the message; at its 250 the next MAIL.
    Waits,
    /// The same, but the next MAIL, RCPT and DATA right behind the final dot (RFC 2920 §3.1).
    Pipelines,
    /// MAIL, RCPT and BDAT LAST with the whole message; at its 250 the next MAIL.
    Chunks,
}

impl fmt::Display for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waits => "waits",
            Self::Pipelines => "pipelines",
            Self::Chunks => "chunks",
        })
    }
}

/// A sender between EHLO and QUIT.
#[derive(Debug)]
pub(crate) struct Sender {
    stream: Wire,
    mailbox: usize,
    replies: Replies,
    phase: Phase,
    /// What is written, and how much of it is.
    text: Text,
    sent: usize,
    blocked: bool,
    since: Instant,
}

/// Which replies come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    /// Those to MAIL, RCPT and DATA or BDAT, so many of them still; whether one was a "try later".
    Envelope {
        left: u8,
        deferred: bool,
    },
    /// The one to the final dot; whether the next envelope went with it.
    Message {
        another: bool,
    },
}

/// What is written at once.
#[derive(Debug, Clone, Copy)]
enum Text {
    Envelope,
    Message,
    /// The message and the next envelope.
    Both,
}

/// Who asks a sender for messages, and is told what became of them.
pub(crate) trait Errand {
    /// What is sent.
    fn texts(&self) -> &Texts;

    /// Whether one more message shall be sent; asked once for each.
    fn another(&mut self) -> bool;

    /// The server has it, so long after its last octet.
    fn accepted(&mut self, mailbox: usize, latency: Duration);

    /// The server wants it later, and says why.
    fn deferred(&mut self, text: String) -> io::Result<()>;
}

impl Sender {
    /// Connects and says EHLO, twice when TLS is wanted.
    pub(crate) fn greet(address: SocketAddr, security: Security, mailbox: usize) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let (phase, since) = (Phase::Idle, Instant::now());
        let stream = Wire::Plain(stream);
        let mut sender = Self {
            stream,
            mailbox,
            replies: Replies::default(),
            phase,
            text: Text::Envelope,
            sent: 0,
            blocked: false,
            since,
        };
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

    /// Whether it waits until it may write on.
    pub(crate) fn blocked(&self) -> bool {
        self.blocked
    }

    /// Whether it has nothing more to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.phase == Phase::Idle
    }

    /// Begins a message, if there is one.
    pub(crate) fn begin(&mut self, errand: &mut impl Errand) -> io::Result<()> {
        if !errand.another() {
            self.phase = Phase::Idle;
            return Ok(());
        }
        self.phase = Phase::Envelope { left: 3, deferred: false };
        self.say(Text::Envelope, errand.texts())
    }

    /// Ends the session as it should end.
    pub(crate) fn quit(mut self) -> io::Result<()> {
        self.stream.socket().set_nonblocking(false)?;
        self.ask(b"QUIT\r\n", 221)
    }

    /// Reads and writes what can be read and written now.
    pub(crate) fn ready(&mut self, errand: &mut impl Errand, buffer: &mut [u8]) -> io::Result<()> {
        if self.blocked {
            self.write(errand.texts())?;
        }
        let read = match self.stream.read(buffer) {
            Ok(0) => {
                return Err(Error::other(format!("closed by the server after: {}", self.replies.text())));
            }
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut octets = &buffer[..read];
        while let Some(code) = self.replies.next(&mut octets) {
            self.replied(code, errand)?;
        }
        Ok(())
    }

    fn replied(&mut self, code: u16, errand: &mut impl Errand) -> io::Result<()> {
        let chunks = errand.texts().manner == Manner::Chunks;
        let later = (400..500).contains(&code) && code != 421;
        match self.phase {
            Phase::Envelope { left, deferred } if left > 1 && (code == 250 || later || deferred) => {
                self.phase = Phase::Envelope { left: left - 1, deferred: deferred || later };
                Ok(())
            }
            Phase::Envelope { left: 1, deferred } if later || (deferred && code != 354) => {
                errand.deferred(self.replies.text())?;
                self.begin(errand)
            }
            Phase::Envelope { left: 1, .. } if chunks && code == 250 => {
                errand.accepted(self.mailbox, self.since.elapsed());
                self.begin(errand)
            }
            Phase::Envelope { left: 1, .. } if !chunks && code == 354 => {
                let another = errand.texts().manner == Manner::Pipelines && errand.another();
                self.phase = Phase::Message { another };
                self.say(if another { Text::Both } else { Text::Message }, errand.texts())
            }
            Phase::Message { another } if code == 250 || later => {
                if later {
                    errand.deferred(self.replies.text())?;
                } else {
                    errand.accepted(self.mailbox, self.since.elapsed());
                }
                if another {
                    self.phase = Phase::Envelope { left: 3, deferred: false };
                    return Ok(());
                }
                self.begin(errand)
            }
            Phase::Idle | Phase::Envelope { .. } | Phase::Message { .. } => {
                Err(Error::other(format!("unexpected: {}", self.replies.text())))
            }
        }
    }

    fn say(&mut self, text: Text, texts: &Texts) -> io::Result<()> {
        self.text = text;
        self.sent = 0;
        self.write(texts)
    }

    fn write(&mut self, texts: &Texts) -> io::Result<()> {
        let pieces = texts.of(self.mailbox);
        let text = match self.text {
            Text::Envelope => pieces.envelope,
            Text::Message => pieces.message,
            Text::Both => pieces.both,
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
