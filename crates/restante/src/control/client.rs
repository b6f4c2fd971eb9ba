use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::fault::{Code, Fault};
use super::frame::{Frame, Progress};
use super::input::{CHUNK, Input, Received};
use super::verb::Verb;

/// How long a daemon may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// The command line's end of a connection. It blocks.
pub struct Client {
    stream: UnixStream,
    input: Input,
    /// What the daemon said before the connection broke is believed before the break is.
    broken: Option<io::Error>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Unreached {
    /// Nobody listens there.
    #[error("the daemon is not running")]
    NotRunning,
    /// It may not be connected to.
    #[error("permission denied")]
    Denied,
    /// It is there and does not take the call.
    #[error("the daemon does not answer")]
    Silent,
    /// The system said no.
    #[error(transparent)]
    Io(io::Error),
}

impl Client {
    /// Connects to the daemon behind a socket.
    pub fn connect(socket: &Path) -> Result<Self, Unreached> {
        match connect(socket) {
            Ok(stream) => Ok(Self::over(stream)),
            Err(error) => Err(match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Unreached::NotRunning,
                io::ErrorKind::PermissionDenied => Unreached::Denied,
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Unreached::Silent,
                _ => Unreached::Io(error),
            }),
        }
    }

    pub(super) fn over(stream: UnixStream) -> Self {
        Self { stream, input: Input::default(), broken: None }
    }

    /// How long the daemon may be silent, and busy with what it was sent. Without this, for ever: who waits at
    /// a terminal can give up.
    pub fn patience(self, patience: Duration) -> Result<Self, Fault> {
        let read = self.stream.set_read_timeout(Some(patience));
        read.and_then(|()| self.stream.set_write_timeout(Some(patience)))
            .map_err(|error| Fault::internal(error.to_string()))?;
        Ok(self)
    }

    /// Asks for a verb that streams nothing, and waits for its answer; what it says on the way goes to
    /// `progress`.
    pub fn ask<V: Verb>(self, args: &V::Args, progress: impl FnMut(&Progress)) -> Result<V::Answer, Fault> {
        self.begin::<V>(args)?.answer(progress)
    }

    /// Asks for a verb that streams.
    pub fn begin<V: Verb>(mut self, args: &V::Args) -> Result<Asked<V>, Fault> {
        let args = serde_json::to_value(args).map_err(|error| Fault::internal(error.to_string()))?;
        self.send(&Frame::Request { verb: V::NAME.into(), args }, &[])?;
        Ok(Asked { client: self, verb: PhantomData })
    }

    /// A daemon that refuses what it is sent says why and goes: then the reason is there to be read, and a
    /// write that fails is not the fault to tell.
    fn send(&mut self, frame: &Frame, octets: &[u8]) -> Result<(), Fault> {
        if self.broken.is_some() {
            return Ok(());
        }
        let line = frame.encode(octets.len())?;
        if let Err(error) = self.stream.write_all(&line).and_then(|()| self.stream.write_all(octets)) {
            self.broken = Some(error);
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<Received, Fault> {
        let mut chunk = vec![0; CHUNK];
        loop {
            if let Some(received) = self.input.next()? {
                return Ok(received);
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(self.lost(None)),
                Ok(octets) => self.input.feed(&chunk[..octets]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.lost(Some(error))),
            }
        }
    }

    fn lost(&mut self, error: Option<io::Error>) -> Fault {
        match self.broken.take().or(error) {
            Some(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Fault::gone("the daemon does not answer").hint("journalctl -u restante")
            }
            Some(_) | None => {
                Fault::gone("the daemon went away before it had answered").hint("journalctl -u restante")
            }
        }
    }
}

/// A verb that was asked for.
pub struct Asked<V> {
    client: Client,
    verb: PhantomData<V>,
}

/// What the daemon says next.
pub enum Said<V: Verb> {
    /// How far it is.
    Progress(Progress),
    /// One thing of many, and its octets.
    Item(V::Item, Vec<u8>),
    /// That was all.
    Answer(V::Answer),
}

impl<V: Verb> Asked<V> {
    /// Sends an item, with at most [`super::OCTETS_MAX`] octets behind it. When the daemon has refused and
    /// gone, this does nothing: [`Asked::answer`] says why.
    pub fn send(&mut self, item: &V::Item, octets: &[u8]) -> Result<(), Fault> {
        let item = serde_json::to_value(item).map_err(|error| Fault::internal(error.to_string()))?;
        self.client.send(&Frame::Item(item), octets)
    }

    /// Whether it is of any use to send more.
    pub fn is_taken(&self) -> bool {
        self.client.broken.is_none()
    }

    /// There are no more items.
    pub fn end(&mut self) -> Result<(), Fault> {
        self.client.send(&Frame::End, &[])
    }

    /// Waits for what comes next. After [`Said::Answer`] nothing does.
    pub fn hear(&mut self) -> Result<Said<V>, Fault> {
        let Received { frame, octets } = self.client.receive()?;
        let strange =
            |error: serde_json::Error| Fault::new(Code::Malformed, format!("the daemon's answer: {error}"));
        match frame {
            Frame::Progress(progress) => Ok(Said::Progress(progress)),
            Frame::Item(item) => Ok(Said::Item(serde_json::from_value(item).map_err(strange)?, octets)),
            Frame::Result(answer) => Ok(Said::Answer(serde_json::from_value(answer).map_err(strange)?)),
            Frame::Error(fault) => Err(fault),
            Frame::Request { .. } | Frame::End => {
                Err(Fault::new(Code::Malformed, "the daemon sent what only a client sends"))
            }
        }
    }

    /// Waits for the answer; items that still come are passed over.
    pub fn answer(mut self, mut progress: impl FnMut(&Progress)) -> Result<V::Answer, Fault> {
        loop {
            match self.hear()? {
                Said::Progress(how_far) => progress(&how_far),
                Said::Item(..) => {}
                Said::Answer(answer) => return Ok(answer),
            }
        }
    }
}

/// Where the daemon hangs with a full backlog, a plain `connect` would wait for ever.
fn connect(path: &Path) -> io::Result<UnixStream> {
    let socket =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Send, Some(CONNECT))?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    set_socket_timeout(&socket, Timeout::Send, None)?;
    Ok(socket.into())
}
