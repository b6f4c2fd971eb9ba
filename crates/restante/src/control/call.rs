use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::fault::{Code, Fault};
use super::frame::{Frame, OCTETS_MAX, Progress};
use super::input::{CHUNK, Input, Received};
use crate::identity;

/// How long a caller may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// To say what it wants.
    pub(super) request: Duration,
    /// To send the next frame, or to take one.
    pub(super) frame: Duration,
    /// Between two words of how far something is.
    pub(super) progress: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        // A person may stop an import for a while to look at something; who connects knows what it wants.
        let seconds = Duration::from_secs;
        Self { request: seconds(60), frame: seconds(300), progress: Duration::from_millis(100) }
    }
}

/// The daemon's end of one connection while its verb is served.
///
/// One side streams at a time: while the client sends items, the verb only says how far it is; the client may
/// not be reading. Every method waits for the caller as long as its patience lasts, and nobody else waits with
/// it. A future that is dropped leaves no half of a frame behind.
pub struct Call {
    stream: UnixStream,
    patience: Patience,
    input: Input,
    chunk: Vec<u8>,
    output: Vec<u8>,
    /// So much of it is on its way.
    sent: usize,
    ended: bool,
    told: Option<Instant>,
}

impl Call {
    pub(super) fn new(stream: UnixStream, patience: Patience) -> Self {
        let (input, chunk) = (Input::default(), Vec::new());
        Self { stream, patience, input, chunk, output: Vec::new(), sent: 0, ended: false, told: None }
    }

    /// Who is calling, by the kernel's word: the name of a user of this machine.
    pub fn caller(&self) -> String {
        match self.stream.peer_cred() {
            Ok(caller) => identity::user_name(caller.uid()),
            Err(_) => "somebody".into(),
        }
    }

    /// The next item of the client's with its octets; nothing when it has no more.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<(T, Vec<u8>)>, Fault> {
        if self.ended {
            return Ok(None);
        }
        match self.receive(self.patience.frame).await? {
            Received { frame: Frame::Item(item), octets } => {
                let item = serde_json::from_value(item).map_err(|error| not_ours("item", &error))?;
                Ok(Some((item, octets)))
            }
            Received { frame: Frame::End, .. } => {
                self.ended = true;
                Ok(None)
            }
            Received { frame, .. } => Err(unexpected(&frame)),
        }
    }

    /// Sends an item with octets behind it: at most [`OCTETS_MAX`], more is several items.
    pub async fn item<T: Serialize + Sync>(&mut self, item: &T, octets: &[u8]) -> Result<(), Fault> {
        let item = serde_json::to_value(item).map_err(|error| Fault::internal(error.to_string()))?;
        self.send(&Frame::Item(item), octets).await
    }

    /// Says how far the verb is, when the caller can hear it now. Never waits, so it can be called for every
    /// message: what comes too often is not sent.
    pub fn progress(&mut self, progress: &Progress) {
        let fresh = self.told.is_some_and(|at| at.elapsed() < self.patience.progress);
        if fresh || !self.output.is_empty() {
            return;
        }
        self.told = Some(Instant::now());
        if let Ok(line) = Frame::Progress(progress.clone()).encode(0) {
            // What does not fit goes out before the next frame; a caller that is gone is found there too.
            let taken = self.stream.try_write(&line).unwrap_or(0);
            if taken > 0 && taken < line.len() {
                (self.output, self.sent) = (line, taken);
            }
        }
    }

    /// What is asked for.
    pub(super) async fn request(&mut self) -> Result<(String, Value), Fault> {
        match self.receive(self.patience.request).await? {
            Received { frame: Frame::Request { verb, args }, octets } if octets.is_empty() => {
                Ok((verb, args))
            }
            Received { frame, .. } => Err(unexpected(&frame)),
        }
    }

    /// The last line, whatever stands in it.
    pub(super) async fn finish(mut self, outcome: Result<Value, Fault>) {
        let last = outcome.map_or_else(Frame::Error, Frame::Result);
        let sent = match self.send(&last, &[]).await {
            Err(fault) if fault.code == Code::Internal => self.send(&Frame::Error(fault), &[]).await,
            sent => sent,
        };
        if sent.is_err() {
            tracing::debug!("a caller on the control socket did not wait for its answer");
        }
    }

    async fn receive(&mut self, patience: Duration) -> Result<Received, Fault> {
        let silent = |_| Fault::gone(format!("nothing came for {} s", patience.as_secs()));
        timeout(patience, self.receive_at_leisure()).await.map_err(silent)?
    }

    async fn receive_at_leisure(&mut self) -> Result<Received, Fault> {
        loop {
            if let Some(received) = self.input.next()? {
                return Ok(received);
            }
            self.chunk.clear();
            self.chunk.reserve(CHUNK);
            let mut room = (&mut self.stream).take(CHUNK as u64);
            match room.read_buf(&mut self.chunk).await {
                Ok(0) if self.input.is_empty() => return Err(Fault::gone("the caller has gone")),
                Ok(0) => return Err(Fault::gone("the caller has gone in the middle of a frame")),
                Ok(_) => self.input.feed(&self.chunk),
                Err(error) => return Err(Fault::gone(error.to_string())),
            }
        }
    }

    async fn send(&mut self, frame: &Frame, octets: &[u8]) -> Result<(), Fault> {
        debug_assert!(octets.len() <= OCTETS_MAX, "the caller of this cuts what it sends");
        let line = frame.encode(octets.len())?;
        self.output.extend_from_slice(&line);
        self.output.extend_from_slice(octets);
        let silent = |_| Fault::gone("the caller does not take its answer");
        timeout(self.patience.frame, self.flush()).await.map_err(silent)?
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        while self.sent < self.output.len() {
            match self.stream.write(&self.output[self.sent..]).await {
                Ok(0) => return Err(Fault::gone("the caller has gone")),
                Ok(taken) => self.sent += taken,
                Err(error) => return Err(Fault::gone(error.to_string())),
            }
        }
        self.output.clear();
        self.sent = 0;
        Ok(())
    }
}

/// What came does not have the verb's shape.
pub(super) fn not_ours(what: &str, error: &serde_json::Error) -> Fault {
    Fault::new(Code::Usage, format!("not this verb's {what}: {error}"))
}

fn unexpected(frame: &Frame) -> Fault {
    let what = match frame {
        Frame::Request { .. } => "a request, which is the first line and no other",
        Frame::Item(_) | Frame::End => "an item before any request",
        Frame::Progress(_) | Frame::Result(_) | Frame::Error(_) => "a line that only the daemon sends",
    };
    Fault::new(Code::Malformed, format!("did not expect {what}"))
}
