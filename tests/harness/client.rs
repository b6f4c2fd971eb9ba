use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustls::SupportedProtocolVersion;

use crate::tls::{self, Handshake};

/// How long a client waits for any answer.
const PATIENCE: Duration = Duration::from_secs(60);

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// A client that speaks line by line and can send whatever octets a test wants.
///
/// What is called `try_` says what went wrong, for tests that pull the plug; everything else fails the test.
pub struct Client {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    /// Octets of `buffer` that were read already.
    taken: usize,
    /// What was agreed on, once TLS is on.
    pub tls: Option<Handshake>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("tls", &self.tls).finish_non_exhaustive()
    }
}

/// One line of LIST or UIDL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The message's number in the session.
    pub number: usize,
    /// Its size or its unique id.
    pub value: String,
}

impl Client {
    fn new(stream: Box<dyn Stream>, tls: Option<Handshake>) -> Self {
        Self { stream, buffer: Vec::new(), taken: 0, tls }
    }

    /// Connects in the clear; the greeting is not read yet.
    pub fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).expect("listening")
    }

    /// The same from an address of this machine.
    pub fn connect_from(source: IpAddr, address: SocketAddr) -> Self {
        let stream = tcp_from(source, address).expect("listening");
        Self::new(Box::new(stream), None)
    }

    /// The same.
    pub fn try_connect(address: SocketAddr) -> io::Result<Self> {
        Ok(Self::new(Box::new(tcp(address)?), None))
    }

    /// Connects to a Unix socket.
    pub fn connect_unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path).expect("listening");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        stream.set_write_timeout(Some(PATIENCE)).expect("a time-out");
        Self::new(Box::new(stream), None)
    }

    /// Connects and puts TLS under it at once.
    pub fn connect_tls(address: SocketAddr) -> Self {
        Self::connect(address).start_tls()
    }

    /// Puts TLS under the connection, as after STARTTLS or STLS.
    pub fn start_tls(self) -> Self {
        self.start_tls_of(rustls::ALL_VERSIONS)
    }

    /// The same, with these versions alone.
    pub fn start_tls_of(self, versions: &[&'static SupportedProtocolVersion]) -> Self {
        let early = text(&self.buffer[self.taken..]);
        assert!(early.is_empty(), "octets before the handshake: {early:?}");
        let (stream, handshake) = tls::client(self.stream, versions).expect("a handshake");
        Self::new(Box::new(stream), Some(handshake))
    }

    /// Sends octets as they are.
    pub fn send(&mut self, octets: &[u8]) {
        self.try_send(octets).expect("sent");
    }

    /// The same.
    pub fn try_send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.write_all(octets)?;
        self.stream.flush()
    }

    /// The next line without its CRLF; nothing when the server has closed.
    pub fn line(&mut self) -> Option<String> {
        match self.try_line() {
            Ok(line) => Some(line),
            Err(error) if is_closed(&error) => None,
            Err(error) => panic!("no answer: {error}"),
        }
    }

    /// The next line without its CRLF.
    pub fn try_line(&mut self) -> io::Result<String> {
        let line = self.raw_line()?;
        Ok(text(&line[..line.len() - 2]))
    }

    /// One whole SMTP reply, its lines joined by `\n`.
    pub fn reply(&mut self) -> String {
        self.try_reply().expect("a reply")
    }

    /// The same.
    pub fn try_reply(&mut self) -> io::Result<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.try_line()?;
            let last = line.as_bytes().get(3) != Some(&b'-');
            lines.push(line);
            if last {
                return Ok(lines.join("\n"));
            }
        }
    }

    /// Sends a line and takes one SMTP reply.
    pub fn ask(&mut self, line: &str) -> String {
        self.try_ask(line).expect("a reply")
    }

    /// The same.
    pub fn try_ask(&mut self, line: &str) -> io::Result<String> {
        self.try_send(format!("{line}\r\n").as_bytes())?;
        self.try_reply()
    }

    /// Sends a line and takes one line: a POP3 response.
    pub fn command(&mut self, line: &str) -> String {
        self.try_command(line).expect("a response")
    }

    /// The same.
    pub fn try_command(&mut self, line: &str) -> io::Result<String> {
        self.try_send(format!("{line}\r\n").as_bytes())?;
        self.try_line()
    }

    /// The rest of a multi-line response, un-stuffed (RFC 1939 §3).
    pub fn lines(&mut self) -> Vec<u8> {
        self.try_lines().expect("a whole response")
    }

    /// The same.
    pub fn try_lines(&mut self) -> io::Result<Vec<u8>> {
        let mut octets = Vec::new();
        loop {
            let line = self.raw_line()?;
            if line == b".\r\n" {
                return Ok(octets);
            }
            octets.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        }
    }

    /// The octets of one message.
    pub fn retrieve(&mut self, number: usize) -> Vec<u8> {
        self.multiline(&format!("RETR {number}"))
    }

    /// Sends a line that has a multi-line response; its octets.
    pub fn multiline(&mut self, line: &str) -> Vec<u8> {
        self.try_multiline(line).expect("a whole response")
    }

    /// The same.
    pub fn try_multiline(&mut self, line: &str) -> io::Result<Vec<u8>> {
        let first = self.try_command(line)?;
        assert!(first.starts_with("+OK"), "{line}: {first}");
        self.try_lines()
    }

    /// LIST or UIDL, whole.
    pub fn listing(&mut self, verb: &str) -> Vec<Listed> {
        self.try_listing(verb).expect("a whole listing")
    }

    /// The same.
    pub fn try_listing(&mut self, verb: &str) -> io::Result<Vec<Listed>> {
        let octets = self.try_multiline(verb)?;
        let listed = |line: &str| {
            let (number, value) = line.split_once(' ').expect("two words");
            Listed { number: number.parse().expect("a number"), value: value.into() }
        };
        Ok(text(&octets).lines().map(listed).collect())
    }

    /// Ends a POP3 session as it should end.
    pub fn quit(mut self) {
        let last = self.command("QUIT");
        assert!(last.starts_with("+OK"), "{last}");
        assert_eq!(self.line(), None);
    }

    /// The next line with its CRLF; it ends at CRLF alone, so that a bare LF shows.
    fn raw_line(&mut self) -> io::Result<&[u8]> {
        let mut searched = self.taken;
        let end = loop {
            let lf = self.buffer[searched..].iter().position(|octet| *octet == b'\n').map(|at| searched + at);
            match lf {
                Some(lf) if lf > self.taken && self.buffer[lf - 1] == b'\r' => break lf + 1,
                Some(lf) => searched = lf + 1,
                None => searched = self.fill()?,
            }
        };
        let start = std::mem::replace(&mut self.taken, end);
        Ok(&self.buffer[start..end])
    }

    /// Reads some more; where in the buffer that begins.
    fn fill(&mut self) -> io::Result<usize> {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        let start = self.buffer.len();
        self.buffer.resize(start + (64 << 10), 0);
        let read = self.stream.read(&mut self.buffer[start..]);
        self.buffer.truncate(start + read.as_ref().map_or(0, |octets| *octets));
        match read {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(start),
            Err(error) => Err(error),
        }
    }
}

fn tcp(address: SocketAddr) -> io::Result<TcpStream> {
    patient(TcpStream::connect(address)?)
}

fn tcp_from(source: IpAddr, address: SocketAddr) -> io::Result<TcpStream> {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let family = if source.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket(family, SocketType::STREAM, None)?;
    bind(&socket, &SocketAddr::new(source, 0))?;
    connect(&socket, &address)?;
    patient(socket.into())
}

fn patient(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn is_closed(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}
