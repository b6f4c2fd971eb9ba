//! A POP3 client that costs little: one buffer for its life, nothing kept of what it reads.

use std::io::{self, Error, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use restante_tests::PASSWORD;

use super::wire::{Security, Wire};

const PATIENCE: Duration = Duration::from_secs(60);
/// DELE commands in one write.
const PIPELINE: usize = 500;

/// The buffer that a client reads into; used for one session after another.
#[derive(Debug)]
pub(crate) struct Buffer(Vec<u8>);

impl Default for Buffer {
    fn default() -> Self {
        Self(vec![0; 256 << 10])
    }
}

impl Buffer {
    /// What one read may take, in octets.
    pub(crate) fn size(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn octets(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// A session that has logged in.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    stream: Wire,
    buffer: &'a mut Buffer,
    start: usize,
    end: usize,
    received: u64,
}

/// What one poll cost the client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Poll {
    /// All octets that the server sent.
    pub(crate) received: u64,
    /// From UIDL to the first octet of the answer.
    pub(crate) first_octet: Duration,
    pub(crate) messages: u64,
}

impl<'a> Session<'a> {
    /// Connects and logs in.
    pub(crate) fn login(address: SocketAddr, user: &str, buffer: &'a mut Buffer) -> io::Result<Self> {
        Self::login_by(address, Security::Plain, user, buffer)
    }

    /// The same, with TLS from the first octet where that is wanted.
    pub(crate) fn login_by(
        address: SocketAddr,
        security: Security,
        user: &str,
        buffer: &'a mut Buffer,
    ) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let stream = match security {
            Security::Plain => Wire::Plain(stream),
            Security::Tls => Wire::secure(stream)?,
        };
        let mut session = Self { stream, buffer, start: 0, end: 0, received: 0 };
        session.accepted()?;
        session.say(format_args!("USER {user}"))?;
        session.accepted()?;
        session.say(format_args!("PASS {PASSWORD}"))?;
        session.accepted()?;
        Ok(session)
    }

    /// How many messages there are, and their octets.
    pub(crate) fn stat(&mut self) -> io::Result<(u64, u64)> {
        self.say(format_args!("STAT"))?;
        let line = self.accepted()?;
        let mut numbers = line.split(' ').skip(1).map_while(|word| word.trim_end().parse().ok());
        match (numbers.next(), numbers.next()) {
            (Some(count), Some(octets)) => Ok((count, octets)),
            _ => Err(Error::other(format!("not a STAT: {line}"))),
        }
    }

    /// The octets of one message, as LIST says them.
    pub(crate) fn size(&mut self, number: u64) -> io::Result<u64> {
        self.say(format_args!("LIST {number}"))?;
        let line = self.accepted()?;
        let size = line.split(' ').nth(2).and_then(|word| word.trim_end().parse().ok());
        size.ok_or_else(|| Error::other(format!("not a LIST: {line}")))
    }

    /// Reads all unique ids; says how long the first octet took.
    pub(crate) fn uidl(&mut self) -> io::Result<Duration> {
        let asked = Instant::now();
        self.say(format_args!("UIDL"))?;
        self.fill()?;
        let first = asked.elapsed();
        // Nothing is asked behind it, so it ends where the server stops sending.
        while !self.buffer.0[self.start..self.end].ends_with(b"\r\n.\r\n") {
            if self.end == self.buffer.0.len() {
                self.buffer.0.copy_within(self.end - 4.., 0);
                (self.start, self.end) = (0, 4);
            }
            self.fill()?;
        }
        (self.start, self.end) = (0, 0);
        Ok(first)
    }

    /// Reads a message whose size is known; says the octets read.
    pub(crate) fn retr(&mut self, number: u64, size: u64) -> io::Result<u64> {
        self.say(format_args!("RETR {number}"))?;
        self.accepted()?;
        let before = self.received - (self.end - self.start) as u64;
        let whole = before + size + b".\r\n".len() as u64;
        while self.received < whole {
            (self.start, self.end) = (0, 0);
            self.fill()?;
        }
        if self.received > whole || !self.buffer.0[self.start..self.end].ends_with(b"\n") {
            return Err(Error::other(format!("message {number} is not as long as LIST says")));
        }
        (self.start, self.end) = (0, 0);
        Ok(whole - before)
    }

    /// Deletes all messages but the first ones, durably.
    pub(crate) fn trim(mut self, kept: u64) -> io::Result<()> {
        let (count, _) = self.stat()?;
        self.delete(kept + 1..=count)?;
        self.quit().map(drop)
    }

    /// Marks messages.
    pub(crate) fn delete(&mut self, numbers: impl Iterator<Item = u64>) -> io::Result<()> {
        let mut numbers = numbers.peekable();
        while numbers.peek().is_some() {
            let (mut commands, mut asked) = (Vec::new(), 0);
            for number in numbers.by_ref().take(PIPELINE) {
                write!(commands, "DELE {number}\r\n")?;
                asked += 1;
            }
            self.stream.write_all(&commands)?;
            self.stream.flush()?;
            for _ in 0..asked {
                self.accepted()?;
            }
        }
        Ok(())
    }

    /// Ends the session; all octets that it received.
    pub(crate) fn quit(mut self) -> io::Result<u64> {
        self.say(format_args!("QUIT"))?;
        self.accepted()?;
        Ok(self.received)
    }

    fn say(&mut self, command: std::fmt::Arguments<'_>) -> io::Result<()> {
        let mut line = [0; 512];
        let mut rest = &mut line[..];
        rest.write_fmt(command)?;
        rest.write_all(b"\r\n")?;
        let left = rest.len();
        self.stream.write_all(&line[..line.len() - left])?;
        self.stream.flush()
    }

    fn accepted(&mut self) -> io::Result<String> {
        let range = self.line()?;
        let line = &self.buffer.0[range];
        let text = String::from_utf8_lossy(line).into_owned();
        if line.starts_with(b"+OK") { Ok(text) } else { Err(Error::other(format!("refused: {text}"))) }
    }

    /// Where the next line stands in the buffer.
    fn line(&mut self) -> io::Result<std::ops::Range<usize>> {
        loop {
            let unread = &self.buffer.0[self.start..self.end];
            if let Some(length) = unread.iter().position(|octet| *octet == b'\n') {
                let line = self.start..self.start + length + 1;
                self.start = line.end;
                return Ok(line);
            }
            if self.start > 0 {
                self.buffer.0.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let read = self.stream.read(&mut self.buffer.0[self.end..])?;
        if read == 0 {
            return Err(Error::other("closed by the server, or a line without an end"));
        }
        self.end += read;
        self.received += read as u64;
        Ok(())
    }
}

/// What a mail program does every minute: login, STAT, UIDL, QUIT.
pub(crate) fn poll(
    address: SocketAddr,
    security: Security,
    user: &str,
    buffer: &mut Buffer,
) -> io::Result<Poll> {
    let mut session = Session::login_by(address, security, user, buffer)?;
    let (messages, _) = session.stat()?;
    let first_octet = session.uidl()?;
    Ok(Poll { received: session.quit()?, first_octet, messages })
}

/// Waits until a mailbox holds so many messages.
pub(crate) fn await_count(address: SocketAddr, user: &str, wanted: u64, time: Duration) -> io::Result<()> {
    let mut buffer = Buffer::default();
    let until = Instant::now() + time;
    loop {
        let mut session = Session::login(address, user, &mut buffer)?;
        let (count, _) = session.stat()?;
        session.quit()?;
        if count == wanted {
            return Ok(());
        }
        if count > wanted || Instant::now() > until {
            return Err(Error::other(format!("{user} holds {count} messages, and should hold {wanted}")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
