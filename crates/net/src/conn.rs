use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use std::{fmt, io};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::server::TlsStream;

use crate::alarm::Alarm;
use crate::{Tls, TlsInfo};

/// The input buffer of a connection that says little.
const SMALL: usize = 4 << 10;
/// The input buffer of one that sends mail: what one read can bring.
const LARGE: usize = 64 << 10;

/// How long, and for how many octets, we listen after our last word.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_OCTETS: usize = 1 << 20;

/// How long a system may take to say that its program has left octets unread.
const ECHO: Duration = Duration::from_millis(500);

/// Anything that octets go through both ways.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {
    /// Whether the connection is broken, as far as that is known without reading or writing.
    fn is_broken(&self) -> bool {
        false
    }
}

impl Io for TcpStream {
    fn is_broken(&self) -> bool {
        !matches!(self.take_error(), Ok(None))
    }
}

impl Io for UnixStream {
    fn is_broken(&self) -> bool {
        !matches!(self.take_error(), Ok(None))
    }
}

impl Io for TlsStream<Box<dyn Io>> {
    fn is_broken(&self) -> bool {
        self.get_ref().0.is_broken()
    }
}

/// For tests.
impl Io for DuplexStream {}

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its address and port; none on a Unix socket.
    pub address: Option<SocketAddr>,
    /// The address and port it came to.
    pub local: Option<SocketAddr>,
    /// It belongs to the networks that the configuration trusts.
    pub trusted: bool,
}

impl Peer {
    /// A peer on this machine's Unix socket.
    pub const LOCAL: Self = Self { address: None, local: None, trusted: true };

    /// Its address, IPv4 as IPv4 also on a dual-stack socket.
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.map(|address| address.ip().to_canonical())
    }

    /// What it says cannot be overheard on a network.
    pub fn is_loopback(&self) -> bool {
        self.ip().is_none_or(|ip| ip.is_loopback())
    }
}

/// As the log says it.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip() {
            Some(ip) => ip.fmt(f),
            None => f.write_str("local"),
        }
    }
}

/// Why nothing more comes from or goes to the peer.
#[derive(Debug, thiserror::Error)]
pub enum ConnError {
    /// It kept us waiting past the deadline.
    #[error("timed out")]
    Timeout,
    /// The connection broke.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A connection with a bounded input buffer and replies that wait to be written together.
pub struct Conn {
    io: Box<dyn Io>,
    peer: Peer,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    out: Vec<u8>,
    alarm: Alarm,
}

impl Conn {
    /// Wraps a stream.
    pub fn new(io: impl Io + 'static, peer: Peer) -> Self {
        Self::boxed(Box::new(io), peer)
    }

    fn boxed(io: Box<dyn Io>, peer: Peer) -> Self {
        Self { io, peer, buffer: Vec::new(), start: 0, end: 0, out: Vec::new(), alarm: Alarm::default() }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// What has come and is not consumed.
    pub fn input(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Drops the first `octets` of the input, and wipes them: they may have been a password.
    pub fn consume(&mut self, octets: usize) {
        let from = self.start;
        self.start = (from + octets).min(self.end);
        self.buffer[from..self.start].fill(0);
    }

    /// Splits the borrow: the input, and the place where replies wait.
    pub fn parts(&mut self) -> (&[u8], &mut Vec<u8>) {
        (&self.buffer[self.start..self.end], &mut self.out)
    }

    /// Waits for more input until `deadline`; how many octets came, 0 when the peer has closed. There is
    /// always room for some unless the caller consumes nothing of 64 KiB, which is then an error.
    pub async fn fill(&mut self, deadline: Instant) -> Result<usize, ConnError> {
        self.make_room()?;
        let read = self.io.read(&mut self.buffer[self.end..]);
        let octets = self.alarm.until(deadline, read).await.ok_or(ConnError::Timeout)??;
        self.end += octets;
        Ok(octets)
    }

    fn make_room(&mut self) -> Result<(), ConnError> {
        if self.start == self.end {
            // A full read foretells another: mail is coming. A peer that is down to small talk gives the
            // large buffer back.
            let size = match self.buffer.len() {
                0 => SMALL,
                size if self.end == size => (size * 4).min(LARGE),
                LARGE if self.end < LARGE / 4 => LARGE / 4,
                size => size,
            };
            if size != self.buffer.len() {
                self.buffer = vec![0; size];
            }
            (self.start, self.end) = (0, 0);
        } else if self.start > 0 {
            let left = self.end - self.start;
            self.buffer.copy_within(self.start..self.end, 0);
            self.buffer[left..self.end].fill(0);
            (self.start, self.end) = (0, left);
        }
        if self.end == self.buffer.len() {
            if self.buffer.len() >= LARGE {
                return Err(io::Error::new(io::ErrorKind::OutOfMemory, "input buffer is full").into());
            }
            self.buffer.resize(self.buffer.len() * 4, 0);
        }
        Ok(())
    }

    /// Adds to what will be written by the next [`Conn::flush`].
    pub fn queue(&mut self, octets: &[u8]) {
        self.out.extend_from_slice(octets);
    }

    /// How much waits to be written.
    pub fn queued(&self) -> usize {
        self.out.len()
    }

    /// Writes what waits; the peer must take all of it within `limit`.
    pub async fn flush(&mut self, limit: Duration) -> Result<(), ConnError> {
        if self.out.is_empty() {
            return Ok(());
        }
        let write = async {
            self.io.write_all(&self.out).await?;
            self.io.flush().await
        };
        timeout(limit, write).await.map_err(|_| ConnError::Timeout)??;
        self.out.clear();
        if self.out.capacity() > LARGE {
            self.out = Vec::new();
        }
        Ok(())
    }

    /// Writes what waits, then `octets` themselves without a copy.
    pub async fn send(&mut self, octets: &[u8], limit: Duration) -> Result<(), ConnError> {
        self.flush(limit).await?;
        timeout(limit, self.io.write_all(octets)).await.map_err(|_| ConnError::Timeout)??;
        Ok(())
    }

    /// Whether a peer that has closed has read all that was sent to it: the system of one that has not resets the
    /// connection, a moment later.
    pub async fn has_read_all(&mut self) -> bool {
        sleep(ECHO).await;
        !self.io.is_broken()
    }

    /// Puts TLS under the connection. Input that came before is dropped: it was not protected
    /// (RFC 3207 §4.2, RFC 2595 §4). A handshake that does not end well is the end (RFC 3207 §4.1, RFC 2595
    /// §2.5).
    pub async fn start_tls(self, tls: &Tls, limit: Duration) -> Result<(Self, TlsInfo), ConnError> {
        let peer = self.peer;
        let stream = timeout(limit, tls.accept(self.io)).await.map_err(|_| ConnError::Timeout)??;
        let info = TlsInfo::of(stream.get_ref().1);
        Ok((Self::boxed(Box::new(stream), peer), info))
    }

    /// Writes what waits, and listens a moment to a peer that goes on after our last word: closing on unread
    /// octets would reset the connection, and take our last word back.
    pub async fn linger(&mut self, limit: Duration) {
        if self.flush(limit).await.is_err() {
            return;
        }
        let deadline = Instant::now() + LINGER;
        let mut octets = 0;
        while octets < LINGER_OCTETS {
            self.consume(self.input().len());
            match self.fill(deadline).await {
                Ok(0) | Err(_) => return,
                Ok(came) => octets += came,
            }
        }
    }

    /// Says goodbye as the transport does it; what waits is written first.
    pub async fn close(mut self, limit: Duration) {
        // The peer may be gone already, and nothing is owed to it any more.
        let _ = self.flush(limit).await;
        let _ = timeout(limit, self.io.shutdown()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Conn, tokio::io::DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        (Conn::new(ours, Peer::LOCAL), theirs)
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_at_the_deadline() {
        let (mut conn, _theirs) = pair();
        let started = Instant::now();
        let outcome = conn.fill(started + Duration::from_secs(300)).await;
        assert!(matches!(outcome, Err(ConnError::Timeout)));
        assert_eq!(started.elapsed(), Duration::from_secs(300));
    }

    #[tokio::test]
    async fn input_is_bounded_and_keeps_its_order() {
        let (mut conn, mut theirs) = pair();
        let sent: Vec<u8> = (0..200_000u32).map(|n| n.to_le_bytes()[0]).collect();
        theirs.write_all(&sent).await.expect("room");
        let deadline = Instant::now() + Duration::from_secs(5);
        let full = loop {
            match conn.fill(deadline).await {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(matches!(full, ConnError::Io(_)));
        assert_eq!(conn.input(), &sent[..LARGE]);
        conn.consume(LARGE - 1);
        conn.fill(deadline).await.expect("room again");
        assert_eq!(conn.input()[..2], sent[LARGE - 1..=LARGE]);
    }

    #[tokio::test]
    async fn what_was_consumed_is_wiped() {
        let (mut conn, mut theirs) = pair();
        theirs.write_all(b"PASS secret\r\nSTAT\r\n").await.expect("room");
        conn.fill(Instant::now() + Duration::from_secs(5)).await.expect("input");
        conn.consume(13);
        assert_eq!(conn.input(), b"STAT\r\n");
        assert!(!conn.buffer.windows(6).any(|octets| octets == b"secret"));
    }

    #[tokio::test(start_paused = true)]
    async fn lingering_takes_what_still_comes_and_ends() {
        let (mut conn, mut theirs) = pair();
        theirs.write_all(b"and another thing\r\n").await.expect("room");
        let started = Instant::now();
        conn.queue(b"421 enough\r\n");
        conn.linger(Duration::from_secs(5)).await;
        assert_eq!((conn.input(), started.elapsed()), (&b""[..], LINGER));
    }

    /// RFC 2920 §3.2.
    #[tokio::test]
    async fn replies_leave_together() {
        let (mut conn, mut theirs) = pair();
        conn.queue(b"250 one\r\n");
        conn.queue(b"250 two\r\n");
        conn.flush(Duration::from_secs(1)).await.expect("written");
        let mut got = [0; 64];
        let octets = theirs.read(&mut got).await.expect("readable");
        assert_eq!(&got[..octets], b"250 one\r\n250 two\r\n");
        assert_eq!(conn.queued(), 0);
    }
}
