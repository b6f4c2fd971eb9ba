use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::PASSWORD;
use crate::tls;

/// How long a client waits for any answer.
const PATIENCE: Duration = Duration::from_secs(60);

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A client that speaks line by line and can send whatever octets a test wants.
pub struct Client {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
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
    /// Connects in the clear; the greeting is not read yet.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("listening");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        stream.set_nodelay(true).expect("no delay");
        Self { stream: Box::new(stream), buffer: Vec::new() }
    }

    /// Connects to a Unix socket.
    pub fn connect_unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path).expect("listening");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        Self { stream: Box::new(stream), buffer: Vec::new() }
    }

    /// Connects and puts TLS under it at once.
    pub fn connect_tls(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("listening");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        Self { stream: Box::new(tls::client(stream)), buffer: Vec::new() }
    }

    /// Puts TLS under the connection, as after STARTTLS or STLS.
    pub fn start_tls(self) -> Self {
        assert!(self.buffer.is_empty(), "octets before the handshake: {:?}", text(&self.buffer));
        Self { stream: Box::new(tls::client(self.stream)), buffer: Vec::new() }
    }

    /// Sends octets as they are.
    pub fn send(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).expect("sent");
        self.stream.flush().expect("sent");
    }

    /// The next line without its CRLF; nothing when the server has closed.
    pub fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line = text(&self.buffer[..end]);
                self.buffer.drain(..end + 2);
                return Some(line);
            }
            let mut chunk = [0; 65_536];
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(octets) => self.buffer.extend_from_slice(&chunk[..octets]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return None,
                Err(error) => panic!("no answer: {error}"),
            }
        }
    }

    /// One whole SMTP reply, its lines joined by `\n`.
    pub fn reply(&mut self) -> String {
        let mut lines = Vec::new();
        loop {
            let line = self.line().expect("a reply");
            let last = line.as_bytes().get(3) != Some(&b'-');
            lines.push(line);
            if last {
                return lines.join("\n");
            }
        }
    }

    /// Sends a line and takes one SMTP reply.
    pub fn ask(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes());
        self.reply()
    }

    /// Sends a line and takes one line: a POP3 response.
    pub fn command(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes());
        self.line().expect("a response")
    }

    /// The rest of a multi-line response, un-stuffed (RFC 1939 §3).
    pub fn lines(&mut self) -> Vec<u8> {
        let mut octets = Vec::new();
        loop {
            while let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                if line == b".\r\n" {
                    return octets;
                }
                octets.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
            }
            let mut chunk = vec![0; 1 << 20];
            let read = self.stream.read(&mut chunk).expect("an answer");
            assert!(read > 0, "closed inside a multi-line response");
            self.buffer.extend_from_slice(&chunk[..read]);
        }
    }

    /// The octets of one message.
    pub fn retrieve(&mut self, number: usize) -> Vec<u8> {
        let first = self.command(&format!("RETR {number}"));
        assert!(first.starts_with("+OK"), "{first}");
        self.lines()
    }

    /// LIST or UIDL, whole.
    pub fn listing(&mut self, verb: &str) -> Vec<Listed> {
        let first = self.command(verb);
        assert!(first.starts_with("+OK"), "{first}");
        let octets = self.lines();
        let listed = |line: &str| {
            let (number, value) = line.split_once(' ').expect("two words");
            Listed { number: number.parse().expect("a number"), value: value.into() }
        };
        text(&octets).lines().map(listed).collect()
    }

    /// Ends a POP3 session as it should end.
    pub fn quit(mut self) {
        let last = self.command("QUIT");
        assert!(last.starts_with("+OK"), "{last}");
        assert_eq!(self.line(), None);
    }
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// An SMTP session that has said EHLO.
pub fn smtp(address: SocketAddr) -> Client {
    let mut client = Client::connect(address);
    let greeting = client.reply();
    assert!(greeting.starts_with("220 "), "{greeting}");
    let answer = client.ask("EHLO client.example");
    assert!(answer.starts_with("250-"), "{answer}");
    client
}

/// Delivers one message, given with CRLF line ends and not stuffed; the final reply.
pub fn deliver(client: &mut Client, to: &[&str], message: &[u8]) -> String {
    let from = client.ask("MAIL FROM:<sender@client.example>");
    assert!(from.starts_with("250 "), "{from}");
    for recipient in to {
        let answer = client.ask(&format!("RCPT TO:<{recipient}>"));
        assert!(answer.starts_with("250 "), "{answer}");
    }
    let data = client.ask("DATA");
    assert!(data.starts_with("354 "), "{data}");
    client.send(&stuffed(message));
    client.reply()
}

fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(message.len() + 16);
    for line in message.split_inclusive(|octet| *octet == b'\n') {
        if line.starts_with(b".") {
            octets.push(b'.');
        }
        octets.extend_from_slice(line);
    }
    octets.extend_from_slice(if message.is_empty() || message.ends_with(b"\r\n") { b".\r\n" } else { b"\r\n.\r\n" });
    octets
}

/// A POP3 session that has logged in.
pub fn pop3(address: SocketAddr, user: &str) -> Client {
    let mut client = Client::connect(address);
    let greeting = client.line().expect("a greeting");
    assert!(greeting.starts_with("+OK"), "{greeting}");
    let answer = client.command(&format!("USER {user}"));
    assert!(answer.starts_with("+OK"), "{answer}");
    let answer = client.command(&format!("PASS {PASSWORD}"));
    assert!(answer.starts_with("+OK"), "{answer}");
    client
}
