use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use queue::{Maildrop, Message, StoreError};

use crate::session::{Fetch, TopCutter};

/// TOP begins with so much of a message, and takes four times as much each time that is not enough: few
/// clients read past the header, and a message may be large.
const FIRST_WINDOW: u64 = 32 * 1024;
/// TOP of so many lines is a download.
const DOWNLOAD_LINES: u64 = 1000;
/// Longer headers do not come in; what is longer all the same is not looked at to its end.
const HEADER_OCTETS: u64 = 256 * 1024;

/// Why a message is not read.
pub(super) enum OpenError {
    /// Its header is not ASCII.
    NeedsUtf8,
    /// The store cannot.
    Store(StoreError),
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A message on its way to the client, never more of it in memory than a chunk and what a look at its header
/// took.
pub(super) struct Reading<M: Maildrop> {
    maildrop: Arc<M>,
    fetch: Fetch,
    message: M::Message,
    /// Where the next window begins.
    at: u64,
    window: u64,
    /// Read already.
    ahead: VecDeque<Bytes>,
    /// What the session has not taken yet.
    pub(super) chunk: Bytes,
}

impl<M: Maildrop> Reading<M> {
    /// Opens it and has its first octets at hand, so that what goes wrong goes wrong before `+OK`.
    pub(super) async fn open(maildrop: Arc<M>, fetch: Fetch) -> Result<Self, OpenError> {
        let window = match fetch.lines {
            Some(lines) if lines < DOWNLOAD_LINES => FIRST_WINDOW.min(fetch.octets),
            Some(_) | None => fetch.octets,
        };
        let message = maildrop.message(fetch.index, 0..window).await?;
        let mut reading = Self {
            maildrop,
            fetch,
            message,
            at: window,
            window,
            ahead: VecDeque::new(),
            chunk: Bytes::new(),
        };
        if fetch.ascii_only {
            reading.look_at_header().await?;
        } else if let Some(chunk) = reading.next().await? {
            reading.ahead.push_back(chunk);
        }
        Ok(reading)
    }

    /// The next octets; none at the end of the message.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        if let Some(chunk) = self.ahead.pop_front() {
            return Ok(Some(chunk));
        }
        loop {
            if let Some(chunk) = self.message.chunk().await? {
                return Ok(Some(chunk));
            }
            if self.at >= self.fetch.octets {
                return Ok(None);
            }
            self.window = self.window.saturating_mul(4);
            let end = self.at.saturating_add(self.window).min(self.fetch.octets);
            self.message = self.maildrop.message(self.fetch.index, self.at..end).await?;
            self.at = end;
        }
    }

    async fn look_at_header(&mut self) -> Result<(), OpenError> {
        let (mut header, mut looked) = (TopCutter::new(0), 0);
        let mut ahead = VecDeque::new();
        while looked < HEADER_OCTETS {
            let Some(chunk) = self.next().await? else { break };
            let (octets, complete) = header.take(&chunk);
            if !chunk[..octets].is_ascii() {
                return Err(OpenError::NeedsUtf8);
            }
            looked += octets as u64;
            ahead.push_back(chunk);
            if complete {
                break;
            }
        }
        self.ahead = ahead;
        Ok(())
    }
}
